"""Perturbed arrays, option combinations, and damaged files of every reader that others miss."""

import contextlib
import io
import random
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

import data_files
import friedel
from aspherical import some_atoms, spherical
from friedel import ensemble
from friedel.cli import main
from friedel.readers.maps import read_map
from friedel.readers.reflection_lists import read_reflection_list
from fuzz_fits import check_finite

NUMBERS = (0.0, -1.0, 1e-300, 1e-9, 0.5, 1.0, 90.0, 180.0, 1e6, 1e9, 1e30, 1e308, np.inf, np.nan)
GROUPS = (["x,y,z"], ["-x,-y,-z"], ["-x,y+1/2,-z"], ["y,z,x", "-x,-y,z"], ["x+1/2,y+1/2,z"])
CRYSTAL = friedel.Crystal.from_triplets((12, 13, 14, 90, 100, 90), ["-x,y+1/2,-z"], "P 1 21 1")


# arrays --------------------------------------------------------------------------------------


def with_wrong_numbers(array: np.ndarray, rng: np.random.Generator) -> Any:
    """The array with some numbers replaced, another shape or type, or as it is."""
    kind = rng.random()
    if kind < 0.8:
        return array
    array = np.array(array, float)
    if kind < 0.93 and array.size:
        array.flat[rng.integers(0, array.size, rng.choice([1, 1, 3]))] = rng.choice(NUMBERS)
        return array
    changes: list[Callable[[], Any]] = [
        lambda: array[:-1],
        lambda: array[:0],
        lambda: array[..., None],
        lambda: array.astype(np.float32),
        lambda: array + 0j,
        lambda: array.astype(str),
        lambda: array.tolist(),
        lambda: np.asfortranarray(array)[::-1],
        lambda: np.array(None),
        lambda: array.ravel(),
    ]
    return changes[rng.integers(len(changes))]()


def array_outcome(seed: int, folder: Path) -> str:
    """Crystal, atoms, reflections and weights of wrong numbers, shapes and types."""
    rng = np.random.default_rng([seed, 3])
    n = int(rng.integers(1, 20))
    cell = with_wrong_numbers(np.array([8, 9, 10, 90, 95, 90]), rng)
    crystal = friedel.Crystal.from_triplets(cell, GROUPS[rng.integers(len(GROUPS))])
    atoms = friedel.Atoms(
        with_wrong_numbers(rng.random((n, 3)), rng),
        with_wrong_numbers(rng.random(n), rng),
        with_wrong_numbers(rng.uniform(1, 60, n), rng),
        with_wrong_numbers(rng.integers(0, 2, n), rng) if rng.random() < 0.2 else np.zeros(n, int),
        ("C", "O"),
        with_wrong_numbers(rng.normal(size=(n, 6)) * 0.01, rng) if rng.random() < 0.3 else None,
    )
    hkl = rng.integers(-5, 6, (30, 3))
    options: dict[str, Any] = {
        "method": ["auto", "fft", "direct"][rng.integers(3)],
        "rtol": float(rng.choice([1e-3, 1e-4, 1e-6, rng.choice(NUMBERS)])),
    }
    if rng.random() < 0.5:
        options["hkl"] = with_wrong_numbers(hkl, rng)
    else:
        options["d_min"] = float(rng.choice([2.0, 3.0, rng.choice(NUMBERS)]))
    calculator = friedel.Calculator.from_model((crystal, atoms), **options)
    found = calculator.forward()
    check_finite("F", found)
    weights = with_wrong_numbers(rng.normal(size=len(found)), rng)
    gradients = calculator.adjoint(calculator.atoms, weights)
    for name in ("frac", "occ", "b_iso", "u_aniso"):
        check_finite(name, getattr(gradients, name))
    values = with_wrong_numbers(np.abs(found), rng)
    data = friedel.Reflections(crystal, calculator.hkl, values)
    friedel.FModel((crystal, atoms), data, solvent="none", target="ls").fit().summary()
    return "result"


# options -------------------------------------------------------------------------------------

VALUES = (
    "0", "-1", "1", "2", "3", "0.5", "nan", "inf", "-inf", "1e400", "1e9", "", " ", "none", "auto",
    "Fe", "C", "1,2,3", "0.9:1.1", "file", "xray", "electron", "neutron", "mott-bethe", "it92",
    "wk95", "l1", "ls", "ls-i", "flat", "smooth", "h,k,-l", "-h,-k,l", "é", "\x1b[1m", "P 1",
    "Se=Se2-", "cl", "chantler", "x" * 300,
)  # fmt: skip
NO_FUZZ = {"--help", "--version", "--plot-cost", "--scheduler", "--workers", "--test"}
OPTION_NAMES = {
    "fcalc": ["fcalc", "{folder}/5e5z.pdb", "--dmin", "4"],
    "fmodel": ["fmodel", "{folder}/5e5z.pdb", "{folder}/5e5z.mtz"],
    "small": ["fmodel", "{folder}/2242624.cif", "{folder}/2242624.hkl"],
    "data": ["data", "{folder}/5e5z.mtz"],
    "formfactor": ["formfactor", "C", "Fe"],
    "fprime": ["fprime", "Se", "-e", "12000"],
    "ensemble": ["ensemble", "{folder}/5e5z.pdb", "--dmin", "4"],
}
"""A call of each command, to which options are added."""


