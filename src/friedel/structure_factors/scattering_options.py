"""Scattering of the atoms of a model, from the options of the one-line interface."""

import warnings
from collections.abc import Mapping
from os import PathLike, fspath
from typing import Any

import numpy as np

from friedel.constants import HC
from friedel.errors import FileFormatError, FriedelWarning, ParameterError, ResolutionError
from friedel.model.crystal import Crystal
from friedel.model.model import Model
from friedel.notes import Note
from friedel.readers.form_factors import read_form_factors
from friedel.readers.model_decisions import FallBack
from friedel.readers.models import as_model
from friedel.readers.wavelengths import OF_FILE, the_wavelength, wavelengths_of_model
from friedel.scattering.atom_form_factors import AtomFormFactors
from friedel.scattering.formfactors import GaussianSum
from friedel.structure_factors.dispersion_options import (
    as_numbers,
    calculated_addends,
    energy_of,
    with_own_kinds,
)
from friedel.structure_factors.options import CalculationOptions, ReadingKeywords


def read_for_calculation(
    model: Any,
    reading: ReadingKeywords,
    options: CalculationOptions,
    crystal: FallBack = None,
) -> tuple[Model, CalculationOptions, list[Note]]:
    """The model, options with the numerical scattering of its atoms, and notes.

    Parameters
    ----------
    model
        A model in any form that :func:`friedel.as_model` accepts.
    reading
        Keyword arguments of :func:`friedel.as_model`.
    options
        The options of the call. In those returned `source` is decided, and `wavelength`, `energy`,
        `anomalous` and `scattering` are replaced by `addends` and `form_factors`; form factors of
        individual atoms are in the order of the atoms.
    crystal
        Cell and symmetry for a model that states none; see :func:`friedel.as_model`.

    Raises
    ------
    FriedelError
        For input that cannot be used, as the subclass that describes the problem.
    """
    read = as_model(model, source=options.radiation, crystal=crystal, **reading)
    read, options, notes = numerical_scattering(model, read, options, reading.get("block"))
    return read, options, [*read.notes, *notes]


def numerical_scattering(
    model: Any, read: Model, options: CalculationOptions, of_block: str | None = None
) -> tuple[Model, CalculationOptions, list[Note]]:
    """The model, options with the numerical scattering of its atoms, and notes on these.

    Parameters and errors are those of :func:`read_for_calculation`; `read` is the model as read,
    and `of_block` the name of its block, if one was named.
    """
    source, about_source = decided_source(options.source, read)
    options, about_wavelength = with_stated_wavelength(
        model, options.replace(source=source), of_block
    )
    notes = [*about_source, *about_wavelength]
    numbers: dict[str, Any] = {}
    wavelength = None if options.wavelength is None else float(options.wavelength)
    own, energy = dict(options.addends or {}), energy_of(wavelength, options.energy)
    if energy is not None:
        _check_xrays(options.radiation)
    if own:
        read, own, about_names = with_own_kinds(read, model, own, of_block)
        own, about_scans = as_numbers(own, energy)
        notes += [*about_names, *about_scans]
        numbers["addends"] = own
    given_factors, by_atom = options.form_factors, None
    of_kinds = given_factors if isinstance(given_factors, Mapping) else None
    if options.is_by_atom:
        by_atom = _form_factors_of_atoms(read, given_factors)
        notes.append(_about(by_atom))
        numbers["form_factors"] = by_atom
    if options.scattering is not None:
        is_own = isinstance(options.scattering, str) and options.scattering == "cif"
        origin = model if is_own else options.scattering
        block = of_block if is_own else None
        given, note = cif_scattering(
            origin, read, options.radiation, block, dispersion_only=options.is_by_atom
        )
        notes.append(note)
        if by_atom is None:
            numbers["form_factors"] = {**given["form_factors"], **(of_kinds or {})}
        numbers["addends"] = {**given.get("addends", {}), **own}
    if energy is not None:
        calculated, doubts = calculated_addends(
            read.atoms.scatterers, energy, options.anomalous, of_kinds, own
        )
        notes += doubts
        numbers["addends"] = {**calculated, **own}
    if by_atom is not None and by_atom.with_dispersion:
        numbers["addends"] = None
    plain = {"wavelength": None, "energy": None, "anomalous": None, "scattering": None}
    return read, options.replace(**plain, **numbers), notes


def warn_of_doubts(read: Model, notes: list[Note]) -> None:
    """Give the warnings among the notes on scattering to callers whose results have no notes."""
    for note in notes:
        if note.kind == "warning" and note not in read.notes:
            warnings.warn(note.text, FriedelWarning, stacklevel=3)


def with_stated_wavelength(
    model: Any, options: CalculationOptions, block: str | None = None
) -> tuple[CalculationOptions, list[Note]]:
    """Options in which the wavelength ``"file"`` is the number that the model's file states.

    Parameters
    ----------
    block
        Name of the block of the model; by default the first that states one.

    Raises
    ------
    FileFormatError
        When it states none, or several.
    """
    if options.wavelength != OF_FILE:
        return options, []
    name = fspath(model) if isinstance(model, str | PathLike) else "the model"
    wavelength = the_wavelength(wavelengths_of_model(model, block), name)
    note = Note(f"the wavelength {wavelength:g} A is that of the model's file", "file", wavelength)
    return options.replace(wavelength=wavelength), [note]


