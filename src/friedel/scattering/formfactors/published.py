"""The published tables of form factors, read from the package's data."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import numpy as np

from friedel.data import sources, table
from friedel.errors import ParameterError
from friedel.model.elements import make_label
from friedel.scattering.formfactors.exact import FormFactor, exact_form_factors, numbers
from friedel.scattering.formfactors.fitting import FittedSum
from friedel.scattering.formfactors.gaussians import GaussianSum
from friedel.scattering.formfactors.tables import FormFactorTable, TableInfo

TABLES = (
    "it92",
    "wk95",
    "c4322",
    "c4323",
    "lobato14",
    "kirkland10",
    "peng98",
    "neutron92",
)
"""Names of the tables in the package: X-rays, electrons, neutrons."""


@cache
def form_factor_table(name: str) -> FormFactorTable:
    """One of the published tables, :data:`TABLES`, or ``"periodictable"``.

    The last has complex neutron scattering lengths of elements and isotopes and comes from the
    package periodictable.

    Raises
    ------
    ParameterError
        When there is no table of that name.
    MissingDependencyError
        When it comes from a package that is not installed.
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
    exact = exact_form_factors(name, table(name))
    return FormFactorTable(
        name,
        MappingProxyType(_gaussian_entries(name, exact, stol_max)),
        stol_max,
        exact=MappingProxyType(exact),
        info=_info(stated),
    )


def _info(stated: Mapping[str, object]) -> TableInfo:
    texts = {k: str(stated.get(k, "")) for k in ("title", "citation", "note", "source", "formula")}
    references = tuple(stated["references"])  # type: ignore[arg-type, var-annotated]
    return TableInfo(**texts, references=references, units=str(stated["units"]))


def _gaussian_entries(
    name: str, exact: Mapping[str, FormFactor], stol_max: float
) -> dict[str, GaussianSum]:
    if name == "peng98":
        return {}
    if exact:
        return {
            row["symbol"]: _fitted(row, float(exact[row["symbol"]].f(0.0)), stol_max)
            for row in table(f"{name}_gaussians")
        }
    entries = {_row_label(row): _row_sum(row) for row in table(name)}
    if name == "neutron92":
        # zero stands for "not in the source"
        return {label: s for label, s in entries.items() if s.f0 != 0.0}
    return entries


def _fitted(row: Mapping[str, str], f0: float, stol_max: float) -> FittedSum:
    # The relative error bounds the absolute one where f is largest, at 0
    error = float(row["relative_error"]) * f0
    return FittedSum(numbers(row, "a"), numbers(row, "b"), error, stol_max)


def _row_label(row: Mapping[str, str]) -> str:
    charge = row.get("charge", "0")
    if charge.isalpha():  # a valence state: Cval, Siva, Hiso
        return row.get("label", row["symbol"] + charge)
    return make_label(row["symbol"], int(charge))


def _row_sum(row: Mapping[str, str]) -> GaussianSum:
    if "b_coh_fm" in row:
        return GaussianSum((float(row["b_coh_fm"]),), (0.0,))
    a, b = numbers(row, "a"), numbers(row, "b")
    return GaussianSum((*a, float(row["c"])), (*b, 0.0)) if "c" in row else GaussianSum(a, b)
