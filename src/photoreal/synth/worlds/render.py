"""A world, a camera and chance in; a photograph and its depth out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy.random import Generator

from photoreal.core.dependencies import require
from photoreal.synth.textures import Number
from photoreal.synth.worlds.darkroom import developed
from photoreal.synth.worlds.kernels.shading import lit, smoothed, surfaces
from photoreal.synth.worlds.light import Light, sky_colours
from photoreal.synth.worlds.paint import SIZES as TEXTURE_SIZES
from photoreal.synth.worlds.paint import STARTS, textures
from photoreal.synth.worlds.scenes.outdoors import landscape, monument, street, wood
from photoreal.synth.worlds.scenes.rooms import hall, room
from photoreal.synth.worlds.scenes.tables import clutter, table_top
from photoreal.synth.worlds.view import SIZES, Shot, View, shot
from photoreal.synth.worlds.world import World

Kind = Callable[[Generator], tuple[World, View, Light]]
KINDS: dict[str, tuple[float, Kind]] = {
    "room": (0.28, room),
    "hall": (0.05, hall),
    "table": (0.24, table_top),
    "clutter": (0.06, clutter),
    "street": (0.13, street),
    "monument": (0.09, monument),
    "landscape": (0.09, landscape),
    "wood": (0.06, wood),
}
"""Each with how often it comes."""
_TRIES = 6
_NEAREST = 0.12


@dataclass(frozen=True)
class Sample:
    """One photo of a world that never was."""

    image: UInt8[np.ndarray, "H W 3"]
    """sRGB."""
    depth: Float[np.ndarray, "H W"]
    """Metres along the axis at the pixels' centres; infinite where there is only sky."""
    horizontal_field_of_view: Number
    """Degrees."""
    kind: str


def render_world(seed: int, size: tuple[int, int] | None = None, *, kind: str | None = None) -> Sample:
    """The photo of a number: one number, one world, one photo.

    Args:
        seed: any number of at least 0.
        size: height and width in pixels; without it one of several, drawn as well.
        kind: one of `KINDS`, or drawn.

    Raises:
        MissingDependencyError: embree or scikit-image is not installed.
    """
    rng = np.random.default_rng([seed, 1])
    names, weights = list(KINDS), np.array([weight for weight, _ in KINDS.values()])
    drawn = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    chosen = kind or drawn
    shape = size or SIZES[int(rng.integers(len(SIZES)))]
    tracer, camera, light, hits = _found(rng, KINDS[chosen][1], shape)
    colours = tracer.colours(rng, camera, light, hits)
    return Sample(developed(rng, colours, hits.depth), hits.depth, camera.horizontal_field_of_view, chosen)


def _found(rng: Generator, kind: Kind, size: tuple[int, int]) -> tuple["Tracer", Shot, Light, "_Hits"]:
    """A world and a camera that shows enough of it; the best of some if none is good."""
    best: tuple[float, Tracer, Shot, Light, _Hits] | None = None
    enough = rng.uniform(0.3, 1.0)
    for _ in range(_TRIES):
        world, view, light = kind(rng)
        tracer = Tracer(world)
        for _ in range(3):
            camera = shot(rng, view, size)
            hits = tracer.first_hits(camera)
            worth = _worth(hits.depth, tracer.cover_of[hits.triangle])
            if best is None or worth > best[0]:
                best = worth, tracer, camera, light, hits
        if best is not None and best[0] >= enough:
            break
    assert best is not None
    return best[1:]


def _worth(depth: Float[np.ndarray, "H W"], covers: Int[np.ndarray, "H W"]) -> float:
    """At most 1, for a photo that shows several things, none of which is in the way."""
    finite = depth[np.isfinite(depth)]
    if finite.size < 0.25 * depth.size:
        return 0.2 * finite.size / depth.size
    near, low, high = np.percentile(finite, [0.5, 5, 95])
    blocked = float((finite < 2 * near).mean()) if near < 0.4 * low else 0.0
    shares = np.bincount(covers[np.isfinite(depth)]) / depth.size
    several = min(1.0, float((shares > 0.003).sum()) / 10)
    clear = min(1.0, near / _NEAREST) * min(1.0, (high / low - 1) / 0.2) * (1.0 if blocked < 0.4 else 0.5)
    return clear * (0.4 + 0.6 * several)


