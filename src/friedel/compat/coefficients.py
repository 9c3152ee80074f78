"""Form-factor coefficients that can be changed: live views of tables that calculators here use.

The engine takes immutable tables. In the gemmi-compatible interface, as in gemmi, coefficients
are shared and changeable: a change of ``Element("Fe").it92`` applies to all calculators of this
interface from then on. `LiveTable.snapshot` gives the current state to the engine.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from friedel.compat.printing import PrintsAsGemmi
from friedel.compat.symbols import as_symbol
from friedel.constants import MOTT_BETHE
from friedel.errors import ElementError, ParameterError
from friedel.model.elements import element_record, is_label, make_label, parse_label
from friedel.scattering.formfactors import FormFactorTable, GaussianSum, form_factor_table


class FormFactorCoef(PrintsAsGemmi):
    """A form factor f(stol2) = sum_i a_i exp(-b_i stol2) + c whose coefficients can be changed.

    The number of Gaussians, and whether there is a constant, belong to the class.

    Parameters
    ----------
    sum_
        The initial form factor; zero if not given.
    """

    __slots__ = ("_sum",)

    n_gaussians: ClassVar[int]
    has_constant: ClassVar[bool] = True

    def __init__(self, sum_: GaussianSum | None = None) -> None:
        zeros = (0.0,) * (self.n_gaussians + self.has_constant)
        self._sum = sum_ or GaussianSum(zeros, zeros)

    @property
    def a(self) -> list[float]:
        """Amplitudes of the Gaussians."""
        return list(self._sum.a[: self.n_gaussians])

    @property
    def b(self) -> list[float]:
        """Exponents of the Gaussians, Å^2."""
        return list(self._sum.b[: self.n_gaussians])

    @property
    def c(self) -> float:
        """The constant, 0 in tables that have none."""
        return self._sum.a[-1] if self.has_constant else 0.0

    @property
    def gaussian_sum(self) -> GaussianSum:
        """The current form factor as an immutable sum."""
        return self._sum

    def get_coefs(self) -> list[float]:
        """All coefficients in one list: a, b and, where there is one, c."""
        return [*self.a, *self.b, self.c] if self.has_constant else [*self.a, *self.b]

    def set_coefs(self, coefs: Sequence[float]) -> None:
        """Replace all coefficients, in the order of :meth:`get_coefs`.

        Raises
        ------
        ParameterError
            For a wrong number of coefficients, or one that is not finite.
        """
        values, n = [float(x) for x in coefs], self.n_gaussians
        if len(values) != 2 * n + self.has_constant:
            raise ParameterError(
                f"got {len(values)} coefficients, {type(self).__name__} has {len(self.get_coefs())}"
            )
        a, b, constant = values[:n], values[n : 2 * n], values[2 * n :]
        self._sum = GaussianSum((*a, *constant), (*b, *[0.0] * len(constant)))

    def calculate_sf(self, stol2: Any = 0.0) -> Any:
        """The form factor at (sin theta / lambda)^2 in 1/Å^2, a number or an array."""
        return _as_given(self._sum.f(stol2))

    def calculate_density_iso(self, r2: Any, B: float) -> Any:
        """Density at squared distance `r2` (Å^2), a number or an array, for isotropic B (Å^2).

        Raises
        ------
        ParameterError
            When B is too small for a finite density.
        """
        return _as_given(self._sum.density_iso(r2, B))

    def precalculate_density_iso(self, B: float, addend: float = 0.0) -> "ExpSum":
        """The density for isotropic B (Å^2), with `addend` added to the constant."""
        return ExpSum(self._sum + addend, B)


class IT92Coef(FormFactorCoef):
    """X-ray form factor: 4 Gaussians and a constant [ITC1992], electrons."""

    __slots__ = ()

    n_gaussians = 4


class WK95Coef(FormFactorCoef):
    """X-ray form factor to high angle: 5 Gaussians and a constant [Waasmaier1995], electrons."""

    __slots__ = ()

    n_gaussians = 5


class C4322Coef(FormFactorCoef):
    """Electron form factor: 5 Gaussians [ITC2011], Å."""

    __slots__ = ()

    n_gaussians = 5
    has_constant = False


class Neutron92(FormFactorCoef):
    """Bound coherent neutron scattering length [Sears1992], fm."""

    __slots__ = ()

    n_gaussians = 0


class ExpSum(PrintsAsGemmi):
    """The density of an atom as a function of distance."""

    __slots__ = ("_b_iso", "_sum")

    def __init__(self, sum_: GaussianSum, b_iso: float) -> None:
        self._sum, self._b_iso = sum_, b_iso

    def calculate(self, r2: Any) -> Any:
        """Density at squared distance `r2`, Å^2."""
        return _as_given(self._sum.density_iso(r2, self._b_iso))

    def calculate_with_derivative(self, r: float) -> tuple[float, float]:
        """Density at a distance `r` (Å), and its derivative by `r`."""
        exponents = 4.0 * np.pi**2 / (np.array(self._sum.b) + self._b_iso)
        slopes = GaussianSum(tuple(-2.0 * r * exponents * self._sum.a), self._sum.b)
        return self.calculate(r * r), ExpSum(slopes, self._b_iso).calculate(r * r)


class LiveTable:
    """The changeable copy of one published table, with one object for each atom and ion.

    X, the unknown element, has its own coefficients, initially those of oxygen; D has hydrogen's
    where the table does not list it.

    Parameters
    ----------
    name
        Name of the table, such as ``"it92"``.
    coef_class
        Class of the coefficient objects.
    ignore_charge
        Whether ions scatter as neutral atoms.
    """

    def __init__(
        self, name: str, coef_class: type[FormFactorCoef], *, ignore_charge: bool = True
    ) -> None:
        self.name, self.ignore_charge = name, ignore_charge
        self._coef_class, self._ignored_at_first = coef_class, ignore_charge

    @cached_property
    def _coefs(self) -> dict[str, FormFactorCoef]:
        return {label: self._coef_class(sum_) for label, sum_ in self._published.items()}

    @cached_property
    def _published(self) -> dict[str, GaussianSum]:
        entries = form_factor_table(self.name).entries
        # gemmi's H of WK95 is the free atom of the publication
        own = {"H": entries["Hiso"]} if self.name == "wk95" else {}
        return {**entries, **own, "X": entries["O"]}

    def exact(self, symbol: str, charge: int = 0) -> FormFactorCoef | None:
        """The coefficients of exactly this atom or ion, or None."""
        if symbol == "D" and charge == 0 and "D" not in self._coefs:
            symbol = "H"
        return self._coefs.get(make_label(symbol, charge))

    def used(self, symbol: str, charge: int = 0) -> FormFactorCoef:
        """Coefficients used for an atom: of the ion if listed and not ignored, else neutral.

        Raises
        ------
        ElementError
            When the table does not have the element.
        """
        found = None if self.ignore_charge else self.exact(symbol, charge)
        found = found or self.exact(symbol)
        if found is None:
            raise ElementError(f"{self.name} has no form factor of {symbol}")
        return found

    def sums(self, labels: Iterable[str]) -> dict[str, GaussianSum]:
        """The current form factors by scatterer label, as the engine takes them.

        Raises
        ------
        ElementError
            When the table does not have one of the elements.
        """
        return {label: self.used(*parse_label(label)).gaussian_sum for label in labels}

    def snapshot(self) -> FormFactorTable:
        """The current state as an immutable table; ``unknown="X"`` makes the engine use its X."""
        entries = {label: coef.gaussian_sum for label, coef in self._coefs.items()}
        stol_max = form_factor_table(self.name).stol_max
        return FormFactorTable(self.name, MappingProxyType(entries), stol_max)

    def restore(self) -> None:
        """Undo all changes; objects obtained before stay connected."""
        self.ignore_charge = self._ignored_at_first
        for label, coef in self._coefs.items():
            coef._sum = self._published[label]


IT92 = LiveTable("it92", IT92Coef)
WK95 = LiveTable("wk95", WK95Coef)
C4322 = LiveTable("c4322", C4322Coef)
NEUTRON92 = LiveTable("neutron92", Neutron92)


def IT92_get_exact(element: Any, charge: int) -> IT92Coef | None:
    """Coefficients of exactly this atom or ion, or None.

    It is also None for ions while charges are ignored, as in gemmi.

    Parameters
    ----------
    element
        Element, symbol or atomic number.
    charge
        Formal charge.
    """
    if charge and IT92.ignore_charge:
        return None
    return IT92.exact(as_symbol(element), int(charge))  # type: ignore[return-value]


def IT92_set_ignore_charge(value: bool) -> None:
    """Whether the calculators here treat ions as neutral atoms; initially they do."""
    IT92.ignore_charge = bool(value)


def IT92_get_ignore_charge() -> bool:
    """Whether the calculators here treat ions as neutral atoms."""
    return IT92.ignore_charge


def IT92_normalize() -> None:
    """Scale a and c of all atoms and ions so that f(0) = Z - charge, as Refmac does; X stays."""
    for label in filter(is_label, form_factor_table("it92").entries):
        symbol, charge = parse_label(label)
        coef = IT92.exact(symbol, charge)
        assert coef is not None
        factor = (element_record(symbol).atomic_number - charge) / coef.gaussian_sum.f0
        coef.set_coefs([*(factor * a for a in coef.a), *coef.b, factor * coef.c])


_CUSTOM: list[GaussianSum] = []
"""Form factors of each atom's own, by serial number."""


