"""PatchMatch stereo: each pixel tries its neighbours' planes and changes of its own, and keeps the best.

Galliani et al. 2015 (pixels of one colour of a checkerboard at a time, from those of the other), Xu and Tao 2019 (of
eight regions around a pixel the best plane each; photos judged by how they like all of them, eqs. 2-6, and depths by
how they agree with other photos' depths, eq. 10).
"""

import math
from typing import no_type_check

import numpy as np
from numba import njit, prange

from photoreal.align.dense.kernels.chance import chance, facing
from photoreal.align.dense.kernels.likeness import OPTIONS, ROWS, WORST, patch_cost, patch_of, samples_of
from photoreal.align.dense.kernels.planes import astray, depth_elsewhere, homography_of, slope

F = np.float32
_HYPOTHESES = 9
_STRIDE = np.uint64(0xD1B54A32D192ED03)
_ASTRAY, _WEIGHT_OF_ASTRAY = F(3), F(0.2)
# Offsets (row, column) of one direction; the others are these turned. Their sums are odd: the other colour.
_NEAR = ((-1, 0), (-2, -1), (-2, 1), (-3, -2), (-3, 2), (-4, -3), (-4, 3))
_FAR = tuple((-k, 0) for k in range(3, 25, 2))
REGIONS = np.zeros((8, 11, 2), np.int64)
LENGTHS = np.zeros(8, np.int64)
for _turn in range(4):
    for _kind, _offsets in enumerate((_NEAR, _FAR)):
        LENGTHS[2 * _turn + _kind] = len(_offsets)
        for _place, (_i, _j) in enumerate(_offsets):
            for _ in range(_turn):
                _i, _j = _j, -_i
            REGIONS[2 * _turn + _kind, _place] = _i, _j


@njit(parallel=True, **OPTIONS)
@no_type_check
def scatter(grey, lens, near, far, seed, planes):
    """Fill in planes at random: depths between two, evenly in 1/depth, and normals that face the camera.

    Pixels whose depth is above 0 already keep their plane.
    """
    height, width = grey.shape
    for row in prange(height):
        for column in range(width):
            if planes[row, column, 3] > F(0):
                continue
            state = np.uint64(seed) + np.uint64(row * width + column) * _STRIDE
            state, a = chance(state)
            rx, ry = (F(column) + F(0.5) - lens[2]) / lens[0], (F(row) + F(0.5) - lens[3]) / lens[1]
            state, x, y, z = facing(state, rx, ry, F(1))
            planes[row, column, 0], planes[row, column, 1], planes[row, column, 2] = x, y, z
            planes[row, column, 3] = F(1) / (F(1) / far + a * (F(1) / near - F(1) / far))


@njit(**OPTIONS)
@no_type_check
def likenesses(
    plane, lens, row, column, greys, masked, motions, lenses, radius, variance, patch, cells, wanted, result
):  # fmt: skip
    """Fill in the cost of a plane by each photo whose weight is above 0, and the worst by the others."""
    homography = np.empty(9, F)
    for k in range(len(greys)):
        result[k] = WORST
        if wanted[k] > F(0):
            homography_of(plane, lens, row, column, motions[k], lenses[k], homography)
            result[k] = patch_cost(greys[k], masked[k], homography, row, column, radius, variance, patch, cells)


@njit(**OPTIONS)
@no_type_check
def judged(costs, depth, lens, row, column, motions, lenses, depths, trust):
    """One cost out of those by each photo, in proportion to its trust, and how far astray depths lead."""
    total, whole = F(0), F(0)
    for k in range(len(costs)):
        if trust[k] > F(0):
            cost = costs[k]
            if len(depths) > 0:
                away = astray(depth, lens, row, column, motions[k], lenses[k], depths[k], _ASTRAY)
                cost += _WEIGHT_OF_ASTRAY * away
            total += trust[k] * cost
            whole += trust[k]
    return total / whole if whole > F(0) else WORST + _ASTRAY * _WEIGHT_OF_ASTRAY


@njit(**OPTIONS)
@no_type_check
def interested(first, row, column, worth, chosen, wanted):
    """Fill in the worth of the photos that the pixel or a neighbour trusts, 0 for others; at first of all."""
    height, width = chosen.shape
    bits = chosen[row, column]
    for i, j in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        y, x = row + i, column + j
        if 0 <= y < height and 0 <= x < width:
            bits |= chosen[y, x]
    for k in range(len(wanted)):
        wanted[k] = worth[k] if first or (bits >> np.uint32(k)) & np.uint32(1) else F(0)


@njit(**OPTIONS)
@no_type_check
def trusted(costs, count, iteration, row, column, wanted, chosen, trust):
    """Fill in how much to trust each wanted photo here: by how well it likes the planes tried, and by whom neighbours
    chose. Return the largest."""
    height, width = chosen.shape
    good_below, best = F(0.8) * math.exp(-F(iteration * iteration) / F(90)), F(0)
    for k in range(costs.shape[1]):
        good, bad, total = 0, 0, F(0)
        for h in range(count):
            cost = costs[h, k]
            if cost < good_below:
                good += 1
                total += math.exp(-cost * cost / F(2 * 0.3 * 0.3))
            elif cost > F(1.2):
                bad += 1
        trust[k] = F(0)
        if bad < 3:
            if good > 2:
                trust[k] = total / F(good)
            else:
                trust[k] = math.exp(-good_below * good_below / F(2 * 0.4 * 0.4))
        prior = F(0)
        for i, j in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            y, x = row + i, column + j
            if 0 <= y < height and 0 <= x < width and (chosen[y, x] >> k) & 1:
                prior += F(1)
        trust[k] *= wanted[k] * (F(0.1) + F(0.2) * prior)
        best = max(best, trust[k])
    return best


