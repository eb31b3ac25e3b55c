"""Planes seen by a camera, as rows of four numbers: the normal in the camera's frame, facing it, and the depth at a
pixel; and what they say of other cameras.

A lens is fx, fy, cx, cy; a motion the rows of a rotation and then a translation, 12 numbers, `source_from_reference`.
"""

import math
from typing import no_type_check

import numpy as np
from numba import njit

from photoreal.align.dense.kernels.likeness import OPTIONS

F = np.float32


@njit(inline="always", **OPTIONS)
@no_type_check
def slope(plane, lens, row, column):
    """The normal times the ray through a pixel's centre, below 0 where the plane faces the camera."""
    x = (F(column) + F(0.5) - lens[2]) / lens[0]
    y = (F(row) + F(0.5) - lens[3]) / lens[1]
    return plane[0] * x + plane[1] * y + plane[2]


@njit(inline="always", **OPTIONS)
@no_type_check
def depth_elsewhere(plane, lens, row, column, there_row, there_column):
    """Depth, at another pixel, of the plane of a pixel; 0 where it does not face the camera there."""
    across = slope(plane, lens, there_row, there_column)
    if across > F(-1e-3):
        return F(0)
    return plane[3] * slope(plane, lens, row, column) / across


@njit(**OPTIONS)
@no_type_check
def homography_of(plane, lens, row, column, motion, other, result):
    """Pixels of a source from pixels of the reference, for points of the plane."""
    e = plane[3] * slope(plane, lens, row, column)
    q0, q1 = plane[0] / (lens[0] * e), plane[1] / (lens[1] * e)
    q2 = plane[2] / e - q0 * lens[2] - q1 * lens[3]
    for i in range(3):
        r0, r1 = motion[3 * i] / lens[0], motion[3 * i + 1] / lens[1]
        t = motion[9 + i]
        result[3 * i] = r0 + t * q0
        result[3 * i + 1] = r1 + t * q1
        result[3 * i + 2] = motion[3 * i + 2] - r0 * lens[2] - r1 * lens[3] + t * q2
    for j in range(3):
        result[j] = other[0] * result[j] + other[2] * result[6 + j]
        result[3 + j] = other[1] * result[3 + j] + other[3] * result[6 + j]


@njit(**OPTIONS)
@no_type_check
def there_and_back(depth, lens, row, column, motion, other, depths, back):
    """Follow a pixel to a source and, by the source's own depth there, back again.

    Return whether the source has a depth there; `back` becomes the pixel (x, y) and the depth that come back.
    """
    rx, ry = (F(column) + F(0.5) - lens[2]) / lens[0], (F(row) + F(0.5) - lens[3]) / lens[1]
    x, y, z = rx * depth, ry * depth, depth
    u = motion[0] * x + motion[1] * y + motion[2] * z + motion[9]
    v = motion[3] * x + motion[4] * y + motion[5] * z + motion[10]
    w = motion[6] * x + motion[7] * y + motion[8] * z + motion[11]
    if w <= F(1e-6):
        return False
    px, py = other[0] * u / w + other[2], other[1] * v / w + other[3]
    height, width = depths.shape
    if not (px >= F(0) and py >= F(0) and px < F(width) and py < F(height)):
        return False
    found = depths[int(py), int(px)]
    if found <= F(0):
        return False
    u, v = (px - other[2]) / other[0] * found - motion[9], (py - other[3]) / other[1] * found - motion[10]
    w = found - motion[11]
    x = motion[0] * u + motion[3] * v + motion[6] * w
    y = motion[1] * u + motion[4] * v + motion[7] * w
    z = motion[2] * u + motion[5] * v + motion[8] * w
    if z <= F(1e-6):
        return False
    back[0], back[1], back[2] = lens[0] * x / z + lens[2], lens[1] * y / z + lens[3], z
    return True


@njit(**OPTIONS)
@no_type_check
def astray(depth, lens, row, column, motion, other, depths, most):
    """How many pixels a depth comes back beside where it started, `most` at most."""
    back = np.empty(3, F)
    if not there_and_back(depth, lens, row, column, motion, other, depths, back):
        return most
    dx, dy = back[0] - (F(column) + F(0.5)), back[1] - (F(row) + F(0.5))
    return min(most, F(math.sqrt(dx * dx + dy * dy)))


@njit(**OPTIONS)
@no_type_check
def parallax(depth, lens, row, column, motion, other, share):
    """How many pixels a point moves in another photo if its depth grows by a share of it; 0 behind that camera."""
    rx, ry = (F(column) + F(0.5) - lens[2]) / lens[0], (F(row) + F(0.5) - lens[3]) / lens[1]
    a = motion[0] * rx + motion[1] * ry + motion[2]
    b = motion[3] * rx + motion[4] * ry + motion[5]
    c = motion[6] * rx + motion[7] * ry + motion[8]
    further = depth * (F(1) + share)
    w, w2 = c * depth + motion[11], c * further + motion[11]
    if w <= F(1e-6) or w2 <= F(1e-6):
        return F(0)
    dx = (a * further + motion[9]) / w2 - (a * depth + motion[9]) / w
    dy = (b * further + motion[10]) / w2 - (b * depth + motion[10]) / w
    return math.sqrt((other[0] * dx) ** 2 + (other[1] * dy) ** 2)
