"""Atoms as frozen arrays: positions, occupancies, displacement parameters, atom types."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from friedel.constants import U_TO_B
from friedel.errors import AtomsError
from friedel.html import html_table
from friedel.model.arrays import frozen, frozen_copy
from friedel.model.crystal import Crystal
from friedel.model.elements import parse_label, scatterer_label
from friedel.model.tensors import VOIGT, rotate_tensors

LARGEST = 1e9
"""Largest absolute value of any atomic parameter; larger ones are rejected: they overflow."""


@dataclass(frozen=True, eq=False)
class Atoms:
    """The scatterers of one asymmetric unit.

    Parameters
    ----------
    frac
        (n, 3) fractional coordinates.
    occ
        (n,) occupancies, used as they are.
    b_iso
        (n,) isotropic B = 8 pi^2 U, Å^2.
    kind
        (n,) index into `scatterers`.
    scatterers
        Labels of the atom types present: an element, an ion or an isotope, as ``"C"``, ``"Fe2+"``,
        ``"7Li"``; ``"Se@SE1"`` is the kind of the site SE1, when it has f' and f'' of its own.
    u_aniso
        (n, 6) Cartesian U11, U22, U33, U12, U13, U23, Å^2, or None. An atom whose
        six numbers are not all zero is anisotropic and its `b_iso` is ignored.
    site_labels
        Label of each atom, as `_atom_site_label` in a CIF, or None. They relate atoms to
        form factors of their own, see :class:`friedel.AtomFormFactors`.

    Raises
    ------
    AtomsError
        For arrays whose shapes do not match, or whose numbers are not finite.
    """

    frac: np.ndarray
    occ: np.ndarray
    b_iso: np.ndarray
    kind: np.ndarray
    scatterers: tuple[str, ...]
    u_aniso: np.ndarray | None = None
    site_labels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        n = len(np.atleast_2d(self.frac))
        shapes = {"frac": (n, 3), "occ": (n,), "b_iso": (n,), "u_aniso": (n, 6)}
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is None:
                continue
            array = frozen_copy(value, np.float64, shape, name=name, error=AtomsError)
            _check_finite(name, array)
            object.__setattr__(self, name, array)
        kind = frozen_copy(self.kind, np.int32, (n,), name="kind", error=AtomsError)
        if n and not 0 <= kind.min() <= kind.max() < len(self.scatterers):
            raise AtomsError(
                f"kind goes from {kind.min()} to {kind.max()}, expected values from 0 to "
                f"{len(self.scatterers) - 1}"
            )
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "scatterers", tuple(self.scatterers))
        if self.site_labels is not None:
            object.__setattr__(self, "site_labels", tuple(self.site_labels))
            if len(self.site_labels) != n:
                raise AtomsError(f"got {len(self.site_labels)} labels of sites for {n} atoms")

    @classmethod
    def from_labels(
        cls,
        labels: Sequence[str],
        frac: np.ndarray,
        occ: np.ndarray | float = 1.0,
        b_iso: np.ndarray | float = 0.0,
        u_aniso: np.ndarray | None = None,
    ) -> "Atoms":
        """Atoms from one label each; occupancy and B may be one number for all.

        Raises
        ------
        ElementError
            For a label that is not an element, ion, isotope or valence state.
        AtomsError
            The same errors as the class raises.
        """
        names = np.atleast_1d(np.asarray(labels, dtype=str))
        n = len(names)
        frac = frozen_copy(frac, np.float64, name="frac", error=AtomsError)
        if frac.shape not in ((n, 3), (3 * n,)):
            raise AtomsError(f"frac has shape {frac.shape}, expected ({n}, 3) for {n} labels")
        frac = frac.reshape(n, 3)
        unique, kind = np.unique(names, return_inverse=True)
        scatterers = tuple(scatterer_label(str(text)) for text in unique)
        occ, b_iso = (
            frozen_copy(value, np.float64, name=name, error=AtomsError)
            for name, value in (("occ", occ), ("b_iso", b_iso))
        )
        occ, b_iso = (np.full(n, x) if x.size == 1 else x for x in (occ, b_iso))
        return cls(frac, occ, b_iso, kind, scatterers, u_aniso)

    def __len__(self) -> int:
        return len(self.frac)

    def __repr__(self) -> str:
        counts = np.bincount(self.kind, minlength=len(self.scatterers))
        content = " ".join(f"{s}{n}" for s, n in zip(self.scatterers, counts, strict=True))
        return f"<friedel.Atoms {len(self)}: {content}; {int(self.is_aniso.sum())} anisotropic>"

    def _repr_html_(self) -> str:
        b_equivalent = np.where(self.is_aniso, self.b_eigenvalues.mean(axis=1), self.b_iso)
        rows = []
        for i, scatterer in enumerate(self.scatterers):
            of_kind = self.kind == i
            if of_kind.any():
                b, occ = b_equivalent[of_kind], self.occ[of_kind]
                rows.append(
                    [scatterer, len(b), f"{occ.sum():.2f}", f"{b.min():.1f} - {b.max():.1f}"]
                )
        header = ["kind", "atoms", "sum of occupancies", "B, Å²"]
        return html_table(repr(self)[1:-1].split(":")[0], header, rows)

    def replace(self, **fields: Any) -> "Atoms":
        """The same atoms with some of the fields changed."""
        return dataclasses.replace(self, **fields)

    def select(self, mask: np.ndarray) -> "Atoms":
        """The atoms chosen by a boolean mask or by indices, with the same `scatterers`."""
        u_aniso = None if self.u_aniso is None else self.u_aniso[mask]
        labels = self.site_labels
        if labels is not None:
            labels = tuple(labels[i] for i in np.arange(len(self))[mask])
        return dataclasses.replace(
            self,
            frac=self.frac[mask],
            occ=self.occ[mask],
            b_iso=self.b_iso[mask],
            kind=self.kind[mask],
            u_aniso=u_aniso,
            site_labels=labels,
        )

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Element symbol of each atom type, without charge."""
        return tuple(parse_label(label)[0] for label in self.scatterers)

    @cached_property
    def is_aniso(self) -> np.ndarray:
        """(n,) bool: atoms with a displacement tensor."""
        if self.u_aniso is None:
            return frozen(np.zeros(len(self), bool))
        return frozen(np.any(self.u_aniso != 0.0, axis=1))

    @cached_property
    def is_hydrogen(self) -> np.ndarray:
        """(n,) bool: H or D."""
        return frozen(np.array([s in ("H", "D") for s in self.symbols], bool)[self.kind])

    @cached_property
    def b_tensor(self) -> np.ndarray:
        """(n, 6) Cartesian B = 8 pi^2 U, Å^2, in the order of `u_aniso`, for all atoms."""
        tensor = np.zeros((len(self), 6))
        tensor[:, :3] = self.b_iso[:, None]
        if self.u_aniso is not None:
            tensor[self.is_aniso] = U_TO_B * self.u_aniso[self.is_aniso]
        return frozen(tensor)

    @cached_property
    def b_eigenvalues(self) -> np.ndarray:
        """(n, 3) eigenvalues of `b_tensor` in ascending order, Å^2; negative ones are possible."""
        eigenvalues = np.repeat(self.b_iso[:, None], 3, axis=1)
        if self.is_aniso.any():
            tensors = self.b_tensor[self.is_aniso][:, VOIGT]
            eigenvalues[self.is_aniso] = np.linalg.eigvalsh(tensors)
        return frozen(eigenvalues)

    def alike(self, other: "Atoms") -> bool:
        """Whether the other atoms differ in their positions at most."""
        pairs = ((getattr(self, n), getattr(other, n)) for n in ("kind", "occ", "b_iso", "u_aniso"))
        return self.scatterers == other.scatterers and all(
            x is y or (x is not None and y is not None and np.array_equal(x, y)) for x, y in pairs
        )

    def without_aniso(self) -> "Atoms":
        """The same atoms with `b_iso` used throughout."""
        return self.replace(u_aniso=None)


