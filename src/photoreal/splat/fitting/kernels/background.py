"""The background behind the Gaussians and its gradient, a row of pixels at a time.

Toward (x, y, 1) in camera axes the harmonics of band l are a polynomial of degree l in x and y, over the l-th power of
the vector's length. Along a row that leaves ten numbers for each channel instead of sixteen harmonics for each pixel.
"""

import functools
from typing import Any, no_type_check

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from photoreal.splat.harmonics import harmonic_basis
from photoreal.splat.kernels.lanes import LANES, lane_numbers, load, spread, square_root, store

F = np.float32
BANDS = 4
TERMS = 20
"""Products x^i y^j of all bands: 1 + 3 + 6 + 10."""
ROW_TERMS = 10
"""Powers of x of all bands: 1 + 2 + 3 + 4."""
_HALF, _ONE, _ZERO = F(0.5), F(1), F(0)
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@functools.cache
def _terms_from_samples() -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Directions [32, 3], and for each band the least-squares fit [terms, 32] of its terms to values there."""
    number = np.arange(32) + 0.5
    turn, z = number * np.pi * (3 - np.sqrt(5)), 1 - number / 16
    x, y = np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn)
    fits = []
    for band in range(BANDS):
        powers = [(i, j) for i in range(band + 1) for j in range(band + 1 - i)]
        fits.append(np.linalg.pinv(np.stack([x**i * y**j * z ** (band - i - j) for i, j in powers], 1)))
    return np.stack([x, y, z], 1), fits


def terms_of_cameras(cameras: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each camera [V, 21] what takes harmonics of world directions to terms over its picture: [V, 20, 16]."""
    directions, fits = _terms_from_samples()
    rotations = torch.from_numpy(cameras[:, :9].reshape(-1, 3, 3).astype(np.float64))
    basis = harmonic_basis(torch.from_numpy(directions) @ rotations, BANDS**2).numpy()
    terms, first = np.zeros((len(cameras), TERMS, BANDS**2), np.float32), 0
    for band, fit in enumerate(fits):
        own = slice(band**2, (band + 1) ** 2)
        terms[:, first : first + len(fit), own] = fit @ basis[:, :, own]
        first += len(fit)
    return terms


@njit(**_OPTIONS)
@no_type_check
def height_of(row, cam):
    """The y of a row's pixels at distance 1 from the camera."""
    return (F(row) + _HALF - cam[15]) / cam[13]


@njit(**_OPTIONS)
@no_type_check
def along_row(terms, y, row_terms):
    """Write the polynomials in x of the row at y: three channels for each power of each band."""
    first = k = 0
    for band in range(BANDS):
        for i in range(band + 1):
            for c in range(3):
                found, power = _ZERO, _ONE
                for j in range(band + 1 - i):
                    found += terms[3 * (first + j) + c] * power
                    power *= y
                row_terms[3 * k + c] = found
            first += band + 1 - i
            k += 1


@njit(**_OPTIONS)
@no_type_check
def along_row_backward(by_row_terms, y, by_terms):
    """Add to the gradient by `terms`, sixteen lanes each, and clear that by `row_terms`."""
    first = k = 0
    for band in range(BANDS):
        for i in range(band + 1):
            for c in range(3):
                found, power = load(by_row_terms, LANES * (3 * k + c)), _ONE
                for j in range(band + 1 - i):
                    at = LANES * (3 * (first + j) + c)
                    store(by_terms, at, load(by_terms, at) + found * power)
                    power *= y
                store(by_row_terms, LANES * (3 * k + c), spread(_ZERO))
            first += band + 1 - i
            k += 1


@njit(**_OPTIONS)
@no_type_check
def place_in_row(column, y, cam):
    """The x of sixteen pixels, and one over the length of (x, y, 1)."""
    x = (lane_numbers() + (F(column) + _HALF - cam[14])) / cam[12]
    return x, _ONE / square_root(x * x + spread(y * y + _ONE))


@njit(**_OPTIONS)
@no_type_check
def background_channel(t, c, x, inverse):
    """One channel of the background at sixteen pixels."""
    one = x * t[6 + c] + t[3 + c]
    two = x * (x * t[15 + c] + t[12 + c]) + t[9 + c]
    three = x * (x * (x * t[27 + c] + t[24 + c]) + t[21 + c]) + t[18 + c]
    return inverse * (inverse * (inverse * three + two) + one) + t[c]


@njit(**_OPTIONS)
@no_type_check
def background_backward(by_background, x, inverse, by_row_terms):
    """Add to the gradient by `row_terms`, sixteen lanes each."""
    k, first = 0, spread(_ONE)
    for band in range(BANDS):
        term = first
        for _ in range(band + 1):
            for c in range(3):
                at = LANES * (3 * k + c)
                store(by_row_terms, at, load(by_row_terms, at) + term * by_background[c])
            term = term * x
            k += 1
        first = first * inverse
