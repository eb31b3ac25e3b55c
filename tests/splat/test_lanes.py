"""Sixteen lanes compute what numpy computes."""

import numpy as np
import pytest
from numba import njit

from photoreal.splat.kernels import lanes, shuffles
from photoreal.splat.kernels.blocks import aligned_empty, morton_codes, pack, reorder, unpack
from photoreal.splat.kernels.lanes import exp2, exp2_within, load, log2, reciprocal, square_root, store
from photoreal.splat.kernels.shuffles import load_bytes, load_columns, store_columns, totals


@njit
def each(values, out):
    for i in range(0, len(values) // 5, 16):
        n = len(values) // 5
        store(out, i, exp2_within(load(values, i)))
        store(out, n + i, exp2(load(values, n + i)))
        store(out, 2 * n + i, log2(load(values, 2 * n + i)))
        store(out, 3 * n + i, reciprocal(load(values, 3 * n + i)))
        store(out, 4 * n + i, -square_root(load(values, 4 * n + i)))


@njit
def across(values, out):
    store_columns(out, 0, load_columns(values, 0))
    columns = load_columns(values, 0)
    store(out, 256, columns[3])
    store(out, 272, totals((load(values, 0), load(values, 16), load(values, 32))))


@njit
def from_bytes(values, out):
    store(out, 0, load_bytes(values, 3))


def test_functions_of_each_lane():
    generator = np.random.default_rng(0)
    n = 1600
    parts = [
        generator.uniform(-100, 100, n),
        np.concatenate([generator.uniform(-126, 126, n - 2), [-1000, 1000]]),
        np.exp(generator.uniform(-20, 20, n)),
        generator.uniform(0.01, 1, n),
        generator.uniform(0, 9, n),
    ]
    values = np.concatenate(parts).astype(np.float32)
    out = np.empty_like(values)
    each(values, out)
    within, clamped, logarithm, inverse, root = np.split(out.astype(np.float64), 5)
    a, b, c, d, e = np.split(values.astype(np.float64), 5)
    assert np.abs(within / 2**a - 1).max() < 4e-7
    assert np.abs(clamped / 2 ** b.clip(-126, 126) - 1).max() < 4e-7
    assert np.abs(logarithm - np.log2(c)).max() < 3e-6
    small = (c > 1 / 256) & (c < 1)
    assert np.abs(logarithm - np.log2(c))[small].max() < 5e-7
    assert np.abs(inverse * d - 1).max() < 2e-7
    assert np.abs(root + np.sqrt(e)).max() < 1e-6


def test_lanes_change_places():
    values = np.random.default_rng(1).normal(size=256).astype(np.float32)
    out = np.zeros(288, np.float32)
    across(values, out)
    assert np.array_equal(out[:256], values)
    assert np.array_equal(out[256:272], values.reshape(16, 16)[:, 3])
    np.testing.assert_allclose(out[272:275], values.reshape(16, 16)[:3].sum(1), rtol=1e-5, atol=1e-6)
    assert not out[275:].any()
    numbers = np.arange(30).astype(np.uint8) * 8
    from_bytes(numbers, out)
    assert np.array_equal(out[:16], numbers[3:19].astype(np.float32))


def test_blocks_hold_what_was_packed():
    generator = np.random.default_rng(2)
    shapes = ((21, 3), (21, 4), (21, 3), (21, 4), (21, 9, 3))
    fields = tuple(generator.normal(size=shape).astype(np.float32) for shape in shapes)
    blocks = pack(fields)
    assert blocks.shape == (2, 10 + 4 + 27, 16)
    assert blocks.ctypes.data % 64 == 0
    for field, again in zip(fields, unpack(blocks, 21, 4), strict=True):
        assert np.array_equal(field, again)
    order = generator.permutation(21)
    turned = np.zeros_like(blocks)
    reorder(blocks, order, turned)
    for field, again in zip(fields, unpack(turned, 21, 4), strict=True):
        assert np.array_equal(field[order], again)


def test_morton_codes_interleave_bits():
    cells = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [3, 0, 0], [1023, 1023, 1023]])
    codes = np.empty(5, np.int64)
    morton_codes(cells, codes)
    assert codes.tolist() == [1, 2, 4, 9, 2**30 - 1]


@pytest.mark.parametrize("length", [1, 5, 100])
def test_aligned_arrays_start_on_a_cache_line(length: int):
    for kind in (np.float32, np.int32, np.uint8):
        array = aligned_empty(length, kind)
        assert len(array) == length
        assert array.dtype == kind
        assert array.ctypes.data % 64 == 0
    assert shuffles.aligned(length).ctypes.data % 64 == 0


def test_a_named_processor_gets_generic_code(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NUMBA_CPU_NAME", "haswell")
    assert not lanes._target_has_avx512()


@njit
def sums_of_products(values, out):
    a, b, c = load(values, 0), load(values, 16), load(values, 32)
    store(out, 0, a * b + c)
    store(out, 16, c - a * b)
    store(out, 32, a * b - c)


def test_what_is_fused_is_written_down():
    """LLVM may not choose: it would round a kernel that was compiled and the same one from the store differently."""
    values, out = np.random.default_rng(0).uniform(1, 2, 48).astype(np.float32), np.empty(48, np.float32)
    sums_of_products(values, out)
    a, b, c = values.astype(np.float64).reshape(3, 16)
    assert np.abs(out.reshape(3, 16) - [a * b + c, c - a * b, a * b - c]).max() < 3e-7
    code = "\n".join(sums_of_products.inspect_llvm().values())
    assert code.count("@llvm.fmuladd.v16f32(<16") >= 3
    assert not any(flag in code for flag in (" contract ", " fast ", " reassoc "))
