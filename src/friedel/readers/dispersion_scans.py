"""Measured f' and f'' of one element against the energy, as scans of an edge give them."""

import re
import warnings
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from friedel.errors import EnergyError, FileFormatError, FriedelWarning
from friedel.readers.reading import about_end, check_characters, read_text
from friedel.runtime.paths import shown, shown_name

CHOOCH = ".efs"
"""Ending of the files of CHOOCH, whose columns are energy, f'', f' [Evans2001]."""

_SEPARATORS = re.compile(r"[,;\s]+")


@dataclass(frozen=True, eq=False)
class DispersionScan:
    """f' and f'' at increasing energies.

    Attributes
    ----------
    name
        Name of the file.
    energy
        (n,) photon energies, eV.
    f_prime, f_double_prime
        (n,) amplitudes, electrons.
    """

    name: str
    energy: np.ndarray
    f_prime: np.ndarray
    f_double_prime: np.ndarray

    def at(self, energy: float) -> complex:
        """The value f' + i f'' at an energy (eV), linear between the points of the scan.

        Raises
        ------
        EnergyError
            When the scan does not cover the energy.
        """
        low, high = float(self.energy[0]), float(self.energy[-1])
        if not low <= energy <= high:
            raise EnergyError(
                f"got an energy of {energy:g} eV; expected {low:g} to {high:g} eV, which the scan "
                f"{self.name} covers"
            )
        parts = (np.interp(energy, self.energy, y) for y in (self.f_prime, self.f_double_prime))
        return complex(*map(float, parts))


def read_dispersion_scan(path: str | PathLike[str]) -> DispersionScan:
    """A scan from a text file of three columns: energy in eV, f', f''; of CHOOCH: energy, f'', f'.

    Parameters
    ----------
    path
        A file of CHOOCH if its name ends with ``.efs``. Lines before the first one that begins
        with three numbers, and lines that begin with ``#``, are comments; the order of the lines
        is free.

    Raises
    ------
    FileFormatError
        When the file cannot be read, a line after the first one with numbers has none, or there
        are fewer than two energies or one of them twice.
    """
    path = Path(path)
    text, name = read_text(path), shown_name(path)
    check_characters(text, name)
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            energy, first, second = (float(x) for x in _SEPARATORS.split(line.strip())[:3])
        except ValueError:
            if rows:
                raise FileFormatError(
                    f"line {number} of {name} is {line.strip()!r}, expected energy, f' and f''"
                ) from None
        else:
            rows.append([energy, first, second])
    for note in about_end(text, name):
        warnings.warn(note.text, FriedelWarning, stacklevel=3)
    table = np.array(rows).reshape(-1, 3)
    table = table[np.argsort(table[:, 0], kind="stable")]
    energies = table[:, 0]
    if len(energies) < 2 or not np.isfinite(table).all() or energies[0] <= 0:
        raise FileFormatError(
            f"{shown(path)} has {len(energies)} lines with energy, f' and f'': expected at least "
            "two, with positive energies in eV"
        )
    if (np.diff(energies) == 0).any():
        twice = energies[:-1][np.diff(energies) == 0][0]
        raise FileFormatError(f"{shown(path)} has the energy {twice:g} eV twice")
    f_prime, f_double_prime = table[:, 1].copy(), table[:, 2].copy()
    if path.suffix.lower() == CHOOCH:
        f_prime, f_double_prime = f_double_prime, f_prime
    return DispersionScan(name, energies.copy(), f_prime, f_double_prime)
