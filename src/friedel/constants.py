"""The version, and physical and conventional constants, each written once."""

import math

VERSION = "0.2.0"
"""The version of this package."""

HC = 12398.4197386209
"""Planck constant times speed of light, eV Å: energy = HC / wavelength [CODATA2018]."""

BOHR_RADIUS = 0.529177210903
"""Bohr radius, Å [CODATA2018]."""

U_TO_B = 8.0 * math.pi**2
"""B = U_TO_B * U, both in Å^2."""

MOTT_BETHE = 1.0 / (8.0 * math.pi**2 * BOHR_RADIUS)
"""f_e = MOTT_BETHE * (Z - f_x) / stol2, with f_e in Å and stol2 in 1/Å^2 [Mott1930]."""

TRANSLATION_DENOMINATOR = 24
"""Symmetry translations are integers in units of 1/24 of a cell edge."""

METHODS = ("auto", "fft", "direct")
"""Methods for structure factors; ``"auto"`` is the faster of the others by predicted time."""

DENSITY_UNITS = {
    "xray": "electrons/A^3",
    "electron": "A/A^3",
    "mott-bethe": "A/A^3",
    "neutron": "fm/A^3",
}
"""Unit of a density, and of k_sol, for each radiation, in ASCII as in files."""

PRINTED_DENSITY_UNITS = {source: unit.replace("A", "Å") for source, unit in DENSITY_UNITS.items()}
"""The same in printed text."""
