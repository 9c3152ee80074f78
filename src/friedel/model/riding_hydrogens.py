"""Positions of riding hydrogen atoms from the heavy atoms around carbon and nitrogen.

Most models of proteins have no hydrogens, though these hold one electron in eight. The hydrogens of
C-H and N-H groups follow from bond lengths and angles; CH3 and NH3+ are put in the staggered
conformation. No hydrogens are generated where the geometry does not determine them, on O-H and S-H,
which rotate freely, and on most amines and imines, whose protonation varies.

Which rule places a hydrogen, and from which atoms, is decided once (:func:`riding_rules`). Its
position is then a smooth function of two to four heavy atoms, whose derivatives take derivatives by
hydrogens to the heavy atoms.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from friedel.model.bonds import Bonds

ELECTRONS = {"C": 0.97, "N": 0.86}
"""X-H distances (Å) to the centre of electron density, about as in SHELXL [Sheldrick2015]."""
NUCLEI = {"C": 1.089, "N": 1.015}
"""X-H distances (Å) to the nucleus, means of neutron diffraction [Allen2010]."""
BOND_LENGTHS = {
    "xray": ELECTRONS, "neutron": NUCLEI, "electron": NUCLEI, "mott-bethe": NUCLEI
}  # fmt: skip
"""X-H distances by radiation; the electrostatic potential peaks at the nucleus."""

B_RATIO = 1.2
"""Ratio of the B of a hydrogen to that of its parent atom, as in SHELXL [Sheldrick2015]."""

TRIPLE, DOUBLE, SINGLE = -0.19, -0.05, -0.03
"""Limits of the bond length minus the sum of covalent radii (Å) [Cordero2008]: triple bonds are
below the first, double, aromatic and amide bonds below the second, single bonds above the last."""
CARBONYL = -0.09
"""Upper limit of the same difference (Å) for carbonyl C=O; furan and esters are above it."""

LEAST_BENT = 0.5
"""Smallest length of the sum of unit vectors along bonds: it is 1 for two bonds at 120 degrees or
three of a tetrahedron, 0 for collinear or coplanar ones."""
LEAST_SINE = 0.3
"""Smallest sine of the angle at the neighbouring atom that defines a reference plane."""

TETRAHEDRAL = np.arccos(-1.0 / 3.0)
STAGGERED, IN_PLANE = np.radians([60.0, 180.0, 300.0]), np.radians([0.0, 180.0])

TYPES = "dostux"
"""Types of bonds in alphabetical order; see :func:`_groups`."""
OF_STRETCH = np.array([TYPES.index(kind) for kind in "tdus"])
"""Index of the type by the place of the bond length among :data:`TRIPLE` and the following."""

SMALL = 1e-12
"""Length added in quadrature to vectors, so that those of length zero can be divided by it."""
COMPLEX_STEP = 1e-100
"""Imaginary step of derivatives: those of analytic functions are then exact but for rounding."""


def _length(xp: Any, vectors: Any) -> Any:
    return xp.sqrt((vectors * vectors).sum(-1) + SMALL**2)[..., None]


def _cross(xp: Any, a: Any, b: Any) -> Any:
    parts = ((1, 2), (2, 0), (0, 1))
    return xp.stack([a[..., i] * b[..., j] - a[..., j] * b[..., i] for i, j in parts], -1)


def _opposite_axes(xp: Any, corners: Sequence[Any]) -> tuple[Any, ...]:
    """The direction opposite to the bonds of an atom, and the normal of the first two.

    The corners are the atom and the two or three atoms bound to it.
    """
    parent, *bound = corners
    bonds = [other - parent for other in bound]
    bonds = [bond / _length(xp, bond) for bond in bonds]
    total, normal = sum(bonds[1:], bonds[0]), _cross(xp, bonds[0], bonds[1])
    return -total / _length(xp, total), normal / _length(xp, normal)


def _end_axes(xp: Any, corners: Sequence[Any]) -> tuple[Any, ...]:
    """The direction of a single bond; in the plane with a bond beyond it; and normal to both.

    The corners are the atom, the only one bound to it, and another one bound to that.
    """
    parent, bound, beyond = corners
    bond, following = bound - parent, beyond - bound
    bond, following = bond / _length(xp, bond), following / _length(xp, following)
    sideways = following - (following * bond).sum(-1)[..., None] * bond
    sideways = sideways / _length(xp, sideways)
    return bond, sideways, _cross(xp, sideways, bond)


@dataclass(frozen=True, eq=False)
class _Group:
    """Hydrogens of one kind of geometry: a parent atom plus a combination of unit vectors.

    Attributes
    ----------
    axes
        Function of the positions of the corners that returns unit vectors.
    corners
        (m, c) index of the parent atom, then of the others that determine the hydrogen.
    coefficients
        (m, k) lengths (Å) along the unit vectors.
    """

    axes: Callable[[Any, Sequence[Any]], tuple[Any, ...]]
    corners: np.ndarray
    coefficients: np.ndarray

    def place(self, xp: Any, corners: Sequence[Any], coefficients: Any) -> Any:
        """(..., m, 3) positions from those of each of the c corners."""
        found = corners[0]
        for k, axis in enumerate(self.axes(xp, corners)):
            found = found + coefficients[..., k, None] * axis
        return found

    def folded(self, xyz: np.ndarray, by_hydrogens: np.ndarray) -> np.ndarray:
        """(n, 3) derivatives by heavy atoms from (m, 3) derivatives by the hydrogens."""
        found = np.zeros_like(xyz)
        positions = [xyz[corner] for corner in self.corners.T]
        by_parent = by_hydrogens.copy()  # as a shift of all corners shifts the hydrogen
        for c in range(1, len(positions)):
            by_corner = np.empty_like(by_hydrogens)
            for k in range(3):
                moved = list(positions)
                moved[c] = positions[c].astype(complex)
                moved[c][:, k] += 1j * COMPLEX_STEP
                slope = self.place(np, moved, self.coefficients).imag / COMPLEX_STEP
                by_corner[:, k] = (by_hydrogens * slope).sum(axis=1)
            by_parent -= by_corner
            np.add.at(found, self.corners[:, c], by_corner)
        np.add.at(found, self.corners[:, 0], by_parent)
        return found


@dataclass(frozen=True, eq=False)
class RidingHydrogens:
    """Hydrogens as functions of the heavy atoms that they ride on.

    The rule that places each is kept, so that positions depend smoothly on those of the heavy
    atoms: its direction is made of unit vectors of the bonds of its parent, its distance is fixed.
    """

    groups: tuple[_Group, ...]

    def __len__(self) -> int:
        return sum(len(group.corners) for group in self.groups)

    @property
    def parents(self) -> np.ndarray:
        """(m,) index of the atom that each rides on."""
        return np.concatenate([np.zeros(0, np.int64), *(g.corners[:, 0] for g in self.groups)])

    def positions(self, xyz: np.ndarray) -> np.ndarray:
        """(m, 3) Cartesian coordinates (Å) of the hydrogens from those of heavy atoms (n, 3)."""
        return np.asarray(self.positions_by(np, xyz)) if self.groups else np.empty((0, 3))

    def positions_by(self, xp: Any, xyz: Any, as_array: Callable[[Any], Any] = np.asarray) -> Any:
        """(..., m, 3) positions from (..., n, 3) by an array library, which differentiates them.

        Parameters
        ----------
        xp
            numpy, torch or jax.numpy.
        as_array
            Converts constants and indices to its arrays.
        """
        parts = []
        for group in self.groups:
            corners = [xyz[..., as_array(np.array(corner)), :] for corner in group.corners.T]
            parts.append(group.place(xp, corners, as_array(group.coefficients)))
        return xp.concatenate(parts, -2)

    def folded(self, xyz: np.ndarray, by_hydrogens: np.ndarray) -> np.ndarray:
        """Derivatives by heavy atoms, from those by the hydrogens: the chain rule.

        The Jacobians of the positions are calculated by complex steps from the same formulas as
        the positions, and so are exact but for rounding.

        Parameters
        ----------
        xyz
            (n, 3) Cartesian coordinates of the heavy atoms, Å.
        by_hydrogens
            (m, 3) derivatives by Cartesian coordinates of the hydrogens.

        Returns
        -------
        numpy.ndarray
            (n, 3) what the hydrogens add to the derivatives by the heavy atoms.
        """
        xyz, found, begin = np.asarray(xyz, float), np.zeros(np.shape(xyz)), 0
        for group in self.groups:
            end = begin + len(group.corners)
            found += group.folded(xyz, np.asarray(by_hydrogens[begin:end], float))
            begin = end
        return found

    def renumbered(self, index: np.ndarray) -> "RidingHydrogens":
        """The hydrogens for atoms with other indices.

        Parameters
        ----------
        index
            (n,) new index of each atom; -1 for one that is left out, with all hydrogens whose
            positions depend on it.
        """
        groups = []
        for group in self.groups:
            corners = index[group.corners]
            kept = (corners >= 0).all(axis=1)
            if kept.any():
                groups.append(_Group(group.axes, corners[kept], group.coefficients[kept]))
        return RidingHydrogens(tuple(groups))

    def copied(self, n_atoms: int, copies: int) -> "RidingHydrogens":
        """The hydrogens of copies of a model, whose `n_atoms` atoms each follow one another."""
        shifts = np.arange(copies)[:, None, None] * n_atoms
        groups = (
            _Group(
                group.axes,
                (group.corners + shifts).reshape(-1, group.corners.shape[1]),
                np.tile(group.coefficients, (copies, 1)),
            )
            for group in self.groups
        )
        return RidingHydrogens(tuple(groups))


def riding_hydrogens(
    position: np.ndarray,
    elements: Sequence[str],
    radii: np.ndarray,
    neighbours: Sequence[Sequence[int]],
    lengths: Mapping[str, float],
    *,
    known_nh: Collection[int] = (),
    left_out: Collection[int] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Hydrogens of C-H and N-H groups.

    Parameters
    ----------
    position
        (n, 3) positions of the atoms other than hydrogen, Å.
    elements
        n element symbols.
    radii
        (n,) covalent radii, Å.
    neighbours
        For each atom the indices of the atoms bound to it.
    lengths
        Lengths of C-H and N-H, Å; see :data:`BOND_LENGTHS`.
    known_nh
        Indices of nitrogen atoms with two bonds that have a hydrogen, whatever their bond lengths.
    left_out
        Indices of atoms that get no hydrogens.

    Returns
    -------
    position
        (m, 3) positions of the hydrogens, Å.
    parent
        (m,) index of the parent atom of each, in ascending order.
    """
    is_known, is_left_out = (_marked(len(elements), which) for which in (known_nh, left_out))
    bonds, symbols = Bonds.from_lists(neighbours), np.asarray(elements, dtype=str)
    rules = riding_rules(position, symbols, radii, bonds, lengths, is_known, is_left_out)
    order = np.argsort(rules.parents, kind="stable")
    return rules.positions(position)[order], rules.parents[order]


