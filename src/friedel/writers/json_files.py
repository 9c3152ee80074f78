"""Results as JSON."""

import dataclasses
import json
import math
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from friedel.notes import Note
from friedel.writers.files import write_text


def plain(value: Any) -> Any:
    """The value in JSON types: records become objects, and numbers that are not finite null."""
    if isinstance(value, Note):
        return value.to_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def write_json(
    path: str | PathLike[str], numbers: Mapping[str, Any], *, overwrite: bool = False
) -> None:
    """Write an object as a JSON file, completely or not at all.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.
    """
    write_text(path, json.dumps(plain(numbers), indent=2) + "\n", overwrite=overwrite)


def write_json_columns(
    path: str | PathLike[str],
    about: Mapping[str, Any],
    columns: Mapping[str, np.ndarray],
    *,
    overwrite: bool = False,
) -> None:
    """Write an object as a JSON file, with arrays of numbers under ``"columns"``, each in a line.

    Raises
    ------
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.
    """
    begin = json.dumps(plain(about), indent=2).removesuffix("\n}")
    lines = [
        f"    {json.dumps(name)}: {json.dumps(plain(x.tolist()))}" for name, x in columns.items()
    ]
    text = ",\n".join(lines)
    write_text(path, f'{begin},\n  "columns": {{\n{text}\n  }}\n}}\n', overwrite=overwrite)
