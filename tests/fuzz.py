"""Damaged files, perturbed data, wrong arrays and options, in random combinations.

    python tests/fuzz.py [N_CASES] [FIRST_SEED] [KIND ...]      # make fuzz: 20,000 of all kinds

Whatever is given, the outcome is a result or a FriedelError within ten seconds of processor time.
The kind and seed of a case that ends otherwise are printed; a damaged file is kept in fuzz-output/.
Without a first seed, or with "nightly", the seed is that of the day, and is printed.
"""

import gzip
import json
import math
import os
import random
import re
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
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
GZIP = b"\x1f\x8b"
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


def changed(data: bytes, rng: random.Random) -> bytes:
    """The data damaged or with other numbers; what is packed is packed again, or is damaged."""
    if data.startswith(GZIP) and rng.random() < 0.7:
        return gzip.compress(changed(gzip.decompress(data), rng), mtime=0)
    if (b"\x00" in data and not data.startswith(b"MTZ ")) or rng.random() < 0.4:
        return damaged(data, rng)
    return with_other_numbers(data, rng)


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


SHARES = {
    "files": 0.25, "others": 0.2, "parts": 0.1, "commands": 0.15, "arrays": 0.08, "options": 0.1,
    "fits": 0.08, "small": 0.04,
}  # fmt: skip
"""Share of each kind among all cases."""

LONGEST = 10.0
"""Longest processor time (s) of one case."""

HANGS = 60
"""Processor time (s) after which a case is interrupted, and a tenth of the time on the clock."""

TIMERS = (
    (signal.SIGPROF, signal.ITIMER_PROF, HANGS),
    (signal.SIGALRM, signal.ITIMER_REAL, 10 * HANGS),
)
"""Signal, clock and limit (s) of each: other programs may leave a case little of the processor."""

AT_A_TIME = 100
"""Number of cases that one process runs."""

SEEDS_OF_A_DAY = 1_000_000


def kinds(folder: Path) -> dict[str, Callable[[int, Path], str]]:
    """A function of seed and folder of models for each kind of case."""
    import fuzz_commands
    import fuzz_fits
    import fuzz_input

    files = contents_of(originals(folder))

    def of_files(seed: int, _: Path) -> str:
        with tempfile.TemporaryDirectory() as name:
            return mutation_outcome(seed, files, Path(name))

    return {"files": of_files, **fuzz_fits.KINDS, **fuzz_input.KINDS, **fuzz_commands.KINDS}


def outcome(
    case: Callable[[int, Path], str], seed: int, folder: Path, longest: float = math.inf
) -> str:
    """The name of a case's result or error; any other exception leaves the function.

    `longest` is the processor time (s) it may take; the first cases of a process compile kernels.
    """

    def late(*_: object) -> None:
        raise TimeoutError(f"no end after {HANGS} s")

    before = time.process_time()
    for number, timer, most in TIMERS:
        signal.signal(number, late)
        signal.setitimer(timer, most)
    try:
        with warnings.catch_warnings():
            for kind in (RuntimeWarning, UserWarning):  # a user would see them
                warnings.simplefilter("error", kind)
            warnings.simplefilter("ignore", friedel.FriedelWarning)
            found = case(seed, folder)
    except FriedelError as error:
        found = type(error).__name__
    finally:
        for _, timer, _ in TIMERS:
            signal.setitimer(timer, 0)
    took = time.process_time() - before
    assert took < longest, f"took {took:.1f} s"
    return found


def outcomes(
    case: Callable[[int, Path], str], seeds: range, folder: Path
) -> Iterator[tuple[int, str, str]]:
    """Seed, name of the outcome, and traceback of each case; "WRONG" if it ends as it must not.

    The cases are run by other processes, `AT_A_TIME` by each, since damaged files may end one. The
    seed at which it ended may follow the one that damaged its memory.
    """

    def run(some: range, told: int) -> None:
        with os.fdopen(told, "w") as pipe:
            for seed in some:
                print(seed, file=pipe, flush=True)
                text = ""
                try:
                    found = outcome(case, seed, folder, LONGEST)
                except Exception:
                    found, text = "WRONG", traceback.format_exc()
                print(json.dumps([found, text]), file=pipe, flush=True)

    next_seed = seeds.start
    while next_seed < seeds.stop:
        read, told = os.pipe()
        child = os.fork()
        if not child:
            os.close(read)
            try:
                run(range(next_seed, min(next_seed + AT_A_TIME, seeds.stop)), told)
            finally:
                os._exit(0)
        os.close(told)
        with os.fdopen(read) as pipe:
            lines = pipe.read().splitlines()
        ended_by = os.waitpid(child, 0)[1]
        for seed, line in zip(lines[::2], lines[1::2], strict=False):
            yield int(seed), *json.loads(line)
        next_seed = int(lines[-2 + len(lines) % 2]) + 1
        if len(lines) % 2:
            yield next_seed - 1, "WRONG", f"the process ended by signal {ended_by}"


def keep(seed: int, folder: Path) -> Path:
    """Write the damaged file of a seed to fuzz-output/."""
    origin, content = mutation(seed, contents_of(originals(folder)))
    kept = REPOSITORY / "fuzz-output" / f"{seed}-{origin.name}"
    kept.parent.mkdir(exist_ok=True)
    kept.write_bytes(content)
    return kept


def main(n: int = 20_000, first: str = "nightly", *only: str) -> int:
    """Run cases; the number of those that ended as they must not."""
    from tqdm import tqdm

    from conftest import _shared_folder

    shared = _shared_folder()
    if shared is None:
        sys.exit("no files: set FRIEDEL_TEST_DATA to a folder with models/")
    folder = shared / "models"
    cases = kinds(folder)
    start = int(time.time() // 86400) * SEEDS_OF_A_DAY if first == "nightly" else int(first)
    print(f"seed {start}: repeat with tests/fuzz.py {n} {start} {' '.join(only)}", flush=True)
    wrong = 0
    for kind in only or SHARES:
        number = n if only else round(n * SHARES[kind])
        counts: Counter[str] = Counter()
        found = outcomes(cases[kind], range(start, start + number), folder)
        for seed, name, text in tqdm(found, kind, number, disable=not sys.stderr.isatty()):
            counts[name] += 1
            if name == "WRONG":
                where = f", kept as {keep(seed, folder)}" if kind == "files" else ""
                print(f"{kind}, seed {seed}{where}\n{text}", flush=True)
        all_found = ", ".join(f"{count} {name}" for name, count in counts.most_common())
        print(f"{number} {kind} from seed {start}: {all_found}", flush=True)
        wrong += counts["WRONG"]
    return wrong


if __name__ == "__main__":
    n_cases, *rest = sys.argv[1:] or ["20000"]
    sys.exit(bool(main(int(n_cases), *rest)))
