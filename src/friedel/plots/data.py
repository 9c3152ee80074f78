"""Figures of data against a model: Wilson plot, outliers, sections of maps."""

from os import PathLike
from typing import Any

import numpy as np

from friedel.errors import ParameterError
from friedel.fmodel.fitted import FittedModel
from friedel.fmodel.fmodel import FModel, as_fitted
from friedel.maps.coefficients import map_from_coefficients
from friedel.maps.interpolation import values_at
from friedel.plots.fmodel import title
from friedel.plots.style import BLUE, GREEN, ORANGE, label_resolution, new_figure, save

N_WILSON_SHELLS = 30

LEVELS, DIFFERENCE_LEVELS = (1.0, 2.0, 3.0), (-3.0, 3.0)
"""Contours of map sections, in standard deviations of the map."""
NEAR_SECTION = 1.0
"""Largest distance (Å) from a section of the atoms drawn in it."""
N_SECTION = 160
"""Number of grid points along each side of a section."""

MOST_LABELS = 5
"""Number of outliers labelled with their indices in a plot."""


def plot_wilson(
    fmodel: FModel | FittedModel,
    path: str | PathLike[str] | None = None,
    *,
    overwrite: bool = False,
) -> Any:
    """Wilson plot: logarithms of the mean intensity of F_obs, F_model and F_calc.

    F_calc is multiplied by k_overall alone, without B and the resolution curve, so that the effects
    of solvent and B on the model can be seen.

    Parameters, result and errors are those of :func:`friedel.plot_fmodel`.
    """
    fitted = as_fitted(fmodel)
    used = fitted.usable
    inverse_d2 = 4.0 * fitted.f_obs.stol2[used]
    order = np.argsort(inverse_d2, kind="stable")
    shells = np.array_split(order, int(np.clip(len(order) // 30, 3, N_WILSON_SHELLS)))
    epsilon = fitted.crystal.epsilon(fitted.f_obs.hkl[used])
    f_calc = fitted.scales.k_overall * fitted.f_calc.amplitudes[used]
    curves = {
        r"$F_{obs}$": (fitted.f_obs.values[used], {"color": BLUE, "marker": "o", "ls": "none"}),
        r"$F_{model}$": (fitted.amplitudes[used], {"color": ORANGE}),
        r"$k\,F_{calc}$, atoms alone": (f_calc, {"color": GREEN, "ls": "--"}),
    }
    with new_figure((6.0, 3.6)) as figure:
        axes = figure.subplots()
        x = [inverse_d2[shell].mean() for shell in shells]
        for label, (amplitudes, style) in curves.items():
            intensity = np.asarray(amplitudes, np.float64) ** 2 / epsilon
            means = [intensity[shell].mean() for shell in shells]
            axes.plot(x, np.log(np.maximum(means, 1e-300)), label=label, **style)
        axes.set_ylabel(r"$\ln\,\langle F^2/\varepsilon\rangle$, $F$ in units of $F_{obs}$")
        axes.spines["right"].set_visible(False)
        axes.legend(loc="best")
        label_resolution(axes, inverse_d2.min() ** -0.5, inverse_d2.max() ** -0.5)
        figure.suptitle(f"Wilson plot of {title(fitted)}", fontsize=10)
        if path is not None:
            save(figure, path, overwrite)
    return figure


def plot_outliers(
    fmodel: FModel | FittedModel,
    path: str | PathLike[str] | None = None,
    *,
    overwrite: bool = False,
) -> Any:
    """F_obs against F_model, and residuals in robust standard deviations against resolution.

    Outliers (:attr:`FModel.outliers`) are marked.

    Parameters, result and errors are those of :func:`friedel.plot_fmodel`.
    """
    from friedel.scaling.outliers import OUTLIER_SIGMA, residual_scale

    fitted = as_fitted(fmodel)
    used = fitted.usable
    f_obs, f_model = np.asarray(fitted.f_obs.values[used], float), fitted.amplitudes[used]
    stol2 = fitted.f_obs.stol2[used]
    distance = (f_obs - f_model) / residual_scale(
        fitted.crystal, fitted.f_obs.hkl[used], f_obs - f_model
    )
    far = np.abs(distance) > OUTLIER_SIGMA
    points = {"s": 3, "color": BLUE, "alpha": 0.25, "lw": 0, "rasterized": True}
    marks = {"s": 26, "facecolors": "none", "edgecolors": ORANGE, "lw": 1.2}
    with new_figure((7.2, 3.6)) as figure:
        left, right = figure.subplots(1, 2)
        for axes, x, y in ((left, f_model, f_obs), (right, 4.0 * stol2, distance)):
            axes.scatter(x[~far], y[~far], **points)
            axes.scatter(x[far], y[far], label=f"far from the model: {int(far.sum())}", **marks)
            axes.spines["right"].set_visible(False)
        end = 1.05 * max(float(f_obs.max()), float(f_model.max()))
        left.plot([0, end], [0, end], color="0.4", lw=0.8)
        left.set(xlim=(0, end), ylim=(0, end))
        left.set_xlabel(r"$F_{model}$ (units of $F_{obs}$)")
        left.set_ylabel(r"$F_{obs}$")
        if far.any():
            left.legend(loc="upper left")
        for limit in (-OUTLIER_SIGMA, OUTLIER_SIGMA):
            right.axhline(limit, color="0.4", lw=0.8, ls=":")
        right.set_ylabel(r"$(F_{obs}-F_{model})\,/\,\sigma$, robust")
        for outlier in fitted.outliers[:MOST_LABELS]:
            text = "({} {} {})".format(*outlier.hkl)
            right.annotate(text, (outlier.d**-2, outlier.distance), (4, 3),
                           textcoords="offset points", fontsize=7)  # fmt: skip
        label_resolution(right, 0.5 / np.sqrt(stol2.min()), 0.5 / np.sqrt(stol2.max()))
        figure.suptitle(f"Residuals of {title(fitted)}", fontsize=10)
        if path is not None:
            save(figure, path, overwrite)
    return figure


def plot_map(
    fmodel: FModel | FittedModel,
    path: str | PathLike[str] | None = None,
    *,
    centre: "str | tuple[float, ...] | np.ndarray | None" = None,
    width: float = 24.0,
    overwrite: bool = False,
) -> Any:
    """A section of the 2mFo-DFc and mFo-DFc maps, perpendicular to z (c*), with atoms near it.

    Parameters
    ----------
    fmodel
        A fitted model.
    centre
        Cartesian coordinates, Å, or a selection in gemmi's syntax, such as an atom (``"A/12/CB"``)
        or a residue (``"A/12"``), at whose mean position the section is centred; by default the
        atom nearest to the mean of all positions.
    width
        Width of the section, Å.
    path, overwrite
        As for :func:`friedel.plot_fmodel`, and so are the errors.

    Raises
    ------
    ParameterError
        When the selection has no atoms, or the centre is not three numbers.
    """
    fitted = as_fitted(fmodel)
    crystal = fitted.crystal
    cartesian = fitted.atoms.frac @ crystal.orthogonalization.T
    centre = _centre(fitted, cartesian, centre)
    side = np.linspace(-0.5 * width, 0.5 * width, N_SECTION)
    x, y = np.meshgrid(centre[0] + side, centre[1] + side)
    points = np.stack([x, y, np.full_like(x, centre[2])], axis=-1)
    with new_figure((4.6, 4.9)) as figure:
        axes = figure.subplots()
        colours = ((BLUE,), (ORANGE, GREEN))
        for coefficients, levels, colour in zip(
            fitted.map_coefficients(), (LEVELS, DIFFERENCE_LEVELS), colours, strict=True
        ):
            density = map_from_coefficients(coefficients)
            section = values_at(density, points).reshape(x.shape) / density.array.std()
            axes.contour(x, y, section, levels, colors=colour, linewidths=0.8)
        near = np.abs(cartesian - centre) < [0.5 * width, 0.5 * width, NEAR_SECTION]
        shown = cartesian[near.all(axis=1) & ~fitted.atoms.is_hydrogen]
        axes.plot(shown[:, 0], shown[:, 1], "o", color="0.2", ms=2.5)
        axes.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()), aspect="equal")
        axes.set_xlabel(r"$x$ ($\rm\AA$, along $a$)")
        axes.set_ylabel(r"$y$ ($\rm\AA$)")
        axes.set_title(
            rf"$z$ = {centre[2]:.1f} $\rm\AA$; $2mF_o-DF_c$ at "
            rf"{', '.join(f'{level:g}' for level in LEVELS)} $\sigma$ (blue)"
            "\n"
            rf"$mF_o-DF_c$ at $-3$ (orange) and $+3\,\sigma$ (green); atoms within "
            rf"{NEAR_SECTION:g} $\rm\AA$",
            fontsize=8,
        )
        figure.suptitle(title(fitted), fontsize=10)
        if path is not None:
            save(figure, path, overwrite)
    return figure


def _centre(
    fitted: FittedModel, xyz: np.ndarray, given: "str | tuple[float, ...] | np.ndarray | None"
) -> np.ndarray:
    """(3,) the centre of a section, Å."""
    if given is None:
        return xyz[np.argmin(((xyz - xyz.mean(axis=0)) ** 2).sum(axis=1))]
    if isinstance(given, str):
        return xyz[fitted._setup.source_of_atoms.selected(given, len(xyz))].mean(axis=0)
    centre = np.asarray(given, float)
    if centre.shape != (3,) or not np.isfinite(centre).all():
        raise ParameterError(f"got centre = {given!r}, expected a selection or three numbers in A")
    return centre
