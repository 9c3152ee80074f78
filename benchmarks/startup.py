"""Time of whole commands, from start to exit: friedel alternately with its peers.

    python benchmarks/startup.py [--only NAME] [--turns N] [--cold] [--old FOLDER]

Each turn runs every program once, in alternating order; printed are medians over the turns of wall
and processor times (s), and of the ratio of times of each turn. With `--cold` friedel also runs
with an empty cache of compiled kernels. `--old` is the `src` of another version of friedel, which
takes part in the turns. gemmi's program is that of the package gemmi-program, and is left out where
it is not installed. cctbx and TorchRef are run by scripts of a few lines, with the interpreters
that FRIEDEL_CCTBX_PYTHON and FRIEDEL_TORCHREF_PYTHON name. Every program has its own accuracy:
`fcalc.py` tells the error of each. Files of bytecode are written before the first turn that counts.
"""

import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from functools import partial
from pathlib import Path

from common import chosen, models_folder, parser_of

CASES = {
    "fcalc 5a3h": ("fcalc", "5a3h.pdb", "--dmin", "1.8", "--to-mtz", "{out}", "--overwrite"),
    "fcalc rnase": ("fcalc", "rnase.pdb", "--dmin", "2"),
    "fcalc epoxide": ("fcalc", "epoxide.cif", "--dmin", "0.8"),
    "fmodel 5a3h": ("fmodel", "5a3h.pdb", "5a3h_sigmaa.mtz"),
    "fprime Se": ("fprime", "Se", "-w", "0.97"),
    "help": ("fcalc", "--help"),
}
OF_GEMMI = {
    "fcalc 5a3h": ("sfcalc", "--dmin=1.8", "--to-mtz={out}", "5a3h.pdb"),
    "fcalc rnase": ("sfcalc", "--dmin=2", "rnase.pdb"),
    "fcalc epoxide": ("sfcalc", "--dmin=0.8", "epoxide.cif"),
}
OF_SCRIPTS = {"fcalc 5a3h": ("5a3h.pdb", "1.8", "{out}")}
"""Arguments of the scripts of cctbx and TorchRef."""

SCRIPTS = {
    "cctbx": (os.environ.get("FRIEDEL_CCTBX_PYTHON"), "command_cctbx.py"),
    "torchref": (os.environ.get("FRIEDEL_TORCHREF_PYTHON"), "command_torchref.py"),
}
HERE = Path(__file__).parents[1] / "src"


def seconds(command, folder, path=None, cache=None):
    """Wall and processor time of a command, in seconds."""
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if path is not None:
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(path), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = cache
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status:
        sys.exit(f"{' '.join(map(str, command))} fails")
    return wall, used.ru_utime + used.ru_stime


def programs(case, given):
    """Functions that time each program once, by name."""
    folder, out = models_folder(), Path(tempfile.gettempdir(), f"startup-{os.getpid()}.mtz")
    words = [word.format(out=out) for word in CASES[case]]
    python = [sys.executable, "-m", "friedel", *words]
    found = {"friedel": lambda: seconds(python, folder, HERE)}
    if given.old:
        found["old"] = lambda: seconds(python, folder, Path(given.old).resolve())
    if given.cold:
        found["cold"] = lambda: cold(python, folder)
    gemmi = shutil.which("gemmi", path=sysconfig.get_path("scripts")) or shutil.which("gemmi")
    if gemmi and case in OF_GEMMI:
        words_of_gemmi = [word.format(out=out) for word in OF_GEMMI[case]]
        found["gemmi"] = lambda: seconds([gemmi, *words_of_gemmi], folder)
    for name, (interpreter, script) in SCRIPTS.items():
        if interpreter and case in OF_SCRIPTS:
            arguments = [word.format(out=out) for word in OF_SCRIPTS[case]]
            of_peer = [interpreter, Path(__file__).with_name(script), *arguments]
            found[name] = partial(seconds, of_peer, folder)
    return found


def cold(command, folder):
    """The times of a command that compiles all kernels that it calls."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        return seconds(command, folder, HERE, cache)


def main():
    """Print one line for each program of each case."""
    parser = parser_of(__doc__, CASES)
    parser.add_argument("--turns", type=int, default=9, help="default: 9")
    parser.add_argument("--cold", action="store_true", help="time with an empty cache, too")
    parser.add_argument("--old", metavar="FOLDER", help="src of another version")
    given, cases = chosen(parser, CASES)
    print(
        f"{'command':15s} {'program':8s} {'wall/s':>7s} {'cpu/s':>7s} {'x friedel':>9s} {'cpu':>6s}"
    )
    for case in cases:
        found = programs(case, given)
        for run in found.values():
            run()  # compiles kernels and bytecode
        times = {name: [] for name in found}
        for turn in range(given.turns):
            for name in list(found)[:: 1 if turn % 2 else -1]:
                times[name].append(found[name]())
        for name, of_name in times.items():
            wall, cpu = (statistics.median(x[i] for x in of_name) for i in (0, 1))
            ratios = [
                statistics.median(x[i] / y[i] for x, y in zip(of_name, times["friedel"]))
                for i in (0, 1)
            ]
            print(
                f"{case:15s} {name:8s} {wall:7.2f} {cpu:7.2f} {ratios[0]:9.2f} {ratios[1]:6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
