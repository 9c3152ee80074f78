"""Kernels as machine code: each kind of argument and result, with the bits of numba's functions."""

import pickle
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from friedel.runtime.native import builder
from friedel.runtime.native.loader import Kernel
from friedel.runtime.native.store import Store

SOURCE = """
from typing import NamedTuple
import numpy as np
from friedel.kernels.compiled import njit
from friedel.runtime.native.loader import Kernel

class Pair(NamedTuple):
    first: np.ndarray
    second: float

def scalars(a, b, c, d, out):
    out[0], out[1], out[2], out[3] = a, b, c, d.real - d.imag

def shape_and_strides(x):
    return x.shape[0], x.shape[-1], x.strides[0], x.sum()

def returned(n, x):
    made = np.arange(n) * x
    return made, made.reshape(-1), np.full((2, n), x, np.float32), n, x, n > 2

def nothing(x):
    x[0] += 1

def one_array(n):
    return np.zeros((n, 2), np.bool_)

def of_tuples(pair, more, out):
    for i in range(len(out)):
        out[i] = pair.first[i] * pair.second + more[0][i] + more[1][0] * more[1][1]

def too_much(n):
    return np.empty((n, n))[0, 0]

def slices(x):
    x[:] = x * 2.0
"""


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    """A module of kernels, which processes that compile can import, too."""
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "some_kernels.py").write_text(
        SOURCE
        + f"""
from friedel.runtime.native.store import Store
from pathlib import Path
STORE = Store(Path(__file__).parent)
for name in {[line[4:].partition("(")[0] for line in SOURCE.splitlines() if line[:4] == "def "]}:
    globals()[name] = Kernel(globals()[name], {{"nogil": True}}, STORE)
"""
    )
    sys.path.insert(0, str(folder))
    import some_kernels

    yield some_kernels
    sys.path.remove(str(folder))


class Subclass(np.ndarray):
    pass


def same(found, expected):
    assert type(found) is type(expected)
    if isinstance(found, tuple):
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif isinstance(found, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


def check(kernel: Kernel, *args):
    """The result is that of the function of numba."""
    found = kernel(*args)
    same(found, builder.numba_function(kernel)(*args))
    return found


def test_numbers(kernels):
    for values in ((1, 0.5, True, 1 + 2j), (-(2**62), 1e300, False, -2j)):
        one, other = np.empty(4), np.empty(4)
        kernels.scalars(*values, one)
        builder.numba_function(kernels.scalars)(*values, other)
        np.testing.assert_array_equal(one, other)
    of_numpy = np.int64(1), np.float64(0.5), np.bool_(True), np.complex128(1 + 2j)
    kernels.scalars(*of_numpy, one)
    np.testing.assert_array_equal(one, [1.0, 0.5, 1.0, -1.0])
    assert len(kernels.scalars.calls) == 1  # the same code for all of them
    kernels.scalars(1.0, 0.5, True, 1j, one)
    assert len(kernels.scalars.calls) == 2
    kernels.scalars(1, np.float32(0.1), True, 1j, one)
    assert one[1] == np.float32(0.1)
    assert len(kernels.scalars.calls) == 3
    with pytest.raises(OverflowError):
        kernels.scalars(2**63, 0.5, True, 1j, one)
    kernels.scalars(1, 0.5, True, 1j, one)  # nothing is left of the error


def test_arrays(kernels):
    x = np.arange(24.0).reshape(4, 6)
    for dtype in (np.float32, np.float64, np.int32, np.uint8):
        for y in (x, x.T, x[::2, ::3], x[:0], x[:1], x[:, :1], x.reshape(2, 3, 4)):
            check(kernels.shape_and_strides, y.astype(dtype, order="K"))
    check(kernels.shape_and_strides, x[::2, ::3])
    frozen = x.copy()
    frozen.setflags(write=False)
    pickled = pickle.loads(pickle.dumps(x))
    assert pickled.dtype is not x.dtype
    known = len(kernels.shape_and_strides.calls)
    check(kernels.shape_and_strides, pickled)
    check(kernels.shape_and_strides, frozen)
    check(kernels.shape_and_strides, x.view(Subclass))
    assert len(kernels.shape_and_strides.calls) == known
    check(kernels.shape_and_strides, np.ones(3, np.longlong))
    for unknown in (x.astype(">f8"), np.frombuffer(b"x" * 17, "u1")[1:].view("f8"), "text", None):
        with pytest.raises(TypeError, match="expected"):
            kernels.shape_and_strides(unknown)


def test_results(kernels):
    for n in (0, 1, 5):
        check(kernels.returned, n, 0.5)
        check(kernels.one_array, n)
    x = np.zeros(2)
    assert kernels.nothing(x) is None
    assert x[0] == 1.0


def test_tuples(kernels):
    pair, out = kernels.Pair(np.ones(3), 2.0), np.empty(3)
    for given in (
        pair,
        pickle.loads(pickle.dumps(pair)),
        pair._replace(first=pair.first.view(Subclass)),
    ):
        out[:] = 0.0
        kernels.of_tuples(given, (np.arange(3.0), (2, 3.0)), out)
        np.testing.assert_array_equal(out, [8.0, 9.0, 10.0])
    assert len(kernels.of_tuples.calls) == 1
    other = namedtuple("other", "first second")
    for unknown in ((np.ones(3), 2.0), other(np.ones(3), np.ones(2))):
        with pytest.raises(Exception, match="Unknown attribute|No implementation|cannot"):
            kernels.of_tuples(unknown, (np.arange(3.0), (2, 3.0)), out)


def test_too_little_memory(kernels):
    with pytest.raises(MemoryError):
        kernels.too_much(2**30)


def test_what_only_numba_has_is_refused(kernels):
    """An error that names the lengths of two slices needs Python's texts."""
    code = """
import sys
sys.path.insert(0, sys.argv[1])
import some_kernels
from friedel.runtime.native.builder import build
build(some_kernels.slices, '["float64[1]C"]')
"""
    command = [sys.executable, "-c", code, str(Path(kernels.__file__).parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "BuildError: some_kernels.slices calls " in done.stderr


def test_a_symbol_that_this_process_lacks_is_not_called(kernels, monkeypatch, capsys):
    kernel = Kernel(kernels.nothing.py_func, {"nogil": True}, kernels.STORE)
    kernels.nothing(np.zeros(1))
    read = Store.read
    monkeypatch.setattr(
        Store, "read", lambda *a: read(*a)._replace(symbols=["exp", "a_function_of_the_future"])
    )
    x = np.zeros(1)
    kernel(x)
    assert x[0] == 1.0
    assert "a_function_of_the_future" in capsys.readouterr().err


def test_threads_call_at_the_same_time(kernels):
    from concurrent.futures import ThreadPoolExecutor

    kernel = Kernel(kernels.returned.py_func, {"nogil": True}, kernels.STORE)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda n: kernel(n, 0.5)[0].sum(), range(200)))
    assert found == [0.25 * n * (n - 1) for n in range(200)]
    assert len(kernel.calls) == 1


def test_kernels_are_pickled_by_their_names():
    from friedel.kernels.reciprocal.reflections import is_absent

    assert pickle.loads(pickle.dumps(is_absent)) is is_absent