@cache
def options_of(command: str) -> list[tuple[str, bool]]:
    """Options of a command, and whether they take a value."""
    from friedel.cli.main import friedel as cli

    found = cli.get_command(None, command)  # type: ignore[arg-type]
    return [
        (name, not getattr(option, "is_flag", False))
        for option in found.params
        for name in getattr(option, "opts", [])
        if name.startswith("-") and name not in NO_FUZZ
    ]


def option_outcome(seed: int, folder: Path) -> str:
    """A command with up to four options of any value: exit code 0 or 2, and one line of error."""
    rng = random.Random(f"options {seed}")
    call = OPTION_NAMES[rng.choice(list(OPTION_NAMES))]
    arguments = [word.format(folder=folder) for word in call]
    # values become names of files, which belong into the folder that is removed
    with tempfile.TemporaryDirectory() as written, contextlib.chdir(written):
        for _ in range(rng.randrange(5)):
            name, takes_value = rng.choice(options_of(call[0]))
            arguments.append(name)
            if takes_value and (name.startswith("--to-") or name in ("--json", "--plot")):
                arguments.append(f"{written}/{rng.choice(['a', 'b.mtz', 'c.csv', 'd.png'])}")
            elif takes_value:
                arguments.append(rng.choice(VALUES))
        out, err = io.StringIO(), io.StringIO()
        code: Any = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main(arguments)
            except SystemExit as stop:
                code = stop.code
    assert code in (0, None, 2), (code, arguments)
    lines = [line for line in err.getvalue().splitlines() if not line.startswith("friedel: note")]
    if code == 2:
        errors = [line for line in lines if line.startswith("friedel: ")]
        assert errors, (arguments, err.getvalue())
        return "one line"
    return "result"


# files of other readers ----------------------------------------------------------------------


@cache
def other_files(folder: Path) -> dict[str, bytes]:
    """A small file of each kind, by name."""
    data = data_files.intensities(CRYSTAL, 2.5)
    atoms = some_atoms()
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        data_files.scalepack(made / "a.sca", data)
        data_files.unmerged_scalepack(made / "u.sca", data)
        data_files.xds(made / "XDS_ASCII.HKL", data)
        data_files.cns(made / "a.cns", data)
        data_files.mmcif(made / "a-sf.cif", data)
        data_files.hklf(made / "a.hkl", data)
        factors = spherical(CRYSTAL, atoms, CRYSTAL.unique_reflections(2.5))
        factors.to_tsc(made / "a.tsc")
        factors.to_tsc(made / "a.tscb")
        document = gemmi.cif.read(str(folder / "4003024.cif")).sole_block()
        for tag, ending in (("_shelx_res_file", "res"), ("_shelx_hkl_file", "hkl")):
            text = gemmi.cif.as_string(document.find_value(tag)).lstrip("\n")
            (made / f"s.{ending}").write_text(text)
        (made / "s.ins").write_bytes((made / "s.res").read_bytes())
        write_models(made / "models.pdb")
        grid = gemmi.FloatGrid(np.ones((12, 12, 12), np.float32))
        grid.set_unit_cell(gemmi.UnitCell(*CRYSTAL.cell))
        grid.spacegroup = gemmi.SpaceGroup("P 1")
        ccp4 = gemmi.Ccp4Map()
        ccp4.grid = grid
        ccp4.update_ccp4_header()
        ccp4.write_ccp4_map(str(made / "a.ccp4"))
        return {path.name: path.read_bytes() for path in sorted(made.iterdir())}


def write_models(path: Path) -> None:
    """Four models of eight atoms, as a PDB file."""
    rng = np.random.default_rng(0)
    places = 10.0 * rng.random((8, 3))
    lines = ["CRYST1   12.000   13.000   14.000  90.00  90.00  90.00 P 1           1"]
    for i in range(4):
        lines.append(f"MODEL     {i + 1:4d}")
        for j, (x, y, z) in enumerate(places + 0.2 * rng.normal(size=places.shape), 1):
            lines.append(
                f"ATOM  {j:5d}  C   ALA A{j:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00 10.00           C"
            )
        lines.append("ENDMDL")
    path.write_text("\n".join([*lines, "END", ""]))


