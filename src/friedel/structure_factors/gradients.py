"""Derivatives of a target by the parameters of atoms."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from friedel.constants import U_TO_B
from friedel.errors import ReflectionsError
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal


@dataclass(frozen=True, eq=False)
class Gradients:
    """Derivatives of a real target T by the parameters of a model.

    Attributes
    ----------
    crystal
        Crystal, which relates fractional and Cartesian coordinates.
    frac
        (n, 3) dT/d(fractional coordinate).
    occ
        (n,) dT/d(occupancy).
    b_iso
        (n,) dT/dB, 1/Å^2; zero for anisotropic atoms, whose `b_iso` is ignored.
    u_aniso
        (n, 6) dT/d(U11, U22, U33, U12, U13, U23), Cartesian, 1/Å^2; zero for isotropic atoms.
        Off-diagonal derivatives are by the one stored number, which is both elements of the
        tensor.
    f_prime, f_double_prime
        (n,) dT/df' and dT/df'' of each atom by itself, or None where not asked for.
    """

    crystal: Crystal
    frac: np.ndarray
    occ: np.ndarray
    b_iso: np.ndarray
    u_aniso: np.ndarray
    f_prime: np.ndarray | None = None
    f_double_prime: np.ndarray | None = None

    @cached_property
    def xyz(self) -> np.ndarray:
        """(n, 3) dT/d(Cartesian coordinate), 1/Å."""
        return self.frac @ self.crystal.fractionalization

    @classmethod
    def from_tensors(
        cls,
        crystal: Crystal,
        atoms: Atoms,
        frac: np.ndarray,
        occ: np.ndarray,
        b_tensor: np.ndarray,
        f_prime: np.ndarray | None = None,
        f_double_prime: np.ndarray | None = None,
    ) -> "Gradients":
        """Gradients from (n, 6) derivatives by the B tensor of every atom, isotropic or not."""
        aniso = atoms.is_aniso
        b_iso = np.where(aniso, 0.0, b_tensor[:, :3].sum(axis=1))
        u_aniso = np.where(aniso[:, None], U_TO_B * b_tensor, 0.0)
        return cls(crystal, frac, occ, b_iso, u_aniso, f_prime, f_double_prime)

    def replace(self, **fields: Any) -> "Gradients":
        """The gradients with some of the fields changed."""
        return dataclasses.replace(self, **fields)


LARGEST_WEIGHT = 1e30
"""Largest dT/dF: sums in single precision must be finite."""


def checked_weights(w: np.ndarray, n: int) -> np.ndarray:
    """dT/dF as (n,) complex128.

    Raises
    ------
    ReflectionsError
        When there is not one number of at most 1e30 for each of n reflections.
    """
    try:
        w = np.asarray(w, np.complex128)
    except (TypeError, ValueError):
        raise ReflectionsError(f"dT/dF is {w!r:.60}, expected numbers") from None
    if w.shape != (n,):
        raise ReflectionsError(f"dT/dF has shape {w.shape}, expected ({n},): one per reflection")
    if not np.isfinite(w).all():
        raise ReflectionsError("dT/dF has values that are not finite")
    if (largest := float(np.abs(w.view(np.float64)).max(initial=0.0))) > LARGEST_WEIGHT:
        raise ReflectionsError(
            f"dT/dF has values of {largest:.1e}, expected at most {LARGEST_WEIGHT:.0e}: "
            "divide the target by a constant"
        )
    return w
