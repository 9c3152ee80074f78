"""Derivatives of a target of averages over an ensemble by the parameters of every member.

With m members, T(<F>, <abs(F)^2>) has the derivative w_i = (dT/d<F> + 2 dT/d<abs(F)^2> F_i) / m by
F_i, so that each member needs its own F and one adjoint: a worker is sent the derivatives of T and
gives back those by the atoms of its members.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from friedel.ensemble.executors import checked_executor, results_of_chunks
from friedel.ensemble.members import Ensemble
from friedel.ensemble.partial_sums import Tree, chunks_of, merged, sum_of_frames
from friedel.errors import ParameterError, ReflectionsError
from friedel.model.atoms import Atoms
from friedel.structure_factors.calculator import Calculator, Evaluation
from friedel.structure_factors.gradients import Gradients, checked_weights

CHUNK = 4
"""Number of members of a chunk by default."""

Derivatives = tuple[float, np.ndarray | None, np.ndarray | None]
"""T, dT/dRe <F> + i dT/dIm <F> (n,) complex, and dT/d<abs(F)^2> (n,) real; None for zeros."""
Target = Callable[[np.ndarray, np.ndarray], Derivatives]
"""A target of <F> (n,) complex and <abs(F)^2> (n,)."""


@dataclass(frozen=True, eq=False)
class TargetGradients:
    """A target of an ensemble, and its derivatives.

    Attributes
    ----------
    value
        T.
    mean
        (n,) complex <F>.
    mean_intensity
        (n,) <abs(F)^2>.
    members
        Derivatives by the parameters of each member, in order.
    """

    value: float
    mean: np.ndarray
    mean_intensity: np.ndarray
    members: tuple[Gradients, ...]

    @property
    def xyz(self) -> np.ndarray:
        """(m, n_atoms, 3) derivatives by Cartesian coordinates, 1/Å."""
        return np.array([gradients.xyz for gradients in self.members])

    @property
    def frac(self) -> np.ndarray:
        """(m, n_atoms, 3) derivatives by fractional coordinates."""
        return np.array([gradients.frac for gradients in self.members])


def target_gradients(
    calculator: Calculator,
    members: Ensemble | Iterable[Atoms],
    target: Target,
    *,
    executor: Any = None,
    chunk: int = CHUNK,
) -> TargetGradients:
    """A target of <F> and <abs(F)^2>, and its derivatives by the parameters of every member.

    The result has the same bits for any number of processes and threads.

    Parameters
    ----------
    calculator
        Structure factors of members.
    members
        An ensemble, or atoms of the kinds that the calculator was planned for.
    target
        Function of <F> (n,) complex and <abs(F)^2> (n,) that returns T, its derivative
        dT/dRe <F> + i dT/dIm <F> (n,) complex, and dT/d<abs(F)^2> (n,); None for derivatives that
        are zero. Diffuse intensities are I = <abs(F)^2> - abs(<F>)^2, so that dT/dI adds dT/dI to
        the second, and -2 <F> dT/dI to the first.
    executor
        None to calculate in this process; a number of processes; or an object with a method
        `submit`, such as a ``ProcessPoolExecutor`` or a Dask client, which need not be started for
        each call.
    chunk
        Number of members of a chunk. Results with different chunks differ in rounding.

    Raises
    ------
    ParameterError
        When there are no members, or for a chunk that is no positive integer.
    ReflectionsError
        When the derivatives of the target are not one finite number for each reflection.

    Examples
    --------
    >>> def bragg_and_diffuse(mean, mean_intensity):  # of measured f_obs and i_obs
    ...     bragg, by_mean = least_squares(mean, f_obs)
    ...     rest = mean_intensity - abs(mean) ** 2 - i_obs
    ...     return bragg + (rest**2).sum(), by_mean - 4 * rest * mean, 2 * rest
    >>> target_gradients(calculator, members, bragg_and_diffuse)  # doctest: +SKIP
    """
    executor = checked_executor(executor)
    if not isinstance(chunk, int) or chunk < 1:
        raise ParameterError(f"got chunk={chunk!r}, expected a positive number of members")
    given = members if isinstance(members, Ensemble) else tuple(members)
    if not len(given):
        raise ParameterError("the ensemble has no members")
    calculator = calculator.detached()
    if executor is not None:
        calculator = calculator.with_threads(1)
    calculator.at(given[0])  # chunks begin with the plan for the first member
    n, chunks = len(calculator.hkl), chunks_of(len(given), chunk)
    tree = Tree(partial(merged, groups=np.zeros(n, np.int64)))
    for value in results_of_chunks(_Sums(calculator, given, chunk), chunks, executor):
        tree.add(value)
    total = tree.result()
    mean = total.mean[0]
    mean_intensity = np.abs(mean) ** 2 + total.total_spread / total.count
    value, by_mean, by_intensity = target(mean, mean_intensity)
    by_mean = np.zeros(n, np.complex128) if by_mean is None else checked_weights(by_mean, n)
    work = _Gradients(calculator, given, by_mean / total.count, _real(by_intensity, n, total.count))
    parts = results_of_chunks(work, chunks, executor)
    found = tuple(gradients for part in parts for gradients in part)
    return TargetGradients(float(value), mean, mean_intensity, found)


def _real(by_intensity: np.ndarray | None, n: int, count: int) -> np.ndarray | None:
    """2 dT/d<abs(F)^2> / m (n,).

    Raises
    ------
    ReflectionsError
        When it is not one finite real number for each reflection.
    """
    if by_intensity is None:
        return None
    checked = checked_weights(by_intensity, n)
    if checked.imag.any():
        raise ReflectionsError("got complex derivatives by intensities, expected real ones")
    return checked.real * (2.0 / count)


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over the F of the members of chunks."""

    calculator: Calculator
    members: Ensemble | tuple[Atoms, ...]
    length: int

    def chunk(self, first: int, last: int) -> Any:
        """The :class:`friedel.ensemble.partial_sums.PartialSum` of some members."""
        calculator = self.calculator.detached()
        frames = ([calculator.forward(self.members[i])] for i in range(first, last))
        return sum_of_frames(frames, 1, len(self.calculator.hkl), self.length)


@dataclass(frozen=True, eq=False)
class _Gradients:
    """Derivatives by the parameters of the members of chunks.

    `by_mean` (n,) and `by_intensity` (n,) are dT/d<F> / m and 2 dT/d<abs(F)^2> / m.
    """

    calculator: Calculator
    members: Ensemble | tuple[Atoms, ...]
    by_mean: np.ndarray
    by_intensity: np.ndarray | None

    def chunk(self, first: int, last: int) -> list[Gradients]:
        """Those of some members, in order."""
        calculator = self.calculator.detached()
        return [self._of(calculator.at(self.members[i])) for i in range(first, last)]

    def _of(self, evaluation: Evaluation) -> Gradients:
        w = self.by_mean
        if self.by_intensity is not None:
            w = w + self.by_intensity * evaluation.forward()
        return evaluation.adjoint(w)