def use(path: Path, files: dict[str, bytes]) -> None:
    """Typical use of a file of its kind."""
    if path.suffix in (".res", ".ins"):
        other = path.with_name("s.hkl")
        other.write_bytes(files["s.hkl"])
        friedel.fit_intensities(path, other).summary()
    elif path.suffix in (".tsc", ".tscb"):
        found = friedel.fcalc(
            (CRYSTAL, some_atoms()), d_min=3.0, form_factors=friedel.read_form_factors(path)
        )
        check_finite("F", found.values)
    elif path.name == "models.pdb":
        result = ensemble.run(path, d_min=3.0)
        check_finite("mean F", result.mean)
    elif path.suffix == ".ccp4":
        check_finite("map", read_map(path).array)
    elif path.name == "s.hkl":
        read_reflection_list(path)
    else:
        model = (CRYSTAL, some_atoms())
        friedel.describe_data(path, model=model).summary()
        friedel.as_reflections(path)


def other_file_outcome(seed: int, folder: Path) -> str:
    """A damaged copy of one of these files."""
    from fuzz import damaged, with_other_numbers

    files = other_files(folder)
    rng = random.Random(f"other files {seed}")
    name = rng.choice(list(files))
    change = with_other_numbers if rng.random() < 0.6 and name != "a.ccp4" else damaged
    with tempfile.TemporaryDirectory() as written:
        path = Path(written) / name
        path.write_bytes(change(files[name], rng))
        use(path, files)
    return "result"


# files that are damaged so that it can be known ------------------------------------------------

WHOLE = ("5e5z.pdb", "5i55.cif", "2242624.cif", "5e5z.mtz")
"""Files of models and data, beside the small files of other readers."""

BINARY_VALUES = ("a.ccp4", "a.tscb")
"""Files of numbers that may have any bytes: a stretch of others is read as other numbers."""

NO_ROWS = ("s.res", "s.ins")
"""Files with instructions, of which a part is optional: their atoms are looked at elsewhere."""


def rows_of(path: Path) -> tuple[list[Any], set[str]]:
    """What a file holds, one item for each row of it, and the notes and warnings on it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        notes: Any = ()
        rows: list[Any]
        if path.name == "models.pdb":
            found = ensemble.run(path, d_min=3.0)
            rows, notes = [found.n_frames], found.notes
        elif path.name in ("5e5z.pdb", "5i55.cif", "2242624.cif"):
            model = friedel.as_model(path, margin=10.0)
            rows, notes = [tuple(x) for x in model.atoms.frac.tolist()], model.notes
        elif path.suffix in (".tsc", ".tscb"):
            factors = friedel.read_form_factors(path)
            rows = [tuple(x) for x in factors.hkl.tolist()] + list(factors.labels)
        elif path.suffix == ".ccp4":
            rows = list(read_map(path).array.shape)
        elif path.name == "s.hkl":
            listed = read_reflection_list(path)
            rows, notes = [tuple(x) for x in listed.hkl.tolist()], listed.notes
        else:
            data = friedel.as_reflections(path, crystal=CRYSTAL)
            rows, notes = [tuple(x) for x in data.hkl.tolist()], data.notes
    return rows, {str(x) for x in notes} | {str(x.message) for x in caught}


@cache
def whole_files(folder: Path) -> dict[str, tuple[bytes, list[Any], set[str]]]:
    """Content, rows and notes of each undamaged file, by name."""
    files = {k: v for k, v in other_files(folder).items() if k not in NO_ROWS}
    files |= {name: (folder / name).read_bytes() for name in WHOLE if (folder / name).exists()}
    found = {}
    with tempfile.TemporaryDirectory() as written:
        for name, content in files.items():
            path = Path(written) / name
            path.write_bytes(content)
            found[name] = content, *rows_of(path)
    return found


def in_part_outcome(seed: int, folder: Path) -> str:
    """A file that was cut off, or has a stretch of zeros or of random bytes.

    It ends in an error, or a note, or has as many rows as before: what is damaged is then in its
    numbers. A text that is cut off at the end of a line cannot be told from a shorter file.
    """
    rng = random.Random(f"in part {seed}")
    files = whole_files(folder)
    name = rng.choice(list(files))
    content, rows, notes = files[name]
    place, kind = rng.randrange(1, len(content)), rng.choice(["cut", "zeros", "bytes"])
    size = min(rng.choice([64, 512, 4096]), len(content) - place)
    stretch = {"cut": b"", "zeros": bytes(size), "bytes": rng.randbytes(size)}[kind]
    with tempfile.TemporaryDirectory() as written:
        path = Path(written) / name
        path.write_bytes(
            content[:place] + stretch + (b"" if kind == "cut" else content[place + size :])
        )
        found, about = rows_of(path)
    at_line = kind == "cut" and content[place - 1 : place] == b"\n"
    if len(found) < len(rows) and not (at_line and name not in BINARY_VALUES):
        assert about - notes, f"{name}, {kind} at {place}: {len(found)} of {len(rows)}, no note"
    return "result" if len(found) >= len(rows) else "with a note"


KINDS: dict[str, Callable[[int, Path], str]] = {
    "arrays": array_outcome,
    "options": option_outcome,
    "others": other_file_outcome,
    "parts": in_part_outcome,
}
