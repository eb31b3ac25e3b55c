"""What every photo says about a point of the surface."""

import math
from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

F = np.float32
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}
COSINE_MIN = F(0.02)
"""A surface that turns away from the photo by more than 89 degrees is not taken from it."""


_VOTE = F(0.3)
"""A photo's vote is this power of its quality beside the best."""


def _light() -> np.ndarray[Any, np.dtype[np.float32]]:
    unit = np.arange(256) / 255
    return np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4).astype(np.float32)


LIGHT = _light()
"""Linear light of each sRGB byte."""


@njit(**_OPTIONS)
@no_type_check
def floor(x):
    """The largest whole number not above x; `math.floor` would be a call into the C library."""
    whole = int(x)
    return whole - 1 if x < whole else whole


@njit(**_OPTIONS)
@no_type_check
def cubic(t, weights):
    """Catmull-Rom weights of four samples at -1, 0, 1, 2 for a place t in [0, 1): interpolates, and does not blur."""
    weights[0] = ((F(-0.5) * t + F(1.0)) * t - F(0.5)) * t
    weights[1] = (F(1.5) * t - F(2.5)) * t * t + F(1.0)
    weights[2] = ((F(-1.5) * t + F(2.0)) * t + F(0.5)) * t
    weights[3] = (F(0.5) * t - F(0.5)) * t * t


@njit(**_OPTIONS)
@no_type_check
def sample(image, x, y, light, across, colour):
    """Linear light of an image [H, W, 3] of bytes at pixel (x, y), by cubic interpolation held to the nearest four."""
    height, width = image.shape[0], image.shape[1]
    left, top = floor(x - F(0.5)), floor(y - F(0.5))
    cubic(F(x - F(0.5) - F(left)), across[0])
    cubic(F(y - F(0.5) - F(top)), across[1])
    for k in range(3):
        total = F(0)
        low, high = F(1), F(0)
        for i in range(4):
            row = min(max(top - 1 + i, 0), height - 1)
            line = F(0)
            for j in range(4):
                value = light[image[row, min(max(left - 1 + j, 0), width - 1), k]]
                line += across[0, j] * value
                if 0 < i < 3 and 0 < j < 3:
                    low, high = min(low, value), max(high, value)
            total += across[1, i] * line
        colour[k] = min(max(total, low), high)


@njit(**_OPTIONS)
@no_type_check
def quality_in(view, point, normal, cameras, centres, depth, trust, tolerance, pixel):
    """Pixels of the photo per unit of surface, times the trust in the place; 0 if the photo does not see the point.

    `pixel` receives where it sees it. `cameras` [V, 16]: cam_from_world's rows and fx, fy, cx, cy.
    """
    r = cameras[view]
    z = r[8] * point[0] + r[9] * point[1] + r[10] * point[2] + r[11]
    if z <= F(1e-6):
        return F(0)
    x = r[12] * (r[0] * point[0] + r[1] * point[1] + r[2] * point[2] + r[3]) / z + r[14]
    y = r[13] * (r[4] * point[0] + r[5] * point[1] + r[6] * point[2] + r[7]) / z + r[15]
    height, width = depth.shape[1], depth.shape[2]
    if not (F(0) <= x < F(width) and F(0) <= y < F(height)):
        return F(0)
    row, column = int(y), int(x)
    belief = trust[view, row, column]
    if belief == 0:
        return F(0)
    to_x, to_y, to_z = centres[view, 0] - point[0], centres[view, 1] - point[1], centres[view, 2] - point[2]
    length = math.sqrt(to_x * to_x + to_y * to_y + to_z * to_z)
    cosine = (normal[0] * to_x + normal[1] * to_y + normal[2] * to_z) / length
    if cosine < COSINE_MIN:
        return F(0)
    if z > depth[view, row, column] + tolerance + F(1.5) * z / (r[12] * cosine):
        return F(0)
    pixel[0], pixel[1] = x, y
    return F(r[12] * r[13] / (z * z) * cosine * belief / F(255))


@njit(**_OPTIONS)
@no_type_check
def apart(roots, i, j):
    """How far two colours differ, in the channel where they do most."""
    most = max(abs(roots[i, 0] - roots[j, 0]), abs(roots[i, 1] - roots[j, 1]))
    return max(most, abs(roots[i, 2] - roots[j, 2]))


