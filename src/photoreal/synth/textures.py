"""Procedural finishes of building materials: noise, plaster, masonry, planks, wood, stone.

Pictures are arrays of sRGB in [0, 1], rows downwards; heights are metres; the same seed gives the same picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Picture = Float[np.ndarray, "H W 3"]
Field = Float[np.ndarray, "H W"]
Number = float | int
Colour = tuple[Number, Number, Number]

TEXEL = 0.002
"""Metres covered by one texel of a building material."""


@dataclass(frozen=True)
class Finish:
    """How a surface answers light: a repeating picture for its colour and a rough dielectric or metal above it."""

    picture: Picture
    tile: tuple[Number, Number]
    """Width and height in metres that the picture covers before it repeats."""
    roughness: Number = 0.6
    """Microfacet roughness in (0, 1]; 0.05 is a glaze, 0.3 varnish, 0.8 plaster."""
    specular: Number = 0.5
    """0.5 is an index of refraction of 1.5; 0 is matt."""
    metallic: Number = 0.0
    sheen: Number = 0.0
    """Grazing reflection of cloth."""


def plain(colour: Colour, *, roughness: Number = 0.6, metallic: Number = 0.0, seed: int = 0) -> Finish:
    """A nearly uniform finish with faint wear, so that no surface is a computer's flat colour."""
    wear = fractal_noise((128, 128), seed, coarsest=40, finest=2)[..., None]
    picture = np.clip(np.array(colour) * (1 + 0.06 * wear), 0, 1).astype(np.float32)
    return Finish(picture, (0.4, 0.4), roughness, metallic=metallic)


def fractal_noise(
    shape: tuple[int, int],
    seed: int,
    *,
    coarsest: Number = 128,
    finest: Number = 2,
    slope: Number = 1.2,
    stretch: tuple[Number, Number] = (1.0, 1.0),
) -> Field:
    """Periodic noise of mean 0 and deviation 1 whose amplitude falls with frequency to the power `slope`.

    Args:
        shape: rows and columns.
        seed: chooses the noise.
        coarsest: longest wavelength in texels.
        finest: shortest wavelength in texels.
        slope: 0 is white within the band; larger is smoother.
        stretch: how much longer features are along rows' direction (vertically) and columns' direction (horizontally).
    """
    white = np.random.default_rng(seed).standard_normal(shape)
    vertical = np.fft.fftfreq(shape[0])[:, None] * stretch[0]
    horizontal = np.fft.rfftfreq(shape[1])[None] * stretch[1]
    frequency = np.hypot(vertical, horizontal)
    band = (frequency >= 1 / coarsest) & (frequency <= 1 / finest)
    gain = np.where(band, np.maximum(frequency, 1e-9) ** -slope, 0)
    field = np.fft.irfft2(np.fft.rfft2(white) * gain, s=shape)
    return ((field - field.mean()) / max(field.std(), 1e-12)).astype(np.float32)


def ramp(position: Float[np.ndarray, "*shape"], colours: Sequence[Colour]) -> Float[np.ndarray, "*shape 3"]:
    """Colours interpolated along evenly spaced stops; positions outside [0, 1] take the end colours."""
    stops = np.linspace(0, 1, len(colours))
    table = np.array(colours)
    return np.stack([np.interp(position, stops, table[:, k]) for k in range(3)], axis=-1).astype(np.float32)


