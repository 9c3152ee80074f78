"""The parameters of the scale, and the tensors allowed by symmetry."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from friedel.errors import ParameterError
from friedel.kernels.reciprocal.scaling import quadratic_forms
from friedel.model.crystal import Crystal
from friedel.model.tensors import UPPER, averaged_unit_tensors, rotate_tensors
from friedel.scaling.curves import anisotropic_terms, curve_terms as curve_terms

MEAN_K_SOL = 0.35
"""Average solvent density in protein crystals, electrons/Å^3 [Fokine2002]."""
MEAN_B_SOL = 46.0
"""Average fall-off of the solvent contribution, Å^2 [Fokine2002]."""

PARAMETERS = (
    "k_overall",
    "b_overall",
    "overall_curve",
    "anisotropic_curve",
    "b_sol",
    "solvent_curve",
    "k_sol",
    "k_layer",
    "twin_fractions",
)
"""Names of the parameters in the order of the vector that is fitted: exponents of the overall
scale, exponents of the solvent scale, factors."""

ROUNDING = 1e-9
"""Excess over 1 of a sum of twin fractions that is a rounding error."""

UNIT_TENSOR = np.array([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]])
"""The tensor B (Å^2) for which s^T B s / 4 is stol2."""


@dataclass(frozen=True)
class ScaleParameters:
    """The parameters of the scale, and the scale that they define.

    Parameters
    ----------
    k_overall
        Factor from the units of F_calc to those of F_obs.
    b_overall
        B11, B22, B33, B12, B13, B23 (Å^2), Cartesian (x along a, z along c*).
    k_sol
        Density of the solvent, in units of F_calc per Å^3.
    b_sol
        Fall-off of the solvent contribution, Å^2.
    k_layer
        Density of the layer next to the model, relative to k_sol; 0 for none.
    overall_curve, solvent_curve
        Coefficients of smooth curves in the logarithms of the overall and the solvent scale,
        see :func:`curve_terms`; empty for none.
    anisotropic_curve
        Coefficients of the terms by which anisotropy depends on resolution in the logarithm of
        the overall scale, see :func:`anisotropic_terms`: for each term a traceless tensor D11, D22,
        D33, D12, D13, D23, Cartesian as B; empty for none.
    curve_range
        Least and greatest 1/d (1/Å) of the curves; outside of them, curves are constant.
    twin_fractions
        Fraction of each further twin domain in the intensities, in the order of the twin laws.
        None is negative, and their sum is at most 1; empty without twinning.

    Raises
    ------
    ParameterError
        When twin fractions are negative or their sum exceeds 1.
    """

    k_overall: float = 1.0
    b_overall: tuple[float, ...] = (0.0,) * 6
    k_sol: float = MEAN_K_SOL
    b_sol: float = MEAN_B_SOL
    k_layer: float = 0.0
    overall_curve: tuple[float, ...] = ()
    solvent_curve: tuple[float, ...] = ()
    curve_range: tuple[float, float] = (0.0, 1.0)
    twin_fractions: tuple[float, ...] = ()
    anisotropic_curve: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        total = sum(self.twin_fractions)
        if not (min(self.twin_fractions, default=0.0) >= 0.0 and total <= 1.0 + ROUNDING):
            text = ", ".join(f"{fraction:g}" for fraction in self.twin_fractions)
            raise ParameterError(f"got twin fractions {text}, expected 0 or more, at most 1 in all")

    @property
    def twin_fraction(self) -> float:
        """The fraction of all further twin domains together; 0 without twinning."""
        return float(sum(self.twin_fractions))

    @property
    def b_iso(self) -> float:
        """The isotropic part of B, Å^2."""
        return sum(self.b_overall[:3]) / 3.0

    def overall_scale(self, crystal: Crystal, hkl: np.ndarray) -> np.ndarray:
        """(n,) k_overall exp(-s^T B s / 4), times its curves, at reflections (n, 3)."""
        exponent = -quadratic_rows(crystal, hkl, np.array([self.b_overall]))[0]
        if self.overall_curve or self.anisotropic_curve:
            stol2 = crystal.stol2(hkl)
            exponent += self._curve(self.overall_curve, stol2)
            if self.anisotropic_curve:
                tensors = np.array(self.anisotropic_curve)
                exponent += anisotropic_curve(crystal, hkl, stol2, self.curve_range, tensors)
        return self.k_overall * np.exp(exponent)

    def isotropic_scale(self, stol2: np.ndarray) -> np.ndarray:
        """(n,) the overall scale with the isotropic part of B alone; `stol2` in 1/Å^2."""
        stol2 = np.asarray(stol2)  # harmonics have no mean over directions
        return self.k_overall * np.exp(self._curve(self.overall_curve, stol2) - self.b_iso * stol2)

    def solvent_scale(self, stol2: np.ndarray) -> np.ndarray:
        """(n,) k_sol exp(-B_sol stol2), times its curve: the factor of F_mask."""
        exponent = -self.b_sol * np.asarray(stol2)
        if self.solvent_curve:
            exponent = exponent + self._curve(self.solvent_curve, np.asarray(stol2))
        return self.k_sol * np.exp(exponent)

    def _curve(self, coefficients: tuple[float, ...], stol2: np.ndarray) -> np.ndarray:
        return curve_terms(stol2, self.curve_range, len(coefficients)) @ np.array(coefficients)

    def f_total(
        self,
        crystal: Crystal,
        hkl: np.ndarray,
        f_calc: np.ndarray,
        f_mask: np.ndarray | None = None,
        f_layer: np.ndarray | None = None,
    ) -> np.ndarray:
        """(n,) complex F_total on the scale of F_obs; without `f_mask` there is no solvent.

        For twins it is that of the first domain.
        """
        if f_mask is not None:
            if f_layer is not None:
                f_mask = f_mask + self.k_layer * f_layer
            f_calc = f_calc + self.solvent_scale(crystal.stol2(hkl)) * f_mask
        return self.overall_scale(crystal, hkl) * f_calc


def quadratic_terms(crystal: Crystal, hkl: np.ndarray) -> np.ndarray:
    """(n, 6) coefficients such that s^T B s / 4 = terms @ (B11, B22, B33, B12, B13, B23)."""
    return quadratic_rows(crystal, hkl, np.eye(6)).T


def quadratic_rows(crystal: Crystal, hkl: np.ndarray, tensors: np.ndarray) -> np.ndarray:
    """(m, n) s^T B s / 4 for each of `tensors` (m, 6) at reflections (n, 3)."""
    forms = rotate_tensors(tensors, crystal.fractionalization) / 4.0
    forms *= np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
    rows = np.empty((len(tensors), len(hkl)))
    quadratic_forms(np.ascontiguousarray(hkl, np.int32), forms, rows)
    return rows


def harmonic_rows(
    crystal: Crystal, hkl: np.ndarray, tensors: np.ndarray, stol2: np.ndarray | None = None
) -> np.ndarray:
    """(m, n) u^T D u for each of `tensors` (m, 6), where u is the direction of reflections (n, 3).

    For traceless tensors these are harmonics of order 2. They are 0 at the origin.
    """
    rows = quadratic_rows(crystal, hkl, tensors)
    stol2 = crystal.stol2(hkl) if stol2 is None else stol2
    return np.divide(rows, stol2, out=np.zeros_like(rows), where=stol2 > 0.0)


def anisotropic_curve(
    crystal: Crystal,
    hkl: np.ndarray,
    stol2: np.ndarray,
    limits: tuple[float, float],
    tensors: np.ndarray,
) -> np.ndarray:
    """(n,) sum of terms of 1/d, each times the harmonic of one of `tensors` (m, 6)."""
    terms = anisotropic_terms(stol2, limits, len(tensors))
    return np.einsum("nm,mn->n", terms, harmonic_rows(crystal, hkl, tensors, stol2))


def symmetric_tensors(crystal: Crystal) -> np.ndarray:
    """(m, 6) orthonormal Cartesian tensors that span those invariant under the symmetry.

    m is 6 in triclinic crystals, 4 in monoclinic, 3 in orthorhombic, 2 in tetragonal,
    trigonal and hexagonal, 1 in cubic ones, in any setting. Orthonormal means that the
    products of the full 3 x 3 tensors, summed over their elements, are 1 or 0. The first is the
    isotropic one; the others describe the anisotropy.
    """
    averaged = averaged_unit_tensors(crystal.primitive_operations[0])
    cartesian = crystal.orthogonalization @ averaged @ crystal.orthogonalization.T
    rank = round(float(np.trace(averaged[:, *UPPER])))  # the rank of a projection is its trace
    _, _, rows = np.linalg.svd(cartesian.reshape(6, 9))
    rows = rows[:rank]
    # a rotation in the space of these tensors takes the first to the isotropic one; not to the unit
    # tensor itself, as rounded cell parameters obey the symmetry only nearly
    isotropic = rows @ np.eye(3).ravel()
    turn = np.linalg.qr(isotropic[:, None], mode="complete")[0]
    turn[:, 0] *= np.sign(isotropic @ turn[:, 0])
    return (turn.T @ rows).reshape(-1, 3, 3)[:, *UPPER]


def fractions_of_parts(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Twin fractions (k,), and their derivatives (k, k) by the parts in rows.

    A part (k,) is the fraction of a domain in what the domains before it leave of the crystal. Any
    parts from 0 to 1 give fractions that are not negative and whose sum is at most 1, so that a
    fit of parts needs no other limits. A single part is the fraction itself.
    """
    k = len(parts)
    if not k:
        return np.zeros(0), np.zeros((0, 0))
    factors = np.where(np.eye(k, dtype=bool), parts, np.where(np.tri(k, dtype=bool), 1 - parts, 1))
    slopes = np.empty((k, k))
    for j in range(k):
        by_part = factors.copy()
        by_part[:, j] = np.where(np.arange(k) > j, -1.0, np.arange(k) == j)
        slopes[j] = by_part.prod(axis=1)
    return factors.prod(axis=1), slopes


def parts_of_fractions(fractions: Sequence[float]) -> np.ndarray:
    """(k,) parts that give these twin fractions, see :func:`fractions_of_parts`."""
    before = 1.0 - np.concatenate([[0.0], np.cumsum(fractions)[:-1]])[: len(fractions)]
    parts = np.divide(fractions, before, out=np.zeros(len(fractions)), where=before > ROUNDING)
    return np.clip(parts, 0.0, 1.0)


def as_floats(values: np.ndarray) -> tuple[float, ...]:
    """A tuple of plain floats."""
    return tuple(float(v) for v in values)
