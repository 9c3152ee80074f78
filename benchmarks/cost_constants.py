"""The machine constants of the cost models, measured here, as assignments ready to paste.

    python benchmarks/cost_constants.py [--only GROUP] [--quick]

Each new value is followed by the old one and the ratio new / old. Groups: definition, tables,
rows, fft, threads, as in GROUPS at the end of this file. It takes less than two minutes. Times of
one thread are processor times, which other processes hardly affect; threads need the machine
for themselves. --quick takes a few seconds and shows only that everything runs.

A prediction is a sum of constants times counts. The counts are found by asking the model itself,
with one constant set to 1 and the others to 0; the constants are then the non-negative ones that
minimise the relative errors of all predictions in a group. So the constants that predict best are
found, and no formula of a model is repeated here. A constant is determined only where its part of
the time varies: each group says which of its calls do that. A 0 says that the times do not
distinguish it from the other constants: keep the old value then.
"""

import argparse
import importlib
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest.mock import patch

import numpy as np
from scipy.optimize import nnls

from friedel.direct import cost
from friedel.direct.direct_sum import DirectSum
from friedel.direct.row_sums import AlongRows
from friedel.direct.rows import rows_that_hold
from friedel.direct.table_sums import FewAtoms, entries_of_tables
from friedel.kernels.direct import definition
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.runtime.threads import in_stretches
from friedel.structure_factors.calculator import Calculator

COST, MODEL, CALCULATOR, THREADS = (
    f"friedel.{name}"
    for name in ("direct.cost", "accuracy.model", "structure_factors.calculator", "runtime.threads")
)
DENSITY, ADJOINT, TRANSFORM, SUMS = (
    f"friedel.density.{name}" for name in ("density", "density_adjoint", "pruned_fft", "fourier")
)
RIGHT, MONOCLINIC, OBLIQUE = (90, 90, 90), (90, 105, 90), (80, 95, 105)
"""Angles of cells, of whose atoms the densities and row sums take differently long."""
IN_USE = 0.9
"""Two threads are worth while when they take less than this part of the time of one."""

quick = False
measured = {}
"""Constants by (module, name), as far as groups have run."""


def least(work, clock=time.thread_time, most=40, budget=0.4):
    """Least time of some calls after a first one, at most `budget` seconds of them.

    By default processor time of this thread, which other work on the machine lengthens least.
    """
    if quick:
        most, budget = 1, 0.0
    work()
    times = []
    start = time.perf_counter()
    while len(times) < most and (not times or time.perf_counter() - start < budget):
        begin = clock()
        work()
        times.append(clock() - begin)
    return max(min(times), 1e-9)


def current(module, name):
    return getattr(importlib.import_module(module), name)


@contextmanager
def constants(values):
    """The constants {(module, name): value} for a while."""
    with ExitStack() as stack:
        for (module, name), value in values.items():
            stack.enter_context(patch.object(importlib.import_module(module), name, value))
        yield


def parts(keys):
    """(key, position) of each number in constants of which some are pairs."""
    for key in keys:
        old = current(*key)
        yield from ((key, i) for i in (range(len(old)) if isinstance(old, tuple) else (None,)))


def counts(keys, predict):
    """What each constant is multiplied with in a prediction that is linear in them."""
    zero = {key: (0.0,) * len(v) if isinstance(v := current(*key), tuple) else 0.0 for key in keys}
    found = []
    for key, i in parts(keys):
        one = 1.0 if i is None else tuple(float(i == j) for j in range(len(zero[key])))
        with constants(zero | {key: one}):
            found.append(predict())
    return found


def fitted(keys, cases):
    """The constants by which the predicted times of cases come nearest to the measured ones.

    Parameters
    ----------
    cases
        Pairs of a function that predicts the time of a call and the time measured.
    """
    measured = np.array([seconds for _, seconds in cases])
    matrix = np.array([counts(keys, predict) for predict, _ in cases]) / measured[:, None]
    size = np.maximum(matrix.max(axis=0), 1e-300)
    solution = nnls(matrix / size, np.ones(len(cases)))[0] / size
    new = {}
    for (key, i), value in zip(parts(keys), solution.tolist()):
        new[key] = value if i is None else (*new.get(key, ()), value)
    error = np.abs(matrix @ solution - 1.0)
    print(f"# {len(cases)} times are predicted to {np.median(error):.0%} in the median, "
          f"{error.max():.0%} at most")  # fmt: skip
    return new


def crystal_of(lengths, angles, triplets=()):
    return Crystal.from_triplets((*lengths, *angles), list(triplets))


