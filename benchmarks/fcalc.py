"""Time, error and memory of F_calc: friedel compared with its peers, at the error of each.

    python benchmarks/fcalc.py [--plot FILE] [MODEL ...]

MODEL is the name of a macromolecule in the folder of structures or of a synthetic crystal, such as
"150,000 atoms"; by default all of them. The error of a peer is measured against direct summation
and friedel is asked for that error. Both then calculate alternately, each in its own process;
of two calls in each repetition the second is timed.
cctbx and TorchRef run with the interpreters that FRIEDEL_CCTBX_PYTHON and FRIEDEL_TORCHREF_PYTHON
name, and are left out otherwise.

Peers use one thread. Times with one thread are processor times, which other processes on the
machine affect least; those with two threads are the shortest wall times. `x 1` and `x 2` are how
many times faster friedel is with one and two threads: medians over repetitions of the ratio of
times, for two threads of wall times. `auto` is `x 1` with direct summation, where `method="auto"`
would use it. `1st call` is the time of the plan and the first call together, and `x 1st` the ratio
for it; a peer's call plans anew each time. MB are the peak memory of each process.
"""

import argparse
import os
import time
from dataclasses import dataclass

import numpy as np
from common import (
    MACROMOLECULES,
    SYNTHETIC,
    Peer,
    PeerError,
    exact_sample,
    model_and_resolution,
    rows_of,
    worst_shell,
)
from limits import median_seconds, print_parts

from friedel.structure_factors.calculator import Calculator

PYTHONS = {
    "gemmi": None,
    "cctbx": os.environ.get("FRIEDEL_CCTBX_PYTHON"),
    "torchref": os.environ.get("FRIEDEL_TORCHREF_PYTHON"),
}
LARGEST = {"torchref": 20_000}
"""Atoms; with more it takes minutes and all memory."""
LARGEST_RTOL = 0.5
TURNS = (3, 25)
SECONDS_OF_TURNS = 2.0
CURVE_RTOLS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
PANELS = ("5a3h.pdb", "pka_start.pdb", "5cvz_final.pdb", "150,000 atoms")
LIMITS_OF = ("1dur.pdb", "5a3h.pdb", "pka_start.pdb", "5cvz_final.pdb", "150,000 atoms")
COLUMNS = {
    "model": "{:15s}", "atoms": "{:>7s}", "refl": "{:>8s}", "peer": "{:8s}", "ms": "{:>8s}",
    "error": "{:>8s}", "friedel": "{:>8s}", "2 thr": "{:>8s}", " error": "{:>8s}", "x 1": "{:>5s}",
    "x 2": "{:>5s}", "auto": "{:>5s}", "1st call": "{:>8s}", "x 1st": "{:>5s}",
    "MB": "{:>5s}", "friedel ": "{:>7s}",
}  # fmt: skip
LINE = " ".join(COLUMNS.values())


@dataclass
class Comparison:
    """A peer and friedel on one model; times in seconds, memory in MB."""

    peer: str
    peer_clock: np.ndarray
    peer_cpu: np.ndarray
    clock: np.ndarray
    cpu: np.ndarray
    two: np.ndarray
    with_plan: np.ndarray
    peer_error: float
    error: float
    peer_mb: float
    mb: float
    peer_import_mb: float
    import_mb: float
    direct: float | None

    @property
    def ratios(self):
        """Medians over turns, one thread of processor time and two by the clock."""
        one, two = self.peer_cpu / self.cpu, self.peer_clock / self.two
        return float(np.median(one)), float(np.median(two))

    @property
    def first_ratio(self):
        """Median over turns for the first call with its plan, of processor time."""
        return float(np.median(self.peer_cpu / self.with_plan))

    @property
    def auto_ratio(self):
        """The first of them by the method that friedel takes, FFT or direct summation."""
        direct = self.direct is not None
        return float(np.median(self.peer_cpu)) / self.direct if direct else self.ratios[0]

    @property
    def ratios_of_least(self):
        """Ratios of the shortest wall times, with one and two threads."""
        least = self.peer_clock.min()
        return float(least / self.clock.min()), float(least / self.two.min())


def compare(name, model, d_min, hkl, sample, exact):
    """The two programs alternately, so that other processes on the machine affect both alike."""

    def error_of(result):
        # Which reflections at exactly d_min are in the list is a matter of rounding
        found_hkl, f = result
        return worst_shell(model.crystal, sample, f[rows_of(found_hkl, sample)], exact)

    with Peer(f"peer_{name}.py", model, d_min, python=PYTHONS[name], hkl=hkl) as peer:
        peer.times()
        peer_error = error_of(peer.result())
        rtol = min(peer_error, LARGEST_RTOL)
        with Peer("peer_friedel.py", model, d_min, rtol) as ours:
            ours.times()
            error = error_of(ours.result())
            turns = []
            start = time.perf_counter()
            while len(turns) < TURNS[0] or (
                len(turns) < TURNS[1] and time.perf_counter() - start < SECONDS_OF_TURNS
            ):
                two, _ = ours.times_again("two")
                _, first = ours.times_again("plan")
                turns.append((*peer.times_again(), *ours.times_again(), two, first))
            return Comparison(
                name, *np.array(turns).T, peer_error, error,
                peer.memory_mb, ours.memory_mb, peer.import_mb, ours.import_mb,
                direct_seconds(model, hkl, rtol),
            )  # fmt: skip


