"""Meshes made of chance: lathed, swept, extruded and grown bodies, each in its own frame with z up."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from numpy.random import Generator

from photoreal.synth.textures import Number

Vertices = Float[np.ndarray, "N 3"]
VARIANTS = 160
"""How many different bodies of one kind there are; a world stretches them besides."""


@dataclass(frozen=True)
class Body:
    """Triangles; counter-clockwise or not, for light and rays take both sides for the outside."""

    vertices: Vertices
    faces: Int[np.ndarray, "F 3"]
    smooth: bool = False
    """Whether light takes it for round."""

    @property
    def extent(self) -> Float[np.ndarray, " 3"]:
        """Width, depth and height."""
        return np.ptp(self.vertices, axis=0)


def grid_faces(rows: int, columns: int, *, round_rows: bool = False, round_columns: bool = False) -> np.ndarray:
    """Triangles of a sheet of rows x columns vertices, closed in a direction where it is round."""
    down = np.arange(rows if round_rows else rows - 1)[:, None]
    right = np.arange(columns if round_columns else columns - 1)[None]
    below, beside = (down + 1) % rows, (right + 1) % columns
    a, b = down * columns + right, down * columns + beside
    c, d = below * columns + beside, below * columns + right
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])


def joined(*bodies: Body) -> Body:
    """All as one."""
    offsets = np.cumsum([0] + [len(body.vertices) for body in bodies])
    return Body(
        np.concatenate([body.vertices for body in bodies]),
        np.concatenate([body.faces + offset for body, offset in zip(bodies, offsets, strict=False)]),
        bodies[0].smooth,
    )


def moved(body: Body, by: tuple[Number, Number, Number] | np.ndarray, size: Number | np.ndarray = 1.0) -> Body:
    """The body stretched about its origin, and then shifted."""
    return Body(body.vertices * size + np.asarray(by), body.faces, body.smooth)


@lru_cache
def block() -> Body:
    """A unit cube that stands on the origin; corners have three normals."""
    x, y, z = np.meshgrid([-0.5, 0.5], [-0.5, 0.5], [0.0, 1.0], indexing="ij")
    corners = np.stack([x, y, z], -1).reshape(-1, 3)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))]
    return Body(corners, np.array(faces))


def lathe(radii: np.ndarray, heights: np.ndarray, around: int = 24) -> Body:
    """A profile turned about z; a radius of 0 closes it."""
    angles = np.linspace(0, 2 * math.pi, around, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], -1)
    flat = radii[:, None, None] * ring
    tall = np.broadcast_to(heights[:, None, None], (len(radii), around, 1))
    return Body(
        np.concatenate([flat, tall], -1).reshape(-1, 3), grid_faces(len(radii), around, round_columns=True), smooth=True
    )


def tube(path: Vertices, radii: np.ndarray | Number, around: int = 8) -> Body:
    """A round bar along a path."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    helper = np.where(np.abs(along[:, 2:]) < 0.9, np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0]))
    one = np.cross(along, helper)
    one /= np.linalg.norm(one, axis=1, keepdims=True) + 1e-9
    two = np.cross(along, one)
    angles = np.linspace(0, 2 * math.pi, around, endpoint=False)[None, :, None]
    thick = np.broadcast_to(np.asarray(radii, dtype=np.float64), (len(path),))[:, None, None]
    sheet = path[:, None] + thick * (np.cos(angles) * one[:, None] + np.sin(angles) * two[:, None])
    return Body(sheet.reshape(-1, 3), grid_faces(len(path), around, round_columns=True), smooth=True)


@lru_cache
def ball(rings: int = 14, around: int = 24) -> Body:
    """A sphere of diameter 1 that stands on the origin."""
    angles = np.linspace(0, math.pi, rings)
    return lathe(0.5 * np.sin(angles), 0.5 - 0.5 * np.cos(angles), around)


@lru_cache
def cylinder(around: int = 24) -> Body:
    """Diameter and height 1, with flat ends, on the origin."""
    rows = np.array([0, 0.5, 0.5, 0.5, 0.5, 0.0])
    return lathe(rows, np.array([0, 0, 0.001, 0.999, 1, 1.0]), around)


@lru_cache
def cone(around: int = 20) -> Body:
    """Diameter and height 1, on the origin."""
    return lathe(np.array([0, 0.5, 0.5, 0.0]), np.array([0, 0, 0.001, 1.0]), around)


