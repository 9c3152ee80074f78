"""Direct summation: exact structure factors, the truth that everything else is tested against.

:class:`DirectSum` plans once what depends on crystal and reflections, and is called many times
with atoms and form factors. How the sums are made is told in :mod:`friedel.kernels.direct`.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from friedel.atoms import VOIGT, Atoms
from friedel.constants import TRANSLATION_DENOMINATOR
from friedel.crystal import Crystal
from friedel.errors import ParameterError
from friedel.kernels import direct as kernels
from friedel.parallel import in_stretches
from friedel.reflections import checked_hkl

UPRIGHT_LIMIT = 1e-15
"""Atoms are upright when no r^l of theirs differs from 1 by more than a few ulp."""

LARGEST_EXPONENT = 350.0
"""Atoms with larger ones are summed by definition: rows need twice that, and e^709 is the end."""

BLOCKS_AT_A_TIME = 8
"""Blocks of atoms whose tables are in memory together."""

LARGEST_SUMS = 2**20
"""Numbers in memory before form factors are applied; when there are more, kinds take turns."""

PIECES = 60
"""Pieces of work to be shared among threads: many, and a multiple of many numbers."""

MOST_ROWS_PER_PLACE = 100
"""More rows than this for each h R are not even looked at."""

# Times by which methods are chosen; they need not be exact.
SECONDS_BY_DEFINITION = 30e-9
"""Of one atom at one reflection and operation."""
SECONDS_UPRIGHT = 0.09e-9
"""Of one upright atom at one point of a row."""
SECONDS_TILTED = 0.27e-9
"""Of one other atom at one point of a row."""
SHARE_OF_REAL = 0.6
"""Time taken by real parts alone."""
SECONDS_PER_KIND = 5e-9
"""Of one kind of atom at one point of a row, however few the atoms."""
SECONDS_PER_ENTRY = 2e-9
"""Of one atom's entry in a table."""
SECONDS_PER_PLACE = 20e-9
"""Of planning one reflection and operation."""
SECONDS_OF_CALLS = 1e-4
"""Of planning, and of summing along rows, however little there is to do."""
SECONDS_OF_THREADS = 1e-3
"""Work that takes less is not shared among threads."""


