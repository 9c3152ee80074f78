"""Figures of maps against models: correlation by residue, FSC."""

from os import PathLike
from typing import Any

import numpy as np

from friedel.map_model.fsc import FSC
from friedel.maps.residue_agreement import ResidueAgreement
from friedel.plots.style import (
    BLUE,
    GREEN,
    ORANGE,
    label_resolution,
    legend_above,
    new_figure,
    save,
)

THRESHOLDS = (0.143, 0.5)
"""FSC at which the resolution of half maps, and that of a map and a model, is read
[Rosenthal2003]."""

FIRST_TICK = 25.0
"""Largest spacing written along the axis of an FSC, relative to that of its end."""

POOR = 0.8
"""Correlation below which residues are marked."""

MOST_LABELS = 5
"""Number of poor residues that are named in each panel."""

MOST_CHAINS = 6
"""Number of chains that have a panel; those with most residues."""

RIGHT_PART = 0.9
"""Part of a panel beyond which names stand to the left of their points."""

NAME_SIZE = 0.12, 0.05
"""Width and height of a name, in parts of a panel: names that would overlap are left out."""

FEWEST_RESIDUES = 3
"""Chains of fewer residues have no panel."""


def plot_residues(
    residues: ResidueAgreement,
    path: str | PathLike[str] | None = None,
    *,
    overwrite: bool = False,
) -> Any:
    """Correlation of two maps by residue, a panel for each chain; poor residues are named.

    Residues of one atom, such as water, are left out where there are others, and so are chains of
    less than three residues.

    Parameters
    ----------
    residues
        Of :meth:`friedel.FittedModel.residues` or :func:`friedel.map_model_correlation`.
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
    shown = residues.n_atoms > 1
    shown = shown if shown.any() else np.ones(len(residues), bool)
    names, counts = np.unique(residues.chain[shown], return_counts=True)
    large = counts >= FEWEST_RESIDUES
    names, counts = (names[large], counts[large]) if large.any() else (names, counts)
    chosen = set(names[np.argsort(-counts, kind="stable")[:MOST_CHAINS]].tolist())
    chains = [name for name in dict.fromkeys(residues.chain.tolist()) if name in chosen]
    with new_figure((7.2, 0.9 + 1.7 * len(chains))) as figure:
        panels = figure.subplots(len(chains), 1, squeeze=False)[:, 0]
        for panel, chain in zip(panels, chains, strict=True):
            _draw(panel, residues, np.flatnonzero(shown & (residues.chain == chain)))
            panel.set_ylabel(f"CC, chain {chain}" if chain else "CC")
        panels[-1].set_xlabel("residue, in the order of the model")
        if path is not None:
            save(figure, path, overwrite)
    return figure


def _draw(panel: Any, residues: ResidueAgreement, rows: np.ndarray) -> None:
    cc, x = residues.cc[rows], np.arange(len(rows))
    panel.plot(x, cc, color=BLUE, lw=1.0)
    poor = np.flatnonzero(cc < POOR)
    panel.plot(x[poor], cc[poor], "o", color=ORANGE, ms=3)
    lowest = float(np.nanmin(cc)) if np.isfinite(cc).any() else 0.0
    low = min(0.6, lowest - 0.05)
    named: list[int] = []
    for i in poor[np.argsort(cc[poor], kind="stable")]:
        beside = np.abs(x[named] - x[i]) < NAME_SIZE[0] * len(rows)
        if (
            len(named) == MOST_LABELS
            or (beside & (np.abs(cc[named] - cc[i]) < NAME_SIZE[1] * (1.0 - low))).any()
        ):
            continue
        named.append(i)
        text = f"{residues.name[rows[i]]} {residues.number[rows[i]]}"
        side = "right" if x[i] > RIGHT_PART * len(rows) else "left"
        offset = (-4 if side == "right" else 4, -3)
        panel.annotate(text, (x[i], cc[i]), offset, textcoords="offset points", fontsize=6, ha=side)
    ticks = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), 9)).astype(int))
    panel.set_xticks(ticks, residues.number[rows[ticks]].tolist())
    panel.set(xlim=(-1, len(rows)), ylim=(low, 1.0))
    panel.axhline(POOR, color="0.6", lw=0.6, ls=":")
    panel.spines["right"].set_visible(False)


def plot_fsc(fsc: FSC, path: str | PathLike[str] | None = None, *, overwrite: bool = False) -> Any:
    """Fourier shell correlation against resolution, with the thresholds 0.143 and 0.5.

    Parameters
    ----------
    fsc
        Of :func:`friedel.fourier_shell_correlation`.
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
    curves = {
        "unmasked": (fsc.unmasked, {"color": GREEN, "lw": 1.0}),
        "masked": (fsc.masked if fsc.random is not None else None, {"color": ORANGE, "lw": 1.0}),
        "masked, random phases": (fsc.random, {"color": "0.5", "ls": "--", "lw": 1.0}),
    }
    name = "FSC" if fsc.masked is None else "masked" if fsc.random is None else "corrected"
    with new_figure((6.0, 3.6)) as figure:
        axes = figure.subplots()
        for label, (values, style) in curves.items():
            if values is not None:
                axes.plot(fsc.inverse_d, values, label=label, **style)
        axes.plot(fsc.inverse_d, fsc.fsc, color=BLUE, label=name)
        for threshold in THRESHOLDS:
            axes.axhline(threshold, color="0.6", lw=0.6, ls=":")
            d = fsc.resolution(threshold)
            if np.isfinite(d) and fsc.fsc.min() < threshold:
                axes.plot(1.0 / d, threshold, "o", color=BLUE, ms=3)
                axes.annotate(
                    f"{d:.2f} Å", (1.0 / d, threshold), (4, 4), textcoords="offset points",
                    fontsize=8,
                )  # fmt: skip
        d_min = 1.0 / float(fsc.inverse_d[-1])
        label_resolution(axes, FIRST_TICK * d_min, d_min, power=1)
        axes.set_ylabel("FSC")
        axes.set_ylim(min(-0.1, float(fsc.fsc.min()) - 0.05), 1.03)
        axes.spines["right"].set_visible(False)
        legend_above(axes)
        if path is not None:
            save(figure, path, overwrite)
    return figure
