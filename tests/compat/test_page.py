"""Every example of gemmi's page on scattering, run with friedel in gemmi's place."""

import doctest
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import friedel
from friedel.compat import restore_tables
from friedel.errors import FriedelWarning

REAL = r"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:e[-+]?\d+)?(?:\.\.\.)?"
NUMBER = re.compile(rf"(?P<re>{REAL})(?P<im>[-+]{REAL[5:]})j|(?P<real>{REAL})")
ADDRESS = re.compile(r"0x[0-9a-f]+|0x\.\.\.")

CLOSED_FORM, THROUGH_FFT = 1e-5, 1e-4
FFT_RESULTS = ("get_value(", "value_array", "print(")
"""Calls of examples whose numbers were calculated on a grid."""

N_EXAMPLES = 107


class NumbersAsNumbers(doctest.OutputChecker):
    """Text must agree exactly, integers too, other numbers within a tolerance.

    A complex number counts as a whole, relative to its modulus. Where the page breaks a number off
    with dots, or prints few digits, a unit of the last digit is rounding.
    """

    tolerance = CLOSED_FORM

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        texts = [ADDRESS.sub("0x", text) for text in (want, got)]
        if len({" ".join(NUMBER.sub("#", text).split()) for text in texts}) > 1:
            return False
        pairs = zip(*(NUMBER.finditer(text) for text in texts), strict=True)
        return all(self.agree(w, g) for w, g in pairs)

    def agree(self, want: re.Match[str], got: re.Match[str]) -> bool:
        if want.group().isdigit():
            return want.group() == got.group()
        expected, computed = _value(want), _value(got)
        error = abs(expected - computed)
        return error <= self.tolerance * abs(expected) + _last_digit(want)


def _value(match: re.Match[str]) -> complex:
    parts = [match[name] for name in ("re", "im")] if match["re"] else [match["real"], "0"]
    return complex(*(float(part.removesuffix("...")) for part in parts))


def _last_digit(match: re.Match[str]) -> float:
    """Unit of the last digit of a number that is not printed in full, else 0."""
    text = match["re"] or match["real"]
    decimals = len(text.removesuffix("...").partition(".")[2])
    return 10.0**-decimals if text.endswith("...") else 0.0


@pytest.fixture
def page(shared_data: Path) -> str:
    path = shared_data.parent / "reference" / "scattering.rst"
    if not path.exists():
        pytest.skip("no copy of the page")
    return path.read_text(encoding="utf-8")


@pytest.fixture
def docs_folder(
    tmp_path: Path, page_models: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A working directory from which the models are at ../tests, as for the page."""
    (tmp_path / "tests").symlink_to(page_models)
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    yield tmp_path / "docs"
    restore_tables()


@pytest.mark.usefixtures("docs_folder")
def test_every_example_of_the_page(page: str) -> None:
    names = {"gemmi": friedel, "numpy": np}
    test = doctest.DocTestParser().get_doctest(page, names, "scattering.rst", None, 0)
    assert len(test.examples) == N_EXAMPLES
    checker, report = NumbersAsNumbers(), []

    class Runner(doctest.DocTestRunner):
        def report_start(self, out, test, example):
            through_fft = any(name in example.source for name in FFT_RESULTS)
            checker.tolerance = THROUGH_FFT if through_fft else CLOSED_FORM

    with warnings.catch_warnings():
        # 5e5z has no solvent region, and friedel warns of it
        warnings.simplefilter("ignore", FriedelWarning)
        results = Runner(checker, verbose=False).run(test, out=report.append)
    assert results.failed == 0, "".join(report)
    assert results.attempted == N_EXAMPLES


@pytest.mark.parametrize(
    ("want", "got", "same"),
    [
        ("9.303603172302246", "9.3036040", True),
        ("9.303603172302246", "9.3038", False),
        ("25.9904...", "25.990400000000003", True),
        ("25.9904...", "25.9910", False),
        ("(17.849694728851315-6.557871454633539e-15j)", "(17.84969473+1.2e-14j)", True),
        ("(54.50873...+53.39498...j)", "(54.508734+53.394987j)", True),
        ("(54.50873...+53.39498...j)", "(54.508734+53.41j)", False),
        ("array([54.063...+52.970...j], dtype=complex64)", "array([54.06+52.97j])", False),
        ("<gemmi.IT92Coef object at 0x...>", "<gemmi.IT92Coef object at 0x7fa0>", True),
        ("<gemmi.FloatGrid(48, 48, 50)>", "<gemmi.FloatGrid(48, 48, 54)>", False),
        ("26", "26.0", False),
    ],
)
def test_the_checker_itself(want: str, got: str, same: bool) -> None:
    assert NumbersAsNumbers().check_output(want + "\n", got + "\n", 0) is same
