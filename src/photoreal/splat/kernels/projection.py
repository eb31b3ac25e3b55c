"""Gaussians to the screen: sixteen at a time into records, then into the tiles that they touch."""

import math
from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.splat.kernels.binning import SLACK, pairs_of, tile_columns, write_column
from photoreal.splat.kernels.blocks import CHUNKS, OPACITY, QUATERNION, SCALE, turn_length
from photoreal.splat.kernels.geometry import (
    ANTIALIASED,
    LOG2E,
    affine,
    before_camera,
    facing,
    in_camera,
    log_dimming,
    rotation_of,
    scales_of,
    smoothed,
    spread_of,
    view_direction,
)
from photoreal.splat.kernels.harmonics import basis
from photoreal.splat.kernels.lanes import (
    LANES,
    exp2,
    floor,
    greatest,
    larger,
    load,
    log2,
    smaller,
    spread,
    square_root,
    store,
    where_at_least,
    where_less,
)
from photoreal.splat.kernels.shuffles import aligned, flush_denormals, keep_denormals, store_columns
from photoreal.splat.renders import ALPHA_MIN, NEAR

F = np.float32
RECORD = 16
"""Numbers of a record: pixel x and y; r2 ... r5 of log2(alpha) = r5 + r2 dx^2 + r3 dx dy + r4 dy^2; colour (3), depth,
normal (3); half extents x and y in pixels, 0 where nothing is drawn; opacity."""
COLOUR, DEPTH, NORMAL, REACH, FULL = 6, 9, 10, 13, 15
"""Where these start in a record; FULL is the opacity."""
_HALF, _ONE, _TWO, _ZERO = F(0.5), F(1), F(2), F(0)
_NEAR = F(NEAR)
_LOG2_255, _LN2 = F(-math.log2(ALPHA_MIN)), F(math.log(2))
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def row_triple(numbers, at):
    """Three rows of a block."""
    return load(numbers, at), load(numbers, at + LANES), load(numbers, at + 2 * LANES)


@njit(**_OPTIONS)
@no_type_check
def quaternion_rows(numbers, at):
    """The quaternions of a block that starts at `at`."""
    q = at + QUATERNION * LANES
    return load(numbers, q), load(numbers, q + 16), load(numbers, q + 32), load(numbers, q + 48)


@njit(**_OPTIONS)
@no_type_check
def opacities_of(numbers, at, count, Y):
    """Opacities of a block towards the directions whose harmonics Y holds."""
    logit = load(numbers, at + OPACITY * LANES) * load(Y, 0)
    for k in range(1, count):
        logit = logit + load(numbers, at + (OPACITY + k) * LANES) * load(Y, LANES * k)
    return _ONE / (_ONE + exp2(logit * -LOG2E))


@njit(**_OPTIONS)
@no_type_check
def colours_of(numbers, at, count, Y):
    """Colours of a block, whose colour rows start at `at`, towards the directions whose harmonics Y holds."""
    red = green = blue = spread(_HALF)
    for k in range(count):
        y, o = load(Y, LANES * k), at + 3 * LANES * k
        red, green = red + y * load(numbers, o), green + y * load(numbers, o + LANES)
        blue = blue + y * load(numbers, o + 2 * LANES)
    zero = spread(_ZERO)
    return larger(red, zero), larger(green, zero), larger(blue, zero)


@njit(**_OPTIONS)
@no_type_check
def extents(z, pixel, xx, yy, power, size):
    """Half extents of the box around alpha >= 1/255; 0 for what is not drawn."""
    u, v = pixel
    limit = larger((power + _LOG2_255) * (_TWO * _LN2), spread(_ZERO))
    ex, ey = square_root(limit * xx), square_root(limit * yy)
    zero = spread(_ZERO)
    shown = where_less(spread(_NEAR), z, spread(_ONE), zero)
    shown = where_at_least(power, spread(-_LOG2_255), shown, zero)
    shown = where_less(zero, u + ex, where_less(u - ex, spread(F(size[1])), shown, zero), zero)
    shown = where_less(zero, v + ey, where_less(v - ey, spread(F(size[0])), shown, zero), zero)
    return where_less(zero, shown, ex, zero), where_less(zero, shown, ey, zero)


@njit(**_OPTIONS)
@no_type_check
def farthest(conic, peak, extent, low, high):
    """The greatest y of ellipses between two x, as in `binning.strip_rows`; for the least, turn b and the answer."""
    _, b, c, discriminant, four_ck = conic
    x = smaller(larger(peak, low), high)
    root = square_root(larger(four_ck - discriminant * x * x, spread(_ZERO)))
    at_end = (root - b * x) * (_HALF / c)
    return where_at_least(peak, low, where_at_least(high, peak, extent, at_end), at_end)


@njit(**_OPTIONS)
@no_type_check
def write_strips(conic, k, pixel, extents, height, strips):
    """First and last tile column of sixteen Gaussians, then first and last image row in the first two columns."""
    a, b, c = conic
    (u, v), (ex, ey) = pixel, extents
    u, v, zero = u - _HALF, v - _HALF, spread(_ZERO)
    discriminant = F(4) * a * c - b * b
    peak = -b * square_root(k / (discriminant * a))
    peak = where_less(zero, discriminant, peak, zero)
    first, last = floor((u - ex) * F(1 / 8)), floor((u + ex) * F(1 / 8))
    store(strips, 0, first)
    store(strips, LANES, last)
    for s in range(2):
        left = (first + F(s)) * F(8) - u
        low, high = larger(left, -ex), smaller(left + F(7), ex)
        y_high = farthest((a, b, c, discriminant, F(4) * c * k), peak, ey, low, high)
        y_low = -farthest((a, -b, c, discriminant, F(4) * c * k), -peak, ey, low, high)
        top = larger(-floor(-(v + y_low - SLACK)), zero)
        bottom = smaller(floor(v + y_high + SLACK), spread(F(height - 1)))
        empty = where_less(high, low, spread(_ONE), zero)
        store(strips, (2 + 2 * s) * LANES, where_less(zero, empty, spread(_ONE), top))
        store(strips, (3 + 2 * s) * LANES, where_less(zero, empty, zero, bottom))


