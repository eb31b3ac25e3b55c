"""Which photos each photo is compared with, and between which depths its things lie."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from photoreal.core import Cameras, Points, Tracks, project

_ENOUGH_SHARED = 8
_BEST_ANGLE, _WIDE_ANGLE = 5.0, 30.0
_LEAST_ANGLE, _LEAST_WORTH = 0.1, 0.05
_NEARER, _FARTHER = 1.6, 2.0
_PERCENTILES = (0.01, 0.99)


@dataclass(frozen=True)
class Neighbourhood:
    """What a photo's depth is looked for in."""

    sources: tuple[int, ...]
    """Numbers of the other photos, the most useful first; none where no other shows the same from another place."""
    worth: tuple[float, ...]
    """Of each source, above 0 and at most 1: 1 where the angle to what both see tells depth best."""
    near: float
    far: float
    """Between these depths, in world units; both 0 where it sees no points."""


def neighbourhoods(
    cameras: Cameras, points: Points, tracks: Tracks, *, sources: int, size_of_window: float = 1.0
) -> list[Neighbourhood]:
    """For each camera the photos with most in common, and a generous range of depths.

    What photos have in common is counted in points: few degrees of parallax count little, for depth is then unsure, and
    so do many, for things then look different. A view of which no track, or too few, is known is taken to see all
    points that fall into it.

    Args:
        sources: how many photos at most.
        size_of_window: part of the range of depths of the points that is added on both sides, 1 being a factor of two
            beyond and 1.6 before.
    """
    seen = sightings(cameras, points, tracks)
    _, depth = project(cameras, points.positions)
    shared, count = _shared(cameras, points, seen)
    found: list[Neighbourhood] = []
    for view in range(len(cameras)):
        order = shared[view].argsort(descending=True, stable=True).tolist()
        chosen = tuple(other for other in order if shared[view, other] > 0)[:sources]
        worth = tuple(max(_LEAST_WORTH, float(shared[view, other] / count[view, other])) for other in chosen)
        depths = depth[view, seen[view]]
        if len(depths) == 0:
            found.append(Neighbourhood((), (), 0.0, 0.0))
            continue
        low, high = torch.quantile(depths.double(), depths.new_tensor(_PERCENTILES).double()).tolist()
        wide = _NEARER**size_of_window, _FARTHER**size_of_window
        found.append(Neighbourhood(chosen, worth, low / wide[0], high * wide[1]))
    return found


def sightings(cameras: Cameras, points: Points, tracks: Tracks) -> Bool[Tensor, "V N"]:
    """Which camera sees which point: by the tracks, or where a camera has few of these, by where the points fall."""
    height, width = cameras.size
    pixels, depth = project(cameras, points.positions)
    within = (depth > 0) & (pixels > 0).all(-1) & (pixels < pixels.new_tensor([width, height])).all(-1)
    tracked = torch.zeros_like(within)
    tracked[tracks.view, tracks.point] = True
    tracked &= depth > 0
    few = tracked.sum(1) < _ENOUGH_SHARED
    return torch.where(few[:, None], within, tracked)


def _shared(
    cameras: Cameras, points: Points, seen: Bool[Tensor, "V N"]
) -> tuple[Float[Tensor, "V V"], Float[Tensor, "V V"]]:
    """For each pair, the points seen by both, each weighted by the angle between the two rays to it, and unweighted."""
    result, count = torch.zeros(2, len(cameras), len(cameras))
    rays = torch.nn.functional.normalize(points.positions[None] - cameras.centres[:, None], dim=-1)
    for view in range(len(cameras)):
        cosine = (rays[view] * rays).sum(-1).clamp(-1, 1)
        angle = torch.rad2deg(torch.arccos(cosine.double())).float()
        both = seen[view] & seen
        both[view] = False
        good = (angle / _BEST_ANGLE).clamp(max=1).square() * (_WIDE_ANGLE / angle.clamp_min(1e-6)).clamp(max=1).square()
        both &= angle > _LEAST_ANGLE
        result[view], count[view] = (good * both).sum(1), both.sum(1)
    return result, count


def without_parallax(found: Sequence[Neighbourhood]) -> list[int]:
    """Numbers of the photos that can be compared with none."""
    return [view for view, one in enumerate(found) if not one.sources]
