"""Perturbed arrays, and damaged files of every format that is read."""

import random
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import friedel
from fuzz_fits import check_finite
from fuzz_samples import ABOUT, rows_of_model, rows_of_reflections, samples

NUMBERS = (0.0, -1.0, 1e-300, 1e-9, 0.5, 1.0, 90.0, 180.0, 1e6, 1e9, 1e30, 1e308, np.inf, np.nan)
GROUPS = (["x,y,z"], ["-x,-y,-z"], ["-x,y+1/2,-z"], ["y,z,x", "-x,-y,z"], ["x+1/2,y+1/2,z"])


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


# files of every reader -----------------------------------------------------------------------


def other_file_outcome(seed: int, folder: Path) -> str:
    """A damaged copy of one of these files."""
    from fuzz import changed

    files = samples(folder)
    rng = random.Random(f"other files {seed}")
    name = rng.choice(list(files))
    with tempfile.TemporaryDirectory() as written:
        path = Path(written) / name
        path.write_bytes(changed(files[name], rng))
        ABOUT[name][0](path, files)
    return "result"


# files that are damaged so that it can be known ------------------------------------------------

OF_WHOLE = {
    "5e5z.pdb": rows_of_model,
    "5i55.cif": rows_of_model,
    "2242624.cif": rows_of_model,
    "5e5z.mtz": rows_of_reflections,
}
"""Files of models and data beside the small files, and the functions that read their rows."""


def rows_of(path: Path) -> tuple[list[Any], set[str]]:
    """What a file holds, one item for each row of it, and the notes and warnings on it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        of_rows = ABOUT[path.name][1] if path.name in ABOUT else OF_WHOLE[path.name]
        assert of_rows is not None
        rows, notes = of_rows(path)
    return rows, {str(x) for x in notes} | {str(x.message) for x in caught}


@cache
def whole_files(folder: Path) -> dict[str, tuple[bytes, list[Any], set[str]]]:
    """Content, rows and notes of each undamaged file, by name."""
    files = {k: v for k, v in samples(folder).items() if ABOUT[k][1] is not None}
    files |= {name: (folder / name).read_bytes() for name in OF_WHOLE if (folder / name).exists()}
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
    if len(found) < len(rows) and not (at_line and b"\x00" not in content):
        assert about - notes, f"{name}, {kind} at {place}: {len(found)} of {len(rows)}, no note"
    return "result" if len(found) >= len(rows) else "with a note"


KINDS: dict[str, Callable[[int, Path], str]] = {
    "arrays": array_outcome,
    "others": other_file_outcome,
    "parts": in_part_outcome,
}
