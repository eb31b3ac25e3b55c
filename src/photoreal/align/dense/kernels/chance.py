"""Numbers that look random and follow from what they are for alone, so that threads do not matter."""

import math
from typing import no_type_check

import numpy as np
from numba import njit

from photoreal.align.dense.kernels.likeness import OPTIONS

F = np.float32


@njit(inline="always", **OPTIONS)
@no_type_check
def chance(state):
    """The next state of 1 integer, and a number in [0, 1) from it (Steele et al. 2014, SplitMix64)."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return state, F(z >> np.uint64(40)) * F(1 / (1 << 24))


@njit(inline="always", **OPTIONS)
@no_type_check
def facing(state, rx, ry, rz):
    """The next state, and a normal that faces a camera which looks along a ray, all such equally likely."""
    state, a = chance(state)
    state, b = chance(state)
    z = F(2) * a - F(1)
    r = math.sqrt(max(F(0), F(1) - z * z))
    angle = F(2 * math.pi) * b
    x, y = r * math.cos(angle), r * math.sin(angle)
    if x * rx + y * ry + z * rz > F(0):
        return state, -x, -y, -z
    return state, x, y, z
