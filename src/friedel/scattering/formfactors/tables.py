"""Tables of form factors: immutable, each with its range and its citation."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from textwrap import fill
from types import MappingProxyType

import numpy as np

from friedel.errors import ElementError, FriedelWarning, ParameterError
from friedel.model.elements import (
    element_of_entry,
    element_record,
    is_label,
    kind_of_site,
    make_label,
    mass_number,
    parse_label,
    scatterer_label,
)
from friedel.scattering.formfactors.exact import FormFactor
from friedel.scattering.formfactors.fitting import FittedSum
from friedel.scattering.formfactors.gaussians import GaussianSum

COLUMNS = 96
"""Width of the description of a table."""


@dataclass(frozen=True)
class TableInfo:
    """Description of a table.

    Attributes
    ----------
    title, citation, note
        Texts for people to read.
    references
        Keys in the bibliography.
    source
        Radiation: ``"xray"``, ``"electron"`` or ``"neutron"``; empty if not stated.
    formula, units
        Formula and units of the published coefficients.
    """

    title: str = ""
    citation: str = ""
    note: str = ""
    references: tuple[str, ...] = ()
    source: str = ""
    formula: str = ""
    units: str = ""


@dataclass(frozen=True)
class FormFactorTable:
    """Form factors by scatterer label.

    Parameters
    ----------
    name
        Name of the table, such as ``"it92"``.
    entries
        Gaussian sum of each label: ``"Fe"``, ``"Fe2+"``. Empty when the formula of the table is
        not a Gaussian sum and cannot be fitted by one.
    stol_max
        Upper end of the range of sin(theta)/lambda (1/Å) that the fit covers.
    imaginary
        Imaginary part of f by label, for labels that have one.
    exact
        The published formula by label, if `entries` are fitted to it.
    info
        Title, citation, units, remarks.
    refused
        Labels of published entries that are unusable, each with the reason.
    """

    name: str
    entries: Mapping[str, GaussianSum]
    stol_max: float = np.inf
    imaginary: Mapping[str, float] = field(default_factory=dict)
    exact: Mapping[str, FormFactor] = field(default_factory=dict)
    info: TableInfo = TableInfo()
    refused: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<friedel.FormFactorTable {self.name}: {len(self.labels)} entries>"

    def __str__(self) -> str:
        """A description of the table for people to read."""
        info = self.info
        limit = f"stol <= {self.stol_max:g} 1/A" if np.isfinite(self.stol_max) else ""
        pairs = [
            ("from", info.citation),
            ("entries", str(len(self.labels))),
            ("formula", info.formula),
            ("units", info.units),
            ("range", limit),
            ("fitted", self._fit_text()),
            ("note", info.note),
        ]
        title = f"{self.name}: {info.title}" if info.title else self.name
        return "\n".join([title, *(_line(key, text) for key, text in pairs if text)])

    def _fit_text(self) -> str:
        errors = [
            s.max_error / float(self.exact[label].f(0.0))
            for label, s in self.entries.items()
            if isinstance(s, FittedSum) and label in self.exact
        ]
        return f"Gaussians, largest error {max(errors):.1g} of f(0)" if errors else ""

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels that have a form factor."""
        return tuple(self.entries or self.exact)

    def get(self, symbol: str, charge: int = 0) -> GaussianSum | None:
        """The form factor of exactly this atom or ion, or None."""
        return self.entries.get(make_label(symbol, charge))

    def f(self, label: str, stol2: np.ndarray | float) -> np.ndarray:
        """The published form factor at (sin theta / lambda)^2 in 1/Å^2; its real part.

        A warning is issued beyond the table's range.

        Raises
        ------
        ElementError
            When there is no entry with exactly this label.
        """
        found: FormFactor = self.exact.get(label) or self.entry(label)
        stol2 = np.asarray(stol2, np.float64)
        self.warn_beyond(float(np.sqrt(stol2.max(initial=0.0))))
        return found.f(stol2)

    def entry(self, label: str) -> GaussianSum:
        """The Gaussian sum of exactly this label, ``"Fe3+"``, ``"Hiso"`` or ``"6Li"``.

        Raises
        ------
        ElementError
            When there is none; the message lists the entries of the same element.
        ParameterError
            When the table has no Gaussian sums.
        """
        self._check_gaussian()
        return self.entries[self._entry_name(label)]

    def imaginary_part(self, label: str) -> float:
        """The imaginary part of the form factor of exactly this label; 0 for most.

        Raises
        ------
        ElementError
            When there is no entry with exactly this label.
        """
        return self.imaginary.get(self._entry_name(label), 0.0)

    def _entry_name(self, label: str) -> str:
        """The label in the table's spelling."""
        if label in self.entries:
            return label
        try:
            name = scatterer_label(label)
        except ElementError:
            name = label
        if name not in self.entries:
            raise ElementError(self.refused.get(name) or self._absent(label))
        return name

    def _absent(self, label: str) -> str:
        try:
            symbol = parse_label(label)[0]
        except ElementError:
            symbol = ""
        alike = [x for x in self.labels if element_of_entry(x) == symbol]
        there = f"; it has {', '.join(alike)}" if alike else ""
        return f"{self.name} has no form factor of {label}{there}"

    def _check_gaussian(self) -> None:
        if not self.entries:
            raise ParameterError(
                f"{self.name} is not a sum of Gaussians and gives f only; for ions with electrons "
                "use source='mott-bethe' with table='wk95' and use_charge=True"
            )

    def normalized(self) -> "FormFactorTable":
        """The same X-ray form factors scaled so that f(0) is exactly the number of electrons.

        Refmac does so with IT92. The scales differ from 1 by 0.1 % or less for neutral atoms. The
        normalisation removes the false charge from Mott-Bethe factors, but makes most of them
        less accurate, as f is changed where its fit was good.

        Raises
        ------
        ParameterError
            For tables of other radiation.
        """
        if self.info.source not in ("xray", ""):
            raise ParameterError(f"only X-ray form factors count electrons; {self.name} does not")
        return replace(
            self, entries=MappingProxyType({k: _normalized(k, v) for k, v in self.entries.items()})
        )

    def warn_beyond(self, stol: float) -> None:
        """Warn of sin(theta)/lambda (1/Å) beyond the table's range."""
        if stol > self.stol_max:
            text = extrapolation(self.name, stol, self.stol_max)
            warnings.warn(text, FriedelWarning, stacklevel=3)

    @cached_property
    def charges(self) -> Mapping[str, tuple[int, ...]]:
        """Formal charges that the table has for each element symbol."""
        found: dict[str, tuple[int, ...]] = {}
        # Valence states such as Cval and isotopes such as 6Li must be asked for by their label
        for label in filter(is_label, self.labels):
            symbol, charge = parse_label(label)
            found[symbol] = (*found.get(symbol, ()), charge)
        return found

    def lookup(
        self, label: str, *, use_charge: bool = False, unknown: str = "O"
    ) -> tuple[GaussianSum, str]:
        """The form factor to use for a scatterer, and the name of the entry.

        Formal charges are ignored unless `use_charge` is true, which selects the nearest tabulated
        charge. Isotopes and valence states have their own entries or, where X-rays or
        electrons do not tell isotopes apart, that of the element. Deuterium scatters as hydrogen
        if the table has no D; X, an unknown element, as `unknown`.

        Raises
        ------
        ElementError
            When the table does not have the element or, for neutrons, the isotope; or when the
            published entry is unusable.
        ParameterError
            When the table has no Gaussian sums.
        """
        self._check_gaussian()
        kind = kind_of_site(label)
        symbol, charge = parse_label(kind)
        if symbol == "X":
            symbol, charge = parse_label(unknown)
        own = self._special_entry(kind)
        if own is not None:
            return self.entries[own], own
        if symbol == "D" and "D" not in self.entries:
            symbol = "H"
        charges = self.charges.get(symbol)
        if charges is None:
            raise ElementError(f"{self.name} has no form factor of {symbol}")
        wanted = charge if use_charge else 0
        if make_label(symbol, wanted) in self.refused:
            raise ElementError(self.refused[make_label(symbol, wanted)])
        nearest = min(charges, key=lambda q: (abs(q - wanted), abs(q)))
        found = make_label(symbol, nearest)
        return self.entries[found], found

    def _special_entry(self, kind: str) -> str | None:
        """The entry of an isotope or of a valence state, without a charge; None for others.

        Raises
        ------
        ElementError
            For neutrons and an isotope without an entry: the element would be another scatterer.
        """
        if is_label(kind) and kind != "T":
            return None
        mass = mass_number(kind)
        name = kind if mass is None else scatterer_label(f"{mass}{parse_label(kind)[0]}")
        if mass == 2:
            name = "D"
        if name in self.entries:
            return name
        if mass not in (None, 2) and self.info.source == "neutron":
            raise ElementError(self._absent(name))
        return None


def _line(key: str, text: str) -> str:
    """A line of a description, wrapped and indented."""
    indent = f"  {key:8}"
    return fill(
        text, COLUMNS, initial_indent=indent, subsequent_indent=" " * len(indent),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _normalized(label: str, sum_: GaussianSum) -> GaussianSum:
    charge = parse_label(label)[1] if is_label(label) else 0
    factor = (element_record(element_of_entry(label)).atomic_number - charge) / sum_.f0
    return GaussianSum(tuple(factor * a for a in sum_.a), sum_.b)


def extrapolation(name: str, stol: float, stol_max: float) -> str:
    """Text of the warning that form factors are extrapolated."""
    return (
        f"sin(theta)/lambda reaches {stol:.2f} 1/A; the form factors of {name} are fitted to "
        f"{stol_max:g} 1/A and extrapolated beyond"
    )
