"""Which photo sees which place of a mesh, and how well."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, laplace, maximum_filter, minimum_filter
from torch import Tensor

from photoreal.core import Capture, Depths, Mesh, Value
from photoreal.mesh.surface.volume import camera_numbers
from photoreal.mesh.texture.hits import camera_hits

_EDGE = 12.0
"""Pixels over which trust rises from the photo's edge, a mask or an outline of the mesh."""
_BEFORE = 0.9
"""What is nearer than this share of the mesh's depth stands before it."""
_JUMP = 0.03
"""A step in depth of this share between neighbouring pixels is an outline."""


@dataclass(frozen=True)
class Sightings(Value):
    """Photos as the texture's kernels take them."""

    images: UInt8[Tensor, "V H W 3"]
    depth: Float[Tensor, "V H W"]
    """Of the mesh at each pixel; infinite where there is none."""
    trust: UInt8[Tensor, "V H W"]
    """0: not to be used; 255: far from edges, in a photo as sharp as the sharpest."""
    cameras: Float[Tensor, "V 16"]
    """The rows of cam_from_world [3, 4], then fx, fy, cx, cy."""
    centres: Float[Tensor, "V 3"]
    gains: Float[Tensor, "V 3"]
    """Linear light of each photo times this is at one exposure and white balance."""
    tolerance: float
    """How far the mesh may be from the true surface, world units."""

    def __len__(self) -> int:
        return len(self.images)


def sightings_of(capture: Capture, mesh: Mesh, depths: Depths, *, tolerance: float) -> Sightings:
    """Draw the mesh from every camera, and judge how far each pixel is to be trusted; gains are 1.

    Where a view's own depth says that something stands before the mesh which the mesh lacks, or that there is nothing
    where the mesh is, the photo is a last resort.
    """
    drawn: list[Tensor] = []
    trusts: list[Tensor] = []
    sharp = np.array([_sharpness(image) for image in capture.photos.images])
    shares = np.minimum(1, sharp / max(float(np.median(sharp)), 1e-12))
    for view in range(len(capture)):
        hits = camera_hits(mesh, capture.cameras.take([view]))
        there = hits.face >= 0
        depth = torch.where(there, hits.depth, torch.full_like(hits.depth, torch.inf))
        drawn.append(depth)
        trust = _trust(hits.depth, capture.photos.masks[view], float(shares[view]))
        trusts.append(torch.where(_hidden(depth, depths.take([view]), tolerance), trust.clamp_max(1), trust))
    cameras = torch.stack([torch.from_numpy(camera_numbers(capture.cameras, view)) for view in range(len(capture))])
    return Sightings(
        capture.photos.images.permute(0, 2, 3, 1).contiguous(),
        torch.stack(drawn),
        torch.stack(trusts),
        cameras,
        capture.cameras.centres.float().contiguous(),
        torch.ones(len(capture), 3),
        tolerance,
    )


def _hidden(depth: Float[Tensor, "H W"], own: Depths, tolerance: float) -> Bool[Tensor, "H W"]:
    """Where one view's `own` depths, of any size, are well before the mesh's or infinite, or next to such a pixel."""
    known, nearest = (
        torch.nn.functional.interpolate(values[:, None].float(), depth.shape, mode="nearest")[0, 0]
        for values in (own.confidence > 0, own.depth)
    )
    before = (known > 0) & depth.isfinite() & ((nearest < _BEFORE * depth - tolerance) | nearest.isinf())
    return torch.nn.functional.max_pool2d(before[None].float(), 5, 1, 2)[0] > 0


def _trust(depth: Float[Tensor, "H W"], mask: Bool[Tensor, "H W"], sharpness: float) -> UInt8[Tensor, "H W"]:
    values = depth.numpy()
    low, high = minimum_filter(values, 3), maximum_filter(values, 3)
    clear = (high - low <= _JUMP * high) & mask.numpy()
    away: NDArray[np.float64] = np.asarray(distance_transform_edt(np.pad(clear, 1)))[1:-1, 1:-1]
    rise = np.clip(away / _EDGE, 0, 1)
    level = np.maximum(rise * rise * sharpness, 0.02) * mask.numpy()
    return torch.from_numpy(np.ceil(level * 255).astype(np.uint8))


def _sharpness(image: UInt8[Tensor, "3 H W"]) -> float:
    """The high quantile of the Laplacian of grey: what is sharpest in the photo."""
    grey = image.float().mean(0).numpy()
    return float(np.quantile(np.abs(laplace(grey)), 0.95))
