"""The specification of splatting: every Gaussian against every pixel, in plain torch.

After Kerbl et al. 2023 and Zwicker et al. 2001. It is the oracle of the faster rasterizers. Memory grows with
Gaussians x pixels of a band of rows, so it is for small scenes.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from photoreal.core import Cameras, Gaussians, Value, invert_rigid, matrix_from_quaternion, transform_points
from photoreal.splat.harmonics import view_colours, view_opacities
from photoreal.splat.renders import ALPHA_MAX, ALPHA_MIN, BLUR, DIM_MIN, MARGIN, NEAR, Renders

_BAND_ELEMENTS = 20_000_000


@dataclass(frozen=True)
class Projected(Value):
    """Gaussians as one camera sees them, nearest first."""

    pixel: Float[Tensor, "M 2"]
    conic: Float[Tensor, "M 2 2"]
    """Inverse of the projected covariance, 1 / pixels squared."""
    depth: Float[Tensor, " M"]
    opacity: Float[Tensor, " M"]
    colour: Float[Tensor, "M 3"]
    normal: Float[Tensor, "M 3"]


def rasterize_torch(gaussians: Gaussians, cameras: Cameras, backgrounds: Float[Tensor, "V 3"]) -> Renders:
    """Render by brute force, differentiable in every argument; the specification of `Rasterizer`."""
    views = [_render(gaussians, cameras.take([v]), backgrounds[v]) for v in range(len(cameras))]
    return Renders(*(torch.stack(list(maps)) for maps in zip(*views, strict=True)))


def project_gaussians(gaussians: Gaussians, camera: Cameras) -> Projected:
    """Project by the local affine approximation (Zwicker et al. 2001, eq. 24-31) and sort by depth.

    Antialiased ones are dimmed by the 2D filter of Mip-Splatting (Yu et al. 2024), with the blur that all have.
    """
    cam_from_world, intrinsics = camera.cam_from_world[0], camera.intrinsics[0]
    in_cam = transform_points(cam_from_world, gaussians.means)
    index = torch.nonzero(in_cam[:, 2] > NEAR).squeeze(1)
    index = index[torch.argsort(in_cam[index, 2].detach(), stable=True)]
    seen, x, y, z = gaussians.take(index), *in_cam[index].unbind(1)
    focal = torch.stack([intrinsics[0, 0], intrinsics[1, 1]])
    pixel = torch.stack([x / z, y / z], 1) * focal + intrinsics[:2, 2]
    rotation, scale = matrix_from_quaternion(seen.quaternions), seen.log_scales.exp()
    half = _jacobian(x / z, y / z, z, camera) @ cam_from_world[:3, :3] @ (rotation * scale[:, None, :])
    own = half @ half.transpose(1, 2)
    covariance = own + BLUR * torch.eye(2, dtype=half.dtype, device=half.device)
    offset = seen.means - invert_rigid(cam_from_world)[:3, 3]
    direction = torch.nn.functional.normalize(offset, dim=1)
    opacity = view_opacities(seen.opacity_harmonics, direction)
    if gaussians.antialiased:
        share = torch.linalg.det(own) / torch.linalg.det(covariance)
        opacity = opacity * torch.where(share > DIM_MIN, share, torch.full_like(share, DIM_MIN)).sqrt()
    return Projected(
        pixel,
        torch.linalg.inv(covariance),
        z,
        opacity,
        view_colours(seen.colour_harmonics, direction),
        facing_normals(rotation, scale, offset),
    )


def _jacobian(
    slope_x: Float[Tensor, " M"], slope_y: Float[Tensor, " M"], z: Float[Tensor, " M"], camera: Cameras
) -> Float[Tensor, "M 2 3"]:
    height, width = camera.size
    intrinsics = camera.intrinsics[0]
    fx, fy, cx, cy = intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2]
    extra_x, extra_y = MARGIN * 0.5 * width / fx, MARGIN * 0.5 * height / fy
    sx = torch.minimum(torch.maximum(slope_x, (-cx / fx - extra_x).detach()), ((width - cx) / fx + extra_x).detach())
    sy = torch.minimum(torch.maximum(slope_y, (-cy / fy - extra_y).detach()), ((height - cy) / fy + extra_y).detach())
    zero = torch.zeros_like(z)
    rows = [fx / z, zero, -fx * sx / z, zero, fy / z, -fy * sy / z]
    return torch.stack(rows, dim=1).unflatten(1, (2, 3))


def facing_normals(
    rotation: Float[Tensor, "M 3 3"], scale: Float[Tensor, "M 3"], offset: Float[Tensor, "M 3"]
) -> Float[Tensor, "M 3"]:
    """Shortest axes, turned against the offsets from the camera."""
    shortest: Int64[Tensor, " M"] = scale.detach().argmin(1)
    axis = torch.take_along_dim(rotation, shortest[:, None, None].expand(-1, 3, 1), dim=2).squeeze(2)
    away = (axis * offset).sum(1, keepdim=True).detach() > 0
    return torch.where(away, -axis, axis)


def composite_torch(
    gaussians: Gaussians, camera: Cameras
) -> tuple[Float[Tensor, "8 H W"], Float[Tensor, "H W"], Float[Tensor, "H W"]]:
    """Composited colour, depth, normal and squared depth over nothing; alpha and median depth; for the first camera."""
    projected = project_gaussians(gaussians, camera)
    height, width = camera.size
    rows = max(1, _BAND_ELEMENTS // max(1, width * len(projected.depth)))
    bands = [_band(projected, y, min(y + rows, height), width) for y in range(0, height, rows)]
    sums, alpha, median = (torch.cat([band[i] for band in bands], dim=-2) for i in range(3))
    return sums, alpha, median


def _render(gaussians: Gaussians, camera: Cameras, background: Float[Tensor, " 3"]) -> tuple[Tensor, ...]:
    sums, alpha, median = composite_torch(gaussians, camera)
    colour = sums[:3] + (1 - alpha) * background[:, None, None]
    covered = alpha > 0
    expected = torch.where(covered, sums[3] / torch.where(covered, alpha, torch.ones_like(alpha)), 0 * alpha)
    return colour, alpha, expected, median, sums[4:7]


def _band(projected: Projected, top: int, bottom: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Composited (colour, depth, normal, squared depth), alpha and median depth of rows top..bottom."""
    like = projected.depth
    ys = torch.arange(top, bottom, dtype=like.dtype, device=like.device) + 0.5
    xs = torch.arange(width, dtype=like.dtype, device=like.device) + 0.5
    grid = torch.stack(torch.meshgrid(ys, xs, indexing="ij")[::-1], dim=-1)
    away = grid[None] - projected.pixel[:, None, None]
    power = -0.5 * torch.einsum("mhwi,mij,mhwj->mhw", away, projected.conic, away)
    alpha = (projected.opacity[:, None, None] * power.exp()).clamp_max(ALPHA_MAX)
    alpha = torch.where(alpha >= ALPHA_MIN, alpha, torch.zeros_like(alpha))
    after = torch.cumprod(1 - alpha, dim=0)
    before = torch.cat([torch.ones_like(after[:1]), after[:-1]])
    depth = projected.depth[:, None]
    features = torch.cat([projected.colour, depth, projected.normal, depth**2], dim=1)
    sums = torch.einsum("mhw,mc->chw", alpha * before, features)
    crossing = ((before >= 0.5) & (after < 0.5)).to(like.dtype)
    median = (crossing * projected.depth[:, None, None]).sum(0)
    return sums, 1 - after[-1] if len(after) else torch.zeros_like(median), median
