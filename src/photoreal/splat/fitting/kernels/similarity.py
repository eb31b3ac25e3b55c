"""Structural similarity (Wang et al. 2004) of two images and its gradient.

The window is 11 x 11, sigma 1.5, with zeros outside the image. Planes have rows of a whole number of lanes; row buffers
carry a margin of sixteen zeros on both sides.
"""

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.splat.kernels.blocks import CHUNKS
from photoreal.splat.kernels.lanes import lane_numbers, load, reciprocal, spread, store, total, where_less
from photoreal.splat.kernels.shuffles import aligned, flush_denormals, keep_denormals

F = np.float32
RADIUS = 5
_window = np.exp(-(np.arange(-RADIUS, RADIUS + 1) ** 2) / (2 * 1.5**2))
WINDOW = (_window / _window.sum()).astype(np.float32)
_W0, _W1, _W2, _W3, _W4, _W5 = (F(v) for v in WINDOW[:6])
C1, C2 = 0.01**2, 0.03**2
_C1, _C2 = F(C1), F(C2)
_TWO, _ZERO = F(2), F(0)
MARGIN = 16
"""Zeros on either side of a row buffer."""
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def across(row, o):
    """The window along a row, centred on the lanes from `row[o]` on."""
    far = (load(row, o - 5) + load(row, o + 5)) * _W0 + (load(row, o - 4) + load(row, o + 4)) * _W1
    near = (load(row, o - 3) + load(row, o + 3)) * _W2 + (load(row, o - 2) + load(row, o + 2)) * _W3
    return far + near + (load(row, o - 1) + load(row, o + 1)) * _W4 + load(row, o) * _W5


@njit(**_OPTIONS)
@no_type_check
def moments_down(x, y, plane, row, height, stride, window, buffers, span):
    """The window down the columns over x, y, x^2 + y^2 and x y, into four row buffers.

    Rows at equal distances have equal weights and are added first.
    """
    inside = RADIUS <= row < height - RADIUS
    for i in range(0, stride, 16):
        o = plane + row * stride + i
        a, b = load(x, o), load(y, o)
        mx, my, squares, product = a * _W5, b * _W5, (a * a + b * b) * _W5, a * b * _W5
        if inside:
            for k in range(1, RADIUS + 1):
                w = window[RADIUS + k]
                a, b = load(x, o - k * stride), load(y, o - k * stride)
                c, d = load(x, o + k * stride), load(y, o + k * stride)
                mx, my = mx + (a + c) * w, my + (b + d) * w
                squares = squares + (a * a + b * b + c * c + d * d) * w
                product = product + (a * b + c * d) * w
        else:
            for k in range(max(0, RADIUS - row), min(2 * RADIUS + 1, height + RADIUS - row)):
                if k != RADIUS:
                    a, b = load(x, o + (k - RADIUS) * stride), load(y, o + (k - RADIUS) * stride)
                    mx, my = mx + a * window[k], my + b * window[k]
                    squares, product = squares + (a * a + b * b) * window[k], product + a * b * window[k]
        store(buffers, MARGIN + i, mx)
        store(buffers, span + MARGIN + i, my)
        store(buffers, 2 * span + MARGIN + i, squares)
        store(buffers, 3 * span + MARGIN + i, product)


@njit(**_OPTIONS)
@no_type_check
def similarity_row(x, y, plane, row, height, width, stride, window, buffers, derivatives, planes):
    """Sum of the similarity over one row; its derivatives by E[x], E[x^2], E[xy] are written."""
    span = stride + 2 * MARGIN
    moments_down(x, y, plane, row, height, stride, window, buffers, span)
    found, zero = spread(_ZERO), spread(_ZERO)
    for i in range(0, stride, 16):
        o = MARGIN + i
        mx, my = across(buffers, o), across(buffers, span + o)
        both = mx * mx + my * my
        variances = across(buffers, 2 * span + o) - both
        vxy = across(buffers, 3 * span + o) - mx * my
        a, b = _TWO * mx * my + _C1, _TWO * vxy + _C2
        c, d = both + _C1, variances + _C2
        q = reciprocal(c * d)
        value = a * b * q
        by_xy = _TWO * a * q
        by_xx = -value * (q * c)
        by_x = _TWO * my * b * q - _TWO * mx * value * (q * d) - by_xy * my - _TWO * mx * by_xx
        limit = spread(F(width - i))
        p = plane + row * stride + i
        found = found + where_less(lane_numbers(), limit, value, zero)
        store(derivatives, p, where_less(lane_numbers(), limit, by_x, zero))
        store(derivatives, planes + p, where_less(lane_numbers(), limit, by_xx, zero))
        store(derivatives, 2 * planes + p, where_less(lane_numbers(), limit, by_xy, zero))
    return total(found)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def similarity(x, y, channels, height, width, stride, window, derivatives, sums):
    """Similarity summed over each row of each channel, and its derivatives by the windowed moments."""
    planes, rows = channels * height * stride, channels * height
    for chunk in prange(CHUNKS):
        flush_denormals()
        buffers = aligned(4 * (stride + 2 * MARGIN))
        buffers[:] = 0
        for job in range(rows * chunk // CHUNKS, rows * (chunk + 1) // CHUNKS):
            plane, row = job // height * height * stride, job % height
            sums[job] = similarity_row(x, y, plane, row, height, width, stride, window, buffers, derivatives, planes)
        keep_denormals()


@njit(**_OPTIONS)
@no_type_check
def derivatives_down(derivatives, channel, row, height, stride, window, buffers, start):
    """The window down the columns over the three derivatives of a channel, into three row buffers from `start` on."""
    planes, span = len(derivatives) // 3, stride + 2 * MARGIN
    first, last = max(-RADIUS, -row), min(RADIUS, height - 1 - row)
    for c in range(3):
        middle, to = c * planes + (channel * height + row) * stride, start + c * span + MARGIN
        for i in range(0, stride, 16):
            o = middle + i
            if first == -RADIUS and last == RADIUS:
                found = load(derivatives, o) * _W5
                for k in range(1, RADIUS + 1):
                    pair = load(derivatives, o - k * stride) + load(derivatives, o + k * stride)
                    found = found + pair * window[RADIUS + k]
            else:
                found = spread(_ZERO)
                for k in range(first, last + 1):
                    found = found + load(derivatives, o + k * stride) * window[RADIUS + k]
            store(buffers, to + i, found)


@njit(**_OPTIONS)
@no_type_check
def gradient_across(buffers, start, i, stride, x, y):
    """Gradient by x of the summed similarity at sixteen pixels, from the buffers of `derivatives_down`."""
    span, o = stride + 2 * MARGIN, start + MARGIN + i
    return across(buffers, o) + _TWO * x * across(buffers, span + o) + y * across(buffers, 2 * span + o)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def similarity_gradient(x, y, channels, height, stride, window, derivatives, gradient):
    """Gradient by x of the summed similarity: the derivatives spread back through the window."""
    rows = channels * height
    for chunk in prange(CHUNKS):
        flush_denormals()
        buffers = aligned(3 * (stride + 2 * MARGIN))
        buffers[:] = 0
        for job in range(rows * chunk // CHUNKS, rows * (chunk + 1) // CHUNKS):
            derivatives_down(derivatives, job // height, job % height, height, stride, window, buffers, 0)
            for i in range(0, stride, 16):
                p = job * stride + i
                store(gradient, p, gradient_across(buffers, 0, i, stride, load(x, p), load(y, p)))
        keep_denormals()
