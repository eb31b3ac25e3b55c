"""Depth maps that confirm each other."""

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from photoreal.core import Cameras, Depths, invert_rigid
from photoreal.mesh.kernels.consistency import confirm
from photoreal.mesh.surface.volume import lens_numbers

NEIGHBOURS = 16
"""Each depth map is held against so many others at most."""


def confirmed(
    depths: Depths, cameras: Cameras, *, tolerance: float = 0.02, alone: float = 0.05, far: float = 4.0
) -> Depths:
    """The same depths, believed as far as other views agree within a relative `tolerance`.

    The confidence is multiplied by the share of agreements among the views that see so far; where fewer than two
    agree, by `alone` if none contradicts and by 0 otherwise. What lies beyond `far` times the median depth of all
    views is background, and becomes infinite, which contradicts all that is in front of it; pixels beside such that
    are not say nothing.
    """
    bound = far * middle_depth(depths)
    beyond = (depths.confidence > 0) & (depths.depth > bound)
    past = -torch.nn.functional.max_pool2d(-beyond.float(), 3, 1, 1) > 0
    depths = Depths(
        torch.where(beyond, torch.inf, depths.depth), torch.where(beyond, past.to(depths.depth), depths.confidence)
    )
    confidence = depths.confidence
    near = nearest_views(cameras, NEIGHBOURS)
    result = torch.zeros_like(confidence)
    for view in range(len(depths)):
        votes = np.zeros((*depths.size, 2), np.float32)
        for other in near[view].tolist():
            there_from_here = cameras.cam_from_world[other] @ invert_rigid(cameras.cam_from_world[view])
            lens = torch.cat([lens_numbers(cameras, view), lens_numbers(cameras, other)])
            confirm(
                depths.depth[view].numpy(), confidence[view].numpy(),
                there_from_here[:3].reshape(-1).float().numpy(), lens.float().numpy(),
                depths.depth[other].numpy(), confidence[other].numpy(), np.float32(tolerance), votes,
            )  # fmt: skip
        agree, against = torch.from_numpy(votes).unbind(-1)
        share = agree / (agree + against).clamp_min(1)
        needed = min(2, len(near[view]))
        sure = torch.where(agree >= needed, share, alone * (against == 0))
        result[view] = confidence[view] * torch.where(beyond[view], torch.ones(()), sure)
    return Depths(depths.depth, result)


def middle_depth(depths: Depths) -> float:
    """Median of the finite depths that are believed at all, of about a million pixels at most; 0 where none is."""
    known = depths.depth[depths.known]
    return float(known[:: max(1, len(known) // 1_000_000)].median()) if len(known) else 0.0


def nearest_views(cameras: Cameras, count: int) -> Int64[Tensor, "V K"]:
    """For each camera the others that look most the same way from most nearly the same place."""
    centres, forward = cameras.centres.double(), cameras.cam_from_world[:, 2, :3].double()
    apart = torch.cdist(centres, centres)
    spread = apart.median().clamp_min(1e-12)
    cost = apart / spread + 2 * (1 - forward @ forward.T)
    cost.fill_diagonal_(torch.inf)
    return torch.argsort(cost, dim=1, stable=True)[:, : min(count, len(cameras) - 1)]
