"""Tables and numbers as text that any program reads: comma-separated values and JSON."""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any


def csv_text(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Comma-separated values with a line of names; text is quoted only where it must be."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def json_text(value: Any) -> str:
    """An indented JSON document of :func:`json_value`."""
    return json.dumps(json_value(value), indent=2) + "\n"


def json_value(value: Any) -> Any:
    """What JSON can hold: dataclasses as objects, other iterables as lists, NaN as null.

    Infinite numbers become null as well, since JSON has no word for either.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [json_value(item) for item in value]
    return value
