"""Sparse voxels: cubes of 8 x 8 x 8 voxels where some depth map sees a surface, found by bisection of sorted keys.

A voxel keeps a truncated signed distance (1 = free space, negative = behind the surface) and the weight behind it.
"""

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

SIDE = 8
"""Voxels along the side of a block."""
VOXELS = SIDE**3
BITS = 21
"""Bits of a block's coordinate in its key."""
OFFSET = 1 << (BITS - 1)
F = np.float32
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def key_of(x, y, z):
    """The sorting key of a block's coordinates."""
    return ((x + OFFSET) << (2 * BITS)) | ((y + OFFSET) << BITS) | (z + OFFSET)


@njit(**_OPTIONS)
@no_type_check
def coordinate_of(key, axis):
    """A block's coordinate along an axis (0, 1, 2) from its key."""
    return ((key >> (BITS * (2 - axis))) & ((1 << BITS) - 1)) - OFFSET


@njit(**_OPTIONS)
@no_type_check
def find(keys, key):
    """Number of the block with that key in the sorted `keys`, -1 if there is none."""
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < len(keys) and keys[low] == key else -1


@njit(**_OPTIONS)
@no_type_check
def depth_at(depth, confidence, x, y, reach):
    """Depth and confidence at pixel (x, y): bilinear where four pixels agree within `reach`, else the nearest's.

    A confidence of 0 means that there is none.
    """
    height, width = depth.shape
    column, row = int(x), int(y)
    if x < F(0) or y < F(0) or column >= width or row >= height:
        return F(0), F(0)
    left, top = int(max(x - F(0.5), F(0))), int(max(y - F(0.5), F(0)))
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    a, b, c, d = depth[top, left], depth[top, right], depth[bottom, left], depth[bottom, right]
    least = min(
        min(confidence[top, left], confidence[top, right]), min(confidence[bottom, left], confidence[bottom, right])
    )
    if least > F(0) and max(max(a, b), max(c, d)) - min(min(a, b), min(c, d)) < reach:
        u = min(max(x - F(0.5) - F(left), F(0)), F(1))
        v = min(max(y - F(0.5) - F(top), F(0)), F(1))
        return (a * (F(1) - u) + b * u) * (F(1) - v) + (c * (F(1) - u) + d * u) * v, confidence[row, column]
    return depth[row, column], confidence[row, column]


@njit(parallel=True, **_OPTIONS)
@no_type_check
def integrate(keys, origin, voxel, reach, depth, confidence, camera, distance, weight):
    """Take one depth map into the running averages of all voxels that it sees (Curless and Levoy 1996).

    `camera`: the rows of cam_from_world [3, 4] and fx, fy, cx, cy, as 16 numbers. What lies more than `reach` in front
    of the depth is free space and counts as 1; what lies more than `reach` behind it is not seen.
    """
    r = camera
    half = voxel * F(0.5) * F(SIDE - 1)
    for block in prange(len(keys)):
        key = keys[block]
        x0 = origin[0] + voxel * F(SIDE * coordinate_of(key, 0))
        y0 = origin[1] + voxel * F(SIDE * coordinate_of(key, 1))
        z0 = origin[2] + voxel * F(SIDE * coordinate_of(key, 2))
        if r[8] * (x0 + half) + r[9] * (y0 + half) + r[10] * (z0 + half) + r[11] + half * F(1.7320508) <= F(0):
            continue
        for i in range(VOXELS):
            px, py, pz = x0 + voxel * F(i & 7), y0 + voxel * F((i >> 3) & 7), z0 + voxel * F(i >> 6)
            z = r[8] * px + r[9] * py + r[10] * pz + r[11]
            if z <= F(1e-6):
                continue
            u = r[12] * (r[0] * px + r[1] * py + r[2] * pz + r[3]) / z + r[14]
            v = r[13] * (r[4] * px + r[5] * py + r[6] * pz + r[7]) / z + r[15]
            there, belief = depth_at(depth, confidence, u, v, reach)
            off = there - z
            if belief <= F(0) or off < -reach:
                continue
            before = weight[block, i]
            after = before + belief
            distance[block, i] = (distance[block, i] * before + min(F(1), off / reach) * belief) / after
            weight[block, i] = after
