"""Accuracy of the grid between Bragg peaks, where F is much smaller than at them.

The promise of `rtol` is for shells of all reflections, whose power is in the Bragg peaks. Rounding
errors are as large between the peaks as at them, and aliasing brings there what scatters beyond the
limit of resolution. The grid is therefore compared with direct summation on some positions
between the peaks of one frame, and made finer until these meet `rtol` by themselves.
"""

from collections.abc import Callable

import numpy as np

from friedel.ensemble.supercell import N_SHELLS, Supercell
from friedel.notes import Notes
from friedel.structure_factors.calculator import Calculator

POSITIONS_PER_SHELL = 60
"""Positions in each shell that are compared with direct summation."""
WEAKEST = 1e-6
"""Amplitude between Bragg peaks, relative to that at them, below which it is taken as nothing: a
perfect crystal has no scattering there to which an error could be relative."""
MOST_ATTEMPTS = 4
"""Number of grids that are tried."""
MARGIN = 0.7
"""Error that a new grid is chosen for, relative to the one allowed."""

Make = Callable[[float], list[Calculator]]


def accurate_between_peaks(
    make: Make, frac: list[np.ndarray], lattice: Supercell, rtol: float, notes: Notes
) -> list[Calculator]:
    """Calculators that meet `rtol` between Bragg peaks as well; direct summation does.

    Parameters
    ----------
    make
        Gives the calculators of all parts for a relative error.
    frac
        Positions of the atoms of each part in one frame, which should be typical.
    lattice
        The box and its crystal cells.
    """
    calculators = make(rtol)
    if lattice.n_cells == 1 or all(calculator.plan is None for calculator in calculators):
        return calculators
    hkl = calculators[0].hkl
    chosen = chosen_positions(lattice, hkl)
    if not len(chosen):
        return calculators
    exact = _directly(calculators, frac, hkl[chosen])
    of_peaks = _rms_of_peaks(calculators, frac, lattice)
    asked = rtol
    for attempt in range(MOST_ATTEMPTS):
        found = np.zeros(len(chosen), np.complex128)
        for calculator, x in zip(calculators, frac, strict=True):
            found += calculator.forward(calculator.atoms.replace(frac=x))[chosen]
        error = _worst_shell(lattice.groups(hkl[chosen]), found, exact, WEAKEST * of_peaks)
        if error <= rtol or attempt == MOST_ATTEMPTS - 1:
            break
        asked *= MARGIN * rtol / error
        calculators = make(asked)
    if error <= rtol:
        notes.add(
            f"relative error between Bragg peaks: {error:.1e}, measured on {len(chosen)} positions "
            f"of a frame (rtol {rtol:g})",
            "default",
            error,
        )
    else:
        notes.add(f"the relative error between Bragg peaks is {error:.1e}", "warning", error)
    return calculators


def chosen_positions(lattice: Supercell, hkl: np.ndarray) -> np.ndarray:
    """Indices of some positions between Bragg peaks in each shell, the same each time."""
    groups = lattice.groups(hkl)
    rng = np.random.default_rng(0)
    chosen = []
    for shell in range(N_SHELLS, 2 * N_SHELLS):
        members = np.flatnonzero(groups == shell)
        if len(members) > POSITIONS_PER_SHELL:
            members = np.sort(rng.choice(members, POSITIONS_PER_SHELL, replace=False))
        chosen.append(members)
    return np.concatenate(chosen)


def _directly(calculators: list[Calculator], frac: list[np.ndarray], hkl: np.ndarray) -> np.ndarray:
    """(n,) F of all parts together, by direct summation."""
    total = np.zeros(len(hkl), np.complex128)
    for calculator, x in zip(calculators, frac, strict=True):
        options = calculator.options.replace(method="direct", rate=None, blur=None, cutoff=None)
        atoms = calculator.atoms.replace(frac=x)
        parts = calculator.crystal, atoms, hkl, calculator.factors, options
        total += Calculator(*parts).forward()
    return total


def _rms_of_peaks(
    calculators: list[Calculator], frac: list[np.ndarray], lattice: Supercell
) -> float:
    hkl = calculators[0].hkl
    peaks = hkl[lattice.is_bragg(hkl)][:: max(1, len(hkl) // lattice.n_cells // 200)]
    if not len(peaks):
        return 0.0
    return float(np.sqrt((np.abs(_directly(calculators, frac, peaks)) ** 2).mean()))


def _worst_shell(groups: np.ndarray, found: np.ndarray, exact: np.ndarray, weakest: float) -> float:
    n = groups.max() + 1
    error2 = np.bincount(groups, np.abs(found - exact) ** 2, n)
    power = (
        np.bincount(groups, np.abs(exact) ** 2, n) + np.bincount(groups, minlength=n) * weakest**2
    )
    some = power > 0
    return float(np.sqrt((error2[some] / power[some]).max(initial=0.0)))
