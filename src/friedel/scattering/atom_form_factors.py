"""Form factors of individual atoms at listed reflections, as aspherical atoms have them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import NamedTuple

import numpy as np

from friedel.errors import AtomsError, ParameterError, ReflectionsError
from friedel.model.arrays import as_keys, checked_hkl, frozen, frozen_copy
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.elements import element_record

SAME_F = 1e-6
"""Largest difference of form factors listed twice, as a fraction of the largest form factor."""

N_NAMED = 8
"""Largest number of reflections or atoms that an error message names."""

SAME_SITE = 0.5
"""Largest distance (Å) of an atom from the site that a file states for it, as in cctbx."""


class Sites(NamedTuple):
    """Sites by which a file names its atoms: (n, 3) fractional coordinates, (n,) atomic numbers."""

    frac: np.ndarray
    atomic_number: np.ndarray


@dataclass(frozen=True, eq=False)
class AtomFormFactors:
    """Form factors of individual atoms at listed reflections, aspherical in general.

    The form factor of an atom is the Fourier transform of its density about its own position,
    f(h) = integral of rho(r) exp(+2 pi i h.r), so that it is complex unless the atom has an
    inversion centre. The copy of an atom by a rotation R has f(h R) at h, therefore the list has
    to contain all equivalent reflections; f(-h) is the conjugate of f(h) where the form factors
    contain no f''.

    Parameters
    ----------
    labels
        Label of each atom of the asymmetric unit, as `_atom_site_label` in a CIF.
    hkl
        (n, 3) indices. A repeated index must have the same form factors each time.
    f
        (n_atoms, n) complex form factors, electrons (X-rays) or Å (electrons).
    with_dispersion
        Whether they contain f' and f''.
    name
        Name of the file or of the source, for messages.
    sites
        Sites of the atoms where the file names its atoms by them instead of by labels.

    Raises
    ------
    ParameterError
        For arrays of other shapes, values that are not finite, or different form factors at the
        same index.
    AtomsError
        For a label that several atoms have.
    ReflectionsError
        When `hkl` are not integers in three columns.
    """

    labels: tuple[str, ...]
    hkl: np.ndarray
    f: np.ndarray
    with_dispersion: bool = False
    name: str = "form factors of atoms"
    sites: Sites | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        object.__setattr__(self, "hkl", frozen_copy(checked_hkl(self.hkl)))
        shape = (len(self.labels), len(self.hkl))
        f = frozen_copy(self.f, np.complex128, (None, None), name="f")
        if f.shape != shape:
            raise ParameterError(
                f"f of {self.name} has shape {f.shape}, expected {shape}: one row for each label, "
                "one column for each reflection"
            )
        object.__setattr__(self, "f", f)
        if self.sites is not None:
            n = len(self.labels)
            frac = frozen_copy(self.sites.frac, np.float64, (n, 3), name="frac of sites")
            numbers = frozen_copy(self.sites.atomic_number, np.int64, (n,), name="atomic numbers")
            object.__setattr__(self, "sites", Sites(frac, numbers))
        if not np.isfinite(f).all():
            row, column = np.argwhere(~np.isfinite(f))[0]
            where = _names([str(tuple(self.hkl[column].tolist()))])
            raise ParameterError(f"f of {self.labels[row]} at {where} in {self.name} is not finite")
        _check_distinct(self.labels, self.name)
        self._check_repeated()

    def __repr__(self) -> str:
        return (
            f"<friedel.AtomFormFactors {self.name}: {len(self.labels)} atoms, "
            f"{len(self.hkl)} reflections>"
        )

    def to_tsc(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write a text file `.tsc` or, with the ending ``.tscb``, its binary form [Midgley2019].

        Raises
        ------
        ParameterError
            For labels with white space, which the format cannot hold.
        OutputError
            When the file cannot be written, or exists and `overwrite` is false.
        """
        from friedel.writers.tsc import write_tsc

        columns = (self.labels, self.hkl, self.f, self.with_dispersion, self.name)
        write_tsc(path, *columns, overwrite=overwrite)

    def of_atoms(self, crystal: Crystal, atoms: Atoms) -> "AtomFormFactors":
        """The form factors in the order of the atoms, by the labels of their sites.

        Capitals and small letters are the same where labels stay distinct. Where the file names
        its atoms by sites, each atom gets the form factor of the nearest site of its element,
        which may be 0.5 Å away.

        Raises
        ------
        AtomsError
            When atoms have no labels or the same one, an atom has no form factor, or a form factor
            belongs to no atom.
        """
        if self.sites is not None:
            rows = self._rows_by_sites(self.sites, crystal, atoms)
        elif atoms.site_labels is None:
            raise AtomsError(
                f"the atoms have no labels (site_labels), by which {self.name} names them"
            )
        else:
            rows = self._rows_by_labels(atoms.site_labels)
        labels = atoms.site_labels or tuple(self.labels[i] for i in rows)
        return AtomFormFactors(labels, self.hkl, self.f[rows], self.with_dispersion, self.name)

    def _rows_by_labels(self, labels: Sequence[str]) -> np.ndarray:
        _check_distinct(labels, "the model")
        mine, theirs = list(self.labels), list(labels)
        upper = [label.upper() for label in mine], [label.upper() for label in theirs]
        if all(len(set(part)) == len(part) for part in upper):
            mine, theirs = upper
        row = {label: i for i, label in enumerate(mine)}
        rows = np.array([row.get(key, -1) for key in theirs], np.int64)
        self._check_complete(rows, labels)
        return rows

    def _rows_by_sites(self, sites: Sites, crystal: Crystal, atoms: Atoms) -> np.ndarray:
        difference = atoms.frac[:, None] - sites.frac
        distance = np.linalg.norm(difference @ crystal.orthogonalization.T, axis=2)
        number = np.array([element_record(symbol).atomic_number for symbol in atoms.symbols])
        distance[number[atoms.kind][:, None] != sites.atomic_number] = np.inf
        rows = distance.argmin(axis=1)
        rows[distance.min(axis=1) > SAME_SITE] = -1
        texts = [
            f"{atoms.scatterers[kind]} at ({x:.4f} {y:.4f} {z:.4f})"
            for kind, (x, y, z) in zip(atoms.kind.tolist(), atoms.frac.tolist(), strict=True)
        ]
        labels = atoms.site_labels or texts
        again = [i for i, n in Counter(rows.tolist()).items() if n > 1 and i >= 0]
        if again:
            several = [label for label, i in zip(labels, rows, strict=True) if i == again[0]]
            raise AtomsError(
                f"{_names(several)} are near the same site of {self.name}, {self.labels[again[0]]}"
            )
        self._check_complete(rows, labels)
        return rows

    def _check_complete(self, rows: np.ndarray, labels: Sequence[str]) -> None:
        """Raise an AtomsError unless each atom has one of the rows, and each row an atom."""
        without = [label for label, i in zip(labels, rows.tolist(), strict=True) if i < 0]
        used = set(rows.tolist())
        unused = [label for i, label in enumerate(self.labels) if i not in used]
        if without or unused:
            parts = [f"it has none of atoms {_names(without)}"] if without else []
            parts += [f"the model has no atoms {_names(unused)}"] if unused else []
            raise AtomsError(
                f"{self.name} has form factors of other atoms than the model: {'; '.join(parts)}"
            )

    def at(self, hkl: np.ndarray) -> np.ndarray:
        """(n_atoms, m) complex form factors at reflections (m, 3), in any order.

        Raises
        ------
        ReflectionsError
            When neither h nor, for form factors without f'', -h is in the list.
        """
        hkl = checked_hkl(hkl)
        column, conjugate = self._columns(hkl)
        missing = column < 0
        if missing.any():
            which = [str(tuple(h)) for h in np.unique(hkl[missing], axis=0).tolist()]
            mates = "-h does not replace h where f'' is contained" if self.with_dispersion else ""
            raise ReflectionsError(
                f"{self.name} has no form factors at {len(which)} of {len(hkl)} indices: "
                f"{_names(which)}; expected all symmetry equivalents of the reflections"
                + (f" ({mates})" if mates else "")
            )
        f = self.f[:, column]
        if conjugate.any():
            f[:, conjugate] = f[:, conjugate].conj()
        return f

    def unique_reflections(self, crystal: Crystal, d_min: float) -> tuple[np.ndarray, int]:
        """(m, 3) int32 reflections to `d_min` (Å) that are in the list, and how many there are.

        They are the unique, non-absent ones of :meth:`friedel.Crystal.unique_reflections` of which
        an equivalent or its Friedel mate is listed; their full number counts the others as well.
        """
        every = crystal.unique_reflections(d_min)
        listed = as_keys(crystal.to_asu(self.hkl)[0])
        return every[np.isin(as_keys(every), listed)], len(every)

    @cached_property
    def _order(self) -> np.ndarray:
        return frozen(np.argsort(as_keys(self.hkl), kind="stable"))

    @cached_property
    def _sorted_keys(self) -> np.ndarray:
        return frozen(as_keys(self.hkl)[self._order])

    def _columns(self, hkl: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(m,) columns of f, -1 where there is none, and (m,) bool: f is that of -h."""
        column = self._find(hkl)
        conjugate = np.zeros(len(hkl), bool)
        if not self.with_dispersion:
            conjugate = column < 0
            column[conjugate] = self._find(-hkl[conjugate])
        return column, conjugate

    def _find(self, hkl: np.ndarray) -> np.ndarray:
        keys, known = as_keys(hkl), self._sorted_keys
        if not len(known):
            return np.full(len(keys), -1)
        at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        return np.where(known[at] == keys, self._order[at], -1)

    def _check_repeated(self) -> None:
        """Raise a ParameterError for an index that is listed with different form factors."""
        again = np.flatnonzero(self._sorted_keys[1:] == self._sorted_keys[:-1])
        if not len(again):
            return
        first, second = self._order[again], self._order[again + 1]
        largest = np.abs(self.f).max(initial=0.0)
        differ = (np.abs(self.f[:, first] - self.f[:, second]) > SAME_F * largest).any(axis=0)
        if differ.any():
            which = [str(tuple(h)) for h in self.hkl[first[differ]].tolist()]
            raise ParameterError(
                f"{self.name} lists {len(which)} indices twice with different form factors: "
                f"{_names(which)}"
            )


def _names(texts: Sequence[str]) -> str:
    """The first few texts, and the number of the others."""
    more = len(texts) - N_NAMED
    return ", ".join(texts[:N_NAMED]) + (f" and {more} more" if more > 0 else "")


def _check_distinct(labels: Sequence[str], name: str) -> None:
    repeated = [label for label, count in Counter(labels).items() if count > 1]
    if repeated:
        raise AtomsError(
            f"{name} has several atoms with the same label: {_names(repeated)}; expected a label "
            "of its own for each atom, also in disorder"
        )
