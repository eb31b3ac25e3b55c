"""Triangles against pixel centres: the nearest face of each pixel and the point in it.

A ray d through a pixel meets the triangle (a, b, c), in the camera's axes, where the three volumes d . (b x c),
d . (c x a) and d . (a x b) have one sign (Olano and Greer 1997); they are the point's barycentrics up to a factor. So
nothing is clipped: a triangle may reach behind the camera. Neighbours use the same product for their edge, in double
precision, so no ray slips between them.
"""

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

F = np.float32
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}
STRIP = 16
"""Rows of one strip, which one thread draws."""
_NEAR = 1e-4
"""Where a triangle that reaches behind the camera is cut to find the pixels it may cover, as a share of its depth."""


@njit(**_OPTIONS)
@no_type_check
def window_of(corners, lens, height, width, found):
    """The pixels [top, bottom) x [left, right) that a triangle in the camera's axes may cover; empty: all 0."""
    farthest = max(corners[0, 2], corners[1, 2], corners[2, 2])
    found[:] = 0
    if farthest <= 0.0:
        return
    near = _NEAR * farthest
    low_x, high_x, low_y, high_y = np.inf, -np.inf, np.inf, -np.inf
    for i in range(3):
        j = (i + 1) % 3
        for k in range(2):
            if k == 0:
                x, y, z = corners[i, 0], corners[i, 1], corners[i, 2]
                if z < near:
                    continue
            else:
                if (corners[i, 2] < near) == (corners[j, 2] < near):
                    continue
                share = (near - corners[i, 2]) / (corners[j, 2] - corners[i, 2])
                x = corners[i, 0] + share * (corners[j, 0] - corners[i, 0])
                y = corners[i, 1] + share * (corners[j, 1] - corners[i, 1])
                z = near
            u, v = lens[0] * x / z + lens[2], lens[1] * y / z + lens[3]
            low_x, high_x = min(low_x, u), max(high_x, u)
            low_y, high_y = min(low_y, v), max(high_y, v)
    if not (high_x >= 0.0 and high_y >= 0.0 and low_x <= width and low_y <= height):
        return
    found[0], found[1] = int(max(low_y - 0.5, 0.0)), int(min(high_y + 0.5, height - 1.0)) + 1
    found[2], found[3] = int(max(low_x - 0.5, 0.0)), int(min(high_x + 0.5, width - 1.0)) + 1


@njit(parallel=True, **_OPTIONS)
@no_type_check
def draw(vertices, faces, lens, face_at, weights_at, depth_at):
    """Nearest face of each pixel (-1: none), its first two barycentric weights, its depth along the axis.

    `vertices` [N, 3] in the camera's axes, float64; `lens` fx, fy, cx, cy. Both sides of a face are drawn; of two at
    the same depth the first wins.
    """
    height, width = face_at.shape
    windows = np.empty((len(faces), 4), np.int32)
    for face in prange(len(faces)):
        corners = np.empty((3, 3))
        for i in range(3):
            for k in range(3):
                corners[i, k] = vertices[faces[face, i], k]
        window_of(corners, lens, height, width, windows[face])
    for strip in prange((height + STRIP - 1) // STRIP):
        start, end = strip * STRIP, min(height, (strip + 1) * STRIP)
        depth_at[start:end] = np.inf
        face_at[start:end] = -1
        weights_at[start:end] = 0
        for face in range(len(faces)):
            if windows[face, 0] >= end or windows[face, 1] <= start:
                continue
            ax, ay, az = vertices[faces[face, 0]]
            bx, by, bz = vertices[faces[face, 1]]
            cx, cy, cz = vertices[faces[face, 2]]
            a0, a1, a2 = by * cz - bz * cy, bz * cx - bx * cz, bx * cy - by * cx
            b0, b1, b2 = cy * az - cz * ay, cz * ax - cx * az, cx * ay - cy * ax
            c0, c1, c2 = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
            volume = ax * a0 + ay * a1 + az * a2
            if volume == 0.0:
                continue
            sign = 1.0 if volume > 0.0 else -1.0
            for row in range(max(start, windows[face, 0]), min(end, windows[face, 1])):
                dy = (row + 0.5 - lens[3]) / lens[1]
                for column in range(windows[face, 2], windows[face, 3]):
                    dx = (column + 0.5 - lens[2]) / lens[0]
                    one = sign * (dx * a0 + dy * a1 + a2)
                    two = sign * (dx * b0 + dy * b1 + b2)
                    three = sign * (dx * c0 + dy * c1 + c2)
                    if one < 0.0 or two < 0.0 or three < 0.0:
                        continue
                    total = one + two + three
                    if total <= 0.0:
                        continue
                    z = F(sign * volume / total)
                    if z < depth_at[row, column]:
                        depth_at[row, column] = z
                        face_at[row, column] = face
                        weights_at[row, column, 0] = F(one / total)
                        weights_at[row, column, 1] = F(two / total)
        for row in range(start, end):
            for column in range(width):
                if face_at[row, column] < 0:
                    depth_at[row, column] = F(0)
