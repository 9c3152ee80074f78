"""From a small structure and its reflection list to R-factors: read, merge, calculate, fit."""

import math
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from friedel.errors import AtomsError, CellError, ParameterError
from friedel.model.crystal import Crystal
from friedel.model.model import Model
from friedel.notes import Note, Notes
from friedel.readers.form_factors import read_form_factors
from friedel.readers.models import as_model
from friedel.readers.reflection_lists import ReflectionList
from friedel.readers.shelx_file import ShelxFile
from friedel.readers.shelx_models import as_shelx, atom_types_of_shelx, model_of_shelx
from friedel.readers.stated_refinement import (
    read_instructions,
    read_refinement,
)
from friedel.reflections.agreement import weighted_norm
from friedel.reflections.reflections import Reflections
from friedel.reflections.wrong_models import about_r_factor
from friedel.scattering.atom_form_factors import AtomFormFactors
from friedel.scattering.formfactors import GaussianSum
from friedel.smallmolecule.absolute_structure import (
    AbsoluteStructure,
    absolute_structure,
    fitted_inversion,
    has_bijvoet_pairs,
)
from friedel.smallmolecule.agreement import beside_stated
from friedel.smallmolecule.decisions import (
    completed,
    data_and_instructions,
    extinction_wanted,
    known_wavelength,
    laws_given,
    mixture_of_domains,
    twinning_wanted,
    weights_wanted,
)
from friedel.smallmolecule.instructions import (
    leaves_out_f_double_prime,
    merges_friedel_mates,
)
from friedel.smallmolecule.intensities import (
    FittedIntensities,
    IntensityModel,
    extinction_per_x,
    fit_scales,
)
from friedel.smallmolecule.observations import LARGEST, observations, usable
from friedel.smallmolecule.parameter import Parameter
from friedel.smallmolecule.result import IntensityFit
from friedel.smallmolecule.twinning import (
    Observations,
    TwinLaw,
    is_inversion,
)
from friedel.smallmolecule.weighting import fit_weights
from friedel.structure_factors.dispersion_options import as_numbers, calculated_addends, energy_of
from friedel.structure_factors.fcalc import fcalc
from friedel.structure_factors.scattering_options import decided_source

CELL_TOLERANCE = 0.02
"""Largest relative difference allowed between the cells of model and reflection list."""


