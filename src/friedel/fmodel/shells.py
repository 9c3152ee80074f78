"""Statistics of a fitted model by resolution shell, as numbers and as text."""

from dataclasses import dataclass

import numpy as np

from friedel.errors import ParameterError
from friedel.fmodel.scaled import ScaledModel
from friedel.reflections.agreement import correlation, r_factor
from friedel.writers.number_text import fixed

MANY_POSSIBLE, PER_DATUM = 1e6, 1e3
"""Numbers of possible reflections, and those per measured one, above which they are not listed:
the completeness is 0.0 % then."""


@dataclass(frozen=True)
class Shell:
    """One resolution shell of :meth:`friedel.FittedModel.table`.

    The fields are limits in Å; numbers of reflections used, and of those in the free set;
    completeness, the fraction used of all unique reflections; R-factors, NaN without reflections;
    means of the overall scale (anisotropy included) and of k_sol exp(-B_sol stol2), the
    scale of F_mask relative to F_calc; mean amplitudes, of which
    F_calc of the atoms alone is not on the scale of the others; correlation of F_obs with
    |F_model|; and mean figure of merit.
    """

    d_max: float
    d_min: float
    n: int
    n_free: int
    completeness: float
    r_work: float
    r_free: float
    k_overall: float
    k_mask: float
    mean_f_obs: float
    mean_f_model: float
    mean_f_calc: float
    cc: float = float("nan")
    fom: float = float("nan")


def shell_table(model: ScaledModel, n_shells: int) -> list[Shell]:
    """Statistics by resolution shell, low resolution first, about equal numbers in each.

    Parameters
    ----------
    n_shells
        Number of shells; fewer if each would have less than 20 reflections.

    Raises
    ------
    ParameterError
        When `n_shells` is less than 1.
    """
    if n_shells < 1:
        raise ParameterError(f"got {n_shells} resolution shells, expected at least 1")
    stol2 = model.f_obs.stol2
    used = np.flatnonzero(model.usable)
    used = used[np.argsort(stol2[used], kind="stable")]
    shells = np.array_split(used, max(1, min(n_shells, len(used) // 20)))
    edges = stol2[[shell[0] for shell in shells] + [used[-1]]]
    possible = _count_possible(model, edges)
    return [_shell(model, shell, edges[i : i + 2], possible[i]) for i, shell in enumerate(shells)]


def _count_possible(model: ScaledModel, edges: np.ndarray) -> np.ndarray:
    """(m,) unique reflections between edges (m + 1,) in stol2."""
    d_max, d_min = 0.5 / np.sqrt(edges[[0, -1]])
    if model.crystal.approximate_number(d_min) > max(MANY_POSSIBLE, PER_DATUM * len(model.f_obs)):
        numbers = [model.crystal.approximate_number(d) for d in 0.5 / np.sqrt(edges)]
        return np.maximum(np.rint(np.diff(numbers)), 1.0)
    possible = model.crystal.unique_reflections(d_min, d_max * (1.0 + 1e-9))
    inner = np.digitize(model.crystal.stol2(possible), edges[1:-1] * (1.0 - 1e-12))
    return np.bincount(inner, minlength=len(edges) - 1)


def _shell(model: ScaledModel, chosen: np.ndarray, edges: np.ndarray, possible: int) -> Shell:
    hkl, f_obs = model.f_obs.hkl[chosen], model.f_obs.values[chosen]
    f_model, free = model.amplitudes[chosen], model.free[chosen]
    n_unique = len(np.unique(model.crystal.to_asu(hkl)[0], axis=0))
    return Shell(
        d_max=float(0.5 / np.sqrt(edges[0])),
        d_min=float(0.5 / np.sqrt(edges[1])),
        n=len(chosen),
        n_free=int(free.sum()),
        completeness=n_unique / max(int(possible), n_unique),
        r_work=r_factor(f_obs[~free], f_model[~free]),
        r_free=r_factor(f_obs[free], f_model[free]),
        k_overall=float(model.scales.overall_scale(model.crystal, hkl).mean()),
        k_mask=float(model.scales.solvent_scale(model.crystal.stol2(hkl)).mean()),
        mean_f_obs=float(f_obs.mean()),
        mean_f_model=float(f_model.mean()),
        mean_f_calc=float(np.abs(model.f_calc.values[chosen]).mean()),
        cc=correlation(f_obs, f_model),
        fom=float(model.phase_statistics.fom[chosen].mean()),
    )


def table_text(shells: list[Shell]) -> str:
    """The shells as a table of aligned columns."""
    numbers = {
        "R_work": "r_work", "R_free": "r_free", "k_overall": "k_overall", "k_mask": "k_mask",
        "<Fobs>": "mean_f_obs", "<Fmodel>": "mean_f_model",
        "CC": "cc", "FOM": "fom",
    }  # fmt: skip
    columns = {
        "d range, Å": [f"{s.d_max:.2f} - {s.d_min:5.2f}" for s in shells],
        "n": [f"{s.n}" for s in shells],
        "n_free": [f"{s.n_free}" for s in shells],
        "compl.": [f"{s.completeness:.1%}" for s in shells],
    } | {title: _decimals([getattr(s, name) for s in shells]) for title, name in numbers.items()}
    widths = [max(map(len, [title, *texts])) for title, texts in columns.items()]
    rows = [list(columns), *zip(*columns.values(), strict=True)]
    return "\n".join(
        "  " + "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
        for row in rows
    )


def _decimals(values: list[float]) -> list[str]:
    """Numbers of a column to four digits of the largest, at most three after the point."""
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    digits = int(np.clip(3 - np.floor(np.log10(max(largest, 1.0))), 0, 3))
    if 0.0 < largest < 0.01:
        return ["-" if np.isnan(x) else format(x, ".3g") for x in values]
    return [fixed(x, digits) for x in values]
