"""From a small structure and its reflection list to R-factors: read, merge, calculate, fit."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from friedel.errors import CellError, ParameterError, ReflectionsError
from friedel.model.crystal import Crystal, checked_d_min
from friedel.model.model import Model
from friedel.notes import Note, Notes
from friedel.readers.form_factors import read_form_factors
from friedel.readers.models import as_model
from friedel.readers.reflection_lists import ReflectionList, read_reflection_list
from friedel.readers.stated_refinement import StatedRefinement, read_refinement
from friedel.reflections.reflections import Reflections
from friedel.scattering.atom_form_factors import AtomFormFactors
from friedel.smallmolecule.absolute_structure import (
    AbsoluteStructure,
    absolute_structure,
    fitted_inversion,
    has_bijvoet_pairs,
)
from friedel.smallmolecule.intensities import (
    FittedIntensities,
    IntensityModel,
    extinction_per_x,
    fit_scales,
)
from friedel.smallmolecule.merging import MergingStatistics, merge_equivalents, r_sigma
from friedel.smallmolecule.parameter import Parameter
from friedel.smallmolecule.result import IntensityFit
from friedel.smallmolecule.twinning import (
    Observations,
    TwinLaw,
    is_inversion,
    keeps_equivalents,
    parse_twin_law,
    twinned_by_laws,
    twinned_by_list,
)
from friedel.structure_factors.fcalc import fcalc
from friedel.structure_factors.scattering_options import decided_source

DEFAULT_WEIGHTS = (0.0, 0.0)
"""SHELX weighting parameters a and b by default: weights 1 / sigma^2."""

CELL_TOLERANCE = 0.02
"""Largest relative difference allowed between the cells of model and reflection list."""


def fit_intensities(
    model: Any,
    data: Any,
    *,
    wavelength: float | None = None,
    anomalous: str | None = "cl",
    scattering: Any = None,
    extinction: bool | float | None = None,
    twin_laws: Sequence[TwinLaw] = (),
    weights: tuple[float, float] | None = None,
    friedel_mates: bool = False,
    d_min: float | None = None,
    n_parameters: int | None = None,
    hklf: int | None = None,
    source: str | None = None,
    block: str | None = None,
    strict: bool = False,
    **options: Any,
) -> IntensityFit:
    """Compare a small structure with measured F^2 as SHELXL does [Sheldrick2015].

    Parameters
    ----------
    model
        Path of a CIF, ``gemmi.SmallStructure`` or anything that :func:`friedel.as_model` takes.
    data
        Path of a list of reflections (HKLF 3, 4, 5, CIF, FCF, or a CIF that embeds one), or a
        `ReflectionList`.
    wavelength
        Wavelength, Å; by default that of the model's CIF. Without one f' and f'' are left out.
    anomalous
        Source of f' and f'', ``"cl"`` or ``"chantler"``; None for none.
    scattering
        ``"cif"``: f' and f'' as the model's CIF states them, as for :func:`friedel.fcalc`.
    extinction
        True to refine SHELX's x, False to leave it out, a number to hold x there. By default it is
        refined where the CIF states one, unless the list is SHELXL's and without it already.
    twin_laws
        One law for each further domain, ``"k,h,-l"`` or nine numbers; its fraction is refined.
        Reflections that a law maps between those of its domain are counted in a note.
        HKLF 5 data name their domains and take no laws.
    weights
        a and b of SHELX's WGHT; by default those of the CIF, or else 0 and 0, that is 1/sigma^2.
    friedel_mates
        Merge F^2(h) with F^2(-h) in groups without inversion, too.
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
    source, **options
        As for :func:`friedel.fcalc`: `table`, `use_charge`, `addends`, and `form_factors`, which
        may be the path of a `.tsc` or `.tscb` file. The radiation is by default that which the
        model's CIF states, or X-rays.

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
    notes = Notes(strict=strict)
    read = as_model(model, block=block)
    notes.extend(read.notes)
    source, about_source = decided_source(source, read)
    notes.extend(about_source)
    stated = read_refinement(model, block)
    if not isinstance(data, ReflectionList):
        data = read_reflection_list(data, hklf)
    notes.extend(data.notes)
    _check_cell(read.crystal, data)
    wavelength = stated.wavelength if wavelength is None else wavelength
    used, about_usable = _usable(read.crystal, data, d_min)
    laws = [parse_twin_law(law) for law in twin_laws]
    observed, statistics, about_merging = _observations(read.crystal, used, laws, friedel_mates)
    notes.extend([*about_usable, *about_merging])
    calculated, of_mates, without = _structure_factors(
        read, model, observed, source, wavelength, anomalous, scattering, options
    )
    notes.extend([*without, *calculated.notes])
    how = calculated.description.split("; ")[0]
    refines, held = _extinction(extinction, stated, data.corrected)
    intensity_model = IntensityModel(
        observed.intensities(np.abs(calculated.values) ** 2),
        _extinction_per_x(read.crystal, observed.hkl, wavelength, refines or held > 0),
        refines,
        held,
    )
    chosen = _weights(weights, stated)
    fitted = fit_scales(
        intensity_model, observed.f2, observed.sigmas, chosen, stated.extinction or 0.0
    )
    n_parameters = max(n_parameters or stated.n_parameters or 0, intensity_model.n_parameters)
    scale, x, fractions = _parameters(intensity_model, fitted, observed, n_parameters)
    absolute = _absolute_structure(
        read.crystal, data, observed, laws, intensity_model, fitted, of_mates, chosen, n_parameters
    )
    notes.extend(_doubts(fitted, x, fractions, absolute))
    # the contribution of f0 + f', which obeys Friedel's law
    f_real = 0.5 * (calculated.values + of_mates.conj())
    return IntensityFit(
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
    given = options.get("form_factors")
    if isinstance(given, str | PathLike):
        given = options["form_factors"] = read_form_factors(given)
    contained = isinstance(given, AtomFormFactors) and given.with_dispersion
    if scattering is not None and not contained:
        is_own = isinstance(scattering, str) and scattering == "cif"
        options["scattering"] = origin if is_own else scattering
    elif source == "xray" and wavelength is None and not contained:
        text = "no wavelength is known: f' and f'' are not included"
        notes = (Note(text, "guess", give="give the wavelength"),)
    elif source == "xray" and anomalous is not None and not contained:
        options.update(wavelength=wavelength, anomalous=anomalous)
    # the notes of the model have been taken already
    read, hkl = replace(read, notes=()), observed.contributing
    calculated, mates = (
        fcalc(read, hkl=h, method="direct", source=source, **options) for h in (hkl, -hkl)
    )
    return calculated, mates.values, notes


def _absolute_structure(
    crystal: Crystal,
    data: ReflectionList,
    observed: Observations,
    laws: Sequence[np.ndarray],
    model: IntensityModel,
    fitted: FittedIntensities,
    of_mates: np.ndarray,
    weights: tuple[float, float],
    n_parameters: int,
) -> AbsoluteStructure | None:
    """Flack parameter; None without f'' or Bijvoet pairs, and for data whose twins are listed."""
    if data.component is not None:
        return None
    inversions = [is_inversion(crystal, law) for law in laws]
    _, _, fractions = model.split(fitted.parameters)
    if any(inversions):
        if len(laws) > 1:  # x of several domains has no meaning of its own
            return None
        total, inverted = model.domains
    else:
        total = fractions @ model.domains
        inverted = fractions @ observed.intensities(np.abs(of_mates) ** 2)
    if not has_bijvoet_pairs(crystal, observed.hkl, total, inverted):
        return None
    if any(inversions):
        by_fit = _parameters(model, fitted, observed, n_parameters)[2][0]
    else:
        by_fit = fitted_inversion(
            model, fitted, inverted, observed.f2, observed.sigmas, weights, n_parameters
        )
    f2, sigmas = observed.f2 / fitted.correction, observed.sigmas / fitted.correction
    return absolute_structure(observed.hkl, f2, sigmas, total, inverted, by_fit)


def _parameters(
    model: IntensityModel, fitted: FittedIntensities, observed: Observations, n_parameters: int
) -> tuple[Parameter, Parameter, tuple[Parameter, ...]]:
    """k, x and all fractions but the first, with uncertainties scaled by the goodness of fit."""
    freedom = len(observed.f2) - n_parameters
    residual = float(fitted.weights @ (observed.f2 - fitted.f2_model) ** 2)
    variance = residual / freedom if freedom > 0 else np.nan
    su = np.sqrt(np.maximum(np.diag(fitted.covariance) * variance, 0.0))
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


def _usable(
    crystal: Crystal, data: ReflectionList, d_min: float | None
) -> tuple[ReflectionList, tuple[Note, ...]]:
    """Lines with a positive sigma inside the resolution, and notes on the others."""
    good = data.sigmas > 0
    bad = ~good
    far = np.zeros(len(data), bool)
    if d_min is not None:
        far = crystal.d_spacing(data.hkl) < checked_d_min(d_min) * (1.0 - 1e-9)
    if data.component is not None:  # a group is kept or dropped with its last line
        last = data.component > 0
        owner = np.concatenate([[0], np.cumsum(last)[:-1]])
        bad, far = bad[last][owner], far[last][owner]
    keep = ~(bad | far)
    if not keep.any():
        raise ReflectionsError(f"no usable reflections among {len(data)} of {data.description}")
    notes: tuple[Note, ...] = ()
    if n := int(bad.sum()):
        notes = (Note(f"{n} reflections with sigma <= 0 are not used", "left out", n),)
    return replace(
        data,
        hkl=data.hkl[keep],
        f2=data.f2[keep],
        sigmas=data.sigmas[keep],
        component=None if data.component is None else data.component[keep],
    ), notes


def _observations(
    crystal: Crystal, data: ReflectionList, laws: Sequence[np.ndarray], friedel_mates: bool
) -> tuple[Observations, MergingStatistics, tuple[Note, ...]]:
    """Observations to fit, merged unless twinning makes equivalents differ; statistics; notes."""
    if data.component is not None:
        if laws:
            raise ParameterError("HKLF 5 data have twin components: do not give twin laws")
        observed = twinned_by_list(data.hkl, data.f2, data.sigmas, data.component)
        statistics = MergingStatistics(
            len(observed.f2), len(observed.f2), 0, None, r_sigma(observed.f2, observed.sigmas)
        )
        return observed, statistics, (Note("HKLF 5 data are not merged", "default"),)
    merged = merge_equivalents(crystal, data.hkl, data.f2, data.sigmas, friedel_mates=friedel_mates)
    if not len(merged.f2):
        raise ReflectionsError(f"all reflections of {data.description} are absent by symmetry")
    notes: tuple[Note, ...] = ()
    if n := merged.statistics.n_absent:
        notes = (Note(f"{n} systematically absent reflections are not used", "left out", n),)
    if all(keeps_equivalents(crystal, law) for law in laws):
        observed = twinned_by_laws(crystal, merged.hkl, merged.f2, merged.sigmas, laws)
        return observed, merged.statistics, (*notes, *observed.notes)
    observed = twinned_by_laws(crystal, data.hkl, data.f2, data.sigmas, laws)
    text = "a twin law makes equivalent reflections differ: the data are not merged"
    return (
        observed,
        replace(merged.statistics, n_unique=len(data)),
        (Note(text, "default"), *observed.notes),
    )


def _extinction(
    wanted: bool | float | None, stated: StatedRefinement, corrected: bool
) -> tuple[bool, float]:
    """Whether x is refined, and the value at which it is held if not."""
    if wanted is None:
        return stated.extinction is not None and not corrected, 0.0
    if isinstance(wanted, bool):
        return wanted, 0.0
    if not (np.isfinite(wanted) and wanted >= 0):
        raise ParameterError(f"got extinction {wanted!r}, expected a number that is not negative")
    return False, float(wanted)


def _weights(wanted: Iterable[float] | None, stated: StatedRefinement) -> tuple[float, float]:
    a, b = wanted or stated.weights or DEFAULT_WEIGHTS
    if not (np.isfinite([a, b]).all() and min(a, b) >= 0):
        raise ParameterError(f"got weights a, b = {a!r}, {b!r}, expected numbers >= 0")
    return float(a), float(b)


def _of_first_contribution(observed: Observations, f_calc: np.ndarray) -> np.ndarray:
    """(n,) complex F_calc of each observation's own indices in the domain that has them."""
    own = np.flatnonzero((observed.contributing == observed.hkl[observed.owner]).all(axis=1))
    values = np.zeros(len(observed.f2), complex)
    # the last assignment stays: that of the lowest domain
    order = own[np.argsort(-observed.domain[own], kind="stable")]
    values[observed.owner[order]] = f_calc[order]
    return values
