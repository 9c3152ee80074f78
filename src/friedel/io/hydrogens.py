"""Hydrogens added to a gemmi structure, riding on the atoms that it has."""

import gemmi
import numpy as np
import scipy.spatial

from friedel.hydrogens import B_RATIO, riding_hydrogens

BOND_TOLERANCE = 0.3
"""A bond is at most this much longer (A) than the sum of covalent radii."""
SHORTEST_BOND, LONGEST_BOND = 0.7, 3.5
"""A; closer atoms are one atom in several places."""


def with_riding_hydrogens(structure: gemmi.Structure) -> tuple[gemmi.Structure, int]:
    """A copy with the hydrogens of C-H and N-H groups in its first model, and how many.

    Where the model has hydrogens, it is taken to have all it should have, and stays as it is.
    """
    sites = list(structure[0].all()) if len(structure) else []
    position = np.array([site.atom.pos.tolist() for site in sites]).reshape(-1, 3)
    has_some = any(site.atom.element.is_hydrogen for site in sites)
    if has_some or not np.isfinite(position).all():
        return structure, 0
    elements = np.array([site.atom.element.name for site in sites])
    hydrogens, parents = riding_hydrogens(position, elements, _neighbours(sites, position))
    added = structure.clone()
    residues = [residue for chain in added[0] for residue in chain]
    residue_of = np.repeat(np.arange(len(residues)), [len(residue) for residue in residues])
    order = np.arange(len(parents)) - np.searchsorted(parents, parents) + 1
    several = np.bincount(parents, minlength=len(sites))[parents] > 1
    for place, i, number, numbered in zip(hydrogens, parents, order, several, strict=True):
        name = f"H{sites[i].atom.name[1:]}{number if numbered else ''}"
        residues[residue_of[i]].add_atom(_hydrogen(name, place, sites[i].atom))
    return added, len(hydrogens)


def _hydrogen(name: str, position: np.ndarray, parent: gemmi.Atom) -> gemmi.Atom:
    atom = gemmi.Atom()
    atom.name, atom.element = name, gemmi.Element("H")
    atom.pos = gemmi.Position(*position)
    atom.occ, atom.altloc, atom.b_iso = parent.occ, parent.altloc, B_RATIO * parent.b_iso
    return atom


def _neighbours(sites: list, position: np.ndarray) -> list[list[int]]:
    """Atoms bound to each, of one conformation: its own or, if it has none, the first."""
    radius = np.array([site.atom.element.covalent_r for site in sites])
    letter = np.array([site.atom.altloc for site in sites])
    tree = scipy.spatial.cKDTree(position)
    i, j = tree.query_pairs(LONGEST_BOND, output_type="ndarray").T
    length = np.linalg.norm(position[i] - position[j], axis=1)
    bound = (length > SHORTEST_BOND) & (length < radius[i] + radius[j] + BOND_TOLERANCE)
    bound &= (letter[i] == letter[j]) | (letter[i] == "\0") | (letter[j] == "\0")
    found: list[list[int]] = [[] for _ in sites]
    for a, b in sorted(zip(i[bound].tolist(), j[bound].tolist(), strict=True)):
        found[a].append(b)
        found[b].append(a)
    return [_of_one_conformation(atoms, letter) for atoms in found]


def _of_one_conformation(atoms: list[int], letter: np.ndarray) -> list[int]:
    letters = sorted({letter[i] for i in atoms} - {"\0"})
    return [i for i in atoms if letter[i] in ("\0", *letters[:1])]
