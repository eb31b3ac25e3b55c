"""One training step for the Gaussians that a view shows: gradients, penalties, Adam and exploring noise in one pass.

Adam (Kingma & Ba 2015) touches only Gaussians that are drawn, as in Mallick et al. 2024 (Taming 3DGS).
"""

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange

from photoreal.splat.harmonics import Y_0
from photoreal.splat.kernels.backward import block_backward, gather_pairs
from photoreal.splat.kernels.blocks import CHUNKS, OPACITY, SCALE, turn_length
from photoreal.splat.kernels.geometry import LOG2E, rotation_of, scales_of, view_direction
from photoreal.splat.kernels.lanes import (
    LANES,
    exp2,
    load,
    reciprocal,
    spread,
    square_root,
    store,
    where_less,
)
from photoreal.splat.kernels.projection import REACH, RECORD, quaternion_rows, row_triple
from photoreal.splat.kernels.shuffles import aligned, flush_denormals, keep_denormals, load_columns

F = np.float32
FAINT = 0.1
"""Noise moves only Gaussians of less opacity."""
NOISE = 1 << 16
"""Length of the table of normal deviates, to which one vector's length is added."""
BETA1, BETA2 = 0.9, 0.999
_B1, _B2, _EPSILON = F(BETA1), F(BETA2), F(1e-15)
_ONE, _ZERO, _Y0 = F(1), F(0), F(Y_0)
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(**_OPTIONS)
@no_type_check
def mean_opacity(numbers, at):
    """Opacity averaged over directions, up to the sigmoid's curvature."""
    return _ONE / (_ONE + exp2(load(numbers, at + OPACITY * LANES) * (-_Y0 * LOG2E)))


@njit(**_OPTIONS)
@no_type_check
def add_penalties(numbers, at, opacity_weight, scale_weight, out):
    """Add the gradient of opacity_weight * opacity + scale_weight * (sum of the scales), for each Gaussian."""
    o = mean_opacity(numbers, at)
    row = OPACITY * LANES
    store(out, row, load(out, row) + o * (_ONE - o) * (_Y0 * opacity_weight))
    s = scales_of(row_triple(numbers, at + SCALE * LANES))
    for k in range(3):
        row = (SCALE + k) * LANES
        store(out, row, load(out, row) + s[k] * scale_weight)


@njit(**_OPTIONS)
@no_type_check
def adam(numbers, mean, square, at, rows, drawn, out, rates, corrections):
    """One step of Adam along the gradients in `out`; Gaussians that are not drawn stay as they are."""
    c1, c2 = corrections
    zero = spread(_ZERO)
    for k in range(rows):
        o, g = at + LANES * k, load(out, LANES * k)
        m0, v0, x = load(mean, o), load(square, o), load(numbers, o)
        m, v = m0 * _B1 + g * (_ONE - _B1), v0 * _B2 + g * g * (_ONE - _B2)
        step = m * (rates[k] * c1) * reciprocal(square_root(v * c2) + _EPSILON)
        store(mean, o, where_less(zero, drawn, m, m0))
        store(square, o, where_less(zero, drawn, v, v0))
        store(numbers, o, where_less(zero, drawn, x - step, x))


@njit(**_OPTIONS)
@no_type_check
def deviates(noise, seed):
    """Sixteen normal deviates from a place in the table that depends on the seed alone."""
    mixed = np.uint32(seed) * np.uint32(2654435761)
    mixed ^= mixed >> np.uint32(15)
    mixed *= np.uint32(2246822519)
    mixed ^= mixed >> np.uint32(13)
    return load(noise, np.int64(mixed & np.uint32(NOISE - 1)))


@njit(**_OPTIONS)
@no_type_check
def explore(numbers, at, weight, noise, seed):
    """Move faint Gaussians at random, by noise shaped as they are (Kheradmand et al. 2024, eq. 8)."""
    o = mean_opacity(numbers, at)
    zero = spread(_ZERO)
    share = _ONE / (_ONE + exp2((o - F(0.005)) * (F(100) * LOG2E)))
    share = where_less(o, spread(F(FAINT)), share * weight, zero)
    R, _, _ = rotation_of(quaternion_rows(numbers, at))
    s = scales_of(row_triple(numbers, at + SCALE * LANES))
    n = (deviates(noise, seed), deviates(noise, seed + 1), deviates(noise, seed + 2))
    t0 = (R[0][0] * n[0] + R[1][0] * n[1] + R[2][0] * n[2]) * s[0] * s[0]
    t1 = (R[0][1] * n[0] + R[1][1] * n[1] + R[2][1] * n[2]) * s[1] * s[1]
    t2 = (R[0][2] * n[0] + R[1][2] * n[1] + R[2][2] * n[2]) * s[2] * s[2]
    for c in range(3):
        row = at + c * LANES
        store(numbers, row, load(numbers, row) + (R[c][0] * t0 + R[c][1] * t1 + R[c][2] * t2) * share)


@njit(**_OPTIONS)
@no_type_check
def note_need(numbers, at, cam, drawn, out, i, need, shown):
    """Add what density goes by: the gradient by the mean times its distance (Kerbl et al. 2023), and a sighting."""
    _, inverse = view_direction(row_triple(numbers, at), cam)
    g0, g1, g2 = row_triple(out, 0)
    pull, zero = square_root(g0 * g0 + g1 * g1 + g2 * g2) / inverse, spread(_ZERO)
    store(need, i, load(need, i) + where_less(zero, drawn, pull, zero))
    store(shown, i, load(shown, i) + where_less(zero, drawn, spread(_ONE), zero))


@njit(parallel=True, **_OPTIONS)
@no_type_check
def train(
    numbers, mean, square, blocks, counts, cam, smoothing, record, first, pair_gradient, features, rates, corrections,
    penalties, noise, noise_weight, seed, need, shown,
):  # fmt: skip
    """Update all Gaussians that are drawn. `rates` has one learning rate for each row of a block that is to learn."""
    size, rows = counts[0] * LANES, len(rates)
    length = turn_length(blocks)
    for chunk in prange(CHUNKS):
        flush_denormals()
        scratch = (aligned(16 * LANES), aligned(16 * LANES))
        sums, out = aligned(RECORD * LANES), aligned(size)
        out[:] = 0
        camera = aligned(16 * LANES)
        for turn in range(chunk * length, blocks, CHUNKS * length):
            for block in range(turn, min(turn + length, blocks)):
                if gather_pairs(block, first, pair_gradient, sums):
                    at = block * size
                    camera[:] = 0
                    block_backward(numbers, block, counts, cam, record, sums, features, smoothing, scratch, out, camera)
                    drawn = load_columns(record, block * LANES * RECORD)[REACH]
                    note_need(numbers, at, cam, drawn, out, block * LANES, need, shown)
                    add_penalties(numbers, at, penalties[0], penalties[1], out)
                    adam(numbers, mean, square, at, rows, drawn, out, rates, corrections)
                    if noise_weight > 0:
                        explore(
                            numbers,
                            at,
                            where_less(spread(_ZERO), drawn, spread(F(noise_weight)), spread(_ZERO)),
                            noise,
                            seed + 3 * block,
                        )
        keep_denormals()