@dataclass(frozen=True)
class _Hits:
    """What rays through pixels meet first."""

    triangle: np.ndarray
    """-1 for nothing."""
    u: np.ndarray
    v: np.ndarray
    depth: Float[np.ndarray, "*s"]
    ways: Float[np.ndarray, "*s 3"]


class Tracer:
    """A world ready for rays."""

    def __init__(self, world: World) -> None:
        """Embree's tree over the triangles, and arrays for the kernels.

        Raises:
            MissingDependencyError: embree is not installed.
        """
        scenes: Any = require("embreex.rtcore_scene", extra="train")
        meshes: Any = require("embreex.mesh_construction", extra="train")
        self.corners, self.normals, self.places, self.axes, self.cover_of = world.triangles()
        self.covers = np.array([[c.texture, c.repeats, *c.tint, c.gloss, c.glow] for c in world.covers], np.float32)
        self.scene = scenes.EmbreeScene()
        meshes.TriangleMesh(self.scene, self.corners)

    def first_hits(self, camera: Shot) -> _Hits:
        """What the pixels' centres see."""
        height, width = camera.size
        y, x = np.mgrid[:height, :width] + 0.5
        return self._cast(camera, x, y)

    def _cast(self, camera: Shot, x: np.ndarray, y: np.ndarray) -> _Hits:
        ways = camera.ways(x, y).astype(np.float32)
        flat = ways.reshape(-1, 3)
        starts = np.ascontiguousarray(np.broadcast_to(camera.centre.astype(np.float32), flat.shape))
        # Embree's distances are multiples of the direction, whose depth is 1.
        found = self.scene.run(starts, np.ascontiguousarray(flat), query="INTERSECT", output=True)
        triangle = found["primID"].reshape(x.shape)
        depth = np.where(triangle >= 0, found["tfar"].reshape(x.shape), np.inf).astype(np.float32)
        return _Hits(triangle, found["u"].reshape(x.shape), found["v"].reshape(x.shape), depth, ways)

    def colours(self, rng: Generator, camera: Shot, light: Light, hits: _Hits) -> Float[np.ndarray, "H W 3"]:
        """Linear light of all pixels, the mean of several rays where neighbours show different things."""
        open_sky = self._open_sky(rng, camera, hits)
        first = self._shade(camera, light, hits, open_sky)
        rows, columns = np.nonzero(_edges(hits))
        if len(rows) == 0:
            return first
        total = first[rows, columns].astype(np.float64)
        for dx, dy in ((-0.25, -0.3), (0.3, -0.2), (-0.2, 0.3), (0.25, 0.25)):
            more = self._cast(camera, columns + 0.5 + dx, rows + 0.5 + dy)
            total += np.minimum(self._shade(camera, light, more, open_sky[rows, columns]), 4.0)
        first[rows, columns] = total / 5
        return first

    def _open_sky(self, rng: Generator, camera: Shot, hits: _Hits) -> Float[np.ndarray, "H W"]:
        """How much of the half sphere above each place is free within some metres; a few rays each, then smoothed."""
        rows, columns = (np.arange(0, length, 2) for length in hits.depth.shape)
        pick = np.ix_(rows, columns)
        sparse = _Hits(hits.triangle[pick], hits.u[pick], hits.v[pick], hits.depth[pick], hits.ways[pick])
        _, facing = self._paint(camera, sparse)
        known = sparse.triangle >= 0
        at = (camera.centre + sparse.ways[known] * sparse.depth[known][:, None]).astype(np.float32)
        normal, reach = facing[known], np.clip(0.5 * sparse.depth[known], 0.3, 6.0)
        free = np.zeros(len(at), np.float32)
        for _ in range(3):
            way = rng.standard_normal(at.shape).astype(np.float32)
            way = way / np.linalg.norm(way, axis=1, keepdims=True) + normal * 1.05
            way /= np.linalg.norm(way, axis=1, keepdims=True)
            free += 1 - self._blocked(at + normal * (0.004 * sparse.depth[known])[:, None], way, reach)
        values = np.ones(known.shape, np.float32)
        values[known] = free / 3
        result = np.empty_like(values)
        smoothed(values, np.where(known, sparse.depth, 1e9).astype(np.float32), 3, result)
        height, width = hits.depth.shape
        return np.repeat(np.repeat(result, 2, 0), 2, 1)[:height, :width]

    def _blocked(self, starts: np.ndarray, ways: np.ndarray, reach: np.ndarray | Number) -> np.ndarray:
        """1 where something is nearer than `reach` along a direction of length 1."""
        far = np.broadcast_to(np.asarray(reach, np.float32), (len(starts),)).copy()
        if len(starts) == 0:
            return far
        starts, ways = (np.ascontiguousarray(array, dtype=np.float32) for array in (starts, ways))
        return (self.scene.run(starts, ways, dists=far, query="OCCLUDED") >= 0).astype(np.float32)

    def _paint(self, camera: Shot, hits: _Hits) -> tuple[np.ndarray, np.ndarray]:
        shape = hits.triangle.shape
        made, facing = (np.zeros((hits.triangle.size, 3), np.float32) for _ in range(2))
        surfaces(
            hits.triangle.ravel(), hits.u.ravel(), hits.v.ravel(), hits.ways.reshape(-1, 3),
            np.where(np.isfinite(hits.depth), hits.depth, 1).ravel(), np.float32(camera.focal), self.normals,
            self.places, self.axes, self.cover_of, self.covers, textures().texels, STARTS,
            np.array(TEXTURE_SIZES, np.int64), made, facing,
        )  # fmt: skip
        return made.reshape(*shape, 3), facing.reshape(*shape, 3)

    def _shade(self, camera: Shot, light: Light, hits: _Hits, open_sky: np.ndarray) -> np.ndarray:
        """Linear light along rays."""
        paint, facing = self._paint(camera, hits)
        known, total = hits.triangle >= 0, np.zeros(paint.shape, np.float32)
        at = (camera.centre + hits.ways * np.where(known, hits.depth, 0)[..., None]).astype(np.float32)
        off = at + facing * (0.003 * np.where(known, hits.depth, 0)[..., None] + 1e-3)
        for number in range(1 + len(light.lamps)):
            towards = np.broadcast_to(light.sun.astype(np.float32), at.shape).copy()
            colour, far = np.broadcast_to(light.sun_colour.astype(np.float32), at.shape), np.full(known.shape, 1e4)
            if number:
                lamp = light.lamps[number - 1]
                way = lamp.at - off
                far = np.linalg.norm(way, axis=-1)
                towards = (way / (far[..., None] + 1e-9)).astype(np.float32)
                colour = (lamp.colour / (0.3 + far[..., None] ** 2)).astype(np.float32)
            if float(colour.max()) <= 0 and number < len(light.lamps):
                continue
            asked = known & ((facing * towards).sum(-1) > 0)
            visible = np.zeros(known.shape, np.float32)
            visible[asked] = 1 - self._blocked(off[asked], towards[asked], 0.98 * far[asked])
            ambient = light.ambient * (number == len(light.lamps))
            lit(
                paint.reshape(-1, 3), facing.reshape(-1, 3), hits.ways.reshape(-1, 3), hits.triangle.ravel(),
                self.cover_of, self.covers, open_sky.ravel(), towards.reshape(-1, 3),
                np.ascontiguousarray(colour, np.float32).reshape(-1, 3), visible.ravel(),
                ambient.astype(np.float32), total.reshape(-1, 3),
            )  # fmt: skip
        return _with_air(light, hits, total)


