"""Direct sums over atoms that each have form factors of their own at each index."""

from copy import copy

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.direct.direct_sum import Derivatives, DirectSum
from friedel.model.arrays import as_keys, checked_hkl, frozen, frozen_copy
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal


class AsymmetricUnitSum:
    """Structure factors of atoms whose form factors depend on the direction of h.

    The copy of an atom by the operation x' = R x + t scatters at h as the atom itself does at
    h R. The sum of the asymmetric unit, G(h) = sum_j occ_j f_j(h) T_j(h) exp(2 pi i h.x_j), is
    calculated in P 1 at all h R; then F(h) = sum_(R, t) exp(2 pi i h.t) G(h R).

    Parameters
    ----------
    crystal
        Cell and symmetry.
    hkl
        (n, 3) indices, in any order; they may be repeated.
    threads
        Number of threads; results are bitwise identical for any number.

    Attributes
    ----------
    indices
        (m, 3) int32: all h R of reflections that are not systematically absent, each once.

    Raises
    ------
    ReflectionsError
        When `hkl` are not integers in three columns.
    """

    def __init__(self, crystal: Crystal, hkl: np.ndarray, threads: int = 1) -> None:
        self.crystal = crystal
        self.hkl = frozen_copy(checked_hkl(hkl))
        self._present = np.flatnonzero(~crystal.is_absent(self.hkl))
        rotations, translations = crystal.primitive_operations
        present = self.hkl[self._present]
        images = np.einsum("ni,oij->onj", present, rotations)
        every = images.reshape(-1, 3)
        _, first, which = np.unique(as_keys(every), return_index=True, return_inverse=True)
        self.indices = frozen(np.ascontiguousarray(every[first], np.int32))
        self._which = which.reshape(images.shape[:2])
        turns = (translations @ present.T) % TRANSLATION_DENOMINATOR
        centring = len(crystal.centring_translations)
        self._phase = centring * np.exp(2j * np.pi / TRANSLATION_DENOMINATOR * turns)
        self._sum = DirectSum(Crystal(crystal.cell), self.indices, threads)

    def with_threads(self, threads: int) -> "AsymmetricUnitSum":
        """The same sum with another number of threads."""
        other = copy(self)
        other._sum = self._sum.with_threads(threads)
        return other

    def __repr__(self) -> str:
        return f"<friedel.AsymmetricUnitSum {len(self.hkl)} reflections of {self.crystal}>"

    def structure_factors(self, atoms: Atoms, f: np.ndarray) -> np.ndarray:
        """(n,) complex128 F, in the unit of `f`. Systematically absent reflections are exactly 0.

        Parameters
        ----------
        atoms
            One asymmetric unit.
        f
            (n_atoms, m) complex form factor of each atom at each of `indices`.

        Raises
        ------
        ParameterError
            When `f` has another shape.
        """
        sums = self._sum.structure_factors(_each_of_its_own_kind(atoms), f)
        out = np.zeros(len(self.hkl), np.complex128)
        out[self._present] = (self._phase * sums[self._which]).sum(axis=0)
        return out

    def derivatives(self, atoms: Atoms, w: np.ndarray, f: np.ndarray) -> Derivatives:
        """Derivatives of a target of F by the atoms, the transpose of :meth:`structure_factors`.

        Parameters
        ----------
        atoms, f
            As for :meth:`structure_factors`; the form factors are held fixed.
        w
            (n,) complex: dT/dRe F + i dT/dIm F.
        """
        return self._sum.derivatives(_each_of_its_own_kind(atoms), self._by_sums(w), f)

    def derivatives_by_constants(self, atoms: Atoms, w: np.ndarray) -> np.ndarray:
        """(n_atoms, 2) derivatives by f' and f'' of each atom; see :meth:`derivatives`."""
        return self._sum.derivatives_by_constants(atoms, self._by_sums(w))

    def _by_sums(self, w: np.ndarray) -> np.ndarray:
        """(m,) derivatives by the sums of the asymmetric unit, from those by F."""
        pulled = (self._phase.conj() * np.asarray(w)[self._present]).ravel()
        where, m = self._which.ravel(), len(self.indices)
        real, imaginary = (np.bincount(where, x, m) for x in (pulled.real, pulled.imag))
        return real + 1j * imaginary


def _each_of_its_own_kind(atoms: Atoms) -> Atoms:
    n = len(atoms)
    return atoms.replace(kind=np.arange(n, dtype=np.int32), scatterers=("X",) * n)
