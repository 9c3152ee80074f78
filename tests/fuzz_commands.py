"""Every command with any options, and with damaged files wherever it reads one.

A command ends with exit code 0 or 2; an error is one line, no file is left of what failed, and
no warning of NumPy or other packages is printed.
"""

import contextlib
import io
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click

from friedel.cli import main
from friedel.cli.command import is_input
from friedel.cli.main import friedel as cli
from friedel.cli.output import OutputOption
from fuzz_fits import NOT_FINITE
from fuzz_samples import samples

VALUES = (
    "0", "-1", "1", "2", "3", "0.5", "nan", "inf", "-inf", "1e400", "1e9", "", " ", "none", "auto",
    "Fe", "C", "1,2,3", "0.9:1.1", "file", "xray", "electron", "neutron", "mott-bethe", "it92",
    "wk95", "l1", "ls", "ls-i", "flat", "smooth", "h,k,-l", "-h,-k,l", "é", "\x1b[1m", "P 1",
    "Se=Se2-", "cl", "chantler", "x" * 300, "-", "P1", "K", "translation:name C", "0::2", "Se=-8,4",
    "C=C+", "name C", "residual", "chain A", "polder:chain A", "quartz",
)  # fmt: skip
NO_FUZZ = {
    "--help": "prints and stops",
    "--plot-cost": "measures for minutes",
    "--scheduler": "waits for another machine",
    "--workers": "starts processes",
    "--test": "sums directly for minutes",
}
"""Options that are not tried, and why."""

NO_FUZZ_COMMANDS = {"warmup": "reads nothing, and compiles for minutes"}
"""Commands that are not tried, and why."""

CALLS = {
    "fcalc": [
        "fcalc 5e5z.pdb --dmin 4",
        "fcalc tls.pdb --dmin 4 --tls residual",
        "fcalc tls.cif --dmin 4",
        "fcalc bare.pdb --dmin 4 --hydrogens",
        "fcalc bare.cif.gz --dmin 4",
        "fcalc bare.json --dmin 4",
        "fcalc blocks.cif --dmin 3",
        "fcalc s.res --dmin 3",
        "fcalc tls.pdb --compare fc.mtz",
        "fcalc blocks.cif --dmin 3 --form-factors a.tsc",
        "fcalc tls.pdb --dmin 3 --form-factors a.tscb",
        "fcalc bare.pdb --dmin 4 -e 12650 --fprime C=se.efs",
    ],
    "fmodel": [
        "fmodel 5e5z.pdb 5e5z.mtz",
        "fmodel bare.pdb 5e5z.mtz --dmin 3 --solvent none --target ls --hydrogens",
        *(
            f"fmodel tls.pdb {data} --solvent none --target ls"
            for data in ("a.sca", "u.sca", "XDS_ASCII.HKL", "a.cns", "a-sf.cif", "a.mtz", "u.mtz")
        ),
        "fmodel tls.cif blocks-sf.cif --solvent flat",
        "fmodel tls.pdb a.mtz --solvent-mask whole.map",
    ],
    "small": [
        "fmodel 2242624.cif 2242624.hkl",
        "fmodel s.res s.hkl",
        "fmodel s.res s.fcf",
        "fmodel s.ins s.hkl --peaks 5",
    ],
    "data": [
        f"data {name}"
        for name in (
            "5e5z.mtz",
            "a.sca",
            "pairs.sca",
            "u.sca",
            "XDS_ASCII.HKL",
            "a.cns",
            "a-sf.cif",
            "a-sf.cif.gz",
            "blocks-sf.cif",
            "a.mtz",
            "u.mtz",
            "a.hkl",
            "a.cns --model tls.pdb",
        )
    ],
    "formfactor": ["formfactor C Fe", "formfactor --list"],
    "fprime": ["fprime Se -e 12000", "fprime Se C"],
    "ensemble": [
        "ensemble models.pdb --dmin 4",
        "ensemble models.cif --dmin 4",
        "ensemble models.pdb frames.xtc --dmin 4",
        "ensemble models.pdb frames.dcd --dmin 4",
        "ensemble models.pdb frames.trr --dmin 4",
        "ensemble models.pdb --dmin 3 --data diffuse.txt",
        "ensemble models.pdb --dmin 3 --data diffuse.mtz:ID",
        "ensemble models.pdb --dmin 3 --data diffuse.nxs",
    ],
    "fsc": [
        "fsc half1.map half2.map",
        "fsc half1.map half2.map --mask tls.pdb",
        "fsc a.ccp4 tls.pdb --dmin 3",
        "fsc swapped.mrc half2.map",
    ],
    "map": [
        "map tls.pdb out.map --dmin 3",
        "map bare.pdb out.map --dmin 3 --margin 4 --for electron",
        "map fc.mtz:FC,PHIC out.map",
        "map fc.mtz:FC,PHIC out.map --cover tls.pdb",
        "map fc.cif:F_calc,phase_calc out.map",
        "map tls.pdb out.map --dmin 3 --like a.ccp4",
    ],
    "mapcc": [
        "mapcc a.ccp4 tls.pdb --dmin 3",
        "mapcc packed.map.gz tls.cif --dmin 3",
        "mapcc whole.map bare.cif.gz --dmin 4",
    ],
}
"""Calls of each command, to which options are added, and whose files are damaged."""

