"""Machine code of kernels by numba: object files that need neither numba nor its runtime.

Only this module knows numba. It uses five things that numba does not document: how a function takes
arrays and tuples (`call_conv`, `fndesc`), the options `no_cpython_wrapper` and `no_cfunc_wrapper`,
and of the code generator the attributes `_engine`, which is replaced, and `_tm`.
"""

import ctypes
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from llvmlite import ir
from numba import types

from friedel.runtime.native.kept import Kept, digest
from friedel.runtime.native.loader import SCALARS, Kernel, class_and_parts, split_array

MEMORY = Path(__file__).with_name("memory.ll")
"""What stands for numba's runtime: memory that a kernel allocates, and reshaping in C order."""

ALLOWED = {
    *("malloc", "free", "memset", "memcpy", "memmove"),
    *("exp", "log", "log10", "sin", "cos", "sincos", "sqrt", "pow"),
    *("PyErr_Occurred", "PyEval_RestoreThread", "PyEval_SaveThread"),
    "PyLong_AsLongLong",
}
"""Functions of other libraries that machine code may call."""

POINTER, WORD, INT = ir.IntType(8).as_pointer(), ir.IntType(64), ir.IntType(32)

OBJECT = object.__basicsize__
"""Offset (bytes) of what follows the head of an object."""

TYPE, BYTE_ORDER = OBJECT - 8, OBJECT + 10
"""Offsets (bytes) of the type of an object, and in a dtype after its type and two characters."""

DATA, N_DIM, SHAPE, STRIDES, DTYPE, FLAGS = (OBJECT + x for x in (0, 8, 16, 24, 40, 48))
"""Offsets (bytes) in an object of numpy's, which are part of its binary interface."""

C_ORDER, F_ORDER, ALIGNED = 0x1, 0x2, 0x100
LAYOUTS = {
    "C": (C_ORDER | ALIGNED, C_ORDER | ALIGNED),
    "F": (C_ORDER | F_ORDER | ALIGNED, F_ORDER | ALIGNED),
    "A": (C_ORDER | F_ORDER | ALIGNED, ALIGNED),
}
"""Flags of an array that are looked at, and what they must be."""


class BuildError(Exception):
    """Machine code that would call what only numba has."""


def build(kernel: Kernel, signature: str) -> Kept:
    """The machine code of a kernel for the types of :func:`friedel.runtime.native.types_of`.

    It must run in a process of its own: numba makes no code that can be called after it.
    """
    kinds = json.loads(signature)
    function = numba_function(kernel, no_cpython_wrapper=True, no_cfunc_wrapper=True)
    generator = function.targetctx.codegen()
    if not isinstance(generator._engine, _NoEngine):
        generator._engine = _NoEngine(generator._engine)
    numba_types = tuple(map(_numba_type, kinds))
    function.compile(numba_types)
    described = function.overloads[numba_types].fndesc
    symbol = "friedel_" + digest(f"{kernel.name} {signature}".encode())
    code = llvm.parse_assembly(function.inspect_llvm(numba_types))
    of_kernel = function.targetctx.call_conv.get_function_type(
        described.restype, described.argtypes
    )
    entry = _Entry(symbol, of_kernel, described.llvm_func_name, kinds)
    code.link_in(llvm.parse_assembly(str(entry.module)))
    memory = llvm.parse_assembly(MEMORY.read_text(encoding="utf-8"))
    code.link_in(memory)
    for defined in [*code.functions, *code.global_variables]:
        if not defined.is_declaration and not defined.name.startswith(symbol):
            defined.linkage = "internal"
    needed = {x.name for x in code.functions if x.is_declaration}
    needed = {name for name in needed if not name.startswith("llvm.")}
    if needed - ALLOWED:
        raise BuildError(f"{kernel.name} calls {', '.join(sorted(needed - ALLOWED))}")
    result = _result(described.restype)
    return Kept(symbol, result, sorted(needed), generator._tm.emit_object(code))


class _NoEngine:
    """In place of numba's engine: functions are compiled to be part of others, never to run."""

    _memory = ctypes.create_string_buffer(64)

    def __init__(self, engine: Any):
        self._engine = engine  # which owns what the generator uses

    def __getattr__(self, name: str) -> Any:
        return lambda *_: 1

    def get_global_value_address(self, name: str) -> int:
        return ctypes.addressof(self._memory)


