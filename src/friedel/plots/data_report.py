"""Figure of a data report: Wilson plot, signal and completeness against resolution."""

from os import PathLike
from typing import Any

import numpy as np

from friedel.data_report.report import DataReport
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


def plot_data_report(
    report: DataReport, path: str | PathLike[str] | None = None, *, overwrite: bool = False
) -> Any:
    """Wilson plot with its line, and mean I / sigma and completeness by resolution shell.

    The line is drawn with its slope in the directions in which intensities fall off least and most.

    Parameters
    ----------
    report
        The result of :func:`friedel.describe_data`.
    path
        File to write; its ending (``.png``, ``.pdf``, ``.svg``) tells the format.

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
    with new_figure((6.0, 6.2)) as figure:
        top, bottom = figure.subplots(2, 1, sharex=True)
        figure.suptitle(f"{report.name}: {report.chosen}".replace("$", ""), fontsize=10)
        _draw_wilson(top, report)
        right = bottom.twinx()
        _draw_signal(bottom, report)
        _draw_completeness(right, report)
        legend_above(bottom, right)
        label_resolution(bottom, report.overall.d_max, report.overall.d_min)
        if path is not None:
            save(figure, path, overwrite)
    return figure


def _draw_wilson(axes: Any, report: DataReport) -> None:
    line = report.wilson
    axes.set_ylabel(r"$\ln(\langle I/\varepsilon\rangle\,/\,\Sigma f^2)$")
    axes.spines["right"].set_visible(False)
    if line is None:
        axes.text(0.5, 0.5, "too few reflections for a Wilson plot", ha="center",
                  transform=axes.transAxes)  # fmt: skip
        return
    x, y = 4.0 * np.array(line.stol2), np.array(line.log_ratio)
    fitted = np.array(line.fitted)
    axes.plot(x[fitted], y[fitted], "o", color=BLUE, label="shells of the line")
    axes.plot(x[~fitted], y[~fitted], "o", color=BLUE, mfc="white", label="other shells")
    ends = np.linspace(x[fitted].min(), x[fitted].max(), 2)
    slope = np.log(line.scale) - 0.5 * line.b * ends
    axes.plot(ends, slope, color=ORANGE, label=rf"line, $B$ = {line.b:.1f} $\rm\AA^2$")
    if report.anisotropy is not None:
        low, _, high = report.anisotropy.principal_b
        first, _, last = report.anisotropy.directions
        axes.fill_between(ends, slope - 0.5 * low * ends, slope - 0.5 * high * ends, color=ORANGE,
                          alpha=0.2, lw=0, label=f"from {first} to {last}")  # fmt: skip
    axes.legend(loc="best")


def _draw_signal(axes: Any, report: DataReport) -> None:
    letter = "I" if report.is_intensity else "F"
    label = rf"$\langle {letter}/\sigma\rangle$"
    axes.plot(
        _middles(report),
        [shell.mean_over_sigma for shell in report.shells],
        "o-",
        color=GREEN,
        label=label,
    )
    axes.set_ylabel(label, color=GREEN)
    axes.tick_params(axis="y", colors=GREEN)
    axes.set_ylim(bottom=0.0)


def _draw_completeness(axes: Any, report: DataReport) -> None:
    percent = [100.0 * shell.completeness for shell in report.shells]
    axes.plot(_middles(report), percent, "s--", color=PURPLE, mfc="white", label="completeness")
    axes.set_ylabel("completeness, %", color=PURPLE)
    axes.tick_params(axis="y", colors=PURPLE)
    axes.set_ylim(0.0, 105.0)
    axes.spines["right"].set_visible(True)


def _middles(report: DataReport) -> list[float]:
    return [0.5 * (shell.d_max**-2 + shell.d_min**-2) for shell in report.shells]
