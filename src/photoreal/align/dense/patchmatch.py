"""Multi-view stereo by PatchMatch for photos with known cameras, from coarse to fine.

Galliani et al. 2015, Schoenberger et al. 2016, Xu and Tao 2019.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from photoreal.align.dense.kernels.agreement import confirmed
from photoreal.align.dense.kernels.likeness import WORST
from photoreal.align.dense.kernels.propagation import scatter, sweep
from photoreal.align.dense.levels import Belief, Level, enlarged, levels, nothing_believed
from photoreal.align.dense.views import Neighbourhood, neighbourhoods
from photoreal.core import AlignmentError, Cameras, Capture, Depths, Points, Step, Tracks, Value

_STEP = 2
_FINER_ITERATIONS, _ROUND_ITERATIONS = 2, 1
_REACH, _LEAST_REACH = 0.2, 0.002
_SURE_PIXELS = np.float32(0.25)


@dataclass(frozen=True)
class DenseConfig:
    """How photos with known cameras are compared for depth."""

    side: int = 640
    """Pixels of the maps' longer side; photos that are smaller are compared as they are."""
    sources: int = 6
    """Photos with which each one is compared."""
    radius: int = 4
    """Half the side of the patch that is compared, in pixels of the map; every other pixel of it counts."""
    iterations: int = 5
    """Rounds of trying neighbours' planes at the coarsest size; at each finer one there are two."""
    rounds: int = 2
    """Rounds in which depth is also judged by how well it agrees with that of other photos."""
    astray: float = 1.5
    """Pixels within which a depth must come back by another photo's depth for that photo to confirm it."""
    closeness: float = 0.01
    """Part of the depth within which it must agree with that of another photo."""
    agreeing: int = 2
    """Photos that must confirm a depth; one fewer than it was compared with, if that is less, but at least one."""


@dataclass(frozen=True)
class DenseGeometry(Value):
    """Depth and normals of photos by stereo."""

    cameras: Cameras
    """At the size of the maps."""
    depths: Depths
    """Confidence is the mean correlation with the photos that agree, times n / (n + 1) where these are n, times
    m / (m + 1 / 4) where a depth larger by a hundredth would move by m pixels in that of them where it moves most."""
    normals: Float[Tensor, "V 3 H W"]
    """In the world, towards the camera, of length 1; 0 without depth."""
    agreeing: Int64[Tensor, "V H W"]
    """How many photos confirm each depth."""
    sources: tuple[tuple[int, ...], ...]
    """With which photos each one was compared; none where it has no parallax to any other."""

    def __len__(self) -> int:
        return len(self.depths)


def dense_geometry(
    capture: Capture, points: Points, tracks: Tracks, config: DenseConfig, *, seed: int = 0
) -> Generator[Step, None, DenseGeometry]:
    """Yield steps; return depth and normals that several photos confirm, with confidence 0 elsewhere.

    Args:
        points: known ones, which say where photos overlap and how far things are.
        tracks: their sightings, where known.
        seed: of the planes that are tried; one seed finds one geometry, whatever the number of threads.

    Raises:
        AlignmentError: no two photos show the same from two places.
    """
    around = neighbourhoods(capture.cameras, points, tracks, sources=min(config.sources, 32))
    seeing = [view for view, one in enumerate(around) if one.sources]
    if not seeing:
        raise AlignmentError(
            f"none of {len(capture)} photos shows the same as another from another place ({len(points)} points are "
            "known): depth by stereo needs photos that overlap, taken from different places"
        )
    pyramid = levels(capture, config.side)
    total, done = len(seeing) * (len(pyramid) + config.rounds + 1), 0
    beliefs: dict[int, Belief] = {}
    for level, coarser in zip(pyramid, (None, *pyramid), strict=False):
        count = _FINER_ITERATIONS if coarser else config.iterations
        rounds = _Rounds(count, seed, config.radius, begun=coarser is not None)
        count = _FINER_ITERATIONS if coarser else config.iterations
        rounds = _Rounds(count, seed, config.radius, begun=coarser is not None)
        for view in seeing:
            yield Step("comparing photos", done, total)
            start = _start(level, coarser, view, around[view], beliefs.get(view), seed)
            beliefs[view] = _improved(level, view, around[view], start, rounds)
            done += 1
    for number in range(config.rounds):
        depths = _depths(pyramid[-1], beliefs)
        rounds = _Rounds(_ROUND_ITERATIONS, seed + 1 + number, config.radius, begun=True, depths=depths)
        for view in seeing:
            yield Step("comparing depths", done, total)
            _improved(pyramid[-1], view, around[view], beliefs[view], rounds)
            done += 1
    return (yield from _kept(pyramid[-1], around, beliefs, config, done))