@njit(**OPTIONS)
@no_type_check
def gather(grey, lens, near, far, row, column, planes, costs, tried):
    """Fill in the pixel's own plane and, of each region around it, that of the pixel with the least cost.

    Return how many there are.
    """
    height, width = grey.shape
    for c in range(4):
        tried[0, c] = planes[row, column, c]
    n = 1
    for region in range(8):
        least, at_row, at_column = F(1e9), -1, -1
        for place in range(LENGTHS[region]):
            i, j = row + REGIONS[region, place, 0], column + REGIONS[region, place, 1]
            if 0 <= i < height and 0 <= j < width and grey[i, j] >= F(0) and costs[i, j] < least:
                least, at_row, at_column = costs[i, j], i, j
        if at_row < 0:
            continue
        depth = depth_elsewhere(planes[at_row, at_column], lens, at_row, at_column, row, column)
        if near <= depth <= far:
            for c in range(3):
                tried[n, c] = planes[at_row, at_column, c]
            tried[n, 3] = depth
            n += 1
    return n


@njit(**OPTIONS)
@no_type_check
def choose(trust, most):
    """Trust only photos that come near the most trusted one; return these as bits."""
    bits = np.uint32(0)
    for k in range(len(trust)):
        if trust[k] < F(0.25) * most:
            trust[k] = F(0)
        elif trust[k] > F(0):
            bits |= np.uint32(1) << np.uint32(k)
    return bits


@njit(**OPTIONS)
@no_type_check
def altered(state, attempt, plane, lens, near, far, row, column, reach, new):
    """Make another plane of one: 0 of another depth, 1 of another depth and normal, 2 of another normal, 3 of a depth
    near it, 4 of a normal near it, 5 both and nearer still; return the next state."""
    for c in range(4):
        new[c] = plane[c]
    rx, ry = (F(column) + F(0.5) - lens[2]) / lens[0], (F(row) + F(0.5) - lens[3]) / lens[1]
    if attempt < 2:
        state, a = chance(state)
        new[3] = F(1) / (F(1) / far + a * (F(1) / near - F(1) / far))
    if attempt == 1 or attempt == 2:
        state, new[0], new[1], new[2] = facing(state, rx, ry, F(1))
    if attempt < 3:
        return state
    span = reach if attempt < 5 else reach * F(0.25)
    if attempt != 4:
        state, a = chance(state)
        new[3] *= F(1) + span * (F(2) * a - F(1))
    if attempt != 3:
        state, x, y, z = facing(state, rx, ry, F(1))
        state, a = chance(state)
        turn = min(F(0.5), F(4) * span) * a
        new[0] += turn * x
        new[1] += turn * y
        new[2] += turn * z
        length = F(1) / math.sqrt(new[0] * new[0] + new[1] * new[1] + new[2] * new[2])
        new[0] *= length
        new[1] *= length
        new[2] *= length
    return state


@njit(parallel=True, **OPTIONS)
@no_type_check
def sweep(
    colour, iteration, begun, seed, grey, lens, near, far, greys, masked, motions, lenses, worth, depths, radius, step,
    reach, planes, costs, chosen,
):  # fmt: skip
    """Improve the planes of the pixels of one colour, their costs, and which photos (bits) are trusted there.

    Args:
        begun: whether planes are near the truth already; then those far off are not tried any more.
        masked: of each source, whether any pixel is.
        worth: of each source, above 0 and at most 1.
        depths: of the sources, to agree with; none in the first rounds.
        reach: relative change of depth that is tried; that of the normal follows from it.
    """
    height, width = grey.shape
    count, photos = samples_of(radius, step), len(greys)
    for row in prange(height):
        patch, cells = np.empty((ROWS, count), F), np.empty(count, np.int32)
        tried, found = np.empty((_HYPOTHESES, 4), F), np.empty((_HYPOTHESES, photos), F)
        trust, wanted, own, new = np.empty(photos, F), np.empty(photos, F), np.empty(photos, F), np.empty(4, F)
        for column in range((row + colour) % 2, width, 2):
            if grey[row, column] < F(0):
                continue
            variance = patch_of(grey, row, column, radius, step, patch)
            interested(iteration == 0, row, column, worth, chosen, wanted)
            n = gather(grey, lens, near, far, row, column, planes, costs, tried)
            for h in range(n):
                likenesses(
                    tried[h], lens, row, column, greys, masked, motions, lenses, radius, variance, patch, cells,
                    wanted, found[h],
                )  # fmt: skip
            chosen[row, column] = choose(trust, trusted(found, n, iteration, row, column, wanted, chosen, trust))
            best, cost = 0, F(1e9)
            for h in range(n):
                value = judged(found[h], tried[h, 3], lens, row, column, motions, lenses, depths, trust)
                if value < cost:
                    best, cost = h, value
            plane = planes[row, column]
            for c in range(4):
                plane[c] = tried[best, c]
            state = np.uint64(seed) + np.uint64((iteration * height + row) * width + column) * _STRIDE
            for attempt in range(2 if begun else 0, 6):
                state = altered(state, attempt, plane, lens, near, far, row, column, reach, new)
                if not near <= new[3] <= far or slope(new, lens, row, column) > F(-0.05):
                    continue
                likenesses(
                    new, lens, row, column, greys, masked, motions, lenses, radius, variance, patch, cells, trust, own
                )
                value = judged(own, new[3], lens, row, column, motions, lenses, depths, trust)
                if value < cost:
                    cost = value
                    for c in range(4):
                        plane[c] = new[c]
            costs[row, column] = cost
