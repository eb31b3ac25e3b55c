"""The geometry of sixteen Gaussians at a time, forward and backward; shared by drawing and by gradients.

Letters as in Zwicker et al. 2001 and Kerbl et al. 2023: W the rotation of cam_from_world and t its translation, J the
affine approximation of the projection, R the Gaussian's rotation, S its scales; U = J W R S, covariance = U U^T + blur.
`cam` holds W (9, by rows), t (3), fx, fy, cx, cy, the clamps of x/z (2) and y/z (2), and 1 for antialiased or 0.
Vectors and matrices are tuples of lanes, matrices by rows.
"""

import math
from typing import Any, no_type_check

import numpy as np
from numba import njit

from photoreal.splat.kernels.lanes import (
    exp2,
    larger,
    load,
    log2,
    smaller,
    spread,
    square_root,
    where_at_least,
    where_less,
)
from photoreal.splat.renders import BLUR, DIM_MIN, NEAR

F = np.float32
LOG2E = F(math.log2(math.e))
_HALF, _ONE, _TWO, _ZERO = F(0.5), F(1), F(2), F(0)
_NEAR, _BLUR, _DIM_MIN = F(NEAR), F(BLUR), F(DIM_MIN)
ANTIALIASED = 20
"""Where a camera's numbers say so."""
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def in_camera(mean, cam):
    """The mean in camera axes."""
    x, y, z = mean
    return (
        x * cam[0] + y * cam[1] + z * cam[2] + cam[9],
        x * cam[3] + y * cam[4] + z * cam[5] + cam[10],
        x * cam[6] + y * cam[7] + z * cam[8] + cam[11],
    )


@njit(**_OPTIONS)
@no_type_check
def before_camera(z):
    """The depth where it is beyond the near plane, else 1, which no result depends on."""
    return where_less(spread(_NEAR), z, z, spread(_ONE))


@njit(**_OPTIONS)
@no_type_check
def view_direction(mean, cam):
    """Unit direction from the camera centre to the mean, and one over the distance."""
    dx = mean[0] + (cam[0] * cam[9] + cam[3] * cam[10] + cam[6] * cam[11])
    dy = mean[1] + (cam[1] * cam[9] + cam[4] * cam[10] + cam[7] * cam[11])
    dz = mean[2] + (cam[2] * cam[9] + cam[5] * cam[10] + cam[8] * cam[11])
    inverse = _ONE / square_root(dx * dx + dy * dy + dz * dz + F(1e-30))
    return (dx * inverse, dy * inverse, dz * inverse), inverse


@njit(**_OPTIONS)
@no_type_check
def rotation_of(q):
    """The rotation of a wxyz quaternion, the unit quaternion, and one over the norm."""
    inverse = _ONE / square_root(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3] + F(1e-30))
    w, x, y, z = q[0] * inverse, q[1] * inverse, q[2] * inverse, q[3] * inverse
    R = (
        (_ONE - _TWO * (y * y + z * z), _TWO * (x * y - w * z), _TWO * (x * z + w * y)),
        (_TWO * (x * y + w * z), _ONE - _TWO * (x * x + z * z), _TWO * (y * z - w * x)),
        (_TWO * (x * z - w * y), _TWO * (y * z + w * x), _ONE - _TWO * (x * x + y * y)),
    )
    return R, (w, x, y, z), inverse


@njit(**_OPTIONS)
@no_type_check
def affine(x, y, inverse, cam):
    """T = J W, and the clamped slopes that J uses; `inverse` is 1 / z."""
    sx = smaller(larger(x * inverse, spread(cam[16])), spread(cam[17]))
    sy = smaller(larger(y * inverse, spread(cam[18])), spread(cam[19]))
    j00, j11 = inverse * cam[12], inverse * cam[13]
    j02, j12 = -(j00 * sx), -(j11 * sy)
    T = (
        (j00 * cam[0] + j02 * cam[6], j00 * cam[1] + j02 * cam[7], j00 * cam[2] + j02 * cam[8]),
        (j11 * cam[3] + j12 * cam[6], j11 * cam[4] + j12 * cam[7], j11 * cam[5] + j12 * cam[8]),
    )
    return T, sx, sy


@njit(**_OPTIONS)
@no_type_check
def scales_of(log_scales):
    """The exponentials."""
    return exp2(log_scales[0] * LOG2E), exp2(log_scales[1] * LOG2E), exp2(log_scales[2] * LOG2E)


