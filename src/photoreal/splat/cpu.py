"""The CPU rasterizer: numba kernels behind the same contract as `rasterize_torch`.

It is differentiable by hand-written gradients. Bytes do not depend on the number of threads: sums of one Gaussian's
pairs have a fixed order.
"""

from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from photoreal.core import Cameras, Gaussians
from photoreal.splat.frame import NOT_SMOOTHED, FloatArray, Frame, camera_numbers
from photoreal.splat.kernels.backward import CAMERA_GRADIENTS, project_backward
from photoreal.splat.kernels.blocks import CHUNKS, pack, unpack
from photoreal.splat.kernels.compositing import ALL
from photoreal.splat.kernels.lanes import LANES
from photoreal.splat.renders import Renders

Channels = Literal["colour", "all"]


def rasterize_numba(gaussians: Gaussians, cameras: Cameras, backgrounds: Float[Tensor, "V 3"]) -> Renders:
    """Render on the CPU in float32; differentiable by Gaussians, cameras and backgrounds. See `Rasterizer`."""
    views = [_render_all(gaussians, cameras.take([v]), backgrounds[v]) for v in range(len(cameras))]
    return Renders(*(torch.stack(list(maps)) for maps in zip(*views, strict=True)))


def render_colour(gaussians: Gaussians, camera: Cameras) -> tuple[Float[Tensor, "3 H W"], Float[Tensor, "H W"]]:
    """Colour over black and transmittance for the first camera: the part of rendering that training needs."""
    sums, transmittance, _, _ = _splat(gaussians, camera, "colour")
    return sums, transmittance


def composite_numba(gaussians: Gaussians, camera: Cameras) -> tuple[Float[Tensor, "8 H W"], Float[Tensor, "H W"]]:
    """Colour, depth, normal and squared depth over nothing, and transmittance, as `composite_torch` has them."""
    sums, transmittance, _, _ = _splat(gaussians, camera, "all")
    return sums, transmittance


def _render_all(gaussians: Gaussians, camera: Cameras, background: Float[Tensor, " 3"]) -> tuple[Tensor, ...]:
    sums, transmittance, depth, median = _splat(gaussians, camera, "all")
    alpha = 1 - transmittance
    covered = alpha > 0
    expected = torch.where(covered, sums[3] / torch.where(covered, alpha, torch.ones_like(alpha)), 0 * alpha)
    found = median >= 0
    at_median = depth[median.clamp_min(0)] if len(depth) else torch.zeros_like(alpha)
    colour = sums[:3] + transmittance * background[:, None, None]
    return colour, alpha, expected, torch.where(found, at_median, torch.zeros_like(at_median)), sums[4:7]


def _splat(gaussians: Gaussians, camera: Cameras, channels: Channels) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _Splat.apply(
        gaussians.means,
        gaussians.quaternions,
        gaussians.log_scales,
        gaussians.opacity_harmonics,
        gaussians.colour_harmonics,
        camera.cam_from_world,
        camera.intrinsics,
        camera.size,
        gaussians.antialiased,
        3 if channels == "colour" else ALL,
    )  # pyright: ignore[reportReturnType]


class _Splat(torch.autograd.Function):
    """Composited features, transmittance, depth of each Gaussian, number of the median Gaussian of each pixel."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        *tensors, size, antialiased, features = inputs
        arrays = tuple(_array(t) for t in tensors[:5])
        camera = camera_numbers(Cameras(tensors[5].detach(), tensors[6].detach(), size), antialiased=antialiased)
        blocks, frame = pack(arrays), Frame()
        colours = arrays[4].shape[1]
        ctx.counts = (blocks.shape[1], arrays[3].shape[1], colours, colours)
        ctx.blocks, ctx.frame, ctx.camera, ctx.count = blocks, frame, camera, len(arrays[0])
        frame.draw(blocks, ctx.counts, camera, size, features)
        height, width = size
        planes = torch.from_numpy(frame.planes)[:, :height, :width]
        depth = torch.from_numpy(frame.buffers["depth"][: ctx.count].copy())
        if features == 3:
            median = torch.empty(0, dtype=torch.int64)
        else:
            median = torch.from_numpy(frame.median[:height, :width].astype(np.int64))
        ctx.mark_non_differentiable(median)
        return planes[:features].contiguous(), planes[features].contiguous(), depth, median

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride] - the decorator's stub hides the name ctx
        ctx: Any, *outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        sums, transmittance, depth, _ = outputs
        frame: Frame = ctx.frame
        height, width = frame.size
        gradient = np.zeros_like(frame.planes)
        gradient[:-1, :height, :width] = sums.numpy()
        gradient[-1, :height, :width] = transmittance.numpy()
        gradient[-1] = (gradient * frame.planes).sum(0)
        fields, camera = _backward(ctx, gradient, _array(depth))
        pose = torch.zeros(1, 4, 4)
        pose[0, :3, :3] = camera[:9].reshape(3, 3)
        pose[0, :3, 3] = camera[9:12]
        intrinsics = torch.zeros(1, 3, 3)
        intrinsics[0, 0, 0], intrinsics[0, 1, 1], intrinsics[0, 0, 2], intrinsics[0, 1, 2] = camera[12:]
        return *fields, pose, intrinsics, None, None, None


def _array(tensor: Tensor) -> FloatArray:
    return np.ascontiguousarray(tensor.detach().to(torch.float32).numpy())


def _backward(ctx: Any, gradient: FloatArray, extra_depth: FloatArray) -> tuple[list[Tensor], Tensor]:
    """Gradients by the fields of the Gaussians, in the order of `pack`, and by the camera's numbers."""
    frame, blocks, counts = ctx.frame, ctx.blocks, ctx.counts
    found = np.zeros_like(blocks)
    camera = np.zeros((CHUNKS, CAMERA_GRADIENTS * LANES), np.float32)
    project_backward(
        blocks.reshape(-1), len(blocks), counts, ctx.camera, frame.buffers["record"],
        frame.first, frame.pair_gradients(gradient), extra_depth,
        frame.features, NOT_SMOOTHED, found.reshape(-1), camera,
    )  # fmt: skip
    fields = [torch.from_numpy(field) for field in unpack(found, ctx.count, counts[1])]
    sums = camera.astype(np.float64).reshape(CHUNKS, CAMERA_GRADIENTS, LANES).sum((0, 2))
    return fields, torch.from_numpy(sums)
