"""Sums over atoms with form factors of their own: against clusters of spherical atoms."""

import numpy as np
import pytest
from test_direct import TOLERANCE, crystal_of, error, form_factors, random_hkl, settings_by_system

from aspherical import clusters, of_clusters, some_atoms
from friedel.direct import AsymmetricUnitSum, DirectSum, direct_structure_factors
from friedel.errors import ParameterError


@pytest.mark.parametrize("system", sorted(settings_by_system()))
def test_clusters_of_atoms_in_every_crystal_system(system):
    """The copy by R scatters at h as the atom at h R, for every setting of the system."""
    for seed, setting in enumerate(settings_by_system()[system]):
        crystal = crystal_of(setting, seed)
        hkl, atoms = random_hkl(40, 5), some_atoms()
        planned = AsymmetricUnitSum(crystal, hkl)
        found = planned.structure_factors(
            atoms, of_clusters(crystal, atoms, hkl).at(planned.indices)
        )
        parts = clusters(atoms)
        expected = direct_structure_factors(crystal, parts, hkl, form_factors(crystal, parts, hkl))
        assert error(found, expected) < TOLERANCE, setting
        assert (found[crystal.is_absent(hkl)] == 0).all()


def test_derivatives_are_the_transpose():
    """<w, F(occ)> is linear in the occupancies, and derivatives by constants are those of f."""
    crystal = crystal_of(settings_by_system()["monoclinic"][-1], 3)
    hkl, atoms = random_hkl(60, 6), some_atoms()
    planned = AsymmetricUnitSum(crystal, hkl)
    f = of_clusters(crystal, atoms, hkl).at(planned.indices)
    rng = np.random.default_rng(1)
    w = rng.normal(size=60) + 1j * rng.normal(size=60)
    target = (w.conj() @ planned.structure_factors(atoms, f)).real
    found = planned.derivatives(atoms, w, f)
    assert found.occ @ atoms.occ == pytest.approx(target, rel=1e-12)
    by_constants = planned.derivatives_by_constants(atoms, w)
    spherical = DirectSum(crystal, hkl).derivatives_by_constants(atoms, w)
    np.testing.assert_allclose(by_constants, spherical, atol=1e-11 * np.abs(spherical).max())


def test_threads_give_the_same_bits():
    crystal = crystal_of(settings_by_system()["tetragonal"][-1], 3)
    hkl, atoms = random_hkl(300, 9), some_atoms(12)
    planned = AsymmetricUnitSum(crystal, hkl)
    f = of_clusters(crystal, atoms, hkl).at(planned.indices)
    one = planned.structure_factors(atoms, f)
    assert (planned.with_threads(2).structure_factors(atoms, f) == one).all()


def test_form_factors_of_another_shape_are_refused():
    crystal = crystal_of(settings_by_system()["cubic"][0], 3)
    planned, atoms = AsymmetricUnitSum(crystal, random_hkl(5, 3)), some_atoms()
    with pytest.raises(ParameterError, match="expected"):
        planned.structure_factors(atoms, np.ones((4, len(planned.indices) + 1)))
