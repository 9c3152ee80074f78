"""The crystal: unit cell matrices, symmetry operations as integer arrays, reflections they imply.

The module uses neither files nor gemmi: a cell and triplets such as ``"-x,y+1/2,-z"`` suffice.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.errors import CellError, ResolutionError, SymmetryError
from friedel.html import html_table
from friedel.model.arrays import checked_hkl, frozen, frozen_copy
from friedel.model.operations import (
    MAX_OPERATIONS,
    complete_group,
    is_identity,
    operation_keys,
    parse_triplet,
)
from friedel.runtime.memory import check_memory

METRIC_TOLERANCE = 0.01
"""Largest relative deviation of a cell from its symmetry that is accepted as rounding."""

MAX_REFLECTIONS = 200_000_000
"""Largest number of reflections in the sphere; limits that select more are rejected."""

BYTES_PER_REFLECTION = 100
"""Smallest memory per reflection (bytes): indices in two integer types, and the results."""

REFLECTIONS_AT_A_TIME = 2**22
"""Number of reflections in one call of compiled code, which Ctrl-C cannot interrupt."""

EDGES = (1e-6, 1e12)
"""Accepted range of the lengths of cell edges (Å): volumes of others would overflow."""

D_MIN_RANGE = (1e-3, 1e6)
"""Accepted range of resolution limits (Å); values outside are rejected: they would overflow."""


@dataclass(frozen=True, eq=False)
class Crystal:
    """A unit cell with its space-group symmetry.

    Parameters
    ----------
    cell
        a, b, c (Å), alpha, beta, gamma (degrees).
    rotations
        (n, 3, 3) int32, acting on fractional coordinates; all operations, centring included.
    translations
        (n, 3) int32 in 24ths, modulo 24.
    asu_basis
        (3, 3) matrix P such that ``hkl @ P`` are the indices in the reference setting of the
        space group, in which the CCP4 asymmetric unit is defined. Found from the
        operations when not given.
    name
        Hermann-Mauguin symbol; it is printed and has no effect on results.

    Raises
    ------
    CellError
        When the cell has no volume, or deviates from the symmetry by more than 1 %.
    SymmetryError
        When the operations do not form a group.
    """

    cell: tuple[float, float, float, float, float, float]
    rotations: np.ndarray = field(default_factory=lambda: np.eye(3, dtype=np.int32)[None])
    translations: np.ndarray = field(default_factory=lambda: np.zeros((1, 3), np.int32))
    asu_basis: np.ndarray | None = None
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cell", checked_cell(self.cell))
        if isinstance(self.rotations, str):
            raise SymmetryError(
                f"got rotations {self.rotations!r:.60}, expected matrices; Crystal.from_triplets "
                "takes triplets such as ['-x,y+1/2,-z']"
            )
        whole = {"dtype": np.int32, "error": SymmetryError}
        rotations = frozen_copy(self.rotations, shape=(None, 3, 3), name="rotations", **whole)
        given = frozen_copy(self.translations, shape=(None, 3), name="translations", **whole)
        translations = frozen(given % TRANSLATION_DENOMINATOR)
        object.__setattr__(self, "rotations", rotations)
        object.__setattr__(self, "translations", translations)
        if self.asu_basis is not None:
            basis = frozen_copy(
                self.asu_basis, np.float64, (3, 3), name="asu_basis", error=SymmetryError
            )
            object.__setattr__(self, "asu_basis", basis)
        if len(rotations) != len(translations) or not 1 <= len(rotations) <= MAX_OPERATIONS:
            raise SymmetryError(
                f"got {len(rotations)} rotations and {len(translations)} translations, "
                f"expected the same number, 1 to {MAX_OPERATIONS}"
            )
        if not is_identity(rotations[0], translations[0]):
            raise SymmetryError("the first symmetry operation must be the identity")
        self._check_cell_against_symmetry()

    @classmethod
    def from_triplets(
        cls, cell: Sequence[float], triplets: Iterable[str] = ("x,y,z",), name: str = ""
    ) -> "Crystal":
        """A crystal from a cell and symmetry triplets; generators are completed to the group.

        gemmi lists those of a space group that is known by its name:
        ``[x.triplet() for x in gemmi.SpaceGroup("P 21").operations()]``.

        Raises
        ------
        CellError, SymmetryError
            When a triplet cannot be read, and the same errors as the class raises.
        """
        if isinstance(triplets, str):
            raise SymmetryError(
                f"got {triplets!r:.60}, expected a list of triplets such as ['-x,y+1/2,-z']"
            )
        operations = complete_group(parse_triplet(text) for text in triplets)
        rotations, translations = zip(*operations, strict=True)
        return cls(cell, np.array(rotations), np.array(translations), name=name)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        lengths = " ".join(f"{x:g}" for x in self.cell)
        return f"<friedel.Crystal {lengths}, {self.name or f'{self.n_operations} operations'}>"

    def _repr_html_(self) -> str:
        cell = [f"{x:g}" for x in self.cell]
        header = ["a, Å", "b, Å", "c, Å", "alpha, deg", "beta, deg", "gamma, deg", "volume, Å³"]
        caption = f"friedel.Crystal {self.name}, {self.n_operations} operations"
        return html_table(caption, header, [[*cell, f"{self.volume:.0f}"]])

    def _check_cell_against_symmetry(self) -> None:
        metric = self.orthogonalization.T @ self.orthogonalization
        rotated = np.einsum("nji,jk,nkl->nil", self.rotations, metric, self.rotations)
        misfit = np.abs(rotated - metric).max() / np.abs(metric).max()
        if misfit > METRIC_TOLERANCE:
            raise CellError(
                f"cell {self._cell_text()} does not fit the symmetry {self.name or 'given'}: "
                f"the operations change its metric by {misfit:.1%} "
                f"(at most {METRIC_TOLERANCE:.0%} is accepted as rounding)"
            )

    def _cell_text(self) -> str:
        return "(" + ", ".join(f"{x:g}" for x in self.cell) + ")"

    @property
    def n_operations(self) -> int:
        """Number of operations in the cell, centring included."""
        return len(self.rotations)

    @cached_property
    def orthogonalization(self) -> np.ndarray:
        """(3, 3) upper-triangular matrix: Cartesian (Å) = matrix @ fractional; a along x."""
        a, b, c, alpha, beta, gamma = self.cell
        cos_a, cos_b, cos_g = (exact_cosine(angle) for angle in (alpha, beta, gamma))
        sin_g = np.sqrt(1.0 - cos_g**2)
        y = (cos_a - cos_b * cos_g) / sin_g
        z = np.sqrt(1.0 - cos_b**2 - y**2)
        matrix = np.array([[a, b * cos_g, c * cos_b], [0.0, b * sin_g, c * y], [0.0, 0.0, c * z]])
        return frozen(matrix)

    @cached_property
    def fractionalization(self) -> np.ndarray:
        """(3, 3): fractional = matrix @ Cartesian; its rows are a*, b*, c* (1/Å)."""
        return frozen(np.linalg.inv(self.orthogonalization))

    @cached_property
    def reciprocal_metric(self) -> np.ndarray:
        """(3, 3) G* (1/Å^2): 1/d^2 = h @ G* @ h."""
        return frozen(self.fractionalization @ self.fractionalization.T)

    @cached_property
    def reciprocal_lengths(self) -> np.ndarray:
        """(3,) lengths of a*, b* and c* in 1/Å."""
        return frozen(np.sqrt(np.diag(self.reciprocal_metric)))

    @cached_property
    def volume(self) -> float:
        """Volume of the unit cell, Å^3."""
        return float(np.prod(np.diag(self.orthogonalization)))

    @cached_property
    def centring_translations(self) -> np.ndarray:
        """(m, 3) int32 translations in 24ths of the operations without rotation."""
        pure = (self.rotations == np.eye(3, dtype=np.int32)).all(axis=(1, 2))
        return frozen(self.translations[pure])

    @cached_property
    def primitive_operations(self) -> tuple[np.ndarray, np.ndarray]:
        """One operation for each distinct rotation: (p, 3, 3) and (p, 3); p * m = n."""
        _, first = np.unique(self.rotations.reshape(-1, 9), axis=0, return_index=True)
        first = np.sort(first)
        return frozen(self.rotations[first]), frozen(self.translations[first])

    def stol2(self, hkl: np.ndarray) -> np.ndarray:
        """(n,) (sin theta / lambda)^2 = 1/(4 d^2), 1/Å^2, of reflections (n, 3)."""
        from friedel.kernels.reciprocal.reflections import fill_stol2

        hkl = np.asarray(hkl)
        dtype = np.int32 if hkl.dtype == np.int32 else np.float64
        rows = np.ascontiguousarray(hkl.reshape(-1, 3), dtype)
        out = np.empty(len(rows))
        for some in _in_turn(len(rows)):
            fill_stol2(rows[some], self.reciprocal_metric, out[some])
        return out.reshape(hkl.shape[:-1])

    def d_spacing(self, hkl: np.ndarray) -> np.ndarray:
        """(n,) spacing d in Å; infinite for (0, 0, 0)."""
        with np.errstate(divide="ignore"):
            return 0.5 / np.sqrt(self.stol2(hkl))

    @cached_property
    def _turning_operations(self) -> tuple[np.ndarray, np.ndarray]:
        """The operations with a translation, which alone make reflections absent."""
        turning = self.translations.any(axis=1)
        return frozen(self.rotations[turning]), frozen(self.translations[turning])

    def is_absent(self, hkl: np.ndarray) -> np.ndarray:
        """(n,) bool: systematically absent, F = 0 by symmetry.

        Raises
        ------
        ReflectionsError
            When `hkl` are not integers in three columns.
        """
        return self._is_absent(checked_hkl(hkl))

    def _is_absent(self, hkl: np.ndarray) -> np.ndarray:
        from friedel.kernels.reciprocal.reflections import is_absent

        operations = self._turning_operations
        if len(hkl) <= REFLECTIONS_AT_A_TIME:
            return is_absent(hkl, *operations)
        return np.concatenate([is_absent(hkl[some], *operations) for some in _in_turn(len(hkl))])

    def is_centric(self, hkl: np.ndarray) -> np.ndarray:
        """(n,) bool: the phase is restricted to two values by symmetry."""
        hkl = checked_hkl(hkl)
        rotations, _ = self.primitive_operations
        centric = np.zeros(len(hkl), bool)
        for is_reversed in _are_solutions(rotations + np.eye(3), hkl):
            centric |= is_reversed
        return centric

    def epsilon(self, hkl: np.ndarray) -> np.ndarray:
        """(n,) int: number of rotations that keep the reflection, centring not counted."""
        hkl = checked_hkl(hkl)
        rotations, _ = self.primitive_operations
        fixed = _are_solutions(rotations - np.eye(3), hkl)
        return np.array(list(fixed)).sum(axis=0, dtype=np.int64)

    @cached_property
    def _n_equivalent(self) -> int:
        """Number of reflections that symmetry and Friedel's law make equivalent, in general."""
        rotations, _ = self.primitive_operations
        has_inversion = (rotations == -np.eye(3, dtype=np.int32)).all(axis=(1, 2)).any()
        return len(rotations) * (1 if has_inversion else 2)

    @cached_property
    def _asu(self) -> tuple[int, np.ndarray]:
        """Number of the CCP4 asymmetric unit and 24 times the basis in which it holds."""
        from friedel.model.laue import find_reciprocal_asu

        rotations, _ = self.primitive_operations
        return find_reciprocal_asu(rotations, self.asu_basis)

    def unique_reflections(self, d_min: float, d_max: float = np.inf) -> np.ndarray:
        """(n, 3) int32 unique, non-absent reflections with d_min <= d <= d_max, without (0, 0, 0).

        The reflections are in the CCP4 asymmetric unit, in ascending order of h, k, l.

        Raises
        ------
        ResolutionError
            When `d_min` is not positive and finite, or selects more than 2e8 reflections, or
            `d_max` is not positive.
        MemoryLimitError
            When the memory does not suffice.
        """
        d_min, d_max = checked_d_min(d_min), checked_d_max(d_max)
        in_sphere = self._number_in_sphere(d_min)
        if in_sphere > MAX_REFLECTIONS:
            raise ResolutionError(
                f"d_min = {d_min:g} A selects about {in_sphere:.2g} reflections "
                f"in a cell of {self.volume:.3g} A^3; at most {MAX_REFLECTIONS:.0e} are allowed"
            )
        number = self.approximate_number(d_min)
        check_memory(
            BYTES_PER_REFLECTION * number,
            f"a list of about {number:.2g} reflections to {d_min:g} A",
        )
        from friedel.kernels.reciprocal.reflections import unique_in_sphere

        asu, basis = self._asu
        # |h| = |s.a| <= |s| a for any cell angles
        limits = tuple(math.floor(length / d_min + 1e-9) for length in self.cell[:3])
        stol2_high = 0.25 / d_min**2 * (1 + 1e-9)  # d = d_min is included despite rounding
        operations = self._turning_operations
        sphere = limits, self.reciprocal_metric, stol2_high, asu, basis, *operations
        per_h = 2 * limits[1] + 1 + int(in_sphere / (2 * limits[0] + 1))
        step = max(1, REFLECTIONS_AT_A_TIME // per_h)
        parts = [
            unique_in_sphere(first, min(first + step - 1, limits[0]), *sphere)
            for first in range(-limits[0], limits[0] + 1, step)
        ]
        hkl = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return hkl[self.stol2(hkl) >= 0.25 / (d_max * d_max)] if np.isfinite(d_max) else hkl

    def approximate_number(self, d_min: float) -> float:
        """About how many unique reflections there are to a resolution, Å."""
        return self._number_in_sphere(d_min) / self._n_equivalent

    def _number_in_sphere(self, d_min: float) -> float:
        """Approximate number of lattice points to 1 / d_min, ignoring axes shorter than d_min."""
        _, b, c = sorted(x / d_min for x in self.cell[:3])
        volume = 4.0 / 3.0 * np.pi * self.volume / d_min**3
        return float(max(volume, np.pi * b * c, 2.0 * c))

    def to_asu(self, hkl: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Symmetry-equivalent reflections in the CCP4 asymmetric unit.

        Returns
        -------
        hkl_asu
            (n, 3) int32.
        phase_shift
            (n,) radians.
        friedel
            (n,) bool. F(hkl) = conj(x) where `friedel`, else x,
            with x = F(hkl_asu) * exp(1j * phase_shift).
        """
        from friedel.kernels.reciprocal.reflections import fold_to_asu

        number, basis = self._asu
        rotations, translations = self.primitive_operations
        hkl = checked_hkl(hkl)
        folded = np.empty((len(hkl), 3), np.int32)
        shift, friedel = np.zeros(len(hkl), np.int64), np.zeros(len(hkl), bool)
        for some in _in_turn(len(hkl)):
            out = folded[some], shift[some], friedel[some]
            fold_to_asu(hkl[some], rotations, translations, number, basis, *out)
        return folded, shift * (2.0 * np.pi / TRANSLATION_DENOMINATOR), friedel

    def is_similar(self, other: "Crystal", tolerance: float = 0.02) -> bool:
        """Whether the cells agree within a tolerance: relative for lengths, radians for angles."""
        lengths = np.array(self.cell[:3]) / np.array(other.cell[:3])
        angles = np.radians(np.array(self.cell[3:]) - np.array(other.cell[3:]))
        return bool(np.abs(lengths - 1).max() <= tolerance and np.abs(angles).max() <= tolerance)

    def has_same_symmetry(self, other: "Crystal") -> bool:
        """Whether both have the same set of operations."""
        mine, others = (
            set(operation_keys(crystal.rotations, crystal.translations))
            for crystal in (self, other)
        )
        return mine == others


def _in_turn(n: int) -> Iterator[slice]:
    """Slices of n reflections for one call each; Ctrl-C is handled between them."""
    for first in range(0, n, REFLECTIONS_AT_A_TIME):
        yield slice(first, first + REFLECTIONS_AT_A_TIME)


def _are_solutions(matrices: np.ndarray, hkl: np.ndarray) -> Iterator[np.ndarray]:
    """(n,) bool for each matrix: whether hkl @ matrix is zero."""
    by_index = np.ascontiguousarray(np.asarray(hkl, np.float64).T)  # integers, exact as floats
    for matrix in matrices:
        yield (matrix.T @ by_index == 0.0).all(axis=0)


def checked_cell(cell: Sequence[float]) -> tuple[float, float, float, float, float, float]:
    """The six cell parameters as floats.

    Raises
    ------
    CellError
        When they are not six finite numbers, or the cell has no volume.
    """
    try:
        if np.iscomplexobj(cell):  # numpy would only warn
            raise TypeError
        a, b, c, alpha, beta, gamma = values = tuple(float(x) for x in cell)
    except (TypeError, ValueError):
        raise CellError(
            f"got cell {cell!r}, expected six numbers a, b, c, alpha, beta, gamma"
        ) from None
    sane = all(EDGES[0] <= x <= EDGES[1] for x in (a, b, c))
    sane = sane and all(0 < x < 180 for x in values[3:])
    cosines = [exact_cosine(angle) for angle in (alpha, beta, gamma)] if sane else [1.0]
    volume_factor2 = 1.0 - sum(x * x for x in cosines) + 2.0 * np.prod(cosines)
    if not (sane and volume_factor2 > 1e-8):
        raise CellError(
            f"impossible unit cell {values}: expected positive lengths in A, at most "
            f"{EDGES[1]:g}, and angles in degrees that span a volume"
        )
    return values  # type: ignore[return-value]


def checked_d_min(d_min: float) -> float:
    """A resolution limit as a positive finite float.

    Raises
    ------
    ResolutionError
        When it is not a number in `D_MIN_RANGE`.
    """
    try:
        value = float(d_min)
    except (TypeError, ValueError):
        value = np.nan
    if not D_MIN_RANGE[0] <= value <= D_MIN_RANGE[1]:
        raise ResolutionError(f"got d_min = {d_min!r}, expected a positive number in A")
    return value


def checked_d_max(d_max: float) -> float:
    """A low-resolution limit as a positive float, which may be infinite.

    Raises
    ------
    ResolutionError
        When it is not such a number.
    """
    try:
        value = float(d_max)
    except (TypeError, ValueError):
        value = np.nan
    if not value > 0.0:
        raise ResolutionError(f"got d_max = {d_max!r}, expected a positive number in A, or inf")
    return value


def exact_cosine(degrees: float) -> float:
    """Cosine that is exactly 0 at 90 degrees and +-1/2 at 60 and 120, so that zeros stay zeros."""
    special = {60.0: 0.5, 90.0: 0.0, 120.0: -0.5}
    return special.get(degrees, float(np.cos(np.radians(degrees))))
