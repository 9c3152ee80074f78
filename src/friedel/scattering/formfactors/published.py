"""The published tables of form factors, read from the package's data."""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

import numpy as np

from friedel.data import sources, table
from friedel.errors import ParameterError
from friedel.model.elements import make_label
from friedel.scattering.formfactors.exact import (
    FORMULAS,
    FormFactor,
    exact_form_factors,
    numbers,
)
from friedel.scattering.formfactors.fitting import FittedSum
from friedel.scattering.formfactors.gaussians import GaussianSum
from friedel.scattering.formfactors.tables import FormFactorTable, TableInfo

TABLES = tuple(name for name, stated in sources().items() if "form" in stated)
"""Names of the tables in the package, in the order of SOURCES.toml: X-rays, electrons, neutrons."""


@cache
def form_factor_table(name: str) -> FormFactorTable:
    """One of the published tables, :data:`TABLES`, or ``"periodictable"``.

    The table ``"periodictable"`` has complex neutron scattering lengths of elements and isotopes
    from the package of that name.

    Raises
    ------
    ParameterError
        When there is no table of that name.
    MissingDependencyError
        When the package that provides it is not installed.
    """
    if name == "periodictable":
        from friedel.scattering.formfactors.periodictable_lengths import periodictable_lengths

        return periodictable_lengths()
    if name not in TABLES:
        known = (*TABLES, "periodictable")
        raise ParameterError(
            f"unknown form-factor table {name!r}: expected one of {', '.join(known)}"
        )
    stated = sources()[name]
    stol_max = float(stated.get("stol_max", np.inf))  # type: ignore[arg-type]
    form = str(stated["form"])
    exact = exact_form_factors(form, table(name))
    entries = _fitted_entries(name, exact, stol_max) if exact else _row_entries(name, form)
    refused: Mapping[str, str] = stated.get("refused", {})  # type: ignore[assignment]
    return FormFactorTable(
        name,
        MappingProxyType(entries),
        stol_max,
        imaginary=MappingProxyType(_imaginary_parts(name)),
        exact=MappingProxyType(exact),
        info=_info(stated),
        refused=MappingProxyType(refused),
    )


def _imaginary_parts(name: str) -> dict[str, float]:
    """Imaginary parts of scattering lengths by label, where they are not 0."""
    parts = {row.get("label", ""): float(row.get("b_imaginary_fm", "0")) for row in table(name)}
    return {label: value for label, value in parts.items() if value}


def _info(stated: Mapping[str, object]) -> TableInfo:
    texts = {k: str(stated.get(k, "")) for k in ("title", "citation", "note", "source", "formula")}
    references = tuple(stated["references"])  # type: ignore[arg-type, var-annotated]
    return TableInfo(**texts, references=references, units=str(stated["units"]))


def _fitted_entries(
    name: str, exact: Mapping[str, FormFactor], stol_max: float
) -> dict[str, GaussianSum]:
    """The Gaussians fitted to exact form factors; empty where no fit is possible."""
    fits = f"{name}_gaussians"
    if fits not in sources():
        return {}
    return {
        row["symbol"]: _fitted(row, float(exact[row["symbol"]].f(0.0)), stol_max)
        for row in table(fits)
    }


def _row_entries(name: str, form: str) -> dict[str, GaussianSum]:
    try:
        as_sum = ROW_SUMS[form]
    except KeyError:
        known = ", ".join([*ROW_SUMS, *FORMULAS])
        raise ParameterError(
            f"SOURCES.toml gives {name} the form {form!r}: expected one of {known}"
        ) from None
    return {_row_label(row): as_sum(row) for row in table(name)}


def _fitted(row: Mapping[str, str], f0: float, stol_max: float) -> FittedSum:
    # The relative error bounds the absolute one where f is largest, at 0
    error = float(row["relative_error"]) * f0
    return FittedSum(numbers(row, "a"), numbers(row, "b"), error, stol_max)


def _row_label(row: Mapping[str, str]) -> str:
    if "b_real_fm" in row:  # elements and isotopes
        return row["label"]
    charge = row.get("charge", "0")
    if charge.isalpha():  # a valence state: Cval, Sival, Hiso
        return row.get("label", row["symbol"] + charge)
    return make_label(row["symbol"], int(charge))


def _gaussian_sum(row: Mapping[str, str]) -> GaussianSum:
    a, b = numbers(row, "a"), numbers(row, "b")
    return GaussianSum((*a, float(row["c"])), (*b, 0.0)) if "c" in row else GaussianSum(a, b)


def _length(row: Mapping[str, str]) -> GaussianSum:
    return GaussianSum((float(row["b_real_fm"]),), (0.0,))


ROW_SUMS: Mapping[str, Callable[[Mapping[str, str]], GaussianSum]] = MappingProxyType(
    {"gaussians": _gaussian_sum, "length": _length}
)
"""Constructors of Gaussian sums, by the form that SOURCES.toml states; the other forms are in
:data:`friedel.scattering.formfactors.exact.FORMULAS`."""
