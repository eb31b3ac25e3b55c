"""Photos that meet on a surface: how each texel is shifted so that no step is left."""

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.mesh.kernels.labels import glance

F = np.float32
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def place_of(views, view):
    """Where a photo stands in a list; if it does not and there is room (-1), it does now; -1: there is no room."""
    for place in range(len(views)):
        if views[place] < 0:
            views[place] = view
        if views[place] == view:
            return place
    return -1


@njit(**_OPTIONS)
@no_type_check
def strips(faces, labels, starts, node_views, node_shares, node_offsets, views, weights, offsets):
    """The photos that each face's colours are mixed of: its own, then those of the faces that share its corners.

    Nodes, one for each photo at each vertex, are sorted by vertex: those of vertex v begin at `starts` [N + 1]. What is
    written, `views` [F, M] (-1: none), `weights` [F, M, 3] and `offsets` [F, M, 3, 3], holds for the three corners; a
    photo's offset at a corner that it has no part in is the mean of its others.
    """
    views[:], weights[:], offsets[:] = -1, F(0), F(0)
    for face in range(len(faces)):
        if labels[face] < 0:
            continue
        views[face, 0] = labels[face]
        for corner in range(3):
            vertex = faces[face, corner]
            for node in range(starts[vertex], starts[vertex + 1]):
                place = place_of(views[face], node_views[node]) if node_views[node] >= 0 else -1
                if place >= 0:
                    weights[face, place, corner] = node_shares[node]
                    offsets[face, place, corner] = node_offsets[node]
        for place in range(1, views.shape[1]):
            mean, count = np.zeros(3, F), 0
            for corner in range(3):
                if weights[face, place, corner] > F(0):
                    mean += offsets[face, place, corner]
                    count += 1
            for corner in range(3):
                if count > 0 and weights[face, place, corner] == F(0):
                    offsets[face, place, corner] = mean / F(count)


@njit(**_OPTIONS)
@no_type_check
def dot(a, b):
    """Product of two vectors of three."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit(**_OPTIONS)
@no_type_check
def encoded(value):
    """sRGB of linear light (IEC 61966-2-1)."""
    value = min(max(value, F(0)), F(1))
    return F(12.92) * value if value <= F(0.0031308) else F(1.055) * value ** F(1 / 2.4) - F(0.055)


@njit(parallel=True, **_OPTIONS)
@no_type_check
def shift(
    points, normals, faces, inside, views, weights, offsets, cameras, centres, images, depth, trust, gains, tolerance,
    light, shifts,
):  # fmt: skip
    """What is to be added to each point's colour [N, 3], sRGB, where it is that of its face's own photo.

    `inside` [N, 3]: barycentric weights in `faces` [N]. It is the photo's offset; near seams, the weighted mean of all
    photos there that see the point, each with its offset, less the own one.
    """
    for i in prange(len(points)):
        face = faces[i]
        pixel, across = np.empty(2, F), np.empty((2, 4), F)
        colour, own, mixed, total = np.empty(3, F), np.empty(3, F), np.zeros(3, F), F(0)
        for k in range(3):
            shifts[i, k] = dot(inside[i], offsets[face, 0, :, k])
        for place in range(views.shape[1]):
            share, view = dot(inside[i], weights[face, place]), views[face, place]
            if share > F(1) - F(1e-5):
                break
            if view < 0 or share <= F(0):
                continue
            seen = glance(
                view, points[i], normals[i], cameras, centres, images, depth, trust, gains, tolerance,
                light, pixel, across, colour,
            )  # fmt: skip
            if place == 0 and not seen:
                break
            if not seen:
                continue
            total += share
            for k in range(3):
                value = encoded(colour[k])
                if place == 0:
                    own[k] = value
                mixed[k] += share * (value - own[k] + dot(inside[i], offsets[face, place, :, k]))
        if total > F(0):
            for k in range(3):
                shifts[i, k] = mixed[k] / total
