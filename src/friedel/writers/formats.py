"""File formats of results: one table for the command and for Python.

A result is written in a format by the method that the table names, such as ``to_mtz(path,
overwrite=...)``. A new format is a method of :class:`friedel.Reflections` and a line here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """A file format of results.

    Parameters
    ----------
    method
        Name of the method that writes it, ``"to_mtz"``.
    option
        Name of the command's option, ``"--to-mtz"``.
    endings
        File name endings in lower case, the usual one first: ``(".mtz",)``.
    title
        Name of the format in messages and help.
    has_history
        Whether files record the command that wrote them: the method takes ``command=``.
    is_text
        Whether files are text.
    """

    method: str
    option: str
    endings: tuple[str, ...]
    title: str
    has_history: bool = False
    is_text: bool = False


FORMATS = (
    Format("to_mtz", "--to-mtz", (".mtz",), "MTZ", True),
    Format("to_cif", "--to-cif", (".cif", ".mmcif"), "structure-factor mmCIF", True, True),
    Format("to_hklf", "--to-hkl", (".hkl",), "SHELX HKLF 4 (F^2)", is_text=True),
    Format("to_csv", "--to-csv", (".csv",), "comma-separated values", is_text=True),
    Format("to_fcf", "--to-fcf", (".fcf",), "FCF of SHELX", True, True),
    Format("to_json", "--json", (".json",), "JSON", True, True),
    Format("to_npz", "--to-npz", (".npz",), "NumPy archive"),
    Format("to_nexus", "--to-nexus", (".nxs", ".nx5"), "NeXus (h5py)"),
    Format("to_ccp4", "--write-map", (".ccp4", ".map", ".mrc"), "CCP4 map"),
)
"""All formats; each type of result has some of them."""


def formats_of(result: type) -> tuple[Format, ...]:
    """The formats of a type of result: those whose method the class has."""
    return tuple(form for form in FORMATS if hasattr(result, form.method))


def format_of(method: str) -> Format:
    """The format written by the method of this name."""
    return next(form for form in FORMATS if form.method == method)


HKLF_CODES = (3, 4)
"""SHELX's HKLF codes that can be written: F, and F^2."""

FCF_LISTS = (4, 6)
"""SHELX's LIST numbers that can be written as FCF."""
