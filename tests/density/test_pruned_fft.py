import numpy as np
import pytest

from friedel.density import pruned_fft as fft
from friedel.density.fourier import SymmetrySum
from friedel.errors import ReflectionsError
from friedel.model.crystal import Crystal
from friedel.runtime import scipy_parts


@pytest.fixture(params=["ducc0", "scipy", "scipy.fft"])
def engine(request, monkeypatch):
    if request.param == "scipy":
        monkeypatch.setattr(fft, "_fft", scipy_parts.fft)
    elif request.param == "scipy.fft":
        monkeypatch.setattr(fft, "_fft", lambda: scipy_parts.PublicFft)
    else:
        pytest.importorskip("ducc0")
    return request.param


PARTS = [((0, 0), (12, 15)), ((3, 2), (5, 6)), ((9, 13), (7, 8)), ((9, 0), (7, 15))]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("origin", "size"), PARTS)
def test_the_wanted_part_of_the_transform_of_a_part_of_the_grid(
    engine, origin, size, threads, monkeypatch
):
    monkeypatch.setattr(fft, "POINTS_PER_THREAD", 100)
    monkeypatch.setattr(fft, "POINTS_AT_A_TIME", 700)  # two or three planes
    shape, k_max, l_max = (12, 15, 18), 4, 6
    patch = np.random.default_rng(1).normal(size=(*size, shape[2]))
    grid = np.zeros(shape)
    u, v = ((first + np.arange(n)) % m for first, n, m in zip(origin, size, shape, strict=False))
    grid[np.ix_(u, v)] = patch
    found = fft.pruned_transform(patch, origin, shape, k_max, l_max, threads)
    k = np.r_[0 : k_max + 1, -k_max:0]
    expected = np.fft.rfftn(grid)[:, k, : l_max + 1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_all_frequencies_where_all_are_wanted(engine):
    grid = np.random.default_rng(2).normal(size=(6, 7, 8))
    found = fft.pruned_transform(grid, (0, 0), (6, 7, 8), 3, 4)
    expected = np.fft.rfftn(grid)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("origin", "size"), PARTS)
def test_rows_that_are_transformed_already(engine, origin, size, threads, monkeypatch):
    monkeypatch.setattr(fft, "POINTS_PER_THREAD", 100)
    monkeypatch.setattr(fft, "POINTS_AT_A_TIME", 700)  # two or three planes
    shape, k_max, l_max = (12, 15, 18), 4, 6
    patch = np.random.default_rng(1).normal(size=(*size, shape[2]))
    expected = fft.pruned_transform(patch, origin, shape, k_max, l_max, threads).copy()
    rows = np.fft.rfft(patch)[:, :, : l_max + 1]
    found = fft.pruned_transform_of_rows(rows, origin, shape, k_max, threads)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("origin", "size"), PARTS)
def test_the_wanted_part_of_the_inverse_of_a_part_of_the_frequencies(
    engine, origin, size, threads, monkeypatch
):
    monkeypatch.setattr(fft, "POINTS_PER_THREAD", 100)
    monkeypatch.setattr(fft, "POINTS_AT_A_TIME", 700)  # two or three planes
    shape, k_max, l_max = (12, 15, 18), 4, 6
    k = np.r_[0 : k_max + 1, -k_max:0]
    half = np.zeros((*shape[:2], shape[2] // 2 + 1), complex)
    real, imaginary = np.random.default_rng(3).normal(size=(2, shape[0], len(k), l_max + 1))
    half[:, k, : l_max + 1] = kept = real + 1j * imaginary
    found = np.full((*size, shape[2]), np.nan)
    fft.pruned_inverse(kept, origin, shape, found, threads)
    whole = np.fft.irfftn(half, shape, (0, 1, 2), norm="forward")
    u, v = ((first + np.arange(n)) % m for first, n, m in zip(origin, size, shape, strict=False))
    expected = whole[np.ix_(u, v)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_bits_for_any_number_of_threads(engine, dtype, monkeypatch):
    """Sizes of which no group of lines fills whole vector registers."""
    monkeypatch.setattr(fft, "POINTS_PER_THREAD", 500)
    monkeypatch.setattr(fft, "POINTS_AT_A_TIME", 3000)
    monkeypatch.setattr(fft, "COLUMNS_AT_A_TIME", 5000)
    shape, k_max, l_max = (27, 21, 35), 9, 13
    patch = np.random.default_rng(4).normal(size=(25, 19, 35)).astype(dtype)

    def bits(threads):
        half = fft.pruned_transform(patch, (3, 5), shape, k_max, l_max, threads).copy()
        forward, back = half.tobytes(), np.empty((26, 20, 35), dtype)
        fft.pruned_inverse(half, (2, 4), shape, back, threads)
        return forward, back.tobytes()

    one = bits(1)
    for threads in (2, 3, 4, 7, 16):
        assert bits(threads) == one


def test_reflections_beyond_the_grid():
    crystal = Crystal((20, 20, 20, 90, 90, 90))
    SymmetrySum(crystal, np.array([[8, 0, -8]]), (16, 16, 16))
    with pytest.raises(ReflectionsError, match="16 x 16 x 16 holds no reflections"):
        SymmetrySum(crystal, np.array([[0, 9, 0]]), (16, 16, 16))
