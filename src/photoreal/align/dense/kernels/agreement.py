"""Which depths other photos confirm, and points out of them."""

from typing import no_type_check

import numpy as np
from numba import njit, prange

from photoreal.align.dense.kernels.likeness import OPTIONS, ROWS, patch_cost, patch_of, samples_of
from photoreal.align.dense.kernels.planes import homography_of, parallax, there_and_back

F = np.float32


@njit(parallel=True, **OPTIONS)
@no_type_check
def confirmed(
    grey, lens, planes, greys, masked, motions, lenses, depths, radius, step, pixels, share, agreeing, likeness,
    moved,
):  # fmt: skip
    """Fill in how many photos agree with each pixel's depth, the mean correlation with these, and how many pixels a
    depth that is larger by a hundredth would move in the one of them in which it moves most.

    A photo agrees if by its own depth the pixel comes back to within `pixels` of itself, and to its depth within
    `share` of it.
    """
    height, width = grey.shape
    count = samples_of(radius, step)
    for row in prange(height):
        patch, cells = np.empty((ROWS, count), F), np.empty(count, np.int32)
        back, homography, variance = np.empty(3, F), np.empty(9, F), F(0)
        for column in range(width):
            agreeing[row, column], likeness[row, column], moved[row, column] = 0, F(0), F(0)
            depth = planes[row, column, 3]
            if grey[row, column] < F(0) or depth <= F(0):
                continue
            n, total = 0, F(0)
            for k in range(len(greys)):
                if not there_and_back(depth, lens, row, column, motions[k], lenses[k], depths[k], back):
                    continue
                dx, dy = back[0] - (F(column) + F(0.5)), back[1] - (F(row) + F(0.5))
                if dx * dx + dy * dy > pixels * pixels or abs(back[2] - depth) > share * depth:
                    continue
                if n == 0:
                    variance = patch_of(grey, row, column, radius, step, patch)
                homography_of(planes[row, column], lens, row, column, motions[k], lenses[k], homography)
                total += F(1) - patch_cost(greys[k], masked[k], homography, row, column, radius, variance, patch, cells)
                moved[row, column] = max(
                    moved[row, column], parallax(depth, lens, row, column, motions[k], lenses[k], F(0.01))
                )
                n += 1
            agreeing[row, column] = n
            likeness[row, column] = total / F(n) if n > 0 else F(0)
