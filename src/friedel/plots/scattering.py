"""Figures of form factors, and of f' and f'' around absorption edges."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np

from friedel.errors import ElementError, EnergyError, ParameterError
from friedel.model.elements import element_record
from friedel.plots.style import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    new_figure,
    save,
    stacked_panels,
    stacked_size,
)
from friedel.scattering.dispersion import anomalous
from friedel.scattering.dispersion.common_energies import main_edge
from friedel.scattering.dispersion.edges import absorption_edges
from friedel.scattering.formfactors import FormFactorTable, form_factor_table

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, "#A6761D", "#E7298A", "0.3", "0.6")
DASHES = ("-", "--", ":", "-.")
ZOOM = 0.01
"""Relative distance from an edge that is drawn around it."""
N_POINTS = 1500
MAX_ELEMENTS = 4
ION_STOL_MIN = 0.05
"""Least sin(theta)/lambda drawn for ions (1/Å): f diverges at 0 by their Coulomb field."""
DYNAMIC_RANGE = 0.03
"""Ratio of smallest to largest f below which the axis is logarithmic."""

UNITS = {"xray": "electrons", "electron": r"$\rm\AA$", "neutron": "fm", "": ""}
RADIATION = {"xray": "X-rays", "electron": "electrons", "neutron": "neutrons", "": ""}


def plot_dispersion(
    elements: Sequence[Any] | str,
    path: str | PathLike[str] | None = None,
    *,
    energy: tuple[float, float] | None = None,
    marks: Sequence[float] = (),
    zoom: str | None = None,
    overwrite: bool = False,
) -> Any:
    """Anomalous scattering against energy, from both sources, with the absorption edges marked.

    Parameters
    ----------
    elements
        An element, or up to four.
    path
        File to write; its ending (``.png``, ``.pdf``, ``.svg``) tells the format.
    energy
        Range in eV; by default around the highest edge of the first element that lies
        between 3 and 50 keV.
    marks
        Energies in eV that are marked.
    zoom
        Name of an edge of the first element, such as ``"K"`` or ``"L3"``: 1 % around it is drawn
        instead of a range.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ElementError, EnergyError
        When no source knows the elements or the energies.
    ParameterError
        For no elements, for more than four, an empty range, an edge that the first element has
        not, or both a range and an edge.
    MissingDependencyError
        When matplotlib is not installed.
    OutputError
        When the file exists and `overwrite` is false, or cannot be written.
    """
    elements = [elements] if isinstance(elements, str) else elements
    symbols = [element_record(e).symbol for e in elements]
    if not 1 <= len(symbols) <= MAX_ELEMENTS:
        raise ParameterError(
            f"got {len(symbols)} elements; expected 1 to {MAX_ELEMENTS} in a figure"
        )
    if zoom is not None and energy is not None:
        raise ParameterError("give either a range of energies or an edge to zoom on")
    low, high = energy or _around_an_edge(symbols, zoom)
    if not 0 < low < high:
        raise ParameterError(f"got energies from {low:g} to {high:g} eV; expected a range")
    curves = {symbol: _curves(symbol, low, high) for symbol in symbols}
    with new_figure(stacked_size(2)) as figure:
        _draw_dispersion(figure, curves, low, high)
        _mark_energies(figure, [float(x) for x in marks if low <= x <= high])
        if path is not None:
            save(figure, path, overwrite)
    return figure


def plot_form_factors(
    labels: Sequence[str] | str,
    path: str | PathLike[str] | None = None,
    *,
    tables: Sequence[str | FormFactorTable] = ("it92",),
    stol_max: float | None = None,
    overwrite: bool = False,
) -> Any:
    """Form factors, one panel for each radiation; faint and dotted beyond a table's range.

    Parameters
    ----------
    labels
        An entry of the tables, such as ``"Fe"``, or several, ``["Fe", "Fe2+"]``; one missing in
        some tables is drawn from the others.
    path
        File to write; its ending (``.png``, ``.pdf``, ``.svg``) tells the format.
    tables
        Names of tables, or tables.
    stol_max
        End of the axis, 1/Å; by default the largest range of the tables, 2 at most.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ElementError
        For a label that none of the tables has.
    ParameterError
        For a table that does not exist, or an end of the axis that is not positive.
    MissingDependencyError
        When matplotlib is not installed.
    OutputError
        When the file exists and `overwrite` is false, or cannot be written.
    """
    labels = [labels] if isinstance(labels, str) else labels
    found = [t if isinstance(t, FormFactorTable) else form_factor_table(t) for t in tables]
    for label in labels:
        if not any(label in t.labels for t in found):
            raise ElementError(f"{', '.join(t.name for t in found)}: no form factor of {label}")
    if stol_max is None:
        stol_max = min(2.0, max(t.stol_max for t in found))
    if not 0 < stol_max < np.inf:
        raise ParameterError(f"got stol_max = {stol_max:g}; expected a positive number, 1/A")
    found = [t for t in found if any(label in t.labels for label in labels)]
    radiations = list(dict.fromkeys(t.info.source for t in found))
    with new_figure(stacked_size(len(radiations))) as figure:
        panels = stacked_panels(figure, len(radiations))
        for panel, radiation in zip(panels, radiations, strict=True):
            suitable = [t for t in found if t.info.source == radiation]
            _draw_form_factors(panel, labels, suitable, stol_max)
            panel.set_ylabel(f"$f$, {RADIATION[radiation]} ({UNITS[radiation]})")
        panels[-1].set_xlabel(r"$\sin\theta/\lambda$ ($\rm\AA^{-1}$)")
        if path is not None:
            save(figure, path, overwrite)
    return figure


def _draw_dispersion(
    figure: Any,
    curves: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]],
    low: float,
    high: float,
) -> None:
    top, bottom = stacked_panels(figure, 2)
    for colour, (symbol, sources) in zip(COLOURS, curves.items(), strict=False):
        for dash, (source, (x, f1, f2)) in zip(DASHES, sources.items(), strict=False):
            style = {"color": colour, "linestyle": dash, "label": f"{symbol}, {source}"}
            top.plot(x / 1000.0, f1, **style)
            bottom.plot(x / 1000.0, f2, **style)
        _mark_edges(top, bottom, symbol, colour, low, high)
    top.set_ylabel("$f'$ (electrons)")
    bottom.set_ylabel("$f''$ (electrons)")
    bottom.set_ylim(bottom=0.0)
    bottom.set_xlabel("photon energy (keV)")
    bottom.set_xlim(low / 1000.0, high / 1000.0)
    _add_wavelengths(top)
    bottom.legend(loc="best")
    return figure


def _draw_form_factors(
    panel: Any, labels: Sequence[str], tables: Sequence[FormFactorTable], stol_max: float
) -> None:
    stol = np.linspace(0.0, stol_max, 601)
    for j, table in enumerate(tables):
        for i, label in enumerate(labels):
            if label in table.labels:
                # One colour per label; if there is only one label, one colour per table
                colour = COLOURS[(i if len(labels) > 1 else j) % len(COLOURS)]
                _draw_form_factor(panel, table, label, stol, colour, DASHES[j % len(DASHES)])
    drawn = np.concatenate([line.get_ydata() for line in panel.lines])
    if 0 < drawn.min() < DYNAMIC_RANGE * drawn.max():
        panel.set_yscale("log")
        _label_a_logarithmic_axis(panel.yaxis)
    else:
        panel.axhline(0.0, color="0.8", lw=0.6, zorder=0)
    panel.set_xlim(0.0, stol_max)
    panel.spines["right"].set_visible(False)
    panel.legend(loc="best")


def _label_a_logarithmic_axis(axis: Any) -> None:
    """Plain numbers 1, 2 and 5 of each decade: a panel often spans less than two."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _draw_form_factor(
    panel: Any, table: FormFactorTable, label: str, stol: np.ndarray, colour: str, dash: str
) -> None:
    form_factor = table.exact.get(label) or table.entries[label]
    if not np.isfinite(form_factor.f(0.0)):
        stol = stol[stol >= ION_STOL_MIN]
    f = form_factor.f(stol**2)
    inside = stol <= table.stol_max
    panel.plot(stol[inside], f[inside], dash, color=colour, label=f"{label}, {table.name}")
    panel.plot(stol[~inside], f[~inside], ":", color=colour, alpha=0.5)


