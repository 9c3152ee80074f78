"""The short door: one line from a model to structure factors."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from friedel.accuracy.plan import Fixed
from friedel.constants import HC
from friedel.density import density
from friedel.density.grid import FloatGrid, grid_shape, symmetrized_sum
from friedel.errors import FileFormatError, ParameterError
from friedel.model.crystal import checked_d_min
from friedel.model.model import Model
from friedel.readers.models import as_model
from friedel.reflections.friedel_pairs import FriedelPairs
from friedel.reflections.reflections import Reflections, checked_hkl
from friedel.runtime.memory import check_memory
from friedel.scattering.formfactors import GaussianSum, scattering_factors
from friedel.structure_factors.calculator import Calculator

GRID_BYTES = 32
"""Of each point while the density of a whole cell is made: it, its sum and one index more."""


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
    friedel_pairs: bool = False,
    scattering: Any = None,
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
    friedel_pairs
        Calculate F(-h) as well as F(h): the result is a `FriedelPairs`.
    scattering
        ``"cif"``: take from the model's own CIF what its `_atom_type_scat_` items say: for
        X-rays f' and f'' and the coefficients of Cromer & Mann, for neutrons the lengths. What
        it does not say comes from the tables. The path of another CIF will do as well.
    **options
        Passed to :meth:`friedel.Calculator.from_model`: `table`, `use_charge`, `unknown`,
        `form_factors`, `strict_ncs`, `dtype`, `threads`; `margin` and `hydrogens` go to
        :func:`friedel.as_model`.

    Returns
    -------
    Reflections
        Complex values; `description` says how they were calculated. With `friedel_pairs` they
        are F(h), and `minus` has F(-h).

    Raises
    ------
    FriedelError
        Of the kind that fits, for input that cannot be used.

    Examples
    --------
    >>> friedel.fcalc("model.pdb", d_min=2.0).to_mtz("fcalc.mtz")  # doctest: +SKIP
    """
    read, notes = with_scattering(model, source, wavelength, energy, anomalous, scattering, options)
    n = 0
    if friedel_pairs and (d_min is None) != (hkl is None):
        hkl = checked_hkl(hkl) if d_min is None else read.crystal.unique_reflections(d_min)
        d_min, n = None, len(hkl)
        hkl = np.concatenate([hkl, -hkl])
    calculator = Calculator.from_model(
        read, d_min=d_min, hkl=hkl, source=source, method=method, rtol=rtol, **options
    )
    notes += calculator.factors.notes
    description = "; ".join([f"{source} F of {read.name}, {calculator.describe()}", *notes])
    wanted, f = calculator.hkl, calculator.forward()
    if friedel_pairs:
        return FriedelPairs(
            calculator.crystal,
            wanted[:n],
            f[:n],
            label="FC",
            description=description,
            minus=f[n:],
            wavelength=wavelength or (HC / energy if energy else 0.0),
        )
    return Reflections(calculator.crystal, wanted, f, label="FC", description=description)


def with_scattering(
    model: Any,
    source: str,
    wavelength: float | None,
    energy: float | None,
    anomalous: str | None,
    scattering: Any,
    options: dict[str, Any],
) -> tuple[Model, list[str]]:
    """The model as read, and notes; what its atoms scatter is put into `options`."""
    of_model = ("strict_ncs", "margin", "hydrogens")
    read = as_model(
        model, source=source, **{key: options.pop(key) for key in of_model if key in options}
    )
    notes = list(read.notes)
    if scattering is not None:
        if wavelength is not None or energy is not None:
            raise ParameterError("f' and f'' come from the CIF or from a wavelength, not from both")
        origin = model if isinstance(scattering, str) and scattering == "cif" else scattering
        given, note = cif_scattering(origin, read, source)
        options["form_factors"] = {
            **given.pop("form_factors"),
            **(options.get("form_factors") or {}),
        }
        options.update(given)
        notes.append(note)
    if wavelength is not None or energy is not None:
        options["addends"] = addends_of(source, read.atoms.symbols, wavelength, energy, anomalous)
    elif anomalous is not None:
        raise ParameterError("anomalous scattering needs a wavelength or an energy")
    return read, notes


