"""Which tile is touched by which Gaussian, and in which of its rows.

A tile is 16 x 16 pixels. A pair (tile, Gaussian) exists where the ellipse of alpha >= 1/255 can reach a pixel centre of
the tile; its rows are those that the ellipse reaches within the tile's 16 columns.
"""

import math
from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

TILE = 16
CHUNKS = 16
F = np.float32
_LN2 = F(math.log(2))
_LOG2_255 = F(math.log2(255))
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def strip_rows(record, reach, column):
    """First and last image row reached in the 16 pixel columns of a tile column.

    None is when first > last; both may lie outside the image. The ellipse is a x^2 + b x y + c y^2 = k about the mean;
    its extreme rows within an interval of x lie at the ellipse's own top and bottom, or at the end of the interval that
    is nearer to them.
    """
    u, v, a, b, c = record[0], record[1], -record[2], -record[3], -record[4]
    k = record[5] + _LOG2_255
    low = max(F(column * TILE) + F(0.5) - u, -reach[0])
    high = min(F(column * TILE) + F(15.5) - u, reach[0])
    if low > high:
        return 0, -1
    discriminant = F(4) * a * c - b * b
    top = -b * math.sqrt(k / (discriminant * a)) if discriminant > 0 else F(0)
    x_bottom = min(max(top, low), high)
    x_top = min(max(-top, low), high)
    half = F(0.5) / c
    y_high = (-b * x_bottom + math.sqrt(max(F(0), F(4) * c * k - discriminant * x_bottom * x_bottom))) * half
    y_low = (-b * x_top - math.sqrt(max(F(0), F(4) * c * k - discriminant * x_top * x_top))) * half
    slack = F(0.5) + F(1e-3)
    return math.ceil(v + y_low - slack), math.floor(v + y_high - F(0.5) + F(1e-3))


@njit(**_OPTIONS)
@no_type_check
def pairs_of(record, reach, height, width, tiles, rows, start):
    """Number of pairs of one Gaussian; they are written from `start` on when `start` is not negative."""
    found = 0
    columns = (width + TILE - 1) // TILE
    first = max(0, math.floor((record[0] - reach[0] - F(0.5)) / TILE))
    last = min(columns - 1, math.floor((record[0] + reach[0] - F(0.5)) / TILE))
    for column in range(first, last + 1):
        top, bottom = strip_rows(record, reach, column)
        top, bottom = max(0, int(top)), min(height - 1, int(bottom))
        if top > bottom:
            continue
        for line in range(top // TILE, bottom // TILE + 1):
            if start >= 0:
                begin, end = max(top - line * TILE, 0), min(bottom - line * TILE, TILE - 1)
                tiles[start + found] = line * columns + column
                rows[start + found] = begin | (end << 8)
            found += 1
    return found


@njit(parallel=True, **_OPTIONS)
@no_type_check
def count_pairs(record, reach, height, width, counts):
    """Number of pairs of every Gaussian."""
    none = np.empty(0, np.int32)
    count = len(record)
    for chunk in prange(CHUNKS):
        for i in range(count * chunk // CHUNKS, count * (chunk + 1) // CHUNKS):
            counts[i] = pairs_of(record[i], reach[i], height, width, none, none, -1) if reach[i, 0] > 0 else 0


@njit(parallel=True, **_OPTIONS)
@no_type_check
def write_pairs(record, reach, height, width, first, tiles, rows):
    """Pairs of every Gaussian, from `first[i]` on."""
    count = len(record)
    for chunk in prange(CHUNKS):
        for i in range(count * chunk // CHUNKS, count * (chunk + 1) // CHUNKS):
            if first[i + 1] > first[i]:
                pairs_of(record[i], reach[i], height, width, tiles, rows, first[i])


@njit(parallel=True, **_OPTIONS)
@no_type_check
def sort_pairs(order, first, tiles, rows, tile_count, tile_start, gaussian, tile_rows, origin):
    """Counting sort of the pairs by tile, within a tile in `order`; origin[q] is the pair that went to place q."""
    histogram = np.zeros((CHUNKS, tile_count), np.int64)
    count = len(order)
    for chunk in prange(CHUNKS):
        for rank in range(count * chunk // CHUNKS, count * (chunk + 1) // CHUNKS):
            i = order[rank]
            for p in range(first[i], first[i + 1]):
                histogram[chunk, tiles[p]] += 1
    position = 0
    for tile in range(tile_count):
        tile_start[tile] = position
        for chunk in range(CHUNKS):
            here = histogram[chunk, tile]
            histogram[chunk, tile] = position
            position += here
    tile_start[tile_count] = position
    for chunk in prange(CHUNKS):
        for rank in range(count * chunk // CHUNKS, count * (chunk + 1) // CHUNKS):
            i = order[rank]
            for p in range(first[i], first[i + 1]):
                place = histogram[chunk, tiles[p]]
                histogram[chunk, tiles[p]] = place + 1
                gaussian[place] = i
                tile_rows[place] = rows[p]
                origin[place] = p


@njit(**_OPTIONS)
@no_type_check
def deal_tiles(tile_start, tile_count, hands):
    """An order of the tiles in which equal shares hold nearly equally many pairs: sorted by load, dealt in turns."""
    load = np.empty(tile_count, np.int64)
    for tile in range(tile_count):
        load[tile] = tile_start[tile] - tile_start[tile + 1]
    by_load = np.argsort(load)
    dealt = np.empty(tile_count, np.int64)
    place = 0
    for hand in range(hands):
        for i in range(hand, tile_count, hands):
            dealt[place] = by_load[i]
            place += 1
    return dealt