def _around_an_edge(symbols: Sequence[str], zoom: str | None) -> tuple[float, float]:
    if zoom is not None:
        edges = absorption_edges(symbols[0])
        if zoom not in edges:
            raise ParameterError(
                f"{symbols[0]} has no edge {zoom}, expected one of {', '.join(edges) or 'none'}"
            )
        return (1.0 - ZOOM) * edges[zoom], (1.0 + ZOOM) * edges[zoom]
    found = main_edge(symbols[0])
    if found is None:
        raise ParameterError(f"{symbols[0]} has no edge from 3 to 50 keV: give a range of energies")
    return 0.9 * found[1], 1.15 * found[1]


def _mark_energies(figure: Any, energies: Sequence[float]) -> None:
    for axes in figure.axes:
        for energy in energies:
            axes.axvline(energy / 1000.0, color="0.2", lw=0.9, ls=(0, (4, 2)), zorder=1)
    for energy in energies:
        figure.axes[-1].annotate(
            f"{energy:.6g} eV",
            (energy / 1000.0, 0.0),
            xycoords=("data", "axes fraction"),
            xytext=(2, 3),
            textcoords="offset points",
            rotation=90,
            fontsize=7,
        )


def _curves(
    symbol: str, low: float, high: float
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Energies, f' and f'' from each source that has the element; denser at the edges.

    The edge itself, where f' is infinite, is left out.
    """
    edges = np.array(list(absorption_edges(symbol).values()))
    near = (edges[:, None] * (1.0 + np.linspace(-3e-3, 3e-3, 120))).ravel()
    energies = np.unique(np.concatenate([np.linspace(low, high, N_POINTS), near]))
    energies = energies[(energies >= low) & (energies <= high)]
    curves, problems = {}, []
    for source in ("cromer-liberman", "chantler"):
        try:
            f1, f2 = anomalous(symbol, energy=energies, anomalous=source)
        except (ElementError, EnergyError) as error:
            problems.append(error)
            continue
        curves[source] = (energies, np.asarray(f1), np.asarray(f2))
    if not curves:
        raise problems[0]
    return curves


def _mark_edges(top: Any, bottom: Any, symbol: str, colour: str, low: float, high: float) -> None:
    for name, energy in absorption_edges(symbol).items():
        if low < energy < high:
            for axes in (top, bottom):
                axes.axvline(energy / 1000.0, color=colour, lw=0.6, alpha=0.6, zorder=0)
            top.annotate(
                f"{symbol} {name}",
                (energy / 1000.0, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(2, -2),
                textcoords="offset points",
                ha="left",
                va="top",
                rotation=90,
                fontsize=7,
                color=colour,
            )


def _add_wavelengths(axes: Any) -> None:
    from friedel.constants import HC

    def convert(x: np.ndarray) -> np.ndarray:
        # matplotlib evaluates this at 0 and below, too
        return HC / 1000.0 / np.maximum(x, 1e-9)

    upper = axes.secondary_xaxis("top", functions=(convert, convert))
    upper.set_xlabel(r"wavelength ($\rm\AA$)")
