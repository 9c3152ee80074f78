"""Atoms -> density on a grid."""

import numpy as np

from friedel.atoms import Atoms
from friedel.crystal import Crystal
from friedel.errors import ParameterError
from friedel.kernels.density import add_general, add_isotropic_orthogonal

MAX_RADIUS = 100.0
"""Radii are looked for up to this many A."""


def add_atoms(
    grid: np.ndarray,
    crystal: Crystal,
    atoms: Atoms,
    a: np.ndarray,
    b: np.ndarray,
    *,
    blur: float = 0.0,
    cutoff: float = 1e-5,
) -> None:
    """Add the density of the atoms themselves, without symmetry mates, to a grid.

    Parameters
    ----------
    grid
        (nu, nv, nw) float32 or float64 over the whole cell; changed in place.
    a, b
        (n_kinds, n_terms) Gaussian coefficients by kind of atom.
    blur
        B (A^2) added to every atom.
    cutoff
        An atom reaches to where its density falls below this level.

    Raises
    ------
    ParameterError
        When some atom has a Gaussian that is not positive definite even with the blur.
    """
    check_widths(atoms, b, blur)
    radius = radii(atoms, a, b, blur=blur, cutoff=cutoff)
    step = crystal.orthogonalization / np.array(grid.shape)
    if not atoms.is_aniso.any() and np.count_nonzero(step) == 3:
        add_isotropic_orthogonal(
            grid, np.diag(step).copy(), atoms.frac, atoms.occ, atoms.b_iso, atoms.kind, a, b, blur, radius
        )
    else:
        extent = crystal.reciprocal_lengths * np.array(grid.shape)
        add_general(
            grid, step, extent, atoms.frac, atoms.occ, atoms.b_tensor, atoms.kind, a, b, blur, radius
        )


def check_widths(atoms: Atoms, b: np.ndarray, blur: float) -> None:
    """Every Gaussian on the grid must be positive definite.

    Raises
    ------
    ParameterError
        With the blur that would be enough.
    """
    narrowest = atoms.b_eigenvalues[:, 0] + b.min(axis=1)[atoms.kind]
    worst = int(np.argmin(narrowest))
    if narrowest[worst] + blur <= 0:
        raise ParameterError(
            f"atom {worst + 1} has no finite density: its smallest B is {narrowest[worst]:g} A^2 "
            f"and blur is {blur:g}; expected a blur above {-narrowest[worst]:g} A^2"
        )


def radii(
    atoms: Atoms, a: np.ndarray, b: np.ndarray, *, blur: float, cutoff: float
) -> np.ndarray:
    """(n,) distance in A at which occ * |density| falls to `cutoff`, in the broadest direction.

    Atoms are treated in classes of one kind and nearly one B, each with the radius of its
    broadest member, so that the work does not grow with the number of atoms.
    """
    if len(atoms) == 0:
        return np.empty(0)
    broadest = atoms.b_eigenvalues[:, 2]
    rounded_b = np.ceil(broadest / 0.5) * 0.5
    levels = np.where(atoms.occ != 0, np.ceil(np.log2(np.maximum(np.abs(atoms.occ), 1e-9))), -30.0)
    classes = np.column_stack([atoms.kind, rounded_b, levels])
    unique, inverse = np.unique(classes, axis=0, return_inverse=True)
    kind = unique[:, 0].astype(int)
    widths = b[kind] + (unique[:, 1] + blur)[:, None]
    amplitudes = 2.0 ** unique[:, 2][:, None] * a[kind] * (4.0 * np.pi / widths) ** 1.5
    result = radius_at_level(np.abs(amplitudes), 4.0 * np.pi**2 / widths, cutoff)
    radius = result[inverse.ravel()]
    return np.where(atoms.occ != 0, radius, 0.0)


def radius_at_level(amplitudes: np.ndarray, factors: np.ndarray, level: float) -> np.ndarray:
    """(n,) r with sum_t amplitude_t exp(-factor_t r^2) = level, by bisection; 0 if below everywhere."""
    low = np.zeros(len(amplitudes))
    high = np.full(len(amplitudes), MAX_RADIUS)
    for _ in range(30):
        middle = 0.5 * (low + high)
        above = (amplitudes * np.exp(-factors * middle[:, None] ** 2)).sum(axis=1) > level
        low = np.where(above, middle, low)
        high = np.where(above, high, middle)
    return np.where(amplitudes.sum(axis=1) > level, high, 0.0)
