"""Ensembles: many conformations of the same atoms, one plan, bounded memory.

Members differ in coordinates and, optionally, in occupancies, B and U. Each thread calculates one
member at a time, so that there are never more grids than threads, and sums over members are taken
in order: results are bitwise identical for any number of threads.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from friedel.errors import AtomsError, ParameterError
from friedel.model.atoms import Atoms
from friedel.structure_factors.calculator import Calculator, Evaluation
from friedel.structure_factors.gradients import Gradients

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Conformations of the same atoms.

    Parameters
    ----------
    atoms
        Atoms with the parameters that all members share.
    frac
        (m, n, 3) fractional coordinates.
    occ, b_iso
        (m, n), or None for those of `atoms`.
    u_aniso
        (m, n, 6), or None for those of `atoms`.

    Raises
    ------
    AtomsError
        For arrays of inconsistent shapes. Values are checked when a member is used.
    """

    atoms: Atoms
    frac: np.ndarray
    occ: np.ndarray | None = None
    b_iso: np.ndarray | None = None
    u_aniso: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.atoms)
        m = len(self.frac)
        shapes = {"frac": (m, n, 3), "occ": (m, n), "b_iso": (m, n), "u_aniso": (m, n, 6)}
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and np.shape(value) != shape:
                raise AtomsError(f"{name} has shape {np.shape(value)}, expected {shape}")

    @classmethod
    def from_xyz(
        cls, calculator: Calculator, xyz: np.ndarray, **parameters: np.ndarray | None
    ) -> "Ensemble":
        """Build from (m, n, 3) Cartesian coordinates, Å; other parameters as for the class."""
        frac = np.asarray(xyz, np.float64) @ calculator.crystal.fractionalization.T
        return cls(calculator.atoms, frac, **parameters)

    def __len__(self) -> int:
        return len(self.frac)

    def __getitem__(self, index: int) -> Atoms:
        """The atoms of one member."""
        fields = {
            name: getattr(self, name)[index]
            for name in ("frac", "occ", "b_iso", "u_aniso")
            if getattr(self, name) is not None
        }
        return self.atoms.replace(**fields)

    def __iter__(self) -> Iterator[Atoms]:
        return (self[i] for i in range(len(self)))


@dataclass(frozen=True, eq=False)
class EnsembleMoments:
    """Mean and variance of the structure factors of an ensemble.

    Attributes
    ----------
    mean
        (n,) complex <F>: Bragg scattering.
    diffuse
        (n,) real <|F|^2> - |<F>|^2: diffuse scattering, in the square of F's unit.
    """

    mean: np.ndarray
    diffuse: np.ndarray

    @property
    def mean_intensity(self) -> np.ndarray:
        """(n,) <|F|^2>."""
        return np.abs(self.mean) ** 2 + self.diffuse


def member_structure_factors(
    calculator: Calculator, members: Iterable[Atoms], *, threads: int = 1
) -> Iterator[np.ndarray]:
    """F (n,) complex128 of each member, in order, as they become ready.

    Parameters
    ----------
    members
        An :class:`Ensemble`, or any atoms of the kinds that the calculator was planned for, such
        as a generator that reads frames.
    threads
        Number of members calculated at the same time; each needs one grid.
    """
    return in_order(Evaluation.forward, (calculator.at(atoms) for atoms in members), threads)


def gradients(
    calculator: Calculator, members: Iterable[Atoms], w: Iterable[np.ndarray], *, threads: int = 1
) -> Iterator[Gradients]:
    """Derivatives for each member with its own w (n,); see :meth:`friedel.Calculator.adjoint`.

    :func:`friedel.ensemble.target_gradients` gives those of a target of averages.
    """
    pairs = ((calculator.at(atoms), x) for atoms, x in zip(members, w, strict=True))
    return in_order(lambda pair: pair[0].adjoint(pair[1]), pairs, threads)


def moments(
    calculator: Calculator,
    members: Iterable[Atoms],
    *,
    weights: Iterable[float] | None = None,
    threads: int = 1,
    progress: bool = False,
) -> EnsembleMoments:
    """Mean and variance of F over the members, without keeping them.

    Parameters
    ----------
    members, threads
        As for :func:`member_structure_factors`.
    weights
        One for each member, positive; equal ones by default.
    progress
        Show a progress bar, on a terminal.

    Raises
    ------
    ParameterError
        For weights that are not positive, or when there are no members.
    """
    every = member_structure_factors(calculator, members, threads=threads)
    if progress:
        from tqdm import tqdm

        total = len(members) if isinstance(members, Sized) else None
        every = tqdm(every, desc="members", total=total, disable=None)
    mean = np.zeros(len(calculator.hkl), np.complex128)
    spread = np.zeros(len(calculator.hkl))
    total_weight = 0.0
    given = None if weights is None else iter(weights)
    for f in every:
        weight = 1.0 if given is None else float(next(given))
        if not (np.isfinite(weight) and weight > 0):
            raise ParameterError(f"got a weight of {weight}, expected a positive number")
        total_weight += weight
        # Updating the mean keeps the digits that <|F|^2> - |<F>|^2 would lose
        change = f - mean
        mean += change * (weight / total_weight)
        spread += weight * (change * np.conj(f - mean)).real
    if total_weight == 0.0:
        raise ParameterError("the ensemble has no members")
    return EnsembleMoments(mean, np.maximum(spread / total_weight, 0.0))


def in_order(work: Callable[[T], object], items: Iterable[T], threads: int) -> Iterator:
    """work(item) for each, in order; only a few items and results are in memory at a time."""
    if threads <= 1:
        yield from (work(item) for item in items)
        return
    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
