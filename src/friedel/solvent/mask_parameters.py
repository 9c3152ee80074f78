"""Parameters of the flat bulk-solvent mask: atomic radii, probe and shrinkage."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from friedel.data import table
from friedel.errors import ParameterError
from friedel.model.atoms import Atoms

DEFAULTS = {
    "vdw": (1.0, 1.1, 0.0),
    "cctbx": (1.1, 0.9, 0.0),
    "refmac": (1.0, 0.8, 50.0),
    "constant": (0.0, 0.0, 0.0),
}
"""Defaults of r_probe (Å), r_shrink (Å) and island_min_volume (Å^3) for each set of radii."""

RADII_SETS = tuple(name for name in DEFAULTS if name != "constant")
"""Names of the columns of the table of radii."""

MAX_LENGTH = 100.0
"""Largest radius or distance (Å); values above it are rejected."""


@dataclass(frozen=True)
class MaskParameters:
    """Parameters of the boundary between model and solvent.

    Parameters
    ----------
    radii
        Name of a set of atomic radii (``"vdw"``, ``"cctbx"`` [GrosseKunstleve2002] or
        ``"refmac"`` [Murshudov2011]), or one radius in Å for all atoms.
    r_probe
        Probe radius, added to the atomic radii, Å.
    r_shrink
        Distance by which the solvent is extended towards the atoms, Å.
    island_min_volume
        Pockets of solvent of at most this volume (Å^3), before the solvent is extended by
        r_shrink, count as model.
    ignore_hydrogen, ignore_zero_occupancy
        Whether H and D, and atoms of zero occupancy, exclude no solvent.

    Raises
    ------
    ParameterError
        For an unknown set of radii, for lengths that are negative or above 100 Å, and for a
        volume that is negative or not finite.
    """

    radii: str | float = "vdw"
    r_probe: float = DEFAULTS["vdw"][0]
    r_shrink: float = DEFAULTS["vdw"][1]
    island_min_volume: float = DEFAULTS["vdw"][2]
    ignore_hydrogen: bool = True
    ignore_zero_occupancy: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.radii, str):
            if self.radii not in RADII_SETS:
                raise _unknown_radii(self.radii, f"{_listed(RADII_SETS)} or a radius in A")
        else:
            object.__setattr__(self, "radii", _checked("constant radius", self.radii, MAX_LENGTH))
        limits = {"r_probe": MAX_LENGTH, "r_shrink": MAX_LENGTH, "island_min_volume": 1e12}
        for name, limit in limits.items():
            object.__setattr__(self, name, _checked(name, getattr(self, name), limit))

    @classmethod
    def for_radii(
        cls,
        name: str,
        r_probe: float | None = None,
        r_shrink: float | None = None,
        island_min_volume: float | None = None,
        constant_r: float = 0.0,
    ) -> "MaskParameters":
        """The default parameters of a set of radii, some of them replaced.

        Parameters
        ----------
        name
            ``"vdw"``, ``"cctbx"``, ``"refmac"``, or ``"constant"`` for `constant_r` (Å).

        Raises
        ------
        ParameterError
            As for the class.
        """
        if name not in DEFAULTS:
            raise _unknown_radii(name, _listed(DEFAULTS))
        probe, shrink, volume = DEFAULTS[name]
        return cls(
            constant_r if name == "constant" else name,
            probe if r_probe is None else r_probe,
            shrink if r_shrink is None else r_shrink,
            volume if island_min_volume is None else island_min_volume,
        )

    def radius(self, atoms: Atoms) -> np.ndarray:
        """(n,) radius (Å), with the probe, of the region from which each atom excludes solvent."""
        if not isinstance(self.radii, str):
            return np.full(len(atoms), self.radii + self.r_probe)
        by_symbol = {row["symbol"]: float(row[self.radii]) for row in table("solvent_radii")}
        return np.array([by_symbol[s] for s in atoms.symbols] or [0.0])[atoms.kind] + self.r_probe

    def counts(self, atoms: Atoms) -> np.ndarray:
        """(n,) bool: the atoms that exclude solvent."""
        counted = np.ones(len(atoms), bool)
        if self.ignore_hydrogen:
            counted &= ~atoms.is_hydrogen
        if self.ignore_zero_occupancy:
            counted &= atoms.occ > 0
        return counted


def _checked(name: str, value: float, limit: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0.0 <= number <= limit:
        raise ParameterError(f"got {name} = {value!r}, expected a number from 0 to {limit:g}")
    return number


def _unknown_radii(name: object, expected: str) -> ParameterError:
    return ParameterError(f"unknown radii {name!r}: expected {expected}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
