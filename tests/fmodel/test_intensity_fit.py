"""Target ls-i of FModel: which intensities are fitted, how they are weighted, what is said."""

import json

import gemmi
import numpy as np
import pytest

import friedel
from friedel.errors import GuessError, ReflectionsError
from friedel.fmodel.fmodel import FModel
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.readers.amplitudes import as_reflections
from friedel.reflections.reflections import Reflections
from friedel.scaling import ScaleParameters

TRUTH = ScaleParameters(3.0, (2.0, 3.0, 1.0, 0.0, 0.0, 0.0), 0.4, 40.0)
CELL = (30.0, 33.0, 35.0, 90, 90, 90)


@pytest.fixture(scope="module")
def model():
    operations = gemmi.SpaceGroup("P 21 21 21").operations()
    crystal = Crystal.from_triplets(CELL, [op.triplet() for op in operations], "P 21 21 21")
    rng = np.random.default_rng(3)
    positions = [8.0, 7.0, 6.0] + 4.0 * rng.normal(size=(60, 3)) / np.sqrt(3)
    frac = positions @ np.linalg.inv(crystal.orthogonalization).T
    return crystal, Atoms.from_labels(["C", "O"] * 30, frac, b_iso=rng.uniform(8, 20, 60))


@pytest.fixture(scope="module")
def exact(model):
    crystal, _ = model
    hkl = crystal.unique_reflections(2.0)
    hkl = hkl[~crystal.is_absent(hkl)]
    blank = FModel(model, Reflections(crystal, hkl, np.ones(len(hkl))), solvent="flat")
    f = TRUTH.f_total(crystal, hkl, blank.f_calc.values, blank.f_mask.values)
    return hkl, np.abs(f) ** 2


def write(path, hkl, columns):
    """An MTZ file whose columns are I, SIGI, F, SIGF, FREE as given."""
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup, mtz.cell = gemmi.SpaceGroup("P 21 21 21"), gemmi.UnitCell(*CELL)
    mtz.add_dataset("native")
    for name in columns:
        mtz.add_column(name, {"I": "J", "F": "F", "FREE": "I"}.get(name, "Q"))
    mtz.set_data(np.column_stack([hkl, *columns.values()]).astype(np.float32))
    mtz.write_to_file(str(path))
    return path


def noisy(exact, level, seed=1):
    hkl, intensity = exact
    rng = np.random.default_rng(seed)
    sigmas = level * intensity.mean() * rng.uniform(0.5, 2.0, len(hkl))
    return intensity + sigmas * rng.normal(size=len(hkl)), sigmas


def test_scales_come_back_from_intensities(model, exact, tmp_path):
    hkl, intensity = exact
    sigmas = 1.0 + 0.02 * intensity
    path = write(tmp_path / "data.mtz", hkl, {"I": intensity, "SIGI": sigmas})
    found = FModel(model, path, solvent="flat", target="ls-i").fit()
    scales = found.scales
    assert scales.k_overall == pytest.approx(3.0, rel=1e-3)
    assert scales.k_sol == pytest.approx(0.4, rel=2e-3)
    assert scales.b_sol == pytest.approx(40.0, rel=2e-3)
    np.testing.assert_allclose(scales.b_overall, TRUTH.b_overall, atol=1e-2)
    assert found.wr2 < 1e-3
    assert found.r1 < 1e-3


