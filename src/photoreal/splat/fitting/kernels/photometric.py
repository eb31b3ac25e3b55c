"""From composited Gaussians to the loss against a photograph and back, a row of pixels at a time.

A photograph shows M (C + T B) + b: C the Gaussians' colour, T their transmittance, B the background, M and b the
photo's exposure. The loss is (1 - d) L1 + d (1 - SSIM) over the unmasked pixels (Kerbl et al. 2023, eq. 7). Planes have
rows of a whole number of lanes, zero beyond the image: the features, colour first, then transmittance.
"""

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.splat.fitting.kernels.similarity import MARGIN, derivatives_down, gradient_across
from photoreal.splat.kernels.blocks import CHUNKS
from photoreal.splat.kernels.harmonics import basis
from photoreal.splat.kernels.lanes import (
    LANES,
    absolute,
    greatest,
    lane_numbers,
    load,
    spread,
    square_root,
    store,
    total,
    where_at_least,
    where_less,
)
from photoreal.splat.kernels.shuffles import aligned, flush_denormals, keep_denormals, load_bytes
from photoreal.splat.renders import ALPHA_MIN

F = np.float32
SUMS = 61
"""Numbers summed over the pixels of a row: L1, gradient by M (9), by b (3) and by the background's harmonics (48)."""
_BY_MATRIX, _BY_OFFSET, _BY_BACKGROUND = 1, 10, 13
_CLEAR = F(4e-6)
"""Where less light comes through, the background is left out."""
_SEEN = F(ALPHA_MIN)
"""Where less light comes through, the background does not learn."""
_HALF, _ONE, _ZERO = F(0.5), F(1), F(0)
_EMPTY = F(1.5)
"""Masks above this say that nothing is there."""
_BYTE = F(1 / 255)
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def background_basis(cam, row, column, count, Y):
    """Harmonics of the world directions of sixteen pixels, into Y."""
    x = (lane_numbers() + (F(column) + _HALF - cam[14])) / cam[12]
    y = (F(row) + _HALF - cam[15]) / cam[13]
    dx = x * cam[0] + (y * cam[3] + cam[6])
    dy = x * cam[1] + (y * cam[4] + cam[7])
    dz = x * cam[2] + (y * cam[5] + cam[8])
    inverse = _ONE / square_root(dx * dx + dy * dy + dz * dz)
    basis(dx * inverse, dy * inverse, dz * inverse, count, Y)


@njit(**_OPTIONS)
@no_type_check
def background_colour(harmonics, count, Y):
    """The background's colours from the harmonics of sixteen directions."""
    red = green = blue = spread(_HALF)
    for k in range(count):
        y = load(Y, LANES * k)
        red, green, blue = red + y * harmonics[3 * k], green + y * harmonics[3 * k + 1], blue + y * harmonics[3 * k + 2]
    return red, green, blue


@njit(**_OPTIONS)
@no_type_check
def expose_lanes(planes, plane, o, exposure, behind, photo, photo_plane, p, kind, limit, seen, pictured):
    """What the photograph should show at sixteen pixels, and what it shows; returns the sum of the differences."""
    zero = spread(_ZERO)
    red, green, blue = load(planes, o), load(planes, plane + o), load(planes, 2 * plane + o)
    difference = zero
    for c in range(3):
        y = load_bytes(photo, c * photo_plane + p) * _BYTE
        m = 4 * c
        x = red * exposure[m] + green * exposure[m + 1] + blue * exposure[m + 2] + exposure[m + 3]
        empty = behind[0] * exposure[m] + behind[1] * exposure[m + 1] + behind[2] * exposure[m + 2] + exposure[m + 3]
        y = where_less(kind, spread(_EMPTY), y, spread(empty))
        x = where_less(zero, kind, x, y)
        x, y = where_less(lane_numbers(), limit, x, zero), where_less(lane_numbers(), limit, y, zero)
        store(seen, c * photo_plane + p, x)
        store(pictured, c * photo_plane + p, y)
        difference = difference + absolute(x - y)
    return difference


