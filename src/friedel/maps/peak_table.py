"""Peaks of a map as a table."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from friedel.maps.table import Table
from friedel.model.arrays import frozen
from friedel.model.crystal import Crystal


@dataclass(frozen=True, eq=False, repr=False)
class Peaks(Table):
    """Peaks of a map, the highest first, or its holes, the deepest first.

    Attributes
    ----------
    crystal
        Cell and symmetry.
    frac
        (n, 3) fractional coordinates.
    height
        (n,) values of the map at the peaks, in its units: e/Å^3.
    sigma
        (n,) heights above the mean of the map in its standard deviations; negative for holes.
    atom
        (n,) index of the nearest atom, or None when no atoms were given.
    label
        (n,) labels of the nearest atoms, or of their types: ``"A/12 ASN/CB"``, ``"O"``,
        ``"Fe2+"``; or None.
    distance
        (n,) distances from the nearest atom, Å; or None.
    mean, deviation
        Mean and standard deviation of the map over the unit cell.
    """

    STYLES: ClassVar[dict[str, str]] = {
        **dict.fromkeys("xyz", "8.2f"),
        **dict.fromkeys("uvw", "7.4f"),
        "height": ".3f",
        "sigma": ".2f",
        "distance": ".2f",
    }

    crystal: Crystal
    frac: np.ndarray
    height: np.ndarray
    sigma: np.ndarray
    atom: np.ndarray | None
    label: np.ndarray | None
    distance: np.ndarray | None
    mean: float
    deviation: float

    def __post_init__(self) -> None:
        for name in ("frac", "height", "sigma", "atom", "label", "distance"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, frozen(np.array(value)))

    def __len__(self) -> int:
        return len(self.frac)

    def __repr__(self) -> str:
        extent = f", {self.sigma[0]:.1f} to {self.sigma[-1]:.1f} sigma" if len(self) else ""
        return f"<friedel.Peaks {len(self)}{extent}>"

    @property
    def xyz(self) -> np.ndarray:
        """(n, 3) Cartesian coordinates, Å."""
        return self.frac @ self.crystal.orthogonalization.T

    def columns(self) -> dict[str, np.ndarray]:
        """Columns by name: x, y, z (Å), u, v, w (fractional), height, sigma, and nearest atoms."""
        columns = {
            **dict(zip("xyz", self.xyz.T, strict=True)),
            **dict(zip("uvw", self.frac.T, strict=True)),
            "height": self.height,
            "sigma": self.sigma,
        }
        of_atoms = {"atom": self.atom, "label": self.label, "distance": self.distance}
        return columns | {name: x for name, x in of_atoms.items() if x is not None}
