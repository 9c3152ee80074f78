"""What each kind of atom in a model scatters: the arrays that the engine sums with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from friedel.constants import MOTT_BETHE
from friedel.elements import element_record, parse_label
from friedel.errors import ParameterError
from friedel.formfactors.gaussians import GaussianSum, stack
from friedel.formfactors.tables import FormFactorTable, form_factor_table

SOURCES = {
    "xray": ("it92", "electrons"),
    "electron": ("c4322", "A"),
    "neutron": ("neutron92", "fm"),
    "mott-bethe": ("it92", "A"),
}
"""Kinds of radiation: default table and unit of F."""


@dataclass(frozen=True, eq=False)
class ScatteringFactors:
    """Form factors of the kinds of atoms in one model.

    Parameters
    ----------
    a, b
        (n_kinds, n_terms) Gaussian coefficients, f(stol2) = sum a exp(-b stol2).
    f_double_prime
        (n_kinds,) imaginary part of f, independent of angle.
    mott_bethe
        Whether `a` holds f_x - Z, to be turned into electron scattering by the
        Mott-Bethe formula.
    stol_max
        End of the table's range of sin(theta)/lambda, 1/A.
    unit
        Of F.
    notes
        What was replaced, for people to read.
    """

    a: np.ndarray
    b: np.ndarray
    f_double_prime: np.ndarray
    mott_bethe: bool = False
    stol_max: float = np.inf
    unit: str = "electrons"
    notes: tuple[str, ...] = ()

    def f(self, stol2: np.ndarray) -> np.ndarray:
        """(n_kinds, n) real form factors, before any Mott-Bethe factor."""
        return (self.a[:, :, None] * np.exp(-self.b[:, :, None] * stol2)).sum(axis=1)

    def post_factor(self, stol2: np.ndarray) -> np.ndarray:
        """(n,) factor that turns the sum over atoms into F: 1, or Mott-Bethe's; 0 at stol2 = 0."""
        if not self.mott_bethe:
            return np.ones(len(stol2))
        safe = np.where(stol2 > 0, stol2, np.inf)
        return -MOTT_BETHE / safe

    def forward_limit(self) -> np.ndarray:
        """(n_kinds,) contribution of an atom to F(000): f(0), or its limit for Mott-Bethe.

        As stol2 -> 0, MOTT_BETHE (Z - f) / stol2 -> MOTT_BETHE sum a_i b_i: the constant
        Z - f(0), a rounding residue of the table that would diverge, is left out.
        """
        if self.mott_bethe:
            return MOTT_BETHE * (self.a * self.b).sum(axis=1)
        return self.a.sum(axis=1)


def scattering_factors(
    scatterers: Sequence[str],
    source: str = "xray",
    *,
    table: str | FormFactorTable | None = None,
    use_charge: bool = False,
    unknown: str = "O",
    form_factors: Mapping[str, GaussianSum] | None = None,
    addends: Mapping[str, complex] | None = None,
) -> ScatteringFactors:
    """The form factors of some kinds of atoms for one kind of radiation.

    Parameters
    ----------
    scatterers
        Labels such as ``"C"``, ``"Fe2+"``.
    source
        ``"xray"``, ``"electron"``, ``"neutron"`` or ``"mott-bethe"``.
    table
        Name of a table, or a table; the default belongs to the source.
    use_charge
        Take the nearest tabulated ion instead of the neutral atom.
    unknown
        Element to use for X.
    form_factors
        Form factors for single labels, instead of the table's.
    addends
        Numbers to add to f by element symbol, such as f' or f' + i f''.

    Raises
    ------
    ParameterError
        For an unknown source or table.
    ElementError
        For an element that the table does not have.
    """
    if source not in SOURCES:
        raise ParameterError(f"unknown source {source!r}: expected one of {', '.join(SOURCES)}")
    default_table, unit = SOURCES[source]
    chosen = (
        table if isinstance(table, FormFactorTable) else form_factor_table(table or default_table)
    )
    parse_label(unknown)  # a mistyped element is an error even where no X is present
    custom, added = form_factors or {}, addends or {}
    sums, imaginary, notes = [], [], []
    for label in scatterers:
        symbol, _ = parse_label(label)
        if label in custom:
            sum_, found = custom[label], label
        else:
            sum_, found = chosen.lookup(label, use_charge=use_charge, unknown=unknown)
        if symbol == "X" or (use_charge and found != label):
            notes.append(f"{label} scatters as {found}")
        if source == "mott-bethe":
            sum_ += -element_record(parse_label(found)[0]).atomic_number
        addend = complex(added.get(symbol, 0.0))
        sums.append(sum_ + addend.real)
        imaginary.append(addend.imag)
    a, b = stack(sums)
    return ScatteringFactors(
        a, b, np.array(imaginary), source == "mott-bethe", chosen.stol_max, unit, tuple(notes)
    )
