"""Expected intensity of the content of a cell, for the absolute scale of measured intensities."""

from collections.abc import Mapping

import numpy as np

from friedel.model.crystal import Crystal
from friedel.model.model import Model
from friedel.scattering.formfactors import form_factor_table

RESIDUE = {"C": 5.0, "H": 8.0, "N": 1.35, "O": 1.5, "S": 0.04}
"""Atoms of an average residue of a protein."""
RESIDUE_MASS = 112.3
"""Mass of that residue, Da."""
VOLUME_PER_MASS = 2.4
"""Volume of the cell per mass of protein assumed, Å^3/Da, a usual value [Matthews1968]."""

ASSUMED = f"protein in the cell at {VOLUME_PER_MASS:g} A^3/Da is assumed"
"""Text of a note."""


def protein_in(crystal: Crystal) -> dict[str, float]:
    """Numbers of atoms in the cell by element, for a protein of usual packing."""
    n_residues = crystal.volume / (VOLUME_PER_MASS * RESIDUE_MASS)
    return {symbol: n * n_residues for symbol, n in RESIDUE.items()}


def content_of(model: Model) -> dict[str, float]:
    """Numbers of atoms in the cell by element, of a model and its symmetry copies."""
    atoms = model.atoms
    counts = np.bincount(atoms.kind, atoms.occ, len(atoms.scatterers))
    content: dict[str, float] = {}
    for label, n in zip(atoms.symbols, counts.tolist(), strict=True):
        content[label] = content.get(label, 0.0) + n * model.crystal.n_operations
    return content


def expected_intensity(content: Mapping[str, float], stol2: np.ndarray) -> np.ndarray:
    """(n,) sum of f^2 over the atoms of the cell, electrons^2, of X-rays; unknown atoms left out.

    Parameters
    ----------
    content
        Number of atoms by element.
    stol2
        (n,) (sin theta / lambda)^2, 1/Å^2.
    """
    table = form_factor_table("it92")
    total = np.zeros(len(stol2))
    for symbol, n in content.items():
        form_factor = table.get("H" if symbol == "D" else symbol)
        if form_factor is not None:
            total += n * form_factor.f(stol2) ** 2
    return total