class DirectSum:
    """Structure factors at fixed reflections, of any atoms in one crystal, in double precision.

    The error is below 1e-12 of the rms F. The time is about 0.1 ns for each isotropic atom,
    operation and reflection where one of a*, b*, c* is perpendicular to the others, 0.4 ns for
    other atoms, and half of it with an inversion at the origin. Where terms are few, or
    reflections few and scattered, they are summed as they are defined, at 30 ns.

    Parameters
    ----------
    crystal
        Cell and symmetry.
    hkl
        (n, 3) indices: any, in any order, also repeated.
    threads
        The result is the same bits for any number.

    Raises
    ------
    ReflectionsError
        When `hkl` are not integers in three columns.
    """

    def __init__(self, crystal: Crystal, hkl: np.ndarray, threads: int = 1) -> None:
        self.crystal = crystal
        self.hkl = checked_hkl(hkl)
        self.threads = threads
        self._setting = _setting(crystal)
        self._hkl = np.take(self.hkl, self._setting.axes, axis=1)
        self._absent = kernels.find_absent(
            self._hkl, *self._setting.operations, self._setting.centring
        )

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
        setting = self._setting
        model = _Model(
            np.take(atoms.frac, setting.axes, axis=1),
            atoms.occ * len(setting.centring),
            atoms.b_tensor @ setting.to_beta,
            np.array(atoms.kind),
        )
        out = np.zeros(len(self.hkl), np.complex128)
        rows = self._rows_that_pay(atoms)
        if rows is None:
            self._add_by_definition(model, f, out)
        else:
            self._add_along_rows(rows, model, f, out)
        return out

    def _checked(self, f: np.ndarray, n_kinds: int) -> np.ndarray:
        dtype = np.complex128 if np.iscomplexobj(f) else np.float64
        checked = np.ascontiguousarray(f, dtype)
        if checked.shape != (n_kinds, len(self.hkl)):
            raise ParameterError(
                f"f has shape {checked.shape}, expected ({n_kinds}, {len(self.hkl)}): "
                "one line for each kind of atom, one column for each reflection"
            )
        # Kernels are compiled for arrays that can be written to
        return checked if checked.flags.writeable else checked.copy()

    @property
    def _n_places(self) -> int:
        """How many h R there are."""
        return len(self.hkl) * len(self._setting.operations.rotations)

    def _rows_that_pay(self, atoms: Atoms) -> "_Rows | None":
        """The rows, or None when the definition is predicted to be faster."""
        by_definition = SECONDS_BY_DEFINITION * self._n_places * len(atoms)
        along_rows = SECONDS_OF_CALLS
        if "_rows" not in self.__dict__:
            along_rows += SECONDS_OF_CALLS + SECONDS_PER_PLACE * self._n_places
        if along_rows > by_definition or self._rows is None:
            return None
        along_rows += _seconds_along_rows(self._setting, atoms, self._rows.n_points)
        along_rows += SECONDS_PER_ENTRY * len(atoms) * sum(self._rows.table_lengths)
        return self._rows if along_rows < by_definition else None

    @cached_property
    def _rows(self) -> "_Rows | None":
        """The rows that hold all h R, or None where most of them would be empty."""
        operations = self._setting.operations
        indices = [np.abs(column).max(initial=0) for column in self._hkl.T]
        limit_h, limit_k, _ = (indices @ np.abs(operations.rotations).max(axis=0)).tolist()
        if self._absent.all() or 2 * limit_h * limit_k > MOST_ROWS_PER_PLACE * self._n_places:
            return None
        where = (self._hkl, self._absent, operations.rotations)
        steps = kernels.steps_along_rows(*where, limit_h, limit_k)
        table, first_point = _row_table(steps, limit_k)
        point, turn = kernels.locate(*where, operations.translations, first_point, limit_k)
        limits = np.abs(table[:, :2]).max(axis=0).tolist()
        return _Rows(table, _row_edges(table), (*limits, int(steps.max()) - 1), point, turn)

    def _add_by_definition(self, model: "_Model", f: np.ndarray, out: np.ndarray) -> None:
        arguments = (self._hkl, self._absent, self._setting.operations, model, f, out)
        seconds = SECONDS_BY_DEFINITION * self._n_places * len(model.weight)
        self._run(kernels.sum_by_definition, arguments, range(len(out) + 1), seconds)

    def _add_along_rows(
        self, rows: "_Rows", model: "_Model", f: np.ndarray, out: np.ndarray
    ) -> None:
        order, ends, far = _grouped(model, rows.limits, len(f))
        kinds = [kind for kind in range(len(f)) if ends[2 * kind] < ends[2 * kind + 2]]
        n_numbers = rows.n_points * (1 if self._setting.real else 2)
        at_a_time = max(1, min(LARGEST_SUMS // n_numbers, len(kinds)))
        memory = np.empty((at_a_time, n_numbers))
        for i in range(0, len(kinds), at_a_time):
            chosen = kinds[i : i + at_a_time]
            sums = memory[: len(chosen)]
            self._fill_sums(rows, _blocks(order, ends, chosen), model, sums)
            self._combine(rows, sums, f[chosen], out)
        if len(far):
            self._add_by_definition(_Model(*(values[far] for values in model)), f, out)

    def _fill_sums(
        self, rows: "_Rows", blocks: "_Blocks", model: "_Model", sums: np.ndarray
    ) -> None:
        """Sums over the atoms of each kind at all points, without form factors."""
        limit_k = rows.limits[1]
        tables = _empty_tables(blocks, rows)
        for batch in blocks.batches():
            n_atoms = int(batch.bounds[-1] - batch.bounds[0])
            fill = (batch, model, limit_k, tables)
            seconds = SECONDS_PER_ENTRY * n_atoms * sum(rows.table_lengths)
            self._run(kernels.fill_tables, fill, range(len(batch.slot) + 1), seconds)
            add = (rows.table, limit_k, batch, tables, self._setting.real, sums)
            seconds = SECONDS_UPRIGHT * n_atoms * rows.n_points
            self._run(kernels.sum_rows, add, rows.edges, seconds)

    def _combine(self, rows: "_Rows", sums: np.ndarray, f: np.ndarray, out: np.ndarray) -> None:
        """Apply symmetry and form factors, the imaginary part of these in a second pass."""
        where = (rows.point, rows.turn, self._setting.real, self._setting.operations.with_inverse)
        passes = [(f, 1.0 + 0.0j)]
        if np.iscomplexobj(f):
            passes = [(f.real.copy(), 1.0 + 0.0j), (f.imag.copy(), 1.0j)]
        for part, factor in passes:
            arguments = (*where, part, sums, factor, out)
            seconds = SECONDS_PER_KIND * len(f) * self._n_places
            self._run(kernels.combine, arguments, range(len(out) + 1), seconds)

    def _run(
        self,
        kernel: Callable[..., None],
        arguments: tuple[Any, ...],
        edges: Sequence[int],
        seconds: float,
    ) -> None:
        """Call kernel(first, last, *arguments) for stretches that begin and end at edges.

        The pieces between edges take about the same time, and all of them perhaps so many seconds.
        """
        if self.threads == 1 or seconds < SECONDS_OF_THREADS:
            kernel(edges[0], edges[-1], *arguments)
            return

        def work(first: int, last: int) -> None:
            kernel(edges[first], edges[last], *arguments)

        in_stretches(work, len(edges) - 1, self.threads)


def structure_factors(
    crystal: Crystal, atoms: Atoms, hkl: np.ndarray, f: np.ndarray, threads: int = 1
) -> np.ndarray:
    """(n,) complex128 F at `hkl` in one call: see :meth:`DirectSum.structure_factors`."""
    return DirectSum(crystal, hkl, threads).structure_factors(atoms, f)


def predicted_seconds(
    crystal: Crystal, atoms: Atoms, n_reflections: int, planned: bool = False
) -> float:
    """Time that one thread will take for a call, and for its plan unless that is there."""
    setting = _setting(crystal)
    n_places = n_reflections * len(setting.operations.rotations)
    n_points = n_places * setting.spacing
    along_rows = SECONDS_OF_CALLS + _seconds_along_rows(setting, atoms, n_points)
    if not planned:
        along_rows += SECONDS_OF_CALLS + SECONDS_PER_PLACE * n_places
    return min(along_rows, SECONDS_BY_DEFINITION * n_places * len(atoms))


def beta_tensors(crystal: Crystal, atoms: Atoms) -> np.ndarray:
    """(n, 6) beta with T(h) = exp(-h beta h): a quarter of the B tensor on the axes a*, b*, c*."""
    return atoms.b_tensor @ _to_beta(crystal.fractionalization)


class _Operations(NamedTuple):
    """One operation for each rotation, and only one of R and -R when `with_inverse`.

    That is when there is an inversion at the origin, so that F is twice the real part of
    the sum.
    """

    rotations: np.ndarray
    translations: np.ndarray
    with_inverse: bool


class _Setting(NamedTuple):
    """What the symmetry asks a sum to do, with the axes renamed to its convenience.

    `axes` are those of the crystal in the order h, k, l of the rows, and `upright` whether
    isotropic atoms are. The `centring` translations multiply F by their number, and leave one
    in `spacing` points of a row. `to_beta` turns the six Cartesian components of B into those of
    beta. Where all h.t are multiples of half a turn the inversion makes the sums `real`.
    """

    axes: list[int]
    upright: bool
    spacing: int
    operations: _Operations
    centring: np.ndarray
    to_beta: np.ndarray
    real: bool


class _Model(NamedTuple):
    """Atoms with axes as in the setting, and weights that count centring translations."""

    frac: np.ndarray
    weight: np.ndarray
    beta: np.ndarray
    kind: np.ndarray


class _Rows(NamedTuple):
    """Where sums are made, as :func:`kernels.sum_rows` says, and found: :func:`kernels.locate`.

    `edges` cut the table into pieces that take about the same time.
    """

    table: np.ndarray
    edges: list[int]
    limits: tuple[int, int, int]
    point: np.ndarray
    turn: np.ndarray

    @property
    def n_points(self) -> int:
        """Total over all rows."""
        return int(self.table[-1, 4])

    @property
    def table_lengths(self) -> tuple[int, int, int]:
        """Entries in an atom's tables: h >= 0, all k, and l >= 0 for two steps at a time."""
        h, k, l = self.limits
        return h + 1, 2 * k + 1, l + 2


class _Blocks(NamedTuple):
    """Atoms in the order in which they are summed.

    Block b holds the atoms order[bounds[b] : bounds[b + 1]] of one kind, in so many `vectors`.
    They are upright or not, and add to the line `slot` of the sums, of which the first block
    is `fresh`.
    """

    order: np.ndarray
    bounds: np.ndarray
    vectors: np.ndarray
    slot: np.ndarray
    fresh: np.ndarray
    upright: np.ndarray

    def batches(self) -> Iterator["_Blocks"]:
        """The same in portions for one set of tables."""
        for first in range(0, len(self.slot), BLOCKS_AT_A_TIME):
            last = first + BLOCKS_AT_A_TIME
            bounds = self.bounds[first : last + 1]
            yield _Blocks(self.order, bounds, *(values[first:last] for values in self[2:]))


class _Tables(NamedTuple):
    """What :mod:`friedel.kernels.direct` calls X, Y, W and beta12, and the two factors of r.

    `x`, `y`, `w` (n_blocks, n_entries, 2, n_atoms) hold real and imaginary parts from h = 0,
    k = -limit and l = 0 on; `cross` is (n_blocks, n_atoms); `tilt_h` and `tilt_k` (n_blocks,
    n_entries, n_atoms) serve blocks that are not upright.
    """

    x: np.ndarray
    y: np.ndarray
    w: np.ndarray
    cross: np.ndarray
    tilt_h: np.ndarray
    tilt_k: np.ndarray


@lru_cache(maxsize=16)
def _setting(crystal: Crystal) -> _Setting:
    axes, upright = _row_axes(crystal)
    n = TRANSLATION_DENOMINATOR
    rotations, translations = crystal.primitive_operations
    centring = {tuple(t) for t in crystal.centring_translations.tolist()}
    inversion = (rotations == -np.eye(3, dtype=int)).all(axis=(1, 2))
    with_inverse = any(tuple(t) in centring for t in translations[inversion].tolist())
    kept: dict[bytes, int] = {}
    for o, rotation in enumerate(rotations):
        if not (with_inverse and (-rotation).tobytes() in kept):
            kept[rotation.tobytes()] = o
    needed = list(kept.values())
    doubled = (2 * translations[needed] % n).tolist()
    operations = _Operations(
        np.ascontiguousarray(rotations[np.ix_(needed, axes, axes)]),
        np.ascontiguousarray(translations[np.ix_(needed, axes)]),
        with_inverse,
    )
    return _Setting(
        axes,
        upright,
        int(np.lcm.reduce(n // np.gcd(n, crystal.centring_translations[:, axes[2]]))),
        operations,
        np.ascontiguousarray(crystal.centring_translations[:, axes]),
        _to_beta(crystal.fractionalization[axes]),
        with_inverse and all(tuple(t) in centring for t in doubled),
    )


def _row_axes(crystal: Crystal) -> tuple[list[int], bool]:
    """Axes for h, k and l: for l one that makes isotropic atoms upright, else the longest."""
    metric = np.abs(crystal.reciprocal_metric)
    upright = np.count_nonzero(metric > 1e-12 * metric.max(), axis=1) == 1
    axes = sorted(range(3), key=lambda axis: (bool(upright[axis]), crystal.cell[axis]))
    return axes, bool(upright[axes[2]])


def _seconds_along_rows(setting: _Setting, atoms: Atoms, n_points: int) -> float:
    """Predicted time, without tables and plan."""
    n_tilted = np.count_nonzero(atoms.is_aniso) if setting.upright else len(atoms)
    per_point = SECONDS_UPRIGHT * (len(atoms) - n_tilted) + SECONDS_TILTED * n_tilted
    if setting.real:
        per_point *= SHARE_OF_REAL
    return n_points * (per_point + SECONDS_PER_KIND * len(atoms.scatterers))


def _to_beta(axes: np.ndarray) -> np.ndarray:
    """(6, 6) such that b_tensor @ matrix is beta in the order 11, 22, 33, 12, 13, 23."""
    beta = 0.25 * axes @ np.eye(6)[:, VOIGT] @ axes.T
    return np.ascontiguousarray(beta[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]])


def _row_table(steps: np.ndarray, limit_k: int) -> tuple[np.ndarray, np.ndarray]:
    """The table for :func:`kernels.sum_rows`, and the first point of each row of `steps`."""
    h, column = np.nonzero(steps.any(axis=2))
    n = -(-len(h) // kernels.ROWS) * kernels.ROWS
    table = np.zeros((n + 1, 5), np.int64)
    table[: len(h), 0] = h
    table[: len(h), 1] = column - limit_k
    table[: len(h), 2:4] = steps[h, column]
    # Rows that are summed together run as far as the longest, and always by two steps
    longest = table[:n, 2:4].reshape(-1, 2 * kernels.ROWS).max(axis=1)
    length = np.repeat((longest + 1) // 2 * 2, kernels.ROWS)
    table[1:, 4] = np.cumsum(2 * length)
    first_point = np.zeros(steps.shape[:2], np.int64)
    first_point[h, column] = table[: len(h), 4]
    return table, first_point


def _row_edges(table: np.ndarray) -> list[int]:
    """Where work may be cut: at most PIECES stretches of about as many points."""
    first_point = table[:, 4]
    shares = np.linspace(0, first_point[-1], PIECES, endpoint=False)
    edges = np.searchsorted(first_point, shares) // kernels.STRIDE * kernels.STRIDE
    return [*np.unique(edges).tolist(), len(table) - 1]


def _grouped(
    model: _Model, limits: tuple[int, int, int], n_kinds: int
) -> tuple[np.ndarray, list[int], np.ndarray]:
    """Atoms in the order of kinds, upright ones first.

    Returns
    -------
    order, ends
        The atoms of kind i are order[ends[2 i] : ends[2 i + 2]], the upright ones to ends[2 i + 1].
    far
        Atoms whose recurrences could leave the range of double precision.
    """
    h, k, l = limits
    beta = np.abs(model.beta)
    tilt = beta[:, 4:] @ (2.0 * h * l, 2.0 * k * l)
    exponent = beta[:, :4] @ (1.0 * h * h, 1.0 * k * k, 1.0 * l * l, 2.0 * h * k) + tilt
    group = 2 * model.kind + (tilt > UPRIGHT_LIMIT)
    group[exponent > LARGEST_EXPONENT] = 2 * n_kinds
    order = np.argsort(group, kind="stable")
    count = np.bincount(group, minlength=2 * n_kinds)[: 2 * n_kinds]
    ends = [0, *np.cumsum(count).tolist()]
    return order, ends, order[ends[-1] :]


def _blocks(order: np.ndarray, ends: list[int], kinds: list[int]) -> _Blocks:
    """Blocks of these kinds, cut into pieces of about the same size; one slot for each kind."""
    bounds, lines = [ends[2 * kinds[0]]], []
    for slot, kind in enumerate(kinds):
        fresh = True
        for group in (2 * kind, 2 * kind + 1):
            first, n = ends[group], ends[group + 1] - ends[group]
            pieces = -(-n // kernels.BLOCK)
            for piece in range(1, pieces + 1):
                bounds.append(first + n * piece // pieces)
                lines.append((slot, fresh, group % 2 == 0))
                fresh = False
    vectors = -(-np.diff(bounds) // kernels.LANES)
    slots, freshness, upright = (np.array(column) for column in zip(*lines, strict=True))
    return _Blocks(order, np.array(bounds), vectors, slots, freshness, upright)


def _empty_tables(blocks: _Blocks, rows: _Rows) -> _Tables:
    n = min(len(blocks.slot), BLOCKS_AT_A_TIME)
    # An odd number of vectors: see BLOCK
    m = kernels.LANES * (int(blocks.vectors.max()) | 1)
    h, k, l = rows.table_lengths
    shapes = [(n, h, 2, m), (n, k, 2, m), (n, l, 2, m), (n, m)]
    shapes += [(0, 0, m), (0, 0, m)] if blocks.upright.all() else [(n, h, m), (n, k, m)]
    return _Tables(*(np.empty(shape) for shape in shapes))
