"""Input that determines little or overflows: a sound result with a note, or a named error."""

import dataclasses
from functools import partial

import numpy as np
import pytest

import friedel
from friedel.errors import ReflectionsError
from friedel.fmodel.fitted import fitted_model
from friedel.scaling import TARGETS

UNDETERMINED = "the reflections of the fit do not determine"
FModel = partial(friedel.FModel, radii="refmac")
"""With these radii the small structure has no solvent, which would make up for what is changed."""
ROBUST = [name for name, target in TARGETS.items() if target.is_robust]


@pytest.fixture(scope="module")
def small(page_models):
    """The model and data of 5e5z, 403 reflections, P 21."""
    data = friedel.as_reflections(f"{page_models / '5e5z.mtz'}:FP,SIGFP")
    return friedel.as_model(page_models / "5e5z.pdb"), data


@pytest.fixture(scope="module")
def rnase(shared_data):
    """An FModel of rnase, P 21 21 21."""
    folder = shared_data / "models"
    return FModel(folder / "rnase.pdb", f"{folder / 'rnase.mtz'}:FGMP18,SIGFGMP18")


def with_value(data, index, value):
    values = data.values.copy()
    values[np.flatnonzero(values > 0)[index]] = value
    return dataclasses.replace(data, values=values)


def check_is_sound(fitted):
    """Everything that the result offers is finite, and B and R are numbers one can believe."""
    assert np.isfinite(fitted.f_model.values).all()
    for coefficients in fitted.map_coefficients():
        assert np.isfinite(coefficients.values[: len(fitted.f_obs)][fitted.usable]).all()
    assert fitted.r_free is None or fitted.r_free < 3.0
    assert np.abs(fitted.scales.b_overall).max() < 300.0
    assert np.isfinite(fitted.scales.k_sol)
    assert "R_work" in fitted.summary()


class TestUndetermined:
    @pytest.mark.parametrize("target", TARGETS)
    @pytest.mark.filterwarnings("error")
    def test_one_zone(self, small, target):
        """The centric reflections of P 21 are h0l, which know nothing of B22."""
        model, data = small
        zone = data.select(data.crystal.is_centric(data.hkl))
        fitted = FModel(model, zone, target=target).fit()
        check_is_sound(fitted)
        assert any(note.startswith(f"{UNDETERMINED} B22 (along b)") for note in fitted.notes)

    def test_all_reflections_need_no_note(self, small):
        notes = FModel(*small).fit().notes
        assert not any(note.startswith(UNDETERMINED) for note in notes)

    @pytest.mark.filterwarnings("error")
    def test_tiny_work_sets(self, rnase):
        setup, usable = rnase._setup, np.flatnonzero(rnase.usable)
        rng = np.random.default_rng(0)
        for n in range(1, 41):
            free = np.ones(len(rnase.f_obs), bool)
            free[rng.choice(usable, n, replace=False)] = False
            observed = dataclasses.replace(setup.observed, free=free)
            few = dataclasses.replace(setup, observed=observed)
            if n > 6:
                check_is_sound(fitted_model(few))
            else:
                with pytest.raises(ReflectionsError, match="to fit 6 parameters, expected more"):
                    fitted_model(few)

    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_reflections_of_one_axis(self, rnase, axis):
        """All other reflections are free: they show what B does where it is not determined."""
        setup = rnase._setup
        on_axis = (np.delete(rnase.f_obs.hkl, axis, axis=1) == 0).all(axis=1)
        observed = dataclasses.replace(setup.observed, free=~on_axis)
        fitted = fitted_model(dataclasses.replace(setup, observed=observed))
        check_is_sound(fitted)
        assert any(note.startswith(UNDETERMINED) for note in fitted.notes)


class TestOutlier:
    @pytest.mark.parametrize("target", ROBUST)
    @pytest.mark.parametrize("value", [2e3, 3e7, 1e13, 1e38])
    def test_changes_nothing(self, small, target, value):
        """Robust targets reject it, however large it is."""
        model, data = small
        spoilt = FModel(model, with_value(data, 100, value), target=target).fit()
        # a value only slightly wrong is rejected by all of them
        clean = FModel(model, with_value(data, 100, 1e3), target=target).fit()
        assert spoilt.rejected.sum() == 1
        np.testing.assert_allclose(spoilt.scales.b_overall, clean.scales.b_overall, atol=0.05)
        assert spoilt.scales.k_overall == pytest.approx(clean.scales.k_overall, rel=1e-3)

    @pytest.mark.parametrize("target", ["ls", "ls-i"])
    @pytest.mark.filterwarnings("error")
    def test_least_squares_follow_it_and_say_so(self, small, target):
        model, data = small
        fitted = FModel(model, with_value(data, 100, 3e7), target=target).fit()
        assert np.isfinite(fitted.f_model.values).all()
        assert any(note.startswith(UNDETERMINED) for note in fitted.notes)

    def test_units_of_the_data_do_not_matter(self, small):
        model, data = small
        spoilt = with_value(data, 3, 2e3 * data.values[data.values > 0][3])
        tiny = dataclasses.replace(spoilt, values=spoilt.values * 4e-6)
        one, other = (FModel(model, d).fit() for d in (spoilt, tiny))
        assert other.r_free == pytest.approx(one.r_free, abs=1e-4)

    @pytest.mark.parametrize("value", [1e100, 1e160, 1e308])
    @pytest.mark.filterwarnings("error")
    def test_amplitudes_that_overflow(self, small, value):
        model, data = small
        match = r"f_obs has values of 1.0e\+\d+, expected at most 1e\+70"
        for spoilt in (
            with_value(data, 100, value),
            dataclasses.replace(data, values=np.where(data.values > 0, value, data.values)),
        ):
            with pytest.raises(ReflectionsError, match=match):
                FModel(model, spoilt).fit()

    def test_amplitudes_that_underflow(self, small):
        model, data = small
        tiny = dataclasses.replace(data, values=data.values * 1e-300)
        with pytest.raises(ReflectionsError, match="f_obs is at most .*expected more than 1e-70"):
            FModel(model, tiny).fit()


