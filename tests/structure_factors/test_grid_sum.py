import gc
import weakref

import numpy as np
import pytest

from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.scattering.formfactors import scattering_factors
from friedel.structure_factors.grid_sum import GridSum

CRYSTAL = Crystal.from_triplets((18, 20, 23, 90, 100, 90), ["-x,y+1/2,-z"])


def some_atoms(b_iso=20.0, occ=1.0):
    frac = np.random.default_rng(3).random((30, 3))
    return Atoms.from_labels(["C", "O", "S"] * 10, frac, occ, b_iso)


def grid_sum(atoms, rtol=1e-4):
    factors = scattering_factors(atoms.scatterers)
    hkl = CRYSTAL.unique_reflections(2.0)
    stol2 = CRYSTAL.stol2(hkl)
    f_double_prime = np.zeros(len(factors.a))
    return GridSum(CRYSTAL, atoms, hkl, stol2, factors.a, factors.b, f_double_prime, rtol)


def test_a_sum_holds_while_atoms_only_move():
    atoms = some_atoms()
    planned = grid_sum(atoms)
    moved = atoms.replace(frac=atoms.frac + 0.1)
    assert planned.at(atoms) is planned.at(moved)
    assert planned.latest is planned.at(moved)


def test_what_was_given_out_does_not_change():
    """A later call with another plan does not change it either."""
    atoms, sharp = some_atoms(60.0), some_atoms(1.0)
    planned = grid_sum(atoms)
    first = planned.at(atoms)
    plan, f = first.plan, first.structure_factors(atoms.frac)
    other = planned.at(sharp)
    assert planned.latest is other
    assert other.plan != plan
    assert first.plan is plan
    np.testing.assert_array_equal(first.structure_factors(atoms.frac), f)


def test_it_sums_without_being_asked_for_other_atoms():
    atoms = some_atoms()
    planned = grid_sum(atoms)
    np.testing.assert_array_equal(
        planned.structure_factors(atoms.frac), planned.at(atoms).structure_factors(atoms.frac)
    )


def test_memory_is_free_when_the_last_name_goes():
    """The objects hold no circle of references, for which memory would wait for the collector."""
    atoms = some_atoms()
    planned = grid_sum(atoms)
    parts = [weakref.ref(planned), weakref.ref(planned.at(atoms)), weakref.ref(planned.at(atoms))]
    gc.disable()
    try:
        del planned
        assert all(part() is None for part in parts)
    finally:
        gc.enable()


@pytest.mark.parametrize("threads", [1, 3])
def test_atoms_of_no_occupancy_add_nothing_and_have_derivatives(threads):
    atoms = some_atoms()
    without = atoms.replace(occ=np.where(np.arange(30) % 4 == 0, 0.0, 1.0))
    planned = grid_sum(without)
    f = planned.at(without).structure_factors(without.frac, threads)
    rest = grid_sum(without).at(without)
    elsewhere = without.frac.copy()
    elsewhere[::4] += 0.3
    np.testing.assert_array_equal(rest.structure_factors(elsewhere, threads), f)
    found, _, _ = rest.derivatives(without.frac, f, threads)
    assert (found[::4, 0] != 0.0).all()
    assert not found[::4, 1:].any()
