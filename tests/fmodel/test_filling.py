"""Maps: missing reflections that are DFc, the free set, and what the columns of files hold."""

from dataclasses import replace

import gemmi
import numpy as np
import pytest

import friedel
from commands import run
from friedel.fmodel.filling import missing_reflections
from friedel.fmodel.fmodel import FModel
from friedel.reflections.reflections import match
from globule import CRYSTAL, globule, observed


@pytest.fixture(scope="module")
def data():
    return observed(noise=0.1)


@pytest.fixture(scope="module")
def lacking(data):
    """The data without some reflections: some not in the list, some without a value."""
    rng = np.random.default_rng(1)
    kept = rng.random(len(data)) > 0.05
    kept[np.argsort(data.d_spacing)[[0, -1]]] = True  # the range of d stays
    part = data.select(kept)
    values = part.values.copy()
    values[11::40] = np.nan
    values[part.d_spacing.argmax()] = part.values[part.d_spacing.argmax()]
    return replace(part, values=values)


@pytest.fixture(scope="module")
def fitted(lacking):
    return FModel((CRYSTAL, globule()), lacking).fit()


def columns_of(path) -> tuple[np.ndarray, dict[str, np.ndarray], list[str]]:
    mtz = gemmi.read_mtz_file(str(path))
    columns = {c.label: np.array(c.array) for c in mtz.columns}
    return mtz.make_miller_array(), columns, list(mtz.history)


def complex_of(columns, label, phase):
    return columns[label] * np.exp(1j * np.radians(columns[phase]))


class TestMissing:
    def test_list(self, data, lacking):
        used = np.isfinite(lacking.values)
        listed, others = missing_reflections(CRYSTAL, lacking.hkl, used, used)
        np.testing.assert_array_equal(listed, ~used)
        assert len(others) == len(data) - len(lacking)
        assert not len(match(others, lacking.hkl)[0])
        assert len(match(others, data.hkl)[0]) == len(others)

    def test_one_mate_is_enough(self, data):
        hkl = np.concatenate([data.hkl[:50], -data.hkl[:50]])
        used = np.arange(100) >= 50
        assert not missing_reflections(CRYSTAL, hkl, used, used)[0].any()

    def test_equivalents_count(self, data):
        other = data.hkl * [-1, -1, 1]
        everything = np.ones(len(other), bool)
        assert not len(missing_reflections(CRYSTAL, other, everything, everything)[1])

    def test_a_map_that_would_be_the_model_is_not_filled(self, data):
        order = np.argsort(data.d_spacing)
        few = np.concatenate([order[:1], order[-100:]])
        for hkl in (data.hkl[few], np.concatenate([data.hkl[-100:], [[0, 0, 4000]]])):
            used = np.ones(len(hkl), bool)
            listed, others = missing_reflections(CRYSTAL, hkl, used, used)
            assert not listed.any()
            assert not len(others)


