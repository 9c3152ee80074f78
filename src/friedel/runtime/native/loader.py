"""Kernels as Python calls them: machine code that is kept in files, which LLVM loads.

The code of a kernel and one combination of types is a *variant*. It reads its arguments from
Python's objects itself, after it has compared their types with those that it is for, and releases
the interpreter lock while it runs.
"""

import ctypes
import functools
import json
import os
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from friedel.runtime.native.kept import Kept
from friedel.runtime.native.store import Store

Call = Callable[[tuple], Any]
"""A function of the arguments, which returns MISMATCH if they have other types than its own."""

MISMATCH = object()

FAILED = "a kernel failed: memory is lacking, or FRIEDEL_KERNELS=numba tells what it is"

NOT_KEPT = (
    "friedel: kernels are compiled, and will be each time, since no folder can be written to keep "
    "them: NUMBA_CACHE_DIR can name one"
)

SCALARS: dict[str, tuple[object, ...]] = {
    "bool": (bool, True),
    "int64": (int,),
    "float32": (np.float32, np.float32),
    "float64": (float, np.float64),
    "complex128": (complex, np.complex128),
}
"""Objects by which machine code recognises scalars: their types, and True."""


class Kernel:
    """A function that numba compiles, once for each combination of types of its arguments.

    Parameters
    ----------
    function
        The function in Python.
    options
        Options of ``numba.njit``.
    store
        Where machine code is kept.
    """

    def __init__(self, function: Callable, options: dict[str, Any], store: Store):
        functools.update_wrapper(self, function)
        self.py_func, self.options, self.store = function, options, store
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.calls: dict[str, Call] = {}
        """The variants of this process, by the texts of :func:`types_of`."""
        self._calls: tuple[Call, ...] = ()

    def __call__(self, *args: Any) -> Any:
        """What the function returns."""
        for call in self._calls:
            found = call(args)
            if found is not MISMATCH:
                return found
        args = _plain(args)
        types = types_of(args)
        found = self._call_for(types)(args)
        if found is MISMATCH:
            raise TypeError(f"{self.name} cannot read its arguments, of types {types}")
        return found

    def __reduce__(self) -> str:
        return self.py_func.__qualname__  # where pickle finds it in its module

    def _call_for(self, types: str) -> Call:
        with _lock:
            if types not in self.calls:
                self.calls[types] = self._provided(types)
                self._calls = tuple(self.calls.values())
        return self.calls[types]

    def _provided(self, types: str) -> Call:
        kept = self.store.read(self.name, types)
        if kept is None:
            from friedel.runtime.native.processes import compile_elsewhere

            if self.store.folder is None:
                _say_once(NOT_KEPT)
            kept, reason = compile_elsewhere(self, types)
        if kept is not None:
            reason = _what_is_missing(kept)
        if reason or kept is None:
            _say_once(f"friedel: numba runs the kernels itself, more slowly at first: {reason}")
            from friedel.runtime.native.builder import numba_function

            function = numba_function(self)
            return lambda args: function(*args) if types_of(args) == types else MISMATCH
        return _call_of(kept, types)


def _plain(x: Any) -> Any:
    """An argument, or its elements, as an object whose type machine code knows."""
    if isinstance(x, tuple):
        parts = map(_plain, x)
        return tuple(parts) if type(x) is tuple else type(x)(*parts)
    if isinstance(x, np.ndarray) and x.dtype.isnative and x.dtype.kind in "biufc":
        return np.asarray(x).view(np.dtype(x.dtype.name))  # int64 has two types in numpy
    if isinstance(x, np.bool_ | np.float64 | np.complex128 | np.int64):
        return x.item()
    return x


def types_of(args: tuple) -> str:
    """The types of arguments as a text: ``["float32[3]C", "int64", ["float64", "bool"]]``."""
    return json.dumps([_type_of(x) for x in args])


