"""Front-to-back compositing of a tile's Gaussians and its gradient, sixteen pixels of a row at a time.

Images are padded to whole tiles: plane c starts at c * padded height * padded width. With T the transmittance in front
of a Gaussian, w = alpha T its weight and g the gradient by the composited features, the backward pass needs nothing
saved but the result: going front to back again, `rest` is what all Gaussians behind contribute to g . result.
"""

import math
from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.splat.kernels.binning import TILE
from photoreal.splat.kernels.lanes import (
    exp2,
    greatest,
    item,
    lane_numbers,
    larger,
    load,
    smaller,
    spread,
    store,
    total,
    where_at_least,
    where_less,
)
from photoreal.splat.kernels.projection import RECORD
from photoreal.splat.renders import ALPHA_MAX, ALPHA_MIN

F = np.float32
OPAQUE = F(4e-6)
"""A tile is finished when no pixel of it lets more light through."""
_HALF, _ONE, _ZERO = F(0.5), F(1), F(0)
_ALPHA_MAX = F(ALPHA_MAX)
_LOG2_MIN, _LOG2_MAX = F(math.log2(ALPHA_MIN)), F(math.log2(ALPHA_MAX))
_BATCH = 16
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def tile_forward(tile, columns, plane, stride, tile_start, gaussian, rows, record, features, image, median, used):
    """Composite one tile: features and, as the last plane, transmittance; `used` remembers where it was finished."""
    block = (features + 1) * 16
    width = RECORD + features
    state = np.zeros(TILE * block, np.float32)
    for r in range(TILE):
        store(state, r * block, spread(_ONE))
    x0, y0 = tile % columns * TILE, tile // columns * TILE
    xs = lane_numbers() + (F(x0) + _HALF)
    p, end = tile_start[tile], tile_start[tile + 1]
    while p < end:
        for q in range(p, min(p + _BATCH, end)):
            g, both = item(gaussian, q) * width, item(rows, q)
            begin, last = both & 255, both >> 8
            dx = xs - item(record, g)
            constant = dx * dx * item(record, g + 2) + item(record, g + 5)
            linear, square = dx * item(record, g + 3), item(record, g + 4)
            dy = F(y0 + begin) + _HALF - item(record, g + 1)
            for r in range(begin, last + 1):
                power = constant + (linear + dy * square) * dy
                alpha = where_at_least(
                    power, spread(_LOG2_MIN), smaller(exp2(power), spread(_ALPHA_MAX)), spread(_ZERO)
                )
                o = r * block
                before = load(state, o)
                weight = alpha * before
                after = before - weight
                store(state, o, after)
                for c in range(features):
                    o += 16
                    store(state, o, load(state, o) + weight * item(record, g + RECORD + c))
                if features > 3:
                    m = (y0 + r) * stride + x0
                    here = where_less(after, spread(_HALF), spread(item(gaussian, q)), load(median, m))
                    store(median, m, where_at_least(before, spread(_HALF), here, load(median, m)))
                dy += _ONE
        p = min(p + _BATCH, end)
        clearest = load(state, 0)
        for r in range(1, TILE):
            clearest = larger(clearest, load(state, r * block))
        if greatest(clearest) < OPAQUE:
            break
    used[tile] = p
    for r in range(TILE):
        o = (y0 + r) * stride + x0
        store(image, features * plane + o, load(state, r * block))
        for c in range(features):
            store(image, c * plane + o, load(state, r * block + 16 * (c + 1)))


@njit(parallel=True, **_OPTIONS)
@no_type_check
def composite(dealt, columns, plane, stride, tile_start, gaussian, rows, record, features, image, median, used):
    """Composite all tiles."""
    for t in prange(len(dealt)):
        tile_forward(
            dealt[t], columns, plane, stride, tile_start, gaussian, rows, record, features, image, median, used
        )


