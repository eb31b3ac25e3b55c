"""What lights a world, and the sky above it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.random import Generator

from photoreal.synth.textures import Number, fractal_noise, smooth_step

Colours = Float[np.ndarray, "N 3"]
_CLOUDS = 512


@dataclass(frozen=True)
class Lamp:
    """A point that shines."""

    at: Float[np.ndarray, " 3"]
    colour: Float[np.ndarray, " 3"]
    """Linear light at a distance of a metre."""


@dataclass(frozen=True)
class Light:
    """All light there is; linear colours."""

    sun: Float[np.ndarray, " 3"]
    """Towards it, of length 1."""
    sun_colour: Float[np.ndarray, " 3"]
    ambient: Float[np.ndarray, " 3"]
    """From above; less from below."""
    lamps: tuple[Lamp, ...] = ()
    zenith: Float[np.ndarray, " 3"] | None = None
    """The sky overhead; None indoors, where there is none."""
    horizon: Float[np.ndarray, " 3"] | None = None
    clouds: Number = 0.0
    """How much of the sky they cover."""
    fog: Number = 0.0
    """Distance in metres at which a third is left of a colour; 0 without."""
    seed: int = 0


def daylight(rng: Generator) -> Light:
    """Noon, evening, overcast, mist or dusk."""
    height, way = rng.uniform(0.08, 1.45), rng.uniform(0, 2 * np.pi)
    sun = np.array([np.cos(height) * np.cos(way), np.cos(height) * np.sin(way), np.sin(height)])
    warm = np.array([1.0, 0.75 + 0.2 * np.sin(height), 0.45 + 0.45 * np.sin(height)])
    overcast = rng.random() < 0.3
    strength = rng.uniform(0.0, 0.12) if overcast else rng.uniform(1.0, 3.0)
    zenith = np.array([0.12, 0.27, 0.62]) * rng.uniform(0.5, 1.4)
    horizon = np.array([0.62, 0.72, 0.85]) * rng.uniform(0.7, 1.3)
    if overcast:
        zenith = horizon = np.array([0.7, 0.73, 0.77]) * rng.uniform(0.5, 1.4)
    elif rng.random() < 0.2:
        horizon = np.array([1.0, 0.6, 0.35]) * rng.uniform(0.6, 1.2)
    dim = 0.15 if rng.random() < 0.07 else 1.0
    return Light(
        sun,
        strength * warm * dim,
        (0.6 * zenith + 0.4 * horizon) * rng.uniform(0.7, 1.3) * dim,
        (),
        zenith * dim,
        horizon * dim,
        0.0 if rng.random() < 0.3 else rng.uniform(0.1, 0.9),
        float(np.exp(rng.uniform(3.0, 7.5))) if rng.random() < 0.45 else 0.0,
        int(rng.integers(1 << 30)),
    )


def indoor_light(rng: Generator, lamps: list[np.ndarray]) -> Light:
    """Lamps at places, and what walls reflect."""
    warmth = np.array([1.0, rng.uniform(0.75, 1.0), rng.uniform(0.5, 1.0)])
    shining = tuple(Lamp(at, warmth * rng.uniform(0.6, 3.0)) for at in lamps)
    bounce = warmth ** rng.uniform(0, 1) * rng.uniform(0.12, 0.6)
    return Light(np.array([0, 0, 1.0]), np.zeros(3), bounce, shining, seed=int(rng.integers(1 << 30)))


def sky_colours(light: Light, ways: Colours) -> Colours:
    """What directions of length 1 that meet nothing show."""
    if light.zenith is None or light.horizon is None:
        return np.broadcast_to(0.3 * light.ambient, ways.shape).copy()
    up = np.clip(ways[:, 2], 0, 1)[:, None]
    sky = light.horizon + (light.zenith - light.horizon) * up**0.55
    near_sun = np.clip(ways @ light.sun, 0, 1)[:, None]
    sky = sky + light.sun_colour * (0.12 * near_sun**8 + 0.5 * near_sun**200 + 6 * (near_sun > 0.9998))
    if light.clouds > 0:
        field = fractal_noise((_CLOUDS, _CLOUDS), light.seed, coarsest=_CLOUDS, finest=3, slope=1.4)
        flat = ways[:, :2] / (np.abs(ways[:, 2:]) + 0.12) * 60
        column, row = (np.floor(flat[:, k]).astype(int) % _CLOUDS for k in (0, 1))
        share_x, share_y = ((flat[:, k] % 1)[:, None] for k in (0, 1))
        beside, below = (column + 1) % _CLOUDS, (row + 1) % _CLOUDS
        above = field[row, column, None] * (1 - share_x) + field[row, beside, None] * share_x
        under = field[below, column, None] * (1 - share_x) + field[below, beside, None] * share_x
        thick = smooth_step(above * (1 - share_y) + under * share_y, 1.2 - 2.4 * light.clouds, 2.0 - 2.0 * light.clouds)
        white = 0.85 * light.ambient.mean() * 1.6 + 0.25 * light.sun_colour
        sky = sky + (white * (1 - 0.35 * thick) - sky) * thick * smooth_step(up, 0.0, 0.08)
    return sky.astype(np.float32)