class TestCoefficients:
    def test_missing_are_d_f_model(self, data, lacking, fitted):
        fwt, difference = fitted.map_coefficients()
        assert len(fwt) == len(difference) == len(data)
        np.testing.assert_array_equal(fwt.hkl[: len(lacking)], lacking.hkl)
        np.testing.assert_array_equal(fwt.hkl, difference.hkl)
        filled = np.isnan(difference.values)
        assert filled.sum() == len(data) - np.isfinite(lacking.values).sum()
        # the same model at all reflections
        blank = replace(data, values=np.ones(len(data)))
        whole = FModel((CRYSTAL, globule()), blank)
        f_mask = whole.f_mask.values
        f_total = fitted.scales.f_total(CRYSTAL, data.hkl, whole.f_calc.values, f_mask)
        i, j = match(fwt.hkl, data.hkl)
        expected = np.empty(len(data), complex)
        expected[i] = f_total[j]
        d = fitted.phase_statistics.d_at(lacking.stol2, CRYSTAL.stol2(fwt.hkl))
        off = np.abs(fwt.values - d * expected)[filled]
        assert off.max() < 1e-3 * np.abs(fwt.values).mean()

    def test_without(self, lacking, fitted):
        fwt, difference = fitted.map_coefficients(fill_missing=False)
        np.testing.assert_array_equal(fwt.hkl, lacking.hkl)
        np.testing.assert_array_equal(np.isnan(fwt.values), np.isnan(lacking.values))
        filled = fitted.map_coefficients()
        np.testing.assert_array_equal(difference.values, filled[1].values[: len(lacking)])
        never = FModel((CRYSTAL, globule()), lacking, fill_missing=False).fit()
        np.testing.assert_array_equal(never.map_coefficients()[0].values, fwt.values)

    def test_free_set_can_be_left_out(self, data):
        found = FModel((CRYSTAL, globule()), data, free_in_maps=False).fit()
        with_free = FModel((CRYSTAL, globule()), data).fit()
        fwt, difference = found.map_coefficients()
        np.testing.assert_array_equal(np.isnan(difference.values), data.free)
        d_f_model = found.phase_statistics.d * found.f_model.values
        np.testing.assert_allclose(fwt.values[data.free], d_f_model[data.free], rtol=1e-6)
        work = ~data.free
        for own, other in zip((fwt, difference), with_free.map_coefficients(), strict=True):
            np.testing.assert_array_equal(own.values[work], other.values[work])

    def test_the_fit_does_not_calculate_them(self, lacking, monkeypatch):
        def fail(*_, **__):
            raise AssertionError("F of missing reflections was calculated")

        monkeypatch.setattr("friedel.fmodel.scaled.not_measured", fail)
        found = FModel((CRYSTAL, globule()), lacking).fit()
        assert found.summary()
        assert found.to_dict()
        with pytest.raises(AssertionError, match="missing"):
            found.map_coefficients()

    def test_heights_are_those_of_the_difference(self, data, fitted):
        """An atom that the model lacks, with perfect phases of a large rest, is at half height."""
        fwt, difference = fitted.map_coefficients()
        assert fwt.label == "FWT"
        assert difference.label == "FOFCWT"
        statistics = fitted.phase_statistics
        n = len(fitted.f_obs)
        expected = statistics.f_expected - statistics.d * fitted.f_model.amplitudes
        found = difference.values[:n] * np.exp(-1j * np.angle(fitted.f_model.values))
        known = np.isfinite(expected)
        np.testing.assert_allclose(found[known].real, expected[known], atol=1e-9)

    @pytest.mark.parametrize(
        "options",
        [*({"solvent": name} for name in ("babinet", "none", "flat")), {"smooth_mask": True}],
        ids=str,
    )
    def test_every_solvent(self, lacking, options):
        found = FModel((CRYSTAL, globule()), lacking, **options).fit()
        fwt, difference = found.map_coefficients()
        assert np.isfinite(fwt.values).all()
        assert np.isnan(difference.values).sum() > 50

    def test_a_given_mask_that_is_too_coarse(self, data, lacking):
        mask = FModel((CRYSTAL, globule()), lacking, solvent="flat").masked.mask
        given = friedel.Grid(np.ascontiguousarray(mask, np.float32), CRYSTAL)
        found = FModel((CRYSTAL, globule()), lacking, solvent="flat", solvent_mask=given).fit()
        fwt, _ = found.map_coefficients()
        assert np.isfinite(fwt.values).all()
        assert len(fwt) == len(data)


