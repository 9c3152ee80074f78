"""Twins of centred lattices, whose laws have halves and thirds in h, k, l."""

import gemmi
import numpy as np
import pytest

from friedel.fmodel.fmodel import FModel
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.readers.twin_laws import find_twin_laws
from friedel.reflections.reflections import Reflections
from friedel.scaling import ScaleParameters

R2, R3, R6 = 2**0.5, 3**0.5, 6**0.5
LATTICES = {
    "C 2 2 2": (24, 24 * R3, 30, 90, 90, 90),
    "C 2 2 21": (24, 25 * R3, 30, 90, 90, 90),
    "A 2 2 2": (30, 24, 24 * R3, 90, 90, 90),
    "I 4": (24, 24, 24 * R2, 90, 90, 90),
    "I 41": (24, 24, 24.7 * R2, 90, 90, 90),
    "I 21 21 21": (24, 24, 24 * R2, 90, 90, 90),
    "F 2 2 2": (24, 24 * R2, 24 * R2, 90, 90, 90),
    "R 3:H": (24, 24, 24 * R6, 90, 90, 120),
    "R 3 2:H": (32, 32, 16 * R6, 90, 90, 120),
    "C 1 2 1": (38.08, 29.22, 24, 90, 109.05, 90),
    "A 1 2 1": (24, 29.22, 38.08, 90, 109.05, 90),
}
TRUTH = ScaleParameters(3.0, (2.0,) * 3 + (0.0,) * 3, 0.4, 40.0, twin_fractions=(0.35,))


def make_crystal(name, cell):
    operations = gemmi.SpaceGroup(name).operations()
    return Crystal.from_triplets(cell, [op.triplet() for op in operations], name)


def molecule(crystal):
    rng = np.random.default_rng(3)
    positions = [8.0, 7.0, 6.0] + 4.0 * rng.normal(size=(40, 3)) / np.sqrt(3)
    frac = positions @ np.linalg.inv(crystal.orthogonalization).T
    return Atoms.from_labels(["C", "O"] * 20, frac, b_iso=rng.uniform(8, 20, 40))


def squares(crystal, atoms, hkl, on_scale_of):
    """(n,) |F|^2 of reflections, with the scales of others."""
    model = FModel((crystal, atoms), Reflections(crystal, hkl, np.ones(len(hkl))), solvent="flat")
    f_mask = None if model.f_mask is None else model.f_mask.values
    return np.abs(TRUTH.f_total(crystal, on_scale_of, model.f_calc.values, f_mask)) ** 2


def as_data(crystal, hkl, intensity):
    free = np.random.default_rng(1).random(len(hkl)) < 0.1
    return Reflections(crystal, hkl, np.sqrt(intensity), free=free)


@pytest.mark.parametrize("name", LATTICES)
def test_fraction_comes_back_by_name(name):
    crystal = make_crystal(name, LATTICES[name])
    law = next(text for text, one in find_twin_laws(crystal).items() if one.denominator > 1)
    atoms = molecule(crystal)
    hkl = crystal.unique_reflections(2.5)
    # gemmi turns the indices here, in its own integers
    mates = np.array([gemmi.Op(law).apply_to_hkl(h) for h in hkl.tolist()])
    of_one, of_other = (squares(crystal, atoms, h, hkl) for h in (hkl, mates))
    assert np.corrcoef(of_one, of_other)[0, 1] < 0.9
    data = as_data(crystal, hkl, 0.65 * of_one + 0.35 * of_other)
    for twin in (law, "auto"):
        found = FModel((crystal, atoms), data, twin=twin).fit()
        assert found.twin_law == law
        assert found.scales.twin_fraction == pytest.approx(0.35, abs=1e-3)
        assert found.r_work < 1e-3
        assert not [note for note in found.notes if "mate" in note]


@pytest.mark.parametrize("solvent", ["flat", "babinet"])
def test_reflections_without_a_mate_are_of_one_domain_and_counted(solvent):
    crystal = make_crystal("R 3:H", (30, 30, 40, 90, 90, 120))
    atoms = molecule(crystal)
    hkl = crystal.unique_reflections(2.5)
    shared = hkl[:, 2] % 3 == 0
    intensity = 0.65 * squares(crystal, atoms, hkl, hkl)
    mates = hkl[shared] * [-1, -1, 1]
    intensity[shared] += 0.35 * squares(crystal, atoms, mates, hkl[shared])
    data = as_data(crystal, hkl, intensity)
    found = FModel((crystal, atoms), data, solvent=solvent, twin="-h,-k,l").fit()
    fraction = found.scales.twin_fraction
    assert fraction == pytest.approx(0.35, abs=1e-3 if solvent == "flat" else 0.02)
    n = int((~shared).sum())
    assert f"{n} of {len(hkl)} reflections have no mate" in " ".join(found.notes)
    first = np.abs(found.f_model.values[~shared]) ** 2
    np.testing.assert_allclose(found.amplitudes[~shared] ** 2, (1 - fraction) * first)


def test_mates_beyond_the_grid_of_the_mask():
    """Obliquity takes some mates to higher resolution than any reflection that was measured."""
    crystal = make_crystal("C 2 2 21", (26.9, 28.4 * R3, 15, 90, 90, 90))
    atoms = molecule(crystal)
    hkl = crystal.unique_reflections(1.0)
    law = "h/2+k/2,3/2*h-k/2,-l"
    mates, exist = find_twin_laws(crystal, law)[law].mates(crystal, hkl)
    assert exist.all()
    blank = Reflections(crystal, hkl, np.ones(len(hkl)))
    masked = FModel((crystal, atoms), blank, solvent="flat").masked
    assert (2 * np.abs(mates).max(axis=0) > masked.mask.shape).any()
    f_mask, _ = masked.at(mates)
    within = (2 * np.abs(mates) <= masked.mask.shape).all(axis=1)
    expected, _ = masked.at(mates[within])
    # the same solvent on two grids
    assert np.corrcoef(np.abs(f_mask[within]), np.abs(expected))[0, 1] > 0.99
