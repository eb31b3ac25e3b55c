"""What a picture shows besides Gaussians: the sphere at infinity behind them, and each photograph's exposure."""

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import Cameras, Gaussians, Value, pixel_rays
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


@dataclass(frozen=True)
class Splats(Value):
    """Gaussians and what lies behind them."""

    gaussians: Gaussians
    background: Background


@dataclass(frozen=True)
class Exposures(Value):
    """For each photo the map from the scene's colours to the photo's: c -> matrix c + offset, in sRGB."""

    matrices: Float[Tensor, "V 3 3"]
    offsets: Float[Tensor, "V 3"]


def equal_exposures(count: int) -> Exposures:
    """The identity for every photo."""
    return Exposures(torch.eye(3).repeat(count, 1, 1), torch.zeros(count, 3))


def expose(exposures: Exposures, view: int, colour: Float[Tensor, "3 H W"]) -> Float[Tensor, "3 H W"]:
    """The colours as photo `view` recorded them."""
    return (exposures.matrices[view] @ colour.flatten(1) + exposures.offsets[view][:, None]).view(colour.shape)


def centred(exposures: Exposures) -> Exposures:
    """The same maps shifted so that their mean is the identity: the scene takes the photos' average exposure."""
    matrices, offsets = exposures.matrices, exposures.offsets
    eye = torch.eye(3, dtype=matrices.dtype)
    return Exposures(matrices - matrices.mean(0) + eye, offsets - offsets.mean(0))