def some_atoms(n, elements="CNOS", aniso=False):
    rng = np.random.default_rng(n)
    frac = rng.random((n, 3))
    u = rng.uniform(0.1, 0.3, n)[:, None] * [1.0, 1.1, 0.9, 0.05, 0.03, 0.02] if aniso else None
    labels = np.resize(list(elements), n)
    return Atoms.from_labels(labels, frac, 1.0, rng.uniform(10, 30, n), u)


def predicted(function, *arguments):
    """What a function of the cost model of direct sums predicts, with the constants of now."""
    return getattr(cost, function)(*arguments)


class Sum:
    """A direct sum of one thread over the unique reflections, in its parts."""

    def __init__(self, crystal, d_min, atoms):
        self.crystal, self.atoms = crystal, atoms
        hkl = crystal.unique_reflections(d_min)
        self.whole = DirectSum(crystal, hkl, 1)
        self.setting, self.n_terms = self.whole._setting, self.whole._n_terms
        self.plan_arguments = (
            self.setting, self.whole._hkl, self.whole._absent, self.whole._limits
        )  # fmt: skip
        self.model = self.whole._model(atoms, np.array(atoms.occ))
        self.f = np.ones((len(atoms.scatterers), len(hkl)))
        self.out = np.zeros(len(hkl), complex)


def by_definition():
    """One atom at one reflection and operation costs the same however many there are: its sine,
    cosine and exponential are most of it. So one long sum tells.
    """
    one = Sum(crystal_of((30, 35, 40), RIGHT), 2.5, some_atoms(100))
    sum_ = one.whole
    arguments = (sum_._hkl, sum_._absent, one.setting.operations, one.model, one.f, one.out)
    seconds = least(lambda: definition.sum_by_definition(0, len(one.out), *arguments))
    case = (partial(predicted, "by_definition", one.n_terms, 100), seconds)
    return fitted([(COST, "SECONDS_BY_DEFINITION")], [case])


def tables():
    """Few atoms in small and larger cells: with few reflections the constants of the calls show,
    with many those of the reflections, with many atoms those of the tables' entries. Plans hold no
    atoms and are timed by themselves.
    """
    planning, sums = [], []
    for scale in (0.3, 0.5, 1.0, 1.6):
        for n in (1, 8, 32):
            crystal = crystal_of(np.array([18, 20, 24]) * scale, RIGHT)
            one = Sum(crystal, 1.2, some_atoms(n))
            few = FewAtoms.planned(*one.plan_arguments)
            entries = entries_of_tables(one.whole._limits)
            seconds = least(lambda one=one, few=few: few.add(one.model, one.f, one.out))
            counted = (one.setting, one.n_terms, n, entries)
            sums.append((partial(predicted, "by_tables", *counted), seconds))
        seconds = least(lambda one=one: FewAtoms.planned(*one.plan_arguments))
        planning.append((partial(predicted, "planning_tables", one.n_terms), seconds))
    names = ("SECONDS_OF_TABLES", "SECONDS_PER_TABLES", "SECONDS_PER_VECTOR",
             "SECONDS_PER_TABLE_ENTRY")  # fmt: skip
    of_plan = ("SECONDS_OF_TABLE_PLAN", "SECONDS_PER_TERM_OF_TABLE_PLAN")
    return fitted([(COST, name) for name in names], sums) | fitted(
        [(COST, name) for name in of_plan], planning
    )


