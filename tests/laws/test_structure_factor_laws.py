"""Laws that hold for any structure, tested on random structures by both methods."""

import numpy as np
import pytest

from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.structure_factors.calculator import Calculator

CRYSTALS = {
    "P1": Crystal((9, 10, 11, 80, 95, 102)),
    "P212121": Crystal.from_triplets(
        (9, 10, 11, 90, 90, 90), ["-x+1/2,-y,z+1/2", "-x,y+1/2,-z+1/2"]
    ),
    "C2": Crystal.from_triplets((12, 9, 11, 90, 107, 90), ["-x,y,-z", "x+1/2,y+1/2,z"]),
    "P3221": Crystal.from_triplets((10, 10, 11, 90, 90, 120), ["-y,x-y,z+2/3", "y,x,-z"]),
}
METHODS = ("direct", "fft")
RTOL = 1e-4


def random_atoms(seed=0, n=12, aniso=True):
    rng = np.random.default_rng(seed)
    u_aniso = None
    if aniso:
        roots = 0.25 * np.eye(3) + 0.05 * rng.normal(size=(n, 3, 3))
        tensors = roots @ roots.transpose(0, 2, 1)
        u_aniso = tensors[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
        u_aniso[::2] = 0
    labels = rng.choice(["C", "N", "O", "S"], n)
    return Atoms.from_labels(
        labels, rng.random((n, 3)), rng.random(n), 5 + 20 * rng.random(n), u_aniso
    )


def relative_rms(found, expected):
    return np.sqrt((np.abs(found - expected) ** 2).sum() / (np.abs(expected) ** 2).sum())


@pytest.fixture(params=CRYSTALS, name="crystal")
def crystal_fixture(request):
    return CRYSTALS[request.param]


@pytest.fixture(params=METHODS, name="method")
def method_fixture(request):
    return request.param


def structure_factors(crystal, atoms, hkl, method, **options):
    return Calculator.from_model(
        (crystal, atoms), hkl=hkl, method=method, rtol=RTOL, **options
    ).forward()


def tolerance(method):
    # 1e-12: rounding of some hundred terms; the FFT has the error that was asked for
    return 1e-12 if method == "direct" else RTOL


def test_friedel_law(crystal, method):
    hkl = crystal.unique_reflections(1.5)
    f = structure_factors(crystal, random_atoms(), np.concatenate([hkl, -hkl]), method)
    # a float32 transform keeps the law only to its rounding
    assert relative_rms(f[len(hkl) :], np.conj(f[: len(hkl)])) < (
        1e-12 if method == "direct" else 1e-6
    )


def test_translation_changes_phases_only_in_p1(method):
    crystal, atoms = CRYSTALS["P1"], random_atoms()
    shift = np.array([0.123, 0.456, 0.789])
    hkl = crystal.unique_reflections(1.5)
    before = structure_factors(crystal, atoms, hkl, method)
    after = structure_factors(crystal, atoms.replace(frac=atoms.frac + shift), hkl, method)
    expected = before * np.exp(2j * np.pi * hkl @ shift)
    # both sums carry the error of the method
    assert relative_rms(after, expected) < 2 * tolerance(method)


def test_lattice_translations_change_nothing(crystal, method):
    atoms = random_atoms()
    hkl = crystal.unique_reflections(1.5)
    moved = atoms.replace(frac=atoms.frac + np.array([1, -2, 3]))
    before, after = (structure_factors(crystal, a, hkl, method) for a in (atoms, moved))
    assert relative_rms(after, before) < 1e-6  # float32 grid coordinates shift with the cell


def test_symmetry_equivalents(crystal, method):
    hkl = crystal.unique_reflections(1.5)
    f = structure_factors(crystal, random_atoms(), hkl, method)
    for rotation, translation in zip(crystal.rotations, crystal.translations, strict=True):
        equivalent = structure_factors(crystal, random_atoms(), hkl @ rotation, method)
        expected = f * np.exp(-2j * np.pi * (hkl @ translation) / 24)
        assert relative_rms(equivalent, expected) < 1e-9


def test_atoms_moved_by_an_operation_give_the_same_f(crystal, method):
    atoms = random_atoms(aniso=False)
    hkl = crystal.unique_reflections(1.5)
    rotation, translation = crystal.rotations[-1], crystal.translations[-1]
    moved = atoms.replace(frac=atoms.frac @ rotation.T + translation / 24)
    before, after = (structure_factors(crystal, a, hkl, method) for a in (atoms, moved))
    assert relative_rms(after, before) < 2 * tolerance(method)


def test_folding_to_the_asymmetric_unit_keeps_f(crystal):
    rng = np.random.default_rng(3)
    hkl = rng.integers(-5, 6, size=(50, 3))
    hkl = hkl[hkl.any(axis=1)]
    folded, shift, mate = crystal.to_asu(hkl)
    f = structure_factors(crystal, random_atoms(), hkl, "direct")
    x = structure_factors(crystal, random_atoms(), folded, "direct") * np.exp(1j * shift)
    np.testing.assert_allclose(np.where(mate, np.conj(x), x), f, atol=1e-10 * abs(f).max())


def test_f000_counts_the_electrons(crystal, method):
    atoms = random_atoms()
    f = structure_factors(crystal, atoms, [[0, 0, 0], [1, 1, 1]], method)
    electrons = {"C": 6, "N": 7, "O": 8, "S": 16}
    expected = sum(
        o * electrons[atoms.symbols[k]] for o, k in zip(atoms.occ, atoms.kind, strict=True)
    )
    # it92 sums to Z within 0.1 %
    assert f[0] == pytest.approx(crystal.n_operations * expected, rel=1e-3)


def test_absences_are_exactly_zero(method):
    crystal = CRYSTALS["P212121"]
    hkl = np.array([[1, 0, 0], [0, 3, 0], [0, 0, 5], [1, 2, 3]])
    f = structure_factors(crystal, random_atoms(), hkl, method)
    assert (f[:3] == 0).all()
    assert f[3] != 0


def test_linear_in_occupancy(crystal, method):
    atoms = random_atoms()
    hkl = crystal.unique_reflections(1.5)
    once, twice = (
        structure_factors(crystal, atoms.replace(occ=k * atoms.occ), hkl, method) for k in (1, 2)
    )
    assert relative_rms(twice, 2 * once) < 2 * tolerance(method)


@pytest.mark.parametrize("source", ["xray", "electron", "neutron", "mott-bethe"])
def test_fft_agrees_with_direct_summation(crystal, source):
    hkl = crystal.unique_reflections(1.2)
    exact = structure_factors(crystal, random_atoms(), hkl, "direct", source=source)
    fast = structure_factors(crystal, random_atoms(), hkl, "fft", source=source)
    assert relative_rms(fast, exact) < RTOL


def test_imaginary_part_breaks_friedels_law(crystal, method):
    hkl = crystal.unique_reflections(1.5)
    options = {"addends": {"S": -1.0 + 3.0j}}
    plus = structure_factors(crystal, random_atoms(), hkl, method, **options)
    minus = structure_factors(crystal, random_atoms(), -hkl, method, **options)
    acentric = ~crystal.is_centric(hkl)
    assert (abs(plus) - abs(minus))[acentric].std() > 0.01
    no_imaginary = structure_factors(crystal, random_atoms(), hkl, method, addends={"S": -1.0})
    # F(h) + conj F(-h) is twice what the real part of f gives
    assert relative_rms(plus + np.conj(minus), 2 * no_imaginary) < 2 * tolerance(method)
