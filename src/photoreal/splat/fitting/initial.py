"""First Gaussians, from the points of structure from motion."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.spatial import KDTree
from torch import Tensor

from photoreal.core import Cameras, Capture, CaptureError, Gaussians, Points, join, project, unit_from_bytes
from photoreal.splat.harmonics import Y_0, opacity_from_logit

_MIN_POINTS = 8


def gaussians_from_points(
    points: Points, *, colour_degree: int = 3, opacity_degree: int = 0, opacity: float = 0.3
) -> Gaussians:
    """One round Gaussian a point, as wide as the mean distance to its three nearest neighbours (Kerbl et al. 2023).

    Raises:
        CaptureError: fewer than 8 points.
    """
    if len(points) < _MIN_POINTS:
        raise CaptureError(
            f"only {len(points)} points to start splats from, {_MIN_POINTS} are needed; add photos that overlap more"
        )
    means = points.positions.float()
    count = len(means)
    colour = torch.zeros(count, (colour_degree + 1) ** 2, 3)
    colour[:, 0] = (unit_from_bytes(points.colours) - 0.5) / Y_0
    opacities = torch.zeros(count, (opacity_degree + 1) ** 2)
    opacities[:, :1] = opacity_from_logit(torch.full((count,), opacity).logit())
    quaternions = torch.zeros(count, 4)
    quaternions[:, 0] = 1
    scale = neighbour_distance(means).log()
    return Gaussians(means, quaternions, scale[:, None].repeat(1, 3), opacities, colour)


def neighbour_distance(positions: Float[Tensor, "N 3"]) -> Float[Tensor, " N"]:
    """Mean distance to the three nearest other points, kept within 0.02 and 5 of its median; N >= 4."""
    distances, _ = KDTree(positions.numpy()).query(positions.numpy(), k=4)
    mean = torch.from_numpy(distances[:, 1:].mean(1).astype(np.float32))
    middle = float(mean.median().clamp_min(1e-7))
    return mean.clamp(0.02 * middle, 5 * middle)


def scene_extent(cameras: Cameras, points: Points) -> float:
    """A length that scales steps in space: the spread of the cameras, or a third of their distance to what they see."""
    centres = cameras.centres.float()
    spread = float((centres - centres.mean(0)).norm(dim=1).max()) * 1.1
    distance = float((points.positions.float() - centres.mean(0)).norm(dim=1).median())
    return max(spread, distance / 3, 1e-6)


def with_far_shell(gaussians: Gaussians, cameras: Cameras, *, count: int, seed: int) -> Gaussians:
    """Add grey Gaussians on a sphere far outside everything, to carry the far background's detail."""
    centre = cameras.centres.float().mean(0)
    radius = 3 * float((gaussians.means - centre).norm(dim=1).quantile(0.98))
    directions = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    means = centre + radius * torch.nn.functional.normalize(directions, dim=1)
    shell = gaussians.take(torch.zeros(count, dtype=torch.long))
    width = radius * (4 * np.pi / count) ** 0.5 / 2
    far = shell.replace(
        means=means,
        log_scales=torch.full((count, 3), float(np.log(width))),
        colour_harmonics=torch.zeros_like(shell.colour_harmonics),
    )
    return join(gaussians, far)


def carved_points(capture: Capture, *, count: int = 20_000, seed: int = 0) -> Points:
    """Random points where the photos look, for captures that bring no points: kept where no mask rules them out.

    They fill a ball around the point nearest to all optical axes, as wide as the views there, and are mid-grey.
    """
    centre, radius = _common_view(capture.cameras)
    generator = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(8 * count, 3, generator=generator), dim=1)
    positions = centre + radius * torch.rand(8 * count, 1, generator=generator) ** (1 / 3) * directions
    pixels, depths = project(capture.cameras.map(lambda t: t.float()), positions)
    height, width = capture.cameras.size
    x, y = pixels[..., 0].floor().long(), pixels[..., 1].floor().long()
    inside = (depths > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    view = torch.arange(len(capture))[:, None].expand_as(x)
    shown = capture.photos.masks[view, y.clamp(0, height - 1), x.clamp(0, width - 1)]
    kept = positions[(inside.sum(0) >= min(2, len(capture))) & ~(inside & ~shown).any(0)]
    kept = (kept if len(kept) >= _MIN_POINTS else positions)[:count]
    grey = torch.full((len(kept), 3), 128, dtype=torch.uint8)
    return Points(kept, grey, torch.zeros(len(kept)))


def _common_view(cameras: Cameras) -> tuple[Float[Tensor, " 3"], float]:
    """The point nearest to all optical axes, and half the width of the views there."""
    axes, centres = cameras.cam_from_world[:, 2, :3].float(), cameras.centres.float()
    across = torch.eye(3) - axes[:, :, None] * axes[:, None, :]
    centre = torch.linalg.lstsq(across.sum(0), (across @ centres[:, :, None]).sum(0)).solution[:, 0]
    distance = ((centre - centres) * axes).sum(1).clamp_min(1e-3)
    half = 0.5 * max(cameras.size) / cameras.intrinsics[:, 0, 0].float()
    return centre, float((distance * half).median())
