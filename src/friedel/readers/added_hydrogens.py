"""Riding hydrogens of a gemmi structure."""

import sys
from dataclasses import dataclass

import numpy as np

from friedel.errors import ParameterError
from friedel.gemmi_package import gemmi
from friedel.model.bonds import Bonds, bonds_between
from friedel.model.riding_hydrogens import (
    B_RATIO,
    BOND_LENGTHS,
    RidingHydrogens,
    riding_rules,
)
from friedel.readers.macromolecules import flat_structure

NH_IN_RINGS = {"TRP": "NE1", "G": "N1", "DG": "N1", "U": "N3", "DU": "N3", "DT": "N3"}
"""Ring nitrogen that has a hydrogen, by residue; the protonation of histidine varies."""


@dataclass(frozen=True, eq=False)
class FoundHydrogens:
    """The hydrogens of C-H and N-H groups that a structure lacks.

    Attributes
    ----------
    riding
        The hydrogens, by the indices of all atoms of the first model.
    n_atoms
        Number of these atoms.
    n_kept
        Number of residues that have hydrogens on C or N, and get no others.
    """

    riding: RidingHydrogens
    n_atoms: int
    n_kept: int


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
    found = hydrogens_to_add(structure, source)
    if not len(found.riding):
        return structure, 0, found.n_kept
    return _with_atoms(structure, found.riding), len(found.riding), found.n_kept


def hydrogens_to_add(structure: gemmi.Structure, source: str = "xray") -> FoundHydrogens:
    """The hydrogens that the first model of a structure lacks.

    Parameters and errors are those of :func:`with_riding_hydrogens`.
    """
    if source not in BOND_LENGTHS:
        known = ", ".join(BOND_LENGTHS)
        raise ParameterError(f"unknown source {source!r}: expected one of {known}")
    nothing = RidingHydrogens(())
    if not len(structure) or not structure[0].count_atom_sites():
        return FoundHydrogens(nothing, 0, 0)
    every = _Sites(structure[0])
    is_hydrogen = np.isin(every.element, ["H", "D"])
    if not np.isfinite(every.position).all():
        return FoundHydrogens(nothing, len(is_hydrogen), 0)
    kept = _places_with_their_own(every, is_hydrogen)
    heavy = np.flatnonzero(~is_hydrogen)
    sites = every.select(heavy)
    bonds = _of_one_conformation(
        bonds_between(sites.position, sites.radius, sites.altloc), sites.altloc, sites.place
    )
    amides, after_gaps = _backbone_nitrogen(sites, bonds)
    on_metals = np.zeros(len(heavy), bool)
    on_metals[bonds.first[sites.is_metal[bonds.second]]] = True
    riding = riding_rules(
        sites.position,
        sites.element,
        sites.radius,
        bonds,
        BOND_LENGTHS[source],
        amides | sites.named(NH_IN_RINGS),
        after_gaps | on_metals | np.isin(sites.place, kept),
    )
    return FoundHydrogens(riding.renumbered(heavy), len(is_hydrogen), len(kept))


class _Sites:
    """The atoms of a model as arrays (n,); positions are (n, 3), Å.

    Names are numbers that have the same bytes, which are faster to sort and to compare. `place` is
    a number for chain and residue number, shared by residues that are alternatives of one another;
    `chain` a number for the chain.
    """

    def __init__(self, model: gemmi.Model) -> None:
        flat = flat_structure(model)
        self.position = np.asarray(flat.pos, np.float64)
        self.altloc = np.asarray(flat.altlocs)
        self.residue, self.name, chains = (
            np.ascontiguousarray(names).view(np.int64).ravel()
            for names in (flat.residue_names, flat.atom_names, flat.chain_ids)
        )
        _, self.chain = np.unique(chains, return_inverse=True)
        number = np.asarray(flat.resnums, np.int64) * 256 + np.asarray(flat.icodes, np.int64)
        self.place = self.chain.astype(np.int64) * 2**41 + number
        _, first, element = np.unique(
            np.asarray(flat.elements), return_index=True, return_inverse=True
        )
        symbols = np.asarray(flat.element_names)[first]
        known = [gemmi.Element(symbol.decode()) for symbol in symbols]
        self.element = np.array([x.name for x in known])[element]
        self.radius = np.array([x.covalent_r for x in known])[element]
        self.is_metal = np.array([x.is_metal for x in known])[element]
        residues, residue = np.unique(self.residue, return_inverse=True)
        names = residues.view("S8")
        kinds = [gemmi.find_tabulated_residue(name.decode()) for name in names]
        self.is_amino_acid = np.array([kind.is_amino_acid() for kind in kinds])[residue]

    def select(self, chosen: np.ndarray) -> "_Sites":
        """Some of the atoms, by their indices."""
        other = object.__new__(_Sites)
        vars(other).update({name: values[chosen] for name, values in vars(self).items()})
        return other

    def named(self, names: dict[str, str]) -> np.ndarray:
        """(n,) bool: atoms whose name is the one that `names` gives for their residue."""
        found = np.zeros(len(self.name), bool)
        for residue, name in names.items():
            found |= (self.residue == _number(residue)) & (self.name == _number(name))
        return found


