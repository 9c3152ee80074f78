"""A small synthetic structure in its solvent, and data that it would give."""

import numpy as np

from friedel.fmodel.fmodel import FModel
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.reflections.reflections import Reflections
from friedel.scaling import ScaleParameters

CRYSTAL = Crystal.from_triplets(
    (20, 25, 30, 90, 90, 90), ["-x+1/2,-y,z+1/2", "x+1/2,-y+1/2,-z"], "P 21 21 21"
)
TRUTH = ScaleParameters(3.0, (2.0, -1.0, 4.0, 0.0, 0.0, 0.0), 0.4, 30.0)


def globule() -> Atoms:
    """Carbon and oxygen in a ball, so that the rest of the cell is solvent."""
    rng = np.random.default_rng(3)
    directions = rng.normal(size=(60, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    positions = 5.0 * directions * rng.random((60, 1)) ** (1 / 3) + [5.0, 6.0, 7.0]
    labels = ["C", "O", "C"] * 20
    return Atoms.from_labels(labels, positions / [20, 25, 30], b_iso=rng.uniform(8, 20, 60))


def observed(truth: ScaleParameters = TRUTH, noise: float = 0.0, **options) -> Reflections:
    """Simulated data of the globule, with a free set."""
    hkl = CRYSTAL.unique_reflections(2.0)
    rng = np.random.default_rng(4)
    blank = Reflections(CRYSTAL, hkl, np.ones(len(hkl)))
    model = FModel((CRYSTAL, globule()), blank, **options)
    f_mask = None if model.f_mask is None else model.f_mask.values
    values = np.abs(truth.f_total(CRYSTAL, hkl, model.f_calc.values, f_mask))
    values = values * np.exp(noise * rng.normal(size=len(hkl)))
    free = rng.random(len(hkl)) < 0.1
    return Reflections(CRYSTAL, hkl, values, 0.05 * values + 0.1, free, "FP", "synthetic")
