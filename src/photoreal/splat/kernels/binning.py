"""Which tile is touched by which Gaussian, and in which of its rows; and the order in which a tile blends them.

A tile is 16 x 16 pixels. A pair (tile, Gaussian) exists where the ellipse of alpha >= 1/255 can reach a pixel centre of
the tile; its rows are those that the ellipse reaches within the tile's 16 columns.
"""

import math
from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.splat.kernels.lanes import item
from photoreal.splat.kernels.shuffles import prefetch

TILE = 16
SHARES = 16
"""Sorting is shared out in so many parts, whatever the number of threads."""
_DIGITS, _BUCKETS = 11, 1 << 11
_AHEAD = 8
F = np.float32
_LOG2_255 = F(math.log2(255))
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def strip_rows(u, a, b, c, k, reach, column):
    """First and last row, relative to the mean, reached in the 16 pixel columns of a tile column; none: first > last.

    The ellipse is a x^2 + b x y + c y^2 = k about the mean; its extreme rows within an interval of x lie at the
    ellipse's own top and bottom, or at the end of the interval that is nearer to them.
    """
    low = max(F(column * TILE) + F(0.5) - u, -reach)
    high = min(F(column * TILE) + F(15.5) - u, reach)
    if low > high:
        return F(1), F(-1)
    discriminant = F(4) * a * c - b * b
    top = -b * math.sqrt(k / (discriminant * a)) if discriminant > 0 else F(0)
    x_bottom = min(max(top, low), high)
    x_top = min(max(-top, low), high)
    half = F(0.5) / c
    y_high = (-b * x_bottom + math.sqrt(max(F(0), F(4) * c * k - discriminant * x_bottom * x_bottom))) * half
    y_low = (-b * x_top - math.sqrt(max(F(0), F(4) * c * k - discriminant * x_top * x_top))) * half
    return y_low, y_high


@njit(**_OPTIONS)
@no_type_check
def pairs_of(record, at, size, tiles, rows, start, limit):
    """Number of pairs of the Gaussian whose record is at `at`; written from `start` on, those beyond `limit` not."""
    height, width = size
    found = 0
    columns = (width + TILE - 1) // TILE
    u, v, a, b, c = record[at], record[at + 1], -record[at + 2], -record[at + 3], -record[at + 4]
    k, reach = record[at + 5] + _LOG2_255, record[at + 13]
    first = max(0, math.floor((u - reach - F(0.5)) / TILE))
    last = min(columns - 1, math.floor((u + reach - F(0.5)) / TILE))
    slack = F(1e-3)
    for column in range(first, last + 1):
        y_low, y_high = strip_rows(u, a, b, c, k, reach, column)
        if y_low > y_high:
            continue
        top = max(0, math.ceil(v + y_low - F(0.5) - slack))
        bottom = min(height - 1, math.floor(v + y_high - F(0.5) + slack))
        if top > bottom:
            continue
        for line in range(top // TILE, bottom // TILE + 1):
            if start + found < limit:
                begin, end = max(top - line * TILE, 0), min(bottom - line * TILE, TILE - 1)
                tiles[start + found] = line * columns + column
                rows[start + found] = begin | (end << 8)
            found += 1
    return found


@njit(parallel=True, **_OPTIONS)
@no_type_check
def sort_by_depth(order, count, depth, spare, keys, spare_keys):
    """Sort the first `count` numbers of `order` by the positive depths that they point to; equal ones keep their order.

    Radix sort of the floats' bits, eleven at a time; the other arrays are scratch.
    """
    shares = SHARES if count > 1 << 14 else 1
    histogram = np.zeros((shares, _BUCKETS), np.int32)
    bits = depth.view(np.uint32)
    for share in prange(shares):
        for i in range(count * share // shares, count * (share + 1) // shares):
            keys[i] = bits[order[i]]
    for shift in range(0, 33, _DIGITS):
        histogram[:] = 0
        for share in prange(shares):
            for i in range(count * share // shares, count * (share + 1) // shares):
                histogram[share, (keys[i] >> shift) & (_BUCKETS - 1)] += 1
        place = 0
        for bucket in range(_BUCKETS):
            for share in range(shares):
                here = histogram[share, bucket]
                histogram[share, bucket] = place
                place += here
        for share in prange(shares):
            for i in range(count * share // shares, count * (share + 1) // shares):
                bucket = (keys[i] >> shift) & (_BUCKETS - 1)
                to = histogram[share, bucket]
                histogram[share, bucket] = to + 1
                spare[to] = order[i]
                spare_keys[to] = keys[i]
        order, spare = spare, order
        keys, spare_keys = spare_keys, keys
    return order


@njit(parallel=True, **_OPTIONS)
@no_type_check
def sort_pairs(order, count, first, tiles, rows, histogram, tile_start, gaussian, tile_rows, origin):
    """Counting sort of the pairs by tile, within a tile in `order`; origin[q] is the pair that went to place q."""
    tile_count = len(tile_start) - 1
    for share in prange(SHARES):
        mine = histogram[share]
        mine[:] = 0
        for rank in range(count * share // SHARES, count * (share + 1) // SHARES):
            prefetch(first, 2 * item(order, min(rank + _AHEAD, count - 1)))
            i = 2 * item(order, rank)
            for p in range(item(first, i), item(first, i + 1)):
                mine[item(tiles, p)] += 1
    position = 0
    for tile in range(tile_count):
        tile_start[tile] = position
        for share in range(SHARES):
            here = histogram[share, tile]
            histogram[share, tile] = position
            position += here
    tile_start[tile_count] = position
    for share in prange(SHARES):
        mine = histogram[share]
        for rank in range(count * share // SHARES, count * (share + 1) // SHARES):
            prefetch(tiles, item(first, 2 * item(order, min(rank + _AHEAD, count - 1))))
            i = item(order, rank)
            for p in range(item(first, 2 * i), item(first, 2 * i + 1)):
                tile = item(tiles, p)
                place = mine[tile]
                mine[tile] = place + 1
                gaussian[place] = i
                tile_rows[place] = rows[p]
                origin[place] = p


@njit(**_OPTIONS)
@no_type_check
def deal_tiles(tile_start, dealt, hands):
    """An order of the tiles in which equal shares hold nearly equally many pairs: sorted by load, dealt in turns."""
    tile_count = len(dealt)
    by_load = np.argsort(tile_start[:-1] - tile_start[1:])
    place = 0
    for hand in range(hands):
        for i in range(hand, tile_count, hands):
            dealt[place] = by_load[i]
            place += 1


@njit(**_OPTIONS)
@no_type_check
def gather_visible(visible, used, blocks, chunks, order):
    """Move the visible Gaussians of all chunks together; returns how many there are."""
    count = 0
    for chunk in range(chunks):
        begin = blocks * chunk // chunks * TILE
        for i in range(begin, begin + used[chunk, 1]):
            order[count] = visible[i]
            count += 1
    return count
