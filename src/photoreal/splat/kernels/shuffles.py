"""Sixteen lanes across one another: transposed squares and many sums at once; hints and modes of the processor."""

import platform
from typing import Any, no_type_check

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from photoreal.splat.kernels.lanes import LANES, element_address, lanes

_FLOAT, _INT, _BYTE = ir.FloatType(), ir.IntType(32), ir.IntType(8)
_VECTOR, _INTS = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INT, LANES)
_X86 = platform.machine().lower() in ("x86_64", "amd64")
_ARM = platform.machine().lower() in ("aarch64", "arm64")


def _mixed(builder: Any, a: Any, b: Any, places: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(_INTS, places))


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Rows into columns: blocks of 1, 2, 4, 8 off the diagonal change places."""
    for block in (1, 2, 4, 8):
        upper = [c if not c & block else LANES + c - block for c in range(LANES)]
        lower = [c + block if not c & block else LANES + c for c in range(LANES)]
        for r in range(LANES):
            if not r & block:
                a, b = rows[r], rows[r | block]
                rows[r], rows[r | block] = _mixed(builder, a, b, upper), _mixed(builder, a, b, lower)
    return rows


def _totals(builder: Any, vectors: list[Any]) -> Any:
    """Lane i becomes the sum of vectors[i]: halves of segments are added, two vectors joined into one, four times."""
    zero = ir.Constant(_VECTOR, [0.0] * LANES)
    vectors = vectors + [zero] * (LANES - len(vectors))
    for segment in (16, 8, 4, 2):
        near = [v + s + j for v in (0, LANES) for s in range(0, LANES, segment) for j in range(segment // 2)]
        far = [place + segment // 2 for place in near]
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [
            zero if a is zero and b is zero else builder.fadd(_mixed(builder, a, b, near), _mixed(builder, a, b, far))
            for a, b in pairs
        ]
    return vectors[0]


@intrinsic
def totals(typing_context, values):
    """The sums of up to sixteen vectors: lane i is the sum of the lanes of values[i], and 0 beyond the last."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _totals(builder, cgutils.unpack_tuple(builder, args[0]))

    return lanes(values), generate


@intrinsic
def store_columns(typing_context, array, index, values):
    """Write sixteen records of sixteen numbers from `array[index]` on: number c of record r is lane r of values[c]."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = builder.bitcast(element_address(context, builder, sig, args), _VECTOR.as_pointer())
        for r, row in enumerate(_transposed(builder, cgutils.unpack_tuple(builder, args[2]))):
            builder.store(row, builder.gep(pointer, [_INT(r)]), align=4)
        return context.get_dummy_value()

    return types.void(array, index, values), generate


@intrinsic
def load_columns(typing_context, array, index):
    """Read sixteen records of sixteen numbers from `array[index]` on: lane r of result c is number c of record r."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = builder.bitcast(element_address(context, builder, sig, args), _VECTOR.as_pointer())
        rows = [builder.load(builder.gep(pointer, [_INT(r)]), align=4) for r in range(LANES)]
        return context.make_tuple(builder, sig.return_type, _transposed(builder, rows))

    return types.UniTuple(lanes, LANES)(array, index), generate


@intrinsic
def load_bytes(typing_context, array, index):
    """Sixteen uint8 from `array[index]` on, as numbers from 0 to 255."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.VectorType(_BYTE, LANES)
        pointer = builder.bitcast(element_address(context, builder, sig, args), kind.as_pointer())
        return builder.uitofp(builder.load(pointer, align=1), _VECTOR)

    return lanes(array, index), generate


@intrinsic
def load_two(typing_context, array, first, second):
    """Eight numbers from `array[first]` on, then eight from `array[second]` on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        half = ir.VectorType(_FLOAT, LANES // 2)
        places = ir.Constant(_INTS, list(range(LANES)))
        halves = [
            builder.load(builder.bitcast(_address_of(context, builder, sig, args, k), half.as_pointer()), align=4)
            for k in (1, 2)
        ]
        return builder.shuffle_vector(*halves, places)

    return lanes(array, first, second), generate


@intrinsic
def store_two(typing_context, array, first, second, value):
    """Write the first eight lanes from `array[first]` on, the others from `array[second]` on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        half = ir.VectorType(_FLOAT, LANES // 2)
        for k in (1, 2):
            places = ir.Constant(ir.VectorType(_INT, LANES // 2), [8 * (k - 1) + i for i in range(8)])
            pointer = builder.bitcast(_address_of(context, builder, sig, args, k), half.as_pointer())
            builder.store(builder.shuffle_vector(args[3], args[3], places), pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, first, second, lanes), generate


def _address_of(context: Any, builder: Any, sig: Any, args: Any, k: int) -> Any:
    pair = types.void(sig.args[0], sig.args[k])
    return element_address(context, builder, pair, [args[0], args[k]])


@intrinsic
def prefetch(typing_context, array, index):
    """Ask for the cache line of `array[index]`, which may lie outside of the array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = builder.bitcast(element_address(context, builder, sig, args), _BYTE.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _INT, _INT, _INT])
        function = builder.module.globals.get("llvm.prefetch.p0i8") or ir.Function(
            builder.module, kind, "llvm.prefetch.p0i8"
        )
        builder.call(function, [pointer, _INT(0), _INT(3), _INT(1)])
        return context.get_dummy_value()

    return types.void(array, index), generate


def _set_control_register(builder: Any, *, flush: bool) -> None:
    if _X86:
        slot = cgutils.alloca_once_value(builder, _INT(0x9FC0 if flush else 0x1F80))
        kind = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer()])
        name = "llvm.x86.sse.ldmxcsr"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        builder.call(function, [builder.bitcast(slot, _BYTE.as_pointer())])
    elif _ARM:
        wide = ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [wide])
        builder.asm(kind, "msr fpcr, $0", "r", [wide(1 << 24 if flush else 0)], side_effect=True)


def _switching(doc: str, *, flush: bool) -> Any:
    def switch(typing_context):
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            _set_control_register(builder, flush=flush)
            return context.get_dummy_value()

        return types.void(), generate

    switch.__doc__ = doc
    return intrinsic(switch)


flush_denormals = _switching(
    "From here on this thread takes denormal numbers for zero: they cost a hundred cycles.", flush=True
)
keep_denormals = _switching("From here on this thread computes with denormal numbers again.", flush=False)


@njit(cache=True, nogil=True)
@no_type_check
def aligned(length):
    """An uninitialised float32 array that starts on a cache line: vectors across two lines cost twice the time."""
    array = np.empty(length + LANES, np.float32)
    start = (-array.ctypes.data % 64) // 4
    return array[start : start + length]
