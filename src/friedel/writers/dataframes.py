"""Reflections and other columns as tables of pandas and reciprocalspaceship."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from friedel.errors import MissingDependencyError
from friedel.model.crystal import Crystal
from friedel.writers.gemmi_objects import to_gemmi_cell, to_gemmi_spacegroup
from friedel.writers.mtz import mtz_type


def to_dataframe(hkl: np.ndarray, columns: Mapping[str, np.ndarray]) -> Any:
    """A pandas DataFrame indexed by H, K, L.

    Raises
    ------
    MissingDependencyError
        When pandas is not installed.
    """
    frame = table_to_dataframe(columns)
    import pandas as pd

    frame.index = pd.MultiIndex.from_arrays(np.asarray(hkl).T, names=["H", "K", "L"])
    return frame


def table_to_dataframe(columns: Mapping[str, np.ndarray]) -> Any:
    """A pandas DataFrame of named columns.

    Raises
    ------
    MissingDependencyError
        When pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingDependencyError.of("to_dataframe", "pandas") from None
    return pd.DataFrame(dict(columns))


def to_dataset(crystal: Crystal, hkl: np.ndarray, columns: Mapping[str, np.ndarray]) -> Any:
    """A reciprocalspaceship DataSet indexed by H, K, L, with MTZ column types.

    Raises
    ------
    MissingDependencyError
        When reciprocalspaceship is not installed.
    """
    try:
        import reciprocalspaceship as rs
    except ImportError:
        raise MissingDependencyError.of("to_dataset", "reciprocalspaceship") from None
    data = {"H": hkl[:, 0], "K": hkl[:, 1], "L": hkl[:, 2], **columns}
    dataset = rs.DataSet(data, cell=to_gemmi_cell(crystal), spacegroup=to_gemmi_spacegroup(crystal))
    dtypes = {label: mtz_type(label, values) for label, values in columns.items()}
    return dataset.astype({"H": "H", "K": "H", "L": "H", **dtypes}).set_index(["H", "K", "L"])
