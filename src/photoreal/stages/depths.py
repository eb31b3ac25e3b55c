"""What cameras see of splats, as depth."""

from collections.abc import Generator
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import Cameras, Depths, Gaussians, Step, world_rays
from photoreal.splat import rasterize_numba

SplatDepth = Literal["median", "expected"]
"""Where half of the light is gone, or the mean over all splats along the ray."""

_OPAQUE, _CLEAR = 0.5, 0.1
_GRAZING = 0.05


def splat_depths(gaussians: Gaussians, cameras: Cameras, kind: SplatDepth = "median") -> Generator[Step, None, Depths]:
    """Yield steps; return depth, and as confidence the cosine between the normal and the ray where splats are opaque.

    Where there are none depth is infinite and the confidence 1.
    """
    found: list[tuple[Tensor, Tensor]] = []
    yield Step("depth maps", 0, len(cameras))
    for view in range(len(cameras)):
        found.append(_depth_map(gaussians, cameras.take([view]), kind))
        yield Step("depth maps", view + 1, len(cameras))
    return Depths(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _depth_map(
    gaussians: Gaussians, camera: Cameras, kind: SplatDepth
) -> tuple[Float[Tensor, "1 H W"], Float[Tensor, "1 H W"]]:
    with torch.no_grad():
        renders = rasterize_numba(gaussians, camera, torch.zeros(1, 3))
    depth = renders.depth_median if kind == "median" else renders.depth_expected
    towards = -torch.nn.functional.normalize(world_rays(camera)[0], dim=-1)
    normal = torch.nn.functional.normalize(renders.normals[0], dim=0)
    cosine = torch.einsum("chw,hwc->hw", normal, towards).clamp_min(_GRAZING)
    solid = (renders.alpha > _OPAQUE) & (depth > 0) & torch.isfinite(depth)
    clear = renders.alpha < _CLEAR
    depth = torch.where(clear, torch.inf, torch.where(solid, depth, torch.zeros_like(depth)))
    return depth.float(), torch.where(clear, torch.ones_like(cosine), solid * cosine).float()
