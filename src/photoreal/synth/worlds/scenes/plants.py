"""Trees, bushes, grass and pots, with leaves and twigs as thin as they are."""

import math
from functools import lru_cache

import numpy as np
from numpy.random import Generator

from photoreal.synth.textures import Number
from photoreal.synth.worlds.bodies import Body, body_of, joined, tube
from photoreal.synth.worlds.paint import textures
from photoreal.synth.worlds.scenes.things import Place, cover, tinted
from photoreal.synth.worlds.world import Cover, World, about_z

_TREES = 24


@lru_cache(maxsize=64)
def _branching(number: int) -> tuple[Body, np.ndarray]:
    """Trunk and branches of a tree of height 1, and where its leaves grow."""
    rng = np.random.default_rng([number, 71])
    parts: list[Body] = []
    ends: list[np.ndarray] = []
    spread, bend = rng.uniform(0.35, 0.9), rng.uniform(0.02, 0.12)

    def grow(start: np.ndarray, way: np.ndarray, long: Number, thick: Number, depth: int) -> None:
        steps = 5
        path = [start]
        for _ in range(steps):
            way = way + rng.normal(0, bend, 3) + [0, 0, 0.02]
            way = way / np.linalg.norm(way)
            path.append(path[-1] + way * long / steps)
        line = np.stack(path)
        parts.append(tube(line, np.linspace(thick, thick * 0.6, steps + 1), 7 if depth < 2 else 4))
        if depth == 3:
            ends.extend(line[2:])
            return
        for _ in range(int(rng.integers(2, 5))):
            aside = rng.normal(0, spread, 3)
            grow(
                line[int(rng.integers(3, steps + 1))],
                way + aside,
                long * rng.uniform(0.55, 0.8),
                thick * 0.55,
                depth + 1,
            )

    grow(np.zeros(3), np.array([0, 0, 1.0]), rng.uniform(0.25, 0.5), rng.uniform(0.012, 0.03), 0)
    body = joined(*parts)
    high = float(body.vertices[:, 2].max())
    return Body(body.vertices / high, body.faces, smooth=True), np.stack(ends) / high


@lru_cache(maxsize=128)
def _crown(number: int, kind: str) -> Body:
    """The leaves of a tree: thousands of small cards, or lumps."""
    rng = np.random.default_rng([number, 72])
    _, ends = _branching(number)
    if kind == "lumps":
        lumps = []
        for end in ends[rng.permutation(len(ends))[: int(rng.integers(6, 22))]]:
            lump = body_of("stone", int(rng.integers(160)))
            size = rng.uniform(0.1, 0.3)
            lumps.append(Body((lump.vertices - [0, 0, 0.5]) * size + end, lump.faces, smooth=True))
        return joined(*lumps)
    count = int(rng.integers(600, 2600))
    middles = ends[rng.integers(len(ends), size=count)] + rng.normal(0, rng.uniform(0.02, 0.05), (count, 3))
    return _cards(rng, middles, rng.uniform(0.012, 0.04))


def _cards(rng: Generator, middles: np.ndarray, size: Number) -> Body:
    """A leaf of four corners at each place, turned at random."""
    count = len(middles)
    one = rng.standard_normal((count, 3))
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    two = np.cross(one, rng.standard_normal((count, 3)))
    two /= np.linalg.norm(two, axis=1, keepdims=True) + 1e-9
    long = size * rng.uniform(0.6, 1.4, (count, 1))
    corners = np.stack(
        [middles - one * long, middles + two * long * 0.5, middles + one * long, middles - two * long * 0.5], 1
    )
    first = 4 * np.arange(count)[:, None]
    return Body(corners.reshape(-1, 3), np.concatenate([first + [0, 1, 2], first + [0, 2, 3]]))


