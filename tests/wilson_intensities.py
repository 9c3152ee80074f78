"""Crystals by space-group symbol, and intensities of Wilson's distribution, for tests."""

import gemmi
import numpy as np

from friedel.model.crystal import Crystal


def make_crystal(name, cell):
    operations = gemmi.SpaceGroup(name).operations()
    return Crystal.from_triplets(cell, [op.triplet() for op in operations], name)


def wilson(crystal, hkl, mean, seed=0):
    """Intensities of acentric and centric reflections around epsilon times the mean."""
    rng = np.random.default_rng(seed)
    centric = crystal.is_centric(hkl)
    values = np.where(centric, rng.normal(size=len(hkl)) ** 2, rng.exponential(size=len(hkl)))
    return values * crystal.epsilon(hkl) * mean
