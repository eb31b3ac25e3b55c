"""The CPU rasterizer: numba kernels behind the same contract as `rasterize_torch`.

It is differentiable by hand-written gradients. Bytes do not depend on the number of threads: sums of one Gaussian's
pairs have a fixed order.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numba
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from photoreal.core import Cameras, Gaussians
from photoreal.splat.kernels.binning import TILE, count_pairs, deal_tiles, sort_pairs, write_pairs
from photoreal.splat.kernels.compositing import composite, composite_backward
from photoreal.splat.kernels.projection import CAMERA_GRADIENTS, CHUNKS, RECORD, project, project_backward
from photoreal.splat.renders import MARGIN, Renders

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
Fields = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]
"""One array for each field of `Gaussians`, in their order."""
Channels = Literal["colour", "all"]


@dataclass(frozen=True)
class _Pairs:
    """Gaussians sorted into tiles."""

    first: NDArray[np.int64]
    origin: IntArray
    tile_start: NDArray[np.int64]
    gaussian: IntArray
    rows: IntArray
    dealt: NDArray[np.int64]
    used: NDArray[np.int64]


@dataclass(frozen=True)
class _Screen:
    """Projected Gaussians of one view and their composited planes."""

    camera: FloatArray
    record: FloatArray
    depth: FloatArray
    reach: FloatArray
    opacity: FloatArray
    pairs: _Pairs
    planes: FloatArray
    """Features, then transmittance; padded to whole tiles."""
    median: FloatArray
    """Number of the median Gaussian, -1 for none."""


def rasterize_numba(gaussians: Gaussians, cameras: Cameras, backgrounds: Float[Tensor, "V 3"]) -> Renders:
    """Render on the CPU in float32; differentiable by Gaussians, cameras and backgrounds. See `Rasterizer`."""
    views = [_render_all(gaussians, cameras.take([v]), backgrounds[v]) for v in range(len(cameras))]
    return Renders(*(torch.stack(list(maps)) for maps in zip(*views, strict=True)))


def render_colour(gaussians: Gaussians, camera: Cameras) -> tuple[Float[Tensor, "3 H W"], Float[Tensor, "H W"]]:
    """Colour over black and transmittance for the first camera: the part of rendering that training needs."""
    sums, transmittance, _, _ = _splat(gaussians, camera, "colour")
    return sums, transmittance


def _render_all(gaussians: Gaussians, camera: Cameras, background: Float[Tensor, " 3"]) -> tuple[Tensor, ...]:
    sums, transmittance, depth, median = _splat(gaussians, camera, "all")
    alpha = 1 - transmittance
    covered = alpha > 0
    expected = torch.where(covered, sums[3] / torch.where(covered, alpha, torch.ones_like(alpha)), 0 * alpha)
    found = median >= 0
    at_median = depth[median.clamp_min(0)] if len(depth) else torch.zeros_like(alpha)
    colour = sums[:3] + transmittance * background[:, None, None]
    return colour, alpha, expected, torch.where(found, at_median, torch.zeros_like(at_median)), sums[4:]


def _splat(gaussians: Gaussians, camera: Cameras, channels: Channels) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _Splat.apply(
        gaussians.means,
        gaussians.quaternions,
        gaussians.log_scales,
        gaussians.opacity_harmonics,
        gaussians.colour_harmonics,
        camera.cam_from_world[0],
        camera.intrinsics[0],
        camera.size,
        3 if channels == "colour" else 7,
    )  # pyright: ignore[reportReturnType]


class _Splat(torch.autograd.Function):
    """Composited features, transmittance, depth of each Gaussian, number of the median Gaussian of each pixel."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        *tensors, size, features = inputs
        arrays = _fields(_array(t) for t in tensors[:5])
        screen = _draw(arrays, _camera_numbers(tensors[5], tensors[6], size), size, features)
        ctx.arrays, ctx.screen, ctx.size, ctx.features = arrays, screen, size, features
        height, width = size
        planes = torch.from_numpy(screen.planes)[:, :height, :width]
        median = torch.from_numpy(screen.median[:height, :width].astype(np.int64))
        ctx.mark_non_differentiable(median)
        return planes[:features].contiguous(), planes[features].contiguous(), torch.from_numpy(screen.depth), median

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator's stub hides the name ctx
        ctx: Any, *outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        sums, transmittance, depth, _ = outputs
        height, width = ctx.size
        gradient = np.zeros_like(ctx.screen.planes)
        gradient[: ctx.features, :height, :width] = sums.numpy()
        gradient[ctx.features, :height, :width] = transmittance.numpy()
        parameters, camera = _backward(ctx.arrays, ctx.screen, gradient, _array(depth), ctx.features)
        rotation_translation = torch.zeros(4, 4)
        rotation_translation[:3, :3] = camera[:9].reshape(3, 3)
        rotation_translation[:3, 3] = camera[9:12]
        intrinsics = torch.zeros(3, 3)
        intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2] = camera[12:]
        return *parameters, rotation_translation, intrinsics, None, None


