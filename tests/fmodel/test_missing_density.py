"""Density that the model lacks: phases, what each reflection is predicted from, the gate, files."""

import json
from dataclasses import replace

import gemmi
import numpy as np
import pytest

import friedel
from commands import run
from friedel.errors import ParameterError, ReflectionsError
from friedel.fmodel.fmodel import FModel
from friedel.fmodel.missing_density import N_FOLDS, _DifferenceMap, _predictions, folds
from friedel.readers.twin_laws import find_twin_laws
from friedel.reflections.reflections import Reflections, match
from globule import CRYSTAL, globule, observed


def lacking(name, folder, *, missing, shift, noise, seed=0, sigmas=True):
    """A structure without groups of atoms, the others moved; data of all of it; its true F."""
    data = next(folder.glob(f"{name}*.mtz"))
    full = FModel(folder / f"{name}.pdb", data, solvent="flat", twin="none").fit()
    rng = np.random.default_rng(seed)
    truth = full.f_model.values
    sigma = np.full(len(truth), noise * np.abs(truth).mean())
    values = np.abs(np.abs(truth) + sigma * rng.normal(size=len(truth))) + 1e-3
    free = rng.random(len(truth)) < 0.1
    group = np.arange(len(full.atoms)) // 8
    lost = rng.permutation(group.max() + 1)[: round(missing * (group.max() + 1))]
    atoms = full.atoms.select(~np.isin(group, lost))
    moved = rng.normal(size=(len(atoms), 3)) * shift / np.sqrt(3)
    atoms = atoms.replace(frac=atoms.frac + moved @ full.crystal.fractionalization.T)
    given = sigma if sigmas else None
    listed = Reflections(full.crystal, full.f_obs.hkl, values, given, free, label="F")
    return (full.crystal, atoms), listed, truth


def cosine(fitted, truth, chosen):
    return float(np.cos(np.angle(fitted.f_model.values * truth.conj()))[chosen].mean())


def map_correlation(fitted, truth):
    """Correlation of the 2mFo-DFc map with that of the true F."""
    fwt = fitted.map_coefficients(fill_missing=False)[0].values
    hkl, known = fitted.f_obs.hkl, np.isfinite(fwt)
    crystal = fitted.crystal
    weight = (np.where(crystal.is_centric(hkl), 1, 2) / crystal.epsilon(hkl))[known]
    first, second = fwt[known], truth[known]
    powers = [float(weight @ np.abs(f) ** 2) for f in (first, second)]
    return float(weight @ (first * second.conj()).real) / np.sqrt(powers[0] * powers[1])


@pytest.fixture(scope="module")
def model():
    """The globule without six of its atoms."""
    return CRYSTAL, globule().select(np.arange(60) % 10 != 3)


@pytest.fixture(scope="module")
def data():
    return observed(noise=0.03)


@pytest.fixture(scope="module")
def fitted(model, data):
    return FModel(model, data, missing_density="auto").fit()


class TestPhases:
    @pytest.mark.parametrize("name", ["1dur", "lyso_c2"])
    @pytest.mark.parametrize(
        ("missing", "shift", "noise"), [(0.05, 0.1, 0.05), (0.1, 0.15, 0.05), (0.15, 0.2, 0.1)]
    )
    def test_of_left_out_reflections_and_maps(self, shared_data, name, missing, shift, noise):
        model, listed, truth = lacking(
            name, shared_data / "models", missing=missing, shift=shift, noise=noise
        )
        fitted = FModel(model, listed, missing_density="auto").fit()
        assert fitted.missing_density is not None
        before = fitted.without_missing_density()
        free = fitted.usable & fitted.free
        work = fitted.usable & ~fitted.free
        assert cosine(fitted, truth, free) > cosine(before, truth, free) + 0.015
        assert cosine(fitted, truth, work) > cosine(before, truth, work) + 0.025
        assert map_correlation(fitted, truth) > map_correlation(before, truth) + 0.009
        assert fitted.r_free < 0.85 * before.r_free
        # R_work is that of reflections left out of the map, as R_free is, whose standard error is
        # about R_free / sqrt(2 n)
        deviation = fitted.r_free / np.sqrt(2.0 * free.sum())
        assert abs(fitted.r_work - fitted.r_free) < 3.0 * deviation
        # figures of merit are the mean cosines of the phases, with and without it
        for chosen, tolerance in ((free, 0.025), (work, 0.015)):
            m = fitted.phase_statistics.fom[chosen].mean()
            assert m == pytest.approx(cosine(fitted, truth, chosen), abs=tolerance)

    def test_peaks_are_missing_atoms(self, model, fitted):
        lost = globule().select(np.arange(60) % 10 == 3)
        peaks = fitted.missing_density.density(6).peaks
        apart = (peaks.frac[:, None] - lost.frac[None]) @ CRYSTAL.orthogonalization.T
        assert (np.linalg.norm(apart, axis=2).min(axis=1) < 0.4).all()
        assert peaks.atom is not None


