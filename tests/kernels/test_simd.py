import numpy as np
import pytest
from numba import njit

from friedel.kernels.simd import LANES
from friedel.kernels.simd_llvm import (
    broadcast_like,
    exp,
    lane_sum,
    load,
    load_like,
    maximum,
    minimum,
    multiply_add,
    store,
    store_all,
    wide_zeros,
    zero_where_less,
    zeros,
)


@njit
def exp_of(x, out):
    for i in range(0, len(x), LANES):
        store(out, np.uint64(i), exp(load(x, np.uint64(i))))


@njit
def limited(x, low, high, out):
    for i in range(0, len(x), LANES):
        here = np.uint64(i)
        value = minimum(maximum(load(x, here), load(low, here)), load(high, here))
        store(out, here, zero_where_less(value, load(x, here), load(low, here)))


@pytest.mark.parametrize(("dtype", "lowest"), [(np.float32, -86.0), (np.float64, -700.0)])
def test_exponentials(dtype, lowest):
    x = np.linspace(lowest, 80.0, 1000 * LANES).astype(dtype)
    out = np.empty_like(x)
    exp_of(x, out)
    exact = np.exp(x.astype(np.longdouble))
    # half an epsilon of the result, and as much of the remainder and of its series
    assert np.abs(out / exact - 1).max() < 1.5 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limits(dtype):
    rng = np.random.default_rng(0)
    x, low = rng.normal(size=(2, 4 * LANES)).astype(dtype)
    high, out = low + dtype(0.5), np.empty_like(x)
    limited(x, low, high, out)
    np.testing.assert_array_equal(out, np.where(x < low, 0, np.clip(x, low, high)))


@njit
def products(zero, x, y):
    """y[0] times the sum of as many elements of x as `zero` has."""
    here = np.uint64(0)
    return lane_sum(multiply_add(load_like(zero, x, here), broadcast_like(zero, y, here), zero))


@njit
def short_and_wide(x, y):
    return products(zeros(x), x, y), products(wide_zeros(x), x, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vectors_of_either_length(dtype):
    x, y = np.arange(3 * LANES).astype(dtype), np.array([3.0], dtype)
    short, wide = short_and_wide(x, y)  # of whole numbers: exact
    assert short == 3.0 * x[:LANES].sum()
    assert wide == 3.0 * x[: 2 * LANES].sum()


@njit
def stored_in_turn(x, out):
    first, second = load(x, np.uint64(0)), load(x, np.uint64(LANES))
    store_all(out, (second, first, second))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_tuple_of_vectors_is_stored_from_the_first_element_on(dtype):
    x, out = np.arange(2 * LANES, dtype=dtype), np.full(4 * LANES, -1.0, dtype)
    stored_in_turn(x, out)
    first, second = x[:LANES], x[LANES:]
    np.testing.assert_array_equal(out, [*second, *first, *second, *np.full(LANES, -1.0)])
