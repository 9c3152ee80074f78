"""The commands and examples of the README are run, and compared with the output printed there."""

import doctest
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from commands import run
from friedel.cli.main import COMMANDS

pytest.importorskip("gemmi")
REPOSITORY = Path(__file__).parents[1]
README = REPOSITORY.joinpath("README.md").read_text(encoding="utf-8")
RECIPES = README.split("\n**")[1:]
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")


@pytest.fixture
def in_structures(structures, tmp_path, monkeypatch):
    """The folder that the README names, before any of its commands has run."""
    for path in structures.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)


def same(found: str, expected: str) -> bool:
    """Equal except for machine dependence: 1 %, or two of the last digit; 10 % of errors.

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


def commands() -> Iterator[tuple[list[str], str]]:
    """Each command of the indented blocks with what is printed below it, in their order."""
    for block in re.findall(r"(?:^    .*\n)+", README, flags=re.MULTILINE):
        lines = re.sub("^    ", "", block, flags=re.MULTILINE)
        for part in re.split(r"^(?:\$ )?friedel ", lines, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command.partition(" #")[0].split(), output


def commands_of_the_table() -> list[list[str]]:
    """Commands of "Which command do I want?", in their order: some read what others wrote."""
    rows = re.findall(r"^\|.*`friedel (.*?)`.*\|$", README, flags=re.MULTILINE)
    return [row.split() for row in rows]


def assert_contains(text: str, expected: str) -> None:
    """The text has the expected words in order, without gaps except at three dots."""
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


@pytest.mark.usefixtures("in_structures")
def test_commands(capsys):
    """All commands run one after the other, unchanged."""
    n = 0
    for arguments, output in commands():
        if arguments == ["warmup"]:  # minutes; tests/runtime has it
            continue
        code, out, err = run(capsys, *arguments)
        assert code == 0, err
        assert_contains(err + out, output)
        n += 1
    assert n >= 4


@pytest.mark.usefixtures("in_structures")
def test_each_command_of_the_table_runs(capsys):
    found = commands_of_the_table()
    assert {arguments[0] for arguments in found} == set(COMMANDS) - {"formfactor", "warmup"}
    for arguments in found:
        code, out, err = run(capsys, *arguments)
        assert code == 0, err
        assert out or "wrote" in err, arguments


@pytest.mark.usefixtures("in_structures")
def test_python():
    parser, names = doctest.DocTestParser(), {"np": np}
    text = "\n".join(re.findall(r"^>>> .*?(?=^```)", README, re.DOTALL | re.MULTILINE))
    test = parser.get_doctest(text, names, "README", "README.md", 0)
    assert len(test.examples) >= 15
    reports: list[str] = []
    results = doctest.DocTestRunner(Tolerant(), verbose=False).run(test, out=reports.append)
    assert results.failed == 0, "".join(reports)


def test_the_cases_of_the_promised_error_are_those_that_were_measured():
    """Derivatives and supercells are not promised, and the sweep is of extremes."""
    measured = (REPOSITORY / "docs" / "measured" / "accuracy.md").read_text(encoding="utf-8")
    rows = re.findall(r"^(\S+): (\d+) cases, .*; (\d+) above 1$", measured, flags=re.MULTILINE)
    found = {name: (int(cases), int(above)) for name, cases, above in rows}
    met = [found[x] for x in found if x not in ("derivatives", "supercells", "sweep")]
    assert sum(above for _, above in met) == 0
    words = " ".join(README.split())
    assert f"it was met in all of {sum(cases for cases, _ in met):,} cases" in words
    cases, above = found["sweep"]
    assert f"in {int(100 * (1 - above / cases))} % of extreme ones" in words


def test_a_wrong_number_is_found():
    assert same("R 0.1459", "R 0.1458")
    assert not same("R 0.1558", "R 0.1458")
    assert not same("27925", "27000")
    assert not same("R 0.1", "Q 0.1")
