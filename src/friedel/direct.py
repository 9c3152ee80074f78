"""Direct summation: the truth that everything else is tested against."""

import numpy as np

from friedel.atoms import VOIGT, Atoms
from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.crystal import Crystal
from friedel.kernels import direct as kernels


def structure_factors(crystal: Crystal, atoms: Atoms, hkl: np.ndarray, f: np.ndarray) -> np.ndarray:
    """(n,) complex128 F at `hkl` by summing over atoms and operations in double precision.

    Parameters
    ----------
    f
        (n_kinds, n) real form factor of each kind of atom at each reflection.
    """
    rotations, translations = crystal.primitive_operations
    weight = atoms.occ * len(crystal.centring_translations)
    out = np.empty(len(hkl), np.complex128)
    kernels.structure_factors(
        np.ascontiguousarray(hkl, np.int32),
        rotations,
        translations / TRANSLATION_DENOMINATOR,
        atoms.frac,
        weight,
        beta_tensors(crystal, atoms),
        atoms.kind,
        np.ascontiguousarray(f),
        out,
    )
    # Exactly zero rather than a rounding residue; centring is counted as a factor above
    out[crystal.is_absent(hkl)] = 0.0
    return out


def beta_tensors(crystal: Crystal, atoms: Atoms) -> np.ndarray:
    """(n, 6) beta with T(h) = exp(-h beta h): a quarter of the B tensor on the axes a*, b*, c*."""
    axes = crystal.fractionalization
    beta = 0.25 * axes @ atoms.b_tensor[:, VOIGT] @ axes.T
    return np.ascontiguousarray(beta[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]])
