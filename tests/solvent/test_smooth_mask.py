"""The smooth solvent mask: its derivatives by finite differences, its laws, and the flat mask."""

from dataclasses import replace
from itertools import product

import gemmi
import numpy as np
import pytest

from friedel.density.fourier import structure_factors
from friedel.density.grid import grid_shape
from friedel.errors import ReflectionsError
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.reflections.agreement import worst_shell_error
from friedel.solvent.flat_mask import MaskParameters, solvent_mask
from friedel.solvent.smooth_mask import RADIUS_FACTOR, SmoothMask

CELLS = {
    "P 1": (5, 6, 7, 80, 95, 102),
    "C 1 2 1": (10, 7, 8, 90, 107, 90),
    "P 21 21 21": (7, 8, 9, 90, 90, 90),
    "P 31 2 1": (8, 8, 9, 90, 90, 120),
    "P 21 3": (9, 9, 9, 90, 90, 90),
    "F d -3 m:1": (14, 14, 14, 90, 90, 90),
}
SMALL = MaskParameters(0.6, r_probe=0.7, r_shrink=0.5)
"""Radii that leave solvent in cells full of symmetry mates."""


def some_crystal(symbol: str) -> Crystal:
    operations = gemmi.SpaceGroup(symbol).operations()
    return Crystal.from_triplets(CELLS[symbol], [op.triplet() for op in operations])


def some_atoms() -> Atoms:
    """One at a special position of most groups, one near it, one anywhere, one outside the cell."""
    frac = np.array([[0.0, 0.0, 0.0], [0.02, 0.01, -0.015], [0.4, 0.27, 0.36], [1.3, -0.4, 0.7]])
    return Atoms.from_labels(["C", "N", "O", "S"], frac, occ=np.array([0.5, 0.3, 1.0, 0.8]))


def some_mask(crystal: Crystal, parameters: MaskParameters = SMALL, d_min: float = 1.5):
    hkl = np.concatenate([[[0, 0, 0]], crystal.unique_reflections(d_min)])
    return SmoothMask(crystal, hkl, grid_shape(crystal, d_min / 3.0), parameters)


