"""Where along its normal a point of the surface looks the same in several photos."""

import math
from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.mesh.kernels.candidates import quality_in

F = np.float32
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}
ACROSS = 5
"""Samples along each side of the patch that is compared."""
PATCH = ACROSS * ACROSS
VIEWS = 5
"""Photos that are compared with the best one."""


@njit(**_OPTIONS)
@no_type_check
def grey_at(grey, x, y):
    """Bilinear grey at a pixel, -1 outside; below 0 too where a pixel that it needs is masked."""
    height, width = grey.shape
    if not (F(0.5) <= x < F(width) - F(0.5) and F(0.5) <= y < F(height) - F(0.5)):
        return F(-1)
    left, top = min(int(x - F(0.5)), width - 2), min(int(y - F(0.5)), height - 2)
    u, v = x - F(0.5) - F(left), y - F(0.5) - F(top)
    above = grey[top, left] * (F(1) - u) + grey[top, left + 1] * u
    below = grey[top + 1, left] * (F(1) - u) + grey[top + 1, left + 1] * u
    return above * (F(1) - v) + below * v


@njit(**_OPTIONS)
@no_type_check
def patch_in(r, grey, point, one, two, values):
    """Grey of a patch around a point, spanned by two vectors, less its mean and over its length; whether it has any."""
    total, n = F(0), 0
    for i in range(ACROSS):
        for j in range(ACROSS):
            a, b = F(i - ACROSS // 2), F(j - ACROSS // 2)
            x = point[0] + a * one[0] + b * two[0]
            y = point[1] + a * one[1] + b * two[1]
            z = point[2] + a * one[2] + b * two[2]
            depth = r[8] * x + r[9] * y + r[10] * z + r[11]
            if depth <= F(1e-6):
                return False
            u = r[12] * (r[0] * x + r[1] * y + r[2] * z + r[3]) / depth + r[14]
            v = r[13] * (r[4] * x + r[5] * y + r[6] * z + r[7]) / depth + r[15]
            value = grey_at(grey, u, v)
            if value < F(0):
                return False
            values[n] = value
            total += value
            n += 1
    length = F(0)
    for k in range(PATCH):
        values[k] -= total / F(PATCH)
        length += values[k] * values[k]
    if length < F(PATCH) * F(1e-5):
        return False
    length = F(1) / math.sqrt(length)
    for k in range(PATCH):
        values[k] *= length
    return True


@njit(**_OPTIONS)
@no_type_check
def insert(view, quality, views, qualities):
    """Put a photo into the list of the best, best first."""
    place = len(views) - 1
    if quality <= qualities[place]:
        return
    while place > 0 and qualities[place - 1] < quality:
        qualities[place], views[place] = qualities[place - 1], views[place - 1]
        place -= 1
    qualities[place], views[place] = quality, view


@njit(**_OPTIONS)
@no_type_check
def cross(a, b, scale, result):
    """The cross product times a number."""
    result[0] = (a[1] * b[2] - a[2] * b[1]) * scale
    result[1] = (a[2] * b[0] - a[0] * b[2]) * scale
    result[2] = (a[0] * b[1] - a[1] * b[0]) * scale


@njit(**_OPTIONS)
@no_type_check
def tangents(n, length, one, two):
    """Two vectors of a length that span the plane across the normal `n`."""
    least = min(abs(n[0]), min(abs(n[1]), abs(n[2])))
    axis = 0 if abs(n[0]) == least else (1 if abs(n[1]) == least else 2)
    one[:] = F(0)
    one[axis] = F(1)
    cross(n, one, F(1), two)
    scale = length / math.sqrt(two[0] * two[0] + two[1] * two[1] + two[2] * two[2])
    two *= scale
    cross(two, n, F(1), one)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def sweep(points, normals, cameras, centres, greys, depth, trust, tolerance, step, scores):
    """Mean correlation of each point's best photo with others, [N, K], at offsets (k - K // 2) `step` along the normal.

    Of the photos compared the better half counts, for the others may be covered; -2 where nothing can be compared.
    """
    count, middle = scores.shape[1], scores.shape[1] // 2
    for i in prange(len(points)):
        views, qualities = np.full(VIEWS + 1, -1, np.int64), np.zeros(VIEWS + 1, F)
        pixel = np.empty(2, F)
        for view in range(len(cameras)):
            quality = quality_in(view, points[i], normals[i], cameras, centres, depth, trust, tolerance, pixel)
            insert(view, quality, views, qualities)
        for k in range(count):
            scores[i, k] = F(-2)
        if views[1] < 0:
            continue
        n, best = normals[i], cameras[views[0]]
        one, two = np.zeros(3, F), np.zeros(3, F)
        z = best[8] * points[i, 0] + best[9] * points[i, 1] + best[10] * points[i, 2] + best[11]
        tangents(n, F(z / best[12]), one, two)
        point, first, other = np.empty(3, F), np.empty(PATCH, F), np.empty(PATCH, F)
        found = np.empty(VIEWS, F)
        for k in range(count):
            for a in range(3):
                point[a] = points[i, a] + F(k - middle) * step * n[a]
            if not patch_in(best, greys[views[0]], point, one, two, first):
                continue
            m = 0
            for j in range(1, VIEWS + 1):
                if views[j] < 0 or not patch_in(cameras[views[j]], greys[views[j]], point, one, two, other):
                    continue
                alike = F(0)
                for s in range(PATCH):
                    alike += first[s] * other[s]
                place = m
                while place > 0 and found[place - 1] < alike:
                    found[place] = found[place - 1]
                    place -= 1
                found[place] = alike
                m += 1
            if m > 0:
                half = (m + 1) // 2
                total = F(0)
                for j in range(half):
                    total += found[j]
                scores[i, k] = total / F(half)
