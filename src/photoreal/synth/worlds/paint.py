"""Textures of the worlds: noise, patterns and pieces of photographs, each at every size down to a pixel or so."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, UInt8
from numpy.random import Generator
from PIL import Image

from photoreal.synth.textures import Field, Number, Picture, fractal_noise, ramp, smooth_step

SIDE = 256
SIZES = tuple(SIDE >> level for level in range(8))
"""Of one texture, the finest first."""
STARTS = np.cumsum([0] + [size * size for size in SIZES])[:-1].astype(np.int64)
"""Where each size begins among a texture's texels."""

_PHOTOGRAPHS = (
    "astronaut", "coffee", "chelsea", "rocket", "camera", "coins", "page", "text", "hubble_deep_field", "moon",
    "retina", "immunohistochemistry",
)  # fmt: skip
_GROUNDS = ("grass", "gravel", "brick")


@dataclass(frozen=True)
class Textures:
    """All textures, and which are of a kind."""

    texels: UInt8[np.ndarray, "T N 3"]
    """sRGB, every size of one texture after the other."""
    kinds: dict[str, tuple[int, ...]]

    def pick(self, rng: Generator, *kinds: str) -> int:
        """A row of one of these kinds, or of any."""
        names = kinds or tuple(self.kinds)
        rows = self.kinds[names[int(rng.integers(len(names)))]]
        return rows[int(rng.integers(len(rows)))]


@lru_cache(maxsize=1)
def textures() -> Textures:
    """The same textures every time; they take some seconds to make."""
    made: list[np.ndarray] = []
    kinds: dict[str, tuple[int, ...]] = {}
    for name, (count, maker) in _MAKERS.items():
        pictures = [maker(np.random.default_rng([seed, *name.encode()])) for seed in range(count)]
        kinds[name] = tuple(range(len(made), len(made) + count))
        made += [_all_sizes(picture) for picture in pictures]
    for name, pictures in (("photo", _photographs()), ("rough", _grounds())):
        kinds[name] = tuple(range(len(made), len(made) + len(pictures)))
        made += [_all_sizes(picture) for picture in pictures]
    return Textures(np.stack(made), kinds)


def _all_sizes(picture: Picture) -> UInt8[np.ndarray, "N 3"]:
    image = Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
    small = [np.asarray(image.resize((size, size), Image.Resampling.BOX)).reshape(-1, 3) for size in SIZES]
    return np.concatenate(small)


