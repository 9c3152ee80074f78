"""Form factors of individual atoms: which reflections and atoms they belong to."""

import numpy as np
import pytest

import friedel
from friedel.errors import AtomsError, ParameterError, ReflectionsError
from friedel.scattering.atom_form_factors import SAME_SITE, Sites

HKL = np.array([[1, 0, 0], [0, 2, 0], [-1, 2, 3]])
F = np.array([[5 + 1j, 4 - 1j, 3 + 2j], [2, 1.5, 1j]])
CRYSTAL = friedel.Crystal((5, 6, 7, 90, 100, 90))


def listed(labels=("C1", "H1"), hkl=HKL, f=F, **fields):
    return friedel.AtomFormFactors(labels, hkl, f, **fields)


def atoms(*labels, symbols=("C", "H")):
    found = friedel.Atoms.from_labels(symbols, np.arange(3 * len(symbols)).reshape(-1, 3) / 10)
    return found.replace(site_labels=labels or None)


def test_a_friedel_mate_is_the_conjugate():
    found = listed().at([[1, -2, -3], [1, 0, 0], [0, -2, 0]])
    assert (found == np.column_stack([F[:, 2].conj(), F[:, 0], F[:, 1].conj()])).all()


def test_with_dispersion_a_friedel_mate_is_another_reflection():
    with pytest.raises(ReflectionsError, match=r"at 1 of 2 indices: \(1, -2, -3\).*f''"):
        listed(with_dispersion=True).at([[1, 0, 0], [1, -2, -3]])


def test_missing_indices_are_counted_and_named():
    with pytest.raises(ReflectionsError, match=r"at 10 of 11 indices: \(5, 0, 0\).* and 2 more"):
        listed().at([[1, 0, 0], *([5, k, 0] for k in range(10))])


def test_values_do_not_share_memory():
    hkl, f = HKL.copy(), F.copy()
    made = listed(hkl=hkl, f=f)
    hkl[:], f[:] = 0, 0
    assert (made.hkl == HKL).all()
    assert (made.f == F).all()
    with pytest.raises(ValueError, match="read-only"):
        made.f[0, 0] = 1


def test_an_index_may_be_repeated_with_the_same_form_factors():
    twice = listed(hkl=np.vstack([HKL, HKL]), f=np.hstack([F, F + 1e-9]))
    assert (twice.at(HKL) == F).all()
    with pytest.raises(ParameterError, match=r"lists 3 indices twice.*\(-1, 2, 3\)"):
        listed(hkl=np.vstack([HKL, HKL]), f=np.hstack([F, F + 1e-3]))


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        ({"labels": ("C1", "C1")}, AtomsError, "same label: C1"),
        ({"labels": ("C1",)}, ParameterError, "shape"),
        ({"f": np.full((2, 3), np.nan)}, ParameterError, r"C1 at \(1, 0, 0\).*not finite"),
        ({"hkl": HKL + 0.5}, ReflectionsError, "integers"),
    ],
)
def test_impossible_values(wrong, error, match):
    with pytest.raises(error, match=match):
        listed(**wrong)


class TestAtoms:
    def test_order_is_that_of_the_atoms(self):
        found = listed().of_atoms(CRYSTAL, atoms("H1", "C1", symbols=("H", "C")))
        assert found.labels == ("H1", "C1")
        assert (found.f == F[::-1]).all()

    def test_case_matters_only_where_labels_differ_by_it(self):
        assert listed().of_atoms(CRYSTAL, atoms("c1", "h1")).labels == ("c1", "h1")
        both = listed(labels=("CA1", "Ca1")).of_atoms(CRYSTAL, atoms("Ca1", "CA1"))
        assert (both.f == F[::-1]).all()

    def test_both_kinds_of_unmatched_labels_are_named(self):
        with pytest.raises(AtomsError, match=r"none of atoms H2; the model has no atoms H1"):
            listed().of_atoms(CRYSTAL, atoms("C1", "H2"))

    def test_equal_labels_of_atoms(self):
        with pytest.raises(AtomsError, match="same label: C1.*disorder"):
            listed().of_atoms(CRYSTAL, atoms("C1", "C1", "H1", symbols=("C", "C", "H")))

    def test_atoms_without_labels(self):
        with pytest.raises(AtomsError, match="no labels"):
            listed().of_atoms(CRYSTAL, atoms())


class TestSites:
    """Atoms that a file names by their sites."""

    FRAC = np.array([[0.3, 0.4, 0.5], [0.0, 0.1, 0.2]])

    def of(self, given, frac=FRAC, numbers=(1, 6)):
        sites = Sites(np.asarray(frac), np.array(numbers))
        return listed(labels=("x", "y"), sites=sites).of_atoms(CRYSTAL, given)

    def test_moved_atoms_are_found_by_element_and_distance(self):
        found = self.of(atoms("C1", "H1"), self.FRAC + 0.02)
        assert found.labels == ("C1", "H1")
        assert (found.f == F[::-1]).all()

    def test_another_element_or_a_distant_site_is_another_atom(self):
        with pytest.raises(AtomsError, match="none of atoms C1.*no atoms y"):
            self.of(atoms("C1", "H1"), numbers=(1, 7))
        with pytest.raises(AtomsError, match="none of atoms C1, H1"):
            self.of(atoms("C1", "H1"), self.FRAC + SAME_SITE / 5)

    def test_two_atoms_at_one_site(self):
        two = atoms("C1", "C2", symbols=("C", "C"))
        two = two.replace(frac=two.frac[[0, 0]])
        with pytest.raises(AtomsError, match="C1, C2 are near the same site"):
            self.of(two)
