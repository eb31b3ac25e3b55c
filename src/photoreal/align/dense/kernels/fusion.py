"""Points out of depth maps, each surface once."""

from typing import no_type_check

import numpy as np
from numba import njit

from photoreal.align.dense.kernels.likeness import OPTIONS

F = np.float32


@njit(inline="always", **OPTIONS)
@no_type_check
def _place(depth, lens, row, column, world_from_cam, place):
    """Fill in the point of a pixel in the world; a motion is 12 numbers, the rows of a rotation, then a translation."""
    x, y = (F(column) + F(0.5) - lens[2]) / lens[0] * depth, (F(row) + F(0.5) - lens[3]) / lens[1] * depth
    for i in range(3):
        place[i] = (
            world_from_cam[3 * i] * x + world_from_cam[3 * i + 1] * y + world_from_cam[3 * i + 2] * depth
        ) + world_from_cam[9 + i]


@njit(**OPTIONS)
@no_type_check
def _seen_at(place, lens, cam_from_world, height, width):
    """Row, column and depth of a place in a view; row -1 where it does not see it."""
    m = cam_from_world
    z = m[6] * place[0] + m[7] * place[1] + m[8] * place[2] + m[11]
    if z <= F(1e-6):
        return -1, -1, z
    x = lens[0] * (m[0] * place[0] + m[1] * place[1] + m[2] * place[2] + m[9]) / z + lens[2]
    y = lens[1] * (m[3] * place[0] + m[4] * place[1] + m[5] * place[2] + m[10]) / z + lens[3]
    if not (x >= F(0) and y >= F(0) and x < F(width) and y < F(height)):
        return -1, -1, z
    return int(y), int(x), z


@njit(inline="always", **OPTIONS)
@no_type_check
def _add(place, image, row, column, weight, mean):
    for c in range(3):
        mean[c] += weight * place[c]
        mean[3 + c] += weight * image[row, column, c]
    mean[6] += weight
    mean[7] = max(mean[7], weight)


@njit(**OPTIONS)
@no_type_check
def fuse_view(
    view, depths, confidences, images, lenses, cam_from_world, world_from_cam, others, share, used, points, colours,
    belief,
):  # fmt: skip
    """Fill in a point for each pixel of a view that is not part of one already: the mean, by confidence, of what all
    views that agree say, their colours' mean and their highest confidence; these pixels are used up.

    Return how many points there are.
    """
    height, width = depths.shape[1:]
    count, place, there, mean = 0, np.empty(3, F), np.empty(3, F), np.empty(8, F)
    for row in range(height):
        for column in range(width):
            confidence = confidences[view, row, column]
            if confidence <= F(0) or used[view, row, column]:
                continue
            used[view, row, column] = True
            mean[:] = F(0)
            _place(depths[view, row, column], lenses[view], row, column, world_from_cam[view], place)
            _add(place, images[view], row, column, confidence, mean)
            for k in range(len(others)):
                other = others[k]
                i, j, z = _seen_at(place, lenses[other], cam_from_world[other], height, width)
                if i < 0 or confidences[other, i, j] <= F(0) or abs(depths[other, i, j] - z) > share * z:
                    continue
                used[other, i, j] = True
                _place(depths[other, i, j], lenses[other], i, j, world_from_cam[other], there)
                _add(there, images[other], i, j, confidences[other, i, j], mean)
            for c in range(3):
                points[count, c], colours[count, c] = mean[c] / mean[6], mean[3 + c] / mean[6]
            belief[count] = mean[7]
            count += 1
    return count
