"""The size at which the FFT becomes faster than direct summation, measured and predicted.

    python benchmarks/crossover.py [--only NAME]

In one crystal and at one resolution the time of direct summation grows with the number of atoms,
that of the FFT hardly does. Atoms are drawn from a real structure, repeatedly if necessary,
and get random positions; times are of one thread, without the plan. The prediction is that of
`method="auto"`.
"""

import numpy as np
from common import chosen, load, parser_of

from direct import seconds
from friedel.direct import predicted_seconds
from friedel.structure_factors.calculator import SECONDS_PER_GATHER, Calculator

CASES = [
    ("1dur.pdb", 1.5, 1e-4), ("1dur.pdb", 3.0, 1e-4), ("5a3h.pdb", 2.0, 1e-3),
    ("5a3h.pdb", 3.0, 1e-4), ("lyso_c2.pdb", 2.0, 1e-4), ("1pfe.cif.gz", 1.5, 1e-4),
    ("5cvz_final.pdb", 6.0, 1e-5),
]  # fmt: skip
NUMBERS = (4, 16, 64, 256, 1024)


def both(model, n, d_min, rtol):
    """Times of direct summation and FFT: measured, and predicted."""
    rng = np.random.default_rng(0)
    atoms = model.atoms.select(rng.choice(len(model.atoms), n, replace=n > len(model.atoms)))
    atoms = atoms.replace(frac=rng.random((n, 3)))
    hkl = model.crystal.unique_reflections(d_min)

    given = {"hkl": hkl, "rtol": rtol, "threads": 1}
    direct, fft = (
        Calculator.from_model((model.crystal, atoms), method=method, **given)
        for method in ("direct", "fft")
    )
    n_terms = len(hkl) * len(model.crystal.primitive_operations[0])
    predicted = (
        predicted_seconds(model.crystal, atoms, len(hkl), planned=True),
        fft.plan.seconds + n_terms * SECONDS_PER_GATHER,
    )
    return (seconds(direct.forward), seconds(fft.forward)), predicted


def at_crossover(lines):
    """Number of atoms at which both take the same time, and direct / FFT as predicted there.

    By interpolation of logarithms; beyond the ends the end nearest to it.
    """
    measured, predicted = (np.log([line[i][0] / line[i][1] for line in lines]) for i in range(2))
    # Noise aside, the ratio grows with the number of atoms
    rising = np.maximum.accumulate(measured)
    at = np.interp(0.0, rising, np.log(NUMBERS))
    return float(np.exp(at)), float(np.exp(np.interp(at, np.log(NUMBERS), predicted)))


def main():
    names = [name for name, *_ in CASES]
    _, names = chosen(parser_of(__doc__, dict.fromkeys(names)), names)
    print(
        f"{'model':15s} {'d_min':>5s} {'rtol':>7s} {'equal at':>9s}   predicted direct / FFT there"
    )
    for name, d_min, rtol in (case for case in CASES if case[0] in names):
        model = load(name)
        lines = [both(model, n, d_min, rtol) for n in NUMBERS]
        n, ratio = at_crossover(lines)
        print(f"{name:15s} {d_min:5.1f} {rtol:7.0e} {n:9.0f}   {ratio:.2f}")
        for n, (times, guesses) in zip(NUMBERS, lines):
            text = ", ".join(
                f"{way} {1e3 * t:.2f} ms ({g / t:.2f} of it predicted)"
                for way, t, g in zip(("direct", "FFT"), times, guesses)
            )
            print(f"    {n:5d} atoms: {text}")


if __name__ == "__main__":
    main()