class TestFiles:
    def test_columns(self, data, lacking, fitted, tmp_path):
        fitted.to_mtz(tmp_path / "maps.mtz")
        hkl, columns, history = columns_of(tmp_path / "maps.mtz")
        assert len(hkl) == len(data)
        filled = columns["FILLED"] == 1
        np.testing.assert_array_equal(filled, np.isnan(columns["FP"]))
        assert np.isnan(columns["DELFWT"][filled]).all()
        assert np.isfinite(columns["FC"]).all()
        assert np.isfinite(columns["FMODEL"]).all()
        assert np.isfinite(columns["FMASK"]).all()
        fwt = complex_of(columns, "FWT", "PHWT")
        delfwt = complex_of(columns, "DELFWT", "PHDELWT")
        model = complex_of(columns, "FMODEL", "PHIFMODEL")
        d = fitted.phase_statistics.d_at(lacking.stol2, CRYSTAL.stol2(hkl))
        largest = np.abs(model).max()
        np.testing.assert_allclose(
            (fwt - delfwt)[~filled], (d * model)[~filled], atol=1e-5 * largest
        )
        np.testing.assert_allclose(fwt[filled], (d * model)[filled], atol=1e-5 * largest)
        _, difference = fitted.map_coefficients()
        centric = CRYSTAL.is_centric(hkl)
        assert 0 < centric.sum() < len(hkl)
        factor = np.abs(delfwt[~filled] / difference.values[~filled])
        np.testing.assert_allclose(factor, np.where(centric, 1.0, 2.0)[~filled], rtol=1e-4)
        text = " ".join(history)
        assert "DELFWT is 2(mFo-DFc)" in text
        assert f"{filled.sum()} reflections" in text

    def test_mmcif_says_it_too(self, fitted, tmp_path):
        fitted.to_cif(tmp_path / "maps.cif")
        text = (tmp_path / "maps.cif").read_text()
        assert "DELFWT is 2(mFo-DFc)" in text
        assert "pdbx_DELFWT" in text

    def test_difference_has_the_label_of_phenix(self, fitted, tmp_path):
        fitted.map_coefficients()[1].to_mtz(tmp_path / "difference.mtz")
        _, columns, _ = columns_of(tmp_path / "difference.mtz")
        assert {"FOFCWT", "PHFOFCWT"} <= set(columns)

    @pytest.mark.parametrize(
        ("option", "some", "all_free"),
        [((), True, False), (("--no-fill",), False, False), (("--no-free-in-maps",), True, True)],
    )
    def test_command(self, capsys, shared_data, tmp_path, option, some, all_free):
        model, path = shared_data / "models" / "1dur.pdb", tmp_path / "out.mtz"
        data = model.with_suffix(".mtz")
        code, _, err = run(capsys, "fmodel", model, data, "--solvent", "flat", "-o", path, *option)
        assert code == 0, err
        _, columns, history = columns_of(path)
        filled = columns["FILLED"] == 1
        assert filled.any() == some
        assert filled[columns["FREE"] == 0].all() == all_free
        assert ("of the free set" in " ".join(history)) == all_free


def test_friedel_pairs(data, tmp_path):
    """A reflection of which one mate is measured is not missing."""
    hkl = np.concatenate([data.hkl, -data.hkl])
    values, sigmas = np.tile(data.values, 2), np.tile(data.sigmas, 2)
    rng = np.random.default_rng(2)
    acentric = ~CRYSTAL.is_centric(hkl)
    kept = np.where(acentric, rng.random(len(hkl)) > 0.2, np.arange(len(hkl)) < len(data))
    pairs = friedel.Reflections(CRYSTAL, hkl[kept], values[kept], sigmas[kept], label="FP")
    found = FModel((CRYSTAL, globule()), pairs, wavelength=1.54).fit()
    found.to_mtz(tmp_path / "pairs.mtz")
    written, columns, _ = columns_of(tmp_path / "pairs.mtz")
    filled = columns["FILLED"] == 1
    neither = np.isnan(columns["F(+)"]) & np.isnan(columns["F(-)"])
    np.testing.assert_array_equal(filled, neither)
    assert 0 < filled.sum() < 0.1 * len(written)
    assert np.isfinite(columns["FWT"]).all()
