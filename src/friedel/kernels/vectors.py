"""Explicit vectors: LANES consecutive array elements handled as one value.

LLVM does not vectorise a loop that reads and writes through several pointers unless it can
prove that they do not overlap, and numba has no way to promise that. The operations here say
it directly. They become vector instructions of whatever width the processor has (LLVM splits
longer vectors), for float32 and float64 alike: the element type follows from the array.
Indices are not checked; arrays must be contiguous.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model
from numba.np.arrayobj import make_array

LANES = 8
"""Elements of one vector."""

_INT32 = ir.IntType(32)


class Vector(types.Type):
    """The numba type of LANES numbers of one floating-point type."""

    def __init__(self, element):
        self.element = element
        super().__init__(name=f"{element}x{LANES}")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """Its representation: an LLVM vector."""

    def __init__(self, manager, vector):
        element = manager.lookup(vector.element).get_value_type()
        super().__init__(manager, vector, ir.VectorType(element, LANES))


def _address(context, builder, array_type, array, index):
    return builder.gep(make_array(array_type)(context, builder, array).data, [index])


def _splat(builder, vector, scalar):
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
    zeros = ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES)
    return builder.shuffle_vector(one, undefined, zeros)


@intrinsic
def load(typing_context, array, index):
    """The elements array[index : index + LANES]."""
    vector = Vector(array.dtype)

    def generate(context, builder, signature, arguments):
        kind = context.get_value_type(vector)
        address = _address(context, builder, signature.args[0], *arguments)
        address = builder.bitcast(address, kind.as_pointer())
        return builder.load(address, align=array.dtype.bitwidth // 8, typ=kind)

    return vector(array, index), generate


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
def broadcast(typing_context, array, index):
    """A vector whose elements all are array[index]."""
    vector = Vector(array.dtype)

    def generate(context, builder, signature, arguments):
        scalar = builder.load(_address(context, builder, signature.args[0], *arguments))
        return _splat(builder, context.get_value_type(vector), scalar)

    return vector(array, index), generate


@intrinsic
def multiply(typing_context, x, y):
    """The product x * y."""

    def generate(context, builder, signature, arguments):
        return builder.fmul(*arguments)

    return x(x, y), generate


@intrinsic
def multiply_add(typing_context, x, y, z):
    """X * y + z, fused where the processor can."""

    def generate(context, builder, signature, arguments):
        kind = context.get_value_type(x)
        name = f"llvm.fmuladd.v{LANES}f{x.element.bitwidth}"
        function_type = ir.FunctionType(kind, [kind] * 3)
        function = cgutils.get_or_insert_function(builder.module, function_type, name)
        return builder.call(function, arguments)

    return x(x, y, z), generate


@intrinsic
def add(typing_context, x, y):
    """The sum x + y."""

    def generate(context, builder, signature, arguments):
        return builder.fadd(*arguments)

    return x(x, y), generate


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
