"""The package's tables of published numbers: CSV files described in SOURCES.toml."""

import csv
import tomllib
from functools import cache
from importlib.resources import files


@cache
def sources() -> dict[str, dict[str, object]]:
    """Citation, units, valid range and checksum of every table, by table name."""
    text = files(__name__).joinpath("SOURCES.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def table(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a table as dictionaries of strings, keyed by column.

    Parameters
    ----------
    name
        Table name without extension, one of ``sources()``.
    """
    text = files(__name__).joinpath(f"{name}.csv").read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))