@njit(**_OPTIONS)
@no_type_check
def expose_row(
    row, planes, plane, features, stride, width, cam, harmonics, exposure, empty, photo, photo_plane, mask, seen,
    pictured, Y,
):  # fmt: skip
    """One row of `expose`; returns its L1."""
    count, difference = len(harmonics) // 3, spread(_ZERO)
    for i in range(0, stride, LANES):
        o = row * stride + i
        T = load(planes, features * plane + o)
        kind = load_bytes(mask, o) if len(mask) > 0 else spread(_ONE)
        if greatest(T) > _CLEAR:
            background_basis(cam, row, i, count, Y)
            behind = background_colour(harmonics, count, Y)
            for c in range(3):
                there = where_less(kind, spread(_EMPTY), behind[c], spread(empty[c]))
                store(planes, c * plane + o, load(planes, c * plane + o) + T * there)
        difference = difference + expose_lanes(
            planes, plane, o, exposure, empty, photo, photo_plane, o, kind, spread(F(width - i)), seen, pictured
        )
    return total(difference)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def expose(planes, features, size, stride, cam, harmonics, exposure, empty, photo, mask, seen, pictured, sums):
    """Put the background behind the colour planes, and write what the photo should show (`seen`) and shows.

    `exposure` is [M | b] by rows; `photo` has three planes of bytes, `mask` one or none at all: 0 where the photo is
    ignored, 1 where it is shown, 2 where nothing is: there `empty` is the colour behind, in the scene and the photo.
    """
    (height, width), plane = size, len(planes) // (features + 1)
    photo_plane = height * stride
    for chunk in prange(CHUNKS):
        flush_denormals()
        Y = aligned(16 * LANES)
        for row in range(height * chunk // CHUNKS, height * (chunk + 1) // CHUNKS):
            sums[row, 0] = expose_row(
                row, planes, plane, features, stride, width, cam, harmonics, exposure, empty, photo, photo_plane, mask,
                seen, pictured, Y,
            )  # fmt: skip
        keep_denormals()


@njit(**_OPTIONS)
@no_type_check
def carry_back(planes, plane, features, o, exposure, by_seen, gradient, sums):
    """From the gradient by what is seen to those by the colour planes and the exposure; returns T times the former."""
    g0, g1, g2 = by_seen
    by_colour = (
        g0 * exposure[0] + g1 * exposure[4] + g2 * exposure[8],
        g0 * exposure[1] + g1 * exposure[5] + g2 * exposure[9],
        g0 * exposure[2] + g1 * exposure[6] + g2 * exposure[10],
    )
    rest = spread(_ZERO)
    for c in range(3):
        colour = load(planes, c * plane + o)
        store(gradient, c * plane + o, by_colour[c])
        rest = rest + by_colour[c] * colour
        for d in range(3):
            at = LANES * (_BY_MATRIX + 3 * d + c)
            store(sums, at, load(sums, at) + by_seen[d] * colour)
        at = LANES * (_BY_OFFSET + c)
        store(sums, at, load(sums, at) + by_seen[c])
    store(gradient, features * plane + o, rest)
    T = load(planes, features * plane + o)
    return T * by_colour[0], T * by_colour[1], T * by_colour[2]


@njit(**_OPTIONS)
@no_type_check
def add_background(by_background, count, Y, sums):
    """Add to the gradient by the background's harmonics."""
    for k in range(count):
        y = load(Y, LANES * k)
        for c in range(3):
            at = LANES * (_BY_BACKGROUND + 3 * k + c)
            store(sums, at, load(sums, at) + y * by_background[c])


@njit(**_OPTIONS)
@no_type_check
def loss_gradient(c, o, photo_plane, buffers, i, stride, seen, pictured, weights):
    """Gradient of the loss by what is seen in channel c."""
    x, y = load(seen, c * photo_plane + o), load(pictured, c * photo_plane + o)
    structure = gradient_across(buffers, 3 * c * (stride + 2 * MARGIN), i, stride, x, y)
    zero = spread(_ZERO)
    sign = where_less(x, y, spread(-weights[0]), where_less(y, x, spread(weights[0]), zero))
    return sign - structure * weights[1]


@njit(parallel=True, **_OPTIONS)
@no_type_check
def unexpose(
    planes, features, size, stride, cam, harmonics, exposure, mask, seen, pictured, window, derivatives, weights,
    gradient, sums,
):  # fmt: skip
    """Gradients of the loss by colour planes, exposure and background; the last plane is as compositing wants it.

    `weights` are those of the summed L1 and of the summed similarity.
    """
    (height, width), plane = size, len(planes) // (features + 1)
    photo_plane, span, count = height * stride, stride + 2 * MARGIN, len(harmonics) // 3
    for chunk in prange(CHUNKS):
        flush_denormals()
        Y, row_sums, buffers = aligned(16 * LANES), aligned(SUMS * LANES), aligned(9 * span)
        buffers[:] = 0
        for row in range(height * chunk // CHUNKS, height * (chunk + 1) // CHUNKS):
            row_sums[:] = 0
            for c in range(3):
                derivatives_down(derivatives, c, row, height, stride, window, buffers, 3 * c * span)
            for i in range(0, stride, LANES):
                o = row * stride + i
                shown = where_less(lane_numbers(), spread(F(width - i)), spread(_ONE), spread(_ZERO))
                if len(mask) > 0:
                    shown = where_at_least(spread(_ZERO), load_bytes(mask, o), spread(_ZERO), shown)
                by_seen = (
                    shown * loss_gradient(0, o, photo_plane, buffers, i, stride, seen, pictured, weights),
                    shown * loss_gradient(1, o, photo_plane, buffers, i, stride, seen, pictured, weights),
                    shown * loss_gradient(2, o, photo_plane, buffers, i, stride, seen, pictured, weights),
                )
                by_background = carry_back(planes, plane, features, o, exposure, by_seen, gradient, row_sums)
                if greatest(load(planes, features * plane + o)) > _SEEN:
                    background_basis(cam, row, i, count, Y)
                    add_background(by_background, count, Y, row_sums)
            for k in range(1, SUMS):
                sums[row, k] = total(load(row_sums, LANES * k))
        keep_denormals()
