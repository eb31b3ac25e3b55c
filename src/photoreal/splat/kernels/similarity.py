"""Structural similarity (Wang et al. 2004) of two images and its gradient.

The window is 11 x 11, sigma 1.5, with zeros outside the image. Planes have rows of a whole number of lanes; row buffers
carry a margin of sixteen zeros on both sides.
"""

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.splat.kernels.lanes import lane_numbers, load, spread, store, total, where_less

F = np.float32
RADIUS = 5
_window = np.exp(-(np.arange(-RADIUS, RADIUS + 1) ** 2) / (2 * 1.5**2))
WINDOW = (_window / _window.sum()).astype(np.float32)
_W0, _W1, _W2, _W3, _W4, _W5 = (F(v) for v in WINDOW[:6])
_C1, _C2 = F(0.01**2), F(0.03**2)
_ONE, _TWO, _ZERO = F(1), F(2), F(0)
_MARGIN = 16
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
    """The window down the columns over x, y, x^2, y^2, x y, into five row buffers."""
    for i in range(0, stride, 16):
        mx = my = xx = yy = xy = spread(_ZERO)
        for k in range(max(0, RADIUS - row), min(2 * RADIUS + 1, height + RADIUS - row)):
            o = plane + (row + k - RADIUS) * stride + i
            a, b = load(x, o), load(y, o)
            wa, wb = a * window[k], b * window[k]
            mx, my = mx + wa, my + wb
            xx, yy, xy = xx + wa * a, yy + wb * b, xy + wa * b
        store(buffers, _MARGIN + i, mx)
        store(buffers, span + _MARGIN + i, my)
        store(buffers, 2 * span + _MARGIN + i, xx)
        store(buffers, 3 * span + _MARGIN + i, yy)
        store(buffers, 4 * span + _MARGIN + i, xy)


@njit(**_OPTIONS)
@no_type_check
def similarity_row(x, y, plane, row, height, width, stride, window, buffers, derivatives, planes):
    """Sum of the similarity over one row; its derivatives by E[x], E[x^2], E[xy] are written."""
    span = stride + 2 * _MARGIN
    moments_down(x, y, plane, row, height, stride, window, buffers, span)
    found = spread(_ZERO)
    for i in range(0, stride, 16):
        o = _MARGIN + i
        mx, my = across(buffers, o), across(buffers, span + o)
        vx = across(buffers, 2 * span + o) - mx * mx
        vy = across(buffers, 3 * span + o) - my * my
        vxy = across(buffers, 4 * span + o) - mx * my
        a, b = _TWO * mx * my + _C1, _TWO * vxy + _C2
        c, d = mx * mx + my * my + _C1, vx + vy + _C2
        q = spread(_ONE) / (c * d)
        value = a * b * q
        by_xy = _TWO * a * q
        by_xx = _ZERO - value * (q * c)
        by_x = _TWO * my * b * q - _TWO * mx * value * (q * d) - by_xy * my - _TWO * mx * by_xx
        limit = spread(F(width - i))
        zero = spread(_ZERO)
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
    planes = channels * height * stride
    for job in prange(channels * height):
        buffers = np.zeros(5 * (stride + 2 * _MARGIN), np.float32)
        plane, row = job // height * height * stride, job % height
        sums[job] = similarity_row(x, y, plane, row, height, width, stride, window, buffers, derivatives, planes)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def similarity_gradient(x, y, channels, height, stride, window, derivatives, gradient):
    """Gradient by x of the summed similarity: the derivatives spread back through the window."""
    planes, span = channels * height * stride, stride + 2 * _MARGIN
    for job in prange(channels * height):
        buffers = np.zeros(3 * span, np.float32)
        plane, row = job // height * height * stride, job % height
        for i in range(0, stride, 16):
            by_x = by_xx = by_xy = spread(_ZERO)
            for k in range(max(0, RADIUS - row), min(2 * RADIUS + 1, height + RADIUS - row)):
                o = plane + (row + k - RADIUS) * stride + i
                by_x = by_x + load(derivatives, o) * window[k]
                by_xx = by_xx + load(derivatives, planes + o) * window[k]
                by_xy = by_xy + load(derivatives, 2 * planes + o) * window[k]
            store(buffers, _MARGIN + i, by_x)
            store(buffers, span + _MARGIN + i, by_xx)
            store(buffers, 2 * span + _MARGIN + i, by_xy)
        for i in range(0, stride, 16):
            o, p = _MARGIN + i, plane + row * stride + i
            moment = across(buffers, o) + _TWO * load(x, p) * across(buffers, span + o)
            store(gradient, p, moment + load(y, p) * across(buffers, 2 * span + o))
