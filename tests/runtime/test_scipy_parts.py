"""SciPy's compiled parts without its packages, and its minimisers: bits of the public functions."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.fft
import scipy.optimize
import scipy.special

from friedel.reflections.mean_intensity import SEARCH
from friedel.runtime import minimizers, scipy_parts

PARTS = ("fft", "special", "blas", "lapack", "line_search")


@pytest.fixture(params=["private", "public"])
def paths(request, monkeypatch):
    """Private paths of SciPy, or none of them, as if another version had moved them."""

    def missing() -> None:
        raise ImportError

    if request.param == "public":
        monkeypatch.setattr(scipy_parts, "_folder", missing)
    for part in PARTS:
        getattr(scipy_parts, part).cache_clear()
    yield request.param
    for part in PARTS:
        getattr(scipy_parts, part).cache_clear()


def test_the_public_names_are_used_where_private_ones_are_missing(paths):
    private = paths == "private"
    assert (scipy_parts.fft() is not scipy_parts.PublicFft) == private
    assert (scipy_parts.special() is not scipy.special) == private
    assert [scipy_parts.blas() is not None, scipy_parts.lapack() is not None] == [private] * 2
    assert (scipy_parts.line_search() is not None) == private


def test_a_module_without_the_functions_is_not_used():
    assert scipy_parts._extension("fft._pocketfft.pypocketfft", ("c2c", "of_the_future")) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transforms(paths, dtype):
    fft = scipy_parts.fft()
    real = np.random.default_rng(1).normal(size=(12, 15, 18)).astype(dtype)
    half = fft.r2c(real, axes=(0, 1, 2))
    np.testing.assert_array_equal(half, scipy.fft.rfftn(real))
    assert half.dtype == np.result_type(dtype, np.complex64)
    back = fft.c2r(half, axes=(0, 1, 2), lastsize=18, forward=False, inorm=2, nthreads=2)
    np.testing.assert_array_equal(back, scipy.fft.irfftn(half, real.shape))
    rows = fft.r2c(real, axes=(2,), out=np.zeros_like(half))
    np.testing.assert_array_equal(rows, scipy.fft.rfft(real, axis=2))
    lines = fft.c2r(rows, axes=(2,), lastsize=18, forward=False, out=np.zeros_like(real))
    np.testing.assert_array_equal(lines, scipy.fft.irfft(rows, 18, axis=2, norm="forward"))
    for forward in (True, False):
        given = half.copy()
        found = fft.c2c(given, axes=(1,), forward=forward, out=given)
        assert found is given
        expected = (
            scipy.fft.fft(half, axis=1) if forward else scipy.fft.ifft(half, axis=1, norm="forward")
        )
        np.testing.assert_array_equal(found, expected)


def test_bessel_functions(paths):
    x = np.linspace(0.0, 800.0, 5000)
    for name in ("i0e", "i1e", "k1"):
        found = getattr(scipy_parts.special(), name)(x)
        np.testing.assert_array_equal(found, getattr(scipy.special, name)(x))


def wilson(seed):
    """The likelihood of the mean intensity of some reflections, and its second derivatives."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(50, 2000)), int(rng.integers(1, 7))
    terms = np.polynomial.chebyshev.chebvander(rng.uniform(-1.0, 1.0, n), m - 1)
    relative = rng.exponential(np.exp(terms @ rng.normal(size=m) * rng.uniform(0.0, 2.0)))
    relative += (seed % 2) * 0.5 * rng.normal(size=n)  # errors, which make some negative
    relative /= relative.mean()

    def loss(x):
        ratio = relative * np.exp(-terms @ x)
        return float((terms @ x + ratio).mean()), (1.0 - ratio) @ terms / n

    def curvature(x):
        return (terms * (relative * np.exp(-terms @ x))[:, None]).T @ terms / n

    return loss, curvature, np.zeros(m)


def test_trust_exact_has_the_bits_of_scipy(paths):
    """With good data and with large errors, for which the function is not convex everywhere."""
    alone = 0
    for seed in range(60):
        loss, curvature, start = wilson(seed)
        expected = scipy.optimize.minimize(
            loss, start, jac=True, hess=curvature, method="trust-exact", options=SEARCH
        )
        np.testing.assert_array_equal(
            minimizers.trust_exact(loss, curvature, start, SEARCH), expected.x
        )
        alone += minimizers._trust_exact(loss, curvature, start, SEARCH) is not None
    assert alone > 50 if paths == "private" else alone == 0


def test_bfgs_has_the_bits_of_scipy(paths):
    for seed in range(60):
        rng = np.random.default_rng(seed)
        m = int(rng.integers(1, 6))
        matrix, right, start = (
            rng.normal(size=(m + 3, m)),
            rng.normal(size=m + 3),
            rng.normal(size=m),
        )

        def function(x, matrix=matrix, right=right):
            residual = matrix @ x - right
            return float(np.log(np.cosh(residual)).sum()), np.tanh(residual) @ matrix

        x = minimizers.bfgs(function, start)
        expected = scipy.optimize.minimize(function, start, jac=True, method="BFGS")
        np.testing.assert_array_equal(x, expected.x)
        is_alone = minimizers._bfgs(minimizers._Remembered(function), start) is not None
        assert is_alone == (paths == "private")


def test_scipy_can_be_imported_afterwards():
    code = """
import sys, numpy as np
from friedel.runtime import scipy_parts
parts = [scipy_parts.fft(), scipy_parts.special(), scipy_parts.lapack(), scipy_parts.blas()]
assert None not in parts and scipy_parts.line_search() is not None
assert not [name for name in sys.modules if name.split(".")[0] == "scipy"]
import scipy.fft, scipy.linalg, scipy.special, scipy.optimize
x = np.arange(6.0)
assert (scipy.fft.rfft(x) == parts[0].r2c(x, axes=(0,))).all()
assert (scipy.special.i0e(x) == parts[1].i0e(x)).all()
assert np.allclose(scipy.linalg.inv(np.eye(3) * 2.0), np.eye(3) * 0.5)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
