"""L-test and H-test on intensities of known distribution and known twin fraction."""

import gemmi
import numpy as np
import pytest
from scipy.integrate import dblquad

import friedel
from friedel.errors import ParameterError, ReflectionsError, SymmetryError
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import TwinLaw
from friedel.reflections.reflections import Reflections, match
from friedel.reflections.twin_statistics import mean_abs_l

LAW = "-h,-k,l"
CELLS = {"P 31": (90, 90, 100, 90, 90, 120), "R 3:H": (160, 160, 170, 90, 90, 120)}
LAWS = {"P 31": LAW, "R 3:H": "h,-h-k,-l"}


def make_crystal(name, cell):
    operations = gemmi.SpaceGroup(name).operations()
    return Crystal.from_triplets(cell, [op.triplet() for op in operations], name)


def mates(crystal, hkl, law):
    turned, exist = TwinLaw.parse(law).mates(crystal, hkl)
    assert exist.all()
    i, j = match(crystal.to_asu(turned)[0], hkl)
    assert len(i) == len(hkl)
    return j[np.argsort(i)]


def wilson(crystal, hkl, seed=0):
    """Intensities of acentric and centric reflections that fall off with resolution."""
    rng = np.random.default_rng(seed)
    centric = crystal.is_centric(hkl)
    values = np.where(centric, rng.normal(size=len(hkl)) ** 2, rng.exponential(size=len(hkl)))
    return values * crystal.epsilon(hkl) * np.exp(-60.0 * crystal.stol2(hkl))


def twinned(name, fraction, seed=0):
    crystal = make_crystal(name, CELLS[name])
    hkl = crystal.unique_reflections(2.6)
    intensity = wilson(crystal, hkl, seed)
    mate = mates(crystal, hkl, LAWS[name])
    data = Reflections(crystal, hkl, (1.0 - fraction) * intensity + fraction * intensity[mate])
    return data.select(mate != np.arange(len(hkl)))  # those are not twinned


def test_expected_mean_is_that_of_the_distribution():
    """|L| of sums of exponentials, integrated over the ratio of each of two domains."""
    assert mean_abs_l(0.0) == 0.5
    assert mean_abs_l(0.5) == 0.375
    assert mean_abs_l(0.485) == pytest.approx(mean_abs_l(0.4843), abs=1e-4)  # series and formula

    def by_integration(a):
        b = 1.0 - a

        def density(x):
            return (np.exp(-x / b) - np.exp(-x / a)) / (b - a)

        def term(y, x):
            return abs(x - y) / (x + y) * density(x) * density(y)

        return 2.0 * dblquad(term, 0.0, 30.0, 0.0, lambda x: x, epsabs=1e-8)[0]

    for a in (0.1, 0.3, 0.45):
        assert mean_abs_l(a) == pytest.approx(by_integration(a), abs=1e-6)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(
    ("fraction", "mean", "square"), [(0.0, 0.5, 1 / 3), (0.2, None, None), (0.5, 0.375, 0.2)]
)
def test_l_test_at_the_textbook_values(name, fraction, mean, square):
    found = friedel.l_test(twinned(name, fraction), are_intensities=True)
    mean = mean_abs_l(fraction) if mean is None else mean
    assert found.mean_abs_l == pytest.approx(mean, abs=0.005)
    if square is not None:
        assert found.mean_l2 == pytest.approx(square, abs=0.005)
    assert mean_abs_l(found.twin_fraction) == pytest.approx(found.mean_abs_l, abs=0.005)
    assert found.n_pairs > 50_000


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.35, 0.5])
def test_h_test_gives_the_fraction(name, fraction):
    data = twinned(name, fraction)
    found = friedel.h_test(data, LAWS[name], are_intensities=True)
    assert found.twin_fraction == pytest.approx(fraction, abs=0.005)
    assert found.twin_fraction_from_h2 == pytest.approx(fraction, abs=0.005)
    assert found.mean_abs_h == pytest.approx(0.5 - fraction, abs=0.01)
    assert found.mean_h2 == pytest.approx((1 - 2 * fraction) ** 2 / 3, abs=0.01)
    # amplitudes are squared; order, equivalents and Friedel mates do not matter
    rng = np.random.default_rng(4)
    order = rng.permutation(len(data))
    rotations, _ = data.crystal.primitive_operations
    turned = data.hkl[order] @ rotations[-1] * rng.choice([1, -1], len(data))[:, None]
    amplitudes = Reflections(data.crystal, turned, np.sqrt(data.values[order]))
    again = friedel.h_test(amplitudes, TwinLaw.parse(LAWS[name]))
    assert again.twin_fraction == pytest.approx(found.twin_fraction, abs=1e-12)
    assert again.n_pairs == found.n_pairs