def set_custom_form_factors(coefs: Iterable[Sequence[float]]) -> None:
    """Set the form factors that :class:`DensityCalculatorC` uses, one per serial number from 0.

    Parameters
    ----------
    coefs
        For each form factor the amplitudes a of five Gaussians and their exponents b (Å^2).

    Raises
    ------
    ParameterError
        For a wrong number of coefficients, or one that is not finite.
    """
    sums = []
    for listed in coefs:
        coef = C4322Coef()
        coef.set_coefs(listed)
        sums.append(coef.gaussian_sum)
    _CUSTOM[:] = sums


def custom_form_factor(serial: int) -> GaussianSum:
    """The form factor of the atom with this serial number.

    Raises
    ------
    ParameterError
        When none was set for it.
    """
    if not 0 <= serial < len(_CUSTOM):
        raise ParameterError(
            f"got an atom with serial number {serial}, expected less than the {len(_CUSTOM)} form "
            "factors of set_custom_form_factors()"
        )
    return _CUSTOM[serial]


def mott_bethe_const() -> float:
    """1 / (2 pi^2 a0), 1/Å, of the Mott-Bethe formula with 1/d^2."""
    return 4.0 * MOTT_BETHE


def restore_tables() -> None:
    """Undo every change to coefficients and to `ignore_charge`."""
    for live in (IT92, WK95, C4322, NEUTRON92):
        live.restore()
    _CUSTOM.clear()


def _as_given(values: np.ndarray) -> Any:
    """Arrays for arrays, a plain float for a number."""
    return float(values) if np.ndim(values) == 0 else values
