"""Crystals of many kinds, and atoms in them on general and special positions."""

from functools import cache

import gemmi
import numpy as np

from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal

CELLS = {
    "P 1": (11, 12, 13, 80, 95, 105),
    "P -1": (11, 12, 13, 80, 95, 105),
    "C 1 2 1": (14, 12, 15, 90, 104, 90),
    "P 21 21 21": (11, 13, 15, 90, 90, 90),
    "P 31 2 1": (13, 13, 15, 90, 90, 120),
    "P 63/m": (13, 13, 12, 90, 90, 120),
    "R 3 :R": (11, 11, 11, 75, 75, 75),
    "I 21 3": (14, 14, 14, 90, 90, 90),
    "F d -3 m:2": (14, 14, 14, 90, 90, 90),
}
SPECIAL = {
    "P -1": [(0.0, 0.5, 0.5)],
    "C 1 2 1": [(0.0, 0.9995, 0.0), (0.5, 0.3, 0.5)],
    "P 31 2 1": [(0.35, 0.0, 1 / 3)],
    "P 63/m": [(1 / 3, 2 / 3, 0.25), (0.0, 0.0, 0.0), (0.4, 0.1, 0.25)],
    "R 3 :R": [(0.3, 0.3, 0.3)],
    "I 21 3": [(0.1, 0.1, 0.1), (0.35, 0.0, 0.25)],
    "F d -3 m:2": [(0.0, 0.0, 0.0), (1 / 8, 1 / 8, 1 / 8), (3 / 8, 3 / 8, 3 / 8)],
}
APART = 2.8
"""Å, the least distance of atoms and of their copies on general positions."""


@cache
def crystal_of(name: str) -> Crystal:
    """The crystal of a space group."""
    operations = gemmi.SpaceGroup(name).operations()
    return Crystal.from_triplets(CELLS[name], [op.triplet() for op in operations], name)


def distances(crystal: Crystal, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(n, m) Å, the shortest over all operations and lattice translations, the plain way."""
    shifts = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    out = np.full((len(first), len(second)), np.inf)
    for rotation, translation in zip(crystal.rotations, crystal.translations, strict=True):
        moved = first @ rotation.T + translation / 24
        delta = moved[:, None] - second
        delta = (delta - np.floor(delta))[:, :, None] + shifts
        out = np.minimum(out, np.linalg.norm(delta @ crystal.orthogonalization.T, axis=-1).min(-1))
    return out


def scattered_atoms(name: str, b_iso: float = 15.0) -> Atoms:
    """Carbon on special positions and some on general ones, all far from one another."""
    crystal, rng = crystal_of(name), np.random.default_rng(5)
    places = [np.array(x) for x in SPECIAL.get(name, [])]
    n_special = len(places)
    for _ in range(400):
        place = rng.random(3)
        if len(places) == n_special + 3:
            break
        images = place @ crystal.rotations.transpose(0, 2, 1) + crystal.translations / 24
        own = images[1:] - place
        own = (own - np.rint(own)) @ crystal.orthogonalization.T
        to_others = distances(crystal, place[None], np.array(places)) if places else np.inf
        if np.min(to_others) > APART and np.linalg.norm(own, axis=1).min(initial=9.9) > APART:
            places.append(place)
    frac = np.array(places)
    order = np.array([_order(crystal, x) for x in frac])
    return Atoms.from_labels(["C"] * len(frac), frac, 1.0 / order, b_iso)


def _order(crystal: Crystal, place: np.ndarray) -> int:
    images = place @ crystal.rotations.transpose(0, 2, 1) + crystal.translations / 24
    delta = images - place
    delta = (delta - np.rint(delta)) @ crystal.orthogonalization.T
    return int((np.linalg.norm(delta, axis=1) < 0.1).sum())