def _fields(arrays: Iterable[FloatArray]) -> Fields:
    means, quaternions, log_scales, opacity_harmonics, colour_harmonics = arrays
    return means, quaternions, log_scales, opacity_harmonics, colour_harmonics


def _array(tensor: Tensor) -> FloatArray:
    return np.ascontiguousarray(tensor.detach().to(torch.float32).numpy())


def _camera_numbers(cam_from_world: Tensor, intrinsics: Tensor, size: tuple[int, int]) -> FloatArray:
    pose, k = cam_from_world.detach().double().numpy(), intrinsics.detach().double().numpy()
    height, width = size
    fx, fy, cx, cy = k[0, 0], k[1, 1], k[0, 2], k[1, 2]
    extra_x, extra_y = MARGIN * 0.5 * width / fx, MARGIN * 0.5 * height / fy
    clamps = [-cx / fx - extra_x, (width - cx) / fx + extra_x, -cy / fy - extra_y, (height - cy) / fy + extra_y]
    return np.concatenate([pose[:3, :3].ravel(), pose[:3, 3], [fx, fy, cx, cy], clamps]).astype(np.float32)


def _draw(arrays: Fields, camera: FloatArray, size: tuple[int, int], features: int) -> _Screen:
    count, (height, width) = len(arrays[0]), size
    record = np.zeros((count, RECORD + features), np.float32)
    depth, opacity, reach = (np.zeros(shape, np.float32) for shape in (count, count, (count, 2)))
    project(*arrays, camera, size, record, depth, reach, opacity)
    pairs = _bin(record, reach, depth, size)
    padded_height, stride = _padded(height), _padded(width)
    planes = np.empty((features + 1, padded_height, stride), np.float32)
    median = np.full((padded_height, stride), -1, np.float32)
    composite(
        pairs.dealt, stride // TILE, padded_height * stride, stride, pairs.tile_start, pairs.gaussian, pairs.rows,
        record.reshape(-1), features, planes.reshape(-1), median.reshape(-1), pairs.used,
    )  # fmt: skip
    return _Screen(camera, record, depth, reach, opacity, pairs, planes, median)


def _padded(pixels: int) -> int:
    return (pixels + TILE - 1) // TILE * TILE


def _bin(record: FloatArray, reach: FloatArray, depth: FloatArray, size: tuple[int, int]) -> _Pairs:
    height, width = size
    counts = np.empty(len(record), np.int64)
    count_pairs(record, reach, height, width, counts)
    first = np.zeros(len(record) + 1, np.int64)
    np.cumsum(counts, out=first[1:])
    tiles, rows, gaussian, tile_rows, origin = (np.empty(first[-1], np.int32) for _ in range(5))
    write_pairs(record, reach, height, width, first, tiles, rows)
    visible = np.flatnonzero(counts)
    order = visible[torch.argsort(torch.from_numpy(depth[visible]), stable=True).numpy()]
    tile_count = (_padded(height) // TILE) * (_padded(width) // TILE)
    tile_start = np.zeros(tile_count + 1, np.int64)
    sort_pairs(order, first, tiles, rows, tile_count, tile_start, gaussian, tile_rows, origin)
    dealt = deal_tiles(tile_start, tile_count, numba.get_num_threads())
    return _Pairs(first, origin, tile_start, gaussian, tile_rows, dealt, np.empty(tile_count, np.int64))


def _backward(
    arrays: Fields, screen: _Screen, gradient: FloatArray, extra_depth: FloatArray, features: int
) -> tuple[list[Tensor], Tensor]:
    pairs, (_, padded_height, stride) = screen.pairs, screen.planes.shape
    pair_gradient = np.empty((len(pairs.gaussian), RECORD + features), np.float32)
    composite_backward(
        pairs.dealt, stride // TILE, padded_height * stride, stride, pairs.tile_start, pairs.gaussian, pairs.rows,
        screen.record.reshape(-1), features, screen.planes.reshape(-1), gradient.reshape(-1), pairs.used,
        pairs.origin, pair_gradient.reshape(-1),
    )  # fmt: skip
    parameters = _fields(np.zeros_like(array) for array in arrays)
    camera = np.zeros((CHUNKS, CAMERA_GRADIENTS), np.float32)
    project_backward(
        *arrays, screen.camera, screen.record, screen.reach, screen.opacity, pairs.first, pair_gradient,
        extra_depth, *parameters, camera,
    )  # fmt: skip
    return [torch.from_numpy(p) for p in parameters], torch.from_numpy(camera.astype(np.float64).sum(0))