def _number(name: str) -> np.int64:
    """A name of at most eight characters as the number that has the same bytes."""
    return np.int64(int.from_bytes(name.encode().ljust(8, b"\0"), sys.byteorder))


def _with_atoms(structure: gemmi.Structure, riding: RidingHydrogens) -> gemmi.Structure:
    """A copy with hydrogens in the residues of the heavy atoms that they ride on."""
    added = structure.clone()
    sites = list(structure[0].all())
    residues = [residue for chain in added[0] for residue in chain]
    residue_of = np.repeat(np.arange(len(residues)), [len(residue) for residue in residues])
    position = riding.positions(np.array([site.atom.pos.tolist() for site in sites]))
    parents = riding.parents
    ordered = np.argsort(parents, kind="stable")
    position, parents = position[ordered], parents[ordered]
    order = np.arange(len(parents)) - np.searchsorted(parents, parents) + 1
    several = np.bincount(parents, minlength=len(sites))[parents] > 1
    for where, i, number, numbered in zip(position, parents, order, several, strict=True):
        name = f"H{sites[i].atom.name[1:]}{number if numbered else ''}"
        residues[residue_of[i]].add_atom(_hydrogen(name, where, sites[i].atom))
    return added


def _hydrogen(name: str, position: np.ndarray, parent: gemmi.Atom) -> gemmi.Atom:
    atom = gemmi.Atom()
    atom.name, atom.element = name, gemmi.Element("H")
    atom.pos = gemmi.Position(*position)
    atom.occ, atom.altloc, atom.b_iso = parent.occ, parent.altloc, B_RATIO * parent.b_iso
    return atom


def _places_with_their_own(sites: _Sites, is_hydrogen: np.ndarray) -> np.ndarray:
    """The places of residues with hydrogens on C or N."""
    heavy = np.flatnonzero(~is_hydrogen)
    if not is_hydrogen.any() or not len(heavy):
        return np.zeros(0, np.int64)
    import scipy.spatial  # takes longer than all of this, and is needed for few models

    _, nearest = scipy.spatial.cKDTree(sites.position[heavy]).query(sites.position[is_hydrogen])
    on_riding = np.isin(sites.element[heavy[nearest]], ["C", "N"])
    return np.unique(sites.place[is_hydrogen][on_riding])


def _backbone_nitrogen(sites: _Sites, bonds: Bonds) -> tuple[np.ndarray, np.ndarray]:
    """(n,) bool: amide nitrogens, and those after gaps, whose amide carbon is not in the model.

    The first amino acid of a chain is taken as its terminus, not as a residue after a gap.
    """
    is_n = sites.is_amino_acid & (sites.name == _number("N"))
    i, j = bonds.first, bonds.second
    to_carbon = (sites.place[i] != sites.place[j]) & (sites.element[j] == "C")
    amides = np.zeros(len(is_n), bool)
    amides[i[to_carbon]] = True
    amides &= is_n
    of_chain = np.full(int(sites.chain.max(initial=-1)) + 1, -1, np.int64)
    acids = np.flatnonzero(sites.is_amino_acid)
    chains, first = np.unique(sites.chain[acids], return_index=True)
    of_chain[chains] = sites.place[acids[first]]
    return amides, is_n & ~amides & (sites.place != of_chain[sites.chain])


def _of_one_conformation(bonds: Bonds, altloc: np.ndarray, place: np.ndarray) -> Bonds:
    """Bonds to atoms in an atom's own conformation or, without one, in the first.

    Of several conformers of a residue that an atom is bound to, the first is taken.
    """
    letter, where = altloc[bonds.second], place[bonds.second]
    several = np.flatnonzero(letter)
    if not len(several):
        return bonds
    several = several[np.lexsort((letter[several], where[several], bonds.first[several]))]
    atom, where, letter = bonds.first[several], where[several], letter[several]
    is_first = np.ones(len(several), bool)
    is_first[1:] = (atom[1:] != atom[:-1]) | (where[1:] != where[:-1])
    kept = np.ones(len(bonds.first), bool)
    kept[several] = letter == letter[is_first][np.cumsum(is_first) - 1]
    return bonds.select(kept)
