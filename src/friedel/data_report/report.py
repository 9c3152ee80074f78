"""DataReport: what a reflection file says, as numbers, as text and as files."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from os import PathLike
from typing import Any

import numpy as np

from friedel.data_report.text import summary
from friedel.errors import ParameterError
from friedel.html import folded
from friedel.model.crystal import Crystal
from friedel.notes import Note, friedel_version
from friedel.reflections.anisotropy import Anisotropy
from friedel.reflections.bijvoet import separate_mates
from friedel.reflections.data_shells import DataShell
from friedel.reflections.french_wilson import amplitudes_from_intensities
from friedel.reflections.reflections import Reflections
from friedel.reflections.twin_statistics import HTest, LTest
from friedel.reflections.wilson import WilsonLine
from friedel.writers.json_files import plain, write_json


@dataclass(frozen=True)
class ColumnInfo:
    """One column of a file.

    Attributes
    ----------
    label, kind
        Label, and type of quantity in words.
    data_set
        Name of its data set, empty if there is none.
    wavelength
        Wavelength of the data set, Å, or None.
    n
        Number of rows with a value.
    """

    label: str
    kind: str
    data_set: str
    wavelength: float | None
    n: int


@dataclass(frozen=True)
class AbsentReflections:
    """Measured reflections that the space group makes absent.

    `n` is their number, `mean_over_sigma` the mean of value / sigma (NaN without sigmas), which is
    0 but for errors if the space group is right; `n_strong` is the number above three sigmas.
    """

    n: int
    mean_over_sigma: float
    n_strong: int


@dataclass(frozen=True)
class FreeSetInfo:
    """The free set of a file.

    Attributes
    ----------
    label, value
        Column, and its value in the free set.
    rule
        Sentence that gives the convention by which the value was found.
    n, n_unflagged
        Numbers of unique reflections in the set, and of those without a flag.
    per_cent
        Part of the flagged reflections that is free.
    """

    label: str
    value: int | str
    rule: str
    n: int
    n_unflagged: int
    per_cent: float


@dataclass(frozen=True, eq=False, repr=False)
class DataReport:
    """What a reflection file says; :func:`friedel.describe_data` makes it.

    Statistics that cannot be computed are None, and :attr:`reasons` says why.

    Attributes
    ----------
    name
        Name of the file, with that of the block if there are several.
    columns
        All columns except the indices.
    n_rows
        Number of rows in the file or block.
    chosen
        Labels of the columns with observed data that the statistics are about.
    data
        Merged data: intensities if :attr:`is_intensity`, else amplitudes, with sigmas and free set.
    mates
        The same with Friedel mates separate, -h for those of h, if the file has both, or None.
    is_intensity
        Whether the values are intensities.
    wavelength
        Wavelength of the chosen columns, Å, or None.
    counts
        (n,) number of measurements of each reflection of :attr:`data`.
    shells, overall
        Statistics by resolution shell, and of the whole range.
    completeness
        Completeness to the highest resolution, with all reflections of low resolution expected.
    n_friedel_pairs
        Number of acentric reflections with both Friedel mates measured, 0 without :attr:`mates`.
    absent
        Measured reflections that are systematically absent.
    wilson
        Line of the Wilson plot, of X-ray data.
    content
        Text that says which content of the cell the scale refers to.
    anisotropy
        Dependence of intensities on direction.
    l_test, h_tests
        Tests for twinning: without a law, and by each law that can be tested.
    twin_laws
        Names of all twin laws that the lattice allows.
    free_set
        The free set, or None.
    flags
        (n,) flags of :attr:`data` in the column of the free set, NaN where missing, or None.
    reasons
        Why a statistic is None, by its name; for twin laws by the law.
    notes
        Choices made while reading, and reflections left out.
    """

    name: str
    columns: tuple[ColumnInfo, ...]
    n_rows: int
    chosen: str
    data: Reflections
    mates: Reflections | None
    is_intensity: bool
    wavelength: float | None
    counts: np.ndarray
    shells: tuple[DataShell, ...]
    overall: DataShell
    completeness: float
    n_friedel_pairs: int
    absent: AbsentReflections
    wilson: WilsonLine | None
    content: str
    anisotropy: Anisotropy | None
    l_test: LTest | None
    h_tests: tuple[HTest, ...]
    twin_laws: tuple[str, ...]
    free_set: FreeSetInfo | None
    flags: np.ndarray | None
    reasons: Mapping[str, str]
    notes: tuple[Note, ...]

    @property
    def crystal(self) -> Crystal:
        """Cell and symmetry of the data."""
        return self.data.crystal

    def __repr__(self) -> str:
        return f"<friedel.DataReport {self.name}: {self.chosen}, {len(self.data)} reflections>"

    def _repr_html_(self) -> str:
        head = f"<b>{escape(self.name)}</b>: {escape(self.chosen)}, {len(self.data)} reflections"
        return folded(head, self.summary())

    def __str__(self) -> str:
        return self.summary()

    def summary(self, *, notes: bool = True) -> str:
        """The report as text.

        Parameters
        ----------
        notes
            Whether to include the notes.
        """
        return summary(self, notes=notes)

    def to_dict(self, *, command: str | None = None) -> dict[str, Any]:
        """Numbers and text for JSON; unknown values are None.

        Parameters
        ----------
        command
            The command line that made the result, stored with the version.
        """
        numbers = {
            "version": friedel_version(),
            "command": command,
            "name": self.name,
            "n_rows": self.n_rows,
            "columns": self.columns,
            "chosen": self.chosen,
            "is_intensity": self.is_intensity,
            "cell": self.crystal.cell,
            "space_group": self.crystal.name,
            "wavelength": self.wavelength,
            "n_reflections": len(self.data),
            "d_max": float(self.data.d_spacing.max()),
            "d_min": float(self.data.d_spacing.min()),
            "completeness": self.completeness,
            "n_friedel_pairs": self.n_friedel_pairs,
            "absent": self.absent,
            "overall": self.overall,
            "shells": self.shells,
            "wilson": self.wilson,
            "content": self.content,
            "anisotropy": self.anisotropy,
            "twin_laws": self.twin_laws,
            "l_test": self.l_test,
            "h_tests": self.h_tests,
            "free_set": self.free_set,
            "reasons": dict(self.reasons),
            "notes": self.notes,
        }
        return {key: plain(value) for key, value in numbers.items()}

    def to_json(
        self, path: str | PathLike[str], *, overwrite: bool = False, command: str | None = None
    ) -> None:
        """Write :meth:`to_dict` to a file.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        write_json(path, self.to_dict(command=command), overwrite=overwrite)

    def amplitudes(self) -> tuple[dict[str, np.ndarray], tuple[Note, ...]]:
        """Amplitudes of French and Wilson by column name, and notes [French1978].

        The columns are F and SIGF, and F(+), SIGF(+), F(-), SIGF(-) if Friedel mates are separate;
        (n,) float64 at ``data.hkl``, NaN where a mate was not measured. Those of amplitudes are
        the amplitudes of the file.
        """
        columns, notes = _amplitudes_of(self.data, self.is_intensity)
        if self.mates is None:
            return columns, notes
        of_mates, _ = _amplitudes_of(self.mates, self.is_intensity)
        for name, values in of_mates.items():
            plus, minus = separate_mates(self.data.hkl, self.mates.hkl, values)
            columns |= {f"{name}(+)": plus, f"{name}(-)": minus}
        order = [n for sign in ("", "(+)", "(-)") for n in (f"F{sign}", f"SIGF{sign}")]
        return {name: columns[name] for name in order if name in columns}, notes

    def to_mtz(
        self,
        path: str | PathLike[str],
        *,
        free_per_cent: float | None = None,
        seed: int = 0,
        overwrite: bool = False,
        command: str | None = None,
    ) -> None:
        """Write :meth:`amplitudes` and the free set of the file, or a new one, as MTZ.

        Parameters
        ----------
        free_per_cent
            Size of a new free set FreeR_flag, in which 0 is free; None for no new set. Mates by
            the highest symmetry of the lattice, such as those of twins, have equal flags.
        seed
            Seed of the new free set.

        Raises
        ------
        ParameterError
            When a free set is to be made and the file has one, or the percentage is not from 0 to
            30.
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.mtz import write_mtz

        columns, notes = self.amplitudes()
        if free_per_cent is not None:
            columns["FreeR_flag"], about = self.new_free_set(free_per_cent, seed)
            notes = (*notes, about)
        elif self.flags is not None and self.free_set is not None:
            columns[self.free_set.label] = self.flags
        elif self.data.free is not None:
            columns["FREE"] = (~self.data.free).astype(np.int32)
        write_mtz(
            path,
            self.crystal,
            self.data.hkl,
            columns,
            overwrite=overwrite,
            wavelength=self.wavelength or 0.0,
            notes=(*self.notes, *notes),
            command=command,
        )

    def new_free_set(self, per_cent: float = 5.0, seed: int = 0) -> tuple[np.ndarray, Note]:
        """(n,) int32 flags of a new free set, 0 in it, and a note; see :meth:`to_mtz`.

        Raises
        ------
        ParameterError
            When the file has a free set, or the percentage is not from 0 to 30.
        """
        from friedel.readers.twin_laws import lattice_operations
        from friedel.reflections.free_sets import free_flags

        if self.free_set is not None:
            raise ParameterError(
                f"{self.name} has a free set, {self.free_set.label} = {self.free_set.value}, which "
                "is kept: no new one is made"
            )
        lattice = lattice_operations(self.crystal)
        flags = free_flags(self.crystal, self.data.hkl, lattice, per_cent=per_cent, seed=seed)
        n = int((flags == 0).sum())
        text = (
            f"free set FreeR_flag = 0 is new: {n} reflections, {n / len(flags):.1%}, equal for "
            f"mates by the {len(lattice)} rotations of the lattice, seed {seed}"
        )
        return flags, Note(text, "default", n)


def _amplitudes_of(
    data: Reflections, is_intensity: bool
) -> tuple[dict[str, np.ndarray], tuple[Note, ...]]:
    f, sigmas = np.asarray(data.values, np.float64), data.sigmas
    if is_intensity:
        f, sigmas, notes = amplitudes_from_intensities(data.crystal, data.hkl, f, sigmas)
    else:
        text = f"{data.label} are amplitudes and written as such; intensities can be named"
        notes = (Note(text, "default"),)
    columns = {"F": f} if sigmas is None else {"F": f, "SIGF": sigmas}
    return columns, notes
