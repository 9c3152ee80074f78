"""One-line interface: structure factors of a model."""

from typing import Any, Unpack

import numpy as np

from friedel.model.arrays import checked_hkl
from friedel.notes import Notes
from friedel.reflections.friedel_pairs import FriedelPairs
from friedel.reflections.reflections import Reflections
from friedel.structure_factors.calculator import Calculator
from friedel.structure_factors.options import CalculationOptions, Keywords, parsed_options
from friedel.structure_factors.scattering_options import (
    read_for_calculation,
    reflections_to,
    wavelength_of,
    with_stated_wavelength,
)


def fcalc(
    model: Any,
    *,
    d_min: float | None = None,
    hkl: np.ndarray | None = None,
    friedel_pairs: bool = False,
    options: CalculationOptions | None = None,
    strict: bool = False,
    **keywords: Unpack[Keywords],
) -> Reflections:
    """Structure factors of a model.

    Parameters
    ----------
    model
        Path of a PDB, mmCIF or small-molecule CIF file (also .gz), ``gemmi.Structure``,
        ``gemmi.SmallStructure``, or a pair (crystal, atoms).
    d_min
        Resolution limit, Å: the unique, non-absent reflections to it, without (0, 0, 0). With
        form factors of individual atoms those of their reflections.
    hkl
        (n, 3) reflections, instead of `d_min`, with any indices; their order is kept.
    friedel_pairs
        Calculate F(-h) as well as F(h): the result is a `FriedelPairs`.
    options
        Options, of which keyword arguments replace some; by default the default options.
    source
        ``"xray"`` (F in electrons), ``"electron"`` (Å), ``"neutron"`` (fm) or ``"mott-bethe"``
        (electron scattering from X-ray form factors, Å). By default what the CIF of a small
        structure states (`_diffrn_radiation_probe`), or X-rays.
    method
        ``"fft"``, ``"direct"``, or ``"auto"`` for the faster one.
    rtol
        Relative rms error of F in the worst of ten resolution shells that is expected at
        most, with a factor of 2.2 to spare; it does not bound single weak reflections.
    wavelength, energy
        Wavelength in Å, or energy in eV; either adds f' and f'' of every element, so that F(-h) is
        no longer conj(F(h)). The wavelength ``"file"`` is that which the file of the model states.
    anomalous
        Source of f' and f'': ``"cl"`` (Cromer-Liberman, the default), ``"chantler"`` or ``"none"``.
    scattering
        ``"cif"``: use the `_atom_type_scat_` items of the model's own CIF: for X-rays f', f''
        and the coefficients of Cromer & Mann, for neutrons the scattering lengths. Missing values
        come from the tables. The path of another CIF is also accepted.
    strict
        Whether a guess raises an error instead of adding a note.
    table, use_charge, unknown, form_factors, addends, dtype, rate, blur, cutoff, threads
        See :class:`friedel.CalculationOptions`.
    strict_ncs, margin, hydrogens, tls, block
        See :func:`friedel.as_model`.

    Returns
    -------
    Reflections
        Complex values, a `description` of the calculation, and `notes` on decisions.
        With `friedel_pairs` they are F(h), and `minus` has F(-h).

    Raises
    ------
    TypeError
        For an unknown keyword argument.
    GuessError
        For a guess, when `strict` is true.
    FriedelError
        For input that cannot be used, as the subclass that describes the problem.

    Examples
    --------
    >>> friedel.fcalc("model.pdb", d_min=2.0).to_mtz("fcalc.mtz")  # doctest: +SKIP
    """
    own = ("d_min", "hkl", "friedel_pairs", "options", "strict")
    reading, options = parsed_options("fcalc", keywords, own, options)
    options, about_wavelength = with_stated_wavelength(model, options, reading.get("block"))
    read, numbers, found = read_for_calculation(model, reading, options)
    notes = Notes(strict=strict)
    notes.extend([*found, *about_wavelength])
    n = 0
    if d_min is not None and hkl is None:
        hkl, about = reflections_to(read.crystal, d_min, numbers)
        d_min = None
        notes.extend(about)
    if friedel_pairs and d_min is None and hkl is not None:
        hkl = checked_hkl(hkl)
        n = len(hkl)
        hkl = np.concatenate([hkl, -hkl])
    calculator = Calculator.of(read, d_min=d_min, hkl=hkl, options=numbers)
    notes.extend(calculator.factors.notes)
    records, how = notes.records(), f"{numbers.source} F of {read.name}, {calculator.describe()}"
    description = "; ".join([how, *records])
    wanted, f = calculator.hkl, calculator.forward()
    if friedel_pairs:
        return FriedelPairs(
            calculator.crystal,
            wanted[:n],
            f[:n],
            label="FC",
            description=description,
            notes=records,
            minus=f[n:],
            wavelength=wavelength_of(options),
        )
    return Reflections(
        calculator.crystal,
        wanted,
        f,
        label="FC",
        description=description,
        notes=records,
        wavelength=wavelength_of(options),
    )