@njit(**_OPTIONS)
@no_type_check
def smoothed(s, smoothing, i):
    """Scales with the smoothing variance of sixteen Gaussians added, and by which share each variance was their own.

    `smoothing` is empty where nothing is smoothed (Yu et al. 2024, Mip-Splatting, eq. 7).
    """
    one = spread(_ONE)
    if len(smoothing) == 0:
        return s, (one, one, one)
    v = load(smoothing, i)
    a, b, c = s[0] * s[0] + v, s[1] * s[1] + v, s[2] * s[2] + v
    return (square_root(a), square_root(b), square_root(c)), (s[0] * s[0] / a, s[1] * s[1] / b, s[2] * s[2] / c)


@njit(**_OPTIONS)
@no_type_check
def spread_of(T, R, s):
    """U = T R S, and the covariance's entries xx, xy, yy."""
    A, B = T
    P, Q, V = R
    U0 = (
        (A[0] * P[0] + A[1] * Q[0] + A[2] * V[0]) * s[0],
        (A[0] * P[1] + A[1] * Q[1] + A[2] * V[1]) * s[1],
        (A[0] * P[2] + A[1] * Q[2] + A[2] * V[2]) * s[2],
    )
    U1 = (
        (B[0] * P[0] + B[1] * Q[0] + B[2] * V[0]) * s[0],
        (B[0] * P[1] + B[1] * Q[1] + B[2] * V[1]) * s[1],
        (B[0] * P[2] + B[1] * Q[2] + B[2] * V[2]) * s[2],
    )
    xx = U0[0] * U0[0] + U0[1] * U0[1] + U0[2] * U0[2] + _BLUR
    xy = U0[0] * U1[0] + U0[1] * U1[1] + U0[2] * U1[2]
    yy = U1[0] * U1[0] + U1[1] * U1[1] + U1[2] * U1[2] + _BLUR
    return (U0, U1), xx, xy, yy


@njit(**_OPTIONS)
@no_type_check
def determinants(U, xx, yy):
    """Those of the covariance without the blur and with it, by sums alone, so that rounding cannot exchange them."""
    a = U[0][1] * U[1][2] - U[0][2] * U[1][1]
    b = U[0][2] * U[1][0] - U[0][0] * U[1][2]
    c = U[0][0] * U[1][1] - U[0][1] * U[1][0]
    before = a * a + b * b + c * c
    return before, before + (xx + yy - _BLUR) * _BLUR


@njit(**_OPTIONS)
@no_type_check
def log_dimming(U, xx, yy):
    """log2 of what the blur's spreading takes from opacity (the 2D filter of Mip-Splatting, Yu et al. 2024)."""
    before, after = determinants(U, xx, yy)
    return log2(larger(before / after, spread(_DIM_MIN))) * _HALF


@njit(**_OPTIONS)
@no_type_check
def dimming_backward(g, U, xx, xy, yy):
    """Gradient by the covariance, as entries xx, xy, yy of a symmetric matrix, through `log_dimming`."""
    before, after = determinants(U, xx, yy)
    zero = spread(_ZERO)
    free = where_less(spread(_DIM_MIN), before / after, g * _HALF, zero)
    p, q = free / larger(before, spread(F(1e-30))), free / after
    return (yy - _BLUR) * p - yy * q, xy * (q - p), (xx - _BLUR) * p - xx * q


@njit(**_OPTIONS)
@no_type_check
def facing(R, log_scales, direction):
    """For each axis +1 or -1 where it is the shortest, 0 elsewhere; the sign turns it towards the camera."""
    one, zero = spread(_ONE), spread(_ZERO)
    a, b, c = log_scales
    third = where_less(c, smaller(a, b), one, zero)
    second = where_less(b, a, one - third, zero)
    chosen = (one - third - second, second, third)
    axis = (
        chosen[0] * R[0][0] + chosen[1] * R[0][1] + chosen[2] * R[0][2],
        chosen[0] * R[1][0] + chosen[1] * R[1][1] + chosen[2] * R[1][2],
        chosen[0] * R[2][0] + chosen[1] * R[2][1] + chosen[2] * R[2][2],
    )
    away = axis[0] * direction[0] + axis[1] * direction[1] + axis[2] * direction[2]
    sign = where_less(zero, away, -one, one)
    return (chosen[0] * sign, chosen[1] * sign, chosen[2] * sign)