def test_noise_of_weak_shells_and_pairs_is_left_out():
    data = twinned("P 31", 0.3)
    sigmas = np.full(len(data), 0.02 * np.exp(-60.0 * data.stol2.min()))
    rng = np.random.default_rng(2)
    noisy = Reflections(
        data.crystal, data.hkl, data.values + sigmas * rng.normal(size=len(data)), sigmas
    )
    exact = friedel.l_test(data, are_intensities=True)
    found = friedel.l_test(noisy, are_intensities=True)
    assert 0.2 * exact.n_pairs < found.n_pairs < exact.n_pairs
    assert found.mean_abs_l == pytest.approx(mean_abs_l(0.3), abs=0.02)
    by_law = friedel.h_test(noisy, LAW, are_intensities=True)
    assert by_law.twin_fraction == pytest.approx(0.3, abs=0.01)
    assert by_law.n_pairs < friedel.h_test(data, LAW, are_intensities=True).n_pairs
    hopeless = Reflections(data.crystal, data.hkl, noisy.values, 100.0 * sigmas)
    assert found.strong_share > 0.85
    weak = friedel.l_test(hopeless, are_intensities=True)
    assert weak.strong_share < 0.5
    assert 0 < weak.n_pairs < 0.3 * exact.n_pairs
    with pytest.raises(ReflectionsError, match="none of"):
        friedel.h_test(hopeless, LAW, are_intensities=True, least_signal=1e3)


def test_structure_factors_of_atoms():
    crystal = make_crystal("P 31", (40, 40, 45, 90, 90, 120))
    rng = np.random.default_rng(1)
    atoms = friedel.Atoms.from_labels(["C"] * 300, rng.random((300, 3)), b_iso=np.full(300, 15.0))
    f = friedel.fcalc((crystal, atoms), d_min=2.0)
    untwinned = friedel.l_test(f)
    assert untwinned.mean_abs_l == pytest.approx(0.5, abs=0.01)
    assert friedel.h_test(f, LAW).twin_fraction == pytest.approx(0.0, abs=0.02)
    intensity = 0.6 * f.amplitudes**2 + 0.4 * f.amplitudes[mates(crystal, f.hkl, LAW)] ** 2
    data = Reflections(crystal, f.hkl, np.sqrt(intensity))
    assert friedel.l_test(data).mean_abs_l < 0.4
    assert friedel.h_test(data, LAW).twin_fraction == pytest.approx(0.4, abs=0.01)
    assert "twin fraction 0.4" in str(friedel.h_test(data, LAW))
    assert "perfect twin 0.375" in str(friedel.l_test(data))


def test_pseudo_translation_by_half_of_an_edge_does_not_matter():
    crystal = make_crystal("P 31", CELLS["P 31"])
    hkl = crystal.unique_reflections(3.0)
    weak = np.where(hkl[:, 2] % 2, 0.1, 1.0)
    data = Reflections(crystal, hkl, wilson(crystal, hkl) * weak)
    found = friedel.l_test(data, are_intensities=True)
    assert found.mean_abs_l == pytest.approx(0.5, abs=0.01)
    assert friedel.l_test(data, are_intensities=True, parity=(2, 2, 1)).mean_abs_l > 0.52


def test_what_cannot_be_tested():
    data = twinned("R 3:H", 0.2)
    with pytest.raises(SymmetryError, match="is a symmetry operation"):
        friedel.h_test(data, "-h,-k,-l")
    with pytest.raises(SymmetryError, match="does not keep the lattice"):
        friedel.h_test(data, "l,k,-h")
    with pytest.raises(ParameterError, match="expected one such as"):
        friedel.h_test(data, "nonsense")
    cubic = make_crystal("R 3:H", (60, 60, 60 * 6**0.5, 90, 90, 120))
    blank = Reflections(
        cubic, cubic.unique_reflections(6.0), np.ones(len(cubic.unique_reflections(6.0)))
    )
    with pytest.raises(ParameterError, match="does not pair reflections"):
        friedel.h_test(blank, "-h,2/3*h+k/3+l/3,4/3*h+8/3*k-l/3")
    with pytest.raises(ParameterError, match="parity"):
        friedel.l_test(data, parity=(2, 2, 0))
    with pytest.raises(ReflectionsError, match="no acentric"):
        friedel.l_test(data.select(np.arange(0)))
    with pytest.raises(ReflectionsError, match="complex"):
        friedel.l_test(Reflections(data.crystal, data.hkl, data.values + 1j), are_intensities=True)
    centric = make_crystal("P -1", (20, 21, 22, 80, 85, 95))
    hkl = centric.unique_reflections(3.0)
    with pytest.raises(ReflectionsError, match="no acentric"):
        friedel.l_test(Reflections(centric, hkl, np.ones(len(hkl))))