def _marked(n: int, indices: Collection[int]) -> np.ndarray:
    marked = np.zeros(n, bool)
    marked[list(indices)] = True
    return marked


def riding_rules(
    position: np.ndarray,
    elements: np.ndarray,
    radii: np.ndarray,
    bonds: Bonds,
    lengths: Mapping[str, float],
    known_nh: np.ndarray,
    left_out: np.ndarray,
) -> RidingHydrogens:
    """Which hydrogens of C-H and N-H groups there are, and what determines each.

    Parameters are those of :func:`riding_hydrogens`, as arrays: `known_nh` and `left_out` are (n,)
    bool.
    """
    counts = bonds.counts
    wanted = np.isin(elements, list(lengths)) & (counts > 0) & (counts <= 3) & ~left_out
    names, group_of = _groups(position, elements, radii, bonds, known_nh, wanted)
    groups = []
    for rule, put in RULES:
        of_rule = [i for i, name in enumerate(names) if rule.fullmatch(name)]
        parents = np.flatnonzero(np.isin(group_of, of_rule))
        if len(parents):
            length = lengths[str(elements[parents[0]])]  # a rule is for one element
            groups += put(position, bonds, parents, length)
    return RidingHydrogens(tuple(group for group in groups if len(group.corners)))


def _groups(
    position: np.ndarray,
    elements: np.ndarray,
    radii: np.ndarray,
    bonds: Bonds,
    known_nh: np.ndarray,
    wanted: np.ndarray,
) -> tuple[list[str], np.ndarray]:
    """Names of groups, and (n,) which of them each of the wanted atoms is; -1 for the others.

    A name is the element, "h" for a known N-H, and the types of the bonds in alphabetical order:
    d(ouble or aromatic), s(ingle), t(riple), u(ndecided), o for carbonyl. The type x, a bond to
    anything but carbon, leaves the hydrogens of nitrogen undetermined.
    """
    i, j = bonds.first, bonds.second
    stretch = np.sqrt(((position[j] - position[i]) ** 2).sum(axis=1)) - radii[j] - radii[i]
    kinds = OF_STRETCH[np.searchsorted([TRIPLE, DOUBLE, SINGLE], stretch, side="right")]
    kinds[(elements[j] == "O") & (stretch < CARBONYL)] = TYPES.index("o")
    kinds[(elements[i] == "N") & (elements[j] != "C")] = TYPES.index("x")
    number = [np.bincount(i[kinds == kind], minlength=len(elements)) for kind in range(len(TYPES))]
    of_wanted = np.stack([*number, known_nh, elements == "N"])[:, wanted]
    # each number is at most three, so that all of them are the digits of one
    codes, group = np.unique(4 ** np.arange(len(of_wanted)) @ of_wanted, return_inverse=True)
    names = []
    for code in codes.tolist():
        *counts, known, is_nitrogen = (code >> 2 * k & 3 for k in range(len(of_wanted)))
        bound = "".join(kind * count for kind, count in zip(TYPES, counts, strict=True))
        names.append(f"{'N' if is_nitrogen else 'C'}{'h' if known else ''}{bound}")
    group_of = np.full(len(elements), -1)
    group_of[wanted] = group
    return names, group_of