def test_measured_intensities_are_fitted_and_not_their_amplitudes(model, exact, tmp_path):
    hkl, _ = exact
    intensity, sigmas = noisy(exact, 0.3)
    assert (intensity < 0).mean() > 0.1
    path = write(tmp_path / "data.mtz", hkl, {"I": intensity, "SIGI": sigmas})
    found = FModel(model, path, solvent="flat", target="ls-i").fit()
    n = int((intensity < 0).sum())
    assert f"the fit is to the intensities as measured; {n} are negative" in found.notes
    assert found.usable.all()
    # wR2 and R1 by their formulas, of the model's amplitudes
    order = np.lexsort(hkl.T[::-1])
    np.testing.assert_array_equal(found.f_obs.hkl, hkl[order])
    i_obs, sigma = intensity[order], sigmas[order]
    i_model = found.amplitudes**2
    wr2 = np.sqrt((((i_obs - i_model) / sigma) ** 2).sum() / ((i_obs / sigma) ** 2).sum())
    assert found.wr2 == pytest.approx(wr2, rel=1e-5)
    strong = i_obs > 2 * sigma
    roots = np.sqrt(i_obs[strong])
    r1 = np.abs(roots - found.amplitudes[strong]).sum() / roots.sum()
    assert found.r1 == pytest.approx(r1, rel=1e-5)
    # at a minimum of sum w (I - F_model^2)^2: no factor on F_model^2 lowers it
    slope = ((i_obs - i_model) * i_model / sigma**2).sum() / ((i_model / sigma) ** 2).sum()
    assert abs(slope) < 1e-4
    numbers = json.loads(json.dumps(found.to_dict()))
    assert numbers["wr2"] == pytest.approx(wr2, rel=1e-5)
    assert numbers["r1"] == pytest.approx(r1, rel=1e-5)
    assert f"R1 {found.r1:.4f} of I > 2 sigma(I), wR2 {found.wr2:.4f}" in found.summary()


def test_squares_of_amplitudes_are_fitted_and_this_is_said(model, exact, tmp_path):
    hkl, intensity = exact
    f = np.sqrt(intensity) * np.exp(0.05 * np.random.default_rng(2).normal(size=len(hkl)))
    sigma_f = 0.02 * f + 1.0
    path = write(tmp_path / "f.mtz", hkl, {"F": f, "SIGF": sigma_f})
    found = FModel(model, path, solvent="flat", target="ls-i").fit()
    assert any("squares of amplitudes" in note for note in found.notes)
    as_intensities = {"I": f**2, "SIGI": 2 * f * sigma_f}
    other = FModel(
        model, write(tmp_path / "i.mtz", hkl, as_intensities), solvent="flat", target="ls-i"
    ).fit()
    assert found.scales.k_overall == pytest.approx(other.scales.k_overall, rel=1e-5)
    assert found.wr2 == pytest.approx(other.wr2, rel=1e-4)
    with pytest.raises(GuessError, match="give intensities"):
        FModel(model, path, target="ls-i", strict=True)
    given = Reflections(model[0], hkl, f, sigma_f)
    third = FModel(model, given, solvent="flat", target="ls-i").fit()
    assert third.scales.k_overall == pytest.approx(found.scales.k_overall, rel=1e-5)


def test_intensities_are_taken_where_there_are_amplitudes_too(model, exact, tmp_path):
    hkl, intensity = exact
    columns = {
        "F": np.full(len(hkl), 7.0),
        "SIGF": np.ones(len(hkl)),
        "I": intensity,
        "SIGI": np.ones(len(hkl)),
    }
    path = write(tmp_path / "both.mtz", hkl, columns)
    options = {"solvent": "flat", "target": "ls-i"}
    found = FModel(model, path, **options).fit()
    assert found.scales.k_overall == pytest.approx(3.0, rel=1e-3)
    named = FModel(model, f"{path}:F,SIGF", **options).fit()
    assert named.r_work > 0.2  # all the same, as asked for
    assert FModel(model, path, target="ls", solvent="flat").f_obs.values[0] == 7.0
    # read beforehand, intensities are kept beside their amplitudes
    read = as_reflections(f"{path}:I,SIGI")
    assert FModel(model, read, **options).fit().scales == found.scales


def test_without_sigmas_all_intensities_have_one_weight(model, exact, tmp_path):
    hkl, _ = exact
    intensity, _ = noisy(exact, 0.3)
    path = write(tmp_path / "data.mtz", hkl, {"I": intensity})
    fmodel = FModel(model, path, solvent="flat", target="ls-i")
    found = fmodel.fit()
    assert "the intensities have no sigmas: all have the same weight in the fit" in found.notes
    # negative ones, whose amplitudes are zero, count
    assert found.usable.all()
    assert found.result.n_reflections == len(hkl)
    constant = {"I": intensity, "SIGI": np.full(len(hkl), 5.0)}
    other = FModel(
        model, write(tmp_path / "constant.mtz", hkl, constant), solvent="flat", target="ls-i"
    ).fit()
    assert found.scales.k_overall == pytest.approx(other.scales.k_overall, rel=1e-5)
    assert found.wr2 == pytest.approx(other.wr2, rel=1e-5)
    assert np.isfinite(found.r_work)
    assert found.phase_statistics is not None