class TestPredictions:
    def test_free_set_has_no_influence(self, model, data, fitted):
        rng = np.random.default_rng(5)
        values = np.where(data.free, data.values * np.exp(rng.normal(size=len(data))), data.values)
        other = FModel(model, replace(data, values=values), missing_density="auto").fit()
        np.testing.assert_array_equal(other.missing_density.values, fitted.missing_density.values)
        np.testing.assert_array_equal(other.f_model.values, fitted.f_model.values)
        assert other.r_work == fitted.r_work
        assert other.r_free != fitted.r_free

    def test_reflection_does_not_predict_itself(self, fitted):
        """Other coefficients in one fold change F_D in all folds but this."""
        hkl = fitted.f_obs.hkl
        fold = folds(CRYSTAL, hkl, fitted.usable, fitted.free)
        difference = fitted.missing_density._map
        values, _, _ = _predictions(difference, hkl, fold, [], fitted._setup)
        changed = np.where(fold[fold >= 0] == 2, 3.0, 1.0) * difference.coefficients.values
        coefficients = replace(difference.coefficients, values=changed)
        other = _DifferenceMap(coefficients, difference.shape)
        found, _, _ = _predictions(other, hkl, fold, [], fitted._setup)
        np.testing.assert_array_equal(found[fold == 2], values[fold == 2])
        assert (found[fold != 2] != values[fold != 2]).all()

    def test_folds(self, data):
        usable = np.ones(len(data), bool)
        fold = folds(CRYSTAL, data.hkl, usable, data.free)
        assert set(fold[data.free]) == {-1}
        counts = np.bincount(fold[~data.free])
        assert len(counts) == N_FOLDS
        assert np.ptp(counts) < 0.2 * counts.mean()
        mates = folds(CRYSTAL, np.concatenate([data.hkl, -data.hkl]), *np.tile(
            [usable, data.free], 2
        ))  # fmt: skip
        np.testing.assert_array_equal(mates[: len(data)], mates[len(data) :])

    def test_folds_of_twins(self):
        """Reflections that overlap are together, and none is in a map if one is free."""
        crystal = friedel.Crystal((30, 30, 40, 90, 90, 90))
        law = next(iter(find_twin_laws(crystal, "k,h,-l").values()))
        hkl = crystal.unique_reflections(4.0)
        rng = np.random.default_rng(1)
        free = rng.random(len(hkl)) < 0.1
        fold = folds(crystal, hkl, np.ones(len(hkl), bool), free, [law])
        mates, exist = law.mates(crystal, hkl)
        assert exist.all()
        at = match(crystal.to_asu(mates)[0], hkl)
        np.testing.assert_array_equal(fold[at[0]], fold[at[1]])
        assert (fold[at[0]][free[at[1]]] == -1).all()


class TestGate:
    @pytest.mark.parametrize("sigmas", [True, False])
    def test_errors_of_measurement_are_no_density(self, shared_data, sigmas):
        for seed in range(3):
            model, listed, _ = lacking(
                "1dur", shared_data / "models",
                missing=0.0, shift=0.0, noise=0.1, seed=seed, sigmas=sigmas,
            )  # fmt: skip
            fitted = FModel(model, listed, missing_density="auto").fit()
            assert fitted.missing_density is None
            assert any("is not added" in note for note in fitted.notes)

    def test_seeds(self):
        """Nothing is found in 12 sets of data that differ from the model by errors alone."""
        for seed in range(12):
            data = observed()
            rng = np.random.default_rng(seed)
            values = data.values * np.exp(0.1 * rng.normal(size=len(data)))
            listed = Reflections(CRYSTAL, data.hkl, values, None, data.free, "FP")
            fitted = FModel((CRYSTAL, globule()), listed, missing_density="auto").fit()
            assert fitted.missing_density is None

    def test_not_added_is_as_if_not_asked(self):
        data = observed(noise=0.1)
        asked = FModel((CRYSTAL, globule()), data, missing_density="auto").fit()
        plain = FModel((CRYSTAL, globule()), data).fit()
        np.testing.assert_array_equal(asked.f_model.values, plain.f_model.values)
        assert asked.to_dict()["missing_density"] is None

    def test_exact_data(self):
        fitted = FModel((CRYSTAL, globule()), observed(), missing_density=True).fit()
        assert fitted.r_work < 1e-3


