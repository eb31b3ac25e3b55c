"""Front-to-back compositing of a tile's Gaussians and its gradient, two rows of eight pixels at a time.

Images are padded to whole tiles: plane c starts at c * padded height * padded width. With T the transmittance in front
of a Gaussian, w = alpha T its weight and g the gradient by the composited features, the backward pass needs nothing
saved but the result: going front to back again, `rest` is what all Gaussians behind contribute to g . result.

Colour alone (three features) has loops of its own, in which all sums stay in registers; with depth, normal and the
square of depth there are eight features.
"""

import math
from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.splat.kernels.binning import TILE_HEIGHT, TILE_WIDTH
from photoreal.splat.kernels.lanes import (
    exp2_within,
    greatest,
    item,
    lane_columns,
    lane_rows,
    larger,
    load,
    reciprocal,
    smaller,
    spread,
    store,
    where_at_least,
    where_less,
)
from photoreal.splat.kernels.projection import COLOUR, DEPTH, NORMAL, RECORD
from photoreal.splat.kernels.shuffles import (
    aligned,
    flush_denormals,
    keep_denormals,
    load_two,
    prefetch,
    store_two,
    totals,
)
from photoreal.splat.renders import ALPHA_MAX, ALPHA_MIN

F = np.float32
ALL = 8
"""Features with depth, normal and squared depth."""
_RECORDED = 7
"""So many of them are in the record."""
DEPTH_PLANE, NORMAL_PLANE, SQUARE_PLANE = DEPTH - COLOUR, NORMAL - COLOUR, _RECORDED
"""Where these begin among the planes; the transmittance comes after all features."""
STEPS = TILE_HEIGHT // 2
"""Vectors of a tile."""
_HALF, _ONE, _TWO, _ZERO = F(0.5), F(1), F(2), F(0)
_ALPHA_MAX = F(ALPHA_MAX)
_LOG2_MIN, _LOG2_MAX = F(math.log2(ALPHA_MIN)), F(math.log2(ALPHA_MAX))
_BATCH, _AHEAD = 16, 8
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def alpha_of(power):
    """Alpha from its logarithm to base 2: clipped above, zero below 1/255."""
    return where_at_least(power, spread(_LOG2_MIN), smaller(exp2_within(power), spread(_ALPHA_MAX)), spread(_ZERO))


@njit(**_OPTIONS)
@no_type_check
def log_alpha(record, g, dx, y):
    """Parts of log2(alpha) = constant + (linear + square dy) dy along the columns, and dy at the first two rows."""
    constant = dx * dx * item(record, g + 2) + item(record, g + 5)
    return constant, dx * item(record, g + 3), spread(item(record, g + 4)), lane_rows() + (y - item(record, g + 1))


@njit(**_OPTIONS)
@no_type_check
def blend_colour(state, begin, last, parts, record, g):
    """One Gaussian over the vectors `begin` ... `last` of a tile, colours only."""
    constant, linear, square, dy = parts
    red, green = spread(item(record, g + COLOUR)), spread(item(record, g + COLOUR + 1))
    blue = spread(item(record, g + COLOUR + 2))
    for o in range(64 * begin, 64 * last + 1, 64):
        alpha = alpha_of(constant + (linear + dy * square) * dy)
        before = load(state, o)
        weight = alpha * before
        store(state, o, before - weight)
        store(state, o + 16, load(state, o + 16) + weight * red)
        store(state, o + 32, load(state, o + 32) + weight * green)
        store(state, o + 48, load(state, o + 48) + weight * blue)
        dy = dy + _TWO