def smooth_step(value: Float[np.ndarray, "*shape"], low: Number, high: Number) -> Float[np.ndarray, "*shape"]:
    """0 below `low`, 1 above `high`, a smooth cubic between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def texel_grid(width: Number, height: Number, texel: Number = TEXEL) -> tuple[Field, Field]:
    """Horizontal and downward coordinates in metres of all texel centres of a sheet of that size."""
    columns, rows = round(width / texel), round(height / texel)
    x = (np.arange(columns, dtype=np.float32) + 0.5) * texel
    y = (np.arange(rows, dtype=np.float32) + 0.5) * texel
    return np.broadcast_to(x, (rows, columns)), np.broadcast_to(y[:, None], (rows, columns))


def masonry(width: Number, height: Number, seed: int) -> tuple[Picture, Field]:
    """Colour and relief of an old brick wall in stretcher bond with remains of whitewash."""
    rng = np.random.default_rng(seed)
    x, y = texel_grid(width, height)
    shape = x.shape
    wobble = [0.0022 * fractal_noise(shape, seed + k, coarsest=90, finest=6) for k in (1, 2)]
    unit, course, joint = 0.225, 0.075, 0.011
    row = np.floor((y + wobble[0]) / course).astype(int)
    shifted = x + wobble[1] + 0.5 * unit * (row % 2) + 0.012 * rng.standard_normal(row.max() + 2)[row]
    column = np.floor(shifted / unit).astype(int)
    identity = (row * 1009 + column * 9176 + 50021) % 4096
    edge_x = unit / 2 - np.abs(shifted - (column + 0.5) * unit)
    edge_y = course / 2 - np.abs(y + wobble[0] - (row + 0.5) * course)
    rough = fractal_noise(shape, seed + 3, coarsest=24, finest=2, slope=0.8)
    inside = smooth_step(np.minimum(edge_x, edge_y) + 0.0012 * rough, joint / 2 - 0.002, joint / 2 + 0.005)
    tone, proud = rng.random(4096)[identity], rng.random(4096)[identity]
    pits = smooth_step(fractal_noise(shape, seed + 4, coarsest=16, finest=3, slope=0.5), 1.3, 2.2)
    relief = inside * (0.009 + 0.005 * proud + 0.0009 * rough - 0.003 * pits)
    clay = ramp(
        tone + 0.07 * rough + 0.1 * fractal_noise(shape, seed + 5, coarsest=80, finest=3),
        [(0.27, 0.14, 0.11), (0.46, 0.22, 0.15), (0.55, 0.29, 0.19), (0.62, 0.38, 0.26), (0.42, 0.25, 0.21)],
    )
    clay *= (1 - 0.35 * pits)[..., None]
    mortar = ramp(0.5 + 0.25 * rough, [(0.42, 0.39, 0.35), (0.60, 0.57, 0.52), (0.72, 0.69, 0.63)])
    colour = mortar + (clay - mortar) * inside[..., None]
    wash = fractal_noise(shape, seed + 6, coarsest=500, finest=4, slope=1.3) + 0.35 * rough - 0.25 * pits
    lime = smooth_step(wash, 0.5, 1.5)[..., None] * 0.72
    return np.clip(colour + (np.array([0.80, 0.77, 0.70]) - colour) * lime, 0, 1).astype(np.float32), relief


def plaster(width: Number, height: Number, seed: int, colour: Colour = (0.76, 0.68, 0.55)) -> tuple[Picture, Field]:
    """Colour and relief of hand-trowelled lime plaster with stains, specks and hairline cracks."""
    shape = texel_grid(width, height)[0].shape
    cloud = fractal_noise(shape, seed, coarsest=400, finest=4, slope=1.1)
    trowel = fractal_noise(shape, seed + 1, coarsest=160, finest=4, slope=1.0, stretch=(1.0, 3.0))
    grain = fractal_noise(shape, seed + 2, coarsest=8, finest=2, slope=0.2)
    specks = smooth_step(fractal_noise(shape, seed + 3, coarsest=12, finest=3, slope=0.3), 1.7, 2.4)
    cracks = smooth_step(-np.abs(fractal_noise(shape, seed + 4, coarsest=500, finest=10, slope=1.5)), -0.014, 0.0)
    patches = smooth_step(fractal_noise(shape, seed + 5, coarsest=600, finest=6, slope=1.3), 0.9, 1.3)
    bright = 1 + 0.07 * cloud + 0.06 * trowel + 0.03 * grain - 0.35 * specks - 0.3 * cracks
    warm = np.array(colour) + patches[..., None] * np.array([-0.10, -0.09, -0.06])
    relief = 0.0016 * trowel + 0.0012 * cloud - 0.0012 * cracks - 0.001 * patches
    return np.clip(warm * bright[..., None], 0, 1).astype(np.float32), relief.astype(np.float32)


def wood(width: Number, height: Number, seed: int, tones: Sequence[Colour] = ()) -> Picture:
    """One board with its grain along the width: growth rings, fibres and pores."""
    x, y = texel_grid(width, height)
    shape = x.shape
    drift = fractal_noise(shape, seed, coarsest=600, finest=40, slope=1.6, stretch=(1.0, 7.0))
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (y / 0.021 + 1.3 * drift))
    fibre = fractal_noise(shape, seed + 1, coarsest=300, finest=2, slope=0.5, stretch=(1.0, 40.0))
    pores = smooth_step(fractal_noise(shape, seed + 2, coarsest=60, finest=2, slope=0.2, stretch=(1.0, 16.0)), 1.2, 2.2)
    tones = tones or [(0.24, 0.13, 0.07), (0.42, 0.25, 0.13), (0.55, 0.35, 0.19), (0.63, 0.43, 0.26)]
    picture = ramp(0.25 + 0.45 * rings**1.6 + 0.11 * fibre, tones)
    return np.clip(picture * (1 - 0.4 * pores)[..., None], 0, 1).astype(np.float32)


def planks(width: Number, height: Number, seed: int) -> tuple[Picture, Field]:
    """Colour and relief of a worn oak floor, boards along the width, with gaps, knots and nails."""
    rng = np.random.default_rng(seed)
    x, y = texel_grid(width, height)
    board_width, board_length = 0.142, 1.35
    row = np.floor(y / board_width).astype(int)
    shifted = x + rng.random(row.max() + 1)[row] * board_length
    column = np.floor(shifted / board_length).astype(int)
    identity = (row * 31 + column * 7) % 257
    grain = wood(
        2.048, 2.048, seed + 1, [(0.30, 0.19, 0.11), (0.47, 0.32, 0.19), (0.58, 0.42, 0.27), (0.66, 0.50, 0.34)]
    )
    rows = np.arange(x.shape[0])[:, None] + (rng.random(257) * 1024).astype(int)[identity]
    columns = np.arange(x.shape[1])[None] + (rng.random(257) * 1024).astype(int)[identity]
    picture = grain[rows % 1024, columns % 1024]
    tint = (0.78 + 0.42 * rng.random((257, 1)) + 0.02 * rng.standard_normal((257, 3)))[identity]
    edge_y = board_width / 2 - np.abs(y - (row + 0.5) * board_width)
    edge_x = board_length / 2 - np.abs(shifted - (column + 0.5) * board_length)
    solid = smooth_step(np.minimum(edge_x, edge_y), 0.0008, 0.0042)
    nails = np.hypot(edge_x - 0.03, np.abs(y - (row + 0.5) * board_width) - 0.045) < 0.0042
    dirt = fractal_noise(x.shape, seed + 2, coarsest=700, finest=3, slope=1.1)
    scratches = smooth_step(
        fractal_noise(x.shape, seed + 3, coarsest=160, finest=2, slope=0.1, stretch=(1.0, 30.0)), 2.2, 3.0
    )
    picture = picture * tint * (1 + 0.07 * dirt + 0.25 * scratches)[..., None]
    picture = picture * (0.22 + 0.78 * solid)[..., None] * np.where(nails, 0.4, 1.0)[..., None]
    cup = 0.0011 * (edge_y / board_width) + 0.0005 * rng.standard_normal(257)[identity]
    return np.clip(picture, 0, 1).astype(np.float32), (solid * 0.003 + cup).astype(np.float32)


def stone(size: Number, seed: int, colour: Colour = (0.72, 0.69, 0.63)) -> Picture:
    """Weathered limestone with veins and pits."""
    shape = texel_grid(size, size)[0].shape
    cloud = fractal_noise(shape, seed, coarsest=120, finest=3, slope=1.0)
    veins = smooth_step(-np.abs(fractal_noise(shape, seed + 1, coarsest=150, finest=8, slope=1.4)), -0.09, 0)
    pits = smooth_step(fractal_noise(shape, seed + 2, coarsest=10, finest=2, slope=0.3), 1.4, 2.2)
    bright = 1 + 0.12 * cloud - 0.22 * veins - 0.4 * pits
    return np.clip(np.array(colour) * bright[..., None], 0, 1).astype(np.float32)
