"""Damaged copies of real files are given to the readers and the calculations after them.

    python tests/fuzz.py [N_MUTATIONS] [FIRST_SEED]      # make fuzz: 20,000

Whatever a file contains, the outcome is a result or a FriedelError. The seed of a mutation that
ends otherwise is printed, and its file is kept in fuzz-output/.
"""

import math
import random
import re
import struct
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path

import friedel
from friedel.errors import FriedelError

REPOSITORY = Path(__file__).parents[1]
SCRAPS = (
    b"nan", b"inf", b"-", b"1e99", b"?", b".", b"\n", b"loop_", b"data_x\n", b"99999", b"0", b"'",
    b"\x00", b"\xff\xfe", b"CRYST1", b"END\n", b" 1 ", b"-9999.999", b"#", b";\n", b"1e-300",
)  # fmt: skip
MODELS = ("5e5z.pdb", "4oz7.pdb", "5i55.cif", "1011031.cif", "2013551.cif", "4003024.cif")
NUMBERS = (
    b"0", b"-1", b"1", b"90", b"180", b"1e9", b"1e-9", b"-0.5", b"99999", b"?", b"nan", b"3(1)",
    b"0.0001", b"2000",
)  # fmt: skip
WORDS = (math.nan, math.inf, -math.inf, 0.0, -1.0, 1e30, 1e-30, 3.0, 1e6, 0.5)
DATA = ("5e5z.mtz", "2242624.hkl")
N_REFLECTIONS = 10_000
"""Largest number of reflections calculated, so that fuzzing spends its time on files."""


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The data with some bytes or numbers changed, taken out, put in, moved or cut off."""
    copy = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 30))):
        place, kind = rng.randrange(max(1, len(copy))), rng.random()
        if kind < 0.35 and copy:
            copy[place % len(copy)] = rng.randrange(256)
        elif kind < 0.5:
            del copy[place : place + rng.randrange(1, 200)]
        elif kind < 0.7:
            copy[place:place] = rng.choice(SCRAPS)
        elif kind < 0.9:
            scrap = rng.choice(SCRAPS)
            copy[place : place + len(scrap)] = scrap
        elif kind < 0.96:
            other = rng.randrange(max(1, len(copy)))
            copy[place:place] = copy[other : other + rng.randrange(1, 500)]
        else:
            del copy[place:]
    return bytes(copy)


def with_other_numbers(data: bytes, rng: random.Random) -> bytes:
    """The data with some of its numbers replaced, so that readers accept it and code must cope."""
    if data.startswith(b"MTZ "):
        copy = bytearray(data)
        for _ in range(rng.choice((1, 3, 20, 400))):
            place = 80 + 4 * rng.randrange((len(data) - 80) // 4)
            copy[place : place + 4] = struct.pack("<f", rng.choice(WORDS))
        return bytes(copy)
    numbers = list(re.finditer(rb"-?\d+\.?\d*", data))
    chosen = sorted(rng.sample(range(len(numbers)), min(len(numbers), rng.choice((1, 2, 5, 50)))))
    parts, end = [], 0
    for i in chosen:
        old = numbers[i]
        new = rng.choice(NUMBERS)
        if rng.random() < 0.5:  # in fixed columns
            new = new[: len(old[0])].rjust(len(old[0]))
        parts += [data[end : old.start()], new]
        end = old.end()
    return b"".join([*parts, data[end:]])


def calculate(path: Path) -> None:
    """Typical use of a model."""
    model = friedel.as_model(path, margin=10.0)
    a, b, c = sorted(model.crystal.cell[:3])
    few = max(
        (a * b * c / N_REFLECTIONS) ** (1 / 3), (b * c / N_REFLECTIONS) ** 0.5, c / N_REFLECTIONS
    )
    friedel.fcalc(model, d_min=max(6.0, a / 3.0, few))
    if path.suffix == ".cif":
        friedel.fcalc(path, hkl=[[1, 1, 1]], scattering="cif")


def compare(path: Path, model: Path) -> None:
    """Typical use of data."""
    if path.suffix == ".mtz":
        data = friedel.as_reflections(path)
        friedel.FModel(model, data, solvent="flat", target="ls", d_min=3.0).fit().summary()
    friedel.read_calculated(path)


def originals(folder: Path) -> list[Path]:
    """Files to damage: those that there are."""
    names = [folder / name for name in (*MODELS, *DATA)]
    return [REPOSITORY / "examples" / "quartz.cif", *(p for p in names if p.exists())]


def contents_of(files: list[Path]) -> dict[Path, bytes]:
    """The files to damage, by path."""
    return {path: path.read_bytes() for path in files}


def mutation(seed: int, files: dict[Path, bytes]) -> tuple[Path, bytes]:
    """The file that a seed damages, and its damaged content."""
    rng = random.Random(seed)
    origin = rng.choice(list(files))
    change = with_other_numbers if rng.random() < 0.7 else damaged
    return origin, change(files[origin], rng)


def mutation_outcome(seed: int, files: dict[Path, bytes], folder: Path) -> str:
    """How one mutation ends: "result", or the name of the error."""
    origin, content = mutation(seed, files)
    path = folder / origin.name
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", friedel.FriedelWarning)
            if origin.name in DATA:
                compare(path, origin.with_name("5e5z.pdb"))
            else:
                calculate(path)
    except FriedelError as error:
        return type(error).__name__
    return "result"


def main(n: int = 20_000, first: int = 0) -> int:
    """Run mutations; the number of those that ended as they must not."""
    from tqdm import tqdm

    from conftest import _shared_folder

    shared = _shared_folder()
    if shared is None:
        sys.exit("no files: set FRIEDEL_TEST_DATA to a folder with models/")
    files = contents_of(originals(shared / "models"))
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        for seed in tqdm(range(first, first + n), disable=not sys.stderr.isatty()):
            try:
                counts[mutation_outcome(seed, files, Path(name))] += 1
            except Exception:
                counts["WRONG"] += 1
                origin, content = mutation(seed, files)
                kept = REPOSITORY / "fuzz-output" / f"{seed}-{origin.name}"
                kept.parent.mkdir(exist_ok=True)
                kept.write_bytes(content)
                print(f"seed {seed}, kept as {kept}\n{traceback.format_exc()}", flush=True)
    print(f"{n} mutations of {len(files)} files from seed {first}: ", end="")
    print(", ".join(f"{count} {kind}" for kind, count in counts.most_common()))
    return counts["WRONG"]


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:]))))
