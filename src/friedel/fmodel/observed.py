"""Checks and selection of the observed data for a model: cell, resolution, values, free set."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from friedel.errors import (
    CellError,
    ParameterError,
    ReflectionsError,
    ResolutionError,
    SymmetryError,
)
from friedel.model.arrays import at_origin
from friedel.model.crystal import Crystal, checked_d_min
from friedel.notes import Note
from friedel.reflections.bijvoet import ObservedData, number_of_pairs
from friedel.reflections.reflections import Reflections
from friedel.scaling.data import MOST

SMALL_FREE_SET = 200
"""Number of free reflections below which a note says that R_free is rough."""

NOTED_CELL_DIFFERENCE = 1e-3
"""Relative difference between the cells of model and data above which there is a note."""


@dataclass(frozen=True, eq=False)
class Observed:
    """Observed amplitudes, and the use of each.

    Attributes
    ----------
    f_obs
        Amplitudes (n,), in the unit cell of the model.
    usable, free
        (n,) bool: can be used in fit and R-factors; is left out of the fit.
    weights
        (n,) weights of the residuals, or None for 1.
    intensities
        Intensities that are fitted, of any sign, with sigmas; None for a fit to amplitudes.
    notes
        Reflections left out, and doubtful data.
    pairs
        Amplitudes at h and -h of the Friedel mates measured separately, or None. They are `f_obs`
        if f'' is included, otherwise `f_obs` are means.
    """

    f_obs: Reflections
    usable: np.ndarray
    free: np.ndarray
    weights: np.ndarray | None
    notes: tuple[Note, ...]
    intensities: Reflections | None = None
    pairs: Reflections | None = None

    @property
    def i_obs(self) -> np.ndarray | None:
        """(n,) intensities that are fitted; None for a fit to amplitudes."""
        return None if self.intensities is None else np.asarray(self.intensities.values, float)

    @property
    def work(self) -> np.ndarray:
        """(n,) bool: reflections of the fit, including its outliers."""
        return self.usable & ~self.free

    @property
    def left_out(self) -> np.ndarray:
        """(n,) bool: usable reflections of the free set."""
        return self.usable & self.free


def observed_for(
    crystal: Crystal,
    data: Any,
    *,
    d_min: float | None = None,
    sigma_cutoff: float = 0.0,
    use_free: bool = True,
    weigh_by_sigma: bool = False,
    of_intensities: bool = False,
    keep_pairs: bool = False,
    **which: Any,
) -> Observed:
    """Data for a model in `crystal`; arguments and errors are those of the steps below.

    Parameters
    ----------
    data
        What :func:`read_data` returns, or takes.
    keep_pairs
        Whether Friedel mates measured separately stay separate, as f'' is included.
    """
    if isinstance(data, ObservedData):
        found = data
    else:
        found = read_data(data, crystal, intensities=of_intensities, **which)
    given, about_pairs = means_or_pairs(found, keep_pairs)
    notes = compare_crystals(crystal, given.crystal)
    f_obs = within_resolution(dataclasses.replace(given, crystal=crystal), d_min)
    measured = of_intensities and f_obs.intensities is not None
    usable, about_usable = usable_reflections(f_obs, sigma_cutoff, keep_zero=measured)
    free, about_free = free_set(f_obs, usable, use_free)
    notes = (*given.notes, *about_pairs, *notes, *about_usable, *about_free)
    pairs = found.pairs
    if pairs is not None:
        pairs = within_resolution(dataclasses.replace(pairs, crystal=crystal), d_min)
    if not of_intensities:
        weights = sigma_weights(f_obs, usable) if weigh_by_sigma else None
        return Observed(f_obs, usable, free, weights, notes, pairs=pairs)
    fitted, about_intensities = intensities_of(f_obs)
    weights = None if fitted.sigmas is None else sigma_weights(fitted, usable)
    notes = (*notes, *about_intensities)
    return Observed(f_obs, usable, free, weights, notes, fitted, pairs)


def means_or_pairs(found: ObservedData, keep_pairs: bool) -> tuple[Reflections, tuple[Note, ...]]:
    """The amplitudes of a fit: Friedel mates separately where f'' is included, otherwise means."""
    if found.pairs is None:
        return found.means, ()
    n = number_of_pairs(found.pairs)
    if not keep_pairs:
        text = f"f'' is not included: the fit is to means of Friedel mates ({n} pairs)"
        return found.means, (Note(text, "default", n),)
    if found.named:
        text = f"the fit is to {found.means.label} as named, not to {n} pairs of Friedel mates"
        return found.means, (Note(text, "default", n),)
    text = f"f'' is included: Friedel mates are compared separately with F_model ({n} pairs)"
    return found.pairs, (Note(text, "default", n),)


def read_data(
    data: Any, crystal: Crystal | None = None, *, intensities: bool = False, **chosen: Any
) -> ObservedData:
    """Observed amplitudes, and those of Friedel mates, from anything that FModel takes.

    Parameters
    ----------
    crystal, intensities, **chosen
        As for :func:`friedel.as_reflections`.

    Raises
    ------
    ReflectionsError
        When the values are complex.
    """
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if isinstance(data, Reflections) and not chosen:
        found = ObservedData.of(data)
    else:
        from friedel.readers.means_and_pairs import means_and_pairs

        found = means_and_pairs(data, crystal=crystal, intensities=intensities, **chosen)
    _check_real(found.means)
    return found


def amplitudes_of(
    data: Any,
    crystal: Crystal | None = None,
    *,
    friedel_pairs: bool = False,
    intensities: bool = False,
    **chosen: Any,
) -> Reflections:
    """Observed amplitudes, from anything that :func:`friedel.as_reflections` takes.

    Parameters
    ----------
    crystal, friedel_pairs, intensities, **chosen
        As for that function.

    Raises
    ------
    ReflectionsError
        When the values are complex.
    """
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if not isinstance(data, Reflections) or chosen:
        from friedel.readers.amplitudes import as_reflections

        chosen |= {"crystal": crystal, "intensities": intensities}
        data = as_reflections(data, friedel_pairs=friedel_pairs, **chosen)
    _check_real(data)
    return data


def _check_real(data: Reflections) -> None:
    if np.iscomplexobj(data.values):
        raise ReflectionsError(
            f"observed data {data.label} are complex structure factors, expected real amplitudes"
        )


def compare_crystals(model: Crystal, data: Crystal) -> tuple[Note, ...]:
    """Notes on small differences between cells and symmetry.

    Raises
    ------
    CellError, SymmetryError
        When the cells or the symmetry operations differ too much.
    """
    cells = ["(" + ", ".join(f"{x:g}" for x in crystal.cell) + ")" for crystal in (model, data)]
    if not model.is_similar(data):
        raise CellError(f"the cell of the model {cells[0]} is not that of the data {cells[1]}")
    if not model.has_same_symmetry(data):
        names = [c.name or f"{c.n_operations} operations" for c in (model, data)]
        raise SymmetryError(
            f"the symmetry of the model ({names[0]}) is not that of the data ({names[1]})"
        )
    if model.is_similar(data, NOTED_CELL_DIFFERENCE):
        return ()
    text = f"the cell of the model {cells[0]} is used; that of the data is {cells[1]}"
    return (Note(text, "default"),)


def within_resolution(data: Reflections, d_min: float | None) -> Reflections:
    """The reflections with d >= `d_min` (Å); all when it is None.

    Raises
    ------
    ResolutionError
        When no reflections remain.
    """
    if d_min is None:
        return data
    limit = checked_d_min(d_min)
    inside = data.d_spacing >= limit * (1.0 - 1e-9)
    if not inside.any():
        finest = float(data.d_spacing.min(initial=np.inf))
        raise ResolutionError(
            f"no reflections with d >= {limit:g} A: the data reach to {finest:.2f} A"
        )
    return data.select(inside)


def intensities_of(data: Reflections) -> tuple[Reflections, tuple[Note, ...]]:
    """Intensities with sigmas to fit to: those measured, or squares of amplitudes; and notes.

    Squares of amplitudes F have sigma(I) = 2 F sigma(F).
    """
    notes = []
    if data.intensities is not None:
        n = int((data.intensities < 0).sum())
        text = f"the fit is to the intensities as measured; {n} are negative"
        notes.append(Note(text, "default", n))
        found = dataclasses.replace(data, values=data.intensities, sigmas=data.intensity_sigmas)
    else:
        text = "the fit is to squares of amplitudes: the data have no intensities"
        notes.append(Note(text, "guess", give="give intensities"))
        finite = data.values[np.isfinite(data.values)]
        if (largest := float(np.abs(finite).max(initial=0.0))) > MOST:
            raise ReflectionsError(
                f"{data.label} has values of {largest:.1e}, expected at most {MOST:.0e}"
            )
        with np.errstate(over="ignore", invalid="ignore"):  # sigmas may be of any size
            sigmas = None if data.sigmas is None else 2.0 * data.values * data.sigmas
        found = dataclasses.replace(data, values=data.values**2, sigmas=sigmas)
    if found.sigmas is None:
        text = "the intensities have no sigmas: all have the same weight in the fit"
        notes.append(Note(text, "guess", give="give sigmas"))
    return found, tuple(notes)


def usable_reflections(
    data: Reflections, sigma_cutoff: float = 0.0, *, keep_zero: bool = False
) -> tuple[np.ndarray, tuple[Note, ...]]:
    """(n,) bool: reflections to use in fit and R-factors; notes on the others, with reasons.

    Parameters
    ----------
    sigma_cutoff
        Only reflections with F / sigma above this are used.
    keep_zero
        Whether amplitudes of zero, those of negative intensities without sigmas, are used.

    Raises
    ------
    ReflectionsError
        When none can be used, or `sigma_cutoff` is given for data without sigmas.
    ParameterError
        When `sigma_cutoff` is not a finite number.
    """
    if not np.isfinite(sigma_cutoff):
        raise ParameterError(f"got sigma_cutoff = {sigma_cutoff!r}, expected a finite number")
    if sigma_cutoff > 0 and data.sigmas is None:
        raise ReflectionsError(f"sigma_cutoff needs sigmas; {data.label} has none")
    sigmas = np.ones(len(data)) if data.sigmas is None else data.sigmas
    # one reason each, the first that applies
    reasons = {
        "missing": ~(np.isfinite(data.values) & np.isfinite(sigmas)),
        "absent by symmetry": data.crystal.is_absent(data.hkl) | at_origin(data.hkl),
        "with F <= 0": data.values < 0 if keep_zero else data.values <= 0,
        "with sigma <= 0": sigmas <= 0,
    }
    if sigma_cutoff > 0:
        with np.errstate(over="ignore"):  # sigmas may be as large as numbers can be
            reasons[f"with F/sigma <= {sigma_cutoff:g}"] = data.values <= sigma_cutoff * sigmas
    usable = np.ones(len(data), bool)
    notes = []
    for reason, applies in reasons.items():
        if n := int((usable & applies).sum()):
            notes.append(Note(f"{n} reflections {reason} are not used", "left out", n))
        usable &= ~applies
    if not usable.any():
        raise ReflectionsError(f"no usable reflections among {len(data)}: {'; '.join(notes)}")
    return usable, tuple(notes)


def sigma_weights(data: Reflections, usable: np.ndarray) -> np.ndarray:
    """(n,) weights 1/sigma divided by their median, so that residuals keep their unit.

    Raises
    ------
    ReflectionsError
        When there are no sigmas.
    """
    if data.sigmas is None:
        raise ReflectionsError(f"weights by sigma need sigmas; {data.label} has none")
    sigmas = np.where(usable, data.sigmas, 1.0)
    return float(np.median(sigmas[usable])) / sigmas


def free_set(
    data: Reflections, usable: np.ndarray, use_free: bool
) -> tuple[np.ndarray, tuple[Note, ...]]:
    """(n,) bool: reflections left out of the fit; and notes."""
    nothing = np.zeros(len(data), bool)
    if data.free is None:
        text = "no free set: R_work is of all reflections and there is no R_free"
        return nothing, (Note(text, "warning"),)
    if not use_free:
        text = "the free set is included in the fit (use_free=False): there is no R_free"
        return nothing, (Note(text, "default"),)
    free = data.free.astype(bool)
    n_free, n_work = int((usable & free).sum()), int((usable & ~free).sum())
    if not (n_free and n_work):
        text = f"the free set has {n_free} of the reflections and is not used"
        return nothing, (Note(text, "warning", n_free),)
    if n_free < SMALL_FREE_SET:
        return free, (Note(f"R_free rests on only {n_free} reflections", "warning", n_free),)
    return free, ()
