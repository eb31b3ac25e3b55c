"""Gaussians sixteen at a time: block b of the flat array holds Gaussians 16 b ... 16 b + 15, one row for each number.

Rows: mean (3), log scale (3), quaternion wxyz (4), opacity harmonics, then colour harmonics with the channel fastest.
A last block that is not full is filled with Gaussians too transparent to be drawn.
"""

from typing import Any, no_type_check

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from photoreal.splat.kernels.lanes import LANES

MEAN, SCALE, QUATERNION, OPACITY = 0, 3, 6, 10
"""First row of each field; the colour's comes after the opacity's."""
CHUNKS = 64
"""Blocks are shared out in so many chunks, whatever the number of threads, so that sums have a fixed order."""
_TRANSPARENT = -100.0
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


@njit(parallel=True, **_OPTIONS)
@no_type_check
def write_rows(matrix, first, blocks):
    """Copy column c of `matrix` to row first + c of the blocks."""
    count, width = matrix.shape
    for chunk in prange(CHUNKS):
        for i in range(count * chunk // CHUNKS, count * (chunk + 1) // CHUNKS):
            for c in range(width):
                blocks[i // LANES, first + c, i % LANES] = matrix[i, c]


@njit(parallel=True, **_OPTIONS)
@no_type_check
def read_rows(blocks, first, matrix):
    """Copy row first + c of the blocks to column c of `matrix`."""
    count, width = matrix.shape
    for chunk in prange(CHUNKS):
        for i in range(count * chunk // CHUNKS, count * (chunk + 1) // CHUNKS):
            for c in range(width):
                matrix[i, c] = blocks[i // LANES, first + c, i % LANES]


@njit(parallel=True, **_OPTIONS)
@no_type_check
def reorder(blocks, order, out):
    """Gaussian order[i] of `blocks` becomes Gaussian i of `out`."""
    count, rows = len(order), blocks.shape[1]
    for chunk in prange(CHUNKS):
        for i in range(count * chunk // CHUNKS, count * (chunk + 1) // CHUNKS):
            block, lane = order[i] // LANES, order[i] % LANES
            for row in range(rows):
                out[i // LANES, row, i % LANES] = blocks[block, row, lane]


@njit(**_OPTIONS)
@no_type_check
def morton_codes(cells, codes):
    """Interleave the bits of ten-bit coordinates (Morton 1966): numbers near each other are near in space."""
    for i in range(len(cells)):
        code = 0
        for bit in range(10):
            for axis in range(3):
                code |= ((cells[i, axis] >> bit) & 1) << (3 * bit + axis)
        codes[i] = code


@njit(**_OPTIONS)
@no_type_check
def turn_length(blocks):
    """Chunks take turns at so many blocks: neighbours are drawn together, so none gets all the work of a view, while
    what lies together in memory is read together.
    """
    return max(1, min(16, blocks // (4 * CHUNKS)))


def aligned_empty(length: int, kind: type[np.generic] = np.float32) -> NDArray[Any]:
    """An uninitialised array that starts on a cache line: vectors that lie across two lines cost twice the time."""
    size = np.dtype(kind).itemsize
    array = np.empty(length + 64 // size, kind)
    start = -array.ctypes.data % 64 // size
    return array[start : start + length]


def aligned_zeros(*shape: int) -> NDArray[np.float32]:
    """Zeros that start on a cache line."""
    array = aligned_empty(int(np.prod(shape))).reshape(shape)
    array[...] = 0
    return array


def empty_blocks(count: int, rows: int) -> NDArray[np.float32]:
    """Blocks for `count` Gaussians with `rows` numbers each, all of them transparent."""
    blocks = aligned_zeros(-(-count // LANES), rows, LANES)
    blocks[:, QUATERNION] = 1
    blocks[:, OPACITY] = _TRANSPARENT
    return blocks


def pack(fields: tuple[NDArray[np.float32], ...]) -> NDArray[np.float32]:
    """Blocks [B, rows, 16] of means, quaternions, log scales, opacity harmonics [N Ko], colour harmonics [N Kc 3]."""
    means, quaternions, log_scales, opacities, colours = fields
    count = len(means)
    blocks = empty_blocks(count, OPACITY + opacities.shape[1] + 3 * colours.shape[1])
    write_rows(means, MEAN, blocks)
    write_rows(log_scales, SCALE, blocks)
    write_rows(quaternions, QUATERNION, blocks)
    write_rows(opacities, OPACITY, blocks)
    write_rows(colours.reshape(count, 3 * colours.shape[1]), OPACITY + opacities.shape[1], blocks)
    return blocks


def unpack(blocks: NDArray[np.float32], count: int, opacity_count: int) -> tuple[NDArray[np.float32], ...]:
    """The fields of `pack`, in its order."""
    widths = {MEAN: 3, QUATERNION: 4, SCALE: 3, OPACITY: opacity_count}
    widths[OPACITY + opacity_count] = blocks.shape[1] - OPACITY - opacity_count
    fields: list[NDArray[np.float32]] = []
    for first, width in widths.items():
        matrix = np.empty((count, width), np.float32)
        read_rows(blocks, first, matrix)
        fields.append(matrix)
    return *fields[:4], fields[4].reshape(count, widths[OPACITY + opacity_count] // 3, 3)