def some_weights(n: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.normal(size=n) + 1j * rng.normal(size=n)


@pytest.fixture(params=CELLS, name="crystal")
def crystal_fixture(request) -> Crystal:
    return some_crystal(request.param)


# --- derivatives -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["frac", "occ"])
def test_adjoint_is_the_derivative(crystal, kind):
    mask, atoms = some_mask(crystal), some_atoms()
    w = some_weights(len(mask.hkl))
    found = getattr(mask.at(atoms).adjoint(w), kind)
    values = getattr(atoms, kind)

    def target(index, step):
        moved = values.copy()
        moved[index] += step
        return np.vdot(w, mask.at(atoms.replace(**{kind: moved})).forward()).real

    # T changes on a scale of 0.005, so truncation is (2e-5 / 0.005)^4 = 3e-10 in fourth order;
    # rounding of T is 1e-15 / 2e-5 = 5e-11 of its size
    step = 2e-5
    for index in np.ndindex(values.shape):
        once, twice = (
            (target(index, k * step) - target(index, -k * step)) / (2 * k * step) for k in (1, 2)
        )
        limit = 1e-6 * np.abs(found).max()
        assert found[index] == pytest.approx((4 * once - twice) / 3, rel=1e-6, abs=limit)


def test_what_the_mask_does_not_depend_on():
    mask, atoms = some_mask(some_crystal("P 1")), some_atoms()
    gradients = mask.at(atoms).adjoint(some_weights(len(mask.hkl)))
    assert not gradients.b_iso.any()
    assert not gradients.u_aniso.any()
    hydrogen = Atoms.from_labels(["H", "N", "O", "D"], atoms.frac)
    gradients = mask.at(hydrogen).adjoint(some_weights(len(mask.hkl)))
    assert not gradients.frac[[0, 3]].any()
    assert not gradients.occ[[0, 3]].any()
    assert gradients.frac[[1, 2]].all()


def test_an_atom_without_occupancy_has_a_derivative_by_it():
    mask, atoms = some_mask(some_crystal("C 1 2 1")), some_atoms()
    atoms = atoms.replace(occ=np.array([0.5, 0.3, 0.0, 0.8]))
    gradients = mask.at(atoms).adjoint(some_weights(len(mask.hkl)))
    assert gradients.occ[2] != 0.0
    assert not gradients.frac[2].any()


# --- laws ------------------------------------------------------------------------------------


def test_the_definition():
    """The mask is compared point by point, in a cell smaller than the radius of an atom."""
    crystal = Crystal.from_triplets((4.0, 3.5, 5.0, 90, 115, 90), ["-x,y+1/2,-z"])
    atoms = Atoms.from_labels(["C", "O"], [[0.1, 0.2, 0.3], [0.6, 0.9, 0.8]], [0.7, 1.0])
    parameters = MaskParameters(0.9, r_probe=0.9, r_shrink=0.0)
    mask = SmoothMask(crystal, np.array([[0, 0, 1]]), (8, 6, 10), parameters)
    points = np.stack(np.meshgrid(*(np.arange(n) / n for n in mask.shape), indexing="ij"), -1)
    total = np.zeros(mask.shape)
    for rotation, shift in zip(crystal.rotations, crystal.translations / 24.0, strict=True):
        for x, occ in zip(atoms.frac @ rotation.T + shift, atoms.occ, strict=True):
            for cell in product(range(-3, 4), repeat=3):
                d = (points - x % 1.0 - np.array(cell)) @ crystal.orthogonalization.T
                u = (RADIUS_FACTOR**2 - (d**2).sum(axis=-1) / 1.8**2) / (RADIUS_FACTOR**2 - 1.0)
                total += occ * np.maximum(u, 0.0) ** 3
    solvent = 2.0**-total
    expected = 1.0025 * solvent**2 / (solvent**2 + 0.0025)
    assert expected.max() > 0.5
    # rounding of a transform and back, over EDGE, the width of the step
    np.testing.assert_allclose(mask.at(atoms).values, expected, rtol=0, atol=1e-13)


def test_f_mask_has_the_symmetry_of_the_crystal(crystal):
    """The phase of each symmetry mate is that of the operation."""
    mask, atoms = some_mask(crystal), some_atoms()
    f, values = mask.at(atoms).forward(), mask.at(atoms).values
    for rotation, shift in zip(crystal.rotations, crystal.translations / 24.0, strict=True):
        moved = structure_factors(values, crystal, mask.hkl @ rotation, symmetry_sum=False)
        phases = np.exp(2j * np.pi * (mask.hkl @ shift))
        np.testing.assert_allclose(moved * phases, f, rtol=0, atol=1e-10 * abs(f[0]))


def test_any_mate_is_as_good():
    crystal = some_crystal("P 31 2 1")
    mask, atoms = some_mask(crystal), some_atoms()
    rotation, shift = crystal.rotations[4], crystal.translations[4] / 24.0
    moved = atoms.replace(frac=atoms.frac @ rotation.T + shift)
    w = some_weights(len(mask.hkl))
    here, there = mask.at(atoms).adjoint(w), mask.at(moved).adjoint(w)
    np.testing.assert_allclose(mask.at(moved).values, mask.at(atoms).values, rtol=0, atol=1e-11)
    size = np.abs(here.frac).max()
    np.testing.assert_allclose(there.frac @ rotation, here.frac, rtol=0, atol=1e-9 * size)
    np.testing.assert_allclose(there.occ, here.occ, rtol=0, atol=1e-9 * np.abs(here.occ).max())


def test_from_nothing_to_everything():
    crystal, atoms = some_crystal("P 1"), some_atoms()
    empty = some_mask(crystal).at(atoms.replace(occ=np.zeros(4)))
    np.testing.assert_allclose(empty.values, 1.0, rtol=0, atol=1e-12)
    wide = replace(SMALL, radii=9.0)
    full = some_mask(crystal, wide).at(atoms)
    np.testing.assert_allclose(full.values, 0.0, rtol=0, atol=1e-12)


def test_atoms_that_count_for_nothing():
    crystal, atoms = some_crystal("P 21 21 21"), some_atoms()
    w = some_weights(len(some_mask(crystal).hkl))
    negative = some_mask(crystal).at(atoms.replace(occ=np.array([0.5, 0.3, -1e3, 0.8])))
    fewer = some_mask(crystal).at(atoms.select(np.array([0, 1, 3])))
    np.testing.assert_array_equal(negative.values, fewer.values)
    assert negative.adjoint(w).occ[2] == 0.0
    points = some_mask(crystal, MaskParameters(0.0, r_probe=0.0, r_shrink=0.0)).at(atoms)
    assert 0.0 < 1.0 - points.values.mean() < 0.01  # some lie on grid points
    assert np.isfinite(points.adjoint(w).frac).all()


# --- against the flat mask -------------------------------------------------------------------


@pytest.mark.parametrize("radii", ["refmac", "vdw", "cctbx"])
def test_it_is_near_the_flat_mask(shared_data, radii):
    """F_mask differs no more than that of the flat mask on a finer grid, at low resolution."""
    from friedel.readers.models import as_model
    from friedel.reflections.reflections import Reflections

    model = as_model(shared_data / "models" / "1dur.pdb")
    hkl = model.crystal.unique_reflections(5.0)
    parameters = MaskParameters.for_radii(radii, island_min_volume=0.0)
    shape = grid_shape(model.crystal, 0.6)
    flat, fine = (
        structure_factors(
            solvent_mask(model.crystal, model.atoms, tuple(n * size for size in shape), parameters),
            model.crystal,
            hkl,
            symmetry_sum=False,
        )
        for n in (1, 3)
    )
    smooth = SmoothMask(model.crystal, hkl, shape, parameters).at(model.atoms).forward()
    error, of_grid = (
        worst_shell_error(Reflections(model.crystal, hkl, f), flat) for f in (smooth, fine)
    )
    assert error < of_grid


def test_threads_change_nothing():
    mask, atoms = some_mask(some_crystal("P 31 2 1")), some_atoms()
    w = some_weights(len(mask.hkl))
    one, two = mask.at(atoms), replace(mask, threads=2).at(atoms)
    np.testing.assert_allclose(two.forward(), one.forward(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(two.adjoint(w).frac, one.adjoint(w).frac, rtol=1e-9, atol=1e-9)


def test_wrong_weights():
    mask = some_mask(some_crystal("P 1"))
    with pytest.raises(ReflectionsError, match="dT/dF"):
        mask.at(some_atoms()).adjoint(np.ones(3))
