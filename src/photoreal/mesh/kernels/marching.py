"""Marching cubes over sparse voxels (Lorensen and Cline 1987).

The table is made here by one rule: on every face of a cube the corners behind the surface are cut off one by one
unless they are neighbours. Cubes that share a face agree on it, so the surface has no cracks. A cube with a corner
that was never seen gives nothing: the surface ends there.
"""

from itertools import pairwise
from typing import Any, no_type_check

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from photoreal.mesh.kernels.voxels import SIDE, VOXELS, coordinate_of, find, key_of

F = np.float32
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}
_FACES = ((0, 2, 6, 4), (1, 5, 7, 3), (0, 4, 5, 1), (2, 3, 7, 6), (0, 1, 3, 2), (4, 6, 7, 5))
"""Corners (x + 2 y + 4 z) of each face, counter-clockwise seen from outside."""
MOST = 5
"""Triangles in a cube at most, in the table below."""


def edge_of(one: int, other: int) -> int:
    """Number of the edge between two corners: 4 times its axis plus the place of its lower end among that axis'."""
    low, axis = min(one, other), (1, 2, 4).index(abs(one - other))
    rest = [bit for bit in range(3) if bit != axis]
    return 4 * axis + ((low >> rest[0]) & 1) + 2 * ((low >> rest[1]) & 1)


def table_of() -> NDArray[np.int8]:
    """[256, 3 MOST]: for each set of corners behind the surface, the edges of its triangles, then -1.

    Triangles turn counter-clockwise seen from the free side.
    """
    table = np.full((256, 3 * MOST), -1, np.int8)
    for behind in range(256):
        triangles = [edge for loop in _loops(behind) for edge in _fan(loop)]
        table[behind, : len(triangles)] = triangles
    return table


def _loops(behind: int) -> list[list[int]]:
    follows: dict[int, int] = {}
    for face in _FACES:
        inside = [(behind >> corner) & 1 for corner in face]
        crossings = [
            (edge_of(face[i], face[(i + 1) % 4]), inside[i] < inside[(i + 1) % 4])
            for i in range(4)
            if inside[i] != inside[(i + 1) % 4]
        ]
        # From each edge that goes behind the surface to the next one round the face, which comes out again.
        for i, (edge, enters) in enumerate(crossings):
            if enters:
                follows[crossings[(i + 1) % len(crossings)][0]] = edge
    loops: list[list[int]] = []
    while follows:
        start = next(iter(follows))
        loop = [start]
        while (edge := follows.pop(loop[-1])) != start:
            loop.append(edge)
        loops.append(loop)
    return loops


def _fan(loop: list[int]) -> list[int]:
    """Triangles of a loop about one of its edges, such that no diagonal lies in a face of the cube.

    There it might be a diagonal of the neighbour's too, and four triangles would meet in it.
    """
    turned = [loop[i:] + loop[:i] for i in range(len(loop))]
    free = next(t for t in turned if not any(_share_a_face(t[0], other) for other in t[2:-1]))
    return [edge for one, other in pairwise(free[1:]) for edge in (free[0], one, other)]


def _share_a_face(one: int, other: int) -> bool:
    edges = [{edge_of(face[i], face[(i + 1) % 4]) for i in range(4)} for face in _FACES]
    return any({one, other} <= face for face in edges)


TABLE = table_of()
"""See `table_of`."""


@njit(**_OPTIONS)
@no_type_check
def neighbours_of(keys, block, found):
    """Numbers of the blocks at (0 or 1, 0 or 1, 0 or 1) from a block, -1 where there is none."""
    key = keys[block]
    x, y, z = coordinate_of(key, 0), coordinate_of(key, 1), coordinate_of(key, 2)
    for i in range(8):
        found[i] = find(keys, key_of(x + (i & 1), y + ((i >> 1) & 1), z + (i >> 2))) if i else block


