"""Adam (Kingma & Ba 2015) over flat arrays, in place."""

import math
from typing import no_type_check

import numpy as np
from numba import njit, prange

F = np.float32
_CHUNKS = 64


@njit(parallel=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})
@no_type_check
def adam(values, gradient, mean, square, rate, beta1, beta2, step, epsilon):
    """One step with learning rates `rate[k]` that repeat along the array with period len(rate)."""
    count, period = len(values), len(rate)
    one = F(1)
    correction1 = F(1 / (1 - beta1**step))
    correction2 = F(1 / (1 - beta2**step))
    b1, b2, e = F(beta1), F(beta2), F(epsilon)
    rows = count // period
    for chunk in prange(_CHUNKS):
        for row in range(rows * chunk // _CHUNKS, rows * (chunk + 1) // _CHUNKS):
            for k in range(period):
                i = row * period + k
                g = gradient[i]
                m = b1 * mean[i] + (one - b1) * g
                v = b2 * square[i] + (one - b2) * g * g
                mean[i], square[i] = m, v
                values[i] -= rate[k] * (m * correction1) / (math.sqrt(v * correction2) + e)
