"""The parts of the time of F_calc, compared with the limits of memory and arithmetic.

    python benchmarks/limits.py [--only NAME]

Times are of the processor; the machine's rates are measured in the same run.
"""

import time
from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
from common import model_and_resolution

from friedel.density import fourier
from friedel.density.atoms_on_grid import BACKGROUND
from friedel.kernels.grid import density
from friedel.structure_factors.calculator import Calculator

RTOL = 1e-4
CALLS = 9
PARTS = {
    "density": ((density, "add_orthogonal"), (density, "add_oblique")),
    "fold": ((density, "fold_rows"),),
    "transform": ((fourier, "pruned_transform"),),
    "sum": ((fourier, "gather"),),
}
"""The functions that are a part of the work, in the modules that call them."""
BATCH = (20_000, 128)
"""Transforms whose rate counts as the machine's: many, each in the cache."""


class Clock:
    """Processor time within chosen functions, and the last call's arguments and result of each."""

    def __init__(self):
        self.seconds, self.calls = {}, {}

    def watch(self, part, function):
        def timed(*arguments, **options):
            start = time.thread_time()
            result = function(*arguments, **options)
            elapsed = time.thread_time() - start
            self.seconds[part] = self.seconds.get(part, 0.0) + elapsed
            self.calls[part] = arguments, result
            return result

        return timed


def parts_of_call(calculator):
    """Seconds of the parts of a call and of all of it; bytes of the grid and of its transform."""
    clock = Clock()
    with ExitStack() as stack:
        for part, functions in PARTS.items():
            for module, name in functions:
                watched = clock.watch(part, getattr(module, name))
                stack.enter_context(patch.object(module, name, watched))
        start = time.thread_time()
        calculator.forward()
        total = time.thread_time() - start
    grid, transform = clock.calls["density"][0][0], clock.calls["transform"][1]
    start = time.thread_time()
    grid[...] = BACKGROUND
    seconds = clock.seconds | {"zero": time.thread_time() - start, "total": total}
    return seconds, grid.nbytes, transform.nbytes


def bytes_per_second(size):
    """Bandwidth of a copy between two arrays of `size` bytes, read and written."""
    source, target = (np.ones(size // 8) for _ in range(2))
    return 2 * size / median_seconds(lambda: np.copyto(target, source))


def flops_per_second():
    """Speed of many complex transforms in single precision, counted as 5 n log2 n each."""
    rows, n = BATCH
    batch = np.ones((rows, n), np.complex64)
    try:
        from ducc0.fft import c2c
    except ImportError:
        from scipy.fft import fft

        seconds = median_seconds(lambda: fft(batch, norm="forward"))
    else:
        seconds = median_seconds(lambda: c2c(batch, axes=(1,), inorm=2, out=batch))
    return rows * 5 * n * np.log2(n) / seconds


def median_seconds(work, repeats=CALLS):
    """Processor time of a call, the first one not counted."""
    work()
    times = []
    for _ in range(repeats):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return float(np.median(times))


def print_parts(names):
    """A table of milliseconds, one thread, at rtol 1e-4."""
    if not names:
        return
    rate = flops_per_second()
    print(
        f"What a call consists of, ms, one thread, rtol {RTOL:g}; beside it the time in which the\n"
        "bytes of grid and transform (2 and 4 times over) are copied, and 2.5 N log2 N operations\n"
        f"of the unpruned transform are done at {1e-9 * rate:.1f} GFLOP/s, the rate of many short "
        "ones\n"
    )
    line = "{:15s}" + 6 * "{:>11s}" + "{:>18s}{:>9s}"
    titles = ("total", "density", "zero, fold", "transform", "sum", "rest")
    print(line.format("model", *titles, "bytes", "flops"))
    for name in names:
        model, d_min = model_and_resolution(name)
        calculator = Calculator.from_model(model, d_min=d_min, method="fft", rtol=RTOL, threads=1)
        calculator.forward()
        calls = [parts_of_call(calculator) for _ in range(CALLS)]
        each = {part: float(np.median([x[0][part] for x in calls])) for part in calls[0][0]}
        _, grid, transform = calls[0]
        zero_and_fold = each["zero"] + each["fold"]
        named = (each["density"], zero_and_fold, each["transform"], each["sum"])
        speed = bytes_per_second(grid + transform)
        n = np.prod(calculator.plan.shape, dtype=float)
        limits = ((2 * grid + 4 * transform) / speed, 2.5 * n * np.log2(n) / rate)
        times = (each["total"], *named, each["total"] - sum(named), *limits)
        texts = [f"{1e3 * x:.2f}" for x in times]
        texts[6] += f" ({1e-9 * speed:.1f} GB/s)"
        print(line.format(name, *texts), flush=True)


if __name__ == "__main__":
    from common import MACROMOLECULES, chosen, parser_of

    print_parts(chosen(parser_of(__doc__, MACROMOLECULES), MACROMOLECULES)[1])
