"""How the time of F_calc grows: with atoms, and with grid points.

    python benchmarks/scaling.py [--only NAME]

Synthetic crystals, rtol 1e-4, one thread. First the number of atoms and the cell increase at one
resolution; then the same atoms in the same cell are calculated to higher resolution. The
exponents are slopes of straight lines fitted to logarithms.
"""

import numpy as np
from common import chosen, parser_of, seconds, synthetic

from friedel.structure_factors.calculator import Calculator

ATOMS = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000)
A3_PER_ATOM = 34.0
"""Volume of the asymmetric unit per atom, Å^3; half of it is solvent."""
D_MIN = 2.5
N_FIXED = 4_000
RESOLUTIONS = (4.0, 3.2, 2.6, 2.1, 1.7, 1.35, 1.1, 0.9)
REPEATS = 5


def crystal_of(n):
    """n atoms in a cell with edges 4:5:6, in proportion to n, and three symmetry mates each."""
    scale = (4 * n * A3_PER_ATOM / (4 * 5 * 6)) ** (1 / 3)
    return synthetic(n, (4 * scale, 5 * scale, 6 * scale))


def measure(model, d_min):
    """Number of atoms, grid points and reflections, seconds of a call, of the plan with a call."""

    def make():
        return Calculator.from_model(model, d_min=d_min, method="fft", rtol=1e-4, threads=1)

    calculator = make()
    n_points = np.prod(calculator.plan.shape, dtype=float)
    per_call = seconds(calculator.forward, REPEATS)
    with_plan = seconds(lambda: make().forward(), 1)
    row = (len(model.atoms), n_points, len(calculator.hkl), per_call, with_plan)
    print(
        f"{row[0]:8d} {d_min:6.2f} {row[1]:12.0f} {row[2]:9d} {1e3 * per_call:10.1f} "
        f"{1e3 * with_plan:10.1f} {1e6 * per_call / row[0]:9.2f} {1e9 * per_call / row[1]:9.2f}",
        flush=True,
    )
    return row


def exponent(x, y):
    """Slope of log y against log x, and its standard error."""
    (slope, _), covariance = np.polyfit(np.log(x), np.log(y), 1, cov=True)
    return f"{slope:.2f} +- {np.sqrt(covariance[0, 0]):.2f}"


def main():
    _, names = chosen(parser_of(__doc__, SERIES), SERIES)
    print(
        f"{'atoms':>8s} {'d_min':>6s} {'grid points':>12s} {'refl':>9s} {'ms':>10s} "
        f"{'1st call':>10s} {'us/atom':>9s} {'ns/point':>9s}"
    )
    for name in names:
        SERIES[name]()


def with_atoms():
    atoms, _, _, per_call, with_plan = np.array([measure(crystal_of(n), D_MIN) for n in ATOMS]).T
    print(f"time ~ atoms^({exponent(atoms, per_call)}) at a fixed density of atoms")
    print(f"       with the plan: atoms^({exponent(atoms, with_plan)})\n")


def with_resolution():
    model = crystal_of(N_FIXED)
    _, points, n_hkl, per_call, with_plan = np.array([measure(model, d) for d in RESOLUTIONS]).T
    print(f"time ~ grid points^({exponent(points, per_call)}) for {N_FIXED} atoms")
    print(f"       with the plan: grid points^({exponent(points, with_plan)})")
    print(f"reflections ~ grid points^({exponent(points, n_hkl)})")


SERIES = {"atoms": with_atoms, "resolution": with_resolution}


if __name__ == "__main__":
    main()
