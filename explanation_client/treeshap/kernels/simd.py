"""Vectors of doubles for compiled loops: sixteen rows at once, or four quadrature points.

A loop written with these is one instruction stream: the compiler needs no proof that arrays do not
overlap, keeps sums in registers over the quadrature points, and splits a vector where the
machine's registers are shorter. Only compiled functions can call what is defined here.

Source: the extension interface of numba (``intrinsic``, ``register_model``) and the vector types
of LLVM.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic, models, register_model

__all__ = [
    "FEW",
    "WIDTH",
    "add",
    "bits_at_most",
    "div",
    "load",
    "load_few",
    "mul",
    "muladd",
    "one_minus",
    "splat",
    "splat_few",
    "store",
    "sub",
    "total",
    "where_above",
    "where_at_most",
]

WIDTH = 16
"""Lanes of the wide vector."""

FEW = 4
"""Lanes of the short vector."""


class VectorType(types.Type):
    """The compiler's name for some doubles in a register."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.form = ir.VectorType(ir.DoubleType(), lanes)
        super().__init__(name=f"float64x{lanes}")


_wide, _few = VectorType(WIDTH), VectorType(FEW)


def _instruction(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return numba's intrinsic under the type by which compiled functions call it."""
    return cast(Callable[..., Any], intrinsic(function))


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, kind.form)  # type: ignore[no-untyped-call]


def _pointer(context: Any, builder: Any, signature: Any, args: Any, form: Any) -> Any:
    """Return where ``args[0][args[1]]`` lies, as the place of a vector."""
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    position = context.cast(builder, args[1], signature.args[1], types.intp)
    return builder.bitcast(builder.gep(data, [position]), form.as_pointer())


def _constant(value: float, kind: Any) -> Any:
    return ir.Constant(kind.form, [value] * kind.lanes)


def _spread(context: Any, builder: Any, signature: Any, args: Any, which: int, kind: Any) -> Any:
    """Return a vector of one of the arguments."""
    number = context.cast(builder, args[which], signature.args[which], types.float64)
    undefined = ir.Constant(kind.form, ir.Undefined)
    one = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), kind.lanes), [0] * kind.lanes)
    return builder.shuffle_vector(one, undefined, mask)


def _loading(kind: VectorType) -> Callable[..., Any]:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, signature, args, kind.form), align=8)

    return generate


def _splatting(kind: VectorType) -> Callable[..., Any]:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _spread(context, builder, signature, args, 0, kind)

    return generate


def _pairing(name: str) -> Callable[..., Any]:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return getattr(builder, name)(args[0], args[1])

    return generate


@_instruction
def load(typing: Any, array: Any, index: Any) -> Any:
    """Return ``array[index : index + 16]`` of a 1-D contiguous float64 array."""
    return _wide(array, index), _loading(_wide)


@_instruction
def load_few(typing: Any, array: Any, index: Any) -> Any:
    """Return ``array[index : index + 4]`` of a 1-D contiguous float64 array."""
    return _few(array, index), _loading(_few)


@_instruction
def store(typing: Any, array: Any, index: Any, vector: Any) -> Any:
    """Write a vector to an array from ``index`` on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _pointer(context, builder, signature, args, vector.form)
        builder.store(args[2], place, align=8)
        return context.get_dummy_value()

    return types.void(array, index, vector), generate


@_instruction
def splat(typing: Any, number: Any) -> Any:
    """Return sixteen times the same number."""
    return _wide(number), _splatting(_wide)


@_instruction
def splat_few(typing: Any, number: Any) -> Any:
    """Return four times the same number."""
    return _few(number), _splatting(_few)


@_instruction
def add(typing: Any, a: Any, b: Any) -> Any:
    """Return ``a + b``."""
    return a(a, b), _pairing("fadd")


@_instruction
def sub(typing: Any, a: Any, b: Any) -> Any:
    """Return ``a - b``."""
    return a(a, b), _pairing("fsub")


@_instruction
def mul(typing: Any, a: Any, b: Any) -> Any:
    """Return ``a * b``."""
    return a(a, b), _pairing("fmul")


@_instruction
def div(typing: Any, a: Any, b: Any) -> Any:
    """Return ``a / b``."""
    return a(a, b), _pairing("fdiv")


@_instruction
def muladd(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c``, rounded once where the machine can."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # "contract" lets the machine fuse the two; without the unit for it they stay apart.
        product = builder.fmul(args[0], args[1], flags=("contract",))
        return builder.fadd(product, args[2], flags=("contract",))

    return a(a, b, c), generate


@_instruction
def one_minus(typing: Any, a: Any) -> Any:
    """Return ``1 - a``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fsub(_constant(1.0, a), args[0])

    return a(a), generate


@_instruction
def total(typing: Any, a: Any) -> Any:
    """Return the sum of a vector's numbers."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = [builder.extract_element(args[0], ir.Constant(ir.IntType(32), lane)) for lane in range(a.lanes)]
        while len(lanes) > 1:
            lanes = [builder.fadd(*pair) for pair in zip(lanes[::2], lanes[1::2], strict=True)]
        return lanes[0]

    return types.float64(a), generate


@_instruction
def where_at_most(typing: Any, a: Any, limit: Any) -> Any:
    """Return 1 where ``a <= limit``, else 0; NaN gives 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bound = _spread(context, builder, signature, args, 1, a)
        holds = builder.fcmp_ordered("<=", args[0], bound)
        return builder.select(holds, _constant(1.0, a), _constant(0.0, a))

    return a(a, limit), generate


@_instruction
def where_above(typing: Any, a: Any, limit: Any) -> Any:
    """Return 0 where ``a > limit``, else 1; NaN gives 1."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bound = _spread(context, builder, signature, args, 1, a)
        holds = builder.fcmp_ordered(">", args[0], bound)
        return builder.select(holds, _constant(0.0, a), _constant(1.0, a))

    return a(a, limit), generate


@_instruction
def bits_at_most(typing: Any, array: Any, index: Any, limit: Any, nan_too: Any) -> Any:
    """Return an int64 whose bit i says whether ``array[index + i] <= limit``, for 16 values.

    NaN counts as ``nan_too`` says.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _pointer(context, builder, signature, args, _wide.form)
        values = builder.load(place, align=8)
        bound = _spread(context, builder, signature, args, 2, _wide)
        without = builder.fcmp_ordered("<=", values, bound)
        with_nan = builder.fcmp_unordered("<=", values, bound)
        holds = builder.select(args[3], with_nan, without)
        packed = builder.bitcast(holds, ir.IntType(WIDTH))
        return builder.zext(packed, ir.IntType(64))

    return types.int64(array, index, limit, nan_too), generate
