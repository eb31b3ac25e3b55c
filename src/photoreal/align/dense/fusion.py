"""Points out of what several photos say of depth."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.align.dense.kernels.fusion import fuse_view
from photoreal.core import Cameras, Depths, Photos, Points

_LARGEST = 1e6


def fused_points(
    photos: Photos, cameras: Cameras, depths: Depths, *, closeness: float = 0.01, limit: int = 0, seed: int = 0
) -> Points:
    """The places of all pixels with a finite depth, those on which views agree as one; confidence is the highest.

    Args:
        cameras: of the photos, at the size of the depth maps.
        closeness: part of the depth within which views agree.
        limit: how many points at most, drawn at random; 0 for all.
        seed: of the draw.
    """
    images = torch.nn.functional.interpolate(photos.images.float(), size=depths.size, mode="area")
    k = cameras.intrinsics
    lenses = torch.stack([k[:, 0, 0], k[:, 1, 1], k[:, 0, 2], k[:, 1, 2]], dim=1).float().numpy()
    belief = torch.where(depths.known, depths.confidence, torch.zeros(())).numpy()
    arrays = (
        torch.where(depths.known, depths.depth, torch.zeros(())).numpy(),
        belief,
        images.movedim(1, -1).contiguous().numpy(),
        lenses,
        _rows(cameras.cam_from_world),
        _rows(cameras.world_from_cam),
    )
    used = np.zeros(belief.shape, np.bool_)
    found: list[tuple[np.ndarray, ...]] = []
    for view in range(len(depths)):
        room = int((belief[view] > 0).sum())
        made = np.empty((room, 3), np.float32), np.empty((room, 3), np.float32), np.empty(room, np.float32)
        others = np.array([other for other in range(len(depths)) if other != view], np.int64)
        count = fuse_view(view, *arrays, others, np.float32(closeness), used, *made)
        found.append(tuple(array[:count] for array in made))
    positions, colours, confidence = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*found, strict=True))
    near = (positions.abs() < _LARGEST).all(1)
    chosen = torch.nonzero(near)[:, 0]
    if limit and len(chosen) > limit:
        order = torch.randperm(len(chosen), generator=torch.Generator().manual_seed(seed))[:limit]
        chosen = chosen[order.sort().values]
    return Points(positions[chosen], colours[chosen].round().to(torch.uint8), confidence[chosen])


def _rows(motions: Float[Tensor, "V 4 4"]) -> Float[np.ndarray, "V 12"]:
    """Rows of the rotations, and then the translations."""
    return torch.cat([motions[:, :3, :3].flatten(1), motions[:, :3, 3]], dim=1).float().contiguous().numpy()
