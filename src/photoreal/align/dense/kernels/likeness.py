"""How alike a patch of a photo looks in another photo, if the surface there is a plane.

A patch is a square of samples, row by row, padded to an even number. Its numbers are kept in rows of one array: how far
right and down of the middle each sample lies, its weight, its weight times its grey less the mean.
"""

import math
from typing import Any, no_type_check

import numpy as np
from numba import njit

F = np.float32
OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}
WORST = F(2)
"""The cost of what cannot be compared, and of opposites."""
RIGHT, DOWN, WEIGHT, PRODUCT, GREY, ACROSS, ALONG = range(7)
ROWS = 7
"""Of a patch's array; the last two are for work."""
_LEAST_SHARE = F(0.5)
_LEAST_VARIANCE = F(4e-6)
_UNLIKE = F(1 / (2 * 0.2 * 0.2))


@njit(inline="always", **OPTIONS)
@no_type_check
def samples_of(radius, step):
    """How many samples a patch has, with padding."""
    across = (2 * radius) // step + 1
    return (across * across + 1) // 2 * 2


@njit(inline="always", **OPTIONS)
@no_type_check
def grey_at(grey, x, y):
    """Bilinear grey at a pixel; below 0 outside and where a pixel that it needs is masked (-1)."""
    height, width = grey.shape
    a, b = x - F(0.5), y - F(0.5)
    if not (a >= F(0) and b >= F(0) and a < F(width - 1) and b < F(height - 1)):
        return F(-1)
    left, top = int(a), int(b)
    u, v = a - F(left), b - F(top)
    p, q = grey[top, left], grey[top, left + 1]
    r, s = grey[top + 1, left], grey[top + 1, left + 1]
    if min(min(p, q), min(r, s)) < F(0):
        return F(-1)
    above = p + (q - p) * u
    below = r + (s - r) * u
    return above + (below - above) * v


@njit(**OPTIONS)
@no_type_check
def patch_of(grey, row, column, radius, step, patch):
    """Fill in the patch around a pixel; samples weigh less where they lie far off or look other (Tomasi and Manduchi
    1998), and nothing where there is no grey. Return its variance."""
    height, width = grey.shape
    middle, near = grey[row, column], F(1) / (F(2) * F(radius) * F(radius))
    n, total, mean = 0, F(0), F(0)
    for i in range(-radius, radius + 1, step):
        for j in range(-radius, radius + 1, step):
            y, x = row + i, column + j
            weight, value = F(0), F(0)
            if 0 <= y < height and 0 <= x < width and grey[y, x] >= F(0):
                value = grey[y, x]
                d = value - middle
                weight = math.exp(-F(i * i + j * j) * near - d * d * _UNLIKE)
            patch[RIGHT, n], patch[DOWN, n], patch[WEIGHT, n], patch[GREY, n] = F(j), F(i), weight, value
            total += weight
            mean += weight * value
            n += 1
    for k in range(n, patch.shape[1]):
        patch[RIGHT, k], patch[DOWN, k], patch[WEIGHT, k], patch[GREY, k] = F(0), F(0), F(0), F(0)
    variance, inverse = F(0), F(1) / total
    mean *= inverse
    for k in range(n):
        d = patch[GREY, k] - mean
        patch[WEIGHT, k] *= inverse
        patch[PRODUCT, k] = patch[WEIGHT, k] * d
        variance += patch[PRODUCT, k] * d
    for k in range(n, patch.shape[1]):
        patch[PRODUCT, k] = F(0)
    return variance


@njit(inline="always", **OPTIONS)
@no_type_check
def _within(homography, x, y, radius, height, width):
    """Whether a whole square lands where bilinear grey exists; its corners tell."""
    h0, h1, h2, h3, h4, h5, h6, h7, h8 = homography
    for i in (-radius, radius):
        for j in (-radius, radius):
            a, b = x + j, y + i
            depth = h6 * a + h7 * b + h8
            if not depth > F(0):
                return False
            inverse = F(1) / depth
            u, v = (h0 * a + h1 * b + h2) * inverse - F(0.5), (h3 * a + h4 * b + h5) * inverse - F(0.5)
            if not (u >= F(0.01) and v >= F(0.01) and u < F(width) - F(1.01) and v < F(height) - F(1.01)):
                return False
    return True