@njit(**_OPTIONS)
@no_type_check
def covariance_backward(g, U, xx, xy, yy, cam):
    """Gradients by the pixel and by U, from those by a pair's log2 alpha moments.

    g holds the sums of v, v dx, v dy, v dx^2, v dx dy, v dy^2 with v = dL/d ln alpha; K is the inverse covariance, and
    d ln alpha = K d - (1/2) d^T dK d.
    """
    inverse = _ONE / (xx * yy - xy * xy)
    a, b, c = yy * inverse, -(xy * inverse), xx * inverse
    du, dv = a * g[1] + b * g[2], b * g[1] + c * g[2]
    k0, k1, k2 = g[3] * -_HALF, g[4] * -_HALF, g[5] * -_HALF
    m00, m01, m10, m11 = a * k0 + b * k1, a * k1 + b * k2, b * k0 + c * k1, b * k1 + c * k2
    g0, g1, g2 = -(m00 * a + m01 * b), -(m00 * b + m01 * c), -(m10 * b + m11 * c)
    if cam[ANTIALIASED] > 0:
        e0, e1, e2 = dimming_backward(g[0], U, xx, xy, yy)
        g0, g1, g2 = g0 + e0, g1 + e1, g2 + e2
    U0, U1 = U
    D0 = (_TWO * (g0 * U0[0] + g1 * U1[0]), _TWO * (g0 * U0[1] + g1 * U1[1]), _TWO * (g0 * U0[2] + g1 * U1[2]))
    D1 = (_TWO * (g1 * U0[0] + g2 * U1[0]), _TWO * (g1 * U0[1] + g2 * U1[1]), _TWO * (g1 * U0[2] + g2 * U1[2]))
    return du, dv, D0, D1


@njit(**_OPTIONS)
@no_type_check
def quaternion_backward(q, inverse, D):
    """Gradient by a quaternion from D = dL/dR; q is the unit quaternion and `inverse` one over the norm."""
    w, x, y, z = q
    gw = _TWO * (x * (D[2][1] - D[1][2]) + y * (D[0][2] - D[2][0]) + z * (D[1][0] - D[0][1]))
    gx = _TWO * (y * (D[0][1] + D[1][0]) + z * (D[0][2] + D[2][0]) + w * (D[2][1] - D[1][2]))
    gx = gx - F(4) * x * (D[1][1] + D[2][2])
    gy = _TWO * (x * (D[0][1] + D[1][0]) + z * (D[1][2] + D[2][1]) + w * (D[0][2] - D[2][0]))
    gy = gy - F(4) * y * (D[0][0] + D[2][2])
    gz = _TWO * (x * (D[0][2] + D[2][0]) + y * (D[1][2] + D[2][1]) + w * (D[1][0] - D[0][1]))
    gz = gz - F(4) * z * (D[0][0] + D[1][1])
    along = gw * w + gx * x + gy * y + gz * z
    return (
        (gw - w * along) * inverse,
        (gx - x * along) * inverse,
        (gy - y * along) * inverse,
        (gz - z * along) * inverse,
    )


@njit(**_OPTIONS)
@no_type_check
def slopes_backward(H, by_pixel, p, s, cam):
    """Gradients by the mean in camera axes, fx and fy, from H = dL/dJ and those by the pixel; p is (x, y, 1 / z)."""
    x, y, inverse = p
    sx, sy = s
    (h00, h02), (h11, h12) = H
    du, dv = by_pixel
    zero, fx, fy = spread(_ZERO), cam[12], cam[13]
    ux, uy = x * inverse, y * inverse
    free_x = where_at_least(spread(cam[16]), ux, zero, where_at_least(ux, spread(cam[17]), zero, fx * inverse * h02))
    free_y = where_at_least(spread(cam[18]), uy, zero, where_at_least(uy, spread(cam[19]), zero, fy * inverse * h12))
    gx, gy = du * fx - free_x, dv * fy - free_y
    by_fx, by_fy = h00 - sx * h02, h11 - sy * h12
    dz = -((by_fx * fx + by_fy * fy) * inverse * inverse) - (gx * ux + gy * uy) * inverse
    return (gx * inverse, gy * inverse, dz), (du * ux + by_fx * inverse, dv * uy + by_fy * inverse)


@njit(**_OPTIONS)
@no_type_check
def times(M, v):
    """Matrix times vector."""
    return (
        M[0][0] * v[0] + M[0][1] * v[1] + M[0][2] * v[2],
        M[1][0] * v[0] + M[1][1] * v[1] + M[1][2] * v[2],
        M[2][0] * v[0] + M[2][1] * v[1] + M[2][2] * v[2],
    )
