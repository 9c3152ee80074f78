"""Predicted times are about right for any combination of arguments, or the work is refused."""

import time

import numpy as np
import pytest

import friedel
from friedel.runtime.limits import LONGEST, longest_for

FACTOR, ALLOWANCE = 10.0, 0.2
"""Largest ratio of processor time and prediction, and time (s) that is not predicted.

Ratios of 0.5 to 3 are usual on an unloaded machine.
"""


def combination(rng):
    """A cell with edges of 5 to 200 Å, up to 1000 atoms, B of 1 to 10^7 Å^2, and options."""
    cell = [*(10 ** rng.uniform(0.7, 2.3, 3)), 90.0, 90.0, 90.0]
    if rng.random() < 0.5:
        cell[3:] = rng.uniform(70, 110, 3).tolist()
    n = int(10 ** rng.uniform(0, 3))
    b = 10 ** rng.uniform(0, 6, n) if rng.random() < 0.5 else np.full(n, 20.0)
    b[0] = 10 ** rng.uniform(0, 7)
    u = 0.02 * rng.normal(size=(n, 6)) if rng.random() < 0.2 else None
    options = {"rtol": 10 ** rng.uniform(-7, -1), "method": rng.choice(["fft", "fft", "direct"])}
    if options["method"] == "fft":
        for name, value in (
            ("blur", 10 ** rng.uniform(0, 4)),
            ("rate", rng.uniform(1, 4)),
            ("cutoff", 10 ** rng.uniform(-20, -2)),
        ):
            if rng.random() < 0.25:
                options[name] = float(value)
    crystal = friedel.Crystal(tuple(cell))
    atoms = friedel.Atoms(rng.random((n, 3)), np.ones(n), b, np.zeros(n, int), ("C",), u)
    return (
        (crystal, atoms),
        max(10 ** rng.uniform(-0.3, 0.7), (crystal.volume / 3e6) ** (1 / 3)),
        options,
    )


def processor_time(call):
    """The least of two, s."""
    times = []
    for _ in range(2):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("seed", range(24))
def test_the_prediction_holds_or_the_work_is_refused(seed):
    model, d_min, options = combination(np.random.default_rng(seed))
    try:
        planned = friedel.Calculator.from_model(model, d_min=d_min, threads=1, **options)
    except friedel.FriedelError:  # refused, or no plan has the accuracy
        return
    limit = longest_for(len(model[1]))
    predicted = limit if planned.plan is None else planned.plan.seconds
    assert predicted <= limit
    if predicted > 1.0 and planned.plan is not None:
        return  # what takes longer is compared by the fuzz suite
    assert processor_time(planned.forward) < FACTOR * predicted + ALLOWANCE


def test_few_atoms_have_less_time():
    assert longest_for(1) < 3.1
    assert longest_for(10**6) == LONGEST


@pytest.mark.parametrize("method", ["fft", "direct"])
def test_broad_atoms_with_fixed_sampling(method):
    """Spheres wider than the tables of the kernels are eight times slower, which is foreseen."""
    crystal = friedel.Crystal((40, 42, 44, 90, 90, 90))
    rng = np.random.default_rng(0)
    b_iso = np.repeat([20.0, 1e6], 10)
    atoms = friedel.Atoms.from_labels(["C"] * 20, rng.random((20, 3)), 1.0, b_iso)
    options = {"rate": 4.0, "cutoff": 1e-12} if method == "fft" else {}
    start = time.process_time()
    if method == "fft":
        with pytest.raises(friedel.TimeLimitError, match=r"predicted to take .* longer than 4 s"):
            friedel.fcalc((crystal, atoms), d_min=1.0, method=method, **options)
    else:
        friedel.fcalc((crystal, atoms), d_min=1.0, method=method, **options)
    assert time.process_time() - start < 10.0


def test_a_fit_to_more_reflections_than_few_atoms_have():
    crystal = friedel.Crystal((8, 9, 3e5, 90, 90, 90))
    atoms = friedel.Atoms.from_labels(["C"], [[0.1, 0.2, 0.3]], 1.0, 20.0)
    hkl = crystal.unique_reflections(3.0)
    data = friedel.Reflections(crystal, hkl, np.ones(len(hkl)))
    with pytest.raises(friedel.TimeLimitError, match=r"a fit of 1 atoms to \d+ reflections"):
        friedel.FModel((crystal, atoms), data, solvent="none")


@pytest.mark.parametrize("edge", [1e6, 1e9])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("method", ["auto", "fft", "direct"])
def test_a_cell_with_an_absurd_edge(axis, edge, method):
    """Each stage ends within seconds or is refused: a sum, its derivatives, a fit, its table."""
    cell = np.array([8.0, 9.0, 10.0, 90.0, 95.0, 90.0])
    cell[axis] = edge
    crystal = friedel.Crystal.from_triplets(tuple(cell), ["-x,y+1/2,-z"])
    rng = np.random.default_rng(0)
    atoms = friedel.Atoms.from_labels(["C"] * 19, rng.random((19, 3)), 1.0, 20.0)
    hkl = rng.integers(-5, 6, (30, 3))
    start = time.process_time()
    try:
        planned = friedel.Calculator.from_model((crystal, atoms), hkl=hkl, method=method)
        f = planned.forward()
        planned.adjoint(atoms, f)
        data = friedel.Reflections(crystal, planned.hkl, np.abs(f))
        friedel.FModel((crystal, atoms), data, solvent="none", target="ls").fit().summary()
    except friedel.FriedelError:
        pass
    assert time.process_time() - start < 10.0


def test_derivatives_by_direct_sums_in_a_very_long_cell():
    """The tables of an atom are as long as the cell; each part of the rows filled them again."""
    crystal = friedel.Crystal((2e5, 9, 10, 90, 90, 90))
    rng = np.random.default_rng(0)
    atoms = friedel.Atoms.from_labels(["C"] * 10, rng.random((10, 3)), 1.0, 20.0)
    planned = friedel.Calculator.from_model((crystal, atoms), d_min=3.0, method="direct", threads=1)
    f = planned.forward()
    of_f = processor_time(planned.forward)
    assert processor_time(lambda: planned.adjoint(atoms, f)) < 6.0 * of_f + ALLOWANCE
