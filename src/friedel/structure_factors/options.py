"""The options of a calculation: scattering, method and accuracy."""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Number
from os import PathLike
from types import MappingProxyType
from typing import Any, TypedDict

from friedel.accuracy.plan import Fixed, checked_rtol
from friedel.constants import METHODS
from friedel.errors import ParameterError
from friedel.runtime.threads import checked_threads
from friedel.scattering.atom_form_factors import AtomFormFactors
from friedel.scattering.formfactors import (
    FormFactorTable,
    ScatteringFactors,
    factors_of_atoms,
    scattering_factors,
)
from friedel.scattering.formfactors.scattering import CustomFormFactor

FormFactors = Mapping[str, CustomFormFactor] | AtomFormFactors | str | PathLike[str]
"""Form factors by kind of atom, or those of individual atoms or the path of a file of them."""

SOURCES_BY_ATOM = ("xray", "electron")
"""Types of radiation for which atoms can have form factors of their own."""


class CalculationKeywords(TypedDict, total=False):
    """The fields of :class:`CalculationOptions` as keyword arguments."""

    source: str | None
    table: str | FormFactorTable | None
    use_charge: bool
    unknown: str
    form_factors: FormFactors | None
    addends: Mapping[str, Any] | None
    wavelength: float | str | None
    energy: float | None
    anomalous: str | None
    scattering: Any
    method: str
    rtol: float
    dtype: Any
    rate: float | None
    blur: float | None
    cutoff: float | None
    multiple_of: tuple[int, int, int]
    threads: int | None
    force: bool


class ReadingKeywords(TypedDict, total=False):
    """Keyword arguments that go to :func:`friedel.as_model`."""

    strict_ncs: bool
    margin: float | None
    hydrogens: bool
    tls: str | None
    block: str | None


class Keywords(CalculationKeywords, ReadingKeywords, total=False):
    """Keyword arguments of functions that read a model and calculate with it."""


