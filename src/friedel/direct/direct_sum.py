"""Structure factors at fixed reflections by direct summation, and their derivatives."""

from copy import copy
from functools import cached_property
from typing import NamedTuple

import numpy as np

from friedel.direct import cost
from friedel.direct.atom_blocks import WeightedAtoms
from friedel.direct.row_sums import AlongRows
from friedel.direct.rows import Rows, rows_that_hold
from friedel.direct.symmetry import setting_of
from friedel.direct.table_sums import FewAtoms, entries_of_tables
from friedel.errors import ParameterError
from friedel.kernels.direct import definition
from friedel.kernels.direct.rows_adjoint import COLUMNS
from friedel.kernels.reciprocal.indices import largest_indices
from friedel.model.arrays import checked_hkl, frozen_copy
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.runtime.threads import in_pieces

MAX_ENTRIES = 2**19
"""Largest number of entries in the tables of one atom; larger tables take too much memory."""


class Derivatives(NamedTuple):
    """Derivatives of a real target T by the parameters of the atoms.

    `frac` (n, 3) are by fractional coordinates, `occ` (n,) by occupancies, and `b_tensor` (n, 6)
    by the six numbers of `Atoms.b_tensor`. For isotropic atoms only the sum of the first three is
    meaningful: it is the derivative by `Atoms.b_iso`.
    """

    frac: np.ndarray
    occ: np.ndarray
    b_tensor: np.ndarray


