"""Ratio of achieved to requested error, on real structures and synthetic crystals.

    python benchmarks/accuracy.py [--only NAME] [--cases SET] [--number N]

The error is that in the worst of ten resolution shells, against direct summation. Sets of cases:
`models` (the default), real structures at several resolutions, for X-rays and electrons, at
rtol 1e-2 to 1e-6; `mott-bethe`, the same for electrons by the Mott-Bethe formula; `symmetry`, few
reflections in high symmetry; `boxes`, few sharp among many broad atoms; `ordinary`, crystals of
all systems; `sweep`, extremes; `all`, everything. Not promised are `derivatives`, those by the
parameters of the atoms for the crystals of `ordinary`, and `supercells`, F between the Bragg
positions relative to itself. Of the synthetic ones there are N seeds. Cases above 1 are listed with
their plans.
"""

import sys
import warnings

import numpy as np
from common import (
    HERE,
    MACROMOLECULES,
    SMALL_MOLECULES,
    chosen,
    exact_sample,
    load,
    parser_of,
    worst_shell,
)

from friedel.errors import AccuracyError, FriedelWarning
from friedel.structure_factors.calculator import Calculator

sys.path.insert(0, str(HERE.parent / "tests"))
import accuracy_cases as synthetic

RTOLS = synthetic.RTOLS
SETS = {
    "symmetry": (synthetic.high_symmetry, 25),
    "boxes": (synthetic.boxes, 50),
    "ordinary": (synthetic.ordinary, 1000),
    "derivatives": (synthetic.derivatives, 300),
    "supercells": (synthetic.supercells, 40),
    "sweep": (synthetic.sweep, 2000),
}
"""Sets of synthetic crystals, and their numbers of seeds."""
LARGEST_AT_1_A = 5e6
"""Å^3; 5cvz is larger, and its grid at 1 Å would take 23 GiB."""


def resolutions(model, name):
    if name in SMALL_MOLECULES:
        return (0.6,)
    if model.crystal.volume > LARGEST_AT_1_A:
        return (1.5, 2.0, 3.0)
    return (1.0, 1.5, 2.0, 3.0)


def of_models(names, sources):
    """Print the table of real structures; returns ratios, and lines on those above 1."""
    print("| model | d_min | radiation | " + " | ".join(f"{r:.0e}" for r in RTOLS) + " |")
    print("|---|---|---|" + "---|" * len(RTOLS))
    ratios, above = [], []
    for name in names:
        model = load(name)
        for d_min in resolutions(model, name):
            every = model.crystal.unique_reflections(d_min)
            for source in sources:
                sample, exact = exact_sample(model, every, 1200, source)
                hkl = every[sample]
                row = []
                for rtol in RTOLS:
                    options = {"source": source, "method": "fft", "rtol": rtol}
                    try:
                        calculator = Calculator.from_model(model, hkl=every, **options)
                    except AccuracyError:
                        continue
                    found = calculator.forward()[sample]
                    row.append(worst_shell(model.crystal, hkl, found, exact) / rtol)
                    if row[-1] > 1:
                        case = f"{name} {d_min} A {source} {rtol:.0e}: {row[-1]:.2f}"
                        above.append(f"{case}; {calculator.plan}")
                ratios += row
                numbers = " | ".join(f"{x:.2f}" for x in row)
                print(f"| {name} | {d_min} | {source} | {numbers} |", flush=True)
    return ratios, above


def of_synthetic(cases):
    """Ratios of achieved to requested error, and lines on those above 1."""
    ratios, above = [], []
    for case in cases:
        ratio, calculator = case.ratio()
        if calculator is None:
            continue
        ratios.append(ratio)
        if not ratio <= 1:
            text = f"{case.name}, {case.d_min:.2f} A {case.source} {case.rtol:.0e}: {ratio:.2f}"
            above.append(f"{text}; {calculator.plan}")
    return ratios, above


def report(name, ratios, above):
    """One line on a set of cases, and one for each above 1."""
    ratios = np.array(ratios)
    print(
        f"\n{name}: {len(ratios)} cases, median {np.median(ratios):.2f}, range "
        f"{ratios.min():.2f} to {ratios.max():.2f}; {len(above)} above 1",
        flush=True,
    )
    for case in above:
        print(f"- {case}")


def main():
    every = (*MACROMOLECULES, *SMALL_MOLECULES)
    parser = parser_of(__doc__, every)
    known = ("models", "mott-bethe", *SETS, "all")
    parser.add_argument("--cases", choices=known, default="models", help="set of cases")
    parser.add_argument("--number", type=int, help="number of seeds of synthetic crystals")
    given, names = chosen(parser, every)
    warnings.simplefilter("ignore", FriedelWarning)
    radiation = {"models": ("xray", "electron"), "mott-bethe": ("mott-bethe",)}
    for name in known[:-1] if given.cases == "all" else (given.cases,):
        if name in radiation:
            report(name, *of_models(names, radiation[name]))
        else:
            cases, number = SETS[name]
            report(name, *of_synthetic(cases(given.number or number)))


if __name__ == "__main__":
    main()
