"""Addition of riding hydrogens to a gemmi structure."""

from collections.abc import Mapping

import numpy as np
import scipy.spatial

from friedel.errors import ParameterError
from friedel.gemmi_package import gemmi
from friedel.model.riding_hydrogens import B_RATIO, BOND_LENGTHS, riding_hydrogens

BOND_TOLERANCE = 0.3
"""Largest excess (Å) of a bond length over the sum of covalent radii."""
SHORTEST_BOND, LONGEST_BOND = 0.7, 3.5
"""Range of bond lengths (Å); closer atoms are alternative positions of one atom."""

NH_IN_RINGS = {"TRP": "NE1", "G": "N1", "DG": "N1", "U": "N3", "DU": "N3", "DT": "N3"}
"""Ring nitrogen that has a hydrogen, by residue; the protonation of histidine varies."""

Sites = list[gemmi.CRA]
Place = tuple[str, str]


def with_riding_hydrogens(
    structure: gemmi.Structure, source: str = "xray"
) -> tuple[gemmi.Structure, int, int]:
    """A copy with the hydrogens of C-H and N-H groups in its first model.

    A residue with hydrogens on C or N is taken as complete and is not changed. Bonds to symmetry
    mates and strict NCS copies are not considered.

    Parameters
    ----------
    source
        ``"xray"`` for hydrogens at the centre of their electrons, ``"neutron"``, ``"electron"``
        or ``"mott-bethe"`` at their nucleus.

    Returns
    -------
    structure
        A copy with the hydrogens, or the given structure when there are none to add.
    n_added
        Number of hydrogens added.
    n_kept
        Number of residues that had hydrogens on C or N before.

    Raises
    ------
    ParameterError
        For an unknown source.
    """
    if source not in BOND_LENGTHS:
        known = ", ".join(BOND_LENGTHS)
        raise ParameterError(f"unknown source {source!r}: expected one of {known}")
    sites = list(structure[0].all()) if len(structure) else []
    if not np.isfinite([site.atom.pos.tolist() for site in sites]).all():
        return structure, 0, 0
    heavy = [site for site in sites if not site.atom.is_hydrogen()]
    place = [_place(site) for site in heavy]
    kept = _with_their_own(sites, heavy)
    neighbours = _neighbours(heavy, place)
    amides, after_gaps = _backbone_nitrogen(heavy, place, neighbours)
    left_out = after_gaps | _on_metals(heavy, neighbours)
    left_out |= {i for i in range(len(heavy)) if place[i] in kept}
    hydrogens, parents = riding_hydrogens(
        _positions(heavy),
        [site.atom.element.name for site in heavy],
        _radii(heavy),
        neighbours,
        BOND_LENGTHS[source],
        known_nh=amides | _named(heavy, NH_IN_RINGS),
        left_out=left_out,
    )
    if not len(hydrogens):
        return structure, 0, len(kept)
    return _with_atoms(structure, heavy, hydrogens, parents), len(hydrogens), len(kept)


def _with_atoms(
    structure: gemmi.Structure, heavy: Sites, position: np.ndarray, parents: np.ndarray
) -> gemmi.Structure:
    """A copy with hydrogens in the residues of the heavy atoms that they ride on."""
    added = structure.clone()
    residues = [residue for chain in added[0] for residue in chain]
    counts = [sum(not atom.is_hydrogen() for atom in residue) for residue in residues]
    residue_of = np.repeat(np.arange(len(residues)), counts)
    order = np.arange(len(parents)) - np.searchsorted(parents, parents) + 1
    several = np.bincount(parents, minlength=len(heavy))[parents] > 1
    for where, i, number, numbered in zip(position, parents, order, several, strict=True):
        name = f"H{heavy[i].atom.name[1:]}{number if numbered else ''}"
        residues[residue_of[i]].add_atom(_hydrogen(name, where, heavy[i].atom))
    return added


