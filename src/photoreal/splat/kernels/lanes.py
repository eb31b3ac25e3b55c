"""Sixteen float32 lanes as one numba value, written in generic LLVM vector IR.

LLVM lowers the type to whatever the processor has: one 512-bit register, two of 256 bits, or four of 128 bits (NEON,
SSE). Loads and stores neither check bounds nor wrap negative indices: callers pad their arrays.
"""

import math
import operator
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, lower_cast, models, register_model
from numba.np.arrayobj import make_array

LANES = 16

_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_VECTOR, _INTS = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INT, LANES)
_UNDEFINED = ir.Constant(_VECTOR, ir.Undefined)


class LanesType(types.Type):
    """The numba type of sixteen float32 lanes."""

    def __init__(self) -> None:
        super().__init__(name="Lanes16")


lanes = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _VECTOR)


def _spread(builder: Any, scalar: Any) -> Any:
    first = builder.insert_element(_UNDEFINED, scalar, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, _UNDEFINED, ir.Constant(_INTS, [0] * LANES))


@lower_cast(types.Float, LanesType)
@lower_cast(types.Integer, LanesType)
def _from_scalar(context: Any, builder: Any, source: Any, _target: Any, value: Any) -> Any:
    return _spread(builder, context.cast(builder, value, source, types.float32))


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once on a processor that can and twice on one that cannot."""
    return builder.call(_external(builder, "llvm.fmuladd.v16f32", _VECTOR, [_VECTOR] * 3), [a, b, c])


def _fused(builder: Any, instruction: str, args: Any) -> Any:
    """A sum or difference of which a side is a product, as one operation; None for anything else.

    LLVM could fuse them by itself (the flag `contract`), but chooses by the code around: the same function then
    rounds differently from one caller, or one order of compilation, to the next. What the source says decides here.
    """
    left, right = args
    if instruction in ("fadd", "fsub") and _is_product(right):
        a, b = right.operands
        return _multiply_add(builder, builder.fneg(a) if instruction == "fsub" else a, b, left)
    if instruction in ("fadd", "fsub") and _is_product(left):
        a, b = left.operands
        return _multiply_add(builder, a, b, builder.fneg(right) if instruction == "fsub" else right)
    return None


def _is_product(value: Any) -> bool:
    return isinstance(value, ir.Instruction) and value.opname == "fmul" and value.type == _VECTOR


def _declare_binary(op: Callable[..., Any], instruction: str) -> None:
    @infer_global(op)  # pyright: ignore[reportOptionalCall, reportUntypedClassDecorator] - numba has no types here
    class _Template(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            ours = any(isinstance(a, LanesType) for a in args)
            if len(args) == 2 and ours and all(isinstance(a, (LanesType, types.Float, types.Integer)) for a in args):
                return signature(lanes, lanes, lanes)
            return None

    @lower_builtin(op, lanes, lanes)
    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _fused(builder, instruction, args) or getattr(builder, instruction)(*args)


for _op, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _declare_binary(_op, _instruction)


def element_address(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Pointer to the second argument's element of the first, in the body of an intrinsic."""
    array = make_array(sig.args[0])(context, builder, args[0])
    index = context.cast(builder, args[1], sig.args[1], types.intp)
    return builder.gep(array.data, [index], inbounds=True)


