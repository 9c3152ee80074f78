import numpy as np
import pytest

import friedel
from friedel.constants import U_TO_B
from friedel.density.atoms_on_grid import BACKGROUND, AtomsOnGrid
from friedel.density.density import add_atoms, sample
from friedel.density.radii import GaussianGroups, RadiusTable
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.tensors import VOIGT
from friedel.scattering.formfactors import GaussianSum, scattering_factors

ORTHOGONAL = Crystal((12, 13, 14, 90, 90, 90))
OBLIQUE = Crystal((12, 13, 14, 75, 100, 115))
SKEW = Crystal((12, 13, 14, 55, 65, 50))


def reference(crystal, shape, atoms, factors, blur):
    """Every atom at every grid point of every neighbouring cell, written as it is defined."""
    grid = np.zeros(shape)
    points = np.stack(np.meshgrid(*[np.arange(n) / n for n in shape], indexing="ij"), axis=-1)
    cells = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    for j in range(len(atoms)):
        sum_ = GaussianSum(tuple(factors.a[atoms.kind[j]]), tuple(factors.b[atoms.kind[j]]))
        tensor = atoms.b_tensor[j] + blur * np.array([1, 1, 1, 0, 0, 0])
        for cell in cells:
            vector = (points - atoms.frac[j] + cell) @ crystal.orthogonalization.T
            if (vector**2).sum(axis=-1).min() < 10.0**2:
                grid += atoms.occ[j] * sum_.density_aniso(vector, tensor)
    return grid


