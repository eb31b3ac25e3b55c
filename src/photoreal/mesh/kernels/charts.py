"""Charts: connected faces that look roughly the same way, so that a projection along their mean normal is flat."""

import heapq
from typing import Any, no_type_check

import numpy as np
from numba import njit

_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}
_TURNS = 64
"""The mean normal is reckoned anew after so many faces more."""


@njit(**_OPTIONS)
@no_type_check
def grow(seeds, neighbours, smooth, normals, areas, least_smooth, least, charts, first):
    """Give every face whose chart is -1 a chart, numbered from `first` on; returns how many numbers are in use.

    Charts grow from the `seeds`, in that order, nearest in normal first, while the face's smoothed normal is within
    `least_smooth` (a cosine) of the chart's and its own normal within `least`.
    """
    chart = first
    for s in range(len(seeds)):
        seed = seeds[s]
        if charts[seed] >= 0:
            continue
        total = smooth[seed] * areas[seed]
        mean = smooth[seed].copy()
        heap = [(0.0, seed)]
        size = 0
        while len(heap) > 0:
            _, face = heapq.heappop(heap)
            if charts[face] >= 0:
                continue
            if size > 0:
                along = smooth[face, 0] * mean[0] + smooth[face, 1] * mean[1] + smooth[face, 2] * mean[2]
                own = normals[face, 0] * mean[0] + normals[face, 1] * mean[1] + normals[face, 2] * mean[2]
                if along < least_smooth or own < least:
                    continue
            charts[face] = chart
            size += 1
            for k in range(3):
                total[k] += smooth[face, k] * areas[face]
            if size < _TURNS or size % _TURNS == 0:
                length = np.sqrt(total[0] ** 2 + total[1] ** 2 + total[2] ** 2)
                if length > 0:
                    for k in range(3):
                        mean[k] = total[k] / length
            for k in range(3):
                other = neighbours[face, k]
                if other >= 0 and charts[other] < 0:
                    away = 0.0
                    for j in range(3):
                        away -= smooth[other, j] * mean[j]
                    heapq.heappush(heap, (away, other))
        chart += 1
    return chart


@njit(**_OPTIONS)
@no_type_check
def overlapping(flat, order, starts, widths, heights, found):
    """Mark faces whose middle of a unit square is covered by an earlier face of the same chart.

    `flat` [F, 3, 2]: corners in units of a texel, each chart's least corner at (0, 0); `order`: faces sorted by chart;
    `starts` [C + 1]: where each chart begins in it.
    """
    for chart in range(len(starts) - 1):
        width = widths[chart]
        owner = np.full(width * heights[chart], -1, np.int32)
        for i in range(starts[chart], starts[chart + 1]):
            face = order[i]
            ax, ay, bx, by, cx, cy = flat[face].ravel()
            twice = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
            if twice == 0.0:
                continue
            sign = 1.0 if twice > 0 else -1.0
            clash = False
            top, bottom = max(0, int(min(ay, by, cy) - 0.5)), min(heights[chart], int(max(ay, by, cy) + 0.5) + 1)
            left, right = max(0, int(min(ax, bx, cx) - 0.5)), min(width, int(max(ax, bx, cx) + 0.5) + 1)
            for y in range(top, bottom):
                for x in range(left, right):
                    px, py = x + 0.5, y + 0.5
                    # Strictly inside: neighbours share their edges.
                    one = sign * ((bx - ax) * (py - ay) - (px - ax) * (by - ay))
                    two = sign * ((cx - bx) * (py - by) - (px - bx) * (cy - by))
                    three = sign * ((ax - cx) * (py - cy) - (px - cx) * (ay - cy))
                    if one > 1e-6 and two > 1e-6 and three > 1e-6:
                        if owner[y * width + x] >= 0:
                            clash = True
                        else:
                            owner[y * width + x] = face
            found[face] = clash
