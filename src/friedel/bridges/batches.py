"""Structure factors and gradients for batches of parameters, shared by all bridges."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from friedel.ensemble.members import in_order
from friedel.errors import AtomsError
from friedel.model.atoms import LARGEST
from friedel.structure_factors.calculator import Calculator, Evaluation

TRAILING = {"xyz": (3,), "b_iso": (), "u_aniso": (6,), "occ": ()}
"""Parameters that bridges take, each with the shape of its values for one atom."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Evaluations at each member of a batch.

    Attributes
    ----------
    shape
        Shape of the batch.
    members
        The evaluations, in the order of their flat index; none for an empty batch.
    n_hkl, n_atoms
        Numbers of reflections and of atoms.
    """

    shape: tuple[int, ...]
    members: list[Evaluation]
    n_hkl: int
    n_atoms: int

    @classmethod
    def from_parameters(
        cls, calculator: Calculator, parameters: Mapping[str, np.ndarray | None]
    ) -> "Batch":
        """Make a batch of arrays (..., n_atoms, trailing shape); batch shapes are broadcast.

        Raises
        ------
        AtomsError
            When shapes do not fit, or for numbers that are not finite.
        """
        given = {name: np.asarray(x) for name, x in parameters.items() if x is not None}
        shapes = {name: x.shape for name, x in given.items()}
        shape = common_batch_shape(len(calculator.atoms), shapes)
        if "xyz" in given:
            _check_positions(given["xyz"])
            to_frac = calculator.crystal.fractionalization.T
            given["frac"] = given.pop("xyz").astype(np.float64) @ to_frac
        wide = {
            name: np.broadcast_to(x, shape + x.shape[x.ndim - 1 - len(TRAILING.get(name, (3,))) :])
            for name, x in given.items()
        }
        members = [
            calculator.at(calculator.atoms.replace(**{name: x[i] for name, x in wide.items()}))
            for i in np.ndindex(shape)
        ]
        return cls(shape, members, len(calculator.hkl), len(calculator.atoms))

    def forward(self, threads: int = 1) -> np.ndarray:
        """(..., n_hkl) complex128 F."""
        found = np.array(list(in_order(Evaluation.forward, self.members, threads)), np.complex128)
        return found.reshape(*self.shape, self.n_hkl)

    def adjoint(self, w: np.ndarray, threads: int = 1) -> dict[str, np.ndarray]:
        """Derivatives (..., n_atoms, trailing shape) by all parameters, from w (..., n_hkl)."""
        flat = np.asarray(w).reshape(len(self.members), self.n_hkl)
        pairs = list(zip(self.members, flat, strict=True))
        every = list(in_order(lambda pair: pair[0].adjoint(pair[1]), pairs, threads))
        found = {name: np.array([getattr(g, name) for g in every]) for name in TRAILING}
        return {
            name: x.reshape(*self.shape, self.n_atoms, *TRAILING[name]) for name, x in found.items()
        }


def common_batch_shape(n_atoms: int, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The batch shape of parameters of these shapes, (..., n_atoms, trailing shape) each.

    Raises
    ------
    AtomsError
        When a shape does not fit the atoms, or the batch shapes do not fit together.
    """
    for name, shape in shapes.items():
        expected = (n_atoms, *TRAILING[name])
        if shape[max(len(shape) - len(expected), 0) :] != expected:
            text = ", ".join(str(n) for n in expected)
            raise AtomsError(f"{name} has shape {shape}, expected (..., {text})")
    leading = {name: batch_shape(name, shape) for name, shape in shapes.items()}
    try:
        return np.broadcast_shapes(*leading.values())
    except ValueError:
        raise AtomsError(f"batch shapes cannot be broadcast together: {leading}") from None


def _check_positions(xyz: np.ndarray) -> None:
    """Raise an error that names what was given; the atoms would name fractional coordinates."""
    sane = np.abs(xyz) <= LARGEST  # not true of NaN
    if not sane.all():
        at = tuple(int(i) for i in np.argwhere(~sane)[0, :-1])
        member = "" if len(at) == 1 else f" in member {at[:-1] if len(at) > 2 else at[0]}"
        raise AtomsError(
            f"xyz of atom {at[-1] + 1}{member} is {xyz[at]}, expected finite numbers up to "
            f"{LARGEST:.0e}"
        )


def batch_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The batch part of the shape of a parameter."""
    return tuple(shape[: len(shape) - 1 - len(TRAILING[name])])


def reduced(gradient: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The transpose of broadcasting from `shape`: the sum over repeated entries."""
    added = gradient.ndim - len(shape)
    summed = gradient.sum(axis=tuple(range(added)))
    repeated = tuple(
        i for i, (n, m) in enumerate(zip(shape, summed.shape, strict=True)) if n == 1 < m
    )
    return summed.sum(axis=repeated, keepdims=True)
