"""The ten recipes of the README, pasted and compared with the output printed there."""

import doctest
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import friedel
from commands import run

pytest.importorskip("gemmi")
REPOSITORY = Path(__file__).parents[1]
RECIPES = REPOSITORY.joinpath("README.md").read_text(encoding="utf-8").split("\n**")[1:]
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")
COPIES = {"1dur.pdb": "model.pdb", "1dur.mtz": "data.mtz", "5a3h.pdb": "5a3h.pdb"}
"""Files of the recipes: real ones, most under names that a reader might have."""


@pytest.fixture(scope="module")
def recipes_folder(shared_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    for origin, name in COPIES.items():
        (folder / name).symlink_to((shared_data / "models" / origin).resolve())
    (folder / "quartz.cif").symlink_to(REPOSITORY / "examples" / "quartz.cif")
    return folder


def same(found: str, expected: str) -> bool:
    """Alike but for what depends on the machine: 1 %, or two of the last digit; 10 % of errors.

    Errors, which are printed with exponents, are partly rounding of the Fourier transform.
    """
    if NUMBER.sub("#", found) != NUMBER.sub("#", expected):
        return False
    pairs = zip(NUMBER.findall(found), NUMBER.findall(expected), strict=True)
    return all(abs(float(x) - float(y)) <= allowed(y) for x, y in pairs)


def allowed(number: str) -> float:
    mantissa, _, exponent = number.partition("e")
    decimals = len(mantissa.partition(".")[2])
    last_digit = 10.0 ** (int(exponent or 0) - decimals) if decimals or exponent else 0.0
    share = 0.1 if exponent else 0.01
    return max(2 * last_digit, share * abs(float(number)))


def commands(recipe: str) -> Iterator[tuple[list[str], str]]:
    """Each `$ friedel ...` with what is printed below it."""
    block = "\n".join(line[4:] for line in recipe.splitlines() if line.startswith("    "))
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command.split()[1:], output


def assert_contains(text: str, expected: str) -> None:
    """The expected words in their order, without gaps but where there are three dots."""
    words, place = text.split(), 0
    for run_of_words in re.split(r"^\s*\.\.\.$", expected, flags=re.MULTILINE):
        wanted = run_of_words.split()
        starts = range(place, len(words) - len(wanted) + 1)
        found = (i for i in starts if all(map(same, words[i : i + len(wanted)], wanted)))
        place = next(found, -1)
        assert place >= 0, f"expected\n{run_of_words}\ngot\n{text}"
        place += len(wanted)


class Tolerant(doctest.OutputChecker):
    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        del optionflags
        return same(" ".join(got.split()), " ".join(want.split()))


def test_there_are_ten():
    assert [recipe.partition(".")[0] for recipe in RECIPES] == [str(i) for i in range(1, 11)]


def test_commands(capsys, recipes_folder, monkeypatch):
    monkeypatch.chdir(recipes_folder)
    n = 0
    for recipe in RECIPES:
        for arguments, output in commands(recipe):
            code, out, err = run(capsys, *arguments, "--overwrite")
            assert code == 0, err
            assert_contains(err + out, output)
            n += 1
    assert n >= 4


def test_python(recipes_folder, monkeypatch, capsys):
    monkeypatch.chdir(recipes_folder)
    parser, names = doctest.DocTestParser(), {"friedel": friedel, "np": np}
    text = "\n".join(re.findall(r"^>>> .*?(?=^```)", "\n".join(RECIPES), re.DOTALL | re.MULTILINE))
    test = parser.get_doctest(text, names, "README", "README.md", 0)
    assert len(test.examples) >= 15
    reports: list[str] = []
    results = doctest.DocTestRunner(Tolerant(), verbose=False).run(test, out=reports.append)
    assert results.failed == 0, "".join(reports)


def test_a_wrong_number_is_found():
    assert same("R 0.1459", "R 0.1458")
    assert not same("R 0.1558", "R 0.1458")
    assert not same("27925", "27000")
    assert not same("R 0.1", "Q 0.1")
