"""How many other views confirm a depth."""

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.mesh.kernels.voxels import depth_at

F = np.float32
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(parallel=True, **_OPTIONS)
@no_type_check
def confirm(depth, confidence, there_from_here, lens, other_depth, other_confidence, tolerance, votes):
    """Add one other view's word on each pixel: `votes` [H, W, 2] counts agreements and contradictions.

    `there_from_here`: 12 numbers [3, 4]; `lens`: fx, fy, cx, cy here and there. A view that sees something farther off
    contradicts, for it looks through; one that sees something nearer says nothing, for it may be in front.
    """
    height, width = depth.shape
    t = there_from_here
    for row in prange(height):
        for column in range(width):
            if confidence[row, column] <= F(0) or depth[row, column] == np.inf:
                continue
            z = depth[row, column]
            x = (F(column) + F(0.5) - lens[2]) / lens[0] * z
            y = (F(row) + F(0.5) - lens[3]) / lens[1] * z
            far = t[8] * x + t[9] * y + t[10] * z + t[11]
            if far <= F(1e-6):
                continue
            u = lens[4] * (t[0] * x + t[1] * y + t[2] * z + t[3]) / far + lens[6]
            v = lens[5] * (t[4] * x + t[5] * y + t[6] * z + t[7]) / far + lens[7]
            reach = tolerance * far
            seen, belief = depth_at(other_depth, other_confidence, u, v, reach)
            if belief <= F(0):
                continue
            if abs(seen - far) < reach:
                votes[row, column, 0] += F(1)
            elif seen > far:
                votes[row, column, 1] += F(1)
