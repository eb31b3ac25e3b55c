"""The gradient of `fitting.surface.surface_losses`, sixteen pixels at a time."""

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.splat.fitting.surface import COVERED, FAINT_COVER
from photoreal.splat.kernels.blocks import CHUNKS
from photoreal.splat.kernels.compositing import ALL, DEPTH_PLANE, NORMAL_PLANE, SQUARE_PLANE
from photoreal.splat.kernels.geometry import times
from photoreal.splat.kernels.lanes import (
    LANES,
    lane_numbers,
    larger,
    load,
    reciprocal,
    smaller,
    spread,
    square_root,
    store,
    where_at_least,
    where_less,
)
from photoreal.splat.kernels.shuffles import flush_denormals, keep_denormals, load_bytes

F = np.float32
_COVERED, _FAINT = F(COVERED), F(FAINT_COVER)
_ONE, _TWO, _ZERO, _TINY = F(1), F(2), F(0), F(1e-30)
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def cross(a, b):
    """Vector product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@njit(**_OPTIONS)
@no_type_check
def dot(a, b):
    """Scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(**_OPTIONS)
@no_type_check
def cover_and_depth(planes, plane, o):
    """Alpha and expected depth of sixteen pixels."""
    alpha = _ONE - load(planes, ALL * plane + o)
    return alpha, load(planes, DEPTH_PLANE * plane + o) * reciprocal(larger(alpha, spread(_FAINT)))


@njit(**_OPTIONS)
@no_type_check
def point_difference(near, far, ray, step):
    """far (ray + step) - near (ray - step), the rays having a last component of 1."""
    total, difference = far + near, far - near
    return ray[0] * difference + total * step[0], ray[1] * difference + total * step[1], difference


@njit(**_OPTIONS)
@no_type_check
def along(v, ray, step):
    """v . (ray + step) and v . (ray - step)."""
    middle, aside = v[0] * ray[0] + v[1] * ray[1] + v[2], v[0] * step[0] + v[1] * step[1]
    return middle + aside, middle - aside


@njit(**_OPTIONS)
@no_type_check
def disagreement_backward(planes, plane, o, stride, ray, cam, weight, gradient, scratch, o_scratch):
    """Gradients by the normals, and by the depths of the four neighbours, each to its own plane of `scratch`."""
    cover, _ = cover_and_depth(planes, plane, o)
    left, at_left = cover_and_depth(planes, plane, o - 1)
    right, at_right = cover_and_depth(planes, plane, o + 1)
    above, at_above = cover_and_depth(planes, plane, o - stride)
    below, at_below = cover_and_depth(planes, plane, o + stride)
    least = smaller(smaller(smaller(left, right), smaller(above, below)), cover)
    zero = spread(_ZERO)
    weight = where_less(spread(_COVERED), least, weight * cover, zero)
    across, down = (spread(_ONE / cam[12]), zero), (zero, spread(_ONE / cam[13]))
    tx, ty = point_difference(at_left, at_right, ray, across), point_difference(at_above, at_below, ray, down)
    m = cross(ty, tx)
    inverse = _ONE / square_root(dot(m, m) + spread(_TINY))
    n = (m[0] * inverse, m[1] * inverse, m[2] * inverse)
    for c in range(3):
        in_world = n[0] * cam[c] + n[1] * cam[3 + c] + n[2] * cam[6 + c]
        store(gradient, (NORMAL_PLANE + c) * plane + o, -(weight * in_world))
    o_normal = NORMAL_PLANE * plane + o
    W = ((cam[0], cam[1], cam[2]), (cam[3], cam[4], cam[5]), (cam[6], cam[7], cam[8]))
    mean = (load(planes, o_normal), load(planes, o_normal + plane), load(planes, o_normal + 2 * plane))
    g = times(W, mean)
    weight = -(weight * inverse)
    by_n = dot(n, g)
    k = (weight * (g[0] - n[0] * by_n), weight * (g[1] - n[1] * by_n), weight * (g[2] - n[2] * by_n))
    by_right, by_left = along(cross(k, ty), ray, across)
    by_below, by_above = along(cross(tx, k), ray, down)
    size = len(scratch) // 4
    store(scratch, o_scratch, by_right)
    store(scratch, size + o_scratch, -by_left)
    store(scratch, 2 * size + o_scratch, by_below)
    store(scratch, 3 * size + o_scratch, -by_above)


