"""Which tile is touched by which Gaussian, and in which of its rows; and the order in which a tile blends them.

A tile is 8 pixels wide and 32 high; sixteen lanes are two rows of it, for most Gaussians are only a few pixels wide.
A pair (tile, Gaussian) exists where the ellipse of alpha >= 1/255 can reach a pixel centre of the tile; its rows are
those that the ellipse reaches within the tile's 8 columns, as numbers of the first and the last two.
"""

import math
from typing import Any, no_type_check

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from photoreal.splat.kernels.lanes import item
from photoreal.splat.kernels.shuffles import prefetch

TILE_WIDTH, TILE_HEIGHT = 8, 32
SHARES = 8
"""Sorting is shared out in so many parts, whatever the number of threads."""
_DIGITS, _BUCKETS = 11, 1 << 11
_MANY = 1 << 15
"""From so many keys on, sorting is shared out."""
_AHEAD = 8
F = np.float32
_LOG2_255 = F(math.log2(255))
SLACK = F(1e-3)
"""Pixels by which rows are taken too many rather than too few."""
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def floor(x):
    """The largest whole number not above x; `math.floor` would be a call into the C library."""
    whole = int(x)
    return whole - 1 if x < whole else whole


@njit(**_OPTIONS)
@no_type_check
def tile_columns(width):
    """Tiles side by side in an image whose rows are padded to a whole number of lanes."""
    return (width + 15) // 16 * 2


@njit(**_OPTIONS)
@no_type_check
def strip_rows(conic, extents, peak, low, high):
    """Lowest and highest y, relative to the mean, that an ellipse reaches between two x within its extents.

    The ellipse is a x^2 + b x y + c y^2 = k, highest at x = `peak` and lowest at -`peak`. Its extremes between `low`
    and `high` lie there, or at the end of the interval that is nearer.
    """
    _, b, c, discriminant, four_ck = conic
    y_low, y_high = -extents[1], extents[1]
    half = F(0.5) / c
    if not low <= peak <= high:
        x = low if peak < low else high
        y_high = (math.sqrt(max(F(0), four_ck - discriminant * x * x)) - b * x) * half
    if not low <= -peak <= high:
        x = low if -peak < low else high
        y_low = -(math.sqrt(max(F(0), four_ck - discriminant * x * x)) + b * x) * half
    return y_low, y_high


@njit(**_OPTIONS)
@no_type_check
def conic_of(record, at):
    """a, b, c, 4 a c - b^2 and 4 c k of an ellipse, and where it is highest."""
    a, b, c = -record[at + 2], -record[at + 3], -record[at + 4]
    k = record[at + 5] + _LOG2_255
    discriminant = F(4) * a * c - b * b
    peak = -b * math.sqrt(k / (discriminant * a)) if discriminant > 0 else F(0)
    return (a, b, c, discriminant, F(4) * c * k), peak


@njit(**_OPTIONS)
@no_type_check
def pairs_of(record, at, size, tiles, rows, start, limit):
    """Number of pairs of the Gaussian whose record is at `at`; written from `start` on, those beyond `limit` not."""
    found = 0
    columns = tile_columns(size[1])
    u, v = record[at] - F(0.5), record[at + 1] - F(0.5)
    extents = (record[at + 13], record[at + 14])
    first, last = floor(u - extents[0]) >> 3, floor(u + extents[0]) >> 3
    conic, peak = conic_of(record, at)
    for column in range(max(0, first), min((size[1] - 1) >> 3, last) + 1):
        low, high = max(F(8 * column) - u, -extents[0]), min(F(8 * column + 7) - u, extents[0])
        if low > high:
            continue
        y_low, y_high = strip_rows(conic, extents, peak, low, high)
        top, bottom = max(0, -floor(-(v + y_low - SLACK))), min(size[0] - 1, floor(v + y_high + SLACK))
        if top > bottom:
            continue
        found += write_column(column, columns, top, bottom, tiles, rows, start + found, limit)
    return found