def wavelength_of(options: CalculationOptions) -> float:
    """The wavelength of f' and f'' (Å), 0 if there is none or only the model's file states it."""
    if options.energy:
        return HC / options.energy
    return float(options.wavelength) if options.wavelength not in (None, OF_FILE) else 0.0


def decided_source(asked: str | None, read: Model) -> tuple[str, tuple[Note, ...]]:
    """The radiation asked for, or else that which the file states, or else X-rays; and a note."""
    source = asked or read.source or "xray"
    if asked is not None or source == "xray":
        return source, ()
    return source, (Note(f"the file states its radiation: {source} scattering is used", "file"),)


def _form_factors_of_atoms(read: Model, given: Any) -> AtomFormFactors:
    """The form factors of the model's atoms, in their order."""
    by_atom = given if isinstance(given, AtomFormFactors) else read_form_factors(given)
    return by_atom.of_atoms(read.crystal, read.atoms)


def _about(by_atom: AtomFormFactors) -> Note:
    contained = "; they contain f' and f''" if by_atom.with_dispersion else ""
    n = len(by_atom.labels)
    text = f"form factors of {n} atoms at {len(by_atom.hkl)} indices from {by_atom.name}"
    return Note(text + contained, "file", n)


def reflections_to(
    crystal: Crystal, d_min: float, options: CalculationOptions
) -> tuple[np.ndarray, tuple[Note, ...]]:
    """(n, 3) unique reflections to `d_min` (Å) that have form factors, and a note on the others.

    Raises
    ------
    ResolutionError
        When `d_min` is not positive, or there are no such reflections.
    """
    if not isinstance(options.form_factors, AtomFormFactors):
        return crystal.unique_reflections(d_min), ()
    by_atom = options.form_factors
    hkl, n = by_atom.unique_reflections(crystal, d_min)
    if not len(hkl):
        raise ResolutionError(f"{by_atom.name} has no reflections to {d_min:g} A")
    if len(hkl) == n:
        return hkl, ()
    text = f"{n - len(hkl)} of {n} reflections to {d_min:g} A are not in {by_atom.name}"
    return hkl, (Note(text, "left out", n - len(hkl)),)


def addends_of(
    source: str,
    symbols: tuple[str, ...],
    wavelength: float | None,
    energy: float | None = None,
    table: str | None = None,
) -> dict[str, complex]:
    """Values f' + i f'' by element symbol; Cromer and Liberman omit hydrogen and helium.

    Raises
    ------
    ParameterError
        When the source is not ``"xray"``, or unless exactly one of wavelength and energy is given.
    """
    _check_xrays(source)
    at = energy_of(wavelength, energy)
    if at is None:
        raise ParameterError("got neither of energy and wavelength; expected exactly one")
    return calculated_addends(symbols, at, table, None, ())[0]


def _check_xrays(source: str) -> None:
    if source != "xray":
        raise ParameterError(f"f' and f'' apply to X-rays only; got source={source!r}")


def cif_scattering(
    origin: Any,
    read: Model,
    source: str,
    block: str | None = None,
    *,
    dispersion_only: bool = False,
) -> tuple[dict[str, Any], Note]:
    """Form factors and addends of the atoms of a model from a CIF, and a note on them.

    Parameters
    ----------
    origin
        What :func:`friedel.readers.atom_types.read_atom_types` takes, or the types themselves.
    block
        Name of the block of a file.
    dispersion_only
        Whether those for X-rays are f' and f'' alone.

    Raises
    ------
    FileFormatError
        When the file has no scattering data for this source.
    ParameterError
        For a source other than X-rays and neutrons.
    """
    from friedel.readers.atom_types import AtomTypes, read_atom_types

    if source not in ("xray", "neutron"):
        raise ParameterError(
            f"a CIF has scattering data for X-rays and neutrons only; got source={source!r}"
        )
    types = origin if isinstance(origin, AtomTypes) else read_atom_types(origin, block)
    labels = read.atoms.scatterers

    def pick(known: Mapping[str, Any]) -> dict[str, Any]:
        return AtomTypes.for_scatterers(known, labels)

    if source == "neutron":
        lengths = pick(types.neutron)
        found, result = {"neutron lengths": lengths}, {"form_factors": lengths}
    else:
        known = {} if dispersion_only else types.cromer_mann
        sums = {label: GaussianSum(*ab) for label, ab in pick(known).items()}
        dispersion = pick(types.dispersion)
        found = {"form factors": sums, "f' and f''": dispersion}
        result = {"form_factors": sums, "addends": dispersion}
    if not any(found.values()):
        raise FileFormatError(f"{read.name} has no scattering data of its atoms for {source}")
    parts = [f"{what} of {', '.join(sorted(values))}" for what, values in found.items() if values]
    return result, Note(" and ".join(parts) + " from the CIF", "file")
