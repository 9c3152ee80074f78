"""Figures of maps against models: correlation by residue."""

from os import PathLike
from typing import Any

import numpy as np

from friedel.maps.residue_agreement import ResidueAgreement
from friedel.plots.style import BLUE, ORANGE, new_figure, save

POOR = 0.8
"""Correlation below which residues are marked."""

MOST_LABELS = 5
"""Number of poor residues that are named in each panel."""

MOST_CHAINS = 6
"""Number of chains that have a panel; those with most residues."""

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
    for i in poor[np.argsort(cc[poor], kind="stable")][:MOST_LABELS]:
        text = f"{residues.name[rows[i]]} {residues.number[rows[i]]}"
        panel.annotate(text, (x[i], cc[i]), (3, -3), textcoords="offset points", fontsize=6)
    ticks = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), 9)).astype(int))
    panel.set_xticks(ticks, residues.number[rows[ticks]].tolist())
    lowest = float(np.nanmin(cc)) if np.isfinite(cc).any() else 0.0
    panel.set(xlim=(-1, len(rows)), ylim=(min(0.6, lowest - 0.05), 1.0))
    panel.axhline(POOR, color="0.6", lw=0.6, ls=":")
    panel.spines["right"].set_visible(False)