class TestModel:
    @pytest.mark.parametrize("factor", [1e-6, 1e-30])
    def test_small_occupancies(self, small, factor):
        model, data = small
        weak = model.crystal, model.atoms.replace(occ=model.atoms.occ * factor)
        expected = FModel(model, data, method="direct").fit()
        fitted = FModel(weak, data, method="direct").fit()
        assert fitted.r_work == pytest.approx(expected.r_work, abs=1e-5)
        expected_scale = expected.scales.k_overall / factor
        assert fitted.scales.k_overall == pytest.approx(expected_scale, rel=1e-3)

    def test_no_occupancy_to_speak_of(self, small):
        model, data = small
        none = model.crystal, model.atoms.replace(occ=model.atoms.occ * 1e-160)
        with pytest.raises(ReflectionsError, match="f_calc is at most .*expected more than 1e-70"):
            FModel(none, data, method="direct").fit()

    @pytest.mark.parametrize("target", TARGETS)
    @pytest.mark.parametrize("b_iso", [1e2, 1e3])
    @pytest.mark.filterwarnings("error")
    def test_all_b_are_large(self, small, target, b_iso):
        """B_overall takes back what the atoms have too much."""
        model, data = small
        atoms = model.atoms.replace(b_iso=np.full(len(model.atoms.occ), b_iso), u_aniso=None)
        fitted = FModel((model.crystal, atoms), data, target=target).fit()
        assert fitted.scales.b_iso == pytest.approx(-b_iso, abs=15.0)
        assert fitted.r_work < 0.3

    @pytest.mark.parametrize("target", TARGETS)
    @pytest.mark.filterwarnings("error")
    def test_all_b_are_so_large_that_scales_overflow(self, small, target):
        model, data = small
        atoms = model.atoms.replace(b_iso=np.full(len(model.atoms.occ), 1e4), u_aniso=None)
        with pytest.raises(ReflectionsError, match="are B of the atoms too large"):
            FModel((model.crystal, atoms), data, target=target).fit()

    @pytest.mark.parametrize("b_iso", [1e2, 1e3, 1e4])
    @pytest.mark.filterwarnings("error")
    def test_one_b_is_large(self, small, b_iso):
        model, data = small
        b = model.atoms.b_iso.copy()
        b[0] = b_iso
        check_is_sound(FModel((model.crystal, model.atoms.replace(b_iso=b)), data).fit())


class TestPrinted:
    @pytest.mark.parametrize("target", ["ls", "l1", "ls-i"])
    @pytest.mark.parametrize("value", [3e7, 1e13, 3e38, 1e60])
    def test_columns_hold_numbers_of_any_size(self, small, target, value):
        model, data = small
        fitted = FModel(model, with_value(data, 100, value), target=target).fit()
        text = fitted.summary()
        lines = text.split("note:")[0].splitlines()
        assert max(map(len, lines)) < 160
        assert max(len(word) for line in lines for word in line.split()) < 25
        table = [line for line in lines if line.count(" - ") == 1 and "%" in line]
        assert len({len(line) for line in table[1:]}) == 1

    def test_usual_numbers_are_printed_as_before(self, small):
        text = FModel(*small).fit().summary()
        assert "e+" not in text.split("note:")[0]

    def test_amplitudes_beyond_single_precision_are_not_written(self, small, tmp_path):
        model, data = small
        fitted = FModel(model, with_value(data, 100, 1e60)).fit()
        with pytest.raises(friedel.OutputError, match="MTZ files hold numbers to"):
            fitted.to_mtz(tmp_path / "out.mtz")
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nonsense_is_no_sigma_cutoff(small, value):
    """NaN and -inf left out nothing, in silence."""
    model, data = small
    with pytest.raises(friedel.ParameterError, match="sigma_cutoff"):
        friedel.FModel(model, data, sigma_cutoff=value)


@pytest.mark.parametrize("threads", [np.nan, np.inf, 0, -1, 1.5, "x"])
def test_nonsense_is_no_number_of_threads(small, threads):
    model, data = small
    with pytest.raises(friedel.ParameterError, match="threads"):
        friedel.FModel(model, data, threads=threads)
