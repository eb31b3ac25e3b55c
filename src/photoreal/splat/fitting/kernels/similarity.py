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
TOGETHER = 4
"""Rows that the derivatives are spread back to at once."""
APRON = RADIUS + TOGETHER - 1
"""Rows of zeros before, between and after the planes of derivatives."""
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


def derivative_count(channels: int, height: int, stride: int) -> int:
    """How many numbers the derivatives of these channels are, with their aprons."""
    return (3 * channels * (height + APRON) + APRON) * stride


@njit(**_OPTIONS)
@no_type_check
def derivative_plane(field, channel, channels, height, stride):
    """Where the plane of a channel's derivatives by E[x] (0), E[x^2] (1) or E[xy] (2) begins."""
    return (APRON + (field * channels + channel) * (height + APRON)) * stride


@njit(**_OPTIONS)
@no_type_check
def windowed(v):
    """The window over eleven; those at equal distances have equal weights and are added first."""
    far, near = (v[0] + v[10]) * _W0 + (v[1] + v[9]) * _W1, (v[2] + v[8]) * _W2 + (v[3] + v[7]) * _W3
    return far + near + (v[4] + v[6]) * _W4 + v[5] * _W5


@njit(**_OPTIONS)
@no_type_check
def eleven(x, o, step):
    """Sixteen numbers at `o`, and those five steps before and after it."""
    before = (load(x, o - 5 * step), load(x, o - 4 * step), load(x, o - 3 * step), load(x, o - 2 * step))
    middle = (load(x, o - step), load(x, o), load(x, o + step))
    after = (load(x, o + 2 * step), load(x, o + 3 * step), load(x, o + 4 * step), load(x, o + 5 * step))
    return before + middle + after


@njit(**_OPTIONS)
@no_type_check
def across(row, o):
    """The window along a row, centred on the lanes from `row[o]` on."""
    return windowed(eleven(row, o, 1))


@njit(**_OPTIONS)
@no_type_check
def moments_down(x, y, plane, row, height, stride, window, buffers, span):
    """The window down the columns over x, y, x^2 + y^2 and x y, into four row buffers."""
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
def similarity_row(x, y, plane, row, height, width, stride, window, buffers, derivatives, at):
    """Sum of the similarity over one row; its derivatives by E[x], E[x^2], E[xy] are written to the planes `at`."""
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
        p = row * stride + i
        found = found + where_less(lane_numbers(), limit, value, zero)
        store(derivatives, at[0] + p, where_less(lane_numbers(), limit, by_x, zero))
        store(derivatives, at[1] + p, where_less(lane_numbers(), limit, by_xx, zero))
        store(derivatives, at[2] + p, where_less(lane_numbers(), limit, by_xy, zero))
    return total(found)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def similarity(x, y, channels, height, width, stride, window, derivatives, sums):
    """Similarity summed over each row of each channel, and its derivatives by the windowed moments."""
    rows = channels * height
    for plane in range(3 * channels + 1):
        end = derivative_plane(0, plane, channels, height, stride)
        derivatives[end - APRON * stride : end] = 0
    for chunk in prange(CHUNKS):
        flush_denormals()
        buffers = aligned(4 * (stride + 2 * MARGIN))
        buffers[:] = 0
        for job in range(rows * chunk // CHUNKS, rows * (chunk + 1) // CHUNKS):
            channel, row = job // height, job % height
            plane = channel * height * stride
            at = (
                derivative_plane(0, channel, channels, height, stride),
                derivative_plane(1, channel, channels, height, stride),
                derivative_plane(2, channel, channels, height, stride),
            )
            sums[job] = similarity_row(x, y, plane, row, height, width, stride, window, buffers, derivatives, at)
        keep_denormals()


@njit(**_OPTIONS)
@no_type_check
def derivatives_down(derivatives, channel, channels, row, height, stride, buffers):
    """The window down the columns over a channel's derivatives, for four rows from `row` on.

    Each row has three row buffers, one after another. Rows beyond the last are nonsense.
    """
    span = stride + 2 * MARGIN
    for field in range(3):
        plane, to = derivative_plane(field, channel, channels, height, stride), field * span + MARGIN
        for i in range(0, stride, 16):
            o = plane + row * stride + i
            more = (load(derivatives, o + 6 * stride), load(derivatives, o + 7 * stride))
            v = eleven(derivatives, o, stride) + more + (load(derivatives, o + 8 * stride),)
            store(buffers, to + i, windowed(v[:11]))
            store(buffers, to + 3 * span + i, windowed(v[1:12]))
            store(buffers, to + 6 * span + i, windowed(v[2:13]))
            store(buffers, to + 9 * span + i, windowed(v[3:14]))


@njit(**_OPTIONS)
@no_type_check
def gradient_across(buffers, i, stride, x, y):
    """Gradient by x of the summed similarity at sixteen pixels, from a row's buffers."""
    span, o = stride + 2 * MARGIN, MARGIN + i
    return across(buffers, o) + _TWO * x * across(buffers, span + o) + y * across(buffers, 2 * span + o)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def similarity_gradient(x, y, channels, height, stride, derivatives, gradient):
    """Gradient by x of the summed similarity: the derivatives spread back through the window."""
    groups, span = -(-height // TOGETHER), 3 * (stride + 2 * MARGIN)
    for chunk in prange(CHUNKS):
        flush_denormals()
        buffers = aligned(TOGETHER * span)
        buffers[:] = 0
        for job in range(channels * groups * chunk // CHUNKS, channels * groups * (chunk + 1) // CHUNKS):
            channel, first = job // groups, TOGETHER * (job % groups)
            derivatives_down(derivatives, channel, channels, first, height, stride, buffers)
            for row in range(first, min(height, first + TOGETHER)):
                buffer = buffers[span * (row - first) :]
                for i in range(0, stride, 16):
                    p = (channel * height + row) * stride + i
                    store(gradient, p, gradient_across(buffer, i, stride, load(x, p), load(y, p)))
        keep_denormals()
