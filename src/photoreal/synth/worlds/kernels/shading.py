"""Kernels of colour: what is painted where rays meet triangles, and how light falls on it."""

import math
from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

F = np.float32
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(inline="always", **_OPTIONS)
@no_type_check
def _linear(value):
    """Linear light of a byte, nearly."""
    v = F(value) * F(1 / 255)
    return v * v * (F(0.3) * v + F(0.7))


@njit(**_OPTIONS)
@no_type_check
def _texel(texels, starts, sizes, texture, u, v, pixel, colour):
    """Fill in the linear colour at (u, v), in repeats of the texture, seen by a pixel that covers `pixel` of them."""
    level = int(min(F(len(sizes) - 1), max(F(0), math.log2(max(pixel * F(sizes[0]), F(1e-6))) + F(0.3))))
    side, start = sizes[level], starts[level]
    x, y = (u - math.floor(u)) * side - F(0.5), (v - math.floor(v)) * side - F(0.5)
    left, top = math.floor(x), math.floor(y)
    a, b = x - left, y - top
    for c in range(3):
        colour[c] = F(0)
    for i in range(2):
        for j in range(2):
            weight = (a if j else F(1) - a) * (b if i else F(1) - b)
            at = start + ((top + i) % side) * side + (left + j) % side
            for c in range(3):
                colour[c] += weight * _linear(texels[texture, at, c])


@njit(**_OPTIONS)
@no_type_check
def surfaces(
    hits, us, vs, ways, depths, focal, normals, places, axes, cover_of, covers, texels, starts, sizes, made, facing
):
    """Fill in for each ray that meets a triangle (`hits` >= 0) its paint in linear colour and the normal towards it.

    Args:
        covers: for each cover texture, repeats, tint (3), gloss, glow.
        depths: along the axis; a pixel covers depth / focal.
    """
    colour = np.empty(3, F)
    for ray in range(len(hits)):
        triangle = hits[ray]
        if triangle < 0:
            continue
        u, v = us[ray], vs[ray]
        w = F(1) - u - v
        cover = covers[cover_of[triangle]]
        n = normals[triangle]
        x = w * n[0, 0] + u * n[1, 0] + v * n[2, 0]
        y = w * n[0, 1] + u * n[1, 1] + v * n[2, 1]
        z = w * n[0, 2] + u * n[1, 2] + v * n[2, 2]
        d = ways[ray]
        length = math.sqrt(x * x + y * y + z * z) + F(1e-12)
        along = (x * d[0] + y * d[1] + z * d[2]) / length
        sign = F(-1) / length if along > F(0) else F(1) / length
        facing[ray, 0], facing[ray, 1], facing[ray, 2] = x * sign, y * sign, z * sign
        p, axis = places[triangle], axes[triangle]
        one, two = (1, 2) if axis == 0 else ((0, 2) if axis == 1 else (0, 1))
        a = w * p[0, one] + u * p[1, one] + v * p[2, one]
        b = w * p[0, two] + u * p[1, two] + v * p[2, two]
        far = math.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
        slant = min(F(6), far / max(abs(along), F(0.05)))
        repeats = cover[1] if cover[1] > F(0) else F(1)
        _texel(texels, starts, sizes, int(cover[0]), a, -b, depths[ray] / focal * slant * repeats, colour)
        for c in range(3):
            made[ray, c] = min(F(0.95), colour[c] * cover[2 + c])


@njit(**_OPTIONS)
@no_type_check
def lit(paint, facing, ways, hits, cover_of, covers, open_sky, towards, light, visible, ambient, total):
    """Add one light's share, and with an ambient colour above 0 that of all around, to the colours of rays.

    Args:
        open_sky: how much of what is around each place is free, 0 to 1.
        towards: for each ray the direction to the light, of length 1.
        light: its linear colour at each ray.
        visible: how much of it reaches each.
    """
    for ray in range(len(hits)):
        if hits[ray] < 0:
            continue
        cover = covers[cover_of[hits[ray]]]
        n, t, d = facing[ray], towards[ray], ways[ray]
        direct = max(F(0), n[0] * t[0] + n[1] * t[1] + n[2] * t[2]) * visible[ray]
        far = math.sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2])
        hx, hy, hz = t[0] - d[0] / far, t[1] - d[1] / far, t[2] - d[2] / far
        half = max(F(0), (n[0] * hx + n[1] * hy + n[2] * hz) / (math.sqrt(hx * hx + hy * hy + hz * hz) + F(1e-9)))
        shine = cover[5] * half**40 * visible[ray] * F(0.8) if direct > F(0) else F(0)
        above = F(0.62) + F(0.38) * n[2]
        for c in range(3):
            total[ray, c] += paint[ray, c] * direct * light[ray, c] + shine * light[ray, c]
            if ambient[c] > F(0):
                total[ray, c] += paint[ray, c] * (ambient[c] * above * open_sky[ray] + cover[6])


@njit(parallel=True, **_OPTIONS)
@no_type_check
def smoothed(values, depths, radius, result):
    """Fill in the mean of the neighbours' values at about the same depth."""
    height, width = values.shape
    for row in prange(height):
        for column in range(width):
            depth, total, whole = depths[row, column], F(0), F(0)
            for i in range(max(0, row - radius), min(height, row + radius + 1)):
                for j in range(max(0, column - radius), min(width, column + radius + 1)):
                    if abs(depths[i, j] - depth) < F(0.05) * depth:
                        total += values[i, j]
                        whole += F(1)
            result[row, column] = total / whole if whole > F(0) else values[row, column]
