"""A texture held against a photo: residuals at pixels, carried back to texels."""

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

F = np.float32
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def texels_of(corners, uvs, weights, side):
    """The upper left of the four texels that a point of a face is made of, and how far towards the others it lies.

    `corners`: the face's three rows of `uvs` (in texels); `weights`: the point's barycentric weights of the first two.
    """
    a, b = weights[0], weights[1]
    c = F(1) - a - b
    x = a * uvs[corners[0], 0] + b * uvs[corners[1], 0] + c * uvs[corners[2], 0] - F(0.5)
    y = a * uvs[corners[0], 1] + b * uvs[corners[1], 1] + c * uvs[corners[2], 1] - F(0.5)
    x, y = min(max(x, F(0)), F(side - 1)), min(max(y, F(0)), F(side - 1))
    left, top = min(int(x), side - 2), min(int(y), side - 2)
    return left, top, x - F(left), y - F(top)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def sample_pages(pages, face_at, weights_at, faces, uvs, face_pages, empty, image):
    """Picture [H, W, C] of textured faces by bilinear sampling of pages [P, S, S, C]; `empty` where there is none."""
    side, channels = pages.shape[1], pages.shape[3]
    height, width = face_at.shape
    for row in prange(height):
        for column in range(width):
            face = face_at[row, column]
            if face < 0:
                for k in range(channels):
                    image[row, column, k] = empty
                continue
            left, top, u, v = texels_of(faces[face], uvs, weights_at[row, column], side)
            page = pages[face_pages[face]]
            for k in range(channels):
                above = page[top, left, k] * (F(1) - u) + page[top, left + 1, k] * u
                below = page[top + 1, left, k] * (F(1) - u) + page[top + 1, left + 1, k] * u
                image[row, column, k] = above * (F(1) - v) + below * v


@njit(**_OPTIONS)
@no_type_check
def carry_back(pages, target, trust, face_at, weights_at, faces, uvs, face_pages, quality, best, soft, sums, totals):
    """Add each pixel's residual, target less texture, to the four texels it is made of, and its weight to their totals.

    A pixel weighs as its trust, as the square of its `quality` against the face's `best`, and less the larger its
    residual is, not at all beyond `soft` (Tukey's weights). One thread: sums have one order.
    """
    side = pages.shape[1]
    height, width = face_at.shape
    error = np.empty(3, F)
    for row in range(height):
        for column in range(width):
            face = face_at[row, column]
            if face < 0 or trust[row, column] == 0 or quality[face] <= F(0):
                continue
            left, top, u, v = texels_of(faces[face], uvs, weights_at[row, column], side)
            page = face_pages[face]
            size = F(0)
            for k in range(3):
                value = (
                    pages[page, top, left, k] * (F(1) - u) * (F(1) - v)
                    + pages[page, top, left + 1, k] * u * (F(1) - v)
                    + pages[page, top + 1, left, k] * (F(1) - u) * v
                    + pages[page, top + 1, left + 1, k] * u * v
                )
                error[k] = target[row, column, k] - value
                size = max(size, abs(error[k]))
            share = quality[face] / best[face]
            weight = F(trust[row, column]) / F(255) * share * share
            close = max(F(0), F(1) - size * size / (soft * soft))
            weight *= close * close
            for i in range(4):
                near = (u if i & 1 else F(1) - u) * (v if i >> 1 else F(1) - v) * weight
                totals[page, top + (i >> 1), left + (i & 1)] += near
                for k in range(3):
                    sums[page, top + (i >> 1), left + (i & 1), k] += near * error[k]
