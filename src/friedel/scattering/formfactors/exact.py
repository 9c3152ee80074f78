"""Form factors whose published formula is not a Gaussian sum: exact values f(stol2)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np

from friedel.constants import MOTT_BETHE
from friedel.model.elements import make_label
from friedel.scattering.formfactors.gaussians import GaussianSum


class FormFactor(Protocol):
    """An object with values f at (sin theta / lambda)^2 in 1/Å^2."""

    def f(self, stol2: np.ndarray | float) -> np.ndarray:
        """Values f, of the same shape as the argument."""
        ...


@dataclass(frozen=True)
class LobatoSum:
    """f = sum_i a_i (2 + b_i g^2) / (1 + b_i g^2)^2 with g = 1/d = 2 stol, Å [Lobato2014]."""

    a: tuple[float, ...]
    b: tuple[float, ...]

    def f(self, stol2: np.ndarray | float) -> np.ndarray:
        """Form factor f in Å, of the same shape as the argument."""
        x = 4.0 * np.multiply.outer(np.asarray(stol2, np.float64), self.b)
        return ((2.0 + x) / (1.0 + x) ** 2) @ np.array(self.a)


@dataclass(frozen=True)
class KirklandSum:
    """f = sum_i a_i / (q^2 + b_i) + c_i exp(-d_i q^2) with q = 1/d = 2 stol, Å [Kirkland2010]."""

    a: tuple[float, ...]
    b: tuple[float, ...]
    c: tuple[float, ...]
    d: tuple[float, ...]

    def f(self, stol2: np.ndarray | float) -> np.ndarray:
        """Form factor f in Å, of the same shape as the argument."""
        q2 = 4.0 * np.asarray(stol2, np.float64)[..., None]
        lorentzians = (1.0 / (q2 + np.array(self.b))) @ np.array(self.a)
        return lorentzians + np.exp(-q2 * np.array(self.d)) @ np.array(self.c)


@dataclass(frozen=True)
class IonSum:
    """An ion's Gaussians and the Coulomb field of its charge [Peng1998], Å.

    f = sum_i a_i exp(-b_i stol2) + MOTT_BETHE charge / stol2, infinite at stol2 = 0.
    """

    gaussians: GaussianSum
    charge: int

    def f(self, stol2: np.ndarray | float) -> np.ndarray:
        """Form factor f in Å, of the argument's shape; at 0 infinite, with the charge's sign."""
        stol2 = np.asarray(stol2, np.float64)
        with np.errstate(divide="ignore"):
            return self.gaussians.f(stol2) + MOTT_BETHE * self.charge / stol2


def exact_form_factors(form: str, rows: Sequence[Mapping[str, str]]) -> dict[str, FormFactor]:
    """The entries of a table by label; empty for tables of Gaussian sums.

    Parameters
    ----------
    form
        Form of the table's columns, as SOURCES.toml states it.
    rows
        Rows of the table, with columns as text.
    """
    if form not in FORMULAS:
        return {}
    return {
        make_label(row["symbol"], int(row.get("charge", "0"))): FORMULAS[form](row) for row in rows
    }


def numbers(row: Mapping[str, str], letter: str) -> tuple[float, ...]:
    """The columns a1, a2, ... of a row."""
    keys = [key for key in row if key[0] == letter and key[1:].isdigit()]
    return tuple(float(row[key]) for key in keys)


def _lobato(row: Mapping[str, str]) -> FormFactor:
    return LobatoSum(numbers(row, "a"), numbers(row, "b"))


def _kirkland(row: Mapping[str, str]) -> FormFactor:
    return KirklandSum(*(numbers(row, letter) for letter in "abcd"))


def _ion(row: Mapping[str, str]) -> FormFactor:
    return IonSum(GaussianSum(numbers(row, "a"), numbers(row, "b")), int(row["charge"]))


FORMULAS: Mapping[str, Callable[[Mapping[str, str]], FormFactor]] = MappingProxyType(
    {"lobato": _lobato, "kirkland": _kirkland, "ion": _ion}
)
"""Constructors of form factors that are not Gaussian sums, by the form that SOURCES.toml states."""