@njit(**_OPTIONS)
@no_type_check
def depth_backward(planes, plane, o, weight, by_depth, gradient):
    """Gradients of both losses by depth, squared depth and transmittance, from that by the expected depth."""
    cover, depth = cover_and_depth(planes, plane, o)
    zero = spread(_ZERO)
    inverse = reciprocal(larger(cover, spread(_FAINT)))
    by_square = where_less(spread(_FAINT), cover, weight * reciprocal(larger(depth * depth, spread(_TINY))), zero)
    at_depth, at_square = load(planes, DEPTH_PLANE * plane + o), load(planes, SQUARE_PLANE * plane + o)
    by_sum = by_depth * inverse - _TWO * by_square * at_depth
    by_cover = by_square * at_square - by_depth * depth * inverse
    by_square = by_square * cover
    store(gradient, DEPTH_PLANE * plane + o, by_sum)
    store(gradient, SQUARE_PLANE * plane + o, by_square)
    rest = by_sum * at_depth + by_square * at_square - by_cover * (_ONE - cover)
    for c in range(3):
        p = (NORMAL_PLANE + c) * plane + o
        rest = rest + load(gradient, p) * load(planes, p)
    store(gradient, ALL * plane + o, load(gradient, ALL * plane + o) + rest)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def surface(planes, size, stride, cam, mask, weights, scratch, gradient):
    """Add the gradients to planes as `photometric.unexpose` leaves them; `weights`: distortion and disagreement, for
    one pixel. `scratch` is four times the pixels and 2 * stride + 32 more.
    """
    (height, width), plane, span = size, len(planes) // (ALL + 1), len(scratch) // 4
    bends = weights[1] > 0
    if bends:
        scratch[:] = 0
    lead = stride + LANES
    for chunk in prange(CHUNKS):
        flush_denormals()
        for row in range(height * chunk // CHUNKS, height * (chunk + 1) // CHUNKS):
            for i in range(0, stride, LANES):
                o, x = row * stride + i, lane_numbers() + F(i)
                if not bends or row in (0, height - 1):
                    for c in range(3):
                        store(gradient, (NORMAL_PLANE + c) * plane + o, spread(_ZERO))
                    continue
                weight = where_less(x, spread(F(width - 1)), spread(F(weights[1])), spread(_ZERO))
                weight = where_less(spread(_ZERO), x, weight, spread(_ZERO))
                if len(mask) > 0:
                    weight = where_less(spread(_ZERO), load_bytes(mask, o), weight, spread(_ZERO))
                ray = ((x + (F(0.5) - cam[14])) / cam[12], spread((F(row) + F(0.5) - cam[15]) / cam[13]))
                disagreement_backward(planes, plane, o, stride, ray, cam, weight, gradient, scratch, lead + o)
        keep_denormals()
    for chunk in prange(CHUNKS):
        flush_denormals()
        for row in range(height * chunk // CHUNKS, height * (chunk + 1) // CHUNKS):
            for i in range(0, stride, LANES):
                o = row * stride + i
                s = lead + o
                by_depth = spread(_ZERO)
                if bends:
                    by_depth = load(scratch, s - 1) + load(scratch, span + s + 1)
                    by_depth = by_depth + load(scratch, 2 * span + s - stride) + load(scratch, 3 * span + s + stride)
                weight = where_at_least(lane_numbers(), spread(F(width - i)), spread(_ZERO), spread(F(weights[0])))
                if len(mask) > 0:
                    weight = where_less(spread(_ZERO), load_bytes(mask, o), weight, spread(_ZERO))
                depth_backward(planes, plane, o, weight, by_depth, gradient)
        keep_denormals()
