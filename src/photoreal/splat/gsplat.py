"""Gaussians on a CUDA device through gsplat (Ye et al. 2024, arXiv 2409.06765), behind the contract of `Rasterizer`.

gsplat has neither opacity that depends on the direction, nor normals, nor median depth: opacities and normals are
evaluated here for each view and composited as features, and the median is found in gsplat's own lists of tiles.
"""

import functools
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from photoreal.core import (
    Cameras,
    Gaussians,
    MissingDependencyError,
    invert_rigid,
    matrix_from_quaternion,
    require,
    transform_points,
)
from photoreal.splat.harmonics import view_colours, view_opacities
from photoreal.splat.reference import facing_normals
from photoreal.splat.renders import ALPHA_MAX, ALPHA_MIN, BLUR, NEAR, Renders

_CHECK_EVERY = 32
"""Gaussians of each tile between two looks at whether all medians are found; a look waits for the device."""


def rasterize_gsplat(gaussians: Gaussians, cameras: Cameras, backgrounds: Float[Tensor, "V 3"]) -> Renders:
    """Render on the first CUDA device in float32; results are on the device of the Gaussians. See `Rasterizer`.

    Differentiable by Gaussians, poses and backgrounds; intrinsics get no gradient, for gsplat gives none. gsplat clips
    alpha at 0.999, not at 0.99, and dims antialiased Gaussians without a floor.

    Raises:
        MissingDependencyError: gsplat cannot run here.
    """
    if problem := gsplat_problem():
        raise MissingDependencyError(f"rendering on a GPU is not possible here: {problem}; use the CPU rasterizer")
    home = gaussians.means.device
    there, through = gaussians.map(_to_cuda), cameras.map(_to_cuda)
    views = [_render(there, through.take([v]), _to_cuda(backgrounds[v])) for v in range(len(cameras))]
    return Renders(*(torch.stack(list(maps)).to(home) for maps in zip(*views, strict=True)))


def draw_gsplat(
    gaussians: Gaussians, camera: Cameras, *, surfaces: bool = False
) -> tuple[Float[Tensor, "C H W"], Float[Tensor, "H W"], Bool[Tensor, " N"]]:
    """Features over nothing, transmittance, and which Gaussians were drawn, for the first camera; all on CUDA.

    Features: colour; with `surfaces` also depth, normal and squared depth.
    """
    colour, opacity, offset = _appearance(gaussians, camera)
    features = torch.cat([colour, _geometry(gaussians, camera, offset)], 1) if surfaces else colour
    sums, alpha, meta = _composite(gaussians, camera, features, opacity)
    drawn = (meta["radii"][0].reshape(len(gaussians), -1) > 0).all(1)
    return sums, 1 - alpha, drawn


@functools.cache
def gsplat_problem() -> str | None:
    """Why gsplat cannot run here, in a few words; None where it can. The first call draws one Gaussian to find out."""
    if not torch.cuda.is_available():
        return "there is no CUDA device"
    one, eye = torch.zeros(1, 3), torch.eye(4)[None]
    gaussian = Gaussians(one + 1, torch.tensor([[1.0, 0, 0, 0]]), one, one[:, :1], one[:, None])
    camera = Cameras(eye, torch.tensor([[[8.0, 0, 4], [0, 8.0, 4], [0, 0, 1]]]), (8, 8))
    try:
        draw_gsplat(gaussian.map(_to_cuda), camera.map(_to_cuda))
    except MissingDependencyError as error:
        return str(error)
    except (RuntimeError, OSError, ImportError, AttributeError, TypeError, AssertionError) as error:
        return f"gsplat is installed and does not run: {' '.join(str(error).split())[:200] or type(error).__name__}"
    return None