def tree(world: World, rng: Generator, at: Place, height: Number) -> None:
    """A tree, bare, of single leaves, of lumps, or a fir."""
    bark = cover(rng, "wood", "earth", "rough", repeats=1.0, gloss=0.0)
    leaves = Cover(textures().pick(rng, "foliage"), float(rng.uniform(0.3, 1.5)), tinted(rng))
    turn, number = about_z(rng.uniform(0, 6.3)), int(rng.integers(_TREES))
    if rng.random() < 0.2:
        world.add(
            tube(np.array([[0, 0, 0], [0, 0, 0.5], [0, 0, 1.0]]), np.array([0.02, 0.012, 0.002])), bark, at, size=height
        )
        world.add(_fir(number), leaves, at, size=(height, height, height), turn=turn)
        return
    wood, _ = _branching(number)
    world.add(wood, bark, at, size=height, turn=turn)
    kind = rng.random()
    if kind < 0.88:
        world.add(_crown(number, "cards" if kind < 0.5 else "lumps"), leaves, at, size=height, turn=turn)


@lru_cache(maxsize=32)
def _fir(number: int) -> Body:
    rng = np.random.default_rng([number, 73])
    heights = rng.uniform(0.15, 1.0, 1400)
    reach = (1.02 - heights) * rng.uniform(0.2, 0.34) * np.sqrt(rng.uniform(0, 1, len(heights)))
    angle = rng.uniform(0, 2 * math.pi, len(heights))
    layered = heights - 0.25 * reach + 0.02 * np.sin(heights * 60)
    return _cards(rng, np.stack([reach * np.cos(angle), reach * np.sin(angle), layered], -1), 0.02)


def bush(world: World, rng: Generator, at: Place, size: Number) -> None:
    """A bush of lumps or leaves."""
    leaves = Cover(textures().pick(rng, "foliage"), float(rng.uniform(0.5, 2.5)), tinted(rng))
    if rng.random() < 0.5:
        shape = body_of("stone", int(rng.integers(160)))
        world.add(shape, leaves, at, size=(size, size, size * rng.uniform(0.5, 1.0)), turn=rng.uniform(0, 6.3))
        return
    middles = rng.normal(0, 0.22, (int(rng.integers(200, 900)), 3)) + [0, 0, 0.4]
    middles[:, 2] = np.abs(middles[:, 2])
    world.add(_cards(rng, middles, 0.06), leaves, at, size=size)


def grass(world: World, rng: Generator, at: Place, spread: Number, blades: int) -> None:
    """Blades that bend over, within some distance of a place."""
    leaves = Cover(textures().pick(rng, "foliage"), 2.0, tinted(rng))
    foot = np.concatenate([rng.normal(0, spread, (blades, 2)), np.zeros((blades, 1))], 1)
    high, wide = rng.uniform(0.08, 0.6) * rng.uniform(0.5, 1.3, (blades, 1)), rng.uniform(0.004, 0.02)
    way = rng.normal(0, 1, (blades, 2))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    lean = np.concatenate([way, np.zeros((blades, 1))], 1)
    across = np.concatenate([-way[:, 1:], way[:, :1], np.zeros((blades, 1))], 1) * wide
    middle = foot + lean * high * 0.15 + [0, 0, 0.6] * high
    tip = foot + lean * high * rng.uniform(0.2, 0.9) + [0, 0, 1.0] * high
    corners = np.stack([foot - across, foot + across, middle - across, middle + across, tip], 1).reshape(-1, 3)
    first = 5 * np.arange(blades)[:, None]
    faces = np.concatenate([first + [0, 1, 2], first + [1, 3, 2], first + [2, 3, 4]])
    world.add(Body(corners, faces), leaves, at)


def potted(world: World, rng: Generator, at: Place, size: Number) -> None:
    """A plant in a pot: long leaves, a small tree, or a bunch of stalks."""
    pot = 0.35 * size
    world.add(body_of("turned", int(rng.integers(160))), cover(rng), at, size=(pot, pot, pot * 0.8))
    top = np.asarray(at) + [0, 0, pot * 0.6]
    kind = rng.random()
    if kind < 0.35:
        tree(world, rng, top, size * 0.8)
    elif kind < 0.7:
        grass(world, rng, top, 0.05 * size, int(rng.integers(15, 60)))
    else:
        bush(world, rng, top, size * 0.6)