def some_atoms(n, aniso):
    """Random atoms; the larger `aniso`, the more elongated."""
    rng = np.random.default_rng(7)
    u_aniso = None
    if aniso:
        roots = 0.4 * np.eye(3) + aniso * rng.normal(size=(n, 3, 3))
        u_aniso = (roots @ roots.transpose(0, 2, 1))[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    labels = rng.choice(["C", "O", "S"], n)
    return Atoms.from_labels(
        labels, rng.random((n, 3)), rng.random(n), 15 + 9 * rng.random(n), u_aniso
    )


@pytest.mark.parametrize(
    "crystal", [ORTHOGONAL, OBLIQUE, SKEW], ids=["orthogonal", "oblique", "skew"]
)
@pytest.mark.parametrize("aniso", [0.0, 0.1, 0.5], ids=["iso", "aniso", "needles"])
@pytest.mark.parametrize("cutoff", [1e-3, 1e-5, 1e-8])
def test_whole_maps_are_those_of_the_definition(crystal, aniso, cutoff):
    atoms, shape, blur = some_atoms(5, aniso), (18, 20, 24), 3.0
    factors = scattering_factors(atoms.scatterers)
    found = sample(
        crystal, atoms, factors.a, factors.b, shape, dtype=np.float64, blur=blur, cutoff=cutoff
    )
    expected = reference(crystal, shape, atoms, factors, blur)
    # a point lacks at most `cutoff` from each of two groups of Gaussians of the eight nearest
    # images of each atom; the kernels themselves are good to 1e-12 of the peak
    tolerance = 2 * 8 * len(atoms) * cutoff + 1e-12 * expected.max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def test_the_kernels_agree_where_all_apply():
    """The oblique kernel and the exact one, in a cell that the orthogonal one takes too."""
    atoms = some_atoms(30, 0.0)
    factors = scattering_factors(atoms.scatterers)
    barely_oblique = Crystal((12, 13, 14, 90, 90 + 1e-9, 90))
    shape, options = (32, 36, 40), {"dtype": np.float64, "blur": 5.0, "cutoff": 1e-13}
    maps = [
        sample(crystal, atoms, factors.a, factors.b, shape, **options)
        for crystal in (ORTHOGONAL, barely_oblique)
    ]
    almost_round = 1e-9 * np.array([1, 0, 0, 0, 0, 0])
    u_aniso = atoms.b_iso[:, None] / U_TO_B * np.array([1, 1, 1, 0, 0, 0]) + almost_round
    aniso = atoms.replace(u_aniso=u_aniso)
    maps.append(sample(ORTHOGONAL, aniso, factors.a, factors.b, shape, **options))
    for other in maps[1:]:
        np.testing.assert_allclose(other, maps[0], rtol=0, atol=1e-8 * maps[0].max())


@pytest.mark.parametrize("threads", [2, 3, 7])
@pytest.mark.parametrize("crystal", [ORTHOGONAL, OBLIQUE], ids=["orthogonal", "oblique"])
def test_the_same_bits_for_any_number_of_threads(crystal, threads):
    atoms = some_atoms(50, 0.3 if crystal is OBLIQUE else 0.0)
    factors = scattering_factors(atoms.scatterers)
    one, many = (
        sample(crystal, atoms, factors.a, factors.b, (36, 40, 40), blur=3.0, threads=n)
        for n in (1, threads)
    )
    np.testing.assert_array_equal(one, many)


def test_atoms_larger_than_the_cell():
    for cell in ((3, 4, 5, 90, 95, 90), (3, 4, 5, 90, 90, 90)):
        crystal = Crystal(cell)
        atoms = Atoms.from_labels(["Cs"], [[0.2, 0.3, 0.4]], 1.0, 30.0)
        factors = scattering_factors(atoms.scatterers)
        grid = sample(
            crystal, atoms, factors.a, factors.b, (8, 8, 10), dtype=np.float64, cutoff=1e-7
        )
        # nothing is lost: the mean density is f(0) a cell, but for the tail below the cutoff
        assert grid.mean() * crystal.volume == pytest.approx(factors.a.sum(), rel=1e-4)


def test_a_sharp_atom_on_a_fine_grid_has_no_box_that_is_too_large():
    atoms = Atoms.from_labels(["S"], [[0.5, 0.5, 0.5]], 1.0, 60.0)
    factors = scattering_factors(atoms.scatterers)
    crystal = Crystal((20, 20, 20, 90, 90, 90))
    grid = sample(
        crystal, atoms, factors.a, factors.b, (216, 216, 216), dtype=np.float64, cutoff=1e-7
    )
    assert grid.mean() * crystal.volume == pytest.approx(16, rel=1e-3)


@pytest.mark.parametrize(
    "crystal", [ORTHOGONAL, OBLIQUE, SKEW], ids=["orthogonal", "oblique", "skew"]
)
@pytest.mark.parametrize("aniso", [0.0, 0.1, 0.5], ids=["iso", "aniso", "needles"])
@pytest.mark.parametrize("cutoff", [1e-3, 1e-8])
def test_float32_and_float64_agree(crystal, aniso, cutoff):
    atoms = some_atoms(20, aniso)
    factors = scattering_factors(atoms.scatterers)
    single, double = (
        sample(crystal, atoms, factors.a, factors.b, (36, 40, 48), dtype=t, blur=3.0, cutoff=cutoff)
        for t in (np.float32, np.float64)
    )
    # some ten roundings of 6e-8, and the e^-18 of the peak that factors may lose
    np.testing.assert_allclose(single, double, atol=3e-6 * double.max())


@pytest.mark.parametrize("corner", [0.02, 0.5, 0.97])
def test_the_part_that_atoms_reach_is_the_whole_map(corner):
    """The part may extend over the end of the cell; outside it there is only the background."""
    crystal = Crystal((60, 70, 20, 90, 100, 90))
    rng = np.random.default_rng(5)
    frac = corner + rng.uniform(-0.05, 0.05, (30, 3))
    atoms = Atoms.from_labels(["C"] * 30, frac, 1.0, 20.0)
    factors = scattering_factors(atoms.scatterers)
    shape = (90, 108, 30)
    whole = sample(crystal, atoms, factors.a, factors.b, shape)
    on_grid = AtomsOnGrid(crystal, atoms, factors.a, factors.b, shape)
    patch = on_grid.density(atoms.frac, np.float32)
    assert patch.values.size < 0.3 * whole.size
    u, v = (
        (first + np.arange(n))
        for first, n in zip(patch.origin, patch.values.shape[:2], strict=True)
    )
    placed = np.full(shape, BACKGROUND, np.float32)
    placed[np.ix_(u % shape[0], v % shape[1])] = patch.values
    # positions less an integer number of steps round differently
    np.testing.assert_allclose(placed, whole, rtol=0, atol=1e-6 * whole.max())


def test_radius_is_where_the_density_falls_to_the_cutoff():
    atoms = Atoms.from_labels(["H"], [[0, 0, 0]], 1.0, 20.0)
    broad = GaussianSum((1.0,), (20.0,))
    groups = GaussianGroups.from_sums(np.array([broad.a]), np.array([broad.b]))
    radius = RadiusTable.for_atoms(atoms, groups, 0.0, 1e-4).largest
    assert broad.density_iso(radius**2, 20.0) == pytest.approx(1e-4, rel=1e-3)
    assert RadiusTable.for_atoms(atoms, groups, 0.0, 1e4).largest == 0.0


def test_radii_are_interpolated_in_b():
    atoms = some_atoms(8, 0.0)
    factors = scattering_factors(atoms.scatterers)
    radii = RadiusTable.for_atoms(atoms, GaussianGroups.from_sums(factors.a, factors.b), 2.0, 1e-4)
    kind = np.array([0, 1, 1])
    b = radii.b_first + radii.b_step * np.array([0.0, 3.25, 47.0])
    first, between, last = radii.of(b, kind)
    np.testing.assert_allclose(first, radii.radius[0, :, 0])
    low, high = radii.radius[1, :, 3], radii.radius[1, :, 4]
    np.testing.assert_allclose(between, 0.75 * low + 0.25 * high)
    np.testing.assert_allclose(last, radii.radius[1, :, 47])


@pytest.mark.parametrize("crystal", [ORTHOGONAL, OBLIQUE], ids=["orthogonal", "oblique"])
@pytest.mark.parametrize("aniso", [0.0, 0.2], ids=["iso", "aniso"])
def test_terms_without_amplitude_change_nothing(crystal, aniso):
    """Radii of atoms do not change either, although such terms are the broadest of a group."""
    atoms = some_atoms(8, aniso)
    a, b = np.array([[2.0, 3.0]] * 3), np.array([[9.0, 25.0]] * 3)
    padded = np.column_stack([a, np.zeros(3)]), np.column_stack([b, np.zeros(3)])
    options = {"dtype": np.float64, "blur": 3.0, "cutoff": 1e-3}
    two, three = (sample(crystal, atoms, *x, (36, 40, 40), **options) for x in ((a, b), padded))
    np.testing.assert_allclose(two, three, rtol=0, atol=1e-14 * two.max())


def test_adding_to_a_grid_keeps_what_is_there():
    atoms = some_atoms(3, 0.0)
    factors = scattering_factors(atoms.scatterers)
    grid = np.full((18, 20, 24), 7.0)
    options = {"blur": 3.0, "cutoff": 1e-12}
    add_atoms(grid, ORTHOGONAL, atoms, factors.a, factors.b, **options)
    alone = sample(ORTHOGONAL, atoms, factors.a, factors.b, grid.shape, dtype=np.float64, **options)
    # the ways of few and of many atoms differ beyond the radius, by less than the cutoff each
    np.testing.assert_allclose(grid - 7.0, alone, rtol=0, atol=2 * 8 * len(atoms) * 1e-12)


def test_too_little_blur_for_an_indefinite_tensor():
    u_aniso = np.array([[0.05, 0.05, -0.02, 0, 0, 0]])
    atoms = Atoms.from_labels(["C"], [[0, 0, 0]], u_aniso=u_aniso)
    assert np.linalg.eigvalsh(atoms.b_tensor[:, VOIGT])[0, 0] < 0
    factors = scattering_factors(atoms.scatterers)
    with pytest.raises(friedel.ParameterError, match="expected a blur above 1.57"):
        sample(ORTHOGONAL, atoms, factors.a, factors.b, (8, 8, 8))