def fit_intensities(
    model: Any,
    data: Any,
    *,
    wavelength: float | str | None = None,
    energy: float | None = None,
    anomalous: str | None = "cl",
    scattering: Any = None,
    extinction: bool | float | None = None,
    twin: str | Sequence[TwinLaw] | None = "auto",
    weights: tuple[float, ...] | str | None = None,
    friedel_mates: bool | None = None,
    d_min: float | None = None,
    n_parameters: int | None = None,
    hklf: int | None = None,
    source: str | None = None,
    block: str | None = None,
    instructions: bool = True,
    strict: bool = False,
    **options: Any,
) -> IntensityFit:
    """Compare a small structure with measured F^2 as SHELXL does [Sheldrick2015].

    Parameters
    ----------
    model
        Path of a CIF or of a SHELX file (.res, .ins), ``gemmi.SmallStructure`` or anything that
        :func:`friedel.as_model` takes.
    data
        Path of a list of reflections (HKLF 3, 4, 5, CIF, FCF, or a CIF that embeds one), or a
        `ReflectionList`.
    wavelength
        Wavelength, Å; by default (``"file"``) that of the model's file. Without one f' and f'' are
        left out.
    energy
        Photon energy, eV, instead of a wavelength.
    anomalous
        Source of f' and f'', ``"cl"`` or ``"chantler"``; ``"none"`` or None for none.
    scattering
        ``"cif"``: f' and f'' as the model's CIF states them, as for :func:`friedel.fcalc`, or as
        DISP of a SHELX file does. Coefficients in SFAC of a SHELX file are always used.
    extinction
        True to refine SHELX's x, False to leave it out, a number to hold x there. By default it is
        refined where the file states one, unless the list is SHELXL's and without it already.
    twin
        Law of a further domain, such as ``"k,h,-l"``, or a sequence of laws of several, each
        a text or nine numbers; fractions are refined. ``"auto"`` takes those of TWIN in the
        instructions, and ``"none"`` or None no law. Reflections that a law maps between those of
        its domain are counted in a note. HKLF 5 data name their domains and take no laws.
    weights
        a and b of SHELX's WGHT, or all of its a to f, or ``"fit"`` for a and b with which the
        goodness of fit is 1 at all intensities and resolutions; by default those that the file
        states, or else 0 and 0, that is 1/sigma^2.
    friedel_mates
        Merge F^2(h) with F^2(-h) in groups without inversion, too; by default as MERG says.
    d_min
        Use reflections to this resolution only, Å.
    n_parameters
        Parameters of the whole refinement, for the goodness of fit; by default those of the
        CIF, or else those fitted here.
    hklf
        HKLF format, 3, 4 or 5, if the file does not name it.
    block
        Name of the block of the model in its CIF; by default the first with atoms and reflections.
    strict
        Whether a guess that would be a note is an error instead.
    source
        Radiation; by default the one that the file states, or X-rays.
    instructions
        Whether to apply what SHELX instructions, of the model or in the CIF of model or data,
        say of the data: OMIT, SHEL, MERG, TWIN, HKLF, NEUT, EXTI, WGHT.
    **options
        As for :func:`friedel.fcalc`: `table`, `use_charge`, `addends`, and `form_factors`, which
        may be the path of a `.tsc` or `.tscb` file.

    Returns
    -------
    IntensityFit

    Raises
    ------
    GuessError
        For a guess, when `strict` is true.
    FriedelError
        When the input cannot be used; the class says what is wrong.
    """
    notes, twin_laws = Notes(strict=strict), laws_given(twin, options)
    shelx = as_shelx(model)
    read = as_model(model, block=block) if shelx is None else model_of_shelx(shelx)
    notes.extend(read.notes)
    of_model = read_instructions(model, block) if shelx is None else (shelx, ())
    if not instructions:
        of_model = None, ()
    data, said, about_data = data_and_instructions(of_model, shelx, data, hklf, instructions)
    stated, about_stated = completed(read_refinement(shelx or model, block), said)
    notes.extend([*about_data, *about_stated])
    if said is not None and said.neutron and read.source is None:
        read = replace(read, source="neutron")
    source, about_source = decided_source(source, read)
    notes.extend(about_source)
    _check_cell(read.crystal, data)
    wavelength = known_wavelength(wavelength, energy, stated.wavelength)
    friedel_mates = merges_friedel_mates(said) if friedel_mates is None else friedel_mates
    used, about_usable = usable(read.crystal, data, d_min, said, wavelength, friedel_mates)
    twinning = twinning_wanted(twin_laws, said, data)
    observed, statistics, about_merging = observations(
        read.crystal, used, twinning.laws, friedel_mates, said
    )
    notes.extend([*twinning.notes, *about_usable, *about_merging])
    if said is not None and leaves_out_f_double_prime(said) and source == "xray":
        notes.add("f'' is taken as zero (MERG 4)", "file")
        options["real_only"] = True
    calculated, of_mates, without = _structure_factors(
        read, shelx or model, observed, source, wavelength, anomalous, scattering, options
    )
    notes.extend([*without, *calculated.notes])
    _check_size(calculated.values)
    how = calculated.description.split("; ")[0]
    refines, held = extinction_wanted(extinction, stated, data.corrected)
    if stated.other_extinction and not (refines or held):
        notes.add(f"extinction is not applied: {stated.other_extinction}", "warning")
    mixture, about_domains = mixture_of_domains(
        observed.intensities(np.abs(calculated.values) ** 2), twinning, by_file=twin_laws is None
    )
    notes.extend(about_domains)
    intensity_model = IntensityModel(
        mixture @ observed.intensities(np.abs(calculated.values) ** 2),
        _extinction_per_x(read.crystal, observed.hkl, wavelength, refines or held > 0),
        refines,
        held,
    )
    n_parameters = max(n_parameters or stated.n_parameters or 0, intensity_model.n_parameters)
    if (n := len(observed.f2)) <= n_parameters:
        text = f"{n} reflections for {n_parameters} parameters: there is no goodness of fit"
        notes.add(text, "warning", n)
    stol2 = read.crystal.stol2(observed.hkl)

    def fit(chosen: tuple[float, ...]) -> FittedIntensities:
        return fit_scales(
            intensity_model,
            observed.f2,
            observed.sigmas,
            chosen,
            stated.extinction or 0.0,
            stol2=stol2,
            wavelength=wavelength or 0.0,
        )

    if isinstance(weights, str):
        if weights != "fit":
            raise ParameterError(f"got weights {weights!r}, expected a and b, or 'fit'")
        found, fitted = fit_weights(fit, observed.f2, observed.sigmas, stol2, n_parameters)
        chosen: tuple[float, ...] = found
        notes.add(f"weights a {chosen[0]:g}, b {chosen[1]:g} make the goodness of fit even", "fit")
    else:
        chosen, about_weights = weights_wanted(weights, stated, said)
        notes.extend(about_weights)
        fitted = fit(chosen)
    scale, x, fractions = _parameters(intensity_model, fitted, observed, n_parameters)
    if twinning.equal:
        n = len(twinning.laws) + 1
        fractions = (Parameter(1.0 / n, 0.0),) * (n - 1)
    inverted = mixture @ observed.intensities(np.abs(of_mates) ** 2)
    absolute = None
    if data.component is None and not (twinning.equal or about_domains):
        absolute = _absolute_structure(
            read.crystal,
            observed,
            twinning.laws,
            intensity_model,
            fitted,
            inverted,
            chosen,
            n_parameters,
            wavelength or 0.0,
        )
    notes.extend(_doubts(fitted, x, fractions, absolute))
    # the contribution of f0 + f', which obeys Friedel's law
    f_real = 0.5 * (calculated.values + of_mates.conj())
    result = IntensityFit(
        crystal=read.crystal,
        name=read.name,
        data=data.description,
        source=source,
        calculated=how,
        wavelength=wavelength,
        hkl=observed.hkl,
        f2=observed.f2,
        sigmas=observed.sigmas,
        f2_model=fitted.f2_model,
        correction=fitted.correction,
        weights=fitted.weights,
        f_calc=_of_first_contribution(observed, calculated.values),
        f_real=_of_first_contribution(observed, f_real),
        atoms=read.atoms,
        labels=read.atoms.site_labels,
        absolute_structure=absolute,
        weighting=chosen,
        scale=scale,
        extinction=x if refines or held else None,
        twin_fractions=fractions,
        n_parameters=n_parameters,
        n_fitted=intensity_model.n_parameters,
        merging=statistics,
        stated=stated,
        notes=notes.records(),
    )
    notes.extend(beside_stated(result))
    if not fractions:
        centric = read.crystal.is_centric(observed.hkl[result.observed])
        notes.extend(about_r_factor("R1", result.r1, centric))
    return replace(result, notes=notes.records())


