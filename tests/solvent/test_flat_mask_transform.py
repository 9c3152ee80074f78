"""F of flat masks from some planes, against the transform of the mask of the whole cell."""

from dataclasses import replace

import gemmi
import numpy as np
import pytest

from friedel.density.fourier import structure_factors
from friedel.density.grid import grid_shape
from friedel.errors import ReflectionsError
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.solvent.flat_mask import MaskParameters, mask_spacing, solvent_mask, solvent_runs
from friedel.solvent.flat_mask_transform import FlatMasks
from friedel.solvent.masked_solvent import MaskedSolvent

D_MIN = 1.5
GROUPS = {
    "P 1": (11.0, 9.0, 12.0, 75.0, 108.0, 98.0),
    "P -1": (11.0, 9.0, 12.0, 75.0, 108.0, 98.0),
    "C 1 2 1": (14.0, 9.0, 12.0, 90.0, 110.0, 90.0),
    "P 21 21 21": (13.0, 15.0, 17.0, 90.0, 90.0, 90.0),
    "F d d 2": (17.0, 19.0, 13.0, 90.0, 90.0, 90.0),
    "P 43 21 2": (14.0, 14.0, 17.0, 90.0, 90.0, 90.0),
    "P 32 2 1": (16.0, 16.0, 14.0, 90.0, 90.0, 120.0),
    "P 61": (16.0, 16.0, 14.0, 90.0, 90.0, 120.0),
    "I a -3 d": (24.0, 24.0, 24.0, 90.0, 90.0, 90.0),
}
PARAMETERS = [
    MaskParameters.for_radii("refmac", island_min_volume=2.0),
    MaskParameters.for_radii("cctbx"),
    MaskParameters.for_radii("vdw", r_probe=1.5, r_shrink=1.3),
]


def crystal_of(name: str) -> Crystal:
    operations = gemmi.SpaceGroup(name).operations()
    return Crystal.from_triplets(GROUPS[name], [op.triplet() for op in operations])


def case(name: str) -> tuple[FlatMasks, Atoms]:
    crystal = crystal_of(name)
    frac = np.random.default_rng(3).random((5, 3)) * (0.6, 0.4, 0.5)
    atoms = Atoms.from_labels(["C", "N", "O", "S", "C"], frac)
    shape = grid_shape(crystal, mask_spacing(D_MIN))
    return FlatMasks(crystal, crystal.unique_reflections(D_MIN), shape), atoms


@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("name", GROUPS)
def test_f_and_fraction_are_those_of_the_whole_mask(name, parameters):
    masks, atoms = case(name)
    mask = solvent_mask(masks.crystal, atoms, masks.shape, parameters)
    solvent = masks.of_atoms(atoms, parameters)
    assert masks.fraction(solvent) == mask.mean(dtype=np.float64)
    assert 0.0 < masks.fraction(solvent) < 1.0
    exact = structure_factors(mask.astype(float), masks.crystal, masks.hkl, symmetry_sum=False)
    error, size = masks.structure_factors(solvent) - exact, np.linalg.norm(exact)
    assert np.linalg.norm(error) < 1e-6 * size
    assert np.abs(error).max() < 1e-5 * size / np.sqrt(len(exact))


def test_runs_in_planes_are_those_of_the_whole_mask():
    masks, atoms = case("P 1")
    parameters = PARAMETERS[2]  # grown by several planes, also over the boundary of the cell
    mask = solvent_mask(masks.crystal, atoms, masks.shape, parameters)
    for first, last in ((0, 1), (5, 9), (masks.shape[0] - 2, masks.shape[0] - 1)):
        runs = solvent_runs(masks.crystal, atoms, masks.shape, parameters, first, last)
        found = np.zeros((last - first + 1, *masks.shape[1:]), np.float32)
        for row, points in enumerate(found.reshape(-1, masks.shape[2])):
            for run in range(runs.row_start[row], runs.row_start[row + 1]):
                points[runs.first[run] : runs.last[run] + 1] = 1.0
        np.testing.assert_array_equal(found, mask[first : last + 1])


def test_the_same_bits_by_any_number_of_threads():
    masks, atoms = case("P 21 21 21")
    solvent = masks.of_atoms(atoms, PARAMETERS[0])
    one, three = (replace(masks, threads=n).structure_factors(solvent) for n in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_a_mask_without_boundary_scatters_nothing():
    masks, atoms = case("P 21 21 21")
    empty = masks.of_atoms(atoms, MaskParameters.for_radii("constant", constant_r=20.0))
    full = masks.of_atoms(atoms.select(np.zeros(len(atoms), bool)), PARAMETERS[0])
    assert (masks.fraction(empty), masks.fraction(full)) == (0.0, 1.0)
    for solvent in (empty, full):
        assert not masks.structure_factors(solvent).any()


def test_reflections_beyond_the_grid():
    masks, atoms = case("P 21 21 21")
    coarse = replace(masks, shape=(8, 8, 8))
    with pytest.raises(ReflectionsError, match="grid of 8 x 8 x 8"):
        coarse.structure_factors(coarse.of_atoms(atoms, PARAMETERS[1]))


def test_masks_of_a_search_share_their_plan():
    masks, atoms = case("P 21 21 21")
    solvent = MaskedSolvent(masks.crystal, atoms, masks.hkl, PARAMETERS[1])
    other = solvent.with_radii(0.9, 0.7)
    assert other._flat is solvent._flat
    fresh = MaskedSolvent(masks.crystal, atoms, masks.hkl, other.parameters)
    np.testing.assert_array_equal(other.f_mask, fresh.f_mask)
    np.testing.assert_array_equal(other.f_layer, fresh.f_layer)
    np.testing.assert_array_equal(other.at(masks.hkl.copy())[0], fresh.f_mask)
