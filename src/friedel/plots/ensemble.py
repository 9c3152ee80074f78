"""Figures of the scattering of an ensemble: profile, sections of the pattern, against data."""

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np

from friedel.ensemble.comparison import LatticeComparison
from friedel.ensemble.result import PROFILE_SHELLS, EnsembleResult
from friedel.ensemble.supercell import profile
from friedel.errors import ParameterError
from friedel.model.crystal import Crystal
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

AXES = ("h", "k", "l")
DARKEST = 99.8
"""Percentile of the intensities that is drawn darkest."""
PALEST = 2.0
"""Percentile of the intensities that is drawn palest."""
STRONGEST = 99.0
"""Percentile of the anisotropic parts that is drawn in full colour."""


@dataclass(frozen=True, eq=False)
class _Pattern:
    """What sections show.

    `crystal` completes it by its rotations; `colours` are arguments of ``pcolormesh``.
    """

    title: str
    crystal: Crystal
    cells: tuple[int, int, int]
    fractions: np.ndarray
    values: np.ndarray
    label: str
    colours: dict[str, Any]


def plot_ensemble(
    result: EnsembleResult,
    path: str | PathLike[str] | None = None,
    *,
    comparison: LatticeComparison | None = None,
    overwrite: bool = False,
) -> Any:
    """Mean intensities by resolution, and two sections of the diffuse pattern.

    The sections are at l = 0 and halfway to the next Bragg positions, in their true shape, with
    darker grey for higher intensities on a logarithmic scale. If the box has one cell along c they
    are across another axis. With a comparison there are also the correlation with the data by
    resolution, and the sections show the anisotropic parts of both on one scale.

    Parameters
    ----------
    result
        The result of :func:`friedel.ensemble.run`.
    path
        File to write; its ending (``.png``, ``.pdf``, ``.svg``) tells the format.
    comparison
        What :meth:`friedel.ensemble.EnsembleResult.compare` returned.

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
    axis, positions = section_positions(result.lattice.cells)
    patterns = [_own_pattern(result)] if comparison is None else _two_patterns(comparison)
    above = 1 if comparison is None else 2
    heights = [2.3] * above + [3.2] * len(patterns)
    with new_figure((7.0, sum(heights))) as figure:
        grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
        _draw_profile(figure.add_subplot(grid[0, :]), result)
        if comparison is not None:
            _draw_correlation(figure.add_subplot(grid[1, :]), comparison)
        for row, pattern in enumerate(patterns, above):
            panels = [figure.add_subplot(grid[row, column]) for column in range(2)]
            drawn = [
                _draw_section(panel, pattern, axis, position)
                for panel, position in zip(panels, positions, strict=True)
            ]
            if some := [picture for picture in drawn if picture is not None]:
                figure.colorbar(some[0], ax=panels, label=pattern.label, shrink=0.9)
        if path is not None:
            save(figure, path, overwrite)
    return figure


def _own_pattern(result: EnsembleResult) -> _Pattern:
    """Diffuse intensities, as they are, in grey on a logarithmic scale."""
    from matplotlib.colors import LogNorm

    positive = result.diffuse[result.diffuse > 0]
    low, high = np.percentile(positive, [PALEST, DARKEST]) if len(positive) else (0.1, 1.0)
    colours = {"cmap": "Greys", "norm": LogNorm(low, max(high, 1.001 * low))}
    # without symmetry: the intensities may differ from those of their equivalents
    crystal = Crystal(result.crystal.cell)
    cells, at = result.lattice.cells, result.fractions
    return _Pattern("", crystal, cells, at, result.diffuse, "diffuse intensity", colours)


def _two_patterns(comparison: LatticeComparison) -> list[_Pattern]:
    """The anisotropic parts, calculated and measured, from blue to red on one scale."""
    from matplotlib.colors import Normalize

    measured = comparison.measured_anisotropic
    top = float(np.percentile(np.abs(measured), STRONGEST)) or 1.0
    colours = {"cmap": "RdBu_r", "norm": Normalize(-top, top)}
    return [
        _Pattern(
            title,
            comparison.crystal,
            comparison.cells,
            comparison.fractions,
            values,
            "anisotropic part",
            colours,
        )
        for title, values in (
            ("calculated", comparison.scale * comparison.calculated_anisotropic),
            (comparison.name.replace("$", ""), measured),
        )
    ]


def section_positions(cells: tuple[int, int, int]) -> tuple[int, tuple[float, float]]:
    """Number of the axis that sections cut, and two positions: 0 and one between Bragg positions.

    The axis is c, or the one with most cells if there is one cell along c.
    """
    axis = 2 if cells[2] > 1 else int(np.argmax(cells))
    n = cells[axis]
    return axis, (0.0, 1.0 if n == 1 else (n // 2) / n)


def section(
    crystal: Crystal,
    cells: tuple[int, int, int],
    fractions: np.ndarray,
    values: np.ndarray,
    axis: int,
    position: float,
) -> tuple[np.ndarray, np.ndarray]:
    """A section of a pattern, and the limits of its indices.

    Parameters
    ----------
    crystal
        The crystal cell, by whose rotations, and Friedel's law, the pattern is completed.
    cells
        Numbers of steps of the lattice from one Bragg position to the next.
    fractions, values
        (n, 3) indices in the crystal, and (n,) values.
    axis, position
        Number of the axis that is cut, and the index along it.

    Returns
    -------
    values
        (2 p + 1, 2 q + 1) values, NaN where there is none.
    limits
        (2,) p and q.

    Raises
    ------
    ParameterError
        When the section has no values.
    """
    first, second = (i for i in range(3) if i != axis)
    found, of = [], []
    for rotation in crystal.primitive_operations[0]:
        for sign in (1, -1):
            steps = sign * (fractions @ rotation) * np.array(cells)
            inside = np.abs(steps - np.rint(steps)).max(axis=1, initial=0.0) < 1e-6
            inside &= np.abs(steps[:, axis] - position * cells[axis]) < 1e-6
            found.append(np.rint(steps[inside][:, [first, second]]).astype(int))
            of.append(values[inside])
    indices = np.concatenate(found)
    if not len(indices):
        raise ParameterError(f"no values at {AXES[axis]} = {position:g}")
    limits = np.abs(indices).max(axis=0)
    picture = np.full(2 * limits + 1, np.nan)
    picture[tuple((indices + limits).T)] = np.concatenate(of)
    return picture, limits


def _draw_section(panel: Any, pattern: _Pattern, axis: int, position: float) -> Any:
    """Draw a section and return its coloured mesh, or None if the pattern has no values there."""
    first, second = (i for i in range(3) if i != axis)
    title = f"{AXES[axis]} = {position:g}" + f", {pattern.title}" * bool(pattern.title)
    panel.set_title(title, loc="left")
    panel.set_aspect("equal")
    panel.spines["right"].set_visible(False)
    try:
        picture, limits = section(
            pattern.crystal, pattern.cells, pattern.fractions, pattern.values, axis, position
        )
    except ParameterError:
        panel.text(0.5, 0.5, "no values", ha="center", transform=panel.transAxes)
        return None
    metric = pattern.crystal.reciprocal_metric[np.ix_([first, second], [first, second])]
    lengths = np.sqrt(np.diag(metric))
    cosine = metric[0, 1] / lengths.prod()
    u, v = (
        (np.arange(-n, n + 2) - 0.5) / pattern.cells[i] * length
        for n, i, length in zip(limits, (first, second), lengths, strict=True)
    )
    x = u[:, None] + v[None, :] * cosine
    y = np.broadcast_to(v * np.sqrt(1.0 - cosine**2), x.shape)
    panel.set_xlabel(rf"along {AXES[first]} (1/$\rm\AA$)")
    panel.set_ylabel(rf"towards {AXES[second]} (1/$\rm\AA$)")
    return panel.pcolormesh(x, y, picture, rasterized=True, **pattern.colours)


def _draw_profile(panel: Any, result: EnsembleResult) -> None:
    box, hkl = result.lattice.box, result.hkl
    curves = [
        ("diffuse", "o-", BLUE, result.diffuse),
        (r"$|\langle F\rangle|^2$", "s--", ORANGE, np.abs(result.mean) ** 2),
    ]
    if len(result.parts) > 1:
        styles = ("^:", "v:", "D:", "x:", "+:")
        curves += [
            (
                "diffuse, " + name.replace("$", ""),
                styles[i % len(styles)],
                PURPLE,
                result.part(name)[1],
            )
            for i, name in enumerate(result.parts)
        ]
    for label, style, colour, values in curves:
        found = profile(box, hkl, values, PROFILE_SHELLS)
        panel.semilogy(found.d**-2, found.intensity, style, color=colour, label=label, ms=3)
    panel.set_ylabel("mean intensity of the box")
    panel.spines["right"].set_visible(False)
    legend_above(panel)
    d = box.d_spacing(hkl)
    label_resolution(panel, float(d[np.isfinite(d)].max()), float(d.min()))


def _draw_correlation(panel: Any, comparison: LatticeComparison) -> None:
    panel.plot(comparison.d**-2, comparison.correlation, "o-", color=GREEN)
    panel.axhline(0.0, color="0.4", lw=0.8)
    panel.set_ylim(min(-0.05, float(np.nanmin(comparison.correlation, initial=0.0)) - 0.05), 1.05)
    panel.set_ylabel("CC of anisotropic parts")
    panel.spines["right"].set_visible(False)
    panel.set_title(f"all positions: CC {comparison.overall:.3f}", loc="left")
    d = comparison.crystal.d_spacing(comparison.fractions)
    label_resolution(panel, float(d.max()), float(d.min()))
