"""The gauge: which way the world is turned, where its origin lies and how large it is."""

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import rigid

CAMERA_DISTANCE = 2.0
"""Median distance of the cameras from the origin."""

_TRUST_IN_MEAN_UP = 0.002


def oriented_from_world(cam_from_world: Float[Tensor, "V 4 4"], points: Float[Tensor, "N 3"]) -> Float[Tensor, "4 4"]:
    """The similarity after which z is up, the cameras look towards +y on the whole, the median point is the origin and
    the median camera is 2 away from it.

    Up is square to the cameras' horizontal axes as far as these tell, on the side of the cameras' mean up. The result
    does not depend on the frame and scale of what is given, up to rounding.
    """
    poses, points = cam_from_world.double(), points.double()
    centres = -(poses[:, :3, :3].transpose(1, 2) @ poses[:, :3, 3:]).squeeze(-1)
    up = up_direction(poses)
    rotation = _frame(up, poses[:, 2, :3].mean(0), poses[0, 0, :3])
    origin = (points @ rotation.T).median(0).values
    distance = (centres @ rotation.T - origin).norm(dim=1).median()
    scale = CAMERA_DISTANCE / distance.clamp_min(1e-12)
    return rigid(scale * rotation, -scale * origin)


def up_direction(cam_from_world: Float[Tensor, "V 4 4"]) -> Float[Tensor, " 3"]:
    """Unit vector against gravity, if people held their cameras level.

    It minimises the squared cosines to the cameras' x axes, weighted against those far off, less a small reward for
    agreeing with the mean of their upward axes, which decides when all cameras look the same way.
    """
    rights, ups = cam_from_world[:, 0, :3].double(), -cam_from_world[:, 1, :3].double()
    mean_up = ups.mean(0)
    up = mean_up / mean_up.norm().clamp_min(1e-12)
    for _ in range(20):
        weights = 1 / ((rights @ up).abs() + 0.05)
        scatter = (weights[:, None] * rights).T @ rights / weights.sum()
        system = scatter + _TRUST_IN_MEAN_UP * torch.eye(3).to(scatter)
        up = torch.nn.functional.normalize(torch.linalg.solve(system, mean_up), dim=0)
    return up


def _frame(up: Tensor, forward: Tensor, spare: Tensor) -> Float[Tensor, "3 3"]:
    """Rows are the new axes: y is the part of `forward` square to `up`, or follows from `spare` where there is none."""
    level = forward - (forward @ up) * up
    if level.norm() < 1e-3:
        level = torch.linalg.cross(up, spare)
    y = torch.nn.functional.normalize(level, dim=0)
    return torch.stack([torch.linalg.cross(y, up), y, up])