def _check_size(f_calc: np.ndarray) -> None:
    """Reject F_calc whose powers would overflow."""
    largest = float(np.abs(f_calc).max(initial=0.0))
    if not largest <= LARGEST**0.5:
        raise AtomsError(
            f"F_calc has values of {largest:.1e}, expected at most {LARGEST**0.5:.0e}: "
            "are B of the atoms negative, or occupancies too large?"
        )


def _structure_factors(
    read: Model,
    origin: Any,
    observed: Observations,
    source: str,
    wavelength: float | None,
    anomalous: str | None,
    scattering: Any,
    options: dict[str, Any],
) -> tuple[Reflections, np.ndarray, tuple[Note, ...]]:
    """F_calc of all contributing reflections and F(-h), with f' and f'' if known, else a note."""
    notes: tuple[Note, ...] = ()
    real_only = options.pop("real_only", False)
    given = options.get("form_factors")
    if isinstance(given, str | PathLike):
        given = options["form_factors"] = read_form_factors(given)
    contained = isinstance(given, AtomFormFactors) and given.with_dispersion
    is_own = isinstance(scattering, str) and scattering == "cif"
    if isinstance(origin, ShelxFile):
        types, notes = atom_types_of_shelx(origin, with_disp=is_own)
        sums = {label: GaussianSum(*ab) for label, ab in types.cromer_mann.items()}
        own = {"neutron": types.neutron, "xray": sums}.get(source, {})
        if own and not isinstance(given, AtomFormFactors):
            options["form_factors"] = {**own, **(given or {})}
        if source == "xray" and types.dispersion:
            options["addends"] = {**types.dispersion, **(options.get("addends") or {})}
        scattering = None if is_own else scattering
    if scattering is not None and not contained:
        options["scattering"] = origin if is_own else scattering
    elif source == "xray" and wavelength is None and not contained:
        text = "no wavelength is known: f' and f'' are not included"
        notes += (Note(text, "guess", give="give the wavelength"),)
    elif source == "xray" and anomalous not in (None, "none") and not contained:
        if real_only:
            options["addends"] = _real_addends(read, wavelength, anomalous, options)
        else:
            options.update(wavelength=wavelength, anomalous=anomalous)
    # the notes of the model have been taken already
    read, hkl = replace(read, notes=()), observed.contributing
    calculated, mates = (
        fcalc(read, hkl=h, method="direct", source=source, **options) for h in (hkl, -hkl)
    )
    return calculated, mates.values, notes


def _real_addends(
    read: Model, wavelength: float | None, anomalous: str, options: dict[str, Any]
) -> dict[str, complex]:
    """F' of all kinds of atoms, without f''."""
    energy = energy_of(wavelength, None)
    given, _ = as_numbers(options.get("addends") or {}, energy)
    found, _ = calculated_addends(
        read.atoms.scatterers, energy or 0.0, anomalous, None, given.keys()
    )
    return {kind: complex(value.real) for kind, value in {**found, **given}.items()}