@njit(**_OPTIONS)
@no_type_check
def project_block(numbers, block, counts, cam, size, smoothing, Y, strips, record, depth):
    """Records and depths of one block; `counts` are rows of a block, opacity, stored and used colour harmonics.

    Where nothing of the block is drawn, only depths and extents are written. `strips` is for `bin_block`.
    """
    rows, opacities, _, colours = counts
    at = block * rows * LANES
    mean = row_triple(numbers, at)
    log_scales = row_triple(numbers, at + SCALE * LANES)
    x, y, z = in_camera(mean, cam)
    store(depth, block * LANES, z)
    inverse = _ONE / before_camera(z)
    direction, _ = view_direction(mean, cam)
    basis(direction[0], direction[1], direction[2], opacities, Y)
    opacity = opacities_of(numbers, at, opacities, Y)
    R, _, _ = rotation_of(quaternion_rows(numbers, at))
    T, _, _ = affine(x, y, inverse, cam)
    scales, own = smoothed(scales_of(log_scales), smoothing, block * LANES)
    U, xx, xy, yy = spread_of(T, R, scales)
    pixel = (x * inverse * cam[12] + cam[14], y * inverse * cam[13] + cam[15])
    power = log2(opacity)
    if len(smoothing) > 0:
        power = power + log2(own[0] * own[1] * own[2]) * _HALF
    if cam[ANTIALIASED] > 0:
        power = power + log_dimming(U, xx, yy)
    ex, ey = extents(z, pixel, xx, yy, power, size)
    if not greatest(ex) > 0:
        for lane in range(LANES):
            record[(block * LANES + lane) * RECORD + REACH] = 0
        return
    conic = _ONE / (xx * yy - xy * xy)
    basis(direction[0], direction[1], direction[2], colours, Y)
    red, green, blue = colours_of(numbers, at + (OPACITY + opacities) * LANES, colours, Y)
    f = facing(R, log_scales, direction)
    n0 = f[0] * R[0][0] + f[1] * R[0][1] + f[2] * R[0][2]
    n1 = f[0] * R[1][0] + f[1] * R[1][1] + f[2] * R[1][2]
    n2 = f[0] * R[2][0] + f[1] * R[2][1] + f[2] * R[2][2]
    a, b, c = yy * conic * (-_HALF * LOG2E), xy * conic * LOG2E, xx * conic * (-_HALF * LOG2E)
    write_strips((-a, -b, -c), power + _LOG2_255, pixel, (ex, ey), size[0], strips)
    store_columns(
        record,
        block * LANES * RECORD,
        (pixel[0], pixel[1], a, b, c, power, red, green, blue, z, n0, n1, n2, ex, ey, opacity),
    )


@njit(**_OPTIONS)
@no_type_check
def bin_block(block, record, size, strips, first, tiles, tile_rows, end, limit):
    """Write the pairs of one block's Gaussians from `end` on, those beyond `limit` not; returns their end."""
    for lane in range(LANES):
        i = block * LANES + lane
        first[i, 0] = end
        if record[i * RECORD + REACH] > 0:
            column, last = int(strips[lane]), int(strips[LANES + lane])
            if last - column < 2:
                found = near_pairs(column, last, size, strips, lane, tiles, tile_rows, end, limit)
            else:
                found = pairs_of(record, i * RECORD, size, tiles, tile_rows, end, limit)
            end += found
        first[i, 1] = end
    return end


@njit(**_OPTIONS)
@no_type_check
def near_pairs(column, last, size, strips, lane, tiles, tile_rows, start, limit):
    """What `pairs_of` does, for a Gaussian that reaches one or two tile columns, from its strips."""
    columns, found = tile_columns(size[1]), 0
    for s in range(last - column + 1):
        if 0 <= column + s <= (size[1] - 1) >> 3:
            top = int(strips[(2 + 2 * s) * LANES + lane])
            bottom = int(strips[(3 + 2 * s) * LANES + lane])
            if top <= bottom:
                found += write_column(column + s, columns, top, bottom, tiles, tile_rows, start + found, limit)
    return found


@njit(parallel=True, **_OPTIONS)
@no_type_check
def project(numbers, blocks, counts, cam, size, smoothing, room, record, depth, first, tiles, tile_rows, used):
    """Records and pairs of all Gaussians.

    Chunk c writes its pairs from c * room on. `used` receives how many each chunk has; where one has more than `room`,
    all must be done again with more room.
    """
    length = turn_length(blocks)
    for chunk in prange(CHUNKS):
        flush_denormals()
        Y, strips = aligned(16 * LANES), aligned(6 * LANES)
        end = chunk * room
        for turn in range(chunk * length, blocks, CHUNKS * length):
            for block in range(turn, min(turn + length, blocks)):
                project_block(numbers, block, counts, cam, size, smoothing, Y, strips, record, depth)
                end = bin_block(block, record, size, strips, first, tiles, tile_rows, end, chunk * room + room)
        used[chunk] = end - chunk * room
        keep_denormals()