def direct_seconds(model, hkl, rtol):
    """Processor time of direct summation where friedel takes it, None where it takes the FFT."""
    calculator = Calculator.from_model(model, hkl=hkl, rtol=rtol, threads=1)
    return median_seconds(calculator.forward) if calculator.method == "direct" else None


def print_line(name, model, hkl, found):
    one, two = found.ratios
    cells = (
        name, f"{len(model.atoms)}", f"{len(hkl)}", found.peer,
        milliseconds(np.median(found.peer_cpu)), f"{found.peer_error:.1e}",
        milliseconds(np.median(found.cpu)), milliseconds(found.two.min()), f"{found.error:.1e}",
        f"{one:.1f}", f"{two:.1f}", "" if found.direct is None else f"{found.auto_ratio:.1f}",
        milliseconds(np.median(found.with_plan)), f"{found.first_ratio:.1f}",
        f"{found.peer_mb:.0f}", f"{found.mb:.0f}",
    )  # fmt: skip
    print(LINE.format(*cells), flush=True)


def load():
    return " ".join(f"{x:.1f}" for x in os.getloadavg())


def milliseconds(x):
    return f"{1e3 * x:.1f}"


def geometric_mean(pairs):
    return np.exp(np.log(np.array(pairs)).mean(axis=0))


def print_means(found):
    """Geometric means over the macromolecules, peer by peer."""
    print()
    for peer in PYTHONS:
        some = [x for (name, who), x in found.items() if who == peer and name in MACROMOLECULES]
        if not some:
            continue
        one, two = geometric_mean([x.ratios for x in some])
        auto = geometric_mean([x.auto_ratio for x in some])
        first = geometric_mean([x.first_ratio for x in some])
        least_one, least_two = geometric_mean([x.ratios_of_least for x in some])
        print(
            f"geometric mean of {len(some)} macromolecules: {one:.1f} x {peer}, "
            f"two threads {two:.1f}, auto {auto:.1f}, first calls {first:.1f};\n"
            f"    of the least times by the clock {least_one:.1f} and {least_two:.1f}"
        )
    if found:
        imports = {x.peer: x.peer_import_mb for x in found.values()}
        imports["friedel"] = next(iter(found.values())).import_mb
        text = ", ".join(f"{name} {mb:.0f}" for name, mb in imports.items())
        print(f"of the memory, importing alone takes (MB): {text}")


def friedel_curve(model, hkl, sample, exact):
    """(n, 2) time with one thread and error achieved, by rtol."""
    points = []
    for rtol in CURVE_RTOLS:
        calculator = Calculator.from_model(model, hkl=hkl, method="fft", rtol=rtol, threads=1)
        f = calculator.forward()
        error = worst_shell(model.crystal, sample, f[rows_of(hkl, sample)], exact)
        points.append((median_seconds(calculator.forward, 5), error))
    return np.array(points)


def plot(path, curves, found):
    """Error against time: friedel's curve and its peers' points, a panel for each model."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure, axes = plt.subplots(1, len(curves), figsize=(3.2 * len(curves), 3.4), squeeze=False)
    marks = {"gemmi": "s", "cctbx": "^", "torchref": "D"}
    for ax, (name, curve) in zip(axes[0], curves.items(), strict=True):
        ax.loglog(1e3 * curve[:, 0], curve[:, 1], "o-", color="C0", label="friedel")
        for color, (peer, mark) in enumerate(marks.items(), 1):
            if (name, peer) in found:
                x = found[name, peer]
                point = (1e3 * np.median(x.peer_cpu), x.peer_error)
                ax.loglog(*point, mark, color=f"C{color}", markersize=8, label=peer)
        ax.set_title(name, fontsize=10)
        ax.set_xlabel("time of a call, ms")
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.grid(True, which="major", alpha=0.3)
    axes[0, 0].set_ylabel("relative error, worst shell")
    axes[0, 0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--plot", metavar="FILE", help="figure of error against time")
    options = parser.parse_args()
    every = [*MACROMOLECULES, *SYNTHETIC]
    names = options.models or every
    if unknown := set(names) - set(every):
        parser.error(f"unknown {', '.join(unknown)}: expected some of {', '.join(every)}")
    print(LINE.format(*COLUMNS))
    found, curves = {}, {}
    for name in names:
        model, d_min = model_and_resolution(name)
        hkl = model.crystal.unique_reflections(d_min)
        inside = hkl[model.crystal.stol2(hkl) < (1 - 1e-6) / (4 * d_min**2)]
        chosen, exact = exact_sample(model, inside)
        sample = inside[chosen]
        for peer, python in PYTHONS.items():
            if python is None and peer != "gemmi":
                continue
            if len(model.atoms) > LARGEST.get(peer, np.inf):
                print(f"{name:15s} {peer}: not run with more than {LARGEST[peer]} atoms")
                continue
            try:
                found[name, peer] = compare(peer, model, d_min, hkl, sample, exact)
            except PeerError as error:
                print(f"{name:15s} {peer}: {error}")
                continue
            print_line(name, model, hkl, found[name, peer])
        if options.plot and name in PANELS:
            curves[name] = friedel_curve(model, hkl, sample, exact)
    print_means(found)
    print(f"others at work on {os.cpu_count()} cores meanwhile: load average {load()}")
    for peer, python in PYTHONS.items():
        if python is None and peer != "gemmi":
            print(f"{peer}: left out, FRIEDEL_{peer.upper()}_PYTHON names no interpreter")
    print()
    print_parts([name for name in LIMITS_OF if name in names])
    if curves:
        plot(options.plot, curves, found)


if __name__ == "__main__":
    main()
