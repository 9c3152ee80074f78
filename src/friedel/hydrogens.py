"""Where hydrogen atoms ride: from the heavy atoms around carbon and nitrogen.

Most models of proteins have no hydrogens, though they scatter: one electron in eight. Those of C-H
and N-H groups have but one place to be, which bond lengths and angles tell. Hydrogens that
can turn or come and go (O-H, S-H, of nitrogen in rings) are left out.
"""

import numpy as np

C_H, N_H = 0.97, 0.86
"""A, to the centre of electron density, about as in SHELXL [Sheldrick2015]."""

B_RATIO = 1.2
"""B of a hydrogen over that of the atom it rides on, as in SHELXL [Sheldrick2015]."""

LONGEST_AROMATIC = 1.43
"""Mean length (A) of two bonds of a carbon, between that of rings (1.39) and of chains (1.50)."""
LONGEST_DOUBLE = {"C": 1.40, "N": 1.42}
"""Of an atom with one bond: between double bonds (1.33) and single ones to O, N, C (1.43 up)."""
SHORTEST_TO_CHAIN = 1.42
"""Of one of two bonds of a nitrogen: amides have it (1.46), rings do not (1.38)."""

LEAST_PYRAMIDAL = 0.5
"""Length of the sum of unit vectors along three bonds: 1 of a tetrahedron, 0 in a plane."""
LEAST_BENT = 0.5
"""The same of two bonds: 1 at 120 degrees, 0 in a line."""

TETRAHEDRAL = np.arccos(-1.0 / 3.0)
STAGGERED = np.radians([60.0, 180.0, 300.0])

NOTHING = np.empty((0, 3))


def riding_hydrogens(
    position: np.ndarray, elements: np.ndarray, neighbours: list[list[int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Hydrogens of C-H and N-H groups.

    Parameters
    ----------
    position
        (n, 3) A, of atoms without hydrogens.
    elements
        (n,) symbols.
    neighbours
        Of each atom those bound to it.

    Returns
    -------
    position
        (m, 3) A.
    parent
        (m,) the atom that each rides on.
    """
    found, parents = [NOTHING], []
    for i, bound in enumerate(neighbours):
        if elements[i] not in ("C", "N") or not bound:
            continue
        bonds = position[bound] - position[i]
        lengths = np.linalg.norm(bonds, axis=1)
        bonds /= lengths[:, None]
        if len(bound) == 1:
            beyond = [position[j] - position[bound[0]] for j in neighbours[bound[0]] if j != i]
            directions = _at_an_end(elements[i], bonds[0], lengths[0], beyond)
        elif len(bound) == 2:
            directions = _in_a_chain(elements[i], bonds, lengths)
        elif len(bound) == 3 and elements[i] == "C":
            directions = _on_three_bonds(bonds)
        else:
            continue
        length = C_H if elements[i] == "C" else N_H
        found.append(position[i] + length * directions)
        parents += [i] * len(directions)
    return np.concatenate(found), np.array(parents, np.int64)


def _on_three_bonds(bonds: np.ndarray) -> np.ndarray:
    """(1, 3) opposite to the bonds of C-H, nothing for a carbon whose bonds are in a plane."""
    total = bonds.sum(axis=0)
    return -_unit(total)[None] if np.linalg.norm(total) > LEAST_PYRAMIDAL else NOTHING


def _in_a_chain(element: str, bonds: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(m, 3) of CH2, of C-H in a ring, of N-H of an amide."""
    total = bonds.sum(axis=0)
    if np.linalg.norm(total) < LEAST_BENT:
        return NOTHING
    outwards = -_unit(total)
    if element == "N":
        return outwards[None] if lengths.max() > SHORTEST_TO_CHAIN else NOTHING
    if lengths.mean() < LONGEST_AROMATIC:
        return outwards[None]
    across = np.sin(TETRAHEDRAL / 2.0) * _unit(np.cross(*bonds))
    middle = np.cos(TETRAHEDRAL / 2.0) * outwards
    return np.array([middle + across, middle - across])


def _at_an_end(element: str, bond: np.ndarray, length: float, beyond: list) -> np.ndarray:
    """(m, 3) of CH3, NH3 and NH2; nothing where the next atom has no other bond to refer to."""
    if not beyond:
        return NOTHING
    outwards = -bond
    sideways = _unit(beyond[0] - (beyond[0] @ outwards) * outwards)
    if length > LONGEST_DOUBLE[element]:
        angles = STAGGERED
        along, around = -np.cos(TETRAHEDRAL), np.sin(TETRAHEDRAL)
    elif element == "N":
        angles = np.array([0.0, np.pi])
        along, around = np.cos(np.pi / 3.0), np.sin(np.pi / 3.0)
    else:
        return NOTHING
    normal = np.cross(outwards, sideways)
    turned = np.outer(np.cos(angles), sideways) + np.outer(np.sin(angles), normal)
    return along * outwards + around * turned


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
