"""Twins: laws, and fractions recovered from data that were made with them."""

from dataclasses import replace

import gemmi
import numpy as np
import pytest

from friedel.errors import FriedelError, ParameterError, SymmetryError
from friedel.fmodel.fmodel import FModel
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.readers.twin_laws import twin_laws
from friedel.reflections.reflections import Reflections
from friedel.scaling import ScaleParameters

HEXAGONAL, CUBIC = (30.0, 30.0, 35.0, 90, 90, 120), (34.0, 34.0, 34.0, 90, 90, 90)
CRYSTALS = {
    "P 31": (HEXAGONAL, "-h,-k,l"),
    "P 31 2 1": (HEXAGONAL, "-h,-k,l"),
    "P 41": ((30.0, 30.0, 35.0, 90, 90, 90), "-h,k,-l"),
    "I 2 3": (CUBIC, "-h,-l,-k"),
}


def make_crystal(name: str, cell: tuple[float, ...]) -> Crystal:
    operations = gemmi.SpaceGroup(name).operations()
    return Crystal.from_triplets(cell, [op.triplet() for op in operations], name)


def molecule(crystal: Crystal) -> Atoms:
    rng = np.random.default_rng(3)
    positions = [8.0, 7.0, 6.0] + 4.0 * rng.normal(size=(40, 3)) / np.sqrt(3)
    frac = positions @ np.linalg.inv(crystal.orthogonalization).T
    return Atoms.from_labels(["C", "O"] * 20, frac, b_iso=rng.uniform(8, 20, 40))


def twinned(
    crystal: Crystal, atoms: Atoms, law: str, truth: ScaleParameters, noise: float = 0.0
) -> Reflections:
    hkl = crystal.unique_reflections(2.0)
    blank = Reflections(crystal, hkl, np.ones(len(hkl)))
    mates = replace(blank, hkl=(hkl @ twin_laws(crystal, law)[law]).astype(np.int32))
    intensity = np.zeros(len(hkl))
    fractions = 1.0 - truth.twin_fraction, truth.twin_fraction
    for of_domain, fraction in zip((blank, mates), fractions, strict=True):
        model = FModel((crystal, atoms), of_domain, solvent="flat")
        f = truth.f_total(crystal, hkl, model.f_calc.values, model.f_mask.values)
        intensity += fraction * np.abs(f) ** 2
    rng = np.random.default_rng(1)
    values = np.sqrt(intensity) * np.exp(noise * rng.normal(size=len(hkl)))
    return Reflections(crystal, hkl, values, free=rng.random(len(hkl)) < 0.1)


@pytest.mark.parametrize("smooth_mask", [False, True])
def test_gradients_are_of_one_domain(smooth_mask):
    """The target is of two, and what would be half of the truth is refused."""
    crystal = make_crystal("P 31", HEXAGONAL)
    atoms = molecule(crystal)
    truth = ScaleParameters(3.0, (2.0,) * 3 + (0.0,) * 3, 0.4, 40.0, twin_fractions=(0.27,))
    data = twinned(crystal, atoms, "-h,-k,l", truth, noise=0.05)
    options = {"twin": "-h,-k,l", "smooth_mask": smooth_mask}
    found = FModel((crystal, atoms), data, **options).fit()
    # with 5 % noise the fraction of a thousand reflections is known to a hundredth
    assert found.scales.twin_fraction == pytest.approx(0.27, abs=0.05)
    assert found.r_work < 0.06
    with pytest.raises(FriedelError, match="of a twin"):
        found.adjoint(None, np.ones(len(found.f_obs), complex))
    model = found.with_moving_mask if smooth_mask else found.with_fixed_mask
    np.testing.assert_allclose(model.forward(), found.f_model.values)


@pytest.mark.parametrize("shift", [0.15, 0.6])
def test_figures_of_merit_are_those_of_the_first_domain(shift):
    """Before, F_obs was divided as the model says: m of the second was 0.15 too high."""
    crystal = make_crystal("P 31", HEXAGONAL)
    atoms = molecule(crystal)
    truth = ScaleParameters(3.0, (2.0,) * 3 + (0.0,) * 3, 0.4, 40.0, twin_fractions=(0.3,))
    data = twinned(crystal, atoms, "-h,-k,l", truth, noise=0.05)
    made = FModel((crystal, atoms), data, solvent="flat")
    true = truth.f_total(crystal, data.hkl, made.f_calc.values, made.f_mask.values)
    moves = np.random.default_rng(5).normal(size=(40, 3)) * shift / np.sqrt(3)
    moved = atoms.replace(frac=atoms.frac + moves @ np.linalg.inv(crystal.orthogonalization).T)
    found = FModel((crystal, moved), data, twin="-h,-k,l", solvent="flat").fit()
    cosine = np.cos(np.angle(true * np.conj(found.f_model.values)))
    # 244 free reflections determine m to 0.04
    assert found.phase_statistics.fom.mean() == pytest.approx(cosine.mean(), abs=0.05)
    assert found.phase_statistics.fom.max() <= 1.0