OF_MODELS = ("5e5z.pdb", "2242624.cif")
OF_DATA = ("5e5z.mtz", "2242624.hkl")


@cache
def files_of_calls(folder: Path) -> dict[str, bytes]:
    """The files that are named in calls, by name: samples, and files of the folder of models."""
    others = {name: (folder / name).read_bytes() for name in (*OF_MODELS, *OF_DATA)}
    return {**samples(folder), **others}


@cache
def parameters_of(command: str) -> tuple[click.Parameter, ...]:
    """Options and arguments of a command, of which `small` is that for small structures."""
    if command == "small":
        from friedel.cli import smallmolecule

        return tuple(smallmolecule.command.params)
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    return tuple(found.params)


@cache
def options_of(command: str) -> tuple[tuple[str, click.Option], ...]:
    """Names of a command's options, old ones too, and the options."""
    return tuple(
        (name, option)
        for option in parameters_of(command)
        if isinstance(option, click.Option)
        for name in option.opts
        if name not in NO_FUZZ
    )


def is_output(option: click.Parameter) -> bool:
    """Whether an option names a file that is written."""
    return isinstance(option, OutputOption)


def takes_file(option: click.Parameter) -> bool:
    """Whether an option names a file that is read, among other values or always."""
    metavar = getattr(option, "metavar", None) or ""
    return is_input(option) or ("FILE" in metavar and not is_output(option))


def value_of(option: click.Option, files: list[str], rng: random.Random) -> str:
    """A value for an option: what it expects, more often than not."""
    if is_output(option):
        return rng.choice(["a", "b.mtz", "c.csv", "d.png", "e.json", "f.map", "-", "g.cif", "no/h"])
    if isinstance(option.type, click.Choice) and rng.random() < 0.7:
        return str(rng.choice(list(option.type.choices)))
    if takes_file(option) and rng.random() < 0.8:
        name = rng.choice(files)
        return f"{rng.choice(['C=', 'Se='])}{name}" if "KIND" in (option.metavar or "") else name
    return rng.choice(VALUES)


def with_options(
    command: str, arguments: list[str], most: int, files: list[str], rng: random.Random
) -> list[str]:
    """A call with up to `most` further options."""
    arguments = list(arguments)
    for _ in range(rng.randrange(most + 1)):
        name, option = rng.choice(options_of(command))
        arguments.append(name)
        if not option.is_flag:
            arguments.append(value_of(option, files, rng))
    return arguments


