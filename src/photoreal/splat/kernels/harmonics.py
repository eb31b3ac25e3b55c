"""Harmonics and their gradients for one direction; the same functions as `splat.harmonics`."""

from typing import no_type_check

import numpy as np
from numba import njit

from photoreal.splat.harmonics import Y_0, Y_1, Y_2, Y_3

F = np.float32
_Y0, _Y1 = F(Y_0), F(Y_1)
_A0, _A1, _A2, _A3, _A4 = (F(v) for v in Y_2)
_B0, _B1, _B2, _B3, _B4, _B5, _B6 = (F(v) for v in Y_3)
_TWO, _THREE, _FOUR = F(2), F(3), F(4)


@njit(cache=True, error_model="numpy")
@no_type_check
def basis(x, y, z, count, out):
    """Write Y_0 ... Y_{count-1} of the unit direction (x, y, z) to `out`."""
    out[0] = _Y0
    if count > 1:
        out[1], out[2], out[3] = -_Y1 * y, _Y1 * z, -_Y1 * x
    if count > 4:
        xx, yy, zz = x * x, y * y, z * z
        out[4], out[5], out[6] = _A0 * x * y, _A1 * y * z, _A2 * (_TWO * zz - xx - yy)
        out[7], out[8] = _A3 * x * z, _A4 * (xx - yy)
        if count > 9:
            out[9], out[10] = _B0 * y * (_THREE * xx - yy), _B1 * x * y * z
            out[11] = _B2 * y * (_FOUR * zz - xx - yy)
            out[12] = _B3 * z * (_TWO * zz - _THREE * xx - _THREE * yy)
            out[13] = _B4 * x * (_FOUR * zz - xx - yy)
            out[14], out[15] = _B5 * z * (xx - yy), _B6 * x * (xx - _THREE * yy)


@njit(cache=True, error_model="numpy")
@no_type_check
def basis_gradient(x, y, z, g, count):
    """Gradient by (x, y, z) of sum_k g[k] Y_k, the harmonics taken as polynomials."""
    gx = gy = gz = F(0)
    if count > 1:
        gy -= _Y1 * g[1]
        gz += _Y1 * g[2]
        gx -= _Y1 * g[3]
    if count > 4:
        a, b, c, d, e = _A0 * g[4], _A1 * g[5], _A2 * g[6], _A3 * g[7], _A4 * g[8]
        gx += a * y - _TWO * c * x + d * z + _TWO * e * x
        gy += a * x + b * z - _TWO * c * y - _TWO * e * y
        gz += b * y + _FOUR * c * z + d * x
    if count > 9:
        xx, yy, zz, six = x * x, y * y, z * z, F(6)
        p, q, r, s = _B0 * g[9], _B1 * g[10], _B2 * g[11], _B3 * g[12]
        t, u, v = _B4 * g[13], _B5 * g[14], _B6 * g[15]
        eight = F(8)
        gx += six * p * x * y + q * y * z - _TWO * r * x * y - six * s * x * z
        gx += t * (_FOUR * zz - _THREE * xx - yy) + _TWO * u * x * z + _THREE * v * (xx - yy)
        gy += _THREE * p * (xx - yy) + q * x * z + r * (_FOUR * zz - xx - _THREE * yy) - six * s * y * z
        gy += -_TWO * t * x * y - _TWO * u * y * z - six * v * x * y
        gz += q * x * y + eight * r * y * z + s * (six * zz - _THREE * xx - _THREE * yy)
        gz += eight * t * x * z + u * (xx - yy)
    return gx, gy, gz
