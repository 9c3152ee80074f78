"""Symmetry triplets: a strict grammar, and an answer at once for every text."""

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings, strategies as st

from friedel.errors import SymmetryError
from friedel.model.operations import parse_triplet

AXES = ("x", "y", "z")


@pytest.mark.parametrize(
    "number",
    ["1e999999999", "1e30000000", "1e-999999999", "1E3", "1_0", "1000", "1/1000", "nan", "inf",
     "1/2/3", "1.2.3", "0x1", "1j", "1//2", "/2", ".", "1/0", "1/-2", "2*1", "()", "9" * 10**6],
)  # fmt: skip
def test_other_numbers_are_refused_at_once(number):
    start = time.perf_counter()
    for text in (f"x+{number},y,z", f"{number}+x,y,z", f"x,y,z-{number}"):
        with pytest.raises(SymmetryError) as error:
            parse_triplet(text)
        assert len(str(error.value)) < 400
    assert time.perf_counter() - start < 2.0


@pytest.mark.parametrize(
    ("part", "shift"),
    [
        ("x+1/2", 12), ("1/2+x", 12), ("-1/4+x", 18), ("x+0.5", 12), (".5+x", 12), ("x+0.667", 16),
        ("x+.33333333", 8), ("x+1", 0), ("x+2.", 0), ("+x+3/4", 18), ("x + 1 / 2", 12),
        ("X+5/6", 20), ("x+1/2+1/3", 20), ("x-11/12", 2), ("x+01/02", 12),
    ],
)  # fmt: skip
def test_numbers_of_files(part, shift):
    rows, shifts = parse_triplet(f"{part},y,z")
    assert rows == ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert shifts == (shift, 0, 0)


@pytest.mark.parametrize("part", ["x+", "+", "xx", "x1/2", "1/2x", "--x", "x+-1/2", "x y", "x*1"])
def test_signs_stand_between_terms(part):
    with pytest.raises(SymmetryError):
        parse_triplet(f"{part},y,z")


@settings(max_examples=300, deadline=2000)
@given(st.text("xyz+-/.,0123456789eE_ \n\t()n*", max_size=60))
def test_any_text_has_an_answer(text):
    try:
        rows, shifts = parse_triplet(text)
    except SymmetryError:
        return
    assert all(0 <= shift < 24 for shift in shifts)
    assert len(rows) == 3


@given(st.permutations(AXES), st.lists(st.integers(-48, 48), min_size=3, max_size=3), st.data())
def test_triplets_that_are_written_are_read(axes, shifts, data):
    signs = [data.draw(st.sampled_from("+-")) for _ in AXES]
    parts = [
        f"{sign}{axis}{'+' if shift >= 0 else '-'}{abs(Fraction(shift, 24))}"
        for sign, axis, shift in zip(signs, axes, shifts, strict=True)
    ]
    rows, found = parse_triplet(",".join(parts))
    assert list(found) == [shift % 24 for shift in shifts]
    for row, axis, sign in zip(rows, axes, signs, strict=True):
        assert row["xyz".index(axis)] == (1 if sign == "+" else -1)