def rows():
    """Right angles tell what separable atoms cost at a point and on entering a row, cells with
    beta12 what entering costs there, anisotropic atoms what the others cost; a long l axis makes
    points many for each row, a short one few. Many kinds of atoms tell the cost of a kind, a single
    atom that of the call. Sums that are real, in P -1, are compared with those of P 1 at the same
    hkl.
    """
    plans, sums = [], []
    oblique_in_plane = (90, 90, 112)  # beta12 of isotropic atoms is not zero, l is at right angles
    for lengths in ((20, 24, 28), (26, 28, 70), (34, 38, 12)):
        for angles, aniso in ((RIGHT, False), (oblique_in_plane, False), (RIGHT, True)):
            crystal = crystal_of(lengths, angles, ["-x,-y,z"])
            for n, elements in ((1, "C"), (48, "C"), (400, "CNOS"), (400, "C")):
                one = Sum(crystal, 2.0, some_atoms(n, elements, aniso))
                planned = rows_that_hold(*one.plan_arguments)
                along = AlongRows(one.setting, planned, 1)
                seconds = least(lambda one=one, along=along: along.add(one.model, one.f, one.out))
                counted = (planned, one.setting, one.atoms)
                sums.append((partial(predicted, "along", *counted), seconds))
            seconds = least(lambda one=one: rows_that_hold(*one.plan_arguments))
            counted = (one.n_terms, len(planned.table) - 1)
            plans.append((partial(predicted, "planning", *counted), seconds))
    names = ("SECONDS_OF_CALLS", "SECONDS_SEPARABLE", "SECONDS_COUPLED", "SECONDS_PER_ROW",
             "SECONDS_PER_CROSSED_ROW", "SECONDS_PER_COUPLED_ROW", "SECONDS_PER_KIND",
             "SECONDS_PER_ENTRY")  # fmt: skip
    of_plan = ("SECONDS_OF_PLAN", "SECONDS_PER_PLANNED_TERM", "SECONDS_PER_PLANNED_ROW")
    new = fitted([(COST, name) for name in names], sums)
    new |= fitted([(COST, name) for name in of_plan], plans)
    seconds = []
    for triplets in ([], ["-x,-y,-z"]):
        one = Sum(crystal_of((34, 38, 60), RIGHT, triplets), 2.0, some_atoms(400, "C"))
        along = AlongRows(one.setting, rows_that_hold(*one.plan_arguments), 1)
        assert one.setting.real == bool(triplets)
        seconds.append(least(lambda one=one, along=along: along.add(one.model, one.f, one.out)))
    new[COST, "SHARE_OF_REAL"] = seconds[1] / seconds[0]
    return new


def planned(crystal, atoms, d_min, share=1, **options):
    """A calculator by FFT for one in `share` of the reflections to d_min, the finest among them."""
    hkl = crystal.unique_reflections(d_min)
    hkl = hkl[np.argsort(-crystal.stol2(hkl), kind="stable")][::share]
    return Calculator.from_model(
        (crystal, atoms), hkl=hkl, method="fft", rtol=1e-4, threads=1, **options
    )


def fft():
    """Few atoms in a large cell determine the cost of the grid, many in a small one that of atoms.
    Lower cutoffs and blurring increase the radii, which separates the cost of an atom from that of
    its points. The number of terms of the symmetry sum goes with that of the grid's points,
    whatever the symmetry: one in eight reflections separates the two. float64 is compared with
    float32 at the same sampling. The time of a plan is that of making a calculator of a small
    structure.
    """
    cases, wide = [], []
    names = ("SECONDS_PER_CALL", "SECONDS_PER_GRID_POINT", "COST_ORTHOGONAL", "COST_MONOCLINIC",
             "COST_OF_ANY")  # fmt: skip
    keys = [*((MODEL, name) for name in names), (CALCULATOR, "SECONDS_PER_GATHER")]
    settings = ((RIGHT, ["-x,-y,z+1/2", "x,-y,-z"]), (MONOCLINIC, ["-x,y+1/2,-z"]), (OBLIQUE, []))
    for angles, triplets in settings:
        for edge, n, d_min in ((20, 10, 2.0), (20, 1000, 2.0), (40, 300, 2.0), (40, 3000, 2.5),
                               (70, 30, 2.5), (70, 4000, 3.0)):  # fmt: skip
            model = crystal_of((edge, edge, 1.2 * edge), angles, triplets), some_atoms(n)
            plan = planned(*model, d_min, dtype=np.float32).plan
            for more_blur, deeper, share in ((0, 1, 1), (0, 1, 8), (40, 1, 1), (20, 100, 8)):
                given = {"rate": plan.rate, "blur": max(plan.blur, 0.0) + more_blur,
                         "cutoff": plan.cutoff / deeper, "share": share}  # fmt: skip
                calculator = planned(*model, d_min, dtype=np.float32, **given)

                def predict(model=model, d_min=d_min, given=given):
                    again = planned(*model, d_min, dtype=np.float32, **given)
                    terms = len(again.hkl) * len(again.crystal.primitive_operations[0])
                    return again.plan.seconds + terms * current(CALCULATOR, "SECONDS_PER_GATHER")

                cases.append((predict, least(calculator.forward)))
            if n == 3000:
                double = planned(*model, d_min, dtype=np.float64, **given)
                wide.append(least(double.forward) / cases[-1][1])
    new = fitted(keys, cases)
    ratio = float(np.median(wide))
    new[MODEL, "COST_OF_TYPE"] = {np.dtype(np.float32): 1.0, np.dtype(np.float64): ratio}
    broad = planned(crystal_of((20, 20, 24), RIGHT), some_atoms(10), 2.0, rate=4.0, blur=1000.0)
    slower = least(broad.forward) / broad.plan.seconds  # nearly all of it is for wide spheres
    new[MODEL, "COST_WIDE"] = slower * current(MODEL, "COST_WIDE")
    small = crystal_of((8, 9, 10), RIGHT), some_atoms(20)
    new[CALCULATOR, "PLAN_SECONDS"] = least(lambda: planned(*small, 1.0))
    return new


