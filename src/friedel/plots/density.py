"""Figures of calculations from a model: sections of its density, error against time."""

import time
from os import PathLike
from typing import Any

import numpy as np

from friedel.constants import DENSITY_UNITS
from friedel.density.grid import Grid
from friedel.errors import AccuracyError, ParameterError
from friedel.plots.style import (
    BLUE,
    GREEN,
    ORANGE,
    check_figure,
    new_figure,
    save,
    stacked_size,
)
from friedel.readers.maps import read_map
from friedel.readers.models import as_model
from friedel.reflections.agreement import worst_shell_error
from friedel.reflections.reflections import Reflections
from friedel.structure_factors.calculator import Calculator

AXES = ("a", "b", "c")
RTOLS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
N_EXACT = 1500
"""Number of reflections at which the error is measured: enough for a few per cent in each shell."""
N_CALLS = 7


def plot_section(
    grid: Grid | str | PathLike[str],
    path: str | PathLike[str] | None = None,
    *,
    axis: str = "c",
    position: float = 0.0,
    unit: str = DENSITY_UNITS["xray"],
    overwrite: bool = False,
) -> Any:
    """A section of a density across one axis of the cell, in its true shape.

    Parameters
    ----------
    grid
        Density over the whole cell, or the path of a map.
    path
        File to write; its ending (``.png``, ``.pdf``, ``.svg``) tells the format.
    axis
        ``"a"``, ``"b"`` or ``"c"``: the axis that the section cuts.
    position
        Position along the axis, as a fraction of it; the nearest plane of the grid is drawn.
    unit
        Unit of the density.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ParameterError
        For another axis, or a position that is not a number.
    CellError
        When the grid has no unit cell.
    MissingDependencyError
        When matplotlib is not installed.
    OutputError
        When the file exists and `overwrite` is false, or cannot be written.
    """
    if axis not in AXES:
        raise ParameterError(f"got axis {axis!r}, expected one of a, b, c")
    if not np.isfinite(position):
        raise ParameterError(f"got position {position!r}, expected a fraction of the axis")
    grid = read_map(grid) if isinstance(grid, str | PathLike) else grid
    cut = AXES.index(axis)
    first, second = (i for i in range(3) if i != cut)
    n = grid.shape[cut]
    plane = round(position * n) % n
    values = np.take(grid.array, plane, axis=cut)
    crystal = grid.crystal
    lengths, angle = crystal.cell[:3], np.radians(crystal.cell[3 + cut])
    u, v = (np.arange(grid.shape[i] + 1) / grid.shape[i] * lengths[i] for i in (first, second))
    x = u[:, None] + v[None, :] * np.cos(angle)
    y = np.broadcast_to(v * np.sin(angle), x.shape)
    with new_figure(stacked_size(1)) as figure:
        panel = figure.subplots()
        picture = panel.pcolormesh(x, y, values, cmap="Greys", rasterized=True)
        panel.set_aspect("equal")
        panel.set_xlabel(rf"along {AXES[first]} ($\rm\AA$)")
        panel.set_ylabel(rf"towards {AXES[second]} ($\rm\AA$)")
        panel.set_title(f"{axis} = {plane / n:.3f}", loc="left")
        shown = unit.replace("A^3", "Å³").replace("A", "Å")
        figure.colorbar(picture, ax=panel, label=f"density ({shown})", shrink=0.8)
        if path is not None:
            save(figure, path, overwrite)
    return figure


def plot_cost(
    model: Any,
    path: str | PathLike[str] | None = None,
    *,
    d_min: float,
    source: str = "xray",
    threads: int | None = None,
    overwrite: bool = False,
) -> Any:
    """Error against time of one call: requested and achieved error by FFT, and direct summation.

    This takes some seconds: errors and times are measured, not estimated.

    Parameters
    ----------
    model, d_min, source, threads
        As for :func:`friedel.fcalc`.
    path
        File to write; its ending (``.png``, ``.pdf``, ``.svg``) tells the format.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    FriedelError
        When the input cannot be used; see :func:`friedel.fcalc`.
    MissingDependencyError
        When matplotlib is not installed.
    OutputError
        When the file exists and `overwrite` is false, or cannot be written.
    """
    if path is not None:
        check_figure(path, overwrite=overwrite)
    read = as_model(model)
    hkl = read.crystal.unique_reflections(d_min)
    chosen = np.random.default_rng(0).choice(len(hkl), min(N_EXACT, len(hkl)), replace=False)
    chosen = np.union1d(chosen, [np.argmax(read.crystal.stol2(hkl))])
    common: dict[str, Any] = {"source": source, "threads": threads}
    exact = Calculator.from_model(read, hkl=hkl[chosen], method="direct", **common).forward()
    asked, achieved, seconds = [], [], []
    for rtol in RTOLS:
        try:
            calculator = Calculator.from_model(read, hkl=hkl, method="fft", rtol=rtol, **common)
        except AccuracyError:
            break
        f, elapsed = _timed(calculator)
        found = Reflections(read.crystal, hkl[chosen], f[chosen])
        asked.append(rtol)
        achieved.append(worst_shell_error(found, exact))
        seconds.append(elapsed)
    _, direct_seconds = _timed(Calculator.from_model(read, hkl=hkl, method="direct", **common))
    with new_figure(stacked_size(1)) as figure:
        panel = figure.subplots()
        milliseconds = 1e3 * np.array(seconds)
        panel.loglog(milliseconds, asked, "o--", color=BLUE, mfc="none", label="asked for")
        panel.loglog(milliseconds, achieved, "o-", color=ORANGE, label="achieved, FFT")
        panel.axvline(1e3 * direct_seconds, color=GREEN, label="direct summation, exact")
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter("{x:g}")
        panel.set_xlabel("time of one call (ms)")
        panel.set_ylabel("relative error, worst shell")
        panel.set_title(f"{read.name}, {len(hkl)} reflections to {d_min:g} Å", loc="left")
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(loc="best")
        if path is not None:
            save(figure, path, overwrite)
    return figure


def _timed(calculator: Calculator) -> tuple[np.ndarray, float]:
    """F, and the shortest wall time (s) of several calls after a first one, which may compile."""
    f, times = calculator.forward(), []
    for _ in range(N_CALLS):
        start = time.perf_counter()
        calculator.forward()
        times.append(time.perf_counter() - start)
    return f, min(times)
