"""Where hydrogen atoms ride: from the heavy atoms around carbon and nitrogen.

Most models of proteins have no hydrogens, though they scatter: one electron in eight. Those of
C-H and N-H groups follow from bond lengths and angles, but for the turn of CH3 and NH3+, which
are put staggered. Where the geometry does not decide there are none, nor are those of O-H and
S-H, which turn freely, and of most amines and imines, which come and go.
"""

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np

ELECTRONS = {"C": 0.97, "N": 0.86}
"""A, to the centre of electron density, about as in SHELXL [Sheldrick2015]."""
NUCLEI = {"C": 1.089, "N": 1.015}
"""A, means of neutron diffraction [Allen2010]."""
BOND_LENGTHS = {
    "xray": ELECTRONS, "neutron": NUCLEI, "electron": NUCLEI, "mott-bethe": NUCLEI
}  # fmt: skip
"""By what is scattered: electrons see a potential, whose peak is the nucleus."""

B_RATIO = 1.2
"""B of a hydrogen over that of the atom it rides on, as in SHELXL [Sheldrick2015]."""

TRIPLE, DOUBLE, SINGLE = -0.19, -0.05, -0.03
"""Bond length less the sum of covalent radii [Cordero2008], A: triple bonds are below the first,
double and aromatic ones and those of amides below the second, single ones above the last."""
CARBONYL = -0.09
"""The same of a carbonyl group's bond to O, at most; furan and esters have longer ones."""

LEAST_BENT = 0.5
"""Length of the sum of unit vectors along bonds: 1 of two at 120 degrees or of three of a
tetrahedron, 0 in a line or a plane."""
LEAST_SINE = 0.3
"""Of the angle at the next atom, for there to be a plane to refer to."""

TETRAHEDRAL = np.arccos(-1.0 / 3.0)
STAGGERED, IN_PLANE = np.radians([60.0, 180.0, 300.0]), np.radians([0.0, 180.0])

NOTHING = np.empty((0, 3))


def riding_hydrogens(
    position: np.ndarray,
    elements: Sequence[str],
    radii: np.ndarray,
    neighbours: list[list[int]],
    lengths: Mapping[str, float],
    *,
    known_nh: Collection[int] = (),
    left_out: Collection[int] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Hydrogens of C-H and N-H groups.

    Parameters
    ----------
    position
        (n, 3) A, of atoms without hydrogens.
    elements
        n symbols.
    radii
        (n,) A, covalent.
    neighbours
        Of each atom those bound to it.
    lengths
        A, of C-H and N-H; see :data:`BOND_LENGTHS`.
    known_nh
        Nitrogen with two bonds that has a hydrogen, whatever the lengths of its bonds.
    left_out
        Atoms that get none.

    Returns
    -------
    position
        (m, 3) A.
    parent
        (m,) the atom that each rides on.
    """
    found, parents = [NOTHING], []
    for i, bound in enumerate(neighbours):
        if elements[i] not in lengths or not bound or i in left_out:
            continue
        bonds = position[bound] - position[i]
        length = np.linalg.norm(bonds, axis=1)
        kinds = [
            _kind(elements[i], elements[j], stretch)
            for j, stretch in zip(bound, length - radii[bound] - radii[i], strict=True)
        ]
        group = elements[i] + ("h" if i in known_nh else "") + "".join(sorted(kinds))
        beyond = [position[j] - position[bound[0]] for j in neighbours[bound[0]] if j != i]
        put = next((put for rule, put in RULES if rule.fullmatch(group)), _nothing)
        directions = put(bonds / length[:, None], beyond)
        found.append(position[i] + lengths[elements[i]] * directions)
        parents += [i] * len(directions)
    return np.concatenate(found), np.array(parents, np.int64)


def _kind(element: str, other: str, stretch: float) -> str:
    """Of a bond: s(ingle), d(ouble or aromatic), u(ndecided), t(riple), o of a carbonyl group.

    x is one that leaves the hydrogens of nitrogen open, to anything but carbon.
    """
    if element == "N" and other != "C":
        return "x"
    if other == "O" and stretch < CARBONYL:
        return "o"
    return "tdus"[np.searchsorted([TRIPLE, DOUBLE, SINGLE], stretch, side="right")]


def _nothing(bonds: np.ndarray, beyond: list[np.ndarray]) -> np.ndarray:
    return NOTHING


def _opposite(bonds: np.ndarray, beyond: list[np.ndarray]) -> np.ndarray:
    """(1, 3) opposite to two or three bonds, nothing where these are in a line or a plane."""
    total = bonds.sum(axis=0)
    return -_unit(total)[None] if np.linalg.norm(total) > LEAST_BENT else NOTHING


def _across(bonds: np.ndarray, beyond: list[np.ndarray]) -> np.ndarray:
    """(2, 3) of CH2, across the plane of the bonds."""
    outwards = np.cos(TETRAHEDRAL / 2.0) * _opposite(bonds, beyond)
    sideways = np.sin(TETRAHEDRAL / 2.0) * _unit(np.cross(*bonds))
    return np.concatenate([outwards + sideways, outwards - sideways]) if len(outwards) else NOTHING


def _staggered(bonds: np.ndarray, beyond: list[np.ndarray]) -> np.ndarray:
    """(3, 3) of CH3 and NH3+."""
    return _around(bonds[0], beyond, TETRAHEDRAL, STAGGERED)


def _in_plane(bonds: np.ndarray, beyond: list[np.ndarray]) -> np.ndarray:
    """(2, 3) of NH2 next to a double bond."""
    return _around(bonds[0], beyond, np.radians(120.0), IN_PLANE)


def _around(bond: np.ndarray, beyond: list, angle: float, torsions: np.ndarray) -> np.ndarray:
    """(m, 3) at an angle with a bond, and at torsion angles with one beyond it."""
    if not beyond:
        return NOTHING
    next_bond = _unit(beyond[0])
    sideways = next_bond - (next_bond @ bond) * bond
    if np.linalg.norm(sideways) < LEAST_SINE:
        return NOTHING
    sideways = _unit(sideways)
    normal = np.cross(sideways, bond)
    turned = np.outer(np.cos(torsions), sideways) + np.outer(np.sin(torsions), normal)
    return np.cos(angle) * bond + np.sin(angle) * turned


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


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
"""An element and the kinds of its bonds (`_kind`, in alphabetical order), and what puts them."""
