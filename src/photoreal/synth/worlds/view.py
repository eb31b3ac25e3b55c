"""From where a world is seen."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

from photoreal.synth.textures import Number

SIZES = ((392, 518), (518, 392), (392, 518), (518, 392), (294, 518), (518, 294), (448, 448), (336, 518), (518, 336))
"""Heights and widths of the photos, in multiples of 14, the longer side 518."""


@dataclass(frozen=True)
class View:
    """A place to stand and one to look at."""

    centre: Float[np.ndarray, " 3"]
    target: Float[np.ndarray, " 3"]


@dataclass(frozen=True)
class Shot:
    """A camera: pinhole, its principal point near the middle."""

    centre: Float[np.ndarray, " 3"]
    axes: Float[np.ndarray, "3 3"]
    """Rows: right, down, forward in the world (OpenCV's axes)."""
    focal: Number
    """Pixels."""
    principal: tuple[Number, Number]
    size: tuple[int, int]

    @property
    def horizontal_field_of_view(self) -> float:
        """Degrees across the whole width, the principal point taken for the middle."""
        return math.degrees(2 * math.atan(self.size[1] / 2 / self.focal))

    def ways(self, x: Float[np.ndarray, "*s"], y: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s 3"]:
        """Directions in the world through pixels, with depth 1 along the axis."""
        right, down = (x - self.principal[0]) / self.focal, (y - self.principal[1]) / self.focal
        return right[..., None] * self.axes[0] + down[..., None] * self.axes[1] + self.axes[2]


def shot(rng: Generator, view: View, size: tuple[int, int]) -> Shot:
    """A camera with a lens between wide and long, level, tilted, or turned on its side."""
    height, width = size
    across = math.exp(rng.uniform(math.log(30), math.log(105)))
    focal = max(size) / 2 / math.tan(math.radians(across) / 2)
    forward = view.target - view.centre
    forward = forward / (np.linalg.norm(forward) + 1e-9)
    up = np.array([0, 0, 1.0]) if abs(forward[2]) < 0.995 else np.array([1.0, 0, 0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    roll = math.radians(rng.normal(0, 3) if rng.random() < 0.6 else rng.uniform(-18, 18))
    if rng.random() < 0.25:
        roll += math.pi / 2 * int(rng.integers(1, 4))
    c, s = math.cos(roll), math.sin(roll)
    axes = np.stack([c * right + s * down, c * down - s * right, forward])
    off = rng.normal(0, 0.01, 2) * max(size)
    return Shot(view.centre, axes, focal, (width / 2 + float(off[0]), height / 2 + float(off[1])), size)