@njit(**_OPTIONS)
@no_type_check
def blend_all(state, begin, last, parts, record, g):
    """One Gaussian over the vectors `begin` ... `last` of a tile with all features; the median comes after them."""
    constant, linear, square, dy = parts
    number = spread(F(g // RECORD))
    square_of_depth = item(record, g + DEPTH) * item(record, g + DEPTH)
    for r in range(begin, last + 1):
        alpha = alpha_of(constant + (linear + dy * square) * dy)
        o = 16 * (ALL + 2) * r
        before = load(state, o)
        weight = alpha * before
        after = before - weight
        store(state, o, after)
        for c in range(_RECORDED):
            o += 16
            store(state, o, load(state, o) + weight * item(record, g + COLOUR + c))
        o += 16
        store(state, o, load(state, o) + weight * square_of_depth)
        median = load(state, o + 16)
        here = where_less(after, spread(_HALF), number, median)
        store(state, o + 16, where_at_least(before, spread(_HALF), here, median))
        dy = dy + _TWO


@njit(**_OPTIONS)
@no_type_check
def clearest_of(state, block):
    """The greatest transmittance of a tile."""
    clearest = load(state, 0)
    for r in range(1, STEPS):
        clearest = larger(clearest, load(state, r * block))
    return greatest(clearest)


@njit(**_OPTIONS)
@no_type_check
def tile_forward(
    tile, columns, plane, stride, tile_start, gaussian, rows, record, features, opaque, image, median, used
):
    """Composite one tile: features and, as the last plane, transmittance; `used` remembers where it was finished."""
    block = 64 if features == 3 else 16 * (ALL + 2)
    state = aligned(STEPS * block)
    state[:] = 0
    for r in range(STEPS):
        store(state, r * block, spread(_ONE))
        if features > 3:
            store(state, r * block + 16 * (ALL + 1), spread(-_ONE))
    x0, y0 = tile % columns * TILE_WIDTH, tile // columns * TILE_HEIGHT
    xs = lane_columns() + (F(x0) + _HALF)
    p, end = tile_start[tile], tile_start[tile + 1]
    while p < end:
        for q in range(p, min(p + _BATCH, end)):
            prefetch(record, item(gaussian, min(q + _AHEAD, end - 1)) * RECORD)
            g, both = item(gaussian, q) * RECORD, item(rows, q)
            begin, last = both & 255, both >> 8
            parts = log_alpha(record, g, xs - item(record, g), F(y0 + 2 * begin) + _HALF)
            if features == 3:
                blend_colour(state, begin, last, parts, record, g)
            else:
                blend_all(state, begin, last, parts, record, g)
        p = min(p + _BATCH, end)
        if clearest_of(state, block) < opaque:
            break
    used[tile] = p
    for r in range(STEPS):
        o = (y0 + 2 * r) * stride + x0
        store_two(image, features * plane + o, features * plane + o + stride, load(state, r * block))
        for c in range(features):
            store_two(image, c * plane + o, c * plane + o + stride, load(state, r * block + 16 * (c + 1)))
        if features > 3:
            store_two(median, o, o + stride, load(state, r * block + 16 * (ALL + 1)))


@njit(parallel=True, **_OPTIONS)
@no_type_check
def composite(dealt, columns, plane, stride, tile_start, gaussian, rows, record, features, opaque, image, median, used):
    """Composite all tiles; one is finished when no pixel of it lets more light than `opaque` through."""
    for t in prange(len(dealt)):
        flush_denormals()
        tile_forward(
            dealt[t], columns, plane, stride, tile_start, gaussian, rows, record, features, opaque, image, median, used
        )
        keep_denormals()


@njit(**_OPTIONS)
@no_type_check
def by_log_alpha(state, o, power, alpha, before, wanted):
    """dL/d ln alpha of a vector, `wanted` being the gradient by the Gaussian's weight; the state moves on behind it."""
    weight = alpha * before
    rest = load(state, o + 16) - weight * wanted
    store(state, o + 16, rest)
    store(state, o, before - weight)
    by_alpha = before * wanted - rest * reciprocal(_ONE - alpha)
    return where_less(power, spread(_LOG2_MAX), by_alpha * alpha, spread(_ZERO))


@njit(**_OPTIONS)
@no_type_check
def unblend_colour(state, begin, last, parts, record, g, dx):
    """Gradients of one pair, colours only: six moments of dL/d ln alpha, then the colour."""
    constant, linear, square, dy = parts
    red, green = spread(item(record, g + COLOUR)), spread(item(record, g + COLOUR + 1))
    blue = spread(item(record, g + COLOUR + 2))
    v0 = v1 = v2 = by_red = by_green = by_blue = spread(_ZERO)
    for o in range(80 * begin, 80 * last + 1, 80):
        power = constant + (linear + dy * square) * dy
        alpha = alpha_of(power)
        before, for_red = load(state, o), load(state, o + 32)
        for_green, for_blue = load(state, o + 48), load(state, o + 64)
        weight = alpha * before
        wanted = for_red * red + for_green * green + for_blue * blue
        v = by_log_alpha(state, o, power, alpha, before, wanted)
        vy = v * dy
        v0, v1, v2 = v0 + v, v1 + vy, v2 + vy * dy
        by_red, by_green, by_blue = (
            by_red + weight * for_red,
            by_green + weight * for_green,
            by_blue + weight * for_blue,
        )
        dy = dy + _TWO
    vx = v0 * dx
    return totals((v0, vx, v1, vx * dx, v1 * dx, v2, by_red, by_green, by_blue))


@njit(**_OPTIONS)
@no_type_check
def unblend_all(state, begin, last, parts, record, g, dx):
    """Gradients of one pair with all features."""
    constant, linear, square, dy = parts
    sums = aligned(16 * _RECORDED)
    sums[:] = 0
    v0 = v1 = v2 = v3 = spread(_ZERO)
    square_of_depth = item(record, g + DEPTH) * item(record, g + DEPTH)
    for r in range(begin, last + 1):
        power = constant + (linear + dy * square) * dy
        alpha = alpha_of(power)
        o = r * 16 * (ALL + 2)
        before = load(state, o)
        weight = alpha * before
        wanted = spread(_ZERO)
        for c in range(_RECORDED):
            by_feature = load(state, o + 32 + 16 * c)
            wanted = wanted + by_feature * item(record, g + COLOUR + c)
            store(sums, 16 * c, load(sums, 16 * c) + weight * by_feature)
        by_square = load(state, o + 32 + 16 * _RECORDED)
        wanted = wanted + by_square * square_of_depth
        v3 = v3 + weight * by_square
        v = by_log_alpha(state, o, power, alpha, before, wanted)
        vy = v * dy
        v0, v1, v2 = v0 + v, v1 + vy, v2 + vy * dy
        dy = dy + _TWO
    vx = v0 * dx
    s = sums
    return totals((
        v0, vx, v1, vx * dx, v1 * dx, v2, load(s, 0), load(s, 16), load(s, 32), load(s, 48), load(s, 64), load(s, 80),
        load(s, 96), v3,
    ))  # fmt: skip


@njit(**_OPTIONS)
@no_type_check
def tile_backward(
    tile, columns, plane, stride, tile_start, gaussian, rows, record, features, gradient, used, origin, pair_gradient
):
    """Gradients of the pairs of one tile, each written to its own place."""
    block = (features + 2) * 16
    state = aligned(STEPS * block)
    x0, y0 = tile % columns * TILE_WIDTH, tile // columns * TILE_HEIGHT
    for r in range(STEPS):
        o, s = (y0 + 2 * r) * stride + x0, r * block
        store(state, s, spread(_ONE))
        store(state, s + 16, load_two(gradient, features * plane + o, features * plane + o + stride))
        for c in range(features):
            store(state, s + 32 + 16 * c, load_two(gradient, c * plane + o, c * plane + o + stride))
    xs = lane_columns() + (F(x0) + _HALF)
    end = used[tile]
    for q in range(tile_start[tile], end):
        ahead = min(q + _AHEAD, end - 1)
        prefetch(record, item(gaussian, ahead) * RECORD)
        prefetch(pair_gradient, item(origin, ahead) * RECORD)
        g, both = item(gaussian, q) * RECORD, item(rows, q)
        begin, last = both & 255, both >> 8
        dx = xs - item(record, g)
        parts = log_alpha(record, g, dx, F(y0 + 2 * begin) + _HALF)
        if features == 3:
            found = unblend_colour(state, begin, last, parts, record, g, dx)
        else:
            found = unblend_all(state, begin, last, parts, record, g, dx)
        store(pair_gradient, item(origin, q) * RECORD, found)
    for q in range(end, tile_start[tile + 1]):
        store(pair_gradient, item(origin, q) * RECORD, spread(_ZERO))


@njit(parallel=True, **_OPTIONS)
@no_type_check
def composite_backward(
    dealt, columns, plane, stride, tile_start, gaussian, rows, record, features, gradient, used, origin, pair_gradient
):
    """Gradients of all pairs: six moments of dL/d ln alpha, then the features.

    Planes of `gradient`: dL by each feature, then the sum of (gradient times result) over features and transmittance.
    """
    for t in prange(len(dealt)):
        flush_denormals()
        tile_backward(
            dealt[t], columns, plane, stride, tile_start, gaussian, rows, record, features, gradient, used, origin,
            pair_gradient,
        )  # fmt: skip
        keep_denormals()