@njit(**_OPTIONS)
@no_type_check
def gather_row(o, s, plane, features, image, gradient, state):
    """Into `state` from s on: full transmittance, the gradient times the result, and the gradients by each feature."""
    store(state, s, spread(_ONE))
    rest = load(gradient, features * plane + o) * load(image, features * plane + o)
    for c in range(features):
        g = load(gradient, c * plane + o)
        rest = rest + g * load(image, c * plane + o)
        store(state, s + 32 + 16 * c, g)
    store(state, s + 16, rest)


@njit(**_OPTIONS)
@no_type_check
def tile_backward(
    tile,
    columns,
    plane,
    stride,
    tile_start,
    gaussian,
    rows,
    record,
    features,
    image,
    gradient,
    used,
    origin,
    pair_gradient,
):
    """Gradients of one tile's pairs: sums over pixels of v, v dx, v dy, v dx^2, v dx dy, v dy^2, then features.

    v = dL / dlog alpha.
    """
    block = (features + 2) * 16
    width = RECORD + features
    state, sums = np.empty(TILE * block, np.float32), np.empty(features * 16, np.float32)
    x0, y0 = tile % columns * TILE, tile // columns * TILE
    for r in range(TILE):
        gather_row((y0 + r) * stride + x0, r * block, plane, features, image, gradient, state)
    xs = lane_numbers() + (F(x0) + _HALF)
    for q in range(tile_start[tile], used[tile]):
        g, both = item(gaussian, q) * width, item(rows, q)
        begin, last = both & 255, both >> 8
        dx = xs - item(record, g)
        constant = dx * dx * item(record, g + 2) + item(record, g + 5)
        linear, square = dx * item(record, g + 3), item(record, g + 4)
        dy = F(y0 + begin) + _HALF - item(record, g + 1)
        v0 = v1 = v2 = spread(_ZERO)
        for c in range(features):
            store(sums, 16 * c, spread(_ZERO))
        for r in range(begin, last + 1):
            power = constant + (linear + dy * square) * dy
            alpha = where_at_least(power, spread(_LOG2_MIN), smaller(exp2(power), spread(_ALPHA_MAX)), spread(_ZERO))
            o = r * block
            before = load(state, o)
            weight = alpha * before
            wanted = spread(_ZERO)
            for c in range(features):
                feature_gradient = load(state, o + 32 + 16 * c)
                wanted = wanted + feature_gradient * item(record, g + RECORD + c)
                store(sums, 16 * c, load(sums, 16 * c) + weight * feature_gradient)
            rest = load(state, o + 16) - weight * wanted
            store(state, o + 16, rest)
            store(state, o, before - weight)
            by_alpha = before * wanted - rest / (_ONE - alpha)
            v = where_less(power, spread(_LOG2_MAX), by_alpha * alpha, spread(_ZERO))
            vy = v * dy
            v0, v1, v2 = v0 + v, v1 + vy, v2 + vy * dy
            dy += _ONE
        vx = v0 * dx
        out = item(origin, q) * width
        pair_gradient[out], pair_gradient[out + 1], pair_gradient[out + 2] = total(v0), total(vx), total(v1)
        pair_gradient[out + 3], pair_gradient[out + 4] = total(vx * dx), total(v1 * dx)
        pair_gradient[out + 5] = total(v2)
        for c in range(features):
            pair_gradient[out + RECORD + c] = total(load(sums, 16 * c))
    for q in range(used[tile], tile_start[tile + 1]):
        pair_gradient[item(origin, q) * width : (item(origin, q) + 1) * width] = 0


@njit(parallel=True, **_OPTIONS)
@no_type_check
def composite_backward(
    dealt,
    columns,
    plane,
    stride,
    tile_start,
    gaussian,
    rows,
    record,
    features,
    image,
    gradient,
    used,
    origin,
    pair_gradient,
):
    """Gradients of all pairs."""
    for t in prange(len(dealt)):
        tile_backward(
            dealt[t], columns, plane, stride, tile_start, gaussian, rows, record, features, image, gradient, used,
            origin, pair_gradient,
        )  # fmt: skip
