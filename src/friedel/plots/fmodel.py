"""Figures of a fitted model against resolution; matplotlib is imported only when one is drawn."""

from os import PathLike
from typing import Any

import numpy as np

from friedel.constants import DENSITY_UNITS
from friedel.fmodel.fitted import FittedModel
from friedel.fmodel.fmodel import FModel, as_fitted
from friedel.fmodel.shells import Shell
from friedel.model.tensors import VOIGT
from friedel.plots.style import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    label_resolution,
    legend_above,
    new_figure,
    save,
)


def plot_fmodel(
    fmodel: FModel | FittedModel,
    path: str | PathLike[str] | None = None,
    *,
    n_shells: int | None = None,
    overwrite: bool = False,
) -> Any:
    """R-factors, mean amplitudes and scales against resolution.

    Parameters
    ----------
    fmodel
        A fitted model.
    path
        File to write; its ending (``.png``, ``.pdf``, ``.svg``) tells the format.
    n_shells
        Number of resolution shells; by default at most 20, fewer for few reflections.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    MissingDependencyError
        When matplotlib is not installed.
    OutputError
        When the file exists and `overwrite` is false, or cannot be written.
    """
    fitted = as_fitted(fmodel)
    shells = fitted.table(n_shells or _suitable_number_of_shells(fitted))
    with new_figure((6.0, 6.2)) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True)
        figure.suptitle(title(fitted), fontsize=10)
        _draw_r_factors(top, fitted, shells)
        right = top.twinx()
        _draw_correlations(right, shells)
        legend_above(top, right)
        _draw_amplitudes(bottom, shells)
        right = bottom.twinx()
        _draw_scales(right, fitted, shells)
        legend_above(bottom, right)
        label_resolution(bottom, shells[0].d_max, shells[-1].d_min)
        if path is not None:
            save(figure, path, overwrite)
    return figure


def _suitable_number_of_shells(fitted: FittedModel) -> int:
    """Number of shells with 50 reflections and 40 free ones each, if that allows five shells."""
    n_free = int((fitted.free & fitted.usable).sum())
    enough = min(int(fitted.usable.sum()) // 50, n_free // 40 if n_free else 20)
    return int(np.clip(enough, 5, 20))


def title(fitted: FittedModel) -> str:
    """Name and R-factors of the model, as the title of a figure."""
    free = "" if fitted.r_free is None else f", $R_{{free}}$ = {fitted.r_free:.4f}"
    return f"{fitted.name.replace('$', '')}: $R_{{work}}$ = {fitted.r_work:.4f}{free}"


def _draw_r_factors(axes: Any, fitted: FittedModel, shells: list[Shell]) -> None:
    x = _middles(shells)
    axes.plot(x, [s.r_work for s in shells], "o-", color=BLUE, label=r"$R_{work}$")
    if fitted.r_free is not None:
        axes.plot(
            x, [s.r_free for s in shells], "s--", color=ORANGE, mfc="white", label=r"$R_{free}$"
        )
    axes.set_ylabel("R-factor")
    axes.set_ylim(bottom=0.0)


def _draw_correlations(axes: Any, shells: list[Shell]) -> None:
    """Draw the correlation of F_obs with F_model against resolution."""
    x = _middles(shells)
    axes.plot(x, [s.cc for s in shells], "^:", color=PURPLE, ms=3, lw=1, label="CC")
    axes.set_ylabel(r"correlation of $F_{obs}$ and $F_{model}$", color=PURPLE)
    axes.tick_params(axis="y", colors=PURPLE)
    axes.set_ylim(0.0, 1.0)
    axes.spines["right"].set_visible(True)


def _draw_amplitudes(axes: Any, shells: list[Shell]) -> None:
    x = _middles(shells)
    axes.plot(x, [s.mean_f_obs for s in shells], "o", color=BLUE, label=r"$\langle F_{obs}\rangle$")
    axes.plot(
        x, [s.mean_f_model for s in shells], "-", color=BLUE, label=r"$\langle F_{model}\rangle$"
    )
    axes.set_ylabel(r"mean amplitude (units of $F_{obs}$)", color=BLUE)
    axes.tick_params(axis="y", colors=BLUE)
    axes.set_ylim(bottom=0.0)


def _draw_scales(axes: Any, fitted: FittedModel, shells: list[Shell]) -> None:
    """Draw the overall scale relative to s = 0, its range over directions, and the mask's scale."""
    stol2 = 0.25 * np.linspace(0.0, 1.0 / shells[-1].d_min ** 2, 200)
    scales = fitted.scales
    lowest, _, highest = np.linalg.eigvalsh(np.array(scales.b_overall)[VOIGT])
    mean = scales.isotropic_scale(stol2) / scales.k_overall
    low, high = (mean * np.exp((scales.b_iso - b) * stol2) for b in (highest, lowest))
    label = rf"$k_{{overall}}(s)$ / {scales.k_overall:.3g}"
    axes.plot(4 * stol2, mean, "--", color=GREEN, label=label)
    axes.fill_between(
        4 * stol2, low, high, color=GREEN, alpha=0.2, lw=0, label="its range over directions"
    )
    if fitted.has_solvent:
        unit = DENSITY_UNITS[fitted.source].replace("^3", "$^3$").replace("A", r"$\rm\AA$")
        k_mask = scales.solvent_scale(stol2)
        axes.plot(4 * stol2, k_mask, "-.", color=PURPLE, label=rf"$k_{{mask}}(s)$, {unit}")
    axes.set_ylabel("scale")
    axes.set_ylim(bottom=0.0)
    axes.spines["right"].set_visible(True)


def _middles(shells: list[Shell]) -> np.ndarray:
    return np.array([0.5 * (s.d_max**-2 + s.d_min**-2) for s in shells])
