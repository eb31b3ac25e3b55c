"""Densification as sampling (Kheradmand et al. 2024, 3D Gaussian Splatting as Markov Chain Monte Carlo).

Gaussians that have become transparent move onto opaque ones, the count grows by a share up to a cap, and noise keeps
transparent Gaussians exploring. A copy leaves the rendered scene nearly as it was (their eq. 9).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from photoreal.splat.harmonics import Y_0, opacity_from_logit

_MAX_COPIES = 51


@dataclass(frozen=True)
class DensityConfig:
    """When and how Gaussians are moved and added."""

    start: float = 0.08
    """Share of all steps before the first change."""
    stop: float = 0.8
    """Share of all steps after which the count is fixed."""
    every: int = 50
    """Steps between changes."""
    dead_opacity: float = 0.005
    """Gaussians below this opacity are moved."""
    noise: float = 5e5
    """Weight of the exploring noise (lambda_noise)."""


def copies_of(
    opacity: Float[Tensor, " N"], scales: Float[Tensor, "N 3"], copies: Int64[Tensor, " N"]
) -> tuple[Float[Tensor, " N"], Float[Tensor, "N 3"]]:
    """Opacity and scales that `copies` coincident Gaussians need to look like the one they replace (eq. 9)."""
    count = copies.clamp(1, _MAX_COPIES)
    new = 1 - (1 - opacity.double()) ** (1 / count.double())
    denominator = torch.zeros_like(new)
    for i in range(1, int(count.max()) + 1):
        terms = torch.zeros_like(new)
        for k in range(i):
            terms = terms + math.comb(i - 1, k) * (-1) ** k * new ** (k + 1) / math.sqrt(k + 1)
        denominator = denominator + torch.where(count >= i, terms, torch.zeros_like(terms))
    return new.to(opacity.dtype), scales * (opacity / denominator).to(scales.dtype)[:, None]


def draw_sources(opacity: Float[Tensor, " N"], count: int, generator: torch.Generator) -> Int64[Tensor, " {count}"]:
    """Numbers of Gaussians drawn in proportion to opacity."""
    cumulative = torch.cumsum(opacity.double(), 0)
    drawn = torch.rand(count, generator=generator, dtype=torch.float64) * cumulative[-1]
    return torch.searchsorted(cumulative, drawn).clamp_max(len(opacity) - 1)


def opacity_of(constant: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """Opacity averaged over directions, up to the sigmoid's curvature: that of the constant harmonic's coefficient."""
    return torch.sigmoid(constant * Y_0)


def constant_logit(opacity: Float[Tensor, " N"]) -> Float[Tensor, " N"]:
    """The constant harmonic's coefficient for an opacity, which is kept off 0 and 1."""
    return opacity_from_logit(opacity.clamp(1e-4, 1 - 1e-4).logit())[:, 0]