def test_outliers_of_a_twin_are_left_out():
    crystal = make_crystal("P 31", HEXAGONAL)
    atoms = molecule(crystal)
    truth = ScaleParameters(3.0, (2.0,) * 3 + (0.0,) * 3, 0.4, 40.0, twin_fractions=(0.27,))
    data = twinned(crystal, atoms, "-h,-k,l", truth, noise=0.05)
    strong = np.argsort(-data.values)[40:60]
    chosen = np.isin(np.arange(len(data)), strong) & ~data.free
    spoilt = replace(data, values=np.where(chosen, 3.0 * data.values, data.values))
    found = FModel((crystal, atoms), spoilt, twin="-h,-k,l").fit()
    np.testing.assert_array_equal(found.rejected, chosen)
    assert found.scales.twin_fraction == pytest.approx(0.27, abs=0.05)


def test_a_fraction_that_is_fixed_stays():
    crystal = make_crystal("P 31", HEXAGONAL)
    atoms = molecule(crystal)
    truth = ScaleParameters(3.0, (2.0,) * 3 + (0.0,) * 3, 0.4, 40.0, twin_fractions=(0.27,))
    data = twinned(crystal, atoms, "-h,-k,l", truth)
    found = FModel((crystal, atoms), data, twin="-h,-k,l")
    start = replace(found.quick_start(), twin_fractions=(0.1,))
    assert found.fit(start, fixed=["twin_fraction"]).scales.twin_fraction == 0.1


@pytest.mark.parametrize("name", CRYSTALS)
def test_fraction_is_recovered(name):
    cell, law = CRYSTALS[name]
    crystal = make_crystal(name, cell)
    atoms = molecule(crystal)
    truth = ScaleParameters(3.0, (2.0,) * 3 + (0.0,) * 3, 0.4, 40.0, twin_fractions=(0.27,))
    data = twinned(crystal, atoms, law, truth)
    found = FModel((crystal, atoms), data, solvent="flat", target="ls", twin=law).fit()
    assert found.twin_law == law
    # F_calc of reflections and of their mates is of two plans, each good to rtol = 1e-4
    assert found.scales.twin_fraction == pytest.approx(0.27, abs=1e-3)
    assert found.scales.k_overall == pytest.approx(3.0, rel=1e-3)
    assert found.scales.k_sol == pytest.approx(0.4, rel=1e-3)
    assert found.scales.b_sol == pytest.approx(40.0, rel=1e-3)
    plain = FModel((crystal, atoms), data, solvent="flat", target="ls", twin="none").fit()
    assert found.result.n_parameters == plain.result.n_parameters + 1
    assert found.r_all < 1e-3 < plain.r_all


def test_law_is_found_and_said():
    crystal = make_crystal("P 31", HEXAGONAL)
    atoms = molecule(crystal)
    assert len(twin_laws(crystal)) == 3
    truth = ScaleParameters(3.0, (2.0,) * 3 + (0.0,) * 3, 0.4, 40.0, twin_fractions=(0.4,))
    data = twinned(crystal, atoms, "h+k,-k,-l", truth, noise=0.05)
    found = FModel((crystal, atoms), data, twin="auto").fit()
    assert found.twin_law == "h+k,-k,-l"
    assert found.scales.twin_fraction == pytest.approx(0.4, abs=0.02)
    assert "h+k,-k,-l, fraction 0.4" in found.summary()
    assert found.to_dict()["twin_law"] == "h+k,-k,-l"
    # maps are of one domain: F_obs divided as the model says is F_model but for noise, 5 % here;
    # undivided it correlates with it by
    undivided = np.corrcoef(found.f_obs.values, found.f_model.amplitudes)[0, 1]
    fwt, delfwt = found.map_coefficients()
    assert undivided < 0.95 < np.corrcoef(fwt.amplitudes, found.f_model.amplitudes)[0, 1]
    assert np.mean(delfwt.amplitudes) < 0.1 * np.mean(fwt.amplitudes)


def test_no_twin_has_no_fraction():
    crystal = make_crystal("P 41", CRYSTALS["P 41"][0])
    atoms = molecule(crystal)
    data = twinned(crystal, atoms, "-h,k,-l", ScaleParameters(2.0, k_sol=0.3, b_sol=50.0), 0.05)
    found = FModel((crystal, atoms), data, twin="auto").fit()
    assert found.scales.twin_fraction == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize(
    ("law", "error"),
    [
        ("auto", SymmetryError),
        ("-h,-k,l", SymmetryError),
        ("k,h,l", SymmetryError),
        ("nonsense", ParameterError),
        ("2h,k,l", ParameterError),
        ("", ParameterError),
    ],
)
def test_impossible_laws(law, error):
    crystal = make_crystal("P 21 21 21", (30.0, 40.0, 50.0, 90, 90, 90))
    with pytest.raises(error):
        twin_laws(crystal, law)


def test_every_law_keeps_the_lattice_and_is_no_symmetry():
    for name, (cell, expected) in CRYSTALS.items():
        crystal = make_crystal(name, cell)
        laws = twin_laws(crystal)
        assert expected in laws
        for law, matrix in laws.items():
            np.testing.assert_array_equal(twin_laws(crystal, law)[law], matrix)
