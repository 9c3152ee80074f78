"""A twin is taken by default where the data are of one, and nowhere else."""

from dataclasses import replace

import gemmi
import numpy as np
import pytest

from friedel.fmodel.fmodel import FModel
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.readers.twin_laws import twin_laws
from friedel.reflections.reflections import Reflections
from friedel.structure_factors.fcalc import fcalc

TRIGONAL, TETRAGONAL, CUBIC = (
    (27, 27, 31, 90, 90, 120),
    (27, 27, 31, 90, 90, 90),
    (34, 34, 34, 90, 90, 90),
)
LATTICES = {
    "P 3": TRIGONAL,
    "P 31": TRIGONAL,
    "P 3 2 1": TRIGONAL,
    "P 3 1 2": TRIGONAL,
    "R 3:H": (36, 36, 30, 90, 90, 120),
    "P 6": TRIGONAL,
    "P 61": TRIGONAL,
    "P 4": TETRAGONAL,
    "P 41": TETRAGONAL,
    "I 4": (34, 34, 31, 90, 90, 90),
    "P 2 3": CUBIC,
    "I 2 3": CUBIC,
    "F 2 3": (54, 54, 54, 90, 90, 90),
    "P 1 21 1": (22, 27, 24, 90, 90, 90),
}
"""Space groups with cells that allow twinning, by merohedry but for the last."""


def imperfect_model(name, seed, n=120):
    """A crystal, the atoms of a model with errors, and those of the truth."""
    rng = np.random.default_rng([seed, *map(ord, name)])
    operations = gemmi.SpaceGroup(name).operations()
    crystal = Crystal.from_triplets(LATTICES[name], [op.triplet() for op in operations], name)
    labels = rng.choice(["C", "N", "O"], n)
    true = Atoms.from_labels(labels, rng.random((n, 3)), 1.0, 10.0 + rng.gamma(2.0, 6.0, n))
    shifts = rng.normal(size=(n, 3)) * rng.uniform(0.05, 0.2) @ crystal.fractionalization.T
    kept = rng.random(n) < rng.uniform(0.75, 1.0)
    return crystal, replace(true, frac=true.frac + shifts).select(kept), true


def data_of(crystal, atoms, seed, law=None, fraction=0.0, noise=0.05):
    """Amplitudes to 2.2 Å with sigmas and a free set, of a twin if there is a law."""
    rng = np.random.default_rng(seed)
    hkl = crystal.unique_reflections(2.2)
    at = {"hkl": hkl, "method": "fft"}
    intensity = np.abs(fcalc((crystal, atoms), **at).values) ** 2
    if law is not None:
        at["hkl"] = (hkl @ twin_laws(crystal, law)[law]).astype(np.int32)
        mates = np.abs(fcalc((crystal, atoms), **at).values) ** 2
        intensity = (1.0 - fraction) * intensity + fraction * mates
    f = np.sqrt(intensity)
    sigma = noise * np.sqrt(intensity.mean()) * np.ones(len(f))
    values = np.abs(f + sigma * rng.normal(size=len(f)))
    return Reflections(crystal, hkl, values, sigma, free=rng.random(len(f)) < 0.05)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", LATTICES)
def test_untwinned_data_are_taken_as_such(name, seed):
    crystal, model, true = imperfect_model(name, seed)
    found = FModel((crystal, model), data_of(crystal, true, seed), solvent="none").fit()
    assert found.twins == {}
    assert not any("twin" in note for note in found.notes)


@pytest.mark.parametrize("fraction", [0.15, 0.4])
@pytest.mark.parametrize("name", ["P 31", "R 3:H", "P 4", "I 2 3", "P 1 21 1"])
def test_a_twin_is_found_and_said(name, fraction):
    crystal, model, true = imperfect_model(name, 7)
    law = next(iter(twin_laws(crystal)))
    data = data_of(crystal, true, 7, law, fraction)
    found = FModel((crystal, model), data, solvent="none").fit()
    assert found.twin_laws == (law,)
    # the fit takes a part of what the model lacks for twinning
    assert fraction - 0.03 < found.scales.twin_fraction < fraction + 0.1
    note = next(note for note in found.notes if note.startswith("taken as a twin"))
    assert "twin='none'" in note.give
    plain = FModel((crystal, model), data, solvent="none", twin="none").fit()
    assert plain.twins == {}
    assert note.number == pytest.approx(plain.r_work, abs=0.01)
    assert found.r_work < plain.r_work


@pytest.mark.parametrize("seed", range(3))
def test_a_fraction_without_twinned_statistics_is_refused_with_a_note(seed):
    """The halves are nearly related by the law: F of the mate is as good a model as F itself."""
    crystal, _, true = imperfect_model("P 31", seed, n=60)
    rng = np.random.default_rng(seed)
    labels = np.array(true.scatterers)[true.kind]
    about_axis = true.frac * [-1.0, -1.0, 1.0]
    frac = np.concatenate([true.frac, about_axis + rng.normal(size=true.frac.shape) * 0.012])
    pair = Atoms.from_labels([*labels, *labels], frac, 1.0, np.tile(true.b_iso, 2))
    model = replace(pair, frac=frac + rng.normal(size=frac.shape) * 0.012)
    found = FModel((crystal, model), data_of(crystal, pair, seed), solvent="none").fit()
    assert found.twins == {}
    refused = [note for note in found.notes if note.startswith("not taken as a twin")]
    assert refused
    assert all(note.kind == "warning" and note.number > 0.03 for note in refused)
