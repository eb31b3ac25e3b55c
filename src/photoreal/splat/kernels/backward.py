"""From the gradients of pairs to those of Gaussians and the camera, sixteen Gaussians at a time."""

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.splat.kernels.blocks import CHUNKS, MEAN, OPACITY, QUATERNION, SCALE, turn_length
from photoreal.splat.kernels.geometry import (
    affine,
    before_camera,
    covariance_backward,
    facing,
    in_camera,
    quaternion_backward,
    rotation_of,
    scales_of,
    slopes_backward,
    smoothed,
    spread_of,
    times,
    view_direction,
)
from photoreal.splat.kernels.harmonics import basis, basis_gradient
from photoreal.splat.kernels.lanes import LANES, load, spread, store, where_less
from photoreal.splat.kernels.projection import COLOUR, DEPTH, FULL, NORMAL, REACH, RECORD, quaternion_rows, row_triple
from photoreal.splat.kernels.shuffles import aligned, flush_denormals, keep_denormals, load_columns

F = np.float32
CAMERA_GRADIENTS = 16
"""By W (9), t (3), fx, fy, cx, cy."""
SQUARE_SUM = 13
"""Where a pair's gradient by the squared depth is, after those by the recorded features."""
_ONE, _TWO, _ZERO = F(1), F(2), F(0)
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def gather_pairs(block, first, pair_gradient, sums):
    """Sum the pairs of each Gaussian of a block in their fixed order; returns whether there is any."""
    found = False
    for lane in range(LANES):
        i = block * LANES + lane
        total = spread(_ZERO)
        for p in range(first[i, 0], first[i, 1]):
            total = total + load(pair_gradient, p * RECORD)
            found = True
        store(sums, lane * RECORD, total)
    return found


@njit(**_OPTIONS)
@no_type_check
def appearance_backward(numbers, at, counts, columns, g, Y, G, out):
    """Gradients by the harmonics, written to `out`, and by the direction as a polynomial; G is scratch."""
    _, opacities, _, colours = counts
    by_logit = g[0] * (_ONE - columns[FULL])
    o = OPACITY * LANES
    for k in range(max(opacities, colours)):
        store(G, LANES * k, spread(_ZERO))
    for k in range(opacities):
        store(out, o + LANES * k, by_logit * load(Y, LANES * k))
        store(G, LANES * k, by_logit * load(numbers, at + o + LANES * k))
    o += opacities * LANES
    zero = spread(_ZERO)
    by_colour = (
        where_less(zero, columns[COLOUR], g[COLOUR], zero),
        where_less(zero, columns[COLOUR + 1], g[COLOUR + 1], zero),
        where_less(zero, columns[COLOUR + 2], g[COLOUR + 2], zero),
    )
    for k in range(colours):
        y, towards = load(Y, LANES * k), load(G, LANES * k)
        for c in range(3):
            at_c = o + LANES * (3 * k + c)
            store(out, at_c, by_colour[c] * y)
            towards = towards + by_colour[c] * load(numbers, at + at_c)
        store(G, LANES * k, towards)


@njit(**_OPTIONS)
@no_type_check
def add_to_camera(camera, at, value):
    """Add to one sum over lanes."""
    store(camera, at * LANES, load(camera, at * LANES) + value)


@njit(**_OPTIONS)
@no_type_check
def geometry_backward(numbers, at, mean, direction, g, features, cam, smoothing, i, seen, out, camera):
    """Gradients by scales and rotation, written to `out`, and by the mean in camera axes; the camera's are added."""
    zero = spread(_ZERO)
    log_scales = row_triple(numbers, at + SCALE * LANES)
    x, y, z = in_camera(mean, cam)
    inverse = _ONE / before_camera(z)
    R, q, by_norm = rotation_of(quaternion_rows(numbers, at))
    s, own = smoothed(scales_of(log_scales), smoothing, i)
    T, sx, sy = affine(x, y, inverse, cam)
    U, xx, xy, yy = spread_of(T, R, s)
    du, dv, D0, D1 = covariance_backward(g, U, xx, xy, yy, cam)
    for k in range(3):
        by_scale = (D0[k] * U[0][k] + D1[k] * U[1][k]) * own[k] + g[0] * (_ONE - own[k])
        store(out, (SCALE + k) * LANES, where_less(zero, seen, by_scale, zero))
    E0, E1 = (D0[0] * s[0], D0[1] * s[1], D0[2] * s[2]), (D1[0] * s[0], D1[1] * s[1], D1[2] * s[2])
    D = rotation_backward(T, E0, E1, g, features, facing(R, log_scales, direction))
    by_quaternion = quaternion_backward(q, by_norm, D)
    for k in range(4):
        store(out, (QUATERNION + k) * LANES, where_less(zero, seen, by_quaternion[k], zero))
    B0, B1 = times(R, E0), times(R, E1)  # gradient by T
    W = ((cam[0], cam[1], cam[2]), (cam[3], cam[4], cam[5]), (cam[6], cam[7], cam[8]))
    h00, _, h02 = times(W, B0)
    _, h11, h12 = times(W, B1)
    by_point, by_focal = slopes_backward(((h00, h02), (h11, h12)), (du, dv), (x, y, inverse), (sx, sy), cam)
    dz = by_point[2] + g[DEPTH] + z * (_TWO * g[SQUARE_SUM]) if features > 3 else by_point[2]
    j00, j11 = inverse * cam[12], inverse * cam[13]
    for c in range(3):
        add_to_camera(camera, c, where_less(zero, seen, j00 * B0[c], zero))
        add_to_camera(camera, 3 + c, where_less(zero, seen, j11 * B1[c], zero))
        add_to_camera(camera, 6 + c, where_less(zero, seen, -(j00 * sx * B0[c] + j11 * sy * B1[c]), zero))
    add_to_camera(camera, 12, where_less(zero, seen, by_focal[0], zero))
    add_to_camera(camera, 13, where_less(zero, seen, by_focal[1], zero))
    add_to_camera(camera, 14, where_less(zero, seen, du, zero))
    add_to_camera(camera, 15, where_less(zero, seen, dv, zero))
    return (
        where_less(zero, seen, by_point[0], zero),
        where_less(zero, seen, by_point[1], zero),
        where_less(zero, seen, dz, zero),
    )


