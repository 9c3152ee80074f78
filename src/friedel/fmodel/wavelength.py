"""The wavelength of a calculation that is compared with data which may state one."""

from collections.abc import Collection
from typing import Any

from friedel.errors import FriedelError
from friedel.notes import Note
from friedel.readers.wavelengths import OF_FILE, texts_of, the_wavelength, wavelengths_of_model
from friedel.reflections.bijvoet import ObservedData
from friedel.structure_factors.options import CalculationOptions
from friedel.structure_factors.scattering_options import wavelength_of

NOTED_DIFFERENCE = 0.01
"""Relative difference between the wavelengths given and stated above which there is a note."""

PLACEHOLDER = 1.0
"""Wavelength (Å) that some programs write into MTZ files when they do not know it."""


def with_wavelength(
    options: CalculationOptions, data: ObservedData, model: Any
) -> tuple[CalculationOptions, tuple[Note, ...]]:
    """Options in which the wavelength ``"file"`` is that of the data, and notes on it.

    Parameters
    ----------
    model
        The model as given; its wavelength is named in the error when the data state none.

    Raises
    ------
    FileFormatError
        When the wavelength is that of the data, and they state none, or several.
    """
    stated = data.wavelengths
    texts = texts_of(stated)
    if options.wavelength == OF_FILE:
        source = f"the source of the data ({data.means.description or data.means.label})"
        value = the_wavelength(stated, source, "" if stated else _about_model(model))
        text = f"f' and f'' are those at {value:g} A, the wavelength that the data state"
        return options.replace(wavelength=value), (Note(text, "file", value),)
    if options.radiation != "xray" or not stated:
        return options, ()
    given = wavelength_of(options)
    if given:
        if all(abs(value / given - 1.0) < NOTED_DIFFERENCE for value in stated):
            return options, ()
        if stated == (PLACEHOLDER,):
            return options, ()
        text = f"f' and f'' are those at {given:g} A; the data state the wavelength {texts} A"
        return options, (Note(text, "warning", given),)
    if options.addends is not None or options.scattering is not None:
        return options, ()
    unsure = ", which some programs write for an unknown one" if stated == (PLACEHOLDER,) else ""
    give = '--wavelength file (wavelength="file")' if len(stated) == 1 else "one as --wavelength"
    text = f"the data state the wavelength {texts} A{unsure}: give {give} to include f' and f''"
    return options, (Note(text, "file", stated[0] if len(stated) == 1 else None),)


def compares_mates(
    data: ObservedData, options: CalculationOptions, scatterers: Collection[str]
) -> bool:
    """Whether data have Friedel mates, and f'' of any of the kinds of atoms is included.

    F(-h) is then not conj(F(h)), and the mates are compared separately.
    """
    if data.pairs is None or options.radiation != "xray":
        return False
    factors = options.factors(scatterers)
    by_atom = factors.by_atom
    return bool(factors.f_double_prime.any()) or (by_atom is not None and by_atom.with_dispersion)


def _about_model(model: Any) -> str:
    """The wavelengths that the model states, for the message that the data state none."""
    try:
        found = wavelengths_of_model(model)
    except FriedelError:
        return ""
    if not found:
        return ""
    return f" (the model states {texts_of(found)} A)"