@njit(**_OPTIONS)
@no_type_check
def agreed(votes, roots, count, spread):
    """The candidate that most votes lie near; one `spread` away or more gives no support, an equal one its whole."""
    chosen, most = 0, F(-1)
    for i in range(count):
        support = F(0)
        for j in range(count):
            share = apart(roots, i, j) / spread
            support += votes[j] * max(F(0), F(1) - share * share)
        if support > most:
            chosen, most = i, support
    return chosen


@njit(**_OPTIONS)
@no_type_check
def weighted_median(values, weights, count, order):
    """The value at which the weights below reach half of all; insertion sort, for candidates are few."""
    total = F(0)
    for i in range(count):
        j = i
        while j > 0 and values[order[j - 1]] > values[i]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = i
        total += weights[i]
    below = F(0)
    for i in range(count):
        below += weights[order[i]]
        if below >= F(0.5) * total:
            return values[order[i]]
    return values[order[count - 1]]


@njit(**_OPTIONS)
@no_type_check
def robust_mean(colours, qualities, count, power, spread, work, order, colour):
    """Mean of the candidates near the one that most agree with; returns how many.

    The consensus is RANSAC's with every candidate tried. Near is within three times the median difference and 0.02,
    and within `spread`, in square roots of light (about what eyes see), in every channel. Weights are qualities to the
    `power`, less for what is farther; votes are nearly equal, lest the best photo outvote all others when it is the
    wrong one.
    `work` [5, V]: votes, differences, square roots of the three channels.
    """
    best = F(0)
    for i in range(count):
        best = max(best, qualities[i])
    votes, differences, roots = work[0], work[1], work[2:].T
    for i in range(count):
        votes[i] = (qualities[i] / best) ** _VOTE
        for k in range(3):
            roots[i, k] = math.sqrt(colours[i, k])
    chosen = agreed(votes, roots, count, spread)
    for i in range(count):
        differences[i] = apart(roots, chosen, i)
    near = min(spread, F(3) * weighted_median(differences, votes, count, order) + F(0.02))
    total, left = F(0), 0
    colour[0], colour[1], colour[2] = F(0), F(0), F(0)
    for i in range(count):
        if differences[i] <= near:
            share = differences[i] / spread
            w = (qualities[i] / best) ** power * max(F(1e-3), F(1) - share * share)
            total += w
            left += 1
            for k in range(3):
                colour[k] += w * colours[i, k]
    for k in range(3):
        colour[k] /= total
    return left


@njit(parallel=True, **_OPTIONS)
@no_type_check
def blend(
    points, normals, cameras, centres, images, depth, trust, gains, tolerance, power, spread, light, result, seen
):
    """Linear light of each point from all photos that see it; `seen` counts the photos that the mean was taken of."""
    views, chunk = len(cameras), 1024
    for c in prange((len(points) + chunk - 1) // chunk):
        colours, qualities = np.empty((views, 3), F), np.empty(views, F)
        work, order = np.empty((5, views), F), np.empty(views, np.int64)
        pixel, across = np.empty(2, F), np.empty((2, 4), F)
        for i in range(c * chunk, min(len(points), (c + 1) * chunk)):
            count = 0
            for view in range(views):
                quality = quality_in(view, points[i], normals[i], cameras, centres, depth, trust, tolerance, pixel)
                if quality > F(0):
                    sample(images[view], pixel[0], pixel[1], light, across, colours[count])
                    for k in range(3):
                        colours[count, k] *= gains[view, k]
                    qualities[count] = quality
                    count += 1
            seen[i] = 0
            if count > 0:
                seen[i] = robust_mean(colours, qualities, count, power, spread, work, order, result[i])


@njit(parallel=True, **_OPTIONS)
@no_type_check
def look(points, normals, cameras, centres, images, depth, trust, tolerance, light, colours, qualities):
    """Quality and linear light of each point in each photo: [N, V] and [N, V, 3]."""
    for i in prange(len(points)):
        pixel, across = np.empty(2, F), np.empty((2, 4), F)
        for view in range(len(cameras)):
            quality = quality_in(view, points[i], normals[i], cameras, centres, depth, trust, tolerance, pixel)
            qualities[i, view] = quality
            if quality > F(0):
                sample(images[view], pixel[0], pixel[1], light, across, colours[i, view])
            else:
                colours[i, view] = F(0)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def survey(points, normals, cameras, centres, depth, trust, tolerance, qualities):
    """Quality of each point in each photo, [N, V]; 0 where it is not seen."""
    for i in prange(len(points)):
        pixel = np.empty(2, F)
        for view in range(len(cameras)):
            qualities[i, view] = quality_in(
                view, points[i], normals[i], cameras, centres, depth, trust, tolerance, pixel
            )