def test_free_reflections_are_left_out_of_fit_and_statistics(model, exact, tmp_path):
    hkl, intensity = exact
    free = np.arange(len(hkl)) % 10 == 0
    spoilt = np.where(free, 9.0 * intensity.mean(), intensity)
    columns = {"I": spoilt, "SIGI": np.ones(len(hkl)), "FREE": np.where(free, 0, 1)}
    path = write(tmp_path / "data.mtz", hkl, columns)
    found = FModel(model, path, solvent="flat", target="ls-i").fit()
    assert found.scales.k_overall == pytest.approx(3.0, rel=1e-3)
    assert found.wr2 < 1e-3 < 0.5 < found.r_free


def test_a_twin_by_its_intensities(exact, tmp_path):
    operations = gemmi.SpaceGroup("P 31").operations()
    cell = (30.0, 30.0, 35.0, 90, 90, 120)
    crystal = Crystal.from_triplets(cell, [op.triplet() for op in operations], "P 31")
    rng = np.random.default_rng(3)
    positions = [8.0, 7.0, 6.0] + 4.0 * rng.normal(size=(40, 3)) / np.sqrt(3)
    frac = positions @ np.linalg.inv(crystal.orthogonalization).T
    atoms = Atoms.from_labels(["C", "O"] * 20, frac, b_iso=rng.uniform(8, 20, 40))
    hkl = crystal.unique_reflections(2.0)
    total = np.zeros(len(hkl))
    for law, fraction in (("h,k,l", 0.5), ("-h,-k,l", 0.2), ("h+k,-k,-l", 0.3)):
        mates = np.array([gemmi.Op(law).apply_to_hkl(h) for h in hkl.tolist()])
        f = friedel.fcalc((crystal, atoms), hkl=mates, method="direct").values
        total += fraction * np.abs(2.0 * f) ** 2
    data = Reflections(crystal, hkl, np.sqrt(total), 0.01 * np.sqrt(total) + 0.1)
    laws = ["-h,-k,l", "h+k,-k,-l"]
    found = FModel((crystal, atoms), data, solvent="none", target="ls-i", twin=laws).fit()
    np.testing.assert_allclose(found.scales.twin_fractions, [0.2, 0.3], atol=1e-3)
    assert found.scales.k_overall == pytest.approx(2.0, rel=1e-3)


def test_intensities_go_with_their_reflections(exact, model, tmp_path):
    hkl, _ = exact
    intensity, sigmas = noisy(exact, 0.3)
    read = as_reflections(write(tmp_path / "data.mtz", hkl, {"I": intensity, "SIGI": sigmas}))
    chosen = read.select(np.arange(10, 20))
    np.testing.assert_array_equal(chosen.intensities, read.intensities[10:20])
    np.testing.assert_array_equal(chosen.intensity_sigmas, read.intensity_sigmas[10:20])
    with pytest.raises(ReflectionsError, match="intensities has shape"):
        Reflections(read.crystal, read.hkl, read.values, intensities=np.ones(3))
    amplitudes = as_reflections(Reflections(model[0], hkl, np.ones(len(hkl))))
    assert amplitudes.intensities is None


@pytest.mark.parametrize(
    ("pdb", "mtz", "labels", "limit"),
    [
        # the model's errors in R, beside which sigmas are small, count with the square of F
        ("5e5z.pdb", "5e5z.mtz", "FP,SIGFP", 0.015),
        ("pka_start.pdb", "pka_data.mtz", "F-obs-filtered,SIGF-obs-filtered", 0.020),
    ],
)
def test_r_factors_of_real_data_beside_those_of_amplitudes(shared_data, pdb, mtz, labels, limit):
    models = shared_data / "models"
    options = {"solvent": "flat", "hydrogens": None}  # the limits are those of the files' atoms
    fits = {
        target: FModel(models / pdb, f"{models / mtz}{at}", target=target, **options).fit()
        for target, at in (("ls", f":{labels}"), ("ls-i", ""))
    }
    assert fits["ls-i"].result.converged
    assert fits["ls"].r_work < fits["ls-i"].r_work < fits["ls"].r_work + limit
    assert fits["ls-i"].scales.k_sol == pytest.approx(fits["ls"].scales.k_sol, abs=0.05)
    assert fits["ls-i"].r1 < fits["ls-i"].r_work
