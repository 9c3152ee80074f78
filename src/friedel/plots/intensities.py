"""Figures of a small structure against its F^2; matplotlib is imported only when one is drawn."""

from os import PathLike
from typing import Any

import numpy as np

from friedel.errors import ReflectionsError
from friedel.plots.style import (
    BLUE,
    GREEN,
    ORANGE,
    label_resolution,
    legend_above,
    new_figure,
    save,
)
from friedel.smallmolecule.result import IntensityFit

PER_SHELL = 50
"""Least number of reflections in a shell, if that allows five shells."""
MOST_SHELLS = 20
"""Largest number of shells."""
POINTS = {"s": 5, "color": BLUE, "alpha": 0.4, "lw": 0, "rasterized": True}
"""Style of points, one for each reflection."""
LINE = {"color": "0.4", "lw": 0.8}
"""Style of the lines on which points are expected."""
MANY = 400
"""Number of pairs above which error bars are not drawn."""


def plot_intensities(
    fit: IntensityFit, path: str | PathLike[str] | None = None, *, overwrite: bool = False
) -> Any:
    """F_o^2 against F_c^2, normal probability plot, R1 against resolution and against intensity.

    F_o^2 and F_c^2 are drawn on logarithmic axes; values below a tenth of the median sigma, and
    negative ones, are drawn at that limit. The normal probability plot has the residuals
    sqrt(w) (F_o^2 - F_c^2) in ascending order against the values expected of normal errors; with
    right weights they lie on the line. R1 is that of all reflections, in shells of equal numbers.

    Parameters
    ----------
    fit
        A fitted small structure.
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
    with new_figure((7.6, 6.6)) as figure:
        (intensities, probability), (resolution, strength) = figure.subplots(2, 2)
        figure.suptitle(title(fit), fontsize=10)
        _draw_intensities(intensities, fit)
        _draw_probability(probability, fit)
        _draw_r_by_resolution(resolution, fit)
        _draw_r_by_intensity(strength, fit)
        if path is not None:
            save(figure, path, overwrite)
    return figure


def plot_bijvoet_pairs(
    fit: IntensityFit, path: str | PathLike[str] | None = None, *, overwrite: bool = False
) -> Any:
    """Observed against calculated quotients and differences of Bijvoet pairs.

    Quotients are (F^2(h) - F^2(-h)) / (F^2(h) + F^2(-h)) of the selected pairs, with a line of
    slope 1 - 2x through the origin for Flack's x by Parsons' method; differences are
    F^2(h) - F^2(-h) of all pairs, with Hooft's y. The dotted line is that of x = 0.

    Parameters, result and errors are those of :func:`friedel.plot_intensities`.

    Raises
    ------
    ReflectionsError
        When the data have no Bijvoet pairs, or the model has no f''.
    """
    absolute = fit.absolute_structure
    if absolute is None:
        raise ReflectionsError(
            "there are no Bijvoet pairs to draw: expected F^2(h) and F^2(-h) of a structure "
            "without inversion, and a model with f''"
        )
    some = absolute.selected
    panels = (
        (
            *(x[some] for x in (absolute.q_calc, absolute.q_obs, absolute.q_sigmas)),
            absolute.by_quotients,
            ("$Q_{calc}$", "$Q_{obs}$", "$x$", f"{int(some.sum())} quotients"),
        ),
        (
            *(absolute.d_calc, absolute.d_obs, absolute.d_sigmas),
            absolute.by_differences,
            ("$D_{calc}$", "$D_{obs}$", "$y$", f"{len(some)} differences"),
        ),
    )
    with new_figure((7.6, 3.8)) as figure:
        figure.suptitle(title(fit), fontsize=10)
        for axes, (calculated, observed, sigmas, found, texts) in zip(
            figure.subplots(1, 2), panels, strict=True
        ):
            _draw_pairs(axes, calculated, observed, sigmas)
            end = 1.05 * float(np.abs(calculated).max(initial=0.0)) or 1.0
            x_text, y_text, symbol, count = texts
            axes.plot([-end, end], [-end, end], ls=":", label=f"{symbol} = 0", **LINE)
            if found is not None:
                slope = 1.0 - 2.0 * found.value
                axes.plot(
                    [-end, end],
                    [-slope * end, slope * end],
                    color=ORANGE,
                    label=f"{symbol} = {found}",
                )
            axes.set(xlim=(-end, end))
            axes.set_xlabel(f"{x_text}, {count}")
            axes.set_ylabel(y_text)
            legend_above(axes)
        if path is not None:
            save(figure, path, overwrite)
    return figure


def title(fit: IntensityFit) -> str:
    """Name and R-factors of a fit, as the title of a figure."""
    name = fit.name.replace("$", "")
    return f"{name}: $R_1$ = {fit.r1:.4f}, $wR_2$ = {fit.wr2:.4f}, $S$ = {fit.goodness_of_fit:.3f}"


def _draw_pairs(
    axes: Any, calculated: np.ndarray, observed: np.ndarray, sigmas: np.ndarray
) -> None:
    """Draw a point for each pair, with its standard uncertainty where there are not too many."""
    if len(calculated) <= MANY:
        axes.errorbar(
            calculated, observed, sigmas, fmt="none", ecolor=BLUE, elinewidth=0.5, alpha=0.5
        )
    axes.scatter(calculated, observed, **POINTS)
    axes.axhline(0.0, color="0.8", lw=0.6, zorder=0)
    axes.axvline(0.0, color="0.8", lw=0.6, zorder=0)
    axes.spines["right"].set_visible(False)
    if len(observed):
        # points of pairs without signal would set the scale otherwise
        reach = max(
            1.2 * float(np.abs(calculated).max()), 3.0 * float(np.sqrt(np.mean(observed**2)))
        )
        axes.set_ylim(-reach, reach)


def _draw_intensities(axes: Any, fit: IntensityFit) -> None:
    f2, f2_model = fit.f2 / fit.correction, fit.f2_model / fit.correction
    floor = 0.1 * float(np.median(fit.sigmas / fit.correction))
    shown = np.maximum(f2, floor), np.maximum(f2_model, floor)
    n_low = int((f2 < floor).sum())
    axes.scatter(shown[1], shown[0], **POINTS)
    limits = 0.7 * min(map(np.min, shown)), 1.4 * max(map(np.max, shown))
    axes.plot(limits, limits, **LINE)
    axes.set(xscale="log", yscale="log", xlim=limits, ylim=limits)
    axes.set_xlabel(r"$F_c^2$")
    below = rf" ({n_low} below {floor:.2g})" if n_low else ""
    axes.set_ylabel(rf"$F_o^2$, corrected{below}")
    axes.spines["right"].set_visible(False)


def _draw_probability(axes: Any, fit: IntensityFit) -> None:
    from scipy.special import ndtri

    residuals = np.sort(np.sqrt(fit.weights) * (fit.f2 - fit.f2_model))
    n = len(residuals)
    expected = ndtri((np.arange(n) + 0.5) / n)
    axes.scatter(expected, residuals, **POINTS)
    end = 1.05 * float(np.abs(expected).max()) or 1.0
    axes.plot([-end, end], [-end, end], **LINE)
    axes.set_xlim(-end, end)
    axes.set_xlabel("expected normal residual")
    axes.set_ylabel(r"$\sqrt{w}\,(F_o^2-F_c^2)$")
    axes.spines["right"].set_visible(False)


def _draw_r_by_resolution(axes: Any, fit: IntensityFit) -> None:
    inverse_d2 = fit.crystal.d_spacing(fit.hkl) ** -2.0
    _draw_r(axes, fit, inverse_d2)
    label_resolution(axes, float(inverse_d2.min()) ** -0.5, float(inverse_d2.max()) ** -0.5)
    axes.tick_params(axis="x", labelsize=7)


def _draw_r_by_intensity(axes: Any, fit: IntensityFit) -> None:
    f2_model = fit.f2_model / fit.correction
    x = _draw_r(axes, fit, np.maximum(f2_model, 1e-6 * float(f2_model.max())))
    axes.set_xscale("log")
    # whole decades: their labels do not overlap
    axes.set_xlim(10.0 ** np.floor(np.log10(min(x))), 10.0 ** np.ceil(np.log10(max(x))))
    axes.xaxis.minorticks_off()
    axes.set_xlabel(r"$F_c^2$")


def _draw_r(axes: Any, fit: IntensityFit, by: np.ndarray) -> list[float]:
    """Draw R1 and the mean of w (F_o^2 - F_c^2)^2 in shells of a quantity; its medians."""
    order = np.argsort(by, kind="stable")
    n_shells = int(np.clip(len(order) // PER_SHELL, min(5, len(order)), MOST_SHELLS))
    shells = np.array_split(order, n_shells)
    x = [float(np.median(by[shell])) for shell in shells]
    r1 = []
    for shell in shells:
        total = float(fit.f_obs[shell].sum())
        difference = float(np.abs(fit.f_obs - fit.f_model)[shell].sum())
        r1.append(difference / total if total else np.nan)
    squares = fit.weights * (fit.f2 - fit.f2_model) ** 2
    axes.plot(x, r1, "o-", color=BLUE, label="$R_1$")
    axes.set_ylabel("$R_1$, all reflections", color=BLUE)
    axes.tick_params(axis="y", colors=BLUE)
    axes.set_ylim(bottom=0.0)
    right = axes.twinx()
    right.plot(x, [squares[shell].mean() for shell in shells], "s--", color=GREEN, ms=3, lw=1)
    right.set_ylabel(r"$\langle w\,(F_o^2-F_c^2)^2\rangle$", color=GREEN)
    right.tick_params(axis="y", colors=GREEN)
    right.set_ylim(bottom=0.0)
    right.spines["right"].set_visible(True)
    return x
