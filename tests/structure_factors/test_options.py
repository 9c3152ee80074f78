"""The options of a calculation: checked once, frozen, and one error for a wrong keyword."""

import dataclasses
import pickle

import numpy as np
import pytest

import friedel
from commands import QUARTZ
from friedel.errors import FileFormatError, ParameterError
from friedel.structure_factors.options import (
    CALCULATION,
    CalculationKeywords,
    CalculationOptions,
)
from globule import CRYSTAL, globule, observed

MODEL = CRYSTAL, globule()

FUNCTIONS = {
    "fcalc": lambda **k: friedel.fcalc(MODEL, hkl=[[1, 0, 0]], **k),
    "model_density": lambda **k: friedel.model_density(MODEL, d_min=2.0, **k),
    "Calculator.from_model": lambda **k: friedel.Calculator.from_model(MODEL, hkl=[[1, 0, 0]], **k),
    "FModel": lambda **k: friedel.FModel(MODEL, observed(), **k),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("wrong", "near"),
    [("dmin", "d_min"), ("threds", "threads"), ("usecharge", "use_charge"), ("Source", "source")],
)
def test_a_wrong_keyword_is_named_with_the_nearest(function, wrong, near):
    with pytest.raises(TypeError) as raised:
        FUNCTIONS[function](**{wrong: 2})
    text = str(raised.value)
    assert text.startswith(f"{function}() got an unexpected keyword argument {wrong!r}")
    if not (function == "model_density" and near == "threads"):
        assert text.endswith(f"did you mean {near!r}?")


def test_a_keyword_like_no_other_has_no_suggestion():
    with pytest.raises(TypeError, match=r"'zzz'$"):
        FUNCTIONS["fcalc"](zzz=1)


def test_fmodel_does_not_take_indices():
    with pytest.raises(TypeError, match=r"^FModel\(\) got an unexpected keyword argument 'hkl'"):
        FUNCTIONS["FModel"](hkl=[[1, 0, 0]])


def test_keywords_are_the_fields():
    fields = {field.name for field in dataclasses.fields(CalculationOptions)}
    assert fields == set(CalculationKeywords.__annotations__) == CALCULATION


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "fast"},
        {"rtol": 2.0},
        {"rate": 0.5},
        {"threads": 0},
        {"dtype": np.int32},
        {"anomalous": "cl"},
        {"wavelength": 1.0, "scattering": "cif"},
        {"wavelength": 1.0, "addends": {"C": "no number"}},
        {"addends": {"C": (1.0, 2.0, 3.0)}},
        {"addends": {"C": np.nan}},
        {"addends": {"C9": 1.0}},
    ],
    ids=str,
)
def test_options_that_contradict(wrong):
    with pytest.raises((ParameterError, FileFormatError)):
        friedel.fcalc(MODEL, hkl=[[1, 0, 0]], **wrong)


def test_options_are_frozen_and_own_what_they_are_given():
    addends = {"C": 1.0}
    options = CalculationOptions(addends=addends)
    addends["C"] = 5.0
    assert options.addends["C"] == 1.0
    with pytest.raises(TypeError):
        options.addends["C"] = 5.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.rtol = 1e-8
    again = pickle.loads(pickle.dumps(options))
    assert dict(again.addends) == {"C": 1.0}


def test_one_object_of_options_serves_all():
    options = CalculationOptions(source="electron", method="direct", threads=1)
    by_keywords = friedel.fcalc(QUARTZ, d_min=1.0, source="electron", method="direct", threads=1)
    f = friedel.fcalc(QUARTZ, d_min=1.0, options=options)
    np.testing.assert_array_equal(f.values, by_keywords.values)
    planned = friedel.Calculator.from_model(QUARTZ, d_min=1.0, options=options)
    np.testing.assert_array_equal(planned.forward(), by_keywords.values)
    sharper = friedel.fcalc(QUARTZ, d_min=1.0, options=options, source="xray")
    assert "xray" in sharper.description


def test_a_calculator_takes_a_wavelength():
    f = friedel.fcalc(QUARTZ, d_min=1.0, wavelength=1.54)
    calculator = friedel.Calculator.from_model(QUARTZ, d_min=1.0, wavelength=1.54)
    np.testing.assert_array_equal(calculator.forward(), f.values)


class TestCalculator:
    """A calculator is complete when it is made, and does not change."""

    def test_the_constructor_plans(self):
        planned = friedel.Calculator.from_model(MODEL, d_min=1.5, method="fft", rtol=1e-3)
        made = friedel.Calculator(
            planned.crystal, planned.atoms, planned.hkl, planned.factors, planned.options
        )
        assert (made.method, made.plan) == ("fft", planned.plan)
        np.testing.assert_array_equal(made.forward(), planned.forward())

    def test_processes_can_exchange_it(self):
        planned = friedel.Calculator.from_model(MODEL, d_min=1.5, addends={"C": 0.1j})
        again = pickle.loads(pickle.dumps(planned))
        np.testing.assert_array_equal(again.forward(), planned.forward())

    def test_a_method_is_no_options(self):
        made = friedel.Calculator.from_model(MODEL, d_min=1.5)
        with pytest.raises(ParameterError, match="CalculationOptions"):
            friedel.Calculator(made.crystal, made.atoms, made.hkl, made.factors, "fft")

    @pytest.mark.parametrize("name", ["rtol", "method", "threads", "plan", "hkl", "options"])
    def test_nothing_can_be_assigned(self, name):
        calculator = friedel.Calculator.from_model(MODEL, d_min=1.5, method="fft")
        with pytest.raises(AttributeError):
            setattr(calculator, name, 1e-8)

    @pytest.mark.parametrize("method", ["fft", "direct"])
    def test_other_threads_share_the_plan(self, method):
        one = friedel.Calculator.from_model(MODEL, d_min=1.5, method=method, threads=1)
        f = one.forward()
        two = one.with_threads(2)
        assert (one.threads, two.threads) == (1, 2)
        assert two.plan == one.plan
        np.testing.assert_array_equal(two.forward(), f)
