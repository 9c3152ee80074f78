"""Positions of riding hydrogen atoms from the heavy atoms around carbon and nitrogen.

Most models of proteins have no hydrogens, though these hold one electron in eight. The hydrogens of
C-H and N-H groups follow from bond lengths and angles; CH3 and NH3+ are put in the staggered
conformation. No hydrogens are generated where the geometry does not determine them, on O-H and S-H,
which rotate freely, and on most amines and imines, whose protonation varies.
"""

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np

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
        (m,) index of the parent atom of each.
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
    """The type of a bond: s(ingle), d(ouble or aromatic), u(ndecided), t(riple), o for carbonyl.

    The type x, a bond to anything but carbon, leaves the hydrogens of nitrogen undetermined.
    """
    if element == "N" and other != "C":
        return "x"
    if other == "O" and stretch < CARBONYL:
        return "o"
    return "tdus"[np.searchsorted([TRIPLE, DOUBLE, SINGLE], stretch, side="right")]


def _nothing(bonds: np.ndarray, beyond: list[np.ndarray]) -> np.ndarray:
    return NOTHING


def _opposite(bonds: np.ndarray, beyond: list[np.ndarray]) -> np.ndarray:
    """(1, 3) direction opposite to two or three bonds; empty if these are collinear or coplanar."""
    total = bonds.sum(axis=0)
    return -_unit(total)[None] if np.linalg.norm(total) > LEAST_BENT else NOTHING


def _across(bonds: np.ndarray, beyond: list[np.ndarray]) -> np.ndarray:
    """(2, 3) directions of CH2, on both sides of the plane of the bonds."""
    outwards = np.cos(TETRAHEDRAL / 2.0) * _opposite(bonds, beyond)
    sideways = np.sin(TETRAHEDRAL / 2.0) * _unit(np.cross(*bonds))
    return np.concatenate([outwards + sideways, outwards - sideways]) if len(outwards) else NOTHING


def _staggered(bonds: np.ndarray, beyond: list[np.ndarray]) -> np.ndarray:
    """(3, 3) directions of CH3 and NH3+, staggered."""
    return _around(bonds[0], beyond, TETRAHEDRAL, STAGGERED)


def _in_plane(bonds: np.ndarray, beyond: list[np.ndarray]) -> np.ndarray:
    """(2, 3) directions of NH2 next to a double bond."""
    return _around(bonds[0], beyond, np.radians(120.0), IN_PLANE)


def _around(bond: np.ndarray, beyond: list, angle: float, torsions: np.ndarray) -> np.ndarray:
    """(m, 3) directions at an angle to a bond, and at torsion angles to a bond beyond it."""
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
"""Element, types of its bonds (`_kind`, in alphabetical order), and function for its hydrogens."""