def colour(rng: Generator, most_colourful: Number = 0.9) -> Float[np.ndarray, " 3"]:
    """sRGB, pale more often than strong, seldom black."""
    hue, value = rng.uniform(0, 6), rng.uniform(0.12, 0.95)
    strong = most_colourful * rng.uniform() ** 2.2
    wheel = np.clip(np.abs((hue + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    return value * (1 - strong * (1 - wheel))


def _noise(rng: Generator, slope: Number | None = None, coarsest: Number = 256, finest: Number = 2) -> Field:
    steep = rng.uniform(0.5, 1.6) if slope is None else slope
    seed = int(rng.integers(1 << 31))
    return fractal_noise((SIDE, SIDE), seed, coarsest=coarsest, finest=finest, slope=steep)


def _grid() -> tuple[Field, Field]:
    at = ((np.arange(SIDE) + 0.5) / SIDE).astype(np.float32)
    return np.broadcast_to(at, (SIDE, SIDE)), np.broadcast_to(at[:, None], (SIDE, SIDE))


def _speckled(rng: Generator) -> Picture:
    stops = [tuple(colour(rng)) for _ in range(int(rng.integers(2, 5)))]
    return ramp(0.5 + rng.uniform(0.1, 0.4) * _noise(rng), stops)


def _calm(rng: Generator) -> Picture:
    """Nearly one colour: paint, plaster, plastic, metal."""
    shade = 1 + rng.uniform(0.01, 0.09) * _noise(rng, 1.3) + rng.uniform(0, 0.05) * _noise(rng, 0.2, 8)
    return np.clip(colour(rng, 0.5) * 0.75 + 0.15, 0, 1)[None, None] * shade[..., None]


def _marble(rng: Generator) -> Picture:
    veins = smooth_step(-np.abs(_noise(rng, 1.5, 256, 6)), -rng.uniform(0.05, 0.25), 0)
    base = 0.5 + 0.25 * _noise(rng, 1.4)
    light, dark = colour(rng, 0.3) * 0.5 + 0.45, colour(rng, 0.5) * 0.5
    return ramp(base, [tuple(light * 0.8), tuple(light)]) * (1 - 0.7 * veins[..., None]) + dark * (
        0.7 * veins[..., None]
    )


def _wooden(rng: Generator) -> Picture:
    x, y = _grid()
    drift = fractal_noise(
        (SIDE, SIDE), int(rng.integers(1 << 31)), coarsest=256, finest=16, slope=1.6, stretch=(1.0, 6.0)
    )
    fibre = fractal_noise(
        (SIDE, SIDE), int(rng.integers(1 << 31)), coarsest=200, finest=2, slope=0.4, stretch=(1.0, 25.0)
    )
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (y * rng.integers(3, 14) + rng.uniform(0.2, 1.0) * drift))
    dark = np.array([rng.uniform(0.15, 0.5), rng.uniform(0.1, 0.35), rng.uniform(0.04, 0.25)])
    picture = ramp(0.3 + 0.4 * rings + 0.12 * fibre, [tuple(dark * 0.7), tuple(dark), tuple(np.minimum(dark * 1.6, 1))])
    boards = int(rng.integers(0, 7))
    if boards:
        row = np.floor(y * boards)
        shift = rng.random(boards + 1)[row.astype(int)]
        gap = (np.abs(y * boards - row) < 0.03) | (np.abs((x + shift) % 1) < 0.006)
        tone = rng.uniform(0.75, 1.2, boards + 1)[row.astype(int)]
        picture = picture * (tone * np.where(gap, 0.35, 1.0))[..., None]
    return picture


def _tiles(rng: Generator) -> Picture:
    """Tiles, bricks or slabs with joints."""
    x, y = _grid()
    rows, columns = int(rng.integers(2, 13)), int(rng.integers(1, 9))
    row = np.floor(y * rows).astype(int)
    shifted = (x + (row % 2) * rng.choice([0.0, 0.5]) / columns) % 1
    column = np.floor(shifted * columns).astype(int)
    edge = np.maximum(
        np.abs((y * rows) % 1 - 0.5), 0.5 - (0.5 - np.abs((shifted * columns) % 1 - 0.5)) * rows / columns
    )
    solid = smooth_step(0.5 - edge, 0.01, rng.uniform(0.03, 0.09))
    tone = rng.normal(1, rng.uniform(0.02, 0.2), (rows + 1, columns + 1, 1))[row, column]
    other = rng.random((rows + 1, columns + 1))[row, column] < rng.choice([0.0, 0.0, 0.5])
    body = np.where(other[..., None], colour(rng), colour(rng)) * tone * (1 + 0.08 * _noise(rng, 0.7))[..., None]
    return body * solid[..., None] + colour(rng, 0.2) * 0.7 * (1 - solid[..., None])


def _pattern(rng: Generator) -> Picture:
    """Stripes, checks, dots or waves in a few colours: cloth, paper, plastic."""
    x, y = _grid()
    count, kind = int(rng.integers(2, 15)), rng.integers(5)
    u, v = (x * count) % 1, (y * count) % 1
    masks = [
        (np.floor(x * count) + np.floor(y * count)) % 2 == 0,
        u < rng.uniform(0.1, 0.6),
        np.hypot(u - 0.5, v - 0.5) < rng.uniform(0.15, 0.42),
        (u < 0.2) != (v < 0.2),
        np.sin(2 * np.pi * (x * count + 0.3 * np.sin(2 * np.pi * y * rng.integers(1, 5)))) > rng.uniform(-0.6, 0.6),
    ]
    first, second = colour(rng), colour(rng)
    picture = np.where(masks[int(kind)][..., None], first, second)
    return picture * (1 + 0.07 * _noise(rng, 0.6))[..., None]


def _poster(rng: Generator) -> Picture:
    """A picture, label or cover: shapes and lines of something like writing."""
    x, y = _grid()
    picture = np.broadcast_to(colour(rng), (SIDE, SIDE, 3)).copy()
    for _ in range(int(rng.integers(1, 9))):
        a, b, r, s = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.03, 0.4), rng.uniform(0.03, 0.4)
        inside = np.hypot((x - a) / r, (y - b) / s) < 1 if rng.random() < 0.5 else (abs(x - a) < r) & (abs(y - b) < s)
        picture[inside] = colour(rng)
    ink = colour(rng)
    for line in range(int(rng.integers(0, 7))):
        top, high = rng.uniform(0.05, 0.85), rng.uniform(0.015, 0.09)
        ink_here = fractal_noise((1, SIDE), line + int(rng.integers(1 << 30)), coarsest=14, finest=2, slope=0.3) > -0.2
        tall = fractal_noise((SIDE, SIDE), int(rng.integers(1 << 30)), coarsest=20, finest=2, slope=0.3) > -0.4
        band = (y > top) & (y < top + high) & (x > 0.08) & (x < rng.uniform(0.4, 0.95))
        picture[band & ink_here & tall] = ink
    return picture * (1 + 0.04 * _noise(rng, 1.0))[..., None]


def _facade(rng: Generator) -> Picture:
    """A wall with windows, by day dark inside."""
    x, y = _grid()
    rows, columns = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    u, v = (x * columns) % 1, (y * rows) % 1
    wide, tall = rng.uniform(0.15, 0.36), rng.uniform(0.2, 0.4)
    wall = (_tiles(rng) if rng.random() < 0.4 else _calm(rng)) * rng.uniform(0.7, 1.0)
    frame = (abs(u - 0.5) < wide + 0.04) & (abs(v - 0.5) < tall + 0.04)
    glass = (abs(u - 0.5) < wide) & (abs(v - 0.5) < tall)
    bars = (abs((u - 0.5) / wide * rng.integers(1, 4) % 1 - 0.5) > 0.46) | (
        abs((v - 0.5) / tall * rng.integers(1, 4) % 1 - 0.5) > 0.46
    )
    number = (np.floor(x * columns) + columns * np.floor(y * rows)).astype(int)
    shade = rng.uniform(0.03, 0.5, rows * columns + 1)[number][..., None] * np.array([0.8, 0.9, 1.0])
    picture = np.where(frame[..., None], colour(rng, 0.3), wall)
    picture = np.where(glass[..., None], shade * (1 + 0.2 * _noise(rng, 1.4))[..., None], picture)
    picture = np.where((glass & bars)[..., None], colour(rng, 0.2), picture)
    if rng.random() < 0.5:
        picture = np.where((v < 0.05)[..., None], picture * 0.6, picture)
    return picture


def _foliage(rng: Generator) -> Picture:
    green = np.array([rng.uniform(0.05, 0.5), rng.uniform(0.2, 0.55), rng.uniform(0.02, 0.22)])
    if rng.random() < 0.15:
        green = colour(rng)
    leaves = _noise(rng, rng.uniform(0.1, 0.8), rng.uniform(10, 60), 2)
    return ramp(0.45 + 0.3 * leaves, [tuple(green * 0.15), tuple(green * 0.7), tuple(np.minimum(green * 1.5, 1))])


def _earth(rng: Generator) -> Picture:
    base = np.array([0.5, 0.45, 0.38]) * rng.uniform(0.4, 1.5) + rng.normal(0, 0.05, 3)
    if rng.random() < 0.4:
        base = np.array([0.35, 0.45, 0.18]) * rng.uniform(0.5, 1.3)
    rough = 0.5 + 0.22 * _noise(rng, 0.8) + 0.12 * _noise(rng, 0.1, 12)
    return ramp(rough, [tuple(np.clip(base * k, 0, 1)) for k in (0.4, 0.9, 1.4)])


_MAKERS: dict[str, tuple[int, Callable[[Generator], Picture]]] = {
    "speckled": (24, _speckled),
    "calm": (40, _calm),
    "marble": (12, _marble),
    "wood": (24, _wooden),
    "tiles": (32, _tiles),
    "pattern": (32, _pattern),
    "poster": (36, _poster),
    "facade": (36, _facade),
    "foliage": (24, _foliage),
    "earth": (24, _earth),
}


def _photographs() -> list[Picture]:
    """Pieces of the photographs that come with scikit-image."""
    rng = np.random.default_rng(7)
    return [_piece(rng, photograph) for photograph in _with_library(_PHOTOGRAPHS) for _ in range(4)]


def _grounds() -> list[Picture]:
    rng = np.random.default_rng(8)
    return [
        _piece(rng, photograph) * np.clip(colour(rng, 0.3) * 2, 0.5, 1.6)
        for photograph in _with_library(_GROUNDS)
        for _ in range(6)
    ]


def _with_library(names: tuple[str, ...]) -> list[np.ndarray]:
    from skimage import data

    return [np.asarray(getattr(data, name)()) for name in names]


def _piece(rng: Generator, photograph: np.ndarray) -> Picture:
    grey = photograph.ndim == 2
    rgb = np.repeat(photograph[..., None], 3, axis=2) if grey else photograph[..., :3]
    side = int(min(rgb.shape[:2]) * math.sqrt(rng.uniform(0.15, 1.0)))
    top, left = (int(rng.integers(0, length - side + 1)) for length in rgb.shape[:2])
    piece = Image.fromarray(rgb[top : top + side, left : left + side])
    return np.asarray(piece.resize((SIDE, SIDE), Image.Resampling.LANCZOS), np.float32) / 255