def model_density(
    model: Any,
    *,
    d_min: float,
    source: str = "xray",
    rate: float = 1.5,
    blur: float = 0.0,
    cutoff: float = 1e-5,
    wavelength: float | None = None,
    energy: float | None = None,
    anomalous: str | None = None,
    scattering: Any = None,
    **options: Any,
) -> FloatGrid:
    """The density that scatters, of all atoms in the cell, on a grid.

    Parameters
    ----------
    model, source, wavelength, energy, anomalous, scattering, **options
        As for :func:`fcalc`, but for `dtype` and `threads`. Of anomalous scattering the real
        part counts.
    d_min, rate
        Points are at most d_min / (2 rate) apart, A.
    blur
        B added to all atoms, A^2.
    cutoff
        Atoms end where their density falls to this.

    Returns
    -------
    FloatGrid
        Over the whole cell, float32: electrons/A^3, and for electrons and neutrons A/A^3
        and fm/A^3.

    Raises
    ------
    FriedelError
        Of the kind that fits, for input that cannot be used.

    Examples
    --------
    >>> friedel.model_density("model.pdb", d_min=2.0).to_ccp4("model.ccp4")  # doctest: +SKIP
    """
    if source == "mott-bethe":
        raise ParameterError("there is no density for mott-bethe: expected source='electron'")
    d_min = checked_d_min(d_min)
    Fixed(rate, blur, cutoff)  # checks them
    read, _ = with_scattering(model, source, wavelength, energy, anomalous, scattering, options)
    shape = grid_shape(read.crystal, d_min / (2.0 * rate))
    check_memory(GRID_BYTES * math.prod(shape), "a grid of {} x {} x {}".format(*shape))
    factors = scattering_factors(read.atoms.scatterers, source, **options)
    sampled = density.sample(
        read.crystal, read.atoms, factors.a, factors.b, shape, blur=blur, cutoff=cutoff
    )
    return FloatGrid(symmetrized_sum(sampled, read.crystal), crystal=read.crystal)


def addends_of(
    source: str,
    symbols: tuple[str, ...],
    wavelength: float | None,
    energy: float | None = None,
    table: str | None = None,
) -> dict[str, complex]:
    """F' + i f'' by element symbol; Cromer and Liberman have none of hydrogen and helium.

    Raises
    ------
    ParameterError
        When something else than X-rays is scattered.
    """
    from friedel.model.elements import element_record
    from friedel.scattering.dispersion import anomalous

    if source != "xray":
        raise ParameterError(f"f' and f'' apply to X-rays only; got source={source!r}")
    lightest = 1 if table == "chantler" else 3
    heavy = {s for s in symbols if element_record(s).atomic_number >= lightest}
    return {
        symbol: complex(
            *anomalous(symbol, wavelength=wavelength, energy=energy, source=table or "cl")
        )
        for symbol in heavy
    }


def cif_scattering(origin: Any, read: Model, source: str) -> tuple[dict[str, Any], str]:
    """Form factors and addends of the atoms of a model from a CIF, and what was found.

    Raises
    ------
    FileFormatError
        When the file says nothing for this source.
    ParameterError
        For a source other than X-rays and neutrons.
    """
    from friedel.readers.atom_types import AtomTypes, read_atom_types

    if source not in ("xray", "neutron"):
        raise ParameterError(
            f"a CIF tells the scattering of X-rays and neutrons; got source={source!r}"
        )
    types = read_atom_types(origin)
    labels = read.atoms.scatterers

    def pick(known: Mapping[str, Any]) -> dict[str, Any]:
        return AtomTypes.for_scatterers(known, labels)

    if source == "neutron":
        lengths = pick(types.neutron)
        found, result = {"neutron lengths": lengths}, {"form_factors": lengths}
    else:
        sums = {label: GaussianSum(*ab) for label, ab in pick(types.cromer_mann).items()}
        dispersion = pick(types.dispersion)
        found = {"form factors": sums, "f' and f''": dispersion}
        result = {"form_factors": sums, "addends": dispersion}
    if not any(found.values()):
        raise FileFormatError(f"{read.name} says nothing of how its atoms scatter for {source}")
    parts = [f"{what} of {', '.join(sorted(values))}" for what, values in found.items() if values]
    return result, " and ".join(parts) + " from the CIF"
