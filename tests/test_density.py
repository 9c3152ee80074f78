import numpy as np
import pytest

import friedel
from friedel.atoms import VOIGT, Atoms
from friedel.crystal import Crystal
from friedel.density import add_atoms, radii
from friedel.formfactors import GaussianSum, form_factor_table, scattering_factors

ORTHOGONAL = Crystal((12, 13, 14, 90, 90, 90))
OBLIQUE = Crystal((12, 13, 14, 75, 100, 115))


def reference(crystal, shape, atoms, factors, blur, radius):
    """Every atom at every grid point of every neighbouring cell, written as it is defined."""
    grid = np.zeros(shape)
    points = np.stack(np.meshgrid(*[np.arange(n) / n for n in shape], indexing="ij"), axis=-1)
    cells = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    for j in range(len(atoms)):
        a, b = factors.a[atoms.kind[j]], factors.b[atoms.kind[j]]
        tensor = atoms.b_tensor[j] + blur * np.array([1, 1, 1, 0, 0, 0])
        for cell in cells:
            vector = (points - atoms.frac[j] + cell) @ crystal.orthogonalization.T
            inside = (vector**2).sum(axis=-1) <= radius[j] ** 2
            if inside.any():
                values = GaussianSum(tuple(a), tuple(b)).density_aniso(vector[inside], tensor)
                grid[inside] += atoms.occ[j] * values
    return grid


def some_atoms(n, aniso):
    rng = np.random.default_rng(7)
    u_aniso = None
    if aniso:
        roots = 0.4 * np.eye(3) + 0.1 * rng.normal(size=(n, 3, 3))
        u_aniso = (roots @ roots.transpose(0, 2, 1))[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    labels = rng.choice(["C", "O", "S"], n)
    return Atoms.from_labels(labels, rng.random((n, 3)), rng.random(n), 15 + 9 * rng.random(n), u_aniso)


@pytest.mark.parametrize("crystal", [ORTHOGONAL, OBLIQUE], ids=["orthogonal", "oblique"])
@pytest.mark.parametrize("aniso", [False, True], ids=["iso", "aniso"])
@pytest.mark.parametrize("cutoff", [1e-3, 1e-7])
def test_grid_values_are_those_of_the_definition(crystal, aniso, cutoff):
    atoms, shape, blur = some_atoms(5, aniso), (18, 20, 24), 3.0
    factors = scattering_factors(atoms.scatterers)
    grid = np.zeros(shape)
    add_atoms(grid, crystal, atoms, factors.a, factors.b, blur=blur, cutoff=cutoff)
    radius = radii(atoms, factors.a, factors.b, blur=blur, cutoff=cutoff)
    expected = reference(crystal, shape, atoms, factors, blur, radius)
    np.testing.assert_allclose(grid, expected, atol=1e-9 * expected.max())


def test_atoms_larger_than_the_cell():
    crystal = Crystal((3, 4, 5, 90, 95, 90))
    atoms = Atoms.from_labels(["Cs"], [[0.2, 0.3, 0.4]], 1.0, 30.0)
    factors = scattering_factors(atoms.scatterers)
    grid = np.zeros((8, 8, 10))
    add_atoms(grid, crystal, atoms, factors.a, factors.b, cutoff=1e-7)
    # nothing is lost: the mean density is f(0) a cell, but for the tail below the cutoff
    assert grid.mean() * crystal.volume == pytest.approx(factors.a.sum(), rel=1e-4)


def test_float32_and_float64_agree():
    atoms = some_atoms(20, aniso=False)
    factors = scattering_factors(atoms.scatterers)
    single, double = np.zeros((18, 20, 24), np.float32), np.zeros((18, 20, 24))
    for grid in (single, double):
        add_atoms(grid, ORTHOGONAL, atoms, factors.a, factors.b, blur=3.0)
    np.testing.assert_allclose(single, double, atol=3e-6 * double.max())


def test_radius_is_where_the_density_falls_to_the_cutoff():
    atoms = Atoms.from_labels(["S"], [[0, 0, 0]], 1.0, 20.0)
    factors = scattering_factors(atoms.scatterers)
    (radius,) = radii(atoms, factors.a, factors.b, blur=0.0, cutoff=1e-4)
    sulfur = form_factor_table("it92").entries["S"]
    assert sulfur.density_iso(radius**2, 20.0) == pytest.approx(1e-4, rel=1e-3)
    assert radii(atoms, factors.a, factors.b, blur=0.0, cutoff=1e4) == 0.0


def test_too_little_blur_for_an_indefinite_tensor():
    u_aniso = np.array([[0.05, 0.05, -0.02, 0, 0, 0]])
    atoms = Atoms.from_labels(["C"], [[0, 0, 0]], u_aniso=u_aniso)
    assert np.linalg.eigvalsh(atoms.b_tensor[:, VOIGT])[0, 0] < 0
    factors = scattering_factors(atoms.scatterers)
    with pytest.raises(friedel.ParameterError, match="expected a blur above 1.57"):
        add_atoms(np.zeros((8, 8, 8)), ORTHOGONAL, atoms, factors.a, factors.b)
