"""Reflections: Miller indices with values, and their crystal."""

import dataclasses
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from friedel.errors import ReflectionsError
from friedel.html import html_table
from friedel.model.arrays import as_keys as as_keys, checked_hkl, frozen_copy
from friedel.model.crystal import Crystal
from friedel.notes import Note

if TYPE_CHECKING:
    import pandas as pd

HTML_ROWS = 5
"""Number of reflections that a notebook shows."""
PHASE_LABELS = {
    "FC": "PHIC",
    "FWT": "PHWT",
    "DELFWT": "PHDELWT",
    "FOFCWT": "PHFOFCWT",
    "ANOM": "PHANOM",
}
"""Labels of phases that are not PHI + label of the amplitude."""
MOST_FLAGS = 4
"""Number of different flags that a message lists."""


@dataclass(frozen=True, eq=False)
class Reflections:
    """Values on a list of reflections.

    Parameters
    ----------
    crystal
        Cell and symmetry.
    hkl
        (n, 3) int32 Miller indices, in any order, any asymmetric unit.
    values
        (n,) complex structure factors or real amplitudes.
    sigmas
        (n,) standard uncertainties of real values, or None.
    free
        (n,) bool, True for reflections kept out of refinement (R-free), or None.
    label
        Name of the values in files: ``"FC"``, ``"FP"``, ...
    description
        Origin of the values, for people to read.
    notes
        Notes on decisions made when they were read or calculated, and on omitted data.
    intensities, intensity_sigmas
        (n,) measured intensities, of any sign, of which `values` are the amplitudes, and their
        standard uncertainties; or None.
    wavelength
        Wavelength of the measurement or of f' and f'', Å; 0 if unknown.

    Raises
    ------
    ReflectionsError
        For arrays whose shapes or types do not match.
    """

    crystal: Crystal
    hkl: np.ndarray
    values: np.ndarray
    sigmas: np.ndarray | None = None
    free: np.ndarray | None = None
    label: str = "F"
    description: str = ""
    notes: tuple[Note, ...] = dataclasses.field(default=(), kw_only=True)
    intensities: np.ndarray | None = dataclasses.field(default=None, kw_only=True)
    intensity_sigmas: np.ndarray | None = dataclasses.field(default=None, kw_only=True)
    wavelength: float = dataclasses.field(default=0.0, kw_only=True)

    _numbers: ClassVar[tuple[str, ...]] = ("values", "sigmas", "intensities", "intensity_sigmas")
    _arrays: ClassVar[tuple[str, ...]] = ("hkl", *_numbers, "free")

    def __post_init__(self) -> None:
        hkl = checked_hkl(self.hkl)
        object.__setattr__(self, "hkl", frozen_copy(hkl))
        for name in self._numbers:
            values = getattr(self, name)
            if values is not None:
                object.__setattr__(self, name, checked_column(name, values, len(hkl)))
        if self.free is not None:
            object.__setattr__(self, "free", checked_free(self.free, len(hkl)))

    def __len__(self) -> int:
        return len(self.hkl)

    def __repr__(self) -> str:
        range_text = ""
        if len(self):
            d = self.d_spacing
            range_text = f", {d[np.isfinite(d)].max(initial=0):.2f}-{d.min():.2f} A"
        return f"<friedel.Reflections {self.label}: {len(self)}{range_text}>"

    def _repr_html_(self) -> str:
        first, columns = slice(HTML_ROWS), self.columns()
        numbers = zip(self.d_spacing[first], *(x[first] for x in columns.values()), strict=True)
        rows = [
            [*hkl, f"{d:.3f}", *(f"{x + 0.0:.6g}" for x in values)]
            for hkl, (d, *values) in zip(self.hkl[first].tolist(), numbers, strict=True)
        ]
        note = f"and {len(self) - len(rows)} more" if len(self) > len(rows) else ""
        return html_table(repr(self)[1:-1], ["h", "k", "l", "d, Å", *columns], rows, note)

    @property
    def stol2(self) -> np.ndarray:
        """(n,) (sin theta / lambda)^2, 1/Å^2."""
        return self.crystal.stol2(self.hkl)

    @property
    def d_spacing(self) -> np.ndarray:
        """(n,) spacing d, Å."""
        return self.crystal.d_spacing(self.hkl)

    @property
    def amplitudes(self) -> np.ndarray:
        """(n,) abs(values)."""
        return np.abs(self.values)

    @property
    def phases(self) -> np.ndarray:
        """(n,) phases in degrees, from -180 to 180."""
        return np.degrees(np.angle(self.values))

    def select(self, mask: np.ndarray) -> Self:
        """The reflections chosen by a boolean mask or by indices."""
        chosen: dict[str, Any] = {
            name: None if (value := getattr(self, name)) is None else value[mask]
            for name in self._arrays
        }
        return dataclasses.replace(self, **chosen)

    def with_free(self, flags: np.ndarray, *, value: int | None = None) -> Self:
        """The same reflections with a free set.

        Parameters
        ----------
        flags
            (n,) R-free flags as in files, or booleans that are True in the free set.
        value
            The flag of the free set: usually 0 in files of CCP4, whose sets are numbered, and 1
            in those of Phenix. It is not needed for booleans.

        Raises
        ------
        ReflectionsError
            When `flags` has another length or values that are not whole numbers, when no
            reflection or every one has this value, or when numbers are given without `value`.
        """
        array = frozen_copy(flags, None, (len(self),), name="flags", error=ReflectionsError)
        if array.dtype.kind != "b":
            array = frozen_copy(flags, np.int32, name="flags", error=ReflectionsError)
            if value is None:
                raise ReflectionsError(
                    f"with_free needs value=...: the flags are {_counts(array)}, and files differ "
                    "in the value of the free set: usually 0 in those of CCP4, 1 in those of Phenix"
                )
            array = array == value
        elif value is not None:
            array = array == bool(value)
        if not array.any() or array.all():
            raise ReflectionsError(
                f"the free set has {int(array.sum())} of {len(self)} reflections, expected some "
                f"of them, not all; the flags are {_counts(np.asarray(flags))}"
            )
        return dataclasses.replace(self, free=array)

    def columns(self) -> dict[str, np.ndarray]:
        """Columns by name as written to files, phases in degrees."""
        if np.iscomplexobj(self.values):
            phase_label = PHASE_LABELS.get(self.label, f"PHI{self.label}")
            columns = {self.label: self.amplitudes, phase_label: self.phases}
        else:
            columns = {self.label: self.values}
        if self.sigmas is not None:
            columns[f"SIG{self.label}"] = self.sigmas
        if self.free is not None:
            columns["FREE"] = (~self.free).astype(np.int32)
        return columns

    def to_mtz(
        self, path: str | PathLike[str], *, overwrite: bool = False, command: str | None = None
    ) -> None:
        """Write an MTZ file; FREE is 0 in the free set, as in CCP4.

        HISTORY records the version, the notes and the command line `command`, if given; the
        data set has the wavelength.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.mtz import write_mtz

        told: dict[str, Any] = {"notes": self.notes, "command": command}
        told["wavelength"] = self.wavelength
        write_mtz(path, self.crystal, self.hkl, self.columns(), overwrite=overwrite, **told)

    def to_cif(
        self, path: str | PathLike[str], *, overwrite: bool = False, command: str | None = None
    ) -> None:
        """Write a structure-factor mmCIF: real values as F_meas_au, complex as F_calc.

        Map coefficients FWT and DELFWT have items of their own. ``_audit.creation_method`` has
        the content of HISTORY in an MTZ file.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.text import write_sf_cif

        label = "FC" if np.iscomplexobj(self.values) else "FP"
        if self.label in ("FWT", "DELFWT", "FOFCWT"):
            label = self.label
        columns = dataclasses.replace(self, label=label).columns()
        told: dict[str, Any] = {"notes": self.notes, "command": command}
        told["wavelength"] = self.wavelength
        write_sf_cif(path, self.crystal, self.hkl, columns, overwrite=overwrite, **told)

    def to_hklf(self, path: str | PathLike[str], *, code: int = 4, overwrite: bool = False) -> None:
        """Write a SHELX reflection file: F^2 and its uncertainty, or F with `code` 3.

        Missing uncertainties are written as 1.

        Raises
        ------
        ParameterError
            For a code other than 3 and 4.
        OutputError
            When a number does not fit the format, the file exists and `overwrite` is false,
            or cannot be written.
        """
        from friedel.writers.text import write_hklf

        write_hklf(path, *self.measurable(), code=code, overwrite=overwrite)

    def measurable(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Indices (n, 3), amplitudes (n,) and sigmas (n,) of single measurements."""
        return self.hkl, self.amplitudes, self.sigmas

    def to_csv(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write comma-separated values: h, k, l and :meth:`columns`.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.text import write_csv

        write_csv(path, self.hkl, self.columns(), overwrite=overwrite)

    def to_json(
        self, path: str | PathLike[str], *, overwrite: bool = False, command: str | None = None
    ) -> None:
        """Write version, cell, notes, and h, k, l and :meth:`columns` as arrays, as JSON.

        Numbers that are not finite are null.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.notes import friedel_version
        from friedel.writers.json_files import write_json_columns

        about = {
            "version": friedel_version(),
            "command": command,
            "description": self.description,
            "cell": self.crystal.cell,
            "space_group": self.crystal.name,
            "wavelength": self.wavelength or None,
            "notes": self.notes,
        }
        indices = dict(zip("hkl", self.hkl.T, strict=True))
        write_json_columns(path, about, {**indices, **self.columns()}, overwrite=overwrite)

    def to_gemmi(self) -> Any:
        """A gemmi AsuData object: complex, value-sigma or real, depending on the values."""
        from friedel.writers.gemmi_objects import to_asu_data

        return to_asu_data(self.crystal, self.hkl, self.values, self.sigmas)

    def to_dataset(self) -> Any:
        """A reciprocalspaceship DataSet.

        Raises
        ------
        MissingDependencyError
            When reciprocalspaceship is not installed.
        """
        from friedel.writers.dataframes import to_dataset

        return to_dataset(self.crystal, self.hkl, self.columns())

    def to_dataframe(self) -> "pd.DataFrame":
        """A pandas DataFrame indexed by H, K, L.

        Raises
        ------
        MissingDependencyError
            When pandas is not installed.
        """
        from friedel.writers.dataframes import to_dataframe

        return to_dataframe(self.hkl, self.columns())


def checked_column(name: str, values: object, n: int) -> np.ndarray:
    """A read-only array with one number for each reflection; integers become float64.

    Raises
    ------
    ReflectionsError
        When there are not `n` numbers.
    """
    array = frozen_copy(values, name=name, error=ReflectionsError)
    if array.shape != (n,):
        raise ReflectionsError(
            f"{name} has shape {array.shape}, expected ({n},) as there are {n} reflections"
        )
    if array.dtype.kind not in "iufc":
        raise ReflectionsError(f"{name} has type {array.dtype}, expected numbers")
    return array if array.dtype.kind in "fc" else frozen_copy(array, np.float64)


def checked_free(free: object, n: int) -> np.ndarray:
    """The flags as a read-only (n,) boolean array, True in the free set.

    Raises
    ------
    ReflectionsError
        When it is not an array of `n` booleans.
    """
    array = np.asarray(free)
    if array.dtype.kind != "b" and array.shape == (n,):
        raise ReflectionsError(
            f"free has {_counts(array)}, expected booleans that are True in the free set; for "
            "R-free flags of a file use Reflections.with_free(flags, value=...), with the value "
            "of the free set"
        )
    return frozen_copy(array, bool, (n,), name="free", error=ReflectionsError)


def _counts(flags: np.ndarray) -> str:
    """The values and the number of occurrences of each, for messages."""
    values, counts = np.unique(flags, return_counts=True)
    shown = [f"{x} ({n} times)" for x, n in zip(values[:MOST_FLAGS], counts, strict=False)]
    more = f" and {len(values) - MOST_FLAGS} other values" if len(values) > MOST_FLAGS else ""
    return ", ".join(shown) + more


def match(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (i, j) with first[i] == second[j], for lists of distinct hkl.

    Parameters
    ----------
    first, second
        (n, 3) and (m, 3) integer arrays.
    """
    _, i, j = np.intersect1d(as_keys(first), as_keys(second), return_indices=True)
    return i, j
