"""Explicit vectors: LANES consecutive array elements handled as one value.

LLVM does not vectorise a loop that reads and writes through several pointers unless it can
prove that they do not overlap, and numba has no way to promise that. The operations here say
it directly. They become vector instructions of whatever width the processor has (LLVM splits
longer vectors), for float32, float64 and integers alike: the element type follows from the array.
Indices are not checked; arrays must be contiguous.

:mod:`friedel.kernels.simd_llvm` says what each of them does.
"""

from friedel.kernels.compiled import operation

LANES = 8
"""Number of elements of one vector."""

add = operation("add")
address = operation("address")
broadcast = operation("broadcast")
broadcast_like = operation("broadcast_like")
constant = operation("constant")
divide = operation("divide")
exp = operation("exp")
fill = operation("fill")
lane_sum = operation("lane_sum")
load = operation("load")
load_like = operation("load_like")
maximum = operation("maximum")
minimum = operation("minimum")
multiply = operation("multiply")
multiply_add = operation("multiply_add")
negative = operation("negative")
steps = operation("steps")
store = operation("store")
store_all = operation("store_all")
wide_zeros = operation("wide_zeros")
zero_where_less = operation("zero_where_less")
zeros = operation("zeros")