class _Entry:
    """The function that Python calls, in LLVM's language: it checks and unpacks the arguments."""

    def __init__(self, symbol: str, of_kernel: ir.FunctionType, name: str, kinds: list):
        self.module = ir.Module(symbol)
        kernel = ir.Function(self.module, of_kernel, name)
        of_entry = ir.FunctionType(INT, [POINTER, POINTER])
        self._entry = ir.Function(self.module, of_entry, symbol)
        self._builder = ir.IRBuilder(self._entry.append_basic_block())
        self._mismatch = self._entry.append_basic_block()
        table = ir.GlobalVariable(self.module, POINTER, f"{symbol}_expected")
        table.initializer = ir.Constant(POINTER, None)
        self._table, self._checks = self._builder.load(table), 0
        # Where the elements of a tuple begin: Python 3.14 has made its head longer
        self._elements = self._builder.load(self._builder.bitcast(self._table, WORD.as_pointer()))
        args, place = self._entry.args
        values = [x for i, kind in enumerate(kinds) for x in self._unpacked(args, i, kind)]
        error = self._call("PyErr_Occurred", POINTER)  # an integer may have been too large
        self._require(self._builder.icmp_unsigned("==", error, ir.Constant(POINTER, None)))
        failed = self._run(kernel, of_kernel, place, values)
        self._builder.ret(self._builder.select(failed, ir.Constant(INT, 2), ir.Constant(INT, 0)))
        self._builder.position_at_end(self._mismatch)
        self._builder.ret(ir.Constant(INT, 1))

    def _run(
        self, kernel: ir.Function, of_kernel: ir.FunctionType, place: Any, values: list
    ) -> Any:
        """Call the kernel without the interpreter lock; whether it failed."""
        builder = self._builder
        unused = builder.alloca(of_kernel.args[0].pointee)  # a kernel always writes its result
        given = builder.icmp_unsigned("!=", place, ir.Constant(POINTER, None))
        result = builder.select(given, builder.bitcast(place, unused.type), unused)
        values = [result, builder.alloca(of_kernel.args[1].pointee), *values]
        values = [self._as(x, kind) for x, kind in zip(values, of_kernel.args, strict=True)]
        state = self._call("PyEval_SaveThread", POINTER)
        status = builder.call(kernel, values)
        self._call("PyEval_RestoreThread", ir.VoidType(), state)
        is_done = builder.icmp_signed("==", status, ir.Constant(INT, 0))
        returned_none = builder.icmp_signed("==", status, ir.Constant(INT, -2))
        return builder.not_(builder.or_(is_done, returned_none))

    def _unpacked(self, of_tuple: Any, i: int, kind: Any) -> Iterator[Any]:
        """What a kernel takes for an element of a tuple."""
        elements = self._builder.gep(of_tuple, [self._elements])
        value = self._load(elements, 8 * i, POINTER)
        is_type = self._is_next(self._load(value, TYPE, POINTER))
        if not isinstance(kind, str):
            parts = class_and_parts(kind)[1]
            self._require(is_type)
            self._require_number(self._load(value, OBJECT, WORD), len(parts))
            for j, part in enumerate(parts):
                yield from self._unpacked(value, j, part)
        elif array := split_array(kind):
            self._require(is_type)
            yield from self._unpacked_array(value, *array)
        elif kind == "bool":
            self._require(is_type)
            yield self._is_next(value)
        elif kind == "int64":
            self._require(is_type)
            yield self._call("PyLong_AsLongLong", WORD, value)
        else:  # a number of Python, or numpy's with the same layout
            of_numpy = self._is_next(self._load(value, TYPE, POINTER))
            self._require(self._builder.or_(is_type, of_numpy))
            real = ir.FloatType() if kind == "float32" else ir.DoubleType()
            for offset in (0, 8) if kind == "complex128" else (0,):
                yield self._load(value, OBJECT + offset, real)

    def _unpacked_array(self, array: Any, dtype: str, n_dim: int, layout: str) -> Iterator[Any]:
        """Owners (none), number of elements, size of one, address, lengths and strides."""
        builder = self._builder
        of_dtype = self._load(array, DTYPE, POINTER)
        self._require(self._is_next(self._load(of_dtype, OBJECT, POINTER)))
        order = self._load(of_dtype, BYTE_ORDER, ir.IntType(8))
        self._require_number(order, ord(np.dtype(dtype).byteorder))
        self._require_number(self._load(array, N_DIM, INT), n_dim)
        mask, flags = LAYOUTS[layout]
        self._require_number(
            builder.and_(self._load(array, FLAGS, INT), ir.Constant(INT, mask)), flags
        )
        lengths, strides = (
            [self._load(self._load(array, offset, POINTER), 8 * i, WORD) for i in range(n_dim)]
            for offset in (SHAPE, STRIDES)
        )
        n = ir.Constant(WORD, 1)
        for length in lengths:
            n = builder.mul(n, length)
        owner = ir.Constant(POINTER, None)
        size = ir.Constant(WORD, np.dtype(dtype).itemsize)
        yield from (owner, owner, n, size, self._load(array, DATA, POINTER), *lengths, *strides)

    def _load(self, address: Any, offset: int, kind: ir.Type) -> Any:
        place = self._builder.gep(address, [ir.Constant(WORD, offset)])
        return self._builder.load(self._builder.bitcast(place, kind.as_pointer()))

    def _is_next(self, address: Any) -> Any:
        self._checks += 1
        expected = self._load(self._table, 8 * self._checks, POINTER)
        return self._builder.icmp_unsigned("==", address, expected)

    def _require_number(self, number: Any, expected: int) -> None:
        self._require(self._builder.icmp_signed("==", number, ir.Constant(number.type, expected)))

    def _require(self, condition: Any) -> None:
        following = self._entry.append_basic_block()
        self._builder.cbranch(condition, following, self._mismatch)
        self._builder.position_at_end(following)

    def _call(self, name: str, returns: ir.Type, *values: Any) -> Any:
        known = self.module.globals.get(name)
        kind = ir.FunctionType(returns, [x.type for x in values])
        return self._builder.call(known or ir.Function(self.module, kind, name), values)

    def _as(self, value: Any, kind: ir.Type) -> Any:
        if isinstance(kind, ir.PointerType):
            return self._builder.bitcast(value, kind)
        if isinstance(kind, ir.IntType) and kind.width > value.type.width:
            return self._builder.zext(value, kind)
        return value


