"""Photos at several sizes, and what is believed of them on the way from coarse to fine."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt32

from photoreal.core import Cameras, Capture, unit_from_bytes

_COARSEST = 96
_LUMA = (0.299, 0.587, 0.114)

Planes = Float[np.ndarray, "H W 4"]
"""For each pixel a normal in the camera's frame, facing it, and a depth; that is 0 where nothing is believed yet."""


@dataclass(frozen=True)
class Level:
    """All photos at one size."""

    grey: Float[np.ndarray, "V H W"]
    """In [0, 1], -1 where masked."""
    cameras: Cameras
    lenses: Float[np.ndarray, "V 4"]
    """fx, fy, cx, cy."""
    masked: Bool[np.ndarray, " V"]
    """Whether any pixel is."""

    def motions(self, view: int, sources: tuple[int, ...]) -> Float[np.ndarray, "S 12"]:
        """For each source the rows of its rotation from the view's frame, and then its translation."""
        world_from_view = self.cameras.world_from_cam[view].double()
        relative = self.cameras.cam_from_world[list(sources)].double() @ world_from_view
        return torch.cat([relative[:, :3, :3].flatten(1), relative[:, :3, 3]], dim=1).float().numpy()


@dataclass(frozen=True)
class Belief:
    """What is believed of one photo at one size; its arrays are improved in place."""

    planes: Planes
    costs: Float[np.ndarray, "H W"]
    chosen: UInt32[np.ndarray, "H W"]
    """Bits of the sources that are trusted."""


def levels(capture: Capture, side: int) -> list[Level]:
    """The photos from coarse to fine, each level twice as large, the last of at most `side` pixels."""
    height, width = capture.cameras.size
    scale = min(1.0, side / max(height, width))
    found: list[Level] = []
    while not found or scale * min(height, width) >= _COARSEST:
        size = max(1, round(height * scale)), max(1, round(width * scale))
        found.append(_level(capture, size))
        scale /= 2
    return found[::-1]


def _level(capture: Capture, size: tuple[int, int]) -> Level:
    cameras = capture.cameras.resized(size)
    grey = torch.stack([_grey(capture, view, size) for view in range(len(capture))])
    k = cameras.intrinsics
    lenses = torch.stack([k[:, 0, 0], k[:, 1, 1], k[:, 0, 2], k[:, 1, 2]], dim=1)
    return Level(grey.numpy(), cameras, lenses.float().numpy(), (grey < 0).flatten(1).any(1).numpy())


def _grey(capture: Capture, view: int, size: tuple[int, int]) -> Float[torch.Tensor, "H W"]:
    """One photo, small; pixels of which any part is masked are."""
    luma = torch.tensor(_LUMA)
    full = (unit_from_bytes(capture.photos.images[view]) * luma[:, None, None]).sum(0)
    mask = capture.photos.masks[view].float()
    if full.shape != size:
        both = torch.stack([full, mask])[None]
        full, mask = torch.nn.functional.interpolate(both, size=size, mode="area")[0]
    return torch.where(mask > 1 - 1e-6, full, -torch.ones(()))


def nothing_believed(size: tuple[int, int], worst: float, sources: int) -> Belief:
    """No depth anywhere, and all sources trusted."""
    everyone = np.full(size, (1 << sources) - 1, np.uint32)
    return Belief(np.zeros((*size, 4), np.float32), np.full(size, worst, np.float32), everyone)


def enlarged(belief: Belief, lens: Float[np.ndarray, " 4"], size: tuple[int, int]) -> Belief:
    """The same on a finer level: each pixel has the plane of the coarse pixel in which it lies, with its own depth.

    Args:
        lens: of the coarse level.
    """
    height, width = belief.costs.shape
    ys, xs = ((np.arange(new) + 0.5) * old / new for new, old in zip(size, (height, width), strict=True))
    rows, columns = np.minimum(ys.astype(int), height - 1), np.minimum(xs.astype(int), width - 1)
    pick = np.ix_(rows, columns)
    planes = belief.planes[pick]
    there = _slope(planes, lens, ys[:, None], xs[None, :])
    own = _slope(planes, lens, rows[:, None] + 0.5, columns[None, :] + 0.5)
    ratio = np.where(there < -1e-3, own / np.where(there < -1e-3, there, -1.0), 1.0)
    planes[..., 3] *= np.clip(ratio, 0.5, 2.0).astype(np.float32)
    return Belief(np.ascontiguousarray(planes), belief.costs[pick].copy(), belief.chosen[pick].copy())


def _slope(planes: Planes, lens: Float[np.ndarray, " 4"], ys: np.ndarray, xs: np.ndarray) -> Float[np.ndarray, "H W"]:
    """Normals times rays, below 0 where a plane faces the camera."""
    return planes[..., 0] * ((xs - lens[2]) / lens[0]) + planes[..., 1] * ((ys - lens[3]) / lens[1]) + planes[..., 2]
