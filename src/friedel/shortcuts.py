"""The short door: one line from a model to structure factors."""

from typing import Any

import numpy as np

from friedel.calculator import Calculator
from friedel.errors import ParameterError
from friedel.io.models import as_model
from friedel.reflections import Reflections


def fcalc(
    model: Any,
    *,
    d_min: float | None = None,
    hkl: np.ndarray | None = None,
    source: str = "xray",
    method: str = "auto",
    rtol: float = 1e-4,
    wavelength: float | None = None,
    energy: float | None = None,
    anomalous: str | None = None,
    **options: Any,
) -> Reflections:
    """Structure factors of a model.

    Parameters
    ----------
    model
        Path of a PDB, mmCIF or small-molecule CIF file (also .gz), ``gemmi.Structure``,
        ``gemmi.SmallStructure``, or a pair (crystal, atoms).
    d_min
        Resolution limit, A: the unique, non-absent reflections to it, without (0, 0, 0).
    hkl
        (n, 3) reflections, instead of `d_min`: exactly these, in this order, any indices.
    source
        ``"xray"`` (F in electrons), ``"electron"`` (A), ``"neutron"`` (fm) or ``"mott-bethe"``
        (electron scattering from X-ray form factors, A).
    method
        ``"fft"``, ``"direct"``, or ``"auto"`` for the faster one.
    rtol
        Relative rms error of F allowed in the worst of ten resolution shells.
    wavelength, energy
        A or eV: adds f' and f'' of every element, so that F(-h) is no longer conj(F(h)).
    anomalous
        Where f' and f'' come from: ``"cl"`` (Cromer-Liberman, the default) or ``"chantler"``.
    **options
        Passed to :meth:`friedel.Calculator.from_model`: `table`, `use_charge`, `unknown`,
        `form_factors`, `strict_ncs`, `dtype`, `threads`.

    Returns
    -------
    Reflections
        Complex values; `description` says how they were calculated.

    Raises
    ------
    FriedelError
        Of the kind that fits, for input that cannot be used.

    Examples
    --------
    >>> friedel.fcalc("model.pdb", d_min=2.0).to_mtz("fcalc.mtz")  # doctest: +SKIP
    """
    read = as_model(model, strict_ncs=options.pop("strict_ncs", True))
    if wavelength is not None or energy is not None:
        if source != "xray":
            raise ParameterError(f"f' and f'' apply to X-rays only; got source={source!r}")
        options["addends"] = anomalous_addends(read.atoms.symbols, wavelength, energy, anomalous)
    elif anomalous is not None:
        raise ParameterError("anomalous scattering needs a wavelength or an energy")
    calculator = Calculator.from_model(
        read, d_min=d_min, hkl=hkl, source=source, method=method, rtol=rtol, **options
    )
    notes = (*read.notes, *calculator.factors.notes)
    description = "; ".join([f"{source} F of {read.name}, {calculator.describe()}", *notes])
    return Reflections(
        calculator.crystal,
        calculator.hkl,
        calculator.forward(),
        label="FC",
        description=description,
    )


def anomalous_addends(
    symbols: tuple[str, ...], wavelength: float | None, energy: float | None, source: str | None
) -> dict[str, complex]:
    """F' + i f'' by element symbol; hydrogen and helium have none."""
    from friedel.dispersion import anomalous
    from friedel.elements import element_record

    heavy = {symbol for symbol in symbols if element_record(symbol).atomic_number > 2}
    return {
        symbol: complex(
            *anomalous(symbol, wavelength=wavelength, energy=energy, source=source or "cl")
        )
        for symbol in heavy
    }