def _numba_type(kind: Any) -> Any:
    if not isinstance(kind, str):
        of_tuple, parts = class_and_parts(kind)
        own = () if of_tuple is tuple else (of_tuple,)
        return types.BaseTuple.from_types([_numba_type(x) for x in parts], *own)
    if kind in SCALARS:
        return getattr(types, kind if kind != "bool" else "boolean")
    array = split_array(kind)
    assert array is not None
    return types.Array(numba.from_dtype(np.dtype(array[0])), *array[1:])


def _result(returned: Any) -> tuple[str, list[Any], bool] | None:
    """How :mod:`friedel.runtime.native.loader` reads what is returned."""
    if returned == types.none:
        return None
    is_tuple = isinstance(returned, types.BaseTuple)
    layout = ""
    parts: list[Any] = []
    for part in returned if is_tuple else [returned]:
        if isinstance(part, types.Array):
            layout += f"{5 + 2 * part.ndim}q"
            parts.append((str(part.dtype), part.ndim))
        else:
            layout += np.dtype(str(part)).char
            parts.append(None)
    struct.calcsize(layout)  # an error for what the loader cannot read
    return layout, parts, is_tuple


_functions: dict[tuple, Any] = {}
_names: dict[tuple, dict[str, Any]] = {}


def numba_function(kernel: Kernel, **options: bool) -> Any:
    """A kernel as numba's own function, which keeps nothing; so are the kernels that it calls."""
    key = kernel.name, *options
    if key not in _functions:
        python, names = kernel.py_func, _names_of(sys.modules[kernel.__module__], options)
        same = FunctionType(python.__code__, names, python.__name__, python.__defaults__)
        _functions[key] = numba.njit(**kernel.options, **options)(same)
    return _functions[key]


def _names_of(module: ModuleType, options: dict[str, bool]) -> dict[str, Any]:
    key = module.__name__, *options
    if key not in _names:
        _names[key] = names = dict(vars(module))
        for name, value in vars(module).items():
            if isinstance(value, Kernel):
                names[name] = numba_function(value, **options)
            elif hasattr(value, "for_numba"):
                names[name] = value.for_numba()
            elif any(isinstance(x, Kernel) for x in getattr(value, "__dict__", {}).values()):
                names[name] = ModuleType(value.__name__)
                vars(names[name]).update(_names_of(value, options))
    return _names[key]
