"""Statistics of a fitted model by resolution shell, as numbers and as text."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Shell:
    """One resolution shell of :meth:`FModel.table`.

    Limits in A; numbers of reflections used, and of those in the free set; the fraction
    used of the unique reflections possible; R-factors, NaN where there are no reflections;
    means of the overall scale (anisotropy included) and of k_sol exp(-B_sol stol2), the
    scale of F_mask relative to F_calc; mean amplitudes. F_calc, of the atoms alone, is not on
    the scale of the others. Correlation of F_obs with |F_model|, and mean figure of merit.
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


def table_text(shells: list[Shell]) -> str:
    """The shells as a table of aligned columns."""
    numbers = {
        "R_work": "r_work", "R_free": "r_free", "k_overall": "k_overall", "k_mask": "k_mask",
        "<Fobs>": "mean_f_obs", "<Fmodel>": "mean_f_model",
        "CC": "cc", "FOM": "fom",
    }  # fmt: skip
    columns = {
        "d range, A": [f"{s.d_max:.2f} - {s.d_min:5.2f}" for s in shells],
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
    style = ".3g" if 0.0 < largest < 0.01 else f".{digits}f"
    return ["-" if np.isnan(x) else format(x, style) for x in values]