def _absolute_structure(
    crystal: Crystal,
    observed: Observations,
    laws: Sequence[np.ndarray],
    model: IntensityModel,
    fitted: FittedIntensities,
    mates: np.ndarray,
    weights: tuple[float, ...],
    n_parameters: int,
    wavelength: float,
) -> AbsoluteStructure | None:
    """Flack parameter; None without f'' or Bijvoet pairs.

    `mates` (n_domains, n) are the intensities of the domains at -h.
    """
    inversions = [is_inversion(crystal, law) for law in laws]
    _, _, fractions = model.split(fitted.parameters)
    if any(inversions):
        if len(laws) > 1:  # x of several domains has no meaning of its own
            return None
        total, inverted = model.domains
    else:
        total = fractions @ model.domains
        inverted = fractions @ mates
    if not has_bijvoet_pairs(crystal, observed.hkl, total, inverted):
        return None
    if any(inversions):
        by_fit = _parameters(model, fitted, observed, n_parameters)[2][0]
    else:
        by_fit = fitted_inversion(
            model,
            fitted,
            inverted,
            observed.f2,
            observed.sigmas,
            weights,
            n_parameters,
            stol2=crystal.stol2(observed.hkl),
            wavelength=wavelength,
        )
    f2, sigmas = observed.f2 / fitted.correction, observed.sigmas / fitted.correction
    return absolute_structure(observed.hkl, f2, sigmas, total, inverted, by_fit)


def _parameters(
    model: IntensityModel, fitted: FittedIntensities, observed: Observations, n_parameters: int
) -> tuple[Parameter, Parameter, tuple[Parameter, ...]]:
    """k, x and all fractions but the first, with uncertainties scaled by the goodness of fit."""
    freedom = len(observed.f2) - n_parameters
    residual = weighted_norm(observed.f2 - fitted.f2_model, fitted.weights)
    goodness = residual / math.sqrt(freedom) if freedom > 0 else np.nan
    su = np.sqrt(np.maximum(np.diag(fitted.covariance), 0.0)) * goodness
    scale, x, fractions = model.split(fitted.parameters)
    k = float(np.sqrt(scale))
    first = 1 + int(model.refines_extinction)
    return (
        Parameter(k, float(su[0] / (2.0 * k)) if k else np.nan),
        Parameter(x, float(su[1]) if model.refines_extinction else 0.0),
        tuple(
            Parameter(float(f), float(s)) for f, s in zip(fractions[1:], su[first:], strict=True)
        ),
    )


def _doubts(
    fitted: FittedIntensities,
    x: Parameter,
    fractions: tuple[Parameter, ...],
    absolute: AbsoluteStructure | None,
) -> tuple[Note, ...]:
    found = []
    if not fitted.converged:
        text = f"the fit did not converge in {fitted.n_cycles} cycles"
        found.append(Note(text, "warning", fitted.n_cycles))
    if x.su and x.value < 1e-9:
        found.append(
            Note("extinction parameter x refined to 0: extinction is negligible", "fit", 0)
        )
    if any(f.value < -3 * f.su or f.value > 1 + 3 * f.su for f in fractions):
        text = "a twin fraction lies outside of 0 to 1: the twin law is doubtful"
        found.append(Note(text, "warning"))
    flack = absolute.best if absolute is not None else None
    if flack is not None and flack.value - 3 * flack.su > 0.5:
        text = f"Flack parameter {flack}: the inverted structure fits the data better"
        found.append(Note(text, "warning", flack.value))
    return tuple(found)


def _extinction_per_x(
    crystal: Crystal, hkl: np.ndarray, wavelength: float | None, needed: bool
) -> np.ndarray:
    if not needed:
        return np.zeros(len(hkl))
    if wavelength is None:
        raise ParameterError("extinction needs a wavelength, and the CIF states none")
    return extinction_per_x(crystal.stol2(hkl), wavelength)


def _check_cell(crystal: Crystal, data: ReflectionList) -> None:
    if data.cell is not None and not crystal.is_similar(Crystal(data.cell), CELL_TOLERANCE):  # type: ignore[arg-type]
        cells = ["(" + ", ".join(f"{x:g}" for x in c) + ")" for c in (crystal.cell, data.cell)]
        raise CellError(f"the cell of the model {cells[0]} is not that of the data {cells[1]}")


def _of_first_contribution(observed: Observations, f_calc: np.ndarray) -> np.ndarray:
    """(n,) complex F_calc of each observation's own indices in the domain that has them."""
    own = np.flatnonzero((observed.contributing == observed.hkl[observed.owner]).all(axis=1))
    values = np.zeros(len(observed.f2), complex)
    # the last assignment stays: that of the lowest domain
    order = own[np.argsort(-observed.domain[own], kind="stable")]
    values[observed.owner[order]] = f_calc[order]
    return values
