"""From composited Gaussians to the loss against a photograph and back, a row of pixels at a time.

A photograph shows M (C + T B) + b: C the Gaussians' colour, T their transmittance, B the background, M and b the
photo's exposure. The loss is (1 - d) L1 + d (1 - SSIM) over the unmasked pixels (Kerbl et al. 2023, eq. 7). Planes have
rows of a whole number of lanes, zero beyond the image: the features, colour first, then transmittance.
"""

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.splat.fitting.kernels.background import (
    ROW_TERMS,
    along_row,
    along_row_backward,
    background_backward,
    background_channel,
    height_of,
    place_in_row,
)
from photoreal.splat.fitting.kernels.similarity import MARGIN, TOGETHER, derivatives_down, gradient_across
from photoreal.splat.kernels.blocks import CHUNKS
from photoreal.splat.kernels.lanes import (
    LANES,
    absolute,
    greatest,
    lane_numbers,
    load,
    spread,
    store,
    total,
    where_at_least,
    where_less,
)
from photoreal.splat.kernels.shuffles import aligned, flush_denormals, keep_denormals, load_bytes
from photoreal.splat.renders import ALPHA_MIN

F = np.float32
SUMS = 72
"""Numbers summed over the pixels: gradient by M (9), by b (3) and by the terms of the background (60)."""
_BY_OFFSET, _BY_TERMS = 9, 12
_CLEAR = F(4e-6)
"""Where less light comes through, the background is left out."""
_SEEN = F(ALPHA_MIN)
"""Where less light comes through, the background does not learn."""
_ONE, _ZERO = F(1), F(0)
_EMPTY = F(1.5)
"""Masks above this say that nothing is there."""
_BYTE = F(1 / 255)
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


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
    row, planes, plane, features, stride, width, cam, terms, exposure, empty, photo, photo_plane, mask, seen, pictured
):
    """One row of `expose`; returns its L1. `terms` are the background's along this row."""
    difference, y = spread(_ZERO), height_of(row, cam)
    for i in range(0, stride, LANES):
        o = row * stride + i
        T = load(planes, features * plane + o)
        kind = load_bytes(mask, o) if len(mask) > 0 else spread(_ONE)
        if greatest(T) > _CLEAR:
            x, inverse = place_in_row(i, y, cam)
            for c in range(3):
                behind = background_channel(terms, c, x, inverse)
                there = where_less(kind, spread(_EMPTY), behind, spread(empty[c]))
                store(planes, c * plane + o, load(planes, c * plane + o) + T * there)
        difference = difference + expose_lanes(
            planes, plane, o, exposure, empty, photo, photo_plane, o, kind, spread(F(width - i)), seen, pictured
        )
    return total(difference)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def expose(planes, features, size, stride, cam, terms, exposure, empty, photo, mask, seen, pictured, differences):
    """Put the background behind the colour planes, and write what the photo should show (`seen`) and shows.

    `terms` are the background's over the picture and `exposure` is [M | b], by rows; `photo` has three planes of
    bytes, `mask` one or none at all: 0 where the photo is ignored, 1 where it is shown, 2 where nothing is: there
    `empty` is the colour behind, in the scene and the photo. `differences`: the L1 of each row.
    """
    (height, width), plane = size, len(planes) // (features + 1)
    photo_plane = height * stride
    for chunk in prange(CHUNKS):
        flush_denormals()
        row_terms = np.empty(3 * ROW_TERMS, F)
        for row in range(height * chunk // CHUNKS, height * (chunk + 1) // CHUNKS):
            along_row(terms, height_of(row, cam), row_terms)
            differences[row] = expose_row(
                row, planes, plane, features, stride, width, cam, row_terms, exposure, empty, photo, photo_plane, mask,
                seen, pictured,
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
            at = LANES * (3 * d + c)
            store(sums, at, load(sums, at) + by_seen[d] * colour)
        at = LANES * (_BY_OFFSET + c)
        store(sums, at, load(sums, at) + by_seen[c])
    store(gradient, features * plane + o, rest)
    T = load(planes, features * plane + o)
    return T * by_colour[0], T * by_colour[1], T * by_colour[2]


@njit(**_OPTIONS)
@no_type_check
def gradient_by_seen(c, row, stride, photo_plane, plane, buffers, seen, pictured, weights, gradient):
    """Gradient of the loss by one row of what is seen in channel c, into plane c of `gradient`.

    `buffers` begin with this row's in those of `derivatives_down`.
    """
    zero = spread(_ZERO)
    for i in range(0, stride, LANES):
        o = row * stride + i
        x, y = load(seen, c * photo_plane + o), load(pictured, c * photo_plane + o)
        structure = gradient_across(buffers, i, stride, x, y)
        sign = where_less(x, y, spread(-weights[0]), where_less(y, x, spread(weights[0]), zero))
        store(gradient, c * plane + o, sign - structure * weights[1])


@njit(**_OPTIONS)
@no_type_check
def unexpose_row(row, planes, plane, features, stride, width, cam, exposure, mask, gradient, sums, by_row_terms):
    """One row of `unexpose`, from the gradient by what is seen; returns whether the background learns from it."""
    y, learns = height_of(row, cam), False
    for i in range(0, stride, LANES):
        o = row * stride + i
        shown = where_less(lane_numbers(), spread(F(width - i)), spread(_ONE), spread(_ZERO))
        if len(mask) > 0:
            shown = where_at_least(spread(_ZERO), load_bytes(mask, o), spread(_ZERO), shown)
        by_seen = (
            shown * load(gradient, o),
            shown * load(gradient, plane + o),
            shown * load(gradient, 2 * plane + o),
        )
        by_background = carry_back(planes, plane, features, o, exposure, by_seen, gradient, sums)
        if greatest(load(planes, features * plane + o)) > _SEEN:
            x, inverse = place_in_row(i, y, cam)
            background_backward(by_background, x, inverse, by_row_terms)
            learns = True
    return learns


@njit(parallel=True, **_OPTIONS)
@no_type_check
def unexpose(planes, features, size, stride, cam, exposure, mask, seen, pictured, derivatives, weights, gradient, sums):
    """Gradients of the loss by colour planes, exposure and background; the last plane is as compositing wants it.

    `weights` are those of the summed L1 and of the summed similarity; `sums` has a row for each chunk.
    """
    (height, width), plane, photo_plane = size, len(planes) // (features + 1), size[0] * stride
    span, groups = 3 * (stride + 2 * MARGIN), -(-height // TOGETHER)
    for chunk in prange(CHUNKS):
        flush_denormals()
        own, by_row_terms, buffers = aligned(SUMS * LANES), aligned(3 * ROW_TERMS * LANES), aligned(TOGETHER * span)
        own[:] = 0
        by_row_terms[:] = 0
        buffers[:] = 0
        for group in range(groups * chunk // CHUNKS, groups * (chunk + 1) // CHUNKS):
            rows = range(TOGETHER * group, min(height, TOGETHER * (group + 1)))
            for c in range(3):
                derivatives_down(derivatives, c, 3, TOGETHER * group, height, stride, buffers)
                for row in rows:
                    buffer = buffers[span * (row % TOGETHER) :]
                    gradient_by_seen(c, row, stride, photo_plane, plane, buffer, seen, pictured, weights, gradient)
            for row in rows:
                if unexpose_row(
                    row, planes, plane, features, stride, width, cam, exposure, mask, gradient, own, by_row_terms
                ):
                    along_row_backward(by_row_terms, height_of(row, cam), own[_BY_TERMS * LANES :])
        for k in range(SUMS):
            sums[chunk, k] = total(load(own, LANES * k))
        keep_denormals()
