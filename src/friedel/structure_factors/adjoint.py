"""Derivatives by the atoms' parameters from dT/dF: the transposed calculation.

For a real target T of structure factors, w(h) = dT/dRe F(h) + i dT/dIm F(h), so that
dT = sum_h Re(conj(w) dF). Every stage of the forward calculation is linear in the result of the
previous stage; here the transposed stages are applied in reverse order.
"""

from collections.abc import Callable

import numpy as np

from friedel.direct import AsymmetricUnitSum, DirectSum
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.scattering.formfactors import ScatteringFactors
from friedel.structure_factors.gradients import Gradients
from friedel.structure_factors.grid_sum import GridSum


def through_grid(
    crystal: Crystal,
    atoms: Atoms,
    planned: GridSum,
    w: np.ndarray,
    by_constants: Callable[[np.ndarray], np.ndarray] | None = None,
    threads: int = 1,
) -> Gradients:
    """Derivatives of a target of sums over atoms on a grid.

    Parameters
    ----------
    planned
        The sum for atoms that differ from these in positions only.
    w
        (n,) derivatives by the sums.
    by_constants
        Function from w to the derivatives (n_atoms,) by a constant added to each form factor. It
        is used for those by f' and f'' that the sum does not give; without it they are None.
    """
    found, f_prime, f_double_prime = planned.derivatives(atoms.frac, w, threads)
    if by_constants is not None:
        f_prime = by_constants(w) if f_prime is None else f_prime
        f_double_prime = by_constants(-1j * w) if f_double_prime is None else f_double_prime
    frac, occ, tensors = found[:, 1:4].copy(), found[:, 0].copy(), found[:, 4:]
    return Gradients.from_tensors(crystal, atoms, frac, occ, tensors, f_prime, f_double_prime)


def through_direct_sum(
    planned: DirectSum | AsymmetricUnitSum,
    atoms: Atoms,
    f: np.ndarray,
    w: np.ndarray,
    anomalous: bool = False,
) -> Gradients:
    """Derivatives of a target of direct sums.

    Parameters
    ----------
    planned
        The sum over the same reflections.
    f
        Form factors as the sum takes them, complex where there is some f''.
    w
        (n,) derivatives by the sums.
    anomalous
        Whether to calculate derivatives by f' and f'' even where no atom has an f''.
    """
    found = planned.derivatives(atoms, w, f)
    f_prime = f_double_prime = None
    if anomalous or np.iscomplexobj(f):
        f_prime, f_double_prime = planned.derivatives_by_constants(atoms, w).T.copy()
    return Gradients.from_tensors(planned.crystal, atoms, *found, f_prime, f_double_prime)


def add_forward_scattering(
    gradients: Gradients, w: complex, atoms: Atoms, factors: ScatteringFactors
) -> Gradients:
    """`gradients` plus those of F(000), the sum of occupancies times the limits of f at 0."""
    n = gradients.crystal.n_operations
    limit = (factors.forward_limit() + 1j * factors.f_double_prime)[atoms.kind]
    occ = gradients.occ + n * (np.conj(w) * limit).real
    f_prime, f_double_prime = gradients.f_prime, gradients.f_double_prime
    if f_prime is not None and not factors.mott_bethe:
        f_prime = f_prime + n * atoms.occ * w.real
    if f_double_prime is not None:
        f_double_prime = f_double_prime + n * atoms.occ * w.imag
    return gradients.replace(occ=occ, f_prime=f_prime, f_double_prime=f_double_prime)