class TestResult:
    def test_off_by_default(self, model, data, fitted):
        plain = FModel(model, data).fit()
        assert plain.missing_density is None
        assert plain.without_missing_density() is plain
        before = fitted.without_missing_density()
        np.testing.assert_array_equal(before.f_model.values, plain.f_model.values)
        assert before.scales == plain.scales
        found = fitted.missing_density
        assert found.r_work_without == plain.r_work
        assert found.r_free_without == plain.r_free
        assert fitted.result.n_parameters == plain.result.n_parameters + 2

    def test_fit_again(self, fitted):
        again = fitted.fit()
        np.testing.assert_allclose(again.f_model.values, fitted.f_model.values, rtol=1e-9)

    def test_f_model(self, fitted):
        found = fitted.missing_density
        scale = fitted.scales.overall_scale(CRYSTAL, fitted.f_obs.hkl)
        without = replace(fitted.with_fixed_mask, f_missing=None)
        added = fitted.f_model.values - without.scaled(fitted.f_calc.values)
        np.testing.assert_allclose(added, scale * found.values, atol=1e-9)
        free = fitted.free
        np.testing.assert_allclose(found.values[free], found.at(fitted.f_obs.hkl)[free])

    def test_derivatives(self, fitted):
        """Those by the scales and by an atom, with the added density as it is."""
        function = fitted.as_function
        rng = np.random.default_rng(2)
        w = rng.normal(size=len(fitted.f_obs)) + 1j * rng.normal(size=len(fitted.f_obs))

        def target(model, atoms=None):
            return float((w.conj() * model.forward(atoms)).real.sum())

        found = fitted.adjoint(None, w)
        step = 1e-5
        for name in ("k_overall", "k_sol", "b_sol"):
            value = getattr(fitted.scales, name)
            ends = [
                target(replace(function, scales=replace(fitted.scales, **{name: value + d})))
                for d in (-step, step)
            ]
            slope = (ends[1] - ends[0]) / (2 * step)
            assert getattr(found.scales, name) == pytest.approx(slope, rel=1e-4)
        moves = np.zeros_like(fitted.atoms.frac)
        moves[4, 1] = 1e-4
        ends = [
            target(function, fitted.atoms.replace(frac=fitted.atoms.frac + d * moves))
            for d in (-1, 1)
        ]
        assert found.atoms.frac[4, 1] == pytest.approx((ends[1] - ends[0]) / 2e-4, rel=1e-2)

    def test_twin(self, shared_data):
        """Amplitudes of all domains contain it, and their derivatives are of the same function."""
        folder = shared_data / "pairs"
        fitted = FModel(
            folder / "1va7.pdb.gz", folder / "1va7.mtz", missing_density=True, d_min=4.0
        ).fit()
        assert fitted.twin_law is not None
        found = fitted.missing_density.of_mates[fitted.twin_laws[0]]
        assert np.abs(found).min() > 0.0
        np.testing.assert_allclose(fitted.as_function.forward(), fitted.amplitudes, rtol=1e-6)
        assert fitted.r_work < fitted.missing_density.r_work_without

    def test_friedel_mates(self, tmp_path):
        """Both are left out together, and F_D of -h is the conjugate."""
        full = globule()
        labels = ["S" if i in (12, 24, 48) else "C" for i in range(len(full))]
        full = friedel.Atoms.from_labels(labels, full.frac, b_iso=full.b_iso)
        hkl = CRYSTAL.unique_reflections(2.0)
        hkl = np.concatenate([hkl, -hkl[~CRYSTAL.is_centric(hkl)]])
        truth = friedel.fcalc((CRYSTAL, full), hkl=hkl, wavelength=2.5).values
        free = np.arange(len(hkl)) % 7 == 0
        data = Reflections(CRYSTAL, hkl, np.abs(truth), None, free, "F")
        part = (CRYSTAL, full.select(np.arange(60) % 10 != 3))
        fitted = FModel(
            part, data, wavelength=2.5, solvent="none", missing_density=True
        ).fit()  # fmt: skip
        i, j = match(-fitted.f_obs.hkl, fitted.f_obs.hkl)
        assert len(i) > 100
        fold = folds(CRYSTAL, fitted.f_obs.hkl, fitted.usable, fitted.free)
        np.testing.assert_array_equal(fold[i], fold[j])
        assert (fold[i][fitted.free[j]] == -1).all()
        values = fitted.missing_density.values
        np.testing.assert_allclose(values[i], values[j].conj(), atol=1e-4)
        assert fitted.r_free < 0.7 * fitted.missing_density.r_free_without
        fitted.to_mtz(tmp_path / "out.mtz")
        mtz = gemmi.read_mtz_file(str(tmp_path / "out.mtz"))
        columns = {c.label: np.array(c.array) for c in mtz.columns}
        at = match(mtz.make_miller_array(), fitted.f_obs.hkl)
        written = columns["FMISS"] * np.exp(1j * np.radians(columns["PHIMISS"]))
        scale = fitted.scales.overall_scale(CRYSTAL, fitted.f_obs.hkl)
        expected = scale * fitted.missing_density.coefficients.values
        np.testing.assert_allclose(written[at[0]], expected[at[1]], atol=1e-3 * scale.max())

    def test_omitted_density_stays(self, model, data, fitted):
        chosen = np.zeros(len(fitted.atoms), bool)
        chosen[7] = True
        plain = fitted.without_missing_density().omit(chosen)
        assert fitted.omit(chosen).sigma == plain.sigma

    def test_bridges_refuse(self, fitted):
        from friedel.bridges.scale_terms import function_of

        with pytest.raises(ParameterError, match="without_missing_density"):
            function_of(fitted)
        assert function_of(fitted.without_missing_density()) is not None

    def test_errors(self, model, data):
        with pytest.raises(ParameterError, match="unknown missing_density 'all'"):
            FModel(model, data, missing_density="all")
        few = data.select(np.argsort(data.d_spacing)[-90:])
        with pytest.raises(ReflectionsError, match="needs 100 fitted reflections"):
            FModel(model, few, missing_density=True).fit()
        fitted = FModel(model, few, missing_density="auto").fit()
        assert any("not searched" in note for note in fitted.notes)


