"""Depth maps fused into a signed distance on sparse voxels, and its zero set as triangles."""

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from photoreal.core import Cameras, CaptureError, Depths, Mesh, Value, unproject
from photoreal.mesh.kernels.marching import TABLE, connect, mark, place
from photoreal.mesh.kernels.voxels import BITS, OFFSET, SIDE, VOXELS, integrate

DepthViews = Callable[[], Iterable[tuple[Depths, Cameras]]]
"""Gives depth maps and their cameras, a few at a time, and gives them again when it is called again: so none need be
kept."""

BYTES_A_VOXEL = 8 + 2 + 12
"""Memory at the peak: distance and weight; cube and crossings; numbers of vertices."""
_SHARE_OF_MEMORY = 0.6
"""Of what is free, at most."""


@dataclass(frozen=True)
class Volume(Value):
    """A truncated signed distance on blocks of 8 x 8 x 8 voxels."""

    keys: Int64[Tensor, " B"]
    """Sorted; see `kernels.voxels.key_of`."""
    distance: Float[Tensor, "B 512"]
    """In units of the truncation, at most 1; negative behind the surface; x runs fastest."""
    weight: Float[Tensor, "B 512"]
    """Sum of confidences; 0 = never seen."""
    origin: Float[Tensor, " 3"]
    """World position of voxel (0, 0, 0) of block (0, 0, 0)."""
    voxel: float
    """Side of a voxel, world units."""


def fuse(views: DepthViews, origin: Float[Tensor, " 3"], voxel: float, *, truncation: float = 4.0) -> Volume:
    """Average all depth maps, weighted by confidence, into one signed distance (Curless and Levoy 1996).

    Memory grows with the surface: blocks exist within `truncation` (in voxels, at most 8) of a finite depth only. An
    infinite one says that all along its ray is free.

    Raises:
        CaptureError: no pixel of any view has a depth, or there is too little memory; the text offers a size.
    """
    keys = touched(views, origin, voxel, truncation)
    _check_memory(len(keys), voxel)
    distance = np.ones((len(keys), VOXELS), np.float32)
    weight = np.zeros((len(keys), VOXELS), np.float32)
    reach = np.float32(voxel * truncation)
    start = origin.numpy().astype(np.float32)
    for depths, cameras in views():
        for view in range(len(depths)):
            depth, confidence = depths.depth[view].float().numpy(), depths.confidence[view].float().numpy()
            camera = camera_numbers(cameras, view)
            integrate(
                keys, start, np.float32(voxel), reach, depth, confidence, camera, distance, weight
            )  # fmt: skip
    return Volume(torch.from_numpy(keys), torch.from_numpy(distance), torch.from_numpy(weight), origin, voxel)


def _check_memory(blocks: int, voxel: float) -> None:
    needed, usable = blocks * VOXELS * BYTES_A_VOXEL, _SHARE_OF_MEMORY * _free_memory()
    if needed > usable:
        # Blocks follow a surface: half the voxel, four times as many.
        fits = voxel * (needed / usable) ** 0.5 * 1.1
        raise CaptureError(
            f"voxels of {voxel:.3g} would take {needed / 2**30:.1f} GiB, and {usable / 2**30:.1f} GiB may be used; "
            f"--mesh.surface.voxel {fits:.3g} would fit"
        )


def _free_memory() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return math.inf


def camera_numbers(cameras: Cameras, view: int) -> NDArray[np.float32]:
    """The rows of cam_from_world [3, 4], then `lens_numbers`: what kernels take."""
    return torch.cat([cameras.cam_from_world[view, :3].reshape(-1), lens_numbers(cameras, view)]).float().numpy()


def lens_numbers(cameras: Cameras, view: int) -> Float[Tensor, " 4"]:
    """A camera's fx, fy, cx, cy, in pixels."""
    k = cameras.intrinsics[view]
    return torch.stack([k[0, 0], k[1, 1], k[0, 2], k[1, 2]])


def touched(views: DepthViews, origin: Float[Tensor, " 3"], voxel: float, truncation: float) -> NDArray[np.int64]:
    """Sorted keys of all blocks that come within the truncation of a depth, along every axis.

    Raises:
        CaptureError: no pixel of any view has a depth.
    """
    found = np.empty(0, np.int64)
    for depths, cameras in views():
        for view in range(len(depths)):
            found = np.union1d(found, _touched_by(depths, cameras, view, (origin, voxel, truncation)))
    if not len(found):
        raise CaptureError("no pixel of any view has a depth, so there is no surface to find")
    return found


def _touched_by(depths: Depths, cameras: Cameras, view: int, grid: tuple[Tensor, float, float]) -> NDArray[np.int64]:
    origin, voxel, truncation = grid
    known = depths.take([view]).known[0]
    points = unproject(cameras.take([view]), depths.depth[view : view + 1])[0][known]
    # Points in one voxel speak for each other.
    voxels = np.floor(((points - origin) / voxel).double().numpy()).astype(np.int64)
    if len(voxels) and np.abs(voxels).max() >= OFFSET - SIDE:
        raise CaptureError(f"a depth lies more than {OFFSET - SIDE:,} voxels from the middle; take larger voxels")
    apart = _apart(np.unique(_packed(voxels)))
    reach = math.ceil(truncation)
    ends = [(x, y, z) for x in (-reach, reach + 1) for y in (-reach, reach + 1) for z in (-reach, reach + 1)]
    return np.unique(np.concatenate([np.unique(_packed((apart + np.array(end)) // SIDE)) for end in ends]))


def _packed(whole: NDArray[np.int64]) -> NDArray[np.int64]:
    x, y, z = (whole + OFFSET).T
    return (x << (2 * BITS)) | (y << BITS) | z


def _apart(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    mask = (1 << BITS) - 1
    return np.stack([keys >> (2 * BITS), (keys >> BITS) & mask, keys & mask], 1) - OFFSET


def extract(volume: Volume, *, least: float = 0.0) -> tuple[Mesh, Float[Tensor, " N"]]:
    """The surface where the distance is 0, and the weight behind each vertex.

    Cubes with a corner whose weight is not above `least` give nothing, so the surface ends where nothing was seen.
    Faces turn counter-clockwise seen from free space; shared vertices are shared.
    """
    keys, distance, weight = volume.keys.numpy(), volume.distance.numpy(), volume.weight.numpy()
    origin, voxel = volume.origin.numpy().astype(np.float32), np.float32(volume.voxel)
    crossings, triangles = np.empty(distance.shape, np.uint8), np.empty(distance.shape, np.uint8)
    counts = mark(keys, distance, weight, np.float32(least), crossings, triangles, TABLE)
    ends = np.cumsum(counts, axis=0)
    first = ends - counts
    total = ends[-1] if len(ends) else np.zeros(2, np.int64)
    numbers = np.empty((*distance.shape, 3), np.int32)
    vertices, beliefs = np.empty((total[0], 3), np.float32), np.empty(total[0], np.float32)
    place(keys, origin, voxel, distance, weight, crossings, first[:, 0].copy(), numbers, vertices, beliefs)
    faces = np.empty((total[1], 3), np.int64)
    connect(keys, triangles, numbers, first[:, 1].copy(), faces, TABLE)
    # Crossings whose cubes all touch something unseen belong to no face.
    used, index = np.unique(faces, return_inverse=True)
    mesh = Mesh(torch.from_numpy(vertices[used]), torch.from_numpy(index.reshape(-1, 3)))
    return mesh, torch.from_numpy(beliefs[used])