@njit(**_OPTIONS)
@no_type_check
def rotation_backward(T, E0, E1, g, features, f):
    """Gradient by R: through the covariance, and through the normal where there is one."""
    t0, t1 = T
    if features > 3:
        n0, n1, n2 = g[NORMAL], g[NORMAL + 1], g[NORMAL + 2]
    else:
        n0 = n1 = n2 = spread(_ZERO)
    return (
        (
            t0[0] * E0[0] + t1[0] * E1[0] + f[0] * n0,
            t0[0] * E0[1] + t1[0] * E1[1] + f[1] * n0,
            t0[0] * E0[2] + t1[0] * E1[2] + f[2] * n0,
        ),
        (
            t0[1] * E0[0] + t1[1] * E1[0] + f[0] * n1,
            t0[1] * E0[1] + t1[1] * E1[1] + f[1] * n1,
            t0[1] * E0[2] + t1[1] * E1[2] + f[2] * n1,
        ),
        (
            t0[2] * E0[0] + t1[2] * E1[0] + f[0] * n2,
            t0[2] * E0[1] + t1[2] * E1[1] + f[1] * n2,
            t0[2] * E0[2] + t1[2] * E1[2] + f[2] * n2,
        ),
    )


@njit(**_OPTIONS)
@no_type_check
def mean_backward(mean, dp, direction, inverse, by_direction, cam, out, camera):
    """Gradient by the mean, from its place in the camera (dp) and the view direction; the camera's share is added."""
    along = by_direction[0] * direction[0] + by_direction[1] * direction[1] + by_direction[2] * direction[2]
    for c in range(3):
        sideways = (by_direction[c] - along * direction[c]) * inverse
        by_mean = dp[0] * cam[c] + dp[1] * cam[3 + c] + dp[2] * cam[6 + c] + sideways
        store(out, (MEAN + c) * LANES, by_mean)
        for r in range(3):
            add_to_camera(camera, 3 * r + c, dp[r] * mean[c] + sideways * cam[9 + r])
            add_to_camera(camera, 9 + r, sideways * cam[3 * r + c])
    for r in range(3):
        add_to_camera(camera, 9 + r, dp[r])


@njit(**_OPTIONS)
@no_type_check
def block_backward(numbers, block, counts, cam, record, sums, features, smoothing, scratch, out, camera):
    """Gradients of one block, from the sums over pairs; colours beyond the used harmonics are left alone.

    Gaussians that are not drawn get zeros.
    """
    Y, G = scratch
    at = block * counts[0] * LANES
    columns, g = load_columns(record, block * LANES * RECORD), load_columns(sums, 0)
    mean = row_triple(numbers, at)
    direction, inverse = view_direction(mean, cam)
    degree_count = max(counts[1], counts[3])
    basis(direction[0], direction[1], direction[2], degree_count, Y)
    appearance_backward(numbers, at, counts, columns, g, Y, G, out)
    by_direction = basis_gradient(direction[0], direction[1], direction[2], G, degree_count)
    dp = geometry_backward(
        numbers, at, mean, direction, g, features, cam, smoothing, block * LANES, columns[REACH], out, camera
    )
    mean_backward(mean, dp, direction, inverse, by_direction, cam, out, camera)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def project_backward(
    numbers, blocks, counts, cam, record, first, pair_gradient, extra_depth, features, smoothing, gradient, camera
):
    """Gradients of all Gaussians, in the same blocks as their numbers, and of the camera, one sum for each chunk.

    `extra_depth` is a gradient by depth that did not come through compositing (the median).
    """
    size = counts[0] * LANES
    length = turn_length(blocks)
    for chunk in prange(CHUNKS):
        flush_denormals()
        scratch = (aligned(16 * LANES), aligned(16 * LANES))
        sums, out = aligned(RECORD * LANES), aligned(size)
        out[:] = 0
        for turn in range(chunk * length, blocks, CHUNKS * length):
            for block in range(turn, min(turn + length, blocks)):
                drawn = gather_pairs(block, first, pair_gradient, sums)
                if features > 3:
                    for lane in range(LANES):
                        i = block * LANES + lane
                        if record[i * RECORD + REACH] > 0:
                            sums[lane * RECORD + DEPTH] += extra_depth[i]
                if drawn:
                    block_backward(
                        numbers, block, counts, cam, record, sums, features, smoothing, scratch, out, camera[chunk]
                    )
                    gradient[block * size : (block + 1) * size] = out
        keep_denormals()
