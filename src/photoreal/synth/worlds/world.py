"""A world under construction: bodies with covers, put into place."""

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from numpy.random import Generator

from photoreal.synth.textures import Number
from photoreal.synth.worlds.bodies import Body

Triple = tuple[Number, Number, Number]


@dataclass(frozen=True)
class Cover:
    """What is painted on a body."""

    texture: int
    """Row of the textures."""
    repeats: Number = 1.0
    """Of the texture in a metre; 0: once over each side of the body."""
    tint: Triple = (1.0, 1.0, 1.0)
    """What linear colours are multiplied by."""
    gloss: Number = 0.0
    """How strongly lamps are mirrored."""
    glow: Number = 0.0
    """Light of its own, as a multiple of its colour."""


@dataclass
class World:
    """Triangles so far, corner by corner."""

    corners: list[np.ndarray] = field(default_factory=list)
    normals: list[np.ndarray] = field(default_factory=list)
    places: list[np.ndarray] = field(default_factory=list)
    """Where on the texture each corner lies, in the body's own axes."""
    axes: list[np.ndarray] = field(default_factory=list)
    """Along which of these each triangle is painted."""
    cover_of: list[np.ndarray] = field(default_factory=list)
    covers: list[Cover] = field(default_factory=list)

    def add(
        self,
        body: Body,
        cover: Cover,
        at: Triple | np.ndarray = (0.0, 0.0, 0.0),
        *,
        size: Number | Triple | np.ndarray = 1.0,
        turn: Float[np.ndarray, "3 3"] | Number = 0.0,
    ) -> None:
        """Put a body in place: stretched, then turned (a rotation, or radians about z), then shifted."""
        rotation = about_z(turn) if isinstance(turn, float | int) else turn
        own = body.vertices * np.asarray(size, dtype=np.float64)
        world = own @ rotation.T + np.asarray(at)
        flat = np.cross(own[body.faces[:, 1]] - own[body.faces[:, 0]], own[body.faces[:, 2]] - own[body.faces[:, 0]])
        if body.smooth:
            normals = np.stack(
                [np.bincount(body.faces.ravel(), np.repeat(flat[:, c], 3), len(own)) for c in range(3)], -1
            )[body.faces]
        else:
            normals = np.repeat(flat[:, None], 3, axis=1)
        normals = normals / (np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-12) @ rotation.T
        places = own * cover.repeats
        if cover.repeats == 0:
            low, extent = own.min(0), np.maximum(np.ptp(own, axis=0), 1e-6)
            places = (own - low) / extent
        self.corners.append(world[body.faces].astype(np.float32))
        self.normals.append(normals.astype(np.float32))
        self.places.append(places[body.faces].astype(np.float32))
        self.axes.append(np.abs(flat).argmax(1).astype(np.int32))
        self.cover_of.append(np.full(len(body.faces), len(self.covers), np.int32))
        self.covers.append(cover)

    def triangles(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, Int[np.ndarray, " F"], Int[np.ndarray, " F"]]:
        """Corners, normals and places [F, 3, 3], axes and covers [F]."""
        return (
            np.concatenate(self.corners),
            np.concatenate(self.normals),
            np.concatenate(self.places),
            np.concatenate(self.axes),
            np.concatenate(self.cover_of),
        )


def about_z(angle: Number) -> Float[np.ndarray, "3 3"]:
    """A turn by radians about z."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def any_turn(rng: Generator) -> Float[np.ndarray, "3 3"]:
    """A rotation, all equally likely."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def leaning(rng: Generator, degrees: Number) -> Float[np.ndarray, "3 3"]:
    """A turn about z, and then a lean of some degrees at random."""
    angle, way = math.radians(degrees) * rng.standard_normal(), rng.uniform(0, 2 * math.pi)
    axis = np.array([math.cos(way), math.sin(way), 0.0])
    cross = np.array([[0, 0, axis[1]], [0, 0, -axis[0]], [-axis[1], axis[0], 0.0]])
    lean = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return lean @ about_z(rng.uniform(0, 2 * math.pi))