def _smooth_noise(rng: Generator, points: Vertices, waves: int = 10, lowest: Number = 1.0, highest: Number = 6.0):
    """A sum of waves at random, of deviation 1 or so."""
    ways = rng.standard_normal((waves, 3))
    ways *= np.exp(rng.uniform(math.log(lowest), math.log(highest), (waves, 1))) / np.linalg.norm(
        ways, axis=1, keepdims=True
    )
    weights = 1 / np.linalg.norm(ways, axis=1)
    waves_at = np.sin(points @ ways.T + rng.uniform(0, 2 * math.pi, waves))
    return waves_at @ weights / np.linalg.norm(weights) * math.sqrt(2)


def _turned_profile(rng: Generator) -> Body:
    """A vase, bottle, cup, baluster, bowl or lamp."""
    knots = int(rng.integers(4, 9))
    radii = np.abs(rng.normal(0.5, 0.22, knots)) + 0.05
    if rng.random() < 0.4:
        radii[-1] *= 0.3
    fine = np.interp(np.linspace(0, knots - 1, 28), np.arange(knots), radii)
    if rng.random() < 0.7:
        fine = np.convolve(np.pad(fine, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    heights = np.linspace(0, rng.uniform(0.7, 2.2), len(fine))
    radii, heights = np.concatenate([[0.0], fine]), np.concatenate([[0.0], heights])
    if rng.random() < 0.5:
        radii, heights = np.append(radii, 0.0), np.append(heights, heights[-1])
    else:  # open: down the inside again
        inside = fine[::-1] * 0.9
        radii = np.concatenate([radii, inside, [0.0]])
        heights = np.concatenate([heights, heights[1:][::-1] + 0.01, [0.05]])
    return lathe(radii, heights)


def _blob(rng: Generator) -> Body:
    """A smooth union of a few lumps and bars, like a toy animal, a statue or a root; marching cubes."""
    from skimage.measure import marching_cubes

    side = 36
    axis = np.linspace(-1.25, 1.25, side)
    at = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    field = np.zeros((side, side, side))
    centre = np.zeros(3)
    for number in range(int(rng.integers(3, 12))):
        start = centre + rng.normal(0, 0.28, 3) * (number > 0)
        start = np.clip(start, -0.75, 0.75)
        end = np.clip(start + rng.normal(0, 0.3, 3) * (rng.random() < 0.6), -0.85, 0.85)
        thick = rng.uniform(0.1, 0.34) if number else rng.uniform(0.3, 0.5)
        way = end - start
        share = np.clip(((at - start) @ way) / (way @ way + 1e-9), 0, 1)
        away = np.linalg.norm(at - start - share[..., None] * way, axis=-1)
        field += np.exp(-((away / thick) ** 2) * 1.2)
        centre = end if rng.random() < 0.6 else centre
    if rng.random() < 0.5:
        field += 0.08 * _smooth_noise(rng, at.reshape(-1, 3), lowest=5, highest=14).reshape(field.shape)
    field[[0, -1]] = field[:, [0, -1]] = field[:, :, [0, -1]] = 0
    vertices, faces, _, _ = marching_cubes(field, 0.45)
    return Body(vertices / side, faces[:, ::-1].astype(np.int64), smooth=True)


def _stone(rng: Generator) -> Body:
    """A ball with bumps: stone, fruit, cushion, bush."""
    sphere = ball(22, 34)
    middle = sphere.vertices - [0, 0, 0.5]
    rough = rng.choice([0.03, 0.08, 0.16])
    bumps = 1 + rough * _smooth_noise(rng, middle * 2, waves=14, lowest=2.0, highest=rng.choice([5.0, 16.0]))
    power = rng.choice([1.0, 1.0, 0.5, 0.3])
    boxed = np.sign(middle) * np.abs(middle * 2) ** power / 2
    return Body(boxed * bumps[:, None], sphere.faces, smooth=bool(rng.random() < 0.8))


def _bent_bar(rng: Generator) -> Body:
    """A curve with some thickness: cable, handle, horn, snake, spring, ring."""
    t = np.linspace(0, 1, 60)[:, None]
    kind = rng.integers(3)
    if kind == 0:
        turns, drift = rng.uniform(1, 6), rng.uniform(0.1, 1.2)
        path = np.concatenate(
            [0.4 * np.cos(2 * math.pi * turns * t), 0.4 * np.sin(2 * math.pi * turns * t), drift * t], 1
        )
    elif kind == 1:
        path = np.cumsum(np.cumsum(rng.normal(0, 1, (60, 3)), 0) * 0.01 + rng.normal(0, 0.3, 3), 0)
        path = path / np.abs(path).max()
    else:
        path = np.concatenate([0.5 * np.cos(2 * math.pi * t), 0.5 * np.sin(2 * math.pi * t), 0 * t], 1)
    taper = rng.uniform(0.02, 0.12) * (1 - rng.uniform(0, 0.9) * t[:, 0] * (kind == 1))
    return tube(path, taper, 10)


def _plate(rng: Generator) -> Body:
    """A flat outline made thick: star, gear, letter-like polygon, leaf, tool."""
    corners = int(rng.integers(3, 26))
    angles = (
        np.sort(rng.uniform(0, 2 * math.pi, corners)) if rng.random() < 0.5 else np.arange(corners) / corners * 6.283
    )
    reach = 0.5 * np.where(np.arange(corners) % 2, rng.uniform(0.35, 1.0), 1.0) * rng.uniform(0.8, 1.0, corners)
    ring = np.stack([reach * np.cos(angles), reach * np.sin(angles)], -1)
    thick = rng.uniform(0.04, 0.6)
    layers = [(0.0, 0.0), (1.0, 0.0), (1.0, thick), (0.0, thick)]
    sheet = [np.concatenate([ring * size, np.full((corners, 1), height)], 1) for size, height in layers]
    flat = np.concatenate(sheet)
    body = Body(flat, grid_faces(4, corners, round_columns=True))
    if rng.random() < 0.5:  # upright
        body = Body(body.vertices[:, [0, 2, 1]], body.faces)
    return body


def _heap(rng: Generator) -> Body:
    """Boxes and cylinders grown together: a machine, a toy, a model of a house."""
    parts = [moved(block(), (0, 0, 0), rng.uniform(0.3, 1.0, 3))]
    for _ in range(int(rng.integers(1, 7))):
        part = block() if rng.random() < 0.6 else cylinder(14)
        size = rng.uniform(0.08, 0.6, 3)
        turned = Body(part.vertices[:, rng.permutation(3)], part.faces)
        parts.append(moved(turned, rng.uniform(-0.4, 0.4, 3) + [0, 0, 0.4], size))
    return joined(*parts)


def _ring_wheel(rng: Generator) -> Body:
    """A wheel with thin spokes, upright."""
    t = np.linspace(0, 2 * math.pi, 40)
    rim = tube(np.stack([0.5 * np.cos(t), 0 * t, 0.5 * np.sin(t)], -1), rng.uniform(0.012, 0.05), 8)
    spokes = []
    for angle in np.arange(int(rng.integers(4, 19))) * (2 * math.pi / rng.integers(4, 19)):
        end = np.array([0.5 * math.cos(angle), 0, 0.5 * math.sin(angle)])
        spokes.append(tube(np.linspace(0, 1, 3)[:, None] * end, rng.uniform(0.004, 0.02), 5))
    return joined(rim, *spokes)


_MAKERS = {
    "turned": _turned_profile,
    "blob": _blob,
    "stone": _stone,
    "bar": _bent_bar,
    "plate": _plate,
    "heap": _heap,
    "wheel": _ring_wheel,
}


@lru_cache(maxsize=4096)
def body_of(kind: str, number: int) -> Body:
    """The body of a kind with a number below `VARIANTS`: within a cube of side 1, standing on the origin."""
    rng = np.random.default_rng([number, *kind.encode()])
    body = _MAKERS[kind](rng)
    low, high = body.vertices.min(0), body.vertices.max(0)
    vertices = body.vertices - [*((low + high)[:2] / 2), low[2]]
    return Body(vertices / max(float((high - low).max()), 1e-6), body.faces, body.smooth)


def any_body(rng: Generator, kinds: tuple[str, ...] = tuple(_MAKERS)) -> Body:
    """One of all bodies of some kinds."""
    return body_of(kinds[int(rng.integers(len(kinds)))], int(rng.integers(VARIANTS)))