def _around(position: np.ndarray, bonds: Bonds, parents: np.ndarray) -> np.ndarray:
    """(k, c) parents with the two or three atoms bound to each.

    Parents whose bonds are almost collinear or coplanar are left out.
    """
    n = int(bonds.counts[parents[0]])
    columns = [parents, *(bonds.second[bonds.start[parents] + k] for k in range(n))]
    vectors = [position[column] - position[parents] for column in columns[1:]]
    total = sum(vector / np.linalg.norm(vector, axis=1)[:, None] for vector in vectors)
    return np.stack(columns, axis=1)[np.linalg.norm(total, axis=1) > LEAST_BENT]


def _opposite(
    position: np.ndarray, bonds: Bonds, parents: np.ndarray, length: float
) -> list[_Group]:
    """One hydrogen opposite to two or three bonds."""
    return [_repeated(_opposite_axes, _around(position, bonds, parents), length, [[1.0, 0.0]])]


def _across(position: np.ndarray, bonds: Bonds, parents: np.ndarray, length: float) -> list[_Group]:
    """The hydrogens of CH2, on both sides of the plane of the bonds."""
    along, normal = np.cos(TETRAHEDRAL / 2.0), np.sin(TETRAHEDRAL / 2.0)
    both = [[along, normal], [along, -normal]]
    return [_repeated(_opposite_axes, _around(position, bonds, parents), length, both)]