def threads():
    """A thread is worth while from some time of work on, whatever the work is. That time is
    measured once, by a kernel whose work has any length and shares no memory; it is the time that
    work must have for two threads. Half of it for each, over the time of a point, a term or an
    atom, are the numbers of these for each thread.
    """
    from friedel.density.density import sample
    from friedel.density.pruned_fft import pruned_transform

    one = Sum(crystal_of((30, 35, 40), RIGHT), 2.0, some_atoms(10))
    arguments = (
        one.whole._hkl,
        one.whole._absent,
        one.setting.operations,
        one.model,
        one.f,
        one.out,
    )

    def work(first, last):
        definition.sum_by_definition(first, last, *arguments)

    for n in np.unique(np.geomspace(200, len(one.out), 24).astype(int)).tolist():
        alone, both = (
            least(lambda k=k, n=n: in_stretches(work, n, k), time.perf_counter) for k in (1, 2)
        )
        if both < IN_USE * alone:
            break
    else:
        print("# two threads never took less time than one: no constants of threads")
        return {}
    each = 0.5 * alone

    def slope(timed, small, large):
        """Seconds that one more costs."""
        return max(timed(large) - timed(small), 1e-12) / (large - small)

    crystal = crystal_of((50, 50, 50), RIGHT)

    def density(n_atoms, edge):
        atoms = some_atoms(n_atoms, "C")
        return least(
            lambda: sample(crystal, atoms, np.array([[6.0]]), np.array([[20.0]]), (edge,) * 3)
        )

    per_atom = slope(lambda n: density(n, 80), 1000, 5000)
    per_point = (density(1, 160) - density(1, 80)) / (160**3 - 80**3)
    grid = np.zeros((96, 96, 96), np.float32)
    transform = least(lambda: pruned_transform(grid, (0, 0), grid.shape, 30, 30))

    def adjoint(n):
        calculator = planned(crystal, some_atoms(n, "C"), 2.5, dtype=np.float32)
        w = np.ones(len(calculator.hkl), complex)
        return least(lambda: calculator.adjoint(calculator.atoms, w))

    of_gather = (CALCULATOR, "SECONDS_PER_GATHER")
    gather = measured.get(of_gather, current(*of_gather))  # of a term of the symmetry sum
    return {
        (THREADS, "SECONDS_OF_THREADS"): alone,
        (DENSITY, "POINTS_PER_ATOM"): per_atom / per_point,
        (DENSITY, "POINTS_PER_THREAD"): each / per_point,
        (TRANSFORM, "POINTS_PER_THREAD"): each / (transform / grid.size),
        (SUMS, "SUMS_PER_THREAD"): each / gather,
        (ADJOINT, "ATOMS_PER_THREAD"): each / slope(adjoint, 1000, 4000),
    }


GROUPS = {
    "definition": by_definition,
    "tables": tables,
    "rows": rows,
    "fft": fft,
    "threads": threads,
}


def text(value):
    """A number, tuple or dictionary as Python source, with two digits."""
    if isinstance(value, tuple):
        return f"({', '.join(map(text, value))})"
    if isinstance(value, dict):
        pairs = (f"np.dtype(np.{dtype}): {text(x)}" for dtype, x in value.items())
        return f"{{{', '.join(pairs)}}}"
    return f"{float(f'{value:.1e}'):_.0f}" if value >= 100 else f"{float(f'{value:.1e}'):g}"


def ratios(new, old):
    if isinstance(new, dict):
        return ratios(tuple(new.values()), tuple(old[key] for key in new))
    if not isinstance(new, tuple):
        new, old = (new,), (old,)
    return ", ".join(f"{a / b:.2f}" for a, b in zip(new, old))


def main():
    global quick
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=GROUPS, help="one group of constants")
    parser.add_argument("--quick", action="store_true", help="each call once: no figures to use")
    given = parser.parse_args()
    quick = given.quick
    start = time.perf_counter()
    for name in [given.only] if given.only else GROUPS:
        print(f"# {name}:", flush=True)
        measured.update(GROUPS[name]())
    print(f"# {len(measured)} constants in {time.perf_counter() - start:.0f} s")
    for module in dict.fromkeys(module for module, _ in measured):
        print(f"\n# src/{module.replace('.', '/')}.py")
        for (home, name), value in measured.items():
            if home == module:
                old = current(module, name)
                print(f"{name} = {text(value)}  # was {text(old)}: x {ratios(value, old)}")


if __name__ == "__main__":
    main()
