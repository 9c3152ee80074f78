"""Whatever numbers are given, the outcome is a FriedelError or a result that is finite."""

import warnings

import numpy as np
from hypothesis import given, settings, strategies as st

import friedel
from commands import run

NUMBERS = st.one_of(
    st.sampled_from([0.0, -1.0, 1.0, 90.0, 180.0, 1e-300, 1e300, np.inf, -np.inf, np.nan, 1e9]),
    st.floats(-200.0, 200.0),
)
CELLS = st.one_of(
    st.tuples(*[st.floats(3.0, 30.0)] * 3, *[st.floats(70.0, 110.0)] * 3), st.tuples(*[NUMBERS] * 6)
)
WORDS = st.one_of(
    st.text(max_size=6), st.sampled_from(["0", "-1", "nan", "inf", "1e400", "1,2", "1,2,3", "Fe"])
)


def usual(ordinary):
    """Mostly ordinary values, so that the others are met one at a time."""
    return st.one_of(ordinary, ordinary, ordinary, NUMBERS)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    cell=CELLS,
    place=st.tuples(*[usual(st.floats(-1.0, 1.0))] * 3),
    occ=usual(st.floats(0.0, 1.0)),
    b_iso=usual(st.floats(0.0, 100.0)),
    d_min=usual(st.floats(2.0, 5.0)),
    rtol=usual(st.floats(1e-5, 1e-2)),
    method=st.sampled_from(["auto", "fft", "direct"]),
)
def test_calculation(cell, place, occ, b_iso, d_min, rtol, method):
    try:
        crystal = friedel.Crystal.from_triplets(cell, ["-x,-y,-z"])
        atoms = friedel.Atoms.from_labels(["S"], [place], occ, b_iso)
        with warnings.catch_warnings():
            # numpy's warning of overflow, as at B = 1e9 Å^2, is not a failure
            warnings.simplefilter("ignore")
            f = friedel.fcalc((crystal, atoms), d_min=d_min, rtol=rtol, method=method)
    except friedel.FriedelError:
        return
    assert np.isfinite(f.values).all()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(option=st.sampled_from(["-e", "-w", "-s", "-n"]), words=st.lists(WORDS, max_size=4))
def test_command(option, words):
    class Captured:
        """What `run` asks of pytest's capsys, which hypothesis does not allow."""

        out = err = ""

        def readouterr(self):
            return self

    code, _, _ = run(Captured(), "fprime", "Se", option, *words)
    assert code in (0, 2)