def _external(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    known = builder.module.globals.get(name)
    return known or ir.Function(builder.module, ir.FunctionType(result, arguments), name)


@infer_global(operator.neg)  # pyright: ignore[reportOptionalCall, reportUntypedClassDecorator] - numba has no types here
class _Negation(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(lanes, lanes) if args == (lanes,) else None


@lower_builtin(operator.neg, lanes)
def _lower_negation(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0])


@intrinsic
def load(typing_context, array, index):
    """The sixteen values from `array[index]` on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = builder.bitcast(element_address(context, builder, sig, args), _VECTOR.as_pointer())
        return builder.load(pointer, align=4)

    return lanes(array, index), generate


@intrinsic
def store(typing_context, array, index, value):
    """Write sixteen values from `array[index]` on."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = builder.bitcast(element_address(context, builder, sig, args), _VECTOR.as_pointer())
        builder.store(args[2], pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, index, lanes), generate


@intrinsic
def item(typing_context, array, index):
    """`array[index]` without the check for negative indices."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(element_address(context, builder, sig, args))

    return array.dtype(array, index), generate


@intrinsic
def spread(typing_context, value):
    """The same number in every lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _spread(builder, context.cast(builder, args[0], sig.args[0], types.float32))

    return lanes(value), generate


def _numbers(doc: str, numbers: list[float]) -> Any:
    def constant(typing_context):
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return ir.Constant(_VECTOR, numbers)

        return lanes(), generate

    constant.__doc__ = doc
    return intrinsic(constant)


lane_numbers = _numbers("0, 1, ... 15.", [float(i) for i in range(LANES)])
lane_columns = _numbers("0, 1, ... 7, 0, 1, ... 7.", [float(i % 8) for i in range(LANES)])
lane_rows = _numbers("Eight times 0, then eight times 1.", [float(i // 8) for i in range(LANES)])


def _of_each_lane(name: str, doc: str) -> Any:
    def apply(typing_context, value):
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.call(_external(builder, f"llvm.{name}.v16f32", _VECTOR, [_VECTOR]), [args[0]])

        return lanes(lanes), generate

    apply.__doc__ = doc
    return intrinsic(apply)


absolute = _of_each_lane("fabs", "The absolute value of each lane.")
floor = _of_each_lane("floor", "The largest whole number not above each lane.")
square_root = _of_each_lane("sqrt", "The square root of each lane.")


def _comparing(comparison: str, doc: str) -> Any:
    def select(typing_context, left, right, if_true, if_false):
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.select(builder.fcmp_ordered(comparison, args[0], args[1]), args[2], args[3])

        return lanes(lanes, lanes, lanes, lanes), generate

    select.__doc__ = doc
    return intrinsic(select)


where_at_least = _comparing(">=", "`if_true` in the lanes where left >= right, else `if_false`.")
where_less = _comparing("<", "`if_true` in the lanes where left < right, else `if_false`.")


def _extreme(comparison: str, doc: str) -> Any:
    def choose(typing_context, left, right):
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.select(builder.fcmp_ordered(comparison, args[0], args[1]), args[0], args[1])

        return lanes(lanes, lanes), generate

    choose.__doc__ = doc
    return intrinsic(choose)


smaller = _extreme("<", "The smaller value of each lane.")
larger = _extreme(">", "The larger value of each lane.")


def _reducing(name: str, flags: tuple[str, ...], doc: str, *, starts: bool) -> Any:
    def reduce(typing_context, value):
        def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            head = [ir.Constant(_FLOAT, 0.0)] if starts else []
            function = _external(builder, name, _FLOAT, [_FLOAT] * len(head) + [_VECTOR])
            return builder.call(function, [*head, args[0]], fastmath=flags)

        return types.float32(lanes), generate

    reduce.__doc__ = doc
    return intrinsic(reduce)


total = _reducing("llvm.vector.reduce.fadd.v16f32", ("reassoc", "nsz"), "The sum of the lanes.", starts=True)
greatest = _reducing("llvm.vector.reduce.fmax.v16f32", ("nnan", "nsz"), "The largest lane.", starts=False)


def _exp2_coefficients(degree: int, middle: float) -> list[float]:
    """Weights of a polynomial for 2**x within 1/2 of `middle`, fitted at Chebyshev nodes: nearly the least error."""
    nodes = np.cos((np.arange(400) + 0.5) / 400 * np.pi) * 0.5 + middle
    return [float(c) for c in np.polyfit(nodes, 2.0**nodes, degree, w=2.0**-nodes)]


_EXP2, _EXP2_FROM_ZERO = _exp2_coefficients(5, 0.0), _exp2_coefficients(5, 0.5)
_ROUNDING = 1.5 * 2.0**23
"""Added to a float32 it leaves the nearest whole number in the lowest bits."""


def _constant(number: float) -> Any:
    return ir.Constant(_VECTOR, [number] * LANES)


def _polynomial(builder: Any, x: Any, coefficients: list[float]) -> Any:
    """Horner's scheme, highest power first."""
    value = _constant(coefficients[0])
    for coefficient in coefficients[1:]:
        value = _multiply_add(builder, value, x, _constant(coefficient))
    return value


def _target_has_avx512() -> bool:
    """Whether numba compiles for this machine as it is, and it has the 512-bit instructions that are used by name."""
    if os.environ.get("NUMBA_CPU_NAME") or os.environ.get("NUMBA_CPU_FEATURES"):
        return False
    features = binding.get_host_cpu_features()
    return bool(features.get("avx512f") and features.get("avx512dq"))


_AVX512 = _target_has_avx512()
_FLOOR, _CURRENT_ROUNDING = 1, 4


def _exp2_avx512(builder: Any, x: Any) -> Any:
    """x - floor(x) and the scaling by 2**floor(x) are one instruction each."""
    kinds = [_VECTOR, _INT, _VECTOR, ir.IntType(16), _INT]
    every = ir.IntType(16)(0xFFFF)
    reduce = _external(builder, "llvm.x86.avx512.mask.reduce.ps.512", _VECTOR, kinds)
    rest = builder.call(reduce, [x, _INT(_FLOOR), x, every, _INT(_CURRENT_ROUNDING)])
    mantissa = _polynomial(builder, rest, _EXP2_FROM_ZERO)
    kinds = [_VECTOR, _VECTOR, _VECTOR, ir.IntType(16), _INT]
    scale = _external(builder, "llvm.x86.avx512.mask.scalef.ps.512", _VECTOR, kinds)
    return builder.call(scale, [mantissa, x, mantissa, every, _INT(_CURRENT_ROUNDING)])


def _exp2(builder: Any, x: Any) -> Any:
    if _AVX512:
        return _exp2_avx512(builder, x)
    shifted = builder.fadd(x, _constant(_ROUNDING))
    mantissa = _polynomial(builder, builder.fsub(x, builder.fsub(shifted, _constant(_ROUNDING))), _EXP2)
    exponent = builder.shl(builder.bitcast(shifted, _INTS), ir.Constant(_INTS, [23] * LANES))
    return builder.bitcast(builder.add(builder.bitcast(mantissa, _INTS), exponent), _VECTOR)


@intrinsic
def exp2_within(typing_context, value):
    """2**x of each lane, relative error below 4e-7; outside of [-126, 127] any number."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _exp2(builder, args[0])

    return lanes(lanes), generate


@intrinsic
def exp2(typing_context, value):
    """2**x of each lane, relative error below 4e-7; x is clamped to [-126, 126]."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        low = builder.select(builder.fcmp_ordered(">", args[0], _constant(-126.0)), args[0], _constant(-126.0))
        return _exp2(builder, builder.select(builder.fcmp_ordered("<", low, _constant(126.0)), low, _constant(126.0)))

    return lanes(lanes), generate


@intrinsic
def reciprocal(typing_context, value):
    """One over each lane; on AVX-512 an estimate and a step of Newton's, relative error below 2e-7."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if not _AVX512:
            return builder.fdiv(_constant(1.0), args[0])
        every = ir.IntType(16)(0xFFFF)
        estimate = _external(builder, "llvm.x86.avx512.rcp14.ps.512", _VECTOR, [_VECTOR, _VECTOR, ir.IntType(16)])
        first = builder.call(estimate, [args[0], args[0], every])
        return builder.fmul(first, _multiply_add(builder, builder.fneg(args[0]), first, _constant(2.0)))

    return lanes(lanes), generate


@intrinsic
def log2(typing_context, value):
    """Base-2 logarithm of each lane, for positive normal numbers; absolute error below 2e-7 on [1/256, 1].

    With m in [1/sqrt(2), sqrt(2)) and s = (m - 1) / (m + 1), ln m = 2 (s + s^3/3 + s^5/5 + ...).
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def whole(number: int) -> Any:
            return ir.Constant(_INTS, [number] * LANES)

        bits = builder.sub(builder.bitcast(args[0], _INTS), whole(0x3F3504F3))
        exponent = builder.ashr(bits, whole(23))
        kept = builder.add(builder.and_(bits, whole(0x7FFFFF)), whole(0x3F3504F3))
        m = builder.bitcast(kept, _VECTOR)
        s = builder.fdiv(builder.fsub(m, _constant(1.0)), builder.fadd(m, _constant(1.0)))
        series = _polynomial(builder, builder.fmul(s, s), [2 / math.log(2) / k for k in (9, 7, 5, 3, 1)])
        return _multiply_add(builder, series, s, builder.sitofp(exponent, _VECTOR))

    return lanes(lanes), generate