@njit(**OPTIONS)
@no_type_check
def _landing(homography, x, y, width, patch, cells):
    """Fill in where samples land: the cell of four pixels as a number, and how far along it."""
    h0, h1, h3, h4, h6, h7 = homography[0], homography[1], homography[3], homography[4], homography[6], homography[7]
    across, down = h0 * x + h1 * y + homography[2], h3 * x + h4 * y + homography[5]
    depth = h6 * x + h7 * y + homography[8]
    right, below, us, vs = patch[RIGHT], patch[DOWN], patch[ACROSS], patch[ALONG]
    for k in range(len(cells)):
        inverse = F(1) / (depth + h6 * right[k] + h7 * below[k])
        u = (across + h0 * right[k] + h1 * below[k]) * inverse - F(0.5)
        v = (down + h3 * right[k] + h4 * below[k]) * inverse - F(0.5)
        left, top = np.int32(u), np.int32(v)
        us[k], vs[k] = u - F(left), v - F(top)
        cells[k] = top * width + left


@njit(**OPTIONS)
@no_type_check
def _whole_cost(source, homography, x, y, variance, patch, cells):
    """The cost where every sample lands on grey."""
    flat, width = source.ravel(), source.shape[1]
    _landing(homography, x, y, np.int32(width), patch, cells)
    weight, product, us, vs = patch[WEIGHT], patch[PRODUCT], patch[ACROSS], patch[ALONG]
    b0, b1, bb0, bb1, ab0, ab1 = F(0), F(0), F(0), F(0), F(0), F(0)
    for k in range(0, len(cells), 2):
        i, u = np.intp(cells[k]), us[k]
        above, below = flat[i] + (flat[i + 1] - flat[i]) * u, flat[i + width]
        below += (flat[i + width + 1] - below) * u
        value = above + (below - above) * vs[k]
        share = weight[k] * value
        b0 += share
        bb0 += share * value
        ab0 += product[k] * value
        i, u = np.intp(cells[k + 1]), us[k + 1]
        above, below = flat[i] + (flat[i + 1] - flat[i]) * u, flat[i + width]
        below += (flat[i + width + 1] - below) * u
        value = above + (below - above) * vs[k + 1]
        share = weight[k + 1] * value
        b1 += share
        bb1 += share * value
        ab1 += product[k + 1] * value
    b = b0 + b1
    other = bb0 + bb1 - b * b
    if other < _LEAST_VARIANCE:
        return WORST
    return min(WORST, max(F(0), F(1) - (ab0 + ab1) / math.sqrt(variance * other)))


@njit(**OPTIONS)
@no_type_check
def _part_cost(source, homography, x, y, patch):
    """The cost where some samples land beside the photo or on what is masked."""
    h0, h1, h2, h3, h4, h5, h6, h7, h8 = homography
    total, a, aa, b, bb, ab = F(0), F(0), F(0), F(0), F(0), F(0)
    for k in range(patch.shape[1]):
        w, p, q = patch[WEIGHT, k], x + patch[RIGHT, k], y + patch[DOWN, k]
        depth = h6 * p + h7 * q + h8
        if w > F(0) and depth > F(0):
            inverse = F(1) / depth
            s = grey_at(source, (h0 * p + h1 * q + h2) * inverse, (h3 * p + h4 * q + h5) * inverse)
            if s >= F(0):
                r = patch[GREY, k]
                total += w
                a += w * r
                b += w * s
                aa += w * r * r
                bb += w * s * s
                ab += w * r * s
    if total < _LEAST_SHARE:
        return WORST
    inverse = F(1) / total
    a, b = a * inverse, b * inverse
    own, other = aa * inverse - a * a, bb * inverse - b * b
    if own < _LEAST_VARIANCE or other < _LEAST_VARIANCE:
        return WORST
    return min(WORST, max(F(0), F(1) - (ab * inverse - a * b) / math.sqrt(own * other)))


@njit(**OPTIONS)
@no_type_check
def patch_cost(source, masked, homography, row, column, radius, variance, patch, cells):
    """1 - the weighted correlation of a patch with what `homography`, 9 numbers, shows of it in another photo.

    Patches of which less than half can be seen, and those without texture, cost 2.

    Args:
        masked: whether any of the photo's pixels is.
    """
    if variance < _LEAST_VARIANCE:
        return WORST
    x, y = F(column) + F(0.5), F(row) + F(0.5)
    if not masked and _within(homography, x, y, F(radius), source.shape[0], source.shape[1]):
        return _whole_cost(source, homography, x, y, variance, patch, cells)
    return _part_cost(source, homography, x, y, patch)
