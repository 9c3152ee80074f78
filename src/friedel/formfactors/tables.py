"""The published tables of form factors, immutable, each with its range and its citation."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from types import MappingProxyType

import numpy as np

from friedel.data import sources, table
from friedel.elements import make_label, parse_label
from friedel.errors import ElementError, ParameterError
from friedel.formfactors.gaussians import GaussianSum

TABLES = ("it92", "wk95", "c4322", "neutron92")
"""Names of the tables: two of X-ray factors, one of electrons, one of neutrons."""

VALENCE_STATES = ("Cval", "Siva")
"""Labels in WK95 that are neither elements nor ions."""


@dataclass(frozen=True)
class FormFactorTable:
    """Form factors by scatterer label.

    Parameters
    ----------
    name
        Such as ``"it92"``.
    entries
        Gaussian sum of each label: ``"Fe"``, ``"Fe2+"``.
    stol_max
        Upper end of the range of sin(theta)/lambda (1/A) that the fit covers.
    """

    name: str
    entries: Mapping[str, GaussianSum]
    stol_max: float = np.inf

    def get(self, symbol: str, charge: int = 0) -> GaussianSum | None:
        """The form factor of exactly this atom or ion, or None."""
        return self.entries.get(make_label(symbol, charge))

    @cached_property
    def charges(self) -> Mapping[str, tuple[int, ...]]:
        """Formal charges that the table has for each element symbol."""
        found: dict[str, tuple[int, ...]] = {}
        for label in self.entries:
            if label not in VALENCE_STATES:
                symbol, charge = parse_label(label)
                found[symbol] = (*found.get(symbol, ()), charge)
        return found

    def lookup(
        self, label: str, *, use_charge: bool = False, unknown: str = "O"
    ) -> tuple[GaussianSum, str]:
        """The form factor to use for a scatterer, and which entry it is.

        Formal charges are ignored unless `use_charge`, which takes the nearest tabulated
        charge. Deuterium is hydrogen where the table has no D; X, an unknown element, is `unknown`.

        Raises
        ------
        ElementError
            When the table does not have the element.
        """
        symbol, charge = parse_label(label)
        if symbol == "X":
            symbol, charge = parse_label(unknown)
        if symbol == "D" and "D" not in self.entries:
            symbol = "H"
        charges = self.charges.get(symbol)
        if charges is None:
            raise ElementError(f"{self.name} has no form factor of {symbol}")
        wanted = charge if use_charge else 0
        nearest = min(charges, key=lambda q: (abs(q - wanted), abs(q)))
        found = make_label(symbol, nearest)
        return self.entries[found], found


@cache
def form_factor_table(name: str) -> FormFactorTable:
    """One of the published tables.

    Raises
    ------
    ParameterError
        When there is no table of that name.
    """
    if name not in TABLES:
        raise ParameterError(f"unknown form-factor table {name!r}: expected one of {TABLES}")
    entries = {_row_label(row): _row_sum(row) for row in table(name)}
    if name == "neutron92":
        # zero stands for "not in the source"
        entries = {label: s for label, s in entries.items() if s.f0 != 0.0}
    stol_max = float(sources()[name].get("stol_max", np.inf))  # type: ignore[arg-type]
    return FormFactorTable(name, MappingProxyType(entries), stol_max)


def _row_label(row: Mapping[str, str]) -> str:
    charge = row.get("charge", "0")
    return row["label"] if charge == "val" else make_label(row["symbol"], int(charge))


def _row_sum(row: Mapping[str, str]) -> GaussianSum:
    if "b_coh_fm" in row:
        return GaussianSum((float(row["b_coh_fm"]),), (0.0,))
    n = sum(key.startswith("a") and key[1:].isdigit() for key in row)
    a = [float(row[f"a{i}"]) for i in range(1, n + 1)]
    b = [float(row[f"b{i}"]) for i in range(1, n + 1)]
    if "c" in row:
        a.append(float(row["c"]))
        b.append(0.0)
    return GaussianSum(tuple(a), tuple(b))