def _with_air(light: Light, hits: _Hits, colours: np.ndarray) -> np.ndarray:
    """Sky where nothing is, and fog before what is far."""
    unit = hits.ways / np.linalg.norm(hits.ways, axis=-1, keepdims=True)
    none = hits.triangle < 0
    colours[none] = sky_colours(light, unit[none])
    if light.fog > 0 and light.horizon is not None:
        left = np.exp(-np.where(none, np.inf, hits.depth) / light.fog)[..., None]
        haze = np.where(none[..., None], 0.8, 1.0) * (1 - left)
        colours = colours + (light.horizon * 0.95 - colours) * np.where(none[..., None], 0.0, haze)
    return colours.astype(np.float32)


def _edges(hits: _Hits) -> np.ndarray:
    """Pixels beside which another depth or another slope begins."""
    inverse = np.where(np.isfinite(hits.depth), 1 / np.maximum(hits.depth, 1e-6), 0)
    edge = np.zeros(inverse.shape, bool)
    for axis in (0, 1):
        step = np.abs(np.diff(inverse, axis=axis)) / (np.minimum(*_pairs(inverse, axis)) + 1e-3)
        jump = step > 0.03
        first, second = _pairs(edge, axis)
        first |= jump
        second |= jump
    return edge


def _pairs(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    return (values[:-1], values[1:]) if axis == 0 else (values[:, :-1], values[:, 1:])
