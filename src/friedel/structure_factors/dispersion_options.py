"""f' and f'' of the atoms of a model: given by kind, by atom or by a scan, and calculated."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from friedel.constants import HC
from friedel.errors import ElementError, ParameterError
from friedel.model.elements import kind_of_site, parse_label, scatterer_label
from friedel.model.model import Model
from friedel.notes import Note
from friedel.readers.atom_names import with_atom_labels
from friedel.readers.dispersion_scans import read_dispersion_scan
from friedel.scattering.dispersion import SHORT_NAMES, amplitudes, covers, dispersion_notes
from friedel.scattering.formfactors.mixtures import as_mixture
from friedel.scattering.formfactors.scattering import CustomFormFactor

GivenAddend = complex | str | PathLike[str] | tuple[float, float]
"""A number to add to f, a pair (f', f''), or the path of a scan of both against the energy."""

NEGLIGIBLE = ("H", "D", "He")
"""Elements that Cromer and Liberman leave out, as their f' and f'' are negligible."""


def with_own_kinds(
    read: Model, origin: Any, given: Mapping[str, GivenAddend], block: str | None = None
) -> tuple[Model, dict[str, GivenAddend], list[Note]]:
    """The model with a kind of its own for each atom named, and the addends by kind.

    Parameters
    ----------
    read
        The model.
    origin
        What it was read from, for the names of its atoms.
    given
        Addends by element, ion or atom: an element or ion that the model has takes precedence
        over an atom of that name.
    block
        Name of the block of a CIF.

    Returns
    -------
    (model, addends, notes)
        Atoms named SE1 become the kind ``"Se@SE1"``; the notes are on what is not used.

    Raises
    ------
    ParameterError
        When a name is neither a scatterer nor that of an atom of the model.
    """
    addends: dict[str, GivenAddend] = {}
    notes: list[Note] = []
    known = {*read.atoms.scatterers, *read.atoms.symbols}
    for name, value in given.items():
        kind = _scatterer(name)
        if kind in known:
            addends[kind] = value
            continue
        if read.atoms.site_labels is None:
            read = with_atom_labels(read, origin, block)
        read, own = _split(read, name)
        addends |= dict.fromkeys(own, value)
        if not own and not kind:
            raise ParameterError(
                f"got f' and f'' of {name!r}: expected an element, an ion or the name of an atom "
                f"of {read.name}"
            )
        if not own:
            text = f"no {kind}: its f' and f'' are not used"
            notes.append(Note(text, "left out"))
    return read, addends, notes


def _scatterer(name: str) -> str:
    try:
        return scatterer_label(name)
    except ElementError:
        return ""


def _split(read: Model, name: str) -> tuple[Model, tuple[str, ...]]:
    """The model whose atoms of this name have their own kinds, and these kinds."""
    atoms = read.atoms
    chosen = np.array([label.upper() == name.upper() for label in atoms.site_labels or ()], bool)
    if not chosen.any():
        return read, ()
    kind, scatterers, own = atoms.kind.copy(), list(atoms.scatterers), []
    for i in np.unique(kind[chosen]):
        own.append(f"{kind_of_site(scatterers[i])}@{name}")
        kind[chosen & (atoms.kind == i)] = len(scatterers)
        scatterers.append(own[-1])
    split = atoms.replace(kind=kind, scatterers=tuple(scatterers))
    return replace(read, atoms=split), tuple(own)


def as_numbers(
    given: Mapping[str, GivenAddend], energy: float | None
) -> tuple[dict[str, complex], list[Note]]:
    """The addends as numbers, and notes on what comes from scans.

    Raises
    ------
    ParameterError
        When a value is not a number, pair or path, or a scan is given without an energy.
    FileFormatError
        When a scan cannot be read.
    EnergyError
        When a scan does not cover the energy (eV).
    """
    numbers: dict[str, complex] = {}
    notes: list[Note] = []
    for kind, value in given.items():
        if isinstance(value, str | PathLike):
            if energy is None:
                raise ParameterError(
                    f"the scan {value} of f' and f'' of {kind} needs a wavelength or an energy"
                )
            scan = read_dispersion_scan(value)
            found = scan.at(energy)
            text = f"f' {found.real:.3f} and f'' {found.imag:.3f} of {kind} at {energy:g} eV "
            notes.append(Note(text + f"are interpolated in {scan.name}", "file"))
        else:
            found = _number(kind, value)
            text = f"f' {found.real:g} and f'' {found.imag:g} of {kind} are those given"
            notes.append(Note(text, "default"))
        numbers[kind] = found
    return numbers, notes


def _number(kind: str, value: Any) -> complex:
    try:
        number = complex(*value) if isinstance(value, tuple | list) else complex(value)
    except (TypeError, ValueError):
        number = complex(np.nan)
    if not np.isfinite(number):
        raise ParameterError(
            f"got {value!r} as f' and f'' of {kind}; expected a finite complex number, a pair "
            "(f', f'') or the path of a scan"
        )
    return number


def energy_of(wavelength: float | None, energy: float | None) -> float | None:
    """The photon energy in eV; None without a wavelength.

    Raises
    ------
    ParameterError
        When both are given.
    EnergyError
        When the value is not positive and finite.
    """
    from friedel.scattering.dispersion.cromer_liberman import as_positive

    if wavelength is None and energy is None:
        return None
    if wavelength is None:
        return float(as_positive(energy, "energy", "eV"))  # type: ignore[arg-type]
    if energy is None:
        return HC / float(as_positive(wavelength, "wavelength", "A"))
    raise ParameterError("got both of energy and wavelength; expected exactly one")


def calculated_addends(
    scatterers: Iterable[str],
    energy: float,
    table: str | None,
    form_factors: Mapping[str, CustomFormFactor] | None,
    known: Collection[str],
) -> tuple[dict[str, complex], list[Note]]:
    """F' + i f'' of the kinds of atoms that have none yet, and notes on doubtful values.

    Parameters
    ----------
    scatterers
        Labels of the kinds of atoms.
    energy
        Photon energy, eV.
    table
        Source of f' and f''; by default ``"cl"``; ``"none"`` for none of them.
    form_factors
        Form factors that replace those of the table: of a mixture, or of another element, the
        components count.
    known
        Kinds, ions and elements whose f' and f'' are given.

    Raises
    ------
    FriedelError
        When the source or the energy cannot be used.
    """
    if table == "none":
        return {}, []
    source = SHORT_NAMES.get(table or "cl", table or "cl")
    instead = {scatterer_label(key): value for key, value in (form_factors or {}).items()}
    found: dict[str, complex] = {}
    by_element: dict[str, complex] = {}
    notes: list[Note] = []
    without: dict[str, None] = {}
    for label in scatterers:
        kind, symbol = kind_of_site(label), parse_label(label)[0]
        names = (label, kind, symbol)
        if any(name in known for name in names):
            continue
        custom = next((instead[name] for name in names if name in instead), None)
        parts = _components(custom, symbol)
        for _, element in parts:
            if element in by_element or element == "X":
                continue
            if covers(element, source):
                (f1, f2), _ = amplitudes(element, energy=energy, source=source)
                by_element[element] = complex(float(f1), float(f2))
                notes += dispersion_notes(element, energy, source)
            elif element not in NEGLIGIBLE:
                without[element] = None
        if not any(element in by_element for _, element in parts):
            continue
        # an element's own value serves all its kinds
        name = symbol if parts == [(1.0, symbol)] else label
        found[name] = sum(
            (weight * by_element.get(element, 0j) for weight, element in parts), start=0j
        )
    if without:
        text = f"no f' and f'' of {', '.join(without)} in {source}: calculated without them"
        notes.append(Note(text, "left out", len(without)))
    return found, notes


def _components(custom: CustomFormFactor | None, symbol: str) -> list[tuple[float, str]]:
    """Weights and elements of what scatters at a site."""
    if not isinstance(custom, str | Mapping):
        return [(1.0, symbol)]
    mixture = as_mixture(custom) or ((1.0, str(custom)),)
    try:
        return [(weight, parse_label(name)[0]) for weight, name in mixture]
    except ElementError:  # an entry of the user's own table
        return [(1.0, symbol)]
