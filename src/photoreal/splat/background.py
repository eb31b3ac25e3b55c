"""What lies behind all Gaussians: a sphere at infinity."""

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import Cameras, Value, pixel_rays
from photoreal.splat.harmonics import Y_0, harmonic_basis

_GRID = 16


@dataclass(frozen=True)
class Background(Value):
    """Colour of the far and the sky by world direction, as spherical harmonics; one coefficient is one colour."""

    harmonics: Float[Tensor, "K 3"]
    """K in {1, 4, 9, 16}; sRGB = 0.5 + sum_k c_k Y_k(direction)."""


def constant_background(colour: Float[Tensor, " 3"]) -> Background:
    """The same sRGB colour in every direction."""
    return Background(((colour - 0.5) / Y_0)[None])


def background_image(background: Background, camera: Cameras) -> Float[Tensor, "3 H W"]:
    """The background as the first camera sees it; exact on every 16th pixel or so, bilinear between."""
    harmonics = background.harmonics
    if len(harmonics) == 1:
        colour = 0.5 + Y_0 * harmonics[0]
        return colour[:, None, None].expand(3, *camera.size)
    height, width = camera.size
    coarse = camera.take([0]).resized((max(2, height // _GRID), max(2, width // _GRID)))
    rays = pixel_rays(coarse)[0] @ coarse.cam_from_world[0, :3, :3]
    basis = harmonic_basis(torch.nn.functional.normalize(rays, dim=-1), len(harmonics)).to(harmonics.dtype)
    image = (0.5 + basis @ harmonics).permute(2, 0, 1)
    return _interpolation(height, coarse.size[0]) @ image @ _interpolation(width, coarse.size[1]).T


@functools.cache
def _interpolation(fine: int, coarse: int) -> Float[Tensor, "{fine} {coarse}"]:
    """Weights of linear interpolation between cell centres; as a matrix product it is far faster than resampling."""
    eye = torch.eye(coarse)[None]
    return torch.nn.functional.interpolate(eye, size=fine, mode="linear", align_corners=False)[0].T.contiguous()
