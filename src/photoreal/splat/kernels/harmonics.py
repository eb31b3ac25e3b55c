"""Harmonics and their gradients for sixteen directions; the same functions as `splat.harmonics`."""

from typing import no_type_check

import numpy as np
from numba import njit

from photoreal.splat.harmonics import Y_0, Y_1, Y_2, Y_3
from photoreal.splat.kernels.lanes import load, spread, store

F = np.float32
_Y0, _Y1 = F(Y_0), F(Y_1)
_A0, _A1, _A2, _A3, _A4 = (F(v) for v in Y_2)
_B0, _B1, _B2, _B3, _B4, _B5, _B6 = (F(v) for v in Y_3)
_TWO, _THREE, _FOUR = F(2), F(3), F(4)


@njit(cache=True, error_model="numpy")
@no_type_check
def basis(x, y, z, count, out):
    """Write Y_0 ... Y_{count-1} of the unit directions (x, y, z) to `out`, sixteen numbers each."""
    store(out, 0, spread(_Y0))
    if count > 1:
        store(out, 16, -_Y1 * y)
        store(out, 32, _Y1 * z)
        store(out, 48, -_Y1 * x)
    if count > 4:
        xx, yy, zz = x * x, y * y, z * z
        store(out, 64, _A0 * x * y)
        store(out, 80, _A1 * y * z)
        store(out, 96, _A2 * (_TWO * zz - xx - yy))
        store(out, 112, _A3 * x * z)
        store(out, 128, _A4 * (xx - yy))
        if count > 9:
            store(out, 144, _B0 * y * (_THREE * xx - yy))
            store(out, 160, _B1 * x * y * z)
            store(out, 176, _B2 * y * (_FOUR * zz - xx - yy))
            store(out, 192, _B3 * z * (_TWO * zz - _THREE * xx - _THREE * yy))
            store(out, 208, _B4 * x * (_FOUR * zz - xx - yy))
            store(out, 224, _B5 * z * (xx - yy))
            store(out, 240, _B6 * x * (xx - _THREE * yy))


@njit(cache=True, error_model="numpy")
@no_type_check
def basis_gradient(x, y, z, g, count):
    """Gradient by (x, y, z) of sum_k g_k Y_k, the harmonics taken as polynomials; `g` has sixteen lanes for each."""
    gx = gy = gz = spread(F(0))
    if count > 1:
        gy = gy - _Y1 * load(g, 16)
        gz = gz + _Y1 * load(g, 32)
        gx = gx - _Y1 * load(g, 48)
    if count > 4:
        a, b, c, d = _A0 * load(g, 64), _A1 * load(g, 80), _TWO * _A2 * load(g, 96), _A3 * load(g, 112)
        e = _TWO * _A4 * load(g, 128)
        gx = gx + a * y - c * x + d * z + e * x
        gy = gy + a * x + b * z - c * y - e * y
        gz = gz + b * y + _TWO * c * z + d * x
    if count > 9:
        xx, yy, zz, six = x * x, y * y, z * z, F(6)
        p, q, r, s = _B0 * load(g, 144), _B1 * load(g, 160), _B2 * load(g, 176), _B3 * load(g, 192)
        t, u, v = _B4 * load(g, 208), _B5 * load(g, 224), _B6 * load(g, 240)
        gx = gx + six * p * x * y + q * y * z - _TWO * r * x * y - six * s * x * z
        gx = gx + t * (_FOUR * zz - _THREE * xx - yy) + _TWO * u * x * z + _THREE * v * (xx - yy)
        gy = gy + _THREE * p * (xx - yy) + q * x * z + r * (_FOUR * zz - xx - _THREE * yy) - six * s * y * z
        gy = gy - _TWO * t * x * y - _TWO * u * y * z - six * v * x * y
        gz = gz + q * x * y + F(8) * r * y * z + s * (six * zz - _THREE * xx - _THREE * yy)
        gz = gz + F(8) * t * x * z + u * (xx - yy)
    return gx, gy, gz