@njit(**_OPTIONS)
@no_type_check
def voxel_at(found, x, y, z):
    """Block and number in it of a voxel whose coordinates reach one beyond the first block; -1 where there is none."""
    neighbour = found[(x >> 3) + 2 * (y >> 3) + 4 * (z >> 3)]
    return neighbour, (x & 7) + 8 * (y & 7) + 64 * (z & 7)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def mark(keys, distance, weight, least, crossings, triangles, table):
    """Say which voxels own crossed edges (bit = axis) and count crossings and triangles of each block."""
    counts = np.zeros((len(keys), 2), np.int64)
    for block in prange(len(keys)):
        found = np.empty(8, np.int64)
        neighbours_of(keys, block, found)
        for i in range(VOXELS):
            x, y, z = i & 7, (i >> 3) & 7, i >> 6
            bits = 0
            if weight[block, i] > least:
                for axis in range(3):
                    other, j = voxel_at(found, x + (axis == 0), y + (axis == 1), z + (axis == 2))
                    seen = other >= 0 and weight[other, j] > least
                    if seen and (distance[block, i] < F(0)) != (distance[other, j] < F(0)):
                        bits |= 1 << axis
                        counts[block, 0] += 1
            crossings[block, i] = bits
            behind = 0
            for corner in range(8):
                other, j = voxel_at(found, x + (corner & 1), y + ((corner >> 1) & 1), z + (corner >> 2))
                if other < 0 or weight[other, j] <= least:
                    behind = 0
                    break
                if distance[other, j] < F(0):
                    behind |= 1 << corner
            triangles[block, i] = behind
            k = 0
            while k < len(table[behind]) and table[behind, k] >= 0:
                k += 3
            counts[block, 1] += k // 3
    return counts


@njit(parallel=True, **_OPTIONS)
@no_type_check
def place(keys, origin, voxel, distance, weight, crossings, first, numbers, vertices, beliefs):
    """Put a vertex on every crossed edge, where the distance is 0 by linear interpolation."""
    for block in prange(len(keys)):
        found = np.empty(8, np.int64)
        neighbours_of(keys, block, found)
        key = keys[block]
        n = first[block]
        for i in range(VOXELS):
            x, y, z = i & 7, (i >> 3) & 7, i >> 6
            for axis in range(3):
                if not (crossings[block, i] >> axis) & 1:
                    numbers[block, i, axis] = -1
                    continue
                other, j = voxel_at(found, x + (axis == 0), y + (axis == 1), z + (axis == 2))
                here, there = distance[block, i], distance[other, j]
                share = here / (here - there)
                vertices[n, 0] = origin[0] + voxel * (SIDE * coordinate_of(key, 0) + x + share * (axis == 0))
                vertices[n, 1] = origin[1] + voxel * (SIDE * coordinate_of(key, 1) + y + share * (axis == 1))
                vertices[n, 2] = origin[2] + voxel * (SIDE * coordinate_of(key, 2) + z + share * (axis == 2))
                beliefs[n] = min(weight[block, i], weight[other, j])
                numbers[block, i, axis] = n
                n += 1


@njit(parallel=True, **_OPTIONS)
@no_type_check
def connect(keys, triangles, numbers, first, faces, table):
    """Write the triangles of every cube as numbers of vertices."""
    for block in prange(len(keys)):
        found = np.empty(8, np.int64)
        neighbours_of(keys, block, found)
        n = first[block]
        for i in range(VOXELS):
            behind = triangles[block, i]
            x, y, z = i & 7, (i >> 3) & 7, i >> 6
            k = 0
            while k < len(table[behind]) and table[behind, k] >= 0:
                for corner in range(3):
                    edge = table[behind, k + corner]
                    axis, one, two = edge >> 2, edge & 1, (edge >> 1) & 1
                    dx = 0 if axis == 0 else one
                    dy = 0 if axis == 1 else (one if axis == 0 else two)
                    dz = 0 if axis == 2 else two
                    other, j = voxel_at(found, x + dx, y + dy, z + dz)
                    faces[n, corner] = numbers[other, j, axis]
                k += 3
                n += 1
