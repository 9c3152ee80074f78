"""What the source of a model states, before anything is decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from friedel.model.tls import TlsGroup
from friedel.notes import Note

Cell = tuple[float, float, float, float, float, float]
"""a, b, c (Å), alpha, beta, gamma (degrees)."""


@dataclass(frozen=True)
class StatedSymmetry:
    """The symmetry as a source states it; empty or None for what it does not state.

    Attributes
    ----------
    operations
        Triplets such as ``"-x,y+1/2,-z"``.
    hall, symbol
        Hall and Hermann-Mauguin symbols.
    number
        Number in International Tables.
    setting
        The coordinate-system code, such as ``"2"`` or ``"h"``.
    """

    operations: tuple[str, ...] = ()
    hall: str = ""
    symbol: str = ""
    number: int | None = None
    setting: str = ""

    def __bool__(self) -> bool:
        return bool(self.operations or self.hall or self.symbol or self.number)


@dataclass(frozen=True, eq=False)
class StatedTls:
    """The TLS groups of a source, and what it says of the B and U of its atoms.

    Attributes
    ----------
    groups
        The groups whose selections are understood, in the frame of the coordinates.
    atoms
        For each of them (n,) bool: its atoms.
    unclear
        Names of the groups whose selections are not understood.
    content
        ``"residual"`` if B and U are said to be those left after TLS, ``"sum"`` if they are said
        to include it, or None.
    words
        The words that say so.
    """

    groups: tuple[TlsGroup, ...] = ()
    atoms: tuple[np.ndarray, ...] = ()
    unclear: tuple[str, ...] = ()
    content: str | None = None
    words: str = ""


@dataclass(frozen=True, eq=False)
class StatedModel:
    """The atoms, cell and symmetry as a source states them.

    Attributes
    ----------
    name
        Name of the file or structure.
    cell
        The cell, or None.
    symmetry
        The symmetry.
    labels
        (n,) names of the atoms.
    types
        The type symbols that occur, as text; one may be ``""``.
    kind
        (n,) index of each atom's type symbol in `types`.
    coordinates
        (n, 3) Å if `cartesian`, or else fractional.
    occ, b_iso
        (n,) occupancies and B (Å^2), NaN where none is stated.
    u_aniso
        (n, 6) U11, U22, U33, U12, U13, U23 (Å^2), zero for isotropic atoms, or None. Cartesian in
        the frame of the coordinates if `cartesian`, or else along the reciprocal axes as in a CIF.
    cartesian
        Whether the coordinates are Cartesian.
    scale
        (3, 4) the transformation to fractional coordinates that the source states (SCALE), or None.
    ncs
        (m, 3, 4) Cartesian operators of strict NCS whose copies are not among the atoms.
    chemical_occupancies
        Whether an atom on a special position has the occupancy of a general one.
    site_orders
        (n,) order of each site's symmetry, 0 where none is stated, or None.
    disorder_groups
        (n,) the disorder group of each atom (SHELX's PART) as text, or None.
    formula
        Number of atoms of each element in a formula unit; empty if none is stated.
    formula_units
        Number of formula units in the cell, Z, or None.
    density
        Density calculated from the content of the cell, g/cm^3, or None.
    atom_types
        The symbols of the file's table of atom types.
    source
        The radiation of the experiment, as friedel calls it, or None.
    tls
        TLS groups, or None if there are none and nothing is said of them.
    notes
        What the reader left out or chose.
    """

    name: str
    cell: Cell | None
    symmetry: StatedSymmetry
    labels: np.ndarray
    types: tuple[str, ...]
    kind: np.ndarray
    coordinates: np.ndarray
    occ: np.ndarray
    b_iso: np.ndarray
    u_aniso: np.ndarray | None = None
    cartesian: bool = False
    scale: np.ndarray | None = None
    ncs: np.ndarray = field(default_factory=lambda: np.empty((0, 3, 4)))
    chemical_occupancies: bool = False
    site_orders: np.ndarray | None = None
    disorder_groups: np.ndarray | None = None
    formula: Mapping[str, float] = field(default_factory=dict)
    formula_units: float | None = None
    density: float | None = None
    atom_types: tuple[str, ...] = ()
    source: str | None = None
    tls: StatedTls | None = None
    notes: tuple[Note, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


def some_of(names: list[str], most: int = 5) -> str:
    """The number of names, and the first of them: ``"7: C1, C2, C3, C4, C5, ..."``."""
    return f"{len(names)}: {', '.join(names[:most])}{', ...' if len(names) > most else ''}"
