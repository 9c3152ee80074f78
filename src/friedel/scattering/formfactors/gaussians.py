"""A form factor as a sum of Gaussians, in reciprocal and in real space.

In reciprocal space f(stol2) = sum_i a_i exp(-b_i stol2); a constant is a term with b = 0.
In real space a term with displacement tensor B (Cartesian, Å^2) is the Gaussian
a (4 pi)^(3/2) det(B + b)^(-1/2) exp(-4 pi^2 r (B + b)^-1 r) [ITB2010, section 1.3.4.4.5].
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from friedel.errors import ParameterError
from friedel.model.tensors import VOIGT


@dataclass(frozen=True)
class GaussianSum:
    """A form factor f(stol2) = sum_i a_i exp(-b_i stol2).

    Parameters
    ----------
    a
        Amplitudes of the Gaussians, in the unit of the form factor.
    b
        Exponents, Å^2; zero for a constant term.

    Raises
    ------
    ParameterError
        When `a` and `b` are not finite numbers of equal length.
    """

    a: tuple[float, ...]
    b: tuple[float, ...]

    def __post_init__(self) -> None:
        a, b = (
            tuple(map(float, v if isinstance(v, tuple) else np.ravel(v))) for v in (self.a, self.b)
        )
        if len(a) != len(b) or not a or not all(map(math.isfinite, a + b)):
            raise ParameterError(f"a Gaussian sum needs as many a as b, finite; got {a} and {b}")
        object.__setattr__(self, "a", a)
        object.__setattr__(self, "b", b)

    @property
    def f0(self) -> float:
        """f(0), the forward-scattering value."""
        return sum(self.a)

    @property
    def mott_bethe_limit(self) -> float:
        """Sum of a_i b_i = -df/d(stol2) at 0, proportional to the mean inner potential, Å^2."""
        return sum(a * b for a, b in zip(self.a, self.b, strict=True))

    def f(self, stol2: np.ndarray | float) -> np.ndarray:
        """Values f at (sin theta / lambda)^2 in 1/Å^2, of the same shape as the argument."""
        exponent = np.multiply.outer(np.asarray(stol2, np.float64), self.b)
        return np.exp(-exponent) @ np.array(self.a)

    def density_iso(self, r2: np.ndarray | float, b_iso: float) -> np.ndarray:
        """Density at squared distance `r2` (Å^2) for isotropic displacement B (Å^2).

        Raises
        ------
        ParameterError
            When B plus the smallest exponent is not positive: the density would not be finite.
        """
        b = np.array(self.b) + b_iso
        if not (b > 0).all():
            raise ParameterError(
                f"density needs B + b > 0 for every term; got B = {b_iso:g} A^2 "
                f"and b = {min(self.b):g} A^2. Add a blur"
            )
        amplitude = np.array(self.a) * (4.0 * np.pi / b) ** 1.5
        exponent = np.multiply.outer(np.asarray(r2, np.float64), 4.0 * np.pi**2 / b)
        return np.exp(-exponent) @ amplitude

    def density_aniso(self, vector: np.ndarray, b_tensor: Sequence[float]) -> np.ndarray:
        """Density at Cartesian vectors (..., 3) in Å for a displacement tensor.

        Parameters
        ----------
        b_tensor
            B11, B22, B33, B12, B13, B23 = 8 pi^2 U, Cartesian, Å^2.

        Raises
        ------
        ParameterError
            When the tensor plus an exponent is not positive definite.
        """
        vector = np.asarray(vector, np.float64)
        total = np.zeros(vector.shape[:-1])
        for a, b in zip(self.a, self.b, strict=True):
            tensor = np.asarray(b_tensor, np.float64)[VOIGT] + b * np.eye(3)
            if np.linalg.eigvalsh(tensor)[0] <= 0:
                raise ParameterError(
                    f"density needs a positive definite B + b; got B = {tuple(b_tensor)} A^2 "
                    f"and b = {b:g} A^2. Add a blur"
                )
            form = 4.0 * np.pi**2 * np.linalg.inv(tensor)
            exponent = np.einsum("...i,ij,...j->...", vector, form, vector)
            total += a * (4.0 * np.pi) ** 1.5 / np.sqrt(np.linalg.det(tensor)) * np.exp(-exponent)
        return total

    def __add__(self, constant: float) -> "GaussianSum":
        """The same form factor with an angle-independent number added, such as f'."""
        if constant == 0.0:
            return self
        return GaussianSum((*self.a, float(constant)), (*self.b, 0.0))


def stack(sums: Sequence[GaussianSum]) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of several sums as arrays (n_sums, n_terms), padded with zeros."""
    n_terms = max(len(s.a) for s in sums)
    a, b = np.zeros((2, len(sums), n_terms))
    for i, s in enumerate(sums):
        a[i, : len(s.a)] = s.a
        b[i, : len(s.b)] = s.b
    return a, b
