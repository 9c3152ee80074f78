"""AsuData of gemmi as a table of typed columns."""

from typing import Any

import numpy as np

from friedel.gemmi_package import gemmi
from friedel.readers.reflection_tables import Column, Kind, ReflectionTable


def asu_table(data: Any) -> ReflectionTable:
    """The table of a gemmi AsuData object."""
    if isinstance(data, gemmi.FloatAsuData):
        values, sigmas = np.asarray(data.value_array), None
    else:
        pairs = _value_sigma_pairs(data)
        values, sigmas = pairs[:, 0], pairs[:, 1]
    columns = [
        Column("F", Kind.AMPLITUDE, lambda: values, sigma=None if sigmas is None else "SIGF")
    ]
    if sigmas is not None:
        columns.append(Column("SIGF", Kind.SIGMA, lambda: sigmas))
    return ReflectionTable("AsuData", np.array(data.miller_array), tuple(columns))


def _value_sigma_pairs(data: gemmi.ValueSigmaAsuData) -> np.ndarray:
    """(n, 2) values and sigmas.

    Indices and values are stored in the same records, but gemmi 0.7.5 gives the values a wrong
    stride; the stride of the indices, which is right, is used instead.
    """
    from numpy.lib.stride_tricks import as_strided

    record = data.miller_array.strides[0]
    return as_strided(data.value_array, strides=(record, 4), writeable=False)
