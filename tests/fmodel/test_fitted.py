"""FittedModel never changes; FModel keeps the last one and gives access to its attributes."""

import dataclasses
import inspect

import numpy as np
import pytest

from friedel.errors import FriedelError
from friedel.fmodel.fitted import FittedModel
from friedel.fmodel.fmodel import FModel
from friedel.plots.fmodel import plot_fmodel
from friedel.scaling import PARAMETERS, ScaleParameters
from globule import CRYSTAL, globule, observed

BEFORE = {
    *["atoms", "crystal", "f_calc", "f_mask", "f_obs", "fit", "free", "has_solvent", "masked"],
    *["name", "notes", "quick_start", "rejected", "solvent", "solvent_fraction", "source"],
    *["target", "twin_law", "usable", "use_free"],
}
AFTER = {
    *["adjoint", "amplitudes", "f_model", "map_coefficients", "outliers", "phase_statistics"],
    *["r_all", "r_free", "r_work", "result", "scales", "summary", "table", "to_cif", "to_dict"],
    *["to_json", "to_mtz", "with_fixed_mask", "with_moving_mask"],
}
"""The public attributes of FModel in version 0.1.0."""


@pytest.fixture(scope="module")
def data():
    return observed(noise=0.1)


@pytest.fixture
def fmodel(data) -> FModel:
    return FModel((CRYSTAL, globule()), data, solvent="flat")


@pytest.fixture(scope="module")
def fitted(data) -> FittedModel:
    return FModel((CRYSTAL, globule()), data, solvent="flat").fit()


def test_every_attribute_is_on_both():
    for kind in (FModel, FittedModel):
        assert {name for name in dir(kind) if not name.startswith("_")} >= BEFORE | AFTER, kind
    public = {name for name in dir(FModel) if not name.startswith("_")}
    assert public - {"fitted"} <= set(dir(FittedModel))


@pytest.mark.parametrize("name", sorted((BEFORE | AFTER) - {"fit", "quick_start"}))
def test_fmodel_hands_out_and_cannot_be_set(fmodel, name):
    fitted = fmodel.fit()
    assert fmodel.fitted is fitted
    found = inspect.getattr_static(FModel, name)
    if isinstance(found, property):
        with pytest.raises(AttributeError):
            setattr(fmodel, name, None)
        if name in AFTER - {"with_moving_mask", "outliers", "with_fixed_mask"}:
            assert getattr(fmodel, name) is getattr(fitted, name) or isinstance(
                getattr(fmodel, name), (float, np.ndarray)
            )


def test_fmodel_gives_the_numbers_of_the_fit(fmodel):
    fitted = fmodel.fit()
    assert (fmodel.r_work, fmodel.r_free) == (fitted.r_work, fitted.r_free)
    assert fmodel.summary() == fitted.summary()
    assert fmodel.to_dict() == fitted.to_dict()
    np.testing.assert_array_equal(fmodel.amplitudes, fitted.amplitudes)


@pytest.mark.parametrize("name", ["r_work", "r_free", "f_model", "scales", "result", "fitted"])
def test_before_a_fit_there_is_an_error(fmodel, name):
    with pytest.raises(FriedelError, match="call fit"):
        getattr(fmodel, name)
    with pytest.raises(FriedelError, match="call fit"):
        plot_fmodel(fmodel)


@pytest.mark.parametrize("name", sorted(BEFORE | AFTER | {"anything"}))
def test_no_attribute_can_be_set(fitted, name):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(fitted, name, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(fitted, name)


def test_no_array_can_be_changed(fitted):
    fwt, delfwt = fitted.map_coefficients()
    arrays = {
        "usable": fitted.usable, "free": fitted.free, "rejected": fitted.rejected,
        "amplitudes": fitted.amplitudes, "f_calc": fitted.f_calc.values,
        "f_mask": fitted.f_mask.values, "f_model": fitted.f_model.values, "fwt": fwt.values,
        "delfwt": delfwt.values, "fom": fitted.phase_statistics.fom,
        "d": fitted.phase_statistics.d, "hkl": fitted.f_model.hkl,
    }  # fmt: skip
    for name, array in arrays.items():
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]
        assert not array.flags.writeable, name


def test_a_list_that_is_handed_out_is_a_copy(fitted):
    n = len(fitted.outliers)
    fitted.outliers.append(None)
    assert len(fitted.outliers) == n


@pytest.mark.parametrize("options", [{}, {"search_mask": True}], ids=str)
def test_another_fit_leaves_the_first_as_it_was(data, options):
    fmodel = FModel((CRYSTAL, globule()), data, solvent="flat", **options)
    first = fmodel.fit(ScaleParameters(5.0), fixed=["k_overall"])
    numbers, f_model, mask = first.to_dict(), first.f_model.values.copy(), first.masked
    second = fmodel.fit()
    assert second is not first
    assert fmodel.fitted is second
    assert second.r_work < first.r_work
    assert first.to_dict() == numbers
    assert first.masked is mask
    np.testing.assert_array_equal(first.f_model.values, f_model)
    # what was not looked at before the second fit is that of the first as well
    third = fmodel.fit(ScaleParameters(7.0), fixed=["k_overall"])
    fmodel.fit()
    assert third.scales.k_overall == 7.0
    assert third.r_work > second.r_work


def test_a_fitted_model_can_be_fitted_again(data):
    poor = FModel((CRYSTAL, globule()), data).fit(ScaleParameters(5.0), fixed=["k_overall"])
    better = poor.fit()
    assert better.r_work < poor.r_work
    assert poor.scales.k_overall == 5.0


def test_scales_that_are_given_are_evaluated(fmodel, fitted):
    found = fmodel.fit(fitted.scales, fixed=PARAMETERS)
    assert found.scales == fitted.scales
    assert found.result.n_parameters == 0
    np.testing.assert_array_equal(found.f_model.values, fitted.f_model.values)


def test_notes_have_kinds(data):
    fitted = FModel((CRYSTAL, globule()), data, use_free=False).fit()
    assert all(note.kind != "guess" for note in fitted.notes)
    assert {note["text"]: note["kind"] for note in fitted.to_dict()["notes"]} == {
        str(note): note.kind for note in fitted.notes
    }