@dataclass(frozen=True, eq=False)
class CalculationOptions:
    """Options of a calculation: scattering, method and accuracy.

    Parameters
    ----------
    source, table, use_charge, unknown, form_factors
        Radiation and form factors; see :func:`friedel.scattering.formfactors.scattering_factors`.
        By default the radiation is that which the CIF of a small structure states, or X-rays.
        `form_factors` may also be the path of a `.tsc` or `.tscb` file, or
        :class:`friedel.AtomFormFactors`: form factors of each atom at each reflection. They
        are summed directly; f' and f'' are added unless they contain them.
    addends
        f' or f' + i f'' by element (``"Se"``), ion or atom (``"SE1"``): a complex number, a pair
        (f', f''), or the path of a scan, interpolated at the energy: a CHOOCH file (``.efs``:
        energy, f'', f') or text with columns energy (eV), f', f''.
    wavelength, energy
        Wavelength in Å, or energy in eV: f' and f'' of every element that `addends` does not have
        are added. A note warns of values that are doubtful. The wavelength ``"file"`` is that which
        the file of the model states.
    anomalous
        Source of f' and f'': ``"cl"`` (Cromer-Liberman, the default) or ``"chantler"``;
        ``"none"`` for none although there is a wavelength.
    scattering
        ``"cif"`` for the scattering data in the model's own CIF, or the path of a CIF.
    method
        ``"fft"``, ``"direct"``, or ``"auto"`` for the faster by predicted cost.
    rtol
        Relative rms error of F in the worst of ten resolution shells that is expected at
        most, with a factor of 2.2 to spare; it does not bound single weak reflections.
    dtype
        float32 or float64 for the density grid; by default whichever suffices.
    rate, blur, cutoff
        Sampling parameters, see :class:`friedel.accuracy.plan.Fixed`. They imply
        ``method="fft"``.
    multiple_of
        Divisors of the grid sizes along a, b and c: (2, 1, 1) for a supercell of two cells along a.
    threads
        Number of threads; by default one for each core that this process may use.
    force
        Whether to go on where a calculation is predicted to take more than an hour or more memory
        than there is, or where with sampling parameters given no digit would be right. These are
        errors otherwise.

    Raises
    ------
    ParameterError
        For a value that is not among the choices, or values that contradict one another.
    """

    source: str | None = None
    table: str | FormFactorTable | None = None
    use_charge: bool = False
    unknown: str = "O"
    form_factors: FormFactors | None = None
    addends: Mapping[str, Any] | None = None
    wavelength: float | str | None = None
    energy: float | None = None
    anomalous: str | None = None
    scattering: Any = None
    method: str = "auto"
    rtol: float = 1e-4
    dtype: Any = None
    rate: float | None = None
    blur: float | None = None
    cutoff: float | None = None
    multiple_of: tuple[int, int, int] = (1, 1, 1)
    threads: int | None = None
    force: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ParameterError(
                f"unknown method {self.method!r}: expected one of {', '.join(METHODS)}"
            )
        if isinstance(self.wavelength, str) and self.wavelength != "file":
            raise ParameterError(f"got wavelength {self.wavelength!r}, expected a number or 'file'")
        has_wavelength = self.wavelength is not None or self.energy is not None
        if has_wavelength and self.scattering is not None:
            raise ParameterError("f' and f'' come from the CIF or from a wavelength, not from both")
        if self.anomalous not in (None, "none") and not has_wavelength:
            raise ParameterError("anomalous scattering needs a wavelength or an energy")
        self._freeze_mappings()
        object.__setattr__(self, "rtol", checked_rtol(self.rtol))
        Fixed(self.rate, self.blur, self.cutoff, self.dtype, self.multiple_of)  # checks them
        if self.is_by_atom:
            self._check_by_atom()
        if self.threads is not None:
            checked_threads(self.threads)

    def __getstate__(self) -> dict[str, Any]:
        # Processes exchange options, and a read-only view of a dictionary cannot be pickled
        return {k: dict(v) if isinstance(v, MappingProxyType) else v for k, v in vars(self).items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._freeze_mappings()

    def _freeze_mappings(self) -> None:
        for name in ("form_factors", "addends"):
            given = getattr(self, name)
            if isinstance(given, Mapping):
                object.__setattr__(self, name, MappingProxyType(dict(given)))

    @property
    def radiation(self) -> str:
        """`source`, or X-rays where neither the user nor the file has decided."""
        return self.source or "xray"

    @property
    def is_by_atom(self) -> bool:
        """Whether form factors are those of individual atoms, not of kinds of atoms."""
        return self.form_factors is not None and not isinstance(self.form_factors, Mapping)

    def _check_by_atom(self) -> None:
        if not isinstance(self.form_factors, AtomFormFactors | str | PathLike):
            raise ParameterError(
                f"got form_factors={self.form_factors!r:.60}, expected a dictionary, "
                "AtomFormFactors or the path of a .tsc or .tscb file"
            )
        what = "form factors of individual atoms"
        if self.method == "fft" or self.fixed.is_binding:
            given = "method='fft'" if self.method == "fft" else "sampling of a density"
            raise ParameterError(f"{what} are summed directly; got {given}")
        if self.radiation not in SOURCES_BY_ATOM:
            raise ParameterError(
                f"{what} are for X-rays or electrons; got source={self.radiation!r}"
            )
        if self.table is not None or self.use_charge:
            raise ParameterError(f"{what} replace a table: give no table and no use_charge")

    @cached_property
    def fixed(self) -> Fixed:
        """The choices that were made about the sampling."""
        return Fixed(self.rate, self.blur, self.cutoff, self.dtype, self.multiple_of)

    @cached_property
    def n_threads(self) -> int:
        """Number of threads: that asked for, or of cores."""
        return checked_threads(self.threads)

    def replace(self, **fields: Any) -> "CalculationOptions":
        """The options with some of them changed."""
        return dataclasses.replace(self, **fields)

    def factors(self, scatterers: Collection[str]) -> ScatteringFactors:
        """Form factors of the given kinds of atoms.

        Raises
        ------
        ParameterError
            For an unknown source or table, the path of a file, which is not read here, or
            addends that are not numbers: only functions that read a model take pairs, scans and
            names of atoms.
        ElementError
            For an element that the table does not have.
        """
        for name, value in (self.addends or {}).items():
            if not isinstance(value, Number):
                raise ParameterError(f"got {value!r} as addend of {name}; expected a number")
        given = self.form_factors
        if isinstance(given, AtomFormFactors):
            return factors_of_atoms(given, tuple(scatterers), self.radiation, self.addends)
        if isinstance(given, str | PathLike):
            raise ParameterError(f"the form factors of {given} are not read yet")
        return scattering_factors(
            tuple(scatterers),
            self.radiation,
            table=self.table,
            use_charge=self.use_charge,
            unknown=self.unknown,
            form_factors=given,
            addends=self.addends,
        )


CALCULATION = frozenset(CalculationKeywords.__annotations__)
READING = frozenset(ReadingKeywords.__annotations__)


def parsed_options(
    function: str,
    keywords: Mapping[str, Any],
    own: Collection[str] = (),
    options: CalculationOptions | None = None,
    known: Collection[str] = CALCULATION | READING,
) -> tuple[ReadingKeywords, CalculationOptions]:
    """The keyword arguments of a public function, divided into reading and calculation.

    Parameters
    ----------
    function
        Name of the function that was called, for the error.
    keywords
        The keyword arguments of the call.
    own
        Other keyword arguments that the function has, for suggestions.
    options
        Options, of which keywords replace some; by default the default options.
    known
        Keywords that the function passes on.

    Raises
    ------
    TypeError
        For a keyword that the function does not have.
    ParameterError
        As for :class:`CalculationOptions`.
    """
    for name in keywords:
        if name not in known:
            raise unknown_keyword(function, name, {*known, *own})
    reading: Any = {name: value for name, value in keywords.items() if name in READING}
    fields = {name: value for name, value in keywords.items() if name in CALCULATION}
    return reading, (options or CalculationOptions()).replace(**fields)


def unknown_keyword(function: str, name: str, known: Collection[str]) -> TypeError:
    """The error for an unknown keyword argument, with the most similar known one."""
    from difflib import get_close_matches

    plain = {other.replace("_", ""): other for other in sorted(known)}
    near = get_close_matches(name.replace("_", "").lower(), plain, n=1)
    suggestion = f"; did you mean {plain[near[0]]!r}?" if near else ""
    return TypeError(f"{function}() got an unexpected keyword argument {name!r}{suggestion}")
