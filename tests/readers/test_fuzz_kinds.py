"""A seeded part of each kind of the fuzz suite; what it found once stays here by its seed."""

import re
from importlib.util import find_spec
from itertools import chain

import click
import pytest

import fuzz
import fuzz_commands
import fuzz_samples
from friedel.cli.main import COMMANDS

pytest.importorskip("gemmi")

FOUND = {
    "commands": (35_000_040,),
    "arrays": (0, 25, 29, 117, 190, 257, 1092, 100_584, 101_447, 102_212, 32_000_116),
    "parts": (400_196, 400_561),
    "others": (101_259, 101_885),
    "fits": (41, 100, 161, 234, 869, 1657, 1674, 1712, 101_456, 900_000, 33_000_903),
    "small": (
        4,
        15,
        21,
        28,
        37,
        44,
        60,
        87,
        105,
        343,
        100_139,
        7_000_013,
        34_000_231,
        34_000_831,
        34_001_053,
    ),
}
"""Seeds of cases that once ended in a traceback, NaN, a column that overflowed or a warning."""


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "models"


@pytest.fixture(scope="module")
def cases(folder):
    return fuzz.kinds(folder)


@pytest.mark.parametrize(
    ("kind", "n"),
    [("arrays", 60), ("others", 100), ("commands", 60), ("options", 60), ("parts", 100)],
)
def test_input(cases, folder, kind, n):
    outcomes = {fuzz.outcome(cases[kind], seed, folder) for seed in range(n)}
    assert "result" in outcomes
    assert len(outcomes) > 1


def test_every_command_is_tried():
    tried = {
        command for call in chain(*fuzz_commands.CALLS.values()) for command in call.split()[:1]
    }
    assert tried | set(fuzz_commands.NO_FUZZ_COMMANDS) == set(COMMANDS)


@pytest.mark.parametrize("command", fuzz_commands.CALLS)
def test_every_option_is_tried_or_said_not_to_be(command):
    """An option that names a file gets one; every name of an option is known."""
    parameters = fuzz_commands.parameters_of(command)
    names = {x for option in parameters if isinstance(option, click.Option) for x in option.opts}
    tried = dict(fuzz_commands.options_of(command))
    assert names - set(tried) <= set(fuzz_commands.NO_FUZZ)
    for name, option in tried.items():
        if isinstance(option.type, click.Path) and not fuzz_commands.is_output(option):
            assert fuzz_commands.takes_file(option), name


def test_every_sample_is_given_to_a_command(folder):
    """And every file of a call is there."""
    samples = fuzz_samples.samples(folder)
    calls = " ".join(chain(*fuzz_commands.CALLS.values()))
    words = [re.sub(r":.*", "", word) for word in re.split(r"[ =]", calls)]
    assert set(samples) <= {*words}
    named = {word for word in words if re.search(r"\w\.[a-zA-Z]\w+$", word)} - {"out.map"}
    absent = {x for x, package in fuzz_samples.NEEDED.items() if find_spec(package) is None}
    assert named <= set(fuzz_commands.files_of_calls(folder)) | absent
    assert set(fuzz_samples.ABOUT) == set(samples) | absent


@pytest.mark.parametrize("kind", ["fits", "small"])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_perturbed_fits(cases, folder, kind):
    outcomes = {fuzz.outcome(cases[kind], seed, folder) for seed in range(15)}
    assert "result" in outcomes


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind in FOUND for seed in FOUND[kind]])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_what_was_found_once(cases, folder, kind, seed):
    fuzz.outcome(cases[kind], seed, folder)
