"""Gaussians to the screen and back, one Gaussian at a time.

Letters as in Zwicker et al. 2001 and Kerbl et al. 2023: W the rotation of cam_from_world and t its translation, J the
affine approximation of the projection, R the Gaussian's rotation, S its scales; U = J W R S, covariance = U U^T + blur.
`camera` holds W (9, by rows), t (3), fx, fy, cx, cy, then the clamps of x/z (2) and y/z (2).
"""

import math
from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.splat.kernels.harmonics import basis, basis_gradient
from photoreal.splat.renders import ALPHA_MIN, BLUR, NEAR

F = np.float32
RECORD = 6
"""Leading numbers of a record: pixel x and y, then log2(alpha) = r5 + r2 dx^2 + r3 dx dy + r4 dy^2; features follow."""
CAMERA_NUMBERS = 20
CAMERA_GRADIENTS = 16
CHUNKS = 64
_LOG2E = F(math.log2(math.e))
_HALF, _ONE, _TWO = F(0.5), F(1), F(2)
_NEAR, _BLUR, _ALPHA_MIN = F(NEAR), F(BLUR), F(ALPHA_MIN)
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True, "fastmath": {"contract", "nsz"}}


@njit(**_OPTIONS)
@no_type_check
def rotation_of(q):
    """Rows of the rotation of a wxyz quaternion, and one over its norm."""
    inverse = _ONE / math.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    w, x, y, z = q[0] * inverse, q[1] * inverse, q[2] * inverse, q[3] * inverse
    return (
        (_ONE - _TWO * (y * y + z * z), _TWO * (x * y - w * z), _TWO * (x * z + w * y)),
        (_TWO * (x * y + w * z), _ONE - _TWO * (x * x + z * z), _TWO * (y * z - w * x)),
        (_TWO * (x * z - w * y), _TWO * (y * z + w * x), _ONE - _TWO * (x * x + y * y)),
        inverse,
    )


@njit(**_OPTIONS)
@no_type_check
def in_camera(mean, cam):
    """The mean in camera axes."""
    a, b, c = mean[0], mean[1], mean[2]
    return (
        cam[0] * a + cam[1] * b + cam[2] * c + cam[9],
        cam[3] * a + cam[4] * b + cam[5] * c + cam[10],
        cam[6] * a + cam[7] * b + cam[8] * c + cam[11],
    )


@njit(**_OPTIONS)
@no_type_check
def view_direction(mean, cam):
    """Unit direction from the camera centre to the mean, and one over the distance."""
    dx = mean[0] + cam[0] * cam[9] + cam[3] * cam[10] + cam[6] * cam[11]
    dy = mean[1] + cam[1] * cam[9] + cam[4] * cam[10] + cam[7] * cam[11]
    dz = mean[2] + cam[2] * cam[9] + cam[5] * cam[10] + cam[8] * cam[11]
    inverse = _ONE / math.sqrt(dx * dx + dy * dy + dz * dz + F(1e-30))
    return dx * inverse, dy * inverse, dz * inverse, inverse


@njit(**_OPTIONS)
@no_type_check
def affine(x, y, z, cam):
    """T = J W by rows, with the clamped slopes that J uses."""
    inverse = _ONE / z
    sx = min(max(x * inverse, cam[16]), cam[17])
    sy = min(max(y * inverse, cam[18]), cam[19])
    j00, j02, j11, j12 = cam[12] * inverse, -cam[12] * sx * inverse, cam[13] * inverse, -cam[13] * sy * inverse
    first = (j00 * cam[0] + j02 * cam[6], j00 * cam[1] + j02 * cam[7], j00 * cam[2] + j02 * cam[8])
    second = (j11 * cam[3] + j12 * cam[6], j11 * cam[4] + j12 * cam[7], j11 * cam[5] + j12 * cam[8])
    return first, second, sx, sy


@njit(**_OPTIONS)
@no_type_check
def spread_of(T0, T1, R, log_scale):
    """U = T R S by rows, and the covariance's entries xx, xy, yy."""
    s = (math.exp(log_scale[0]), math.exp(log_scale[1]), math.exp(log_scale[2]))
    U0 = (
        (T0[0] * R[0][0] + T0[1] * R[1][0] + T0[2] * R[2][0]) * s[0],
        (T0[0] * R[0][1] + T0[1] * R[1][1] + T0[2] * R[2][1]) * s[1],
        (T0[0] * R[0][2] + T0[1] * R[1][2] + T0[2] * R[2][2]) * s[2],
    )
    U1 = (
        (T1[0] * R[0][0] + T1[1] * R[1][0] + T1[2] * R[2][0]) * s[0],
        (T1[0] * R[0][1] + T1[1] * R[1][1] + T1[2] * R[2][1]) * s[1],
        (T1[0] * R[0][2] + T1[1] * R[1][2] + T1[2] * R[2][2]) * s[2],
    )
    xx = U0[0] * U0[0] + U0[1] * U0[1] + U0[2] * U0[2] + _BLUR
    xy = U0[0] * U1[0] + U0[1] * U1[1] + U0[2] * U1[2]
    yy = U1[0] * U1[0] + U1[1] * U1[1] + U1[2] * U1[2] + _BLUR
    return U0, U1, xx, xy, yy


