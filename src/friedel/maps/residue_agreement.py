"""Agreement of two maps near each residue: correlation (RSCC) and R-factor (RSR)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from friedel.density.grid import Grid
from friedel.density.map_box import MapBox
from friedel.errors import ParameterError
from friedel.maps.near_atoms import NearAtoms
from friedel.maps.table import Table
from friedel.model.arrays import frozen
from friedel.model.atom_names import Residue
from friedel.model.atoms import Atoms


@dataclass(frozen=True, eq=False, repr=False)
class ResidueAgreement(Table):
    """Agreement of an observed with a calculated map near each residue, or chain.

    Attributes
    ----------
    chain, number, name
        (n,) names of chains, numbers (with insertion codes) and names of residues.
    n_atoms
        (n,) numbers of atoms.
    occupancy, b
        (n,) mean occupancies, and mean B (of anisotropic atoms the equivalent one), Å^2.
    cc
        (n,) correlation of the maps (RSCC) at the points near the atoms; NaN without points.
    rsr
        (n,) sum abs(observed - k calculated) / sum abs(observed + k calculated) at these points,
        with one scale k for all.
    radius
        Distance from an atom within which points are near, Å.
    """

    STYLES: ClassVar[dict[str, str]] = {
        "occupancy": ".2f", "b": ".1f", "cc": ".3f", "rsr": ".3f",
    }  # fmt: skip

    chain: np.ndarray
    number: np.ndarray
    name: np.ndarray
    n_atoms: np.ndarray
    occupancy: np.ndarray
    b: np.ndarray
    cc: np.ndarray
    rsr: np.ndarray
    radius: float

    def __post_init__(self) -> None:
        for name in self.columns():
            object.__setattr__(self, name, frozen(np.array(getattr(self, name))))

    def __len__(self) -> int:
        return len(self.cc)

    def __repr__(self) -> str:
        mean = f", mean CC {np.nanmean(self.cc):.3f}" if np.isfinite(self.cc).any() else ""
        return f"<friedel.ResidueAgreement {len(self)}{mean}>"

    def columns(self) -> dict[str, np.ndarray]:
        """Columns by name: chain, number, name, n_atoms, occupancy, b, cc, rsr."""
        names = ("chain", "number", "name", "n_atoms", "occupancy", "b", "cc", "rsr")
        return {name: getattr(self, name) for name in names}

    def worst(self, n: int) -> "ResidueAgreement":
        """The `n` of lowest correlation, the lowest first."""
        order = np.argsort(self.cc, kind="stable")[:n]
        columns: dict[str, Any] = {name: x[order] for name, x in self.columns().items()}
        return replace(self, **columns)


def residue_agreement(
    observed: Grid | MapBox,
    calculated: Grid | MapBox,
    xyz: np.ndarray,
    atoms: Atoms,
    residues: Sequence[Residue],
    radius: float,
) -> ResidueAgreement:
    """Agreement of two maps on one grid near each residue.

    Parameters
    ----------
    observed, calculated
        Maps on the same grid.
    xyz
        (n, 3) positions of the atoms, Å.
    atoms
        Their occupancies and B.
    residues
        Residues or chains.
    radius
        Points within this distance of an atom are compared, Å.

    Raises
    ------
    ParameterError
        When the grids differ, or the radius is not positive.
    """
    if observed.shape != calculated.shape:
        raise ParameterError(f"got maps of {observed.shape} and {calculated.shape} points")
    near = NearAtoms(observed, radius)
    first, second = (
        np.asarray(density.array, float).reshape(-1) for density in (observed, calculated)
    )
    points = [near.indices(xyz[residue.atoms]) for residue in residues]
    everywhere = np.unique(np.concatenate(points)) if points else np.zeros(0, np.int64)
    power = (second[everywhere] ** 2).sum()
    k = (first[everywhere] * second[everywhere]).sum() / power if power > 0 else 1.0
    b = atoms.b_eigenvalues.mean(axis=1)
    return ResidueAgreement(
        chain=np.array([x.chain for x in residues], str),
        number=np.array([x.number for x in residues], str),
        name=np.array([x.name for x in residues], str),
        n_atoms=np.array([len(x.atoms) for x in residues], int),
        occupancy=np.array([atoms.occ[x.atoms].mean() for x in residues]),
        b=np.array([b[x.atoms].mean() for x in residues]),
        cc=np.array([correlation(first[some], second[some]) for some in points]),
        rsr=np.array([_rsr(first[some], k * second[some]) for some in points]),
        radius=radius,
    )


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's coefficient; NaN for less than two values, or equal ones."""
    if len(first) < 2:
        return float("nan")
    x, y = first - first.mean(), second - second.mean()
    norm = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / norm) if norm > 0 else float("nan")


def _rsr(first: np.ndarray, second: np.ndarray) -> float:
    total = np.abs(first + second).sum()
    return float(np.abs(first - second).sum() / total) if total > 0 else float("nan")
