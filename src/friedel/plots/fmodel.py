"""Figures for what a person would rather look at; matplotlib is imported only when called."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from friedel.errors import MissingDependencyError, OutputError
from friedel.fmodel.fmodel import FModel
from friedel.fmodel.report import UNITS
from friedel.fmodel.shells import Shell
from friedel.model.atoms import VOIGT
from friedel.plots.blank_figure import blank_figure

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#7B3294"
"""Told apart by people with any colour vision, and in print."""

STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.fontsize": 8,
}

TICKS_D = (
    (50, 20, 10, 7, 5, 4, 3, 2.5, 2, 1.5, 1.2, 1, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3),
    (6, 3.5, 2.7, 2.3, 2.2, 2.1, 1.9, 1.8, 1.7, 1.6, 1.4, 1.3, 1.1, 0.9, 0.65, 0.55, 0.45, 0.35),
)
"""Spacings (A) to write along a resolution axis: those preferred, and those to fill gaps."""


def plot_fmodel(
    fmodel: FModel,
    path: str | PathLike[str] | None = None,
    *,
    n_shells: int | None = None,
    overwrite: bool = False,
) -> Any:
    """R-factors, mean amplitudes and scales against resolution.

    Parameters
    ----------
    fmodel
        Fitted.
    path
        File to write; its ending (``.png``, ``.pdf``, ``.svg``) tells the format.
    n_shells
        Resolution shells; by default up to 20, so that there is no more noise than need be.

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
    shells = fmodel.table(n_shells or _suitable_number_of_shells(fmodel))
    with new_figure((6.0, 6.2)) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True)
        figure.suptitle(title(fmodel), fontsize=10)
        _draw_r_factors(top, fmodel, shells)
        right = top.twinx()
        _draw_correlations(right, shells)
        _legend_above(top, right)
        _draw_amplitudes(bottom, shells)
        right = bottom.twinx()
        _draw_scales(right, fmodel, shells)
        _legend_above(bottom, right)
        label_resolution(bottom, shells[0].d_max, shells[-1].d_min)
        if path is not None:
            save(figure, path, overwrite)
    return figure


@contextmanager
def new_figure(size: tuple[float, float]) -> Iterator[Any]:
    """A figure (size in inches) of its own, not pyplot's: needs no display, leaves no state.

    Raises
    ------
    MissingDependencyError
        When matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise MissingDependencyError("plots need matplotlib: pip install 'friedel[plot]'") from None
    with matplotlib.rc_context(STYLE):
        yield blank_figure(size)


def _suitable_number_of_shells(fmodel: FModel) -> int:
    """Each with 50 reflections and 40 free ones, where that leaves five shells."""
    n_free = int((fmodel.free & fmodel.usable).sum())
    enough = min(int(fmodel.usable.sum()) // 50, n_free // 40 if n_free else 20)
    return int(np.clip(enough, 5, 20))


def title(fmodel: FModel) -> str:
    """Name and R-factors."""
    free = "" if fmodel.r_free is None else f", $R_{{free}}$ = {fmodel.r_free:.4f}"
    return f"{fmodel.name.replace('$', '')}: $R_{{work}}$ = {fmodel.r_work:.4f}{free}"


def _draw_r_factors(axes: Any, fmodel: FModel, shells: list[Shell]) -> None:
    x = _middles(shells)
    axes.plot(x, [s.r_work for s in shells], "o-", color=BLUE, label=r"$R_{work}$")
    if fmodel.r_free is not None:
        axes.plot(
            x, [s.r_free for s in shells], "s--", color=ORANGE, mfc="white", label=r"$R_{free}$"
        )
    axes.set_ylabel("R-factor")
    axes.set_ylim(bottom=0.0)


def _draw_correlations(axes: Any, shells: list[Shell]) -> None:
    """Of F_obs with F_model."""
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


def _draw_scales(axes: Any, fmodel: FModel, shells: list[Shell]) -> None:
    """The overall scale, relative to s = 0, with its spread over directions; that of the mask."""
    stol2 = 0.25 * np.linspace(0.0, 1.0 / shells[-1].d_min ** 2, 200)
    scales = fmodel.scales
    lowest, _, highest = np.linalg.eigvalsh(np.array(scales.b_overall)[VOIGT])
    mean = scales.isotropic_scale(stol2) / scales.k_overall
    low, high = (mean * np.exp((scales.b_iso - b) * stol2) for b in (highest, lowest))
    label = rf"$k_{{overall}}(s)$ / {scales.k_overall:.3g}"
    axes.plot(4 * stol2, mean, "--", color=GREEN, label=label)
    axes.fill_between(
        4 * stol2, low, high, color=GREEN, alpha=0.2, lw=0, label="its range over directions"
    )
    if fmodel.has_solvent:
        unit = UNITS[fmodel.source].replace("^3", "$^3$").replace("A", r"$\rm\AA$")
        k_mask = scales.solvent_scale(stol2)
        axes.plot(4 * stol2, k_mask, "-.", color=PURPLE, label=rf"$k_{{mask}}(s)$, {unit}")
    axes.set_ylabel("scale")
    axes.set_ylim(bottom=0.0)
    axes.spines["right"].set_visible(True)


def _legend_above(*several: Any) -> None:
    """One legend, above the first axes, of curves that may refer to different vertical axes."""
    entries = [axes.get_legend_handles_labels() for axes in several]
    handles = [h for some, _ in entries for h in some]
    labels = [text for _, some in entries for text in some]
    several[0].legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)


def label_resolution(axes: Any, d_max: float, d_min: float) -> None:
    """Ticks at round spacings d (A), not too close to each other, along an axis of 1/d^2."""
    end = d_min**-2
    ticks: list[float] = []
    for d in (d for some in TICKS_D for d in some):
        in_range = d_min <= d <= d_max
        if in_range and all(abs(d**-2 - other**-2) > end / 14 for other in ticks):
            ticks.append(d)
    axes.set_xlim(0.0, end * 1.01)
    axes.set_xticks([d**-2 for d in ticks], [f"{d:g}" for d in ticks])
    axes.set_xlabel(r"resolution $d$ ($\rm\AA$), axis linear in $1/d^2$")


def _middles(shells: list[Shell]) -> np.ndarray:
    return np.array([0.5 * (s.d_max**-2 + s.d_min**-2) for s in shells])


def save(figure: Any, path: str | PathLike[str], overwrite: bool) -> None:
    """Write a figure.

    Raises
    ------
    OutputError
        When the file exists and `overwrite` is false, cannot be written or has an unknown ending.
    """
    from friedel.writers.mtz import write_atomically

    known = figure.canvas.get_supported_filetypes()
    if Path(path).suffix.lstrip(".").lower() not in known:
        raise OutputError(
            f"cannot write a figure to {Path(path)}: its ending should be one of "
            f"{', '.join(sorted(known))}"
        )
    write_atomically(path, lambda name: figure.savefig(name, dpi=200), overwrite=overwrite)