@njit(**_OPTIONS)
@no_type_check
def shortest_axis(R, log_scale, d0, d1, d2):
    """Number of the shortest axis and the sign that turns it towards the camera."""
    k = 0
    if log_scale[1] < log_scale[k]:
        k = 1
    if log_scale[2] < log_scale[k]:
        k = 2
    away = R[0][k] * d0 + R[1][k] * d1 + R[2][k] * d2
    return k, F(-1) if away > 0 else _ONE


@njit(parallel=True, **_OPTIONS)
@no_type_check
def project(means, quaternions, log_scales, opacity_sh, colour_sh, cam, size, record, depth, reach, opacity):
    """Fill, for every Gaussian, its screen record, depth, half extents in pixels (0 = not drawn) and opacity."""
    count, features = len(means), record.shape[1] - RECORD
    for chunk in prange(CHUNKS):
        Y = np.empty(16, np.float32)
        for i in range(count * chunk // CHUNKS, count * (chunk + 1) // CHUNKS):
            reach[i, 0] = reach[i, 1] = 0
            x, y, z = in_camera(means[i], cam)
            depth[i] = z
            if not z > _NEAR:
                continue
            d0, d1, d2, _ = view_direction(means[i], cam)
            basis(d0, d1, d2, max(opacity_sh.shape[1], colour_sh.shape[1]), Y)
            logit = F(0)
            for k in range(opacity_sh.shape[1]):
                logit += opacity_sh[i, k] * Y[k]
            o = _ONE / (_ONE + math.exp(-logit))
            opacity[i] = o
            if not o >= _ALPHA_MIN:
                continue
            R0, R1, R2, _ = rotation_of(quaternions[i])
            T0, T1, _, _ = affine(x, y, z, cam)
            _, _, xx, xy, yy = spread_of(T0, T1, (R0, R1, R2), log_scales[i])
            inverse = _ONE / (xx * yy - xy * xy)
            u, v = cam[12] * x / z + cam[14], cam[13] * y / z + cam[15]
            limit = _TWO * math.log(o / _ALPHA_MIN)
            ex, ey = math.sqrt(limit * xx), math.sqrt(limit * yy)
            if not (u + ex > 0 and u - ex < size[1] and v + ey > 0 and v - ey < size[0]):
                continue
            reach[i, 0], reach[i, 1] = ex, ey
            record[i, 0], record[i, 1] = u, v
            record[i, 2] = -_HALF * _LOG2E * yy * inverse
            record[i, 3] = _LOG2E * xy * inverse
            record[i, 4] = -_HALF * _LOG2E * xx * inverse
            record[i, 5] = math.log(o) * _LOG2E
            for c in range(3):
                value = _HALF
                for k in range(colour_sh.shape[1]):
                    value += colour_sh[i, k, c] * Y[k]
                record[i, RECORD + c] = max(value, F(0))
            if features > 3:
                k, sign = shortest_axis((R0, R1, R2), log_scales[i], d0, d1, d2)
                record[i, RECORD + 3] = z
                record[i, RECORD + 4] = sign * R0[k]
                record[i, RECORD + 5] = sign * R1[k]
                record[i, RECORD + 6] = sign * R2[k]


@njit(**_OPTIONS)
@no_type_check
def covariance_backward(g, U0, U1, xx, xy, yy):
    """Gradient by U from the sums over pixels V, Vx, Vy, Vxx, Vxy, Vyy in g, and by the pixel position."""
    inverse = _ONE / (xx * yy - xy * xy)
    a, b, c = yy * inverse, -xy * inverse, xx * inverse
    du, dv = a * g[1] + b * g[2], b * g[1] + c * g[2]
    k0, k1, k2 = -_HALF * g[3], -_HALF * g[4], -_HALF * g[5]
    m00, m01, m10, m11 = a * k0 + b * k1, a * k1 + b * k2, b * k0 + c * k1, b * k1 + c * k2
    g0, g1, g2 = -(m00 * a + m01 * b), -(m00 * b + m01 * c), -(m10 * b + m11 * c)
    D0 = (
        _TWO * (g0 * U0[0] + g1 * U1[0]),
        _TWO * (g0 * U0[1] + g1 * U1[1]),
        _TWO * (g0 * U0[2] + g1 * U1[2]),
    )
    D1 = (
        _TWO * (g1 * U0[0] + g2 * U1[0]),
        _TWO * (g1 * U0[1] + g2 * U1[1]),
        _TWO * (g1 * U0[2] + g2 * U1[2]),
    )
    return du, dv, D0, D1


@njit(**_OPTIONS)
@no_type_check
def quaternion_backward(q, inverse, D):
    """Gradient by the unnormalised quaternion from D, the gradient by its rotation matrix."""
    w, x, y, z = q[0] * inverse, q[1] * inverse, q[2] * inverse, q[3] * inverse
    gw = _TWO * (x * (D[2][1] - D[1][2]) + y * (D[0][2] - D[2][0]) + z * (D[1][0] - D[0][1]))
    gx = _TWO * (y * (D[0][1] + D[1][0]) + z * (D[0][2] + D[2][0]) + w * (D[2][1] - D[1][2]))
    gx -= _TWO * _TWO * x * (D[1][1] + D[2][2])
    gy = _TWO * (x * (D[0][1] + D[1][0]) + z * (D[1][2] + D[2][1]) + w * (D[0][2] - D[2][0]))
    gy -= _TWO * _TWO * y * (D[0][0] + D[2][2])
    gz = _TWO * (x * (D[0][2] + D[2][0]) + y * (D[1][2] + D[2][1]) + w * (D[1][0] - D[0][1]))
    gz -= _TWO * _TWO * z * (D[0][0] + D[1][1])
    along = gw * w + gx * x + gy * y + gz * z
    return (
        (gw - w * along) * inverse,
        (gx - x * along) * inverse,
        (gy - y * along) * inverse,
        (gz - z * along) * inverse,
    )


@njit(**_OPTIONS)
@no_type_check
def appearance_backward(i, g, o, logits, colours, opacity_sh, colour_sh, Y, direction, G):
    """Gradients by the harmonics (written) and by the direction; g holds V and the colour gradients, G is scratch."""
    x, y, z = direction
    G[:] = 0
    dlogit = g[0] * (_ONE - o)
    for k in range(opacity_sh.shape[1]):
        logits[i, k] = dlogit * Y[k]
        G[k] += dlogit * opacity_sh[i, k]
    for k in range(colour_sh.shape[1]):
        for c in range(3):
            colours[i, k, c] = g[RECORD + c] * Y[k]
            G[k] += g[RECORD + c] * colour_sh[i, k, c]
    return basis_gradient(x, y, z, G, max(opacity_sh.shape[1], colour_sh.shape[1]))


@njit(**_OPTIONS)
@no_type_check
def slopes_backward(H0, H1, du, dv, p, s, cam):
    """Gradient by the mean in camera axes from H = dL/dJ and the pixel's gradient; also by fx and fy."""
    x, y, z = p
    sx, sy = s
    inverse = _ONE / z
    free_x = _ONE if cam[16] < x * inverse < cam[17] else F(0)
    free_y = _ONE if cam[18] < y * inverse < cam[19] else F(0)
    fx, fy = cam[12], cam[13]
    gx = du * fx - free_x * fx * inverse * H0[2]
    gy = dv * fy - free_y * fy * inverse * H1[2]
    d_inverse = fx * (H0[0] - sx * H0[2]) + fy * (H1[1] - sy * H1[2])
    dz = -(d_inverse * inverse * inverse) - (gx * x + gy * y) * inverse * inverse
    dfx = du * x * inverse + (H0[0] - sx * H0[2]) * inverse
    dfy = dv * y * inverse + (H1[1] - sy * H1[2]) * inverse
    return gx * inverse, gy * inverse, dz, dfx, dfy


@njit(**_OPTIONS)
@no_type_check
def times(M, v):
    """Matrix (rows) times vector."""
    return (
        M[0][0] * v[0] + M[0][1] * v[1] + M[0][2] * v[2],
        M[1][0] * v[0] + M[1][1] * v[1] + M[1][2] * v[2],
        M[2][0] * v[0] + M[2][1] * v[1] + M[2][2] * v[2],
    )


@njit(**_OPTIONS)
@no_type_check
def geometry_backward(i, g, features, means, quaternions, log_scales, cam, d_quaternions, d_log_scales, camera, D):
    """Gradients by rotation and scales (written), by camera numbers (added to `camera`), by the mean in camera axes.

    D is scratch for the gradient by the rotation matrix.
    """
    p = in_camera(means[i], cam)
    R0, R1, R2, inverse = rotation_of(quaternions[i])
    R = (R0, R1, R2)
    T0, T1, sx, sy = affine(p[0], p[1], p[2], cam)
    U0, U1, xx, xy, yy = spread_of(T0, T1, R, log_scales[i])
    du, dv, D0, D1 = covariance_backward(g, U0, U1, xx, xy, yy)
    s = (math.exp(log_scales[i, 0]), math.exp(log_scales[i, 1]), math.exp(log_scales[i, 2]))
    E0, E1 = (D0[0] * s[0], D0[1] * s[1], D0[2] * s[2]), (D1[0] * s[0], D1[1] * s[1], D1[2] * s[2])
    for k in range(3):
        d_log_scales[i, k] = D0[k] * U0[k] + D1[k] * U1[k]
        for r in range(3):
            D[r, k] = T0[r] * E0[k] + T1[r] * E1[k]
    B0, B1 = times(R, E0), times(R, E1)  # gradient by T
    if features > 3:
        d0, d1, d2, _ = view_direction(means[i], cam)
        k, sign = shortest_axis(R, log_scales[i], d0, d1, d2)
        for r in range(3):
            D[r, k] += sign * g[RECORD + 4 + r]
    d_quaternions[i, 0], d_quaternions[i, 1], d_quaternions[i, 2], d_quaternions[i, 3] = quaternion_backward(
        quaternions[i], inverse, D
    )
    W = ((cam[0], cam[1], cam[2]), (cam[3], cam[4], cam[5]), (cam[6], cam[7], cam[8]))
    H0, H1 = times(W, B0), times(W, B1)
    dx, dy, dz, dfx, dfy = slopes_backward(H0, H1, du, dv, p, (sx, sy), cam)
    if features > 3:
        dz += g[RECORD + 3]
    iz = _ONE / p[2]
    j00, j02, j11, j12 = cam[12] * iz, -cam[12] * sx * iz, cam[13] * iz, -cam[13] * sy * iz
    for c in range(3):
        camera[c] += j00 * B0[c]
        camera[3 + c] += j11 * B1[c]
        camera[6 + c] += j02 * B0[c] + j12 * B1[c]
    camera[12] += dfx
    camera[13] += dfy
    camera[14] += du
    camera[15] += dv
    return dx, dy, dz


@njit(**_OPTIONS)
@no_type_check
def mean_backward(i, dp, direction, inverse, d_direction, means, cam, d_means, camera):
    """Gradient by the mean, from its place in the camera (dp) and the view direction; the camera's share is added."""
    along = d_direction[0] * direction[0] + d_direction[1] * direction[1] + d_direction[2] * direction[2]
    for c in range(3):
        sideways = (d_direction[c] - along * direction[c]) * inverse
        d_means[i, c] = cam[c] * dp[0] + cam[3 + c] * dp[1] + cam[6 + c] * dp[2] + sideways
        for r in range(3):
            camera[3 * r + c] += dp[r] * means[i, c] + cam[9 + r] * sideways
            camera[9 + r] += cam[3 * r + c] * sideways
    for r in range(3):
        camera[9 + r] += dp[r]


@njit(parallel=True, **_OPTIONS)
@no_type_check
def project_backward(
    means, quaternions, log_scales, opacity_sh, colour_sh, cam, record, reach, opacity, first, pair_gradient,
    extra_depth, d_means, d_quaternions, d_log_scales, d_opacity_sh, d_colour_sh, d_camera,
):  # fmt: skip
    """Sum each Gaussian's pairs in their fixed order and carry the gradient to its parameters and the camera.

    `extra_depth` is a gradient by depth that did not come through compositing (the median). Camera gradients are kept
    per chunk, so that their sum does not depend on the number of threads.
    """
    count, width = len(means), pair_gradient.shape[1]
    for chunk in prange(CHUNKS):
        g = np.empty(width, np.float32)
        Y, G, D = np.empty(16, np.float32), np.empty(16, np.float32), np.empty((3, 3), np.float32)
        for i in range(count * chunk // CHUNKS, count * (chunk + 1) // CHUNKS):
            if not reach[i, 0] > 0:
                continue
            g[:] = 0
            for j in range(first[i], first[i + 1]):
                for k in range(width):
                    g[k] += pair_gradient[j, k]
            if width > RECORD + 3:
                g[RECORD + 3] += extra_depth[i]
            for c in range(3):
                if not record[i, RECORD + c] > 0:
                    g[RECORD + c] = 0
            d0, d1, d2, inverse = view_direction(means[i], cam)
            basis(d0, d1, d2, max(opacity_sh.shape[1], colour_sh.shape[1]), Y)
            d_direction = appearance_backward(
                i, g, opacity[i], d_opacity_sh, d_colour_sh, opacity_sh, colour_sh, Y, (d0, d1, d2), G
            )
            dp = geometry_backward(
                i, g, width - RECORD, means, quaternions, log_scales, cam, d_quaternions, d_log_scales,
                d_camera[chunk], D,
            )  # fmt: skip
            mean_backward(i, dp, (d0, d1, d2), inverse, d_direction, means, cam, d_means, d_camera[chunk])
