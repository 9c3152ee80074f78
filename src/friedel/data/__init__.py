"""The package's tables of published numbers: CSV files described in SOURCES.toml."""

import csv
import tomllib
from collections.abc import Iterable
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
    return _rows(_text(name).splitlines())


@cache
def _text(name: str) -> str:
    """The content of a table."""
    return (FOLDER / f"{name}.csv").read_text(encoding="utf-8")


def has_rows(name: str, *key: str) -> bool:
    """Whether a table has rows whose first columns have these texts."""
    return _begin(key) in _text(name)


def rows_of(name: str, *key: str) -> tuple[dict[str, str], ...]:
    """The rows of a table, as :func:`table` has them, whose first columns have these texts.

    For tables of which few rows are read.
    """
    text, begin = _text(name), _begin(key)
    some = [text[: text.index("\n")]]
    at = text.find(begin)
    while at >= 0:
        end = text.index("\n", at + 1)
        some.append(text[at + 1 : end])
        at = text.find(begin, end)
    return _rows(some)


def _begin(key: tuple[str, ...]) -> str:
    return "\n" + ",".join(key) + ","


def _rows(some: Iterable[str]) -> tuple[dict[str, str], ...]:
    names, *rows = csv.reader(some)  # faster than csv.DictReader
    return tuple(dict(zip(names, row, strict=True)) for row in rows)


def __getattr__(name: str) -> Any:
    if name == "files":  # this module had it in 0.1.0
        from importlib.resources import files

        return files
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
