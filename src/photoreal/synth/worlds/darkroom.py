"""From linear light to a photograph: exposure, colour, softness, noise."""

import numpy as np
from jaxtyping import Float, UInt8
from numpy.random import Generator
from scipy import ndimage

Linear = Float[np.ndarray, "H W 3"]


def developed(rng: Generator, light: Linear, depth: Float[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """sRGB as a phone or camera might write it; some soft far off or near, as a lens focused elsewhere leaves it."""
    picture = np.maximum(light, 0)
    if rng.random() < 0.15:
        picture = _out_of_focus(rng, picture, depth)
    grey = picture.mean(2)
    bright = np.percentile(grey, rng.uniform(75, 97)) + 1e-6
    picture = picture / bright * np.exp(rng.normal(-0.35, 0.35))
    picture *= np.exp(rng.normal(0, 0.08, 3))
    height, width = grey.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    picture *= (1 - rng.uniform(0, 0.3) * (x * x + y * y) / 2)[..., None]
    if rng.random() < 0.5:
        picture = picture / (1 + 0.35 * picture) * 1.35
    coded = np.clip(picture, 0, 1) ** (1 / rng.uniform(1.9, 2.5))
    if rng.random() < 0.3:
        coded = 0.5 - np.cos(np.pi * coded) / 2 if rng.random() < 0.3 else coded**0.9
    if rng.random() < 0.06:
        coded = np.repeat(coded.mean(2, keepdims=True), 3, 2)
    if rng.random() < 0.4:
        soft = ndimage.gaussian_filter(coded, (rng.uniform(0.4, 1.0),) * 2 + (0,))
        coded = soft if rng.random() < 0.6 else coded + rng.uniform(0.2, 0.7) * (coded - soft)
    coded = coded + rng.normal(0, 1, coded.shape) * rng.choice([0.002, 0.006, 0.02])
    return (np.clip(coded, 0, 1) * 255 + 0.5).astype(np.uint8)


def _out_of_focus(rng: Generator, picture: Linear, depth: Float[np.ndarray, "H W"]) -> Linear:
    """Layers of one picture, softer the farther they are from the distance in focus."""
    inverse = np.where(np.isfinite(depth), 1 / np.maximum(depth, 1e-3), 0)
    focus = np.quantile(inverse, rng.uniform(0.3, 1.0))
    away = np.abs(inverse - focus) / (np.abs(inverse - focus).max() + 1e-9) * rng.uniform(1.0, 4.0)
    levels = [0.0, 0.7, 1.5, 3.0]
    blurred = [picture if s == 0 else ndimage.gaussian_filter(picture, (s, s, 0)) for s in levels]
    place = np.interp(ndimage.gaussian_filter(away, 1.0), levels, np.arange(len(levels)))
    lower = np.minimum(place.astype(int), len(levels) - 2)
    share = (place - lower)[..., None]
    stacked = np.stack(blurred)
    rows, columns = np.indices(depth.shape)
    return stacked[lower, rows, columns] * (1 - share) + stacked[lower + 1, rows, columns] * share