class DirectSum:
    """Structure factors at fixed reflections, of any atoms in one crystal, in double precision.

    The error is below 1e-12 of the rms F. The time is about 0.15 ns for each isotropic atom,
    operation and reflection where one of a*, b*, c* is perpendicular to the others, 0.5 ns for
    other atoms, and half of it with an inversion at the origin; derivatives by all parameters
    take as long again. Few atoms, and few scattered reflections, are summed by other methods: see
    :mod:`friedel.direct`.

    Parameters
    ----------
    crystal
        Cell and symmetry.
    hkl
        (n, 3) indices, in any order; they may be repeated.
    threads
        Number of threads; results are bitwise identical for any number.

    Raises
    ------
    ReflectionsError
        When `hkl` are not integers in three columns.
    """

    def __init__(self, crystal: Crystal, hkl: np.ndarray, threads: int = 1) -> None:
        self.crystal = crystal
        self.hkl = frozen_copy(checked_hkl(hkl))
        self.threads = threads
        self._setting = setting_of(crystal)
        self._hkl = np.take(self.hkl, self._setting.axes, axis=1)
        self._absent = crystal.is_absent(self.hkl)

    def with_threads(self, threads: int) -> "DirectSum":
        """The same sum with another number of threads."""
        other = copy(self)
        other.threads = threads
        return other

    def __repr__(self) -> str:
        return f"<friedel.DirectSum {len(self.hkl)} reflections of {self.crystal}>"

    def structure_factors(self, atoms: Atoms, f: np.ndarray) -> np.ndarray:
        """(n,) complex128 F, in the unit of `f`. Systematically absent reflections are exactly 0.

        Parameters
        ----------
        atoms
            One asymmetric unit.
        f
            (n_kinds, n) form factor of each kind of atom at each reflection, complex
            where it has an imaginary part f''.

        Raises
        ------
        ParameterError
            When `f` has another shape.
        """
        f = self._checked(f, len(atoms.scatterers))
        model = self._model(atoms, atoms.occ)
        out = np.zeros(len(self.hkl), np.complex128)
        if self._tables_are_fastest(atoms):
            left = self._few_atoms.add(model, f, out)
        elif (rows := self._rows_if_faster(atoms)) is not None:
            left = AlongRows(self._setting, rows, self.threads).add(model, f, out)
        else:
            self._add_by_definition(model, f, out)
            return out
        if len(left):
            self._add_by_definition(model.select(left), f, out)
        return out

    def derivatives(self, atoms: Atoms, w: np.ndarray, f: np.ndarray) -> Derivatives:
        """Derivatives of a target of F by the atoms, the transpose of :meth:`structure_factors`.

        Parameters
        ----------
        atoms, f
            As for :meth:`structure_factors`.
        w
            (n,) complex: dT/dRe F + i dT/dIm F.
        """
        f = self._checked(f, len(atoms.scatterers))
        w = np.array(w, np.complex128)
        model = self._model(atoms, np.ones(len(atoms)))
        out = np.zeros((len(atoms), COLUMNS))
        if self._tables_are_fastest(atoms):
            left = self._few_atoms.gather(model, w, f, out)
        elif (rows := self._rows_if_faster(atoms)) is not None:
            left = AlongRows(self._setting, rows, self.threads).gather(
                model, ~atoms.is_aniso, w, f, out
            )
        else:
            left = np.arange(len(atoms))
        if len(left):
            out[left] = self._gathered_by_definition(model.select(left), w, f)
        frac = np.empty((len(atoms), 3))
        frac[:, self._setting.axes] = atoms.occ[:, None] * out[:, 1:4]
        b_tensor = atoms.occ[:, None] * (out[:, 4:] @ self._setting.to_beta.T)
        return Derivatives(frac, out[:, 0].copy(), b_tensor)

    def derivatives_by_constants(self, atoms: Atoms, w: np.ndarray) -> np.ndarray:
        """(n_atoms, 2) derivatives by f' and f'' of each atom; see :meth:`derivatives`."""
        rows = None if self._tables_are_fastest(atoms) else self._rows_if_faster(atoms)
        if rows is None:
            alike = atoms.replace(kind=np.zeros(len(atoms), np.int32))
            f = np.ones((len(atoms.scatterers), len(self.hkl)))
            by_occ = [self.derivatives(alike, w, unit * f).occ for unit in (1.0, 1.0j)]
            return atoms.occ[:, None] * np.column_stack(by_occ)
        w = np.array(w, np.complex128)
        model = self._model(atoms, np.ones(len(atoms)))
        model = model._replace(kind=np.zeros_like(model.kind))
        out = np.zeros((len(atoms), 2))
        overflowing = AlongRows(self._setting, rows, self.threads).gather_constants(model, w, out)
        if len(overflowing):
            for column, unit in enumerate((1.0, 1.0j)):
                f = np.full((1, len(w)), unit, np.complex128)
                out[overflowing, column] = self._gathered_by_definition(
                    model.select(overflowing), w, f
                )[:, 0]
        return atoms.occ[:, None] * out

    def _checked(self, f: np.ndarray, n_kinds: int) -> np.ndarray:
        dtype = np.complex128 if np.iscomplexobj(f) else np.float64
        checked = np.ascontiguousarray(f, dtype)
        if checked.shape != (n_kinds, len(self.hkl)):
            raise ParameterError(
                f"f has shape {checked.shape}, expected ({n_kinds}, {len(self.hkl)}): "
                "one row for each kind of atom, one column for each reflection"
            )
        # Kernels are compiled for arrays that can be written to
        return checked if checked.flags.writeable else checked.copy()

    def _model(self, atoms: Atoms, weight: np.ndarray) -> WeightedAtoms:
        setting = self._setting
        return WeightedAtoms(
            np.take(atoms.frac, setting.axes, axis=1),
            weight * len(setting.centring),
            atoms.b_tensor @ setting.to_beta,
            np.array(atoms.kind),
        )

    @property
    def _n_terms(self) -> int:
        """Number of (reflection, operation) pairs."""
        return len(self.hkl) * len(self._setting.operations.rotations)

    def _tables_are_fastest(self, atoms: Atoms) -> bool:
        """Whether sums from tables of each atom are predicted to be the fastest."""
        others = cost.by_definition(self._n_terms, len(atoms))
        if others < cost.SECONDS_OF_TABLES:
            return False
        entries = entries_of_tables(self._limits)
        if entries > MAX_ENTRIES:
            return False
        others = min(others, self._along_rows(atoms))
        return cost.by_tables(self._setting, self._n_terms, len(atoms), entries) < others

    def _along_rows(self, atoms: Atoms) -> float:
        """Predicted time of sums along rows; a lower bound before the rows are planned (s)."""
        if self._has_rows:
            return np.inf if self._rows is None else cost.along(self._rows, self._setting, atoms)
        h, k, l = self._limits
        return cost.filling(len(atoms), h + 2 * k + l) + cost.planning(self._n_terms, 0)

    @cached_property
    def _few_atoms(self) -> FewAtoms:
        return FewAtoms.planned(self._setting, self._hkl, self._absent, self._limits)

    def _rows_if_faster(self, atoms: Atoms) -> Rows | None:
        """The rows, or None when sums by the definition are predicted to be faster."""
        by_definition = cost.by_definition(self._n_terms, len(atoms))
        if self._along_rows(atoms) > by_definition or self._rows is None:
            return None
        return self._rows if self._along_rows(atoms) < by_definition else None

    @property
    def _has_rows(self) -> bool:
        return "_rows" in self.__dict__

    @cached_property
    def _limits(self) -> tuple[int, int, int]:
        """Largest |h|, |k| and |l| of all h R."""
        return largest_indices(self._hkl, self._setting.operations.rotations)

    @cached_property
    def _rows(self) -> Rows | None:
        return rows_that_hold(self._setting, self._hkl, self._absent, self._limits)

    def _add_by_definition(self, model: WeightedAtoms, f: np.ndarray, out: np.ndarray) -> None:
        arguments = (self._hkl, self._absent, self._setting.operations, model, f, out)
        seconds = cost.by_definition(self._n_terms, len(model.weight))
        edges = range(len(out) + 1)
        in_pieces(definition.sum_by_definition, arguments, edges, seconds, self.threads)

    def _gathered_by_definition(
        self, model: WeightedAtoms, w: np.ndarray, f: np.ndarray
    ) -> np.ndarray:
        out = np.zeros((len(model.weight), COLUMNS))
        arguments = (self._hkl, self._absent, self._setting.operations, model, w, f, out)
        seconds = cost.by_definition(self._n_terms, len(out))
        edges = range(len(out) + 1)
        in_pieces(definition.gather_by_definition, arguments, edges, seconds, self.threads)
        return out


def direct_structure_factors(
    crystal: Crystal, atoms: Atoms, hkl: np.ndarray, f: np.ndarray, threads: int = 1
) -> np.ndarray:
    """(n,) complex128 F at `hkl` in one call: see :meth:`DirectSum.structure_factors`."""
    return DirectSum(crystal, hkl, threads).structure_factors(atoms, f)