def _staggered(
    position: np.ndarray, bonds: Bonds, parents: np.ndarray, length: float
) -> list[_Group]:
    """The hydrogens of CH3 and NH3+, staggered."""
    return _at_torsions(position, bonds, parents, length, TETRAHEDRAL, STAGGERED)


def _in_plane(
    position: np.ndarray, bonds: Bonds, parents: np.ndarray, length: float
) -> list[_Group]:
    """The hydrogens of NH2 next to a double bond."""
    return _at_torsions(position, bonds, parents, length, np.radians(120.0), IN_PLANE)


def _at_torsions(
    position: np.ndarray,
    bonds: Bonds,
    parents: np.ndarray,
    length: float,
    angle: float,
    torsions: np.ndarray,
) -> list[_Group]:
    """Hydrogens at an angle to a bond, and at torsion angles to a bond beyond it."""
    bound = bonds.second[bonds.start[parents]]
    # the first atom bound to that one which is not the parent
    last, first = len(bonds.second) - 1, bonds.start[bound]
    beyond = bonds.second[np.minimum(first, last)]
    is_parent = beyond == parents
    beyond = np.where(is_parent, bonds.second[np.minimum(first + 1, last)], beyond)
    exists = bonds.counts[bound] > is_parent
    bond, following = position[bound] - position[parents], position[beyond] - position[bound]
    bond, following = bond / _length(np, bond), following / _length(np, following)
    sine = np.linalg.norm(following - (following * bond).sum(axis=1)[:, None] * bond, axis=1)
    kept = exists & (sine >= LEAST_SINE)
    corners = np.stack([parents, bound, beyond], axis=1)[kept]
    each = [[np.cos(angle), np.sin(angle) * np.cos(x), np.sin(angle) * np.sin(x)] for x in torsions]
    return [_repeated(_end_axes, corners, length, each)]


def _repeated(
    axes: Callable[[Any, Sequence[Any]], tuple[Any, ...]],
    corners: np.ndarray,
    length: float,
    each: Sequence[Sequence[float]],
) -> _Group:
    """Several hydrogens for each row of corners: the rows of `each` times the bond length."""
    coefficients = np.tile(length * np.array(each), (len(corners), 1))
    return _Group(axes, np.repeat(corners, len(each), axis=0), coefficients)


RULES = [
    (re.compile(group), put)
    for group, put in {
        "C[su]": _staggered,
        "Ns": _staggered,
        "Nd": _in_plane,
        "Css": _across,
        "Cd[dsu]|Cuu": _opposite,
        "C[dsu]{3}": _opposite,
        "Nds": _opposite,
        "Nh[dsu]{2}": _opposite,
    }.items()
]
"""Element, types of its bonds (see :func:`_groups`), and function for its hydrogens."""
