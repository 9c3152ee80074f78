"""The package's tables of published numbers: CSV files described in SOURCES.toml."""

import csv
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


@cache
def sources() -> dict[str, dict[str, object]]:
    """Citation, units, valid range and checksum of every table, by table name."""
    return tomllib.loads((FOLDER / "SOURCES.toml").read_text(encoding="utf-8"))


@cache
def table(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a table as dictionaries of strings, keyed by column.

    Parameters
    ----------
    name
        Table name without extension, one of ``sources()``.
    """
    return _rows(lines(name))


@cache
def lines(name: str) -> tuple[str, ...]:
    """The lines of a table, the first with the names of its columns."""
    return tuple((FOLDER / f"{name}.csv").read_text(encoding="utf-8").splitlines())


@cache
def lines_by(name: str, columns: int) -> dict[tuple[str, ...], tuple[str, ...]]:
    """The lines of a table by the texts of its first columns, for tables of which few are read."""
    found: dict[tuple[str, ...], list[str]] = {}
    for line in lines(name)[1:]:
        found.setdefault(tuple(line.split(",", columns)[:columns]), []).append(line)
    return {key: tuple(some) for key, some in found.items()}


def rows_of(name: str, *key: str) -> tuple[dict[str, str], ...]:
    """The rows of a table, as :func:`table` has them, whose first columns have these texts."""
    return _rows((lines(name)[0], *lines_by(name, len(key)).get(key, ())))


def _rows(some: tuple[str, ...]) -> tuple[dict[str, str], ...]:
    names, *rows = csv.reader(some)  # faster than csv.DictReader
    return tuple(dict(zip(names, row, strict=True)) for row in rows)


def __getattr__(name: str) -> Any:
    if name == "files":  # this module had it in 0.1.0
        from importlib.resources import files

        return files
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