def check_call(arguments: list[str], stdin: bytes = b"") -> str:
    """Run a command in the working folder, whose files are inputs; how it ended."""
    inputs = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    streams = [io.TextIOWrapper(io.BytesIO(x), "utf-8") for x in (stdin, b"", b"")]
    code: Any = 0
    with (
        patch.object(sys, "stdin", streams[0]),
        contextlib.redirect_stdout(streams[1]),
        contextlib.redirect_stderr(streams[2]),
    ):
        try:
            main(arguments)
        except SystemExit as stop:
            code = stop.code
        for stream in streams[1:]:
            stream.flush()
    out, err = (x.buffer.getvalue() for x in streams[1:])  # type: ignore[attr-defined]
    lines = err.decode("utf-8").splitlines()
    said = (arguments, code, lines)
    assert code in (0, None, 2), said
    assert not any("Traceback" in line for line in lines), said
    assert not any("encountered in" in line for line in lines), said
    made = [path for path in Path().rglob("*") if path not in inputs and not is_offsets(path)]
    for path, time_written in inputs.items():
        assert path.exists(), (path, "is gone", said)
        if "--overwrite" not in arguments:
            assert path.stat().st_mtime_ns == time_written, (path, "was written", said)
    if code == 2:
        assert lines, said
        assert lines[-1].startswith("friedel: "), said
        assert not made, (made, said)
        return "one line"
    for path in made:
        assert path.is_dir() or path.stat().st_size, (path, "is empty", said)
        assert not path.name.startswith((".", "tmp")), (path, "was left", said)
    with contextlib.suppress(UnicodeDecodeError):
        found = NOT_FINITE.search(out.decode())
        named = any("not finite" in line or "note" in line for line in lines)
        is_quiet = "-q" in arguments or "--quiet" in arguments
        explained = named or is_quiet or "nan" in " ".join(arguments)
        assert found is None or explained, (found, said)
    return "result"


def is_offsets(path: Path) -> bool:
    """Whether a file is one that MDAnalysis keeps beside a trajectory."""
    return "_offsets." in path.name


@contextlib.contextmanager
def in_folder(files: dict[str, bytes]) -> Iterator[None]:
    """A working folder with these files."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, content in files.items():
            Path(name).write_bytes(content)
        yield


def names_in(arguments: list[str], files: dict[str, bytes]) -> list[str]:
    """The files that a call names, with columns or not."""
    words = [word.split("=")[-1] for word in arguments]
    return [name for name in files if any(w == name or w.startswith(f"{name}:") for w in words)]


def option_outcome(seed: int, folder: Path) -> str:
    """A command with up to four options of any value: exit code 0 or 2, and one line of error."""
    rng = random.Random(f"options {seed}")
    files = files_of_calls(folder)
    command = rng.choice(list(CALLS))
    arguments = rng.choice(CALLS[command]).split()
    arguments = with_options(command, arguments, 4, list(files), rng)
    with in_folder({name: files[name] for name in names_in(arguments, files)}):
        return check_call(arguments, files[rng.choice(list(files))])


def damaged_outcome(seed: int, folder: Path) -> str:
    """A command with damaged files, at most two options, and every file that an option reads."""
    from fuzz import changed

    rng = random.Random(f"commands {seed}")
    files = files_of_calls(folder)
    command = rng.choice([name for name in CALLS if names_in(CALLS[name][0].split(), files)])
    arguments = rng.choice(CALLS[command]).split()
    reading = [(name, x) for name, x in options_of(command) if takes_file(x)]
    if reading and rng.random() < 0.3:
        name, option = rng.choice(reading)
        arguments += [name, value_of(option, list(files), rng)]
    arguments = with_options(command, arguments, rng.choice([0, 0, 1]), list(files), rng)
    given = {name: files[name] for name in names_in(arguments, files)}
    for name in given:
        if rng.random() < 0.8:
            given[name] = changed(given[name], rng)
    if given and rng.random() < 0.1:  # as standard input
        first = rng.choice(list(given))
        arguments = ["-" if word == first else word for word in arguments]
        with in_folder(given):
            return check_call(arguments, given[first])
    with in_folder(given):
        return check_call(arguments)


KINDS: dict[str, Callable[[int, Path], str]] = {
    "commands": damaged_outcome,
    "options": option_outcome,
}
