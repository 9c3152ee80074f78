"""The kernels on arrays alone, against formulas: they need no PyTorch."""

import numpy as np
import pytest

from friedel.device.kernels import CPU_KERNELS
from friedel.device.plan import TransformTerms, near_tiles, phase_shifts, sizes_of
from friedel.kernels.device.gather import BUMP_COLUMNS, COLUMNS
from friedel.kernels.device.splat import TILE
from friedel.model.crystal import Crystal

SHAPE = (11, 16, 21)
REACH = (6, 7, 9)
SIZES = sizes_of(SHAPE, REACH)
N_TILES = int(SIZES[3:6].prod())
N, MEMBERS, TERMS = 5, 2, 2


def some_atoms(n_terms, seed=0):
    """Positions in steps, (members, n) boxes, weights, and forms of each term."""
    rng = np.random.default_rng(seed)
    at = rng.random((MEMBERS, N, 3)) * SHAPE
    half = 2.0 + rng.random((MEMBERS, N, 3)) * (np.array(REACH) - 3.5)
    roots = 0.45 * np.eye(3) + 0.1 * rng.normal(size=(MEMBERS, N, n_terms, 3, 3))
    forms = roots @ roots.swapaxes(-1, -2)
    peaks = 1.0 + rng.random((MEMBERS, N, n_terms))
    return at, half, 0.3 + rng.random((MEMBERS, N)), peaks, forms


def arrays_of(at, half, weight, peaks, forms, dtype):
    """The kernels' arrays, with atoms sorted by a plain loop."""
    base = np.floor(at).astype(np.int64)
    within = (at - base).astype(dtype)
    tiles = base // TILE
    sizes = SIZES
    flat = np.ravel_multi_index(tiles.reshape(-1, 3).T, sizes[3:6])
    key = flat + np.repeat(np.arange(MEMBERS), N) * sizes[3:6].prod()
    order = np.argsort(key, kind="stable")
    starts = np.searchsorted(key[order], np.arange(MEMBERS * sizes[3:6].prod() + 1))
    low = np.ceil(within - half).astype(int).reshape(-1, 3)
    high = np.floor(within + half).astype(int).reshape(-1, 3)
    member = np.repeat(np.arange(MEMBERS), N)[:, None]
    places = np.hstack([base.reshape(-1, 3), member, low, high])
    columns = [within.reshape(-1, 3), weight.reshape(-1, 1)]
    for term in range(peaks.shape[2]):
        q = forms[:, :, term].reshape(-1, 3, 3)
        columns += [peaks[:, :, term].reshape(-1, 1)]
        columns += [q[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]], np.exp(-2.0 * q[:, 2:, 2])]
    values = np.hstack(columns).astype(dtype)
    return starts.astype(np.int32), places[order].astype(np.int32), values[order], order


def displacements(at, base, low, high):
    """Grid points, not wrapped, of one atom's box, and their distances in steps."""
    axes = [np.arange(b + i, b + j + 1) for b, i, j in zip(base, low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    return points % SHAPE, points - at


def each_atom(at, half):
    for m in range(MEMBERS):
        for j in range(N):
            base = np.floor(at[m, j]).astype(int)
            within = at[m, j] - base
            low, high = np.ceil(within - half[m, j]), np.floor(within + half[m, j])
            yield m, j, *displacements(at[m, j], base, low.astype(int), high.astype(int))


def gaussian(d, q):
    return np.exp(-np.einsum("pi,ij,pj->p", d, q, d))


@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 3e-6), (np.float64, 1e-13)])
def test_splat_sums_gaussians_over_boxes_with_all_images(dtype, limit):
    at, half, weight, peaks, forms = some_atoms(TERMS)
    expected = np.full((MEMBERS, *SHAPE), -0.25)
    for m, j, points, d in each_atom(at, half):
        for t in range(TERMS):
            values = weight[m, j] * peaks[m, j, t] * gaussian(d, forms[m, j, t])
            np.add.at(expected[m], tuple(points.T), values)
    starts, places, values, _ = arrays_of(at, half, weight, peaks, forms, dtype)
    found = np.full((MEMBERS, *SHAPE), np.nan, dtype)
    n = MEMBERS * N_TILES * TILE**2
    scalars = dtype(-0.25), dtype(80.0)
    near = near_tiles(SHAPE, REACH)
    CPU_KERNELS["splat"](0, n, *scalars, found.reshape(-1), starts, places, values, near, SIZES)
    assert np.abs(found - expected).max() < limit * expected.max()