def _type_of(x: Any) -> Any:
    kind = type(x)
    if kind is np.ndarray:
        if not (x.dtype.isnative and x.flags.aligned):
            raise TypeError(f"got an array of {x.dtype!r}, expected aligned native numbers")
        layout = "C" if x.flags.c_contiguous else "F" if x.flags.f_contiguous else "A"
        return f"{x.dtype.name}[{x.ndim}]{layout}"
    if kind is tuple:
        return [_type_of(y) for y in x]
    if isinstance(x, tuple):
        return {f"{kind.__module__}:{kind.__qualname__}": [_type_of(y) for y in x]}
    for name, (known, *_) in SCALARS.items():
        if kind is known:
            return name
    raise TypeError(f"got {kind.__name__}, expected an array, a number, or a tuple of them")


def split_array(text: str) -> tuple[str, int, str] | None:
    """The dtype, dimensions and layout of an array's type; None if it is a scalar's."""
    dtype, bracket, rest = text.partition("[")
    if not bracket:
        return None
    n_dim, _, layout = rest.partition("]")
    return dtype, int(n_dim), layout


def class_and_parts(of_tuple: Any) -> tuple[type, list]:
    """The class of a tuple and the types of its elements."""
    if isinstance(of_tuple, list):
        return tuple, of_tuple
    ((name, parts),) = of_tuple.items()
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute), parts


def _expected(types: list) -> Iterator[object]:
    """The objects whose addresses the code of a variant compares, in the order of its checks."""
    for kind in types:
        if not isinstance(kind, str):
            of_tuple, parts = class_and_parts(kind)
            yield of_tuple
            yield from _expected(parts)
        elif array := split_array(kind):
            yield np.ndarray
            yield np.dtype(array[0]).type
        else:
            yield from SCALARS[kind]


_lock = threading.RLock()
_kept_alive: list[object] = []  # what machine code has the address of


@functools.cache
def _engine() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


def _what_is_missing(kept: Kept) -> str:
    """Functions of Python and C that this process lacks; LLVM would call address 0 for them."""
    import llvmlite.binding as llvm

    _engine()
    return ", ".join(name for name in kept.symbols if llvm.address_of_symbol(name) is None)


def _call_of(kept: Kept, types: str) -> Call:
    """The machine code as a function of the arguments."""
    import llvmlite.binding as llvm

    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(kept.code))
    engine.finalize_object()
    expected = list(_expected(json.loads(types)))
    table = (ctypes.c_void_p * (1 + len(expected)))(tuple.__basicsize__, *map(id, expected))
    of_code = engine.get_global_value_address(f"{kept.symbol}_expected")
    ctypes.c_void_p.from_address(of_code).value = ctypes.addressof(table)
    _kept_alive.extend([expected, table])
    prototype = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)
    run = prototype(engine.get_function_address(kept.symbol))
    layout, parts, is_tuple = kept.result or ("", [], True)
    size = struct.calcsize(layout)

    def call(args: tuple) -> Any:
        buffer = ctypes.create_string_buffer(size) if size else None
        status = run(args, buffer)
        if status == 1:
            return MISMATCH
        if status:
            raise MemoryError(FAILED)
        if buffer is None:
            return None
        found = _decoded(struct.unpack(layout, buffer.raw), parts)
        return found if is_tuple else found[0]

    return call


@functools.cache
def _free() -> Any:
    """The function of C that frees memory; to look it up takes longer than a small kernel."""
    free = ctypes.CDLL("msvcrt" if os.name == "nt" else None).free
    free.argtypes = [ctypes.c_void_p]
    return free


def _decoded(values: tuple, parts: list) -> tuple:
    """What a kernel returns: numbers, and arrays as copies of its memory, which is freed."""
    found: list[Any] = []
    at = 0
    for part in parts:
        if part is None:
            found.append(values[at])
            at += 1
            continue
        dtype, n_dim = part
        memory, _, n, size, data = values[at : at + 5]
        shape = values[at + 5 : at + 5 + n_dim]
        found.append(np.frombuffer(ctypes.string_at(data, n * size), dtype).reshape(shape).copy())
        references = ctypes.c_int64.from_address(memory)  # of the arrays that share it
        references.value -= 1
        if references.value == 0:
            _free()(memory)
        at += 5 + 2 * n_dim
    return tuple(found)


@functools.cache
def _say_once(text: str) -> None:
    print(text, file=sys.stderr)


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