def median_gaussians(
    projected: tuple[Float[Tensor, "N 2"], Float[Tensor, "N 3"], Float[Tensor, " N"]],
    lists: tuple[Int[Tensor, "th tw"], Int[Tensor, " P"]],
    tile: int,
) -> Int[Tensor, "h w"]:
    """For each pixel of all tiles the number of the Gaussian at which transmittance falls below 1/2; -1 for none.

    `projected`: pixel, conic (xx, xy, yy) and opacity. `lists`: where each tile's numbers of Gaussians begin, and the
    numbers, those of a tile by depth.
    """
    (pixel, conic, opacity), (offsets, numbers) = projected, lists
    rows, columns = offsets.shape
    begin = offsets.flatten().long()
    end = torch.cat([begin[1:], begin.new_tensor([len(numbers)])])
    grid = _tile_pixels(rows, columns, tile, pixel)
    before = torch.ones(grid.shape[:2], device=pixel.device)
    found = torch.full_like(before, -1, dtype=torch.int64)
    for step in range(int((end - begin).max()) if len(numbers) else 0):
        live = begin + step < end
        if step % _CHECK_EVERY == 0 and not bool((live & (before >= 0.5).any(1)).any()):
            break
        who = numbers[(begin + step).clamp_max(len(numbers) - 1)].long()
        x, y = (grid - pixel[who][:, None]).unbind(2)
        xx, xy, yy = conic[who][:, None].unbind(2)
        alpha = opacity[who][:, None] * torch.exp(-0.5 * (xx * x * x + yy * y * y) - xy * x * y)
        alpha = torch.where((alpha >= ALPHA_MIN) & live[:, None], alpha.clamp_max(ALPHA_MAX), torch.zeros_like(alpha))
        after = before * (1 - alpha)
        found = torch.where((before >= 0.5) & (after < 0.5), who[:, None], found)
        before = after
    return found.view(rows, columns, tile, tile).transpose(1, 2).reshape(rows * tile, columns * tile)


def _tile_pixels(rows: int, columns: int, tile: int, like: Tensor) -> Float[Tensor, "t p 2"]:
    """Pixel centres of every tile."""
    y = torch.arange(rows * tile, device=like.device, dtype=like.dtype) + 0.5
    x = torch.arange(columns * tile, device=like.device, dtype=like.dtype) + 0.5
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)
    return grid.view(rows, tile, columns, tile, 2).transpose(1, 2).reshape(rows * columns, tile * tile, 2)


def _device() -> str:
    return "cuda"


def _to_cuda(tensor: Tensor) -> Tensor:
    return tensor.to(_device(), torch.float32)


def _appearance(
    gaussians: Gaussians, camera: Cameras
) -> tuple[Float[Tensor, "N 3"], Float[Tensor, " N"], Float[Tensor, "N 3"]]:
    """Colour and opacity as the first camera sees them, and the offset from it."""
    offset = gaussians.means - invert_rigid(camera.cam_from_world[0])[:3, 3]
    direction = torch.nn.functional.normalize(offset, dim=1)
    colour = view_colours(gaussians.colour_harmonics, direction)
    return colour, view_opacities(gaussians.opacity_harmonics, direction), offset


def _geometry(gaussians: Gaussians, camera: Cameras, offset: Float[Tensor, "N 3"]) -> Float[Tensor, "N 5"]:
    """Depth, normal and squared depth."""
    z = transform_points(camera.cam_from_world[0], gaussians.means)[:, 2:]
    normals = facing_normals(matrix_from_quaternion(gaussians.quaternions), gaussians.log_scales.exp(), offset)
    return torch.cat([z, normals, z**2], 1)


def _composite(
    gaussians: Gaussians, camera: Cameras, features: Float[Tensor, "N C"], opacity: Float[Tensor, " N"]
) -> tuple[Float[Tensor, "C H W"], Float[Tensor, "H W"], dict[str, Any]]:
    """Features over nothing, alpha, and what gsplat tells of its work."""
    height, width = camera.size
    image, alpha, meta = require("gsplat", extra="cuda").rasterization(
        gaussians.means,
        gaussians.quaternions,
        gaussians.log_scales.exp(),
        opacity,
        features,
        camera.cam_from_world[:1],
        camera.intrinsics[:1],
        width,
        height,
        near_plane=NEAR,
        eps2d=BLUR,
        rasterize_mode="antialiased" if gaussians.antialiased else "classic",
        packed=False,
    )
    return image[0].permute(2, 0, 1), alpha[0, ..., 0], meta


def _render(gaussians: Gaussians, camera: Cameras, background: Float[Tensor, " 3"]) -> tuple[Tensor, ...]:
    height, width = camera.size
    colour, opacity, offset = _appearance(gaussians, camera)
    geometry = _geometry(gaussians, camera, offset)
    sums, alpha, meta = _composite(gaussians, camera, torch.cat([colour, geometry], 1), opacity)
    covered = alpha > 0
    expected = torch.where(covered, sums[3] / torch.where(covered, alpha, torch.ones_like(alpha)), 0 * alpha)
    with torch.no_grad():
        lists = (meta["isect_offsets"][0], meta["flatten_ids"])
        dimmed = meta["opacities"][0] if gaussians.antialiased else opacity
        projected = (meta["means2d"][0], meta["conics"][0], dimmed)
        median = median_gaussians(projected, lists, meta["tile_size"])[:height, :width]
    depth = torch.where(median >= 0, geometry[:, 0][median.clamp_min(0)], 0 * alpha)
    return sums[:3] + (1 - alpha) * background[:, None, None], alpha, expected, depth, sums[4:7]