@pytest.mark.parametrize(("dtype", "limit"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_gather_sums_the_derivatives_over_the_same_points(dtype, limit):
    at, half, weight, peaks, forms = some_atoms(TERMS)
    slope = np.random.default_rng(1).normal(size=(MEMBERS, *SHAPE)).astype(dtype)
    expected = np.zeros((MEMBERS, N, COLUMNS))
    for m, j, points, d in each_atom(at, half):
        for t in range(TERMS):
            q = forms[m, j, t]
            w = slope[m][tuple(points.T)] * peaks[m, j, t] * gaussian(d, q)
            second = q @ np.einsum("p,pi,pj->ij", w, d, d) @ q - 0.5 * w.sum() * q
            expected[m, j, 0] += w.sum()
            expected[m, j, 1:4] += q @ (w @ d)
            expected[m, j, 4:] += second[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    _, places, values, order = arrays_of(at, half, weight, peaks, forms, dtype)
    found = gathered("gather", slope, places, values, COLUMNS, order)
    assert np.abs(found - expected).max() < limit * np.abs(expected).max()


def gathered(name, slope, places, values, n_columns, order):
    parts = np.zeros((len(places), 2 * REACH[0] + 1, n_columns), slope.dtype)
    sums = np.empty((len(places), n_columns), slope.dtype)
    found = np.empty((len(places), n_columns))
    n = len(places) * parts.shape[1]
    CPU_KERNELS[name](0, n, slope.reshape(-1), places, values, SIZES, parts)
    CPU_KERNELS["add_planes"](0, sums.size, parts, sums)
    found[order] = sums
    return found.reshape(MEMBERS, N, n_columns)


def test_bumps_and_their_derivatives():
    at, _, weight, _, forms = some_atoms(1)
    forms = 0.1 * forms
    # The box of the ellipsoid d Q d <= 1
    half = np.sqrt(np.linalg.inv(forms[:, :, 0])[:, :, [0, 1, 2], [0, 1, 2]])
    reach = tuple(int(x) + 1 for x in half.max(axis=(0, 1)))
    near = near_tiles(SHAPE, reach)
    starts, places, values, order = arrays_of(at, half, weight, weight[..., None], forms, float)
    found = np.empty((MEMBERS, *SHAPE))
    n = MEMBERS * N_TILES * TILE**2
    CPU_KERNELS["splat_bumps"](
        0, n, 0.0, found.reshape(-1), starts, places, values, near, sizes_of(SHAPE, reach)
    )
    slope = np.random.default_rng(1).normal(size=found.shape)
    expected, by_atom = np.zeros_like(found), np.zeros((MEMBERS, N, BUMP_COLUMNS))
    for m, j, points, d in each_atom(at, half):
        q = forms[m, j, 0]
        t = np.maximum(1.0 - np.einsum("pi,ij,pj->p", d, q, d), 0.0)
        np.add.at(expected[m], tuple(points.T), weight[m, j] * t**3)
        w = slope[m][tuple(points.T)]
        by_atom[m, j, 0] = w @ t**3
        by_atom[m, j, 1:] = 6.0 * q @ ((w * t**2) @ d)
    np.testing.assert_allclose(found, expected, atol=1e-13)
    parts = np.zeros((len(places), 2 * reach[0] + 1, BUMP_COLUMNS))
    sums, derivatives = np.empty((len(places), BUMP_COLUMNS)), np.empty((len(places), BUMP_COLUMNS))
    n = len(places) * parts.shape[1]
    CPU_KERNELS["gather_bumps"](0, n, slope.reshape(-1), places, values, SIZES, parts)
    CPU_KERNELS["add_planes"](0, sums.size, parts, sums)
    derivatives[order] = sums
    np.testing.assert_allclose(derivatives.reshape(by_atom.shape), by_atom, atol=1e-11)


@pytest.mark.parametrize("shape", [(12, 10, 14), (9, 15, 11)])
def test_symmetry_sum_and_its_transpose(shape):
    """<A x, w> = <x, A* w> for maps x, with planes of both kinds in which l and -l coincide."""
    crystal = Crystal.from_triplets((9, 9, 11, 90, 90, 120), ["-y,x-y,z+1/3", "y,x,-z"])
    hkl = crystal.unique_reflections(2.2)
    hkl = np.vstack([hkl, -hkl[:5], [[0, 0, 0]], [[0, 0, shape[2] // 2]]])
    terms = TransformTerms.of(crystal, hkl, shape, 1.0 + np.arange(len(hkl)))
    rng = np.random.default_rng(0)
    maps, w = rng.normal(size=(MEMBERS, *shape)), rng.normal(size=(MEMBERS, len(hkl), 2))
    transform = np.fft.rfftn(maps, axes=(1, 2, 3)).view(float).reshape(MEMBERS, -1, 2)
    f = np.empty((MEMBERS, len(hkl), 2))
    angles = phase_shifts()
    arrays = (terms.index, terms.turn, terms.factor, angles)
    CPU_KERNELS["sum_terms"](0, MEMBERS * len(hkl), transform, *arrays, f)
    back = np.zeros_like(transform)
    arrays = (terms.at, terms.start, terms.source, terms.source_turn, terms.factor, angles)
    CPU_KERNELS["spread_terms"](0, MEMBERS * len(terms.at), w, *arrays, back)
    half = back.reshape(MEMBERS, *terms.half, 2).view(complex)[..., 0]
    for plane in {0, shape[2] // 2 if shape[2] % 2 == 0 else 0}:
        mates = np.roll(half[:, ::-1, ::-1, plane], (1, 1), (1, 2)).conj()
        np.testing.assert_allclose(half[..., plane], mates, atol=1e-13)
    slopes = np.fft.irfftn(half, s=shape, axes=(1, 2, 3), norm="forward")
    assert (slopes * maps).sum() == pytest.approx((f * w).sum(), rel=1e-12)


def test_near_tiles_list_each_reachable_cell_once():
    shape, reach = (5, 17, 40), (9, 6, 8)  # the first axis is shorter than the reach
    near = near_tiles(shape, reach)
    for axis, (n, far) in enumerate(zip(shape, reach, strict=True)):
        for tile in range(-(-n // TILE)):
            found = []
            for first, last, shift in near[axis, tile]:
                for other in range(first, last + 1):
                    inside = range(TILE * other, min(TILE * (other + 1), n))
                    found += [point - shift for point in inside]
            low, high = TILE * tile - far, min(TILE * (tile + 1), n) - 1 + far
            assert len(found) == len(set(found))
            assert set(range(low, high + 1)) <= set(found)
