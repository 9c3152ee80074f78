"""Ratio of achieved to requested error, on real structures.

    python benchmarks/accuracy.py [--only NAME]

Every model at several resolutions, for X-rays and electrons, at rtol 1e-2 to 1e-6: the worst of ten
resolution shells against direct summation on up to 1,200 reflections. Cases above 1 are listed
with their plans.
"""

import warnings

import numpy as np
from common import (
    MACROMOLECULES,
    SMALL_MOLECULES,
    chosen,
    exact_sample,
    load,
    parser_of,
    worst_shell,
)

from friedel.errors import FriedelWarning
from friedel.structure_factors.calculator import Calculator

RTOLS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
LARGEST_AT_1_A = 5e6
"""Å^3; 5cvz is larger, and its grid at 1 Å would take 23 GiB."""


def resolutions(model, name):
    if name in SMALL_MOLECULES:
        return (0.6,)
    if model.crystal.volume > LARGEST_AT_1_A:
        return (1.5, 2.0, 3.0)
    return (1.0, 1.5, 2.0, 3.0)


def main():
    every = (*MACROMOLECULES, *SMALL_MOLECULES)
    _, names = chosen(parser_of(__doc__, every), every)
    warnings.simplefilter("ignore", FriedelWarning)
    print("| model | d_min | radiation | " + " | ".join(f"{r:.0e}" for r in RTOLS) + " |")
    print("|---|---|---|" + "---|" * len(RTOLS))
    ratios, above = [], []
    for name in names:
        model = load(name)
        for d_min in resolutions(model, name):
            every = model.crystal.unique_reflections(d_min)
            for source in ("xray", "electron"):
                sample, exact = exact_sample(model, every, 1200, source)
                hkl = every[sample]
                row = []
                for rtol in RTOLS:
                    options = {"source": source, "method": "fft", "rtol": rtol}
                    calculator = Calculator.from_model(model, hkl=hkl, **options)
                    found = calculator.forward()
                    row.append(worst_shell(model.crystal, hkl, found, exact) / rtol)
                    if row[-1] > 1:
                        case = f"{name} {d_min} A {source} {rtol:.0e}: {row[-1]:.2f}"
                        above.append(f"{case}; {calculator.plan}")
                ratios += row
                numbers = " | ".join(f"{x:.2f}" for x in row)
                print(f"| {name} | {d_min} | {source} | {numbers} |", flush=True)
    ratios = np.array(ratios)
    print(
        f"\n{len(ratios)} cases: median {np.median(ratios):.2f}, range {ratios.min():.2f} to "
        f"{ratios.max():.2f}; {len(above)} above 1"
    )
    for case in above:
        print(f"- {case}")


if __name__ == "__main__":
    main()