def expand_strict_ncs(crystal: Crystal, atoms: Atoms, operators: np.ndarray) -> Atoms:
    """The atoms together with their copies under strict non-crystallographic symmetry.

    Parameters
    ----------
    operators
        (m, 3, 4) Cartesian rotation and translation (Å) of each copy, without the identity.
    """
    if len(operators) == 0:
        return atoms
    to_cart, to_frac = crystal.orthogonalization, crystal.fractionalization
    frac, u_aniso = [atoms.frac], [atoms.u_aniso]
    for operator in operators:
        rotation, shift = operator[:, :3], operator[:, 3]
        frac.append((atoms.frac @ to_cart.T @ rotation.T + shift) @ to_frac.T)
        u_aniso.append(None if atoms.u_aniso is None else rotate_tensors(atoms.u_aniso, rotation))
    copies = len(operators) + 1
    return Atoms(
        np.concatenate(frac),
        np.tile(atoms.occ, copies),
        np.tile(atoms.b_iso, copies),
        np.tile(atoms.kind, copies),
        atoms.scatterers,
        None if atoms.u_aniso is None else np.concatenate([u for u in u_aniso if u is not None]),
    )


def _check_finite(name: str, array: np.ndarray) -> None:
    sane = np.abs(array) <= LARGEST  # not true of NaN
    if not sane.all():
        first = int(np.argwhere(~sane)[0, 0])
        raise AtomsError(
            f"{name} of atom {first + 1} is {array[first]}, expected finite numbers up to "
            f"{LARGEST:.0e}"
        )