@njit(**_OPTIONS)
@no_type_check
def write_column(column, columns, top, bottom, tiles, rows, start, limit):
    """Pairs of one Gaussian in one tile column, for the image rows `top` ... `bottom`; returns how many there are."""
    first, last = top >> 5, bottom >> 5
    for line in range(first, last + 1):
        place = start + line - first
        if place < limit:
            begin, end = max(top - 32 * line, 0) >> 1, min(bottom - 32 * line, 31) >> 1
            tiles[place] = line * columns + column
            rows[place] = begin | (end << 8)
    return last - first + 1


@njit(**_OPTIONS)
@no_type_check
def count_digits(keys, shift, begin, end, histogram):
    """How often each digit occurs among some keys."""
    histogram[:] = 0
    for i in range(begin, end):
        histogram[(item(keys, i) >> shift) & (_BUCKETS - 1)] += 1


@njit(**_OPTIONS)
@no_type_check
def starts_from_counts(histogram):
    """Counts, by share and bucket, become the places from which each share fills each bucket."""
    place = 0
    for bucket in range(histogram.shape[1]):
        for share in range(len(histogram)):
            here = histogram[share, bucket]
            histogram[share, bucket] = place
            place += here
    return place


@njit(**_OPTIONS)
@no_type_check
def move_by_digit(order, keys, shift, begin, end, places, spare, spare_keys):
    """Move some keys, and what they belong to, into their buckets."""
    for i in range(begin, end):
        bucket = (item(keys, i) >> shift) & (_BUCKETS - 1)
        to = places[bucket]
        places[bucket] = to + 1
        spare[to] = item(order, i)
        spare_keys[to] = item(keys, i)


@njit(**_OPTIONS)
@no_type_check
def sort_few(order, keys, count, spare, spare_keys):
    """Radix sort by one thread: waking others costs more than they save."""
    histogram = np.empty((1, _BUCKETS), np.int32)
    for shift in range(0, 33, _DIGITS):
        count_digits(keys, shift, 0, count, histogram[0])
        starts_from_counts(histogram)
        move_by_digit(order, keys, shift, 0, count, histogram[0], spare, spare_keys)
        order, spare, keys, spare_keys = spare, order, spare_keys, keys
    return order


@njit(parallel=True, **_OPTIONS)
@no_type_check
def sort_many(order, keys, count, spare, spare_keys):
    """Radix sort by all threads."""
    histogram = np.empty((SHARES, _BUCKETS), np.int32)
    for shift in range(0, 33, _DIGITS):
        for share in prange(SHARES):
            count_digits(keys, shift, count * share // SHARES, count * (share + 1) // SHARES, histogram[share])
        starts_from_counts(histogram)
        for share in prange(SHARES):
            begin, end = count * share // SHARES, count * (share + 1) // SHARES
            move_by_digit(order, keys, shift, begin, end, histogram[share], spare, spare_keys)
        order, spare, keys, spare_keys = spare, order, spare_keys, keys
    return order


@njit(**_OPTIONS)
@no_type_check
def sort_by_depth(order, count, depth, spare, keys, spare_keys):
    """Sort the first `count` numbers of `order` by the positive depths that they point to; equal ones keep their order.

    Radix sort of the floats' bits, eleven at a time; the other arrays are scratch.
    """
    bits = depth.view(np.uint32)
    for i in range(count):
        keys[i] = bits[item(order, i)]
    if count > _MANY:
        return sort_many(order, keys, count, spare, spare_keys)
    return sort_few(order, keys, count, spare, spare_keys)


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
    tile_start[tile_count] = starts_from_counts(histogram)
    tile_start[:tile_count] = histogram[0]
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


def deal_tiles(tile_start: NDArray[np.int32], hands: int) -> NDArray[np.int32]:
    """An order of the tiles in which equal shares hold nearly equally many pairs: sorted by load, dealt in turns."""
    by_load = np.argsort(tile_start[:-1] - tile_start[1:]).astype(np.int32)
    return np.concatenate([by_load[hand::hands] for hand in range(hands)])


@njit(**_OPTIONS)
@no_type_check
def gather_visible(first, order):
    """Write the numbers of the Gaussians that have pairs to `order`; returns how many there are."""
    count = 0
    for i in range(len(first)):
        order[count] = i
        count += first[i, 1] > first[i, 0]
    return count