class TestFiles:
    def test_command(self, shared_data, tmp_path, capsys):
        folder = shared_data / "models"
        model, mtz = folder / "lyso_c2.pdb", f"{folder / 'lyso_c2.mtz'}:F,SIGF"
        out, numbers = tmp_path / "out.mtz", tmp_path / "out.json"
        code, text, notes = run(
            capsys, "fmodel", model, mtz, "--missing-density", "auto", "--solvent", "flat",
            "-o", out, "--json", numbers,
        )  # fmt: skip
        assert code == 0
        assert "density added in" in text
        assert "added density: highest" in text
        assert "density that the model lacks is added" in notes
        found = json.loads(numbers.read_text())
        missing = found["missing_density"]
        assert found["r_work"] < missing["r_work_without"] - 0.01
        assert found["r_free"] < missing["r_free_without"] - 0.01
        assert missing["gain"] > 3 * missing["gain_error"]
        assert {"x", "height", "label", "distance"} <= set(missing["density"]["peaks"][0])

        mtz = gemmi.read_mtz_file(str(out))
        columns = {c.label: np.array(c.array) for c in mtz.columns}
        f = {
            name: columns[name] * np.exp(1j * np.radians(columns[phase]))
            for name, phase in [
                ("FMISS", "PHIMISS"), ("FWT", "PHWT"), ("FWT_ATOMS", "PHWT_ATOMS"),
                ("DELFWT_ATOMS", "PHDELWT_ATOMS"),
            ]
        }  # fmt: skip
        known = np.isfinite(columns["DELFWT_ATOMS"])
        # DFc of the atoms
        d_f_model = (f["FWT_ATOMS"] - f["DELFWT_ATOMS"])[known]
        plain = friedel.FModel(model, f"{folder / 'lyso_c2.mtz'}:F,SIGF", solvent="flat").fit()
        expected = plain.phase_statistics.d * np.abs(plain.f_model.values)
        expected = np.sort(expected[np.isfinite(expected)])
        np.testing.assert_allclose(np.sort(np.abs(d_f_model)), expected, rtol=1e-3)
        # FMISS is in the phase of what DELFWT without it shows
        along = (f["FMISS"][known] * f["DELFWT_ATOMS"][known].conj()).real.sum()
        assert along > 0.5 * (np.abs(f["FMISS"]) * np.abs(f["DELFWT_ATOMS"]))[known].sum()
        assert "the columns with _ATOMS are without" in " ".join(mtz.history)
        assert {c.type for c in mtz.columns if c.label.startswith("PH")} == {"P"}
