"""The operations of :mod:`friedel.kernels.simd` as LLVM's instructions, for numba."""

import math

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model
from numba.np.arrayobj import make_array

from friedel.kernels.simd import LANES

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)


class Vector(types.Type):
    """The numba type of a vector of numbers of one type, LANES of them by default."""

    def __init__(self, element, lanes=LANES):
        self.element, self.lanes = element, lanes
        super().__init__(name=f"{element}x{lanes}")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """The representation of :class:`Vector`: an LLVM vector."""

    def __init__(self, manager, vector):
        element = manager.lookup(vector.element).get_value_type()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))


def _address(context, builder, array_type, array, index):
    return builder.gep(make_array(array_type)(context, builder, array).data, [index])


def _splat(builder, vector, scalar):
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
    zeros = _constant(ir.VectorType(_INT32, vector.count), 0)
    return builder.shuffle_vector(one, undefined, zeros)


def _constant(kind, value):
    return ir.Constant(kind, [value] * kind.count)


def _load(context, builder, vector, array_type, array, index):
    kind = context.get_value_type(vector)
    address = _address(context, builder, array_type, array, index)
    address = builder.bitcast(address, kind.as_pointer())
    return builder.load(address, align=array_type.dtype.bitwidth // 8, typ=kind)


def _broadcast(context, builder, vector, array_type, array, index):
    scalar = builder.load(_address(context, builder, array_type, array, index))
    return _splat(builder, context.get_value_type(vector), scalar)


def _fused(builder, x, y, z):
    name = f"llvm.fmuladd.v{x.type.count}f{32 if isinstance(x.type.element, ir.FloatType) else 64}"
    function_type = ir.FunctionType(x.type, [x.type] * 3)
    function = cgutils.get_or_insert_function(builder.module, function_type, name)
    return builder.call(function, [x, y, z])


@intrinsic
def load(typing_context, array, index):
    """The elements array[index : index + LANES]."""
    vector = Vector(array.dtype)

    def generate(context, builder, signature, arguments):
        return _load(context, builder, vector, signature.args[0], *arguments)

    return vector(array, index), generate


@intrinsic
def load_like(typing_context, x, array, index):
    """Elements from array[index] on, as many as x has."""

    def generate(context, builder, signature, arguments):
        return _load(context, builder, x, signature.args[1], *arguments[1:])

    return x(x, array, index), generate


@intrinsic
def store(typing_context, array, index, value):
    """array[index : index + LANES] = value."""

    def generate(context, builder, signature, arguments):
        kind = context.get_value_type(value)
        address = _address(context, builder, signature.args[0], *arguments[:2])
        address = builder.bitcast(address, kind.as_pointer())
        builder.store(arguments[2], address, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, index, value), generate


@intrinsic
def store_all(typing_context, array, vectors):
    """Store a tuple of vectors contiguously, from the array's first element on."""

    def generate(context, builder, signature, arguments):
        array_type, array = signature.args[0], arguments[0]
        for m, vector in enumerate(cgutils.unpack_tuple(builder, arguments[1])):
            index = ir.Constant(_INT64, m * vector.type.count)
            address = _address(context, builder, array_type, array, index)
            address = builder.bitcast(address, vector.type.as_pointer())
            builder.store(vector, address, align=array_type.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, vectors), generate


@intrinsic
def broadcast(typing_context, array, index):
    """A vector whose elements all are array[index]."""
    vector = Vector(array.dtype)

    def generate(context, builder, signature, arguments):
        return _broadcast(context, builder, vector, signature.args[0], *arguments)

    return vector(array, index), generate


@intrinsic
def broadcast_like(typing_context, x, array, index):
    """A vector as long as x whose elements all are array[index]."""

    def generate(context, builder, signature, arguments):
        return _broadcast(context, builder, x, signature.args[1], *arguments[1:])

    return x(x, array, index), generate


@intrinsic
def zeros(typing_context, array):
    """A vector of the array's type whose elements are 0."""
    vector = Vector(array.dtype)

    def generate(context, builder, signature, arguments):
        return _constant(context.get_value_type(vector), 0.0)

    return vector(array), generate


@intrinsic
def wide_zeros(typing_context, array):
    """A vector of zeros twice as long, which some processors handle at once."""
    vector = Vector(array.dtype, 2 * LANES)

    def generate(context, builder, signature, arguments):
        return _constant(context.get_value_type(vector), 0.0)

    return vector(array), generate


@intrinsic
def lane_sum(typing_context, x):
    """The sum of all elements."""

    def generate(context, builder, signature, arguments):
        kind = arguments[0].type
        name = f"llvm.vector.reduce.fadd.v{kind.count}f{x.element.bitwidth}"
        function_type = ir.FunctionType(kind.element, [kind.element, kind])
        function = cgutils.get_or_insert_function(builder.module, function_type, name)
        zero = ir.Constant(kind.element, 0.0)
        return builder.call(function, [zero, arguments[0]], fastmath=("reassoc",))

    return x.element(x), generate


@intrinsic
def multiply(typing_context, x, y):
    """The product x * y."""

    def generate(context, builder, signature, arguments):
        return builder.fmul(*arguments)

    return x(x, y), generate


@intrinsic
def multiply_add(typing_context, x, y, z):
    """The value x * y + z, fused if the processor can."""

    def generate(context, builder, signature, arguments):
        return _fused(builder, *arguments)

    return x(x, y, z), generate


@intrinsic
def add(typing_context, x, y):
    """The sum x + y."""

    def generate(context, builder, signature, arguments):
        is_integer = isinstance(x.element, types.Integer)
        return builder.add(*arguments) if is_integer else builder.fadd(*arguments)

    return x(x, y), generate


@intrinsic
def constant(typing_context, array, value):
    """A vector of the array's type whose elements all are one number."""
    vector = Vector(array.dtype)

    def generate(context, builder, signature, arguments):
        number = context.cast(builder, arguments[1], signature.args[1], vector.element)
        return _splat(builder, context.get_value_type(vector), number)

    return vector(array, value), generate


@intrinsic
def steps(typing_context, array):
    """The vector 0, 1, 2, ... of the array's type."""
    vector = Vector(array.dtype)

    def generate(context, builder, signature, arguments):
        kind = context.get_value_type(vector)
        return ir.Constant(kind, [float(lane) for lane in range(LANES)])

    return vector(array), generate


@intrinsic
def maximum(typing_context, x, y):
    """The larger of each pair of elements, which must not be NaN."""

    def generate(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered(">", *arguments), *arguments)

    return x(x, y), generate


@intrinsic
def minimum(typing_context, x, y):
    """The smaller of each pair of elements, which must not be NaN."""

    def generate(context, builder, signature, arguments):
        return builder.select(builder.fcmp_ordered("<", *arguments), *arguments)

    return x(x, y), generate


@intrinsic
def zero_where_less(typing_context, value, x, y):
    """The elements of `value`, but zero where those of x are less than those of y."""

    def generate(context, builder, signature, arguments):
        zero = _constant(arguments[0].type, 0.0)
        return builder.select(builder.fcmp_ordered("<", *arguments[1:]), zero, arguments[0])

    return value(value, x, y), generate


@intrinsic
def exp(typing_context, x):
    """exp(x) where it and 2^(x / ln 2) are normal numbers: -87 < x < 88 in float32.

    exp(x) = 2^n exp(r), n the integer nearest to x / ln 2. Adding 1.5 * 2^(bits of the mantissa)
    rounds to an integer and leaves it in the lowest bits, from where it is shifted to the
    exponent. |r| < 0.35: the series' remainder is below a quarter of an epsilon.

    It must not be used in functions with fastmath, which would undo the rounding.
    """

    def generate(context, builder, signature, arguments):
        kind = context.get_value_type(x)
        bits = x.element.bitwidth
        mantissa, degree = {32: (23, 7), 64: (52, 13)}[bits]
        # ln 2 in two parts, so that n times the first is exact
        high = round(math.log(2.0) * 2**10) / 2**10 if bits == 32 else 0.6931471803691238
        low = math.log(2.0) - high if bits == 32 else 1.9082149292705877e-10
        integers = ir.VectorType(ir.IntType(bits), LANES)
        magic = _constant(kind, 1.5 * 2.0**mantissa)
        shifted = _fused(builder, arguments[0], _constant(kind, 1.0 / math.log(2.0)), magic)
        n = builder.fsub(shifted, magic)
        rest = _fused(builder, n, _constant(kind, -high), arguments[0])
        rest = _fused(builder, n, _constant(kind, -low), rest)
        series = _constant(kind, 1.0 / math.factorial(degree))
        for power in range(degree - 1, -1, -1):
            series = _fused(builder, series, rest, _constant(kind, 1.0 / math.factorial(power)))
        exponent = builder.shl(builder.bitcast(shifted, integers), _constant(integers, mantissa))
        return builder.bitcast(builder.add(builder.bitcast(series, integers), exponent), kind)

    return x(x), generate


@intrinsic
def fill(typing_context, x):
    """A vector whose elements all are x."""
    vector = Vector(x)

    def generate(context, builder, signature, arguments):
        return _splat(builder, context.get_value_type(vector), arguments[0])

    return vector(x), generate


@intrinsic
def divide(typing_context, x, y):
    """The quotient x / y."""

    def generate(context, builder, signature, arguments):
        return builder.fdiv(*arguments)

    return x(x, y), generate


@intrinsic
def negative(typing_context, x):
    """The vector -x."""

    def generate(context, builder, signature, arguments):
        return builder.fneg(*arguments)

    return x(x), generate


@intrinsic
def address(typing_context, array):
    """The address of an array's first element."""

    def generate(context, builder, signature, arguments):
        first = _address(context, builder, signature.args[0], arguments[0], ir.Constant(_INT64, 0))
        return builder.ptrtoint(first, _INT64)

    return types.int64(array), generate