def _hydrogen(name: str, position: np.ndarray, parent: gemmi.Atom) -> gemmi.Atom:
    atom = gemmi.Atom()
    atom.name, atom.element = name, gemmi.Element("H")
    atom.pos = gemmi.Position(*position)
    atom.occ, atom.altloc, atom.b_iso = parent.occ, parent.altloc, B_RATIO * parent.b_iso
    return atom


def _positions(sites: Sites) -> np.ndarray:
    return np.array([site.atom.pos.tolist() for site in sites]).reshape(-1, 3)


def _radii(sites: Sites) -> np.ndarray:
    return np.array([site.atom.element.covalent_r for site in sites])


def _place(site: gemmi.CRA) -> Place:
    """Chain and residue number, shared by residues that are alternatives of one another."""
    return site.chain.name, str(site.residue.seqid)


def _with_their_own(sites: Sites, heavy: Sites) -> set[Place]:
    """The residues with hydrogens on C or N."""
    hydrogens = [site for site in sites if site.atom.is_hydrogen()]
    if not hydrogens or not heavy:
        return set()
    _, parent = scipy.spatial.cKDTree(_positions(heavy)).query(_positions(hydrogens))
    pairs = zip(hydrogens, parent, strict=True)
    return {_place(site) for site, i in pairs if heavy[i].atom.element.name in ("C", "N")}


def _named(sites: Sites, names: Mapping[str, str]) -> set[int]:
    """Indices of atoms whose name is the one that `names` gives for their residue."""
    return {i for i, site in enumerate(sites) if names.get(site.residue.name) == site.atom.name}


def _on_metals(sites: Sites, neighbours: list[list[int]]) -> set[int]:
    metals = {i for i, site in enumerate(sites) if site.atom.element.is_metal}
    return {i for i, bound in enumerate(neighbours) if not metals.isdisjoint(bound)}


def _backbone_nitrogen(
    sites: Sites, place: list[Place], neighbours: list[list[int]]
) -> tuple[set[int], set[int]]:
    """Amide nitrogens, and those after gaps, whose amide carbon is not in the model.

    The first amino acid of a chain is taken as its terminus, not as a residue after a gap.
    """
    amides, after_gaps = set(), set()
    first: dict[str, Place] = {}
    for i, site in enumerate(sites):
        if not gemmi.find_tabulated_residue(site.residue.name).is_amino_acid():
            continue
        start = first.setdefault(site.chain.name, place[i])
        if site.atom.name != "N":
            continue
        others = [j for j in neighbours[i] if place[j] != place[i]]
        if any(sites[j].atom.element.name == "C" for j in others):
            amides.add(i)
        elif place[i] != start:
            after_gaps.add(i)
    return amides, after_gaps


def _neighbours(sites: Sites, place: list[Place]) -> list[list[int]]:
    """Indices of atoms bound to each, in its own conformation or, without one, in the first."""
    position, radius = _positions(sites), _radii(sites)
    letter = np.array([site.atom.altloc.strip("\0") for site in sites])
    tree = scipy.spatial.cKDTree(position)
    i, j = tree.query_pairs(LONGEST_BOND, output_type="ndarray").T
    length = np.linalg.norm(position[i] - position[j], axis=1)
    bound = (length > SHORTEST_BOND) & (length < radius[i] + radius[j] + BOND_TOLERANCE)
    bound &= (letter[i] == letter[j]) | (letter[i] == "") | (letter[j] == "")
    found: list[list[int]] = [[] for _ in sites]
    for a, b in sorted(zip(i[bound].tolist(), j[bound].tolist(), strict=True)):
        found[a].append(b)
        found[b].append(a)
    return [_of_one_conformation(atoms, letter, place) for atoms in found]


def _of_one_conformation(atoms: list[int], letter: np.ndarray, place: list[Place]) -> list[int]:
    """The atoms that have the first conformer letter of their residue."""
    first: dict[Place, str] = {}
    for i in sorted(atoms, key=lambda i: letter[i]):
        if letter[i]:
            first.setdefault(place[i], letter[i])
    return [i for i in atoms if letter[i] in ("", first.get(place[i]))]