@dataclass(frozen=True)
class _Rounds:
    """How long planes are tried."""

    count: int
    seed: int
    radius: int
    begun: bool = False
    """Whether planes are near the truth already."""
    depths: Float[np.ndarray, "V H W"] | None = None
    """Of all photos, to agree with."""

    @property
    def reaches(self) -> Iterable[np.float32]:
        """Relative changes of depth to try, smaller from round to round."""
        first = 3 if self.begun else 0
        return (np.float32(max(_LEAST_REACH, _REACH * 0.5 ** (first + number))) for number in range(self.count))


def _start(
    level: Level, coarser: Level | None, view: int, around: Neighbourhood, belief: Belief | None, seed: int
) -> Belief:
    """What the coarser level found, or planes at random."""
    size = level.cameras.size
    if coarser is not None and belief is not None:
        return enlarged(belief, coarser.lenses[view], size)
    start = nothing_believed(size, float(WORST), len(around.sources))
    near, far = np.float32(around.near), np.float32(around.far)
    scatter(level.grey[view], level.lenses[view], near, far, seed * 65537 + view, start.planes)
    return start


def _improved(level: Level, view: int, around: Neighbourhood, belief: Belief, rounds: _Rounds) -> Belief:
    """Try planes; the belief is changed in place and returned."""
    sources = list(around.sources)
    others = np.empty((0, *level.cameras.size), np.float32) if rounds.depths is None else rounds.depths[sources]
    near, far, worth = np.float32(around.near), np.float32(around.far), np.array(around.worth, np.float32)
    for number, reach in enumerate(rounds.reaches):
        for colour in (0, 1):
            seed = (rounds.seed * 65537 + view) * 3 + colour
            sweep(
                colour, number, rounds.begun, seed, level.grey[view], level.lenses[view], near, far,
                level.grey[sources], level.masked[sources], level.motions(view, around.sources),
                level.lenses[sources], worth, others, rounds.radius, _STEP, reach, belief.planes, belief.costs,
                belief.chosen,
            )  # fmt: skip
    return belief


def _depths(level: Level, beliefs: dict[int, Belief]) -> Float[np.ndarray, "V H W"]:
    """All photos' depths, 0 of those that could not be compared."""
    result = np.zeros((len(level.grey), *level.cameras.size), np.float32)
    for view, belief in beliefs.items():
        result[view] = np.where(level.grey[view] >= 0, belief.planes[..., 3], 0)
    return result


def _kept(
    level: Level, around: list[Neighbourhood], beliefs: dict[int, Belief], config: DenseConfig, done: int
) -> Generator[Step, None, DenseGeometry]:
    """What other photos confirm."""
    depths, total = _depths(level, beliefs), done + len(beliefs)
    agreeing = np.zeros(depths.shape, np.int64)
    likeness, moved = (np.zeros(depths.shape, np.float32) for _ in range(2))
    normals = np.zeros((*depths.shape, 3), np.float32)
    for view, belief in beliefs.items():
        yield Step("confirming depths", done, total)
        sources = list(around[view].sources)
        confirmed(
            level.grey[view], level.lenses[view], belief.planes, level.grey[sources], level.masked[sources],
            level.motions(view, around[view].sources), level.lenses[sources], depths[sources], config.radius, _STEP,
            np.float32(config.astray), np.float32(config.closeness), agreeing[view], likeness[view],
            moved[view],
        )  # fmt: skip
        agreeing[view][agreeing[view] < max(1, min(config.agreeing, len(sources) - 1))] = 0
        normals[view] = belief.planes[..., :3]
        done += 1
    confidence = likeness * agreeing / (agreeing + 1) * moved / (moved + _SURE_PIXELS)
    known = torch.from_numpy(confidence > 0)
    in_world = torch.einsum("vhwc,vcd->vdhw", torch.from_numpy(normals), level.cameras.cam_from_world[:, :3, :3])
    return DenseGeometry(
        level.cameras,
        Depths(torch.from_numpy(depths) * known, torch.from_numpy(confidence).clamp_min(0)),
        in_world * known[:, None],
        torch.from_numpy(agreeing) * known,
        tuple(one.sources for one in around),
    )
