"""Where a set of cameras looks: which way is up, and what they have in common before them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import Cameras, Points, Value, project

SNAP_COSINE = 0.966
"""An estimated up within 15 degrees of world z is taken to be world z."""


@dataclass(frozen=True)
class Gaze(Value):
    """What a set of cameras looks at, in the world."""

    up: Float[Tensor, " 3"]
    """Unit vector against gravity."""
    interest: Float[Tensor, " 3"]
    """The point that most cameras look at."""
    targets: Float[Tensor, "V 3"]
    """For each camera the point of its own axis that it looks at."""


def gaze(cameras: Cameras, points: Points) -> Gaze:
    """The up direction, and the least-squares intersection of the optical axes, no farther than what each camera sees.

    Along each axis the target is the point nearest to the common intersection, limited by the median depth of the
    scene points in view; the interest is the geometric median of the targets. Computed in float64.
    """
    cameras = cameras.map(lambda tensor: tensor.double())
    centres, forwards = cameras.centres, cameras.cam_from_world[:, 2, :3]
    meeting = _meeting_point(centres, forwards)
    depths = _median_depths(cameras, points)
    along = ((meeting - centres) * forwards).sum(-1)
    seen = torch.where(depths > 0, depths, along.abs().median().clamp_min(1e-6))
    along = torch.where(along > 0, torch.minimum(along, seen), seen)
    targets = centres + along[:, None] * forwards
    return Gaze(up_direction(cameras), geometric_median(targets), targets)


def up_direction(cameras: Cameras) -> Float[Tensor, " 3"]:
    """The direction against gravity: orthogonal to the cameras' horizontal image axes, on the side of their image tops.

    Photographers hold the horizon level, so gravity is what all image rows are orthogonal to (Brown and Lowe 2007,
    sec. 5); where the rows are too parallel to tell, the mean image top decides, unless the tops point everywhere: then
    the cameras lay on their side, and the rows are along gravity. Snaps to world z within 15 degrees.
    """
    world_from_cam = cameras.world_from_cam.double()
    rows, top, forward = world_from_cam[:, :3, 0], -world_from_cam[:, :3, 1].mean(0), world_from_cam[:, :3, 2].mean(0)
    spread = rows.T @ rows / len(rows)
    values, vectors = torch.linalg.eigh(spread - 0.02 * torch.outer(top, top))
    sideways = float(top.norm()) < 0.5 and float(values[-1]) > 0.8
    up = vectors[:, -1] if sideways else vectors[:, 0]
    side = rows.mean(0) if sideways else top - 0.2 * forward
    up = up if torch.dot(up, side) >= 0 else -up
    return up.new_tensor([0.0, 0.0, 1.0]) if float(up[2]) > SNAP_COSINE else up


def horizontal_basis(up: Float[Tensor, " 3"]) -> Float[Tensor, "3 3"]:
    """Rows: two level directions and `up`, right-handed; for up = z they are the world's x, y, z."""
    level = up.new_tensor([1.0, 0.0, 0.0] if abs(float(up[0])) < 0.9 else [0.0, 1.0, 0.0])
    first = torch.nn.functional.normalize(level - torch.dot(level, up) * up, dim=0)
    return torch.stack([first, torch.linalg.cross(up, first), up])


def geometric_median(positions: Float[Tensor, "N 3"]) -> Float[Tensor, " 3"]:
    """The point with the least sum of distances to the positions (Weiszfeld's iteration); N >= 1."""
    guess = positions.median(0).values
    for _ in range(30):
        distance = (positions - guess).norm(dim=-1)
        weight = 1 / (distance + 1e-6 * distance.max() + 1e-12)
        guess = (weight[:, None] * positions).sum(0) / weight.sum()
    return guess


def _meeting_point(centres: Float[Tensor, "V 3"], forwards: Float[Tensor, "V 3"]) -> Float[Tensor, " 3"]:
    """Robust least-squares intersection of the axes; parallel axes meet near their centres' mean."""
    across = torch.eye(3).to(centres) - forwards[:, :, None] * forwards[:, None, :]
    weight = torch.ones_like(centres[:, 0])
    meeting = centres.mean(0)
    for _ in range(20):
        normal = (weight[:, None, None] * across).sum(0)
        damping = 1e-6 * weight.sum() * torch.eye(3).to(centres)
        right = (weight[:, None, None] * (across @ centres[:, :, None])).sum(0)[:, 0]
        meeting = torch.linalg.solve(normal + damping, right + damping @ centres.mean(0))
        distance = (across @ (meeting - centres)[:, :, None])[..., 0].norm(dim=-1)
        weight = 1 / (distance + 1e-3 * distance.mean() + 1e-12)
    return meeting


def _median_depths(cameras: Cameras, points: Points) -> Float[Tensor, " V"]:
    """Median depth of the points inside each image; where there is none, the median of the other images, or else 0."""
    stride = max(1, len(points) // 5000)
    pixels, depths = project(cameras, points.positions[::stride].to(cameras.intrinsics))
    height, width = cameras.size
    inside = (depths > 0) & (pixels >= 0).all(-1) & (pixels[..., 0] < width) & (pixels[..., 1] < height)
    medians = torch.where(inside, depths, torch.nan).nanmedian(dim=1).values if depths.shape[1] else depths.sum(1)
    seeing = inside.any(dim=1)
    if not bool(seeing.any()):
        return torch.zeros_like(medians)
    return torch.where(seeing, medians, medians[seeing].median())
