"""Aspherical atoms whose structure factors are known: clusters of displaced spherical ones."""

import numpy as np

import friedel
from friedel.scattering.formfactors import scattering_factors

OFFSETS = np.array([[0.03, -0.01, 0.02], [-0.02, 0.015, 0.01]])
"""Displacements of the two parts of each atom, fractional."""


def labelled_atoms(labels, frac, **parameters):
    """Atoms whose sites are named after their element and number."""
    atoms = friedel.Atoms.from_labels(labels, frac, **parameters)
    return atoms.replace(site_labels=tuple(f"{s}{i + 1}" for i, s in enumerate(labels)))


def some_atoms(n=4, seed=5):
    """Atoms on general positions, the first two of them anisotropic."""
    rng = np.random.default_rng(seed)
    u_aniso = np.zeros((n, 6))
    u_aniso[:2] = np.array([0.02, 0.03, 0.025, 0.004, -0.003, 0.005])
    labels = rng.choice(["C", "N", "O"], n)
    frac = rng.random((n, 3))
    return labelled_atoms(
        labels, frac, occ=0.5 + 0.5 * rng.random(n), b_iso=1 + 2 * rng.random(n), u_aniso=u_aniso
    )


def equivalents(crystal, hkl):
    """All h R of the reflections, each once."""
    images = np.einsum("ni,oij->onj", hkl, crystal.rotations)
    return np.unique(images.reshape(-1, 3), axis=0)


def spherical(crystal, atoms, hkl):
    """Form factors of the table it92 at all equivalents of the reflections."""
    hkl = equivalents(crystal, hkl)
    f = scattering_factors(atoms.scatterers).f(crystal.stol2(hkl))[atoms.kind]
    return friedel.AtomFormFactors(atoms.site_labels, hkl, f, name="it92.tsc")


def of_clusters(crystal, atoms, hkl):
    """Form factors of atoms of two unequal halves, at the displacements OFFSETS."""
    plain = spherical(crystal, atoms, hkl)
    shift = np.exp(2j * np.pi * plain.hkl @ OFFSETS.T)
    f = plain.f * (0.7 * shift[:, 0] + 0.3 * shift[:, 1])
    return friedel.AtomFormFactors(plain.labels, plain.hkl, f, name="clusters.tsc")


def clusters(atoms):
    """The same atoms as spherical ones: two for each, with shares of its occupancy."""
    halves = [
        atoms.replace(frac=atoms.frac + offset, occ=share * atoms.occ, site_labels=None)
        for offset, share in zip(OFFSETS, (0.7, 0.3), strict=True)
    ]
    columns = {
        name: np.concatenate([getattr(half, name) for half in halves])
        for name in ("frac", "occ", "b_iso", "kind", "u_aniso")
    }
    return halves[0].replace(**columns)
