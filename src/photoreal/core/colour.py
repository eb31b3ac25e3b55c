"""sRGB and linear light (IEC 61966-2-1)."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


def linear_from_srgb(srgb: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Linear light in [0, 1] from sRGB in [0, 1]."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055).clamp_min(0) ** 2.4)


def srgb_from_linear(linear: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """sRGB in [0, 1] from linear light in [0, 1]."""
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp_min(1e-12) ** (1 / 2.4) - 0.055)


def bytes_from_unit(unit: Float[Tensor, "*shape"]) -> UInt8[Tensor, "*shape"]:
    """Round values of [0, 1] to bytes; what lies outside is clipped."""
    return (unit.clamp(0, 1) * 255 + 0.5).to(torch.uint8)


def unit_from_bytes(values: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Bytes as float32 in [0, 1]."""
    return values.to(torch.float32) / 255
