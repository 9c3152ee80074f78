"""A model on the scale of its data: F_model, gradients, R-factors and phases."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from friedel.errors import FriedelError, ReflectionsError
from friedel.fmodel.adjoint import (
    FixedMaskModel,
    FModelGradients,
    MovingMaskModel,
    TwinnedModel,
)
from friedel.fmodel.anomalous import anomalous_coefficients
from friedel.fmodel.filling import NotMeasured, missing_reflections, not_measured
from friedel.fmodel.fit import FModelFit
from friedel.fmodel.setup import ModelAndData, Setup, read_only
from friedel.fmodel.sigma_a import PhaseStatistics
from friedel.fmodel.statistics import ModelStatistics
from friedel.fmodel.twin_overlap import TwinOverlap
from friedel.fmodel.twinning import twinned_amplitudes
from friedel.model.atoms import Atoms
from friedel.notes import Note, Notes
from friedel.reflections.reflections import Reflections
from friedel.reflections.wrong_models import about_r_factor
from friedel.scaling import Outlier, ScaleParameters, ScalingFit

if TYPE_CHECKING:
    from friedel.fmodel.missing_density import MissingDensity

DENSEST_SOLVENT = 0.6
"""k_sol above which there is a note (electrons/Å^3); concentrated salts reach about 0.45."""

COARSE_D_MAX = 8.0
"""Spacing (Å): without larger ones the solvent cannot be told from the overall scale."""


@dataclass(frozen=True, eq=False, repr=False)
class ScaledModel(ModelAndData):
    """The numbers of :class:`friedel.FittedModel`, each calculated on first use.

    Parameters
    ----------
    _setup
        Model and data, with the mask that was found.
    _outcome
        The result of the fit.
    """

    _setup: Setup
    _outcome: FModelFit

    @property
    def result(self) -> ScalingFit:
        """The result of the fit: value of the target, number of parameters, convergence."""
        return self._outcome.scaling

    @property
    def scales(self) -> ScaleParameters:
        """The fitted k_overall, b_overall, k_sol, b_sol; k_sol is 0 without solvent."""
        return self.result.parameters

    @property
    def rejected(self) -> np.ndarray:
        """(n,) bool: which of `f_obs` the last fit left out as outliers."""
        return read_only(self._outcome.rejected)

    @property
    def twin_law(self) -> str | None:
        """The twin law of the fit, several laws separated by "; "; None without twinning."""
        return "; ".join(self.twin_laws) or None

    @property
    def twin_laws(self) -> tuple[str, ...]:
        """The twin law of each further domain."""
        return tuple(domain.law.name for domain in self._outcome.twins)

    @property
    def twins(self) -> dict[str, float]:
        """The fraction of each further domain by its law; empty without twinning."""
        # parameters held fixed may have fractions though there is no twin
        return dict(zip(self.twin_laws, self.scales.twin_fractions, strict=False))

    @property
    def missing_density(self) -> "MissingDensity | None":
        """Density that the model lacks, added to F_model; None where none was.

        It is the part of the mFo-DFc map of the fitted reflections that is more than three standard
        deviations from zero. F_model of a fitted reflection contains the density of a map that was
        made without this reflection, and R_work is that of these; the free set is in no map.
        """
        return self._setup.components.missing

    def without_missing_density(self) -> Self:
        """The fit of the atoms and the solvent alone, as it was before density was added.

        It is the model itself where none was; see :attr:`missing_density`.
        """
        before = self._outcome.before
        if before is None:
            return self
        setup = replace(self._setup, components=before.unscaled, missing_density=None)
        return replace(self, _setup=setup, _outcome=before)

    @cached_property
    def has_solvent(self) -> bool:
        """Whether the fit included solvent."""
        return self._setup.components.has_solvent and self._outcome.shape.solvent

    @cached_property
    def f_model(self) -> Reflections:
        """F_model at all reflections of `f_obs`, complex, on the scale of F_obs.

        For a twin it is F_model of the first domain.
        """
        f_calc = self._setup.components.f_calc
        return self._reflections("FMODEL", self.with_fixed_mask.scaled(f_calc))

    @property
    def with_fixed_mask(self) -> FixedMaskModel:
        """F_model as a function of atoms and scales, with a fixed mask.

        For a twin it is F_model of the first domain alone, like `f_model`.
        """
        masked = self.masked if self.has_solvent else None
        f_mask = None if masked is None else masked.f_mask
        f_layer = masked.f_layer if masked is not None and self.scales.k_layer else None
        components, babinet = self._setup.components, self.solvent == "babinet"
        return FixedMaskModel(
            components.calculator,
            self.scales,
            f_mask,
            f_layer,
            babinet,
            f_missing=components.f_missing,
        )

    @property
    def with_moving_mask(self) -> MovingMaskModel:
        """F_model as a function of atoms and scales, with a smooth mask that follows the atoms.

        For a twin it is F_model of the first domain alone, like `f_model`.

        Raises
        ------
        FriedelError
            When `smooth_mask` was not set.
        """
        if self.masked is None or not self.masked.smooth:
            raise FriedelError("a moving mask needs smooth_mask=True")
        mask, nearer = self.masked.moving
        layer = nearer if self.scales.k_layer else None
        components = self._setup.components
        return MovingMaskModel(
            components.calculator, self.scales, mask, layer, f_missing=components.f_missing
        )

    def adjoint(
        self, atoms: Atoms | None, w: np.ndarray, *, anomalous: bool = False
    ) -> FModelGradients:
        """Derivatives of a target by atoms and scales, from those by `f_model`, complex.

        For a twin, w are real derivatives by `amplitudes`.

        A smooth mask moves with the atoms, any other is fixed. See
        :meth:`friedel.fmodel.adjoint.FixedMaskModel.adjoint`.

        Raises
        ------
        ParameterError
            When w are complex for a twin, whose amplitudes are not those of `f_model`.
        """
        return self.as_function.adjoint(atoms, w, anomalous=anomalous)

    @property
    def as_function(self) -> FixedMaskModel | MovingMaskModel | TwinnedModel:
        """F_model as a function of atoms and scales; for a twin, its amplitudes.

        A smooth mask moves with the atoms, any other is fixed.
        """
        moves = self.has_solvent and self.masked is not None and self.masked.smooth
        model = self.with_moving_mask if moves else self.with_fixed_mask
        if not self._outcome.twins:
            return model
        laws = [domain.law for domain in self._outcome.twins]
        return self._setup.components.twinned(model, laws)

    @property
    def amplitudes(self) -> np.ndarray:
        """(n,) amplitudes to compare with F_obs: abs(F_model), or of all domains of a twin."""
        return self._statistics.amplitudes

    @cached_property
    def _statistics(self) -> ModelStatistics:
        f_model, twins = self.f_model.values, self._outcome.twins
        if not twins:
            return ModelStatistics(self._setup.observed, f_model, read_only(np.abs(f_model)))
        hkl, fractions = self.f_obs.hkl, self.scales.twin_fractions
        others = [domain.f_total(self.crystal, hkl, self.scales) for domain in twins]
        amplitudes = read_only(twinned_amplitudes(f_model, others, fractions))
        laws = [domain.law for domain in twins]
        overlap = TwinOverlap.of(self.crystal, hkl, laws, fractions, others)
        return ModelStatistics(self._setup.observed, f_model, amplitudes, overlap)

    @property
    def r_all(self) -> float:
        """R-factor of all reflections used."""
        return self._statistics.r_all

    @property
    def r_work(self) -> float:
        """R-factor of all reflections that are not in the free set; `rejected` ones count."""
        return self._statistics.r_work

    @property
    def r_free(self) -> float | None:
        """R-factor of the free set, left out of the fit; None when there is no such set."""
        return self._statistics.r_free

    @property
    def r1(self) -> float | None:
        """R1 of intensities above 2 sigma(I), for the target ``"ls-i"``; else None.

        The R-factor sum abs(sqrt(I) - amplitudes) / sum sqrt(I) over the reflections of the fit.
        """
        return self._statistics.r1

    @property
    def wr2(self) -> float | None:
        """wR2 of the intensities of the fit, for the target ``"ls-i"``; else None.

        The root of sum w (I - amplitudes^2)^2 / sum w I^2 with w = 1/sigma^2(I).
        """
        return self._statistics.wr2

    @property
    def outliers(self) -> list[Outlier]:
        """Outliers among all reflections used, the largest residual first."""
        return list(self._statistics.outliers)

    @property
    def phase_statistics(self) -> PhaseStatistics:
        """sigma_A from the free set, and m and D of each reflection; NaN where unusable."""
        return self._statistics.phases

    def map_coefficients(
        self, *, fill_missing: bool | None = None
    ) -> tuple[Reflections, Reflections]:
        """Coefficients of the 2mFo-DFc and of the mFo-DFc map.

        Both are on the scale of F_obs, with the phases of F_model: 2 m F_obs - D F_model for
        acentric and m F_obs for centric reflections, and m F_obs - D F_model for both
        [Read1986]. Where F_obs has a sigma, the expected F given F_obs replaces m F_obs. Both lists
        begin with the reflections of `f_obs`; missing reflections follow. There, and where F_obs
        cannot be used, the first is D F_model, or NaN without `fill_missing`; the second is NaN.

        Files have these under other names. FWT is the first. DELFWT is twice the second for
        acentric reflections, as REFMAC writes and Coot's levels assume: FWT - DELFWT is D F_model.
        FOFCWT of Phenix is the second as it is.

        Parameters
        ----------
        fill_missing
            Whether missing reflections within the range of d of the data are D F_model; by default
            the option of :class:`friedel.FModel`.

        Returns
        -------
        fwt, delfwt
            Complex coefficients, of the same reflections.
        """
        fill = self._setup.fill_missing if fill_missing is None else fill_missing
        fwt, delfwt = self._statistics.map_coefficients(free=self.free_in_maps)
        hkl = self.f_obs.hkl
        if fill:
            listed, others = self._missing_reflections[0], self.not_measured
            stol2, d_at = self.f_obs.stol2, self.phase_statistics.d_at
            fwt[listed] = d_at(stol2, stol2[listed]) * self.f_model.values[listed]
            added = d_at(stol2, self.crystal.stol2(others.hkl)) * others.f_model
            fwt = np.concatenate([fwt, added])
            delfwt = np.concatenate([delfwt, np.full(len(others.hkl), np.nan)])
            hkl = np.concatenate([hkl, others.hkl])
        return (
            self._reflections("FWT", fwt, hkl),
            self._reflections("FOFCWT", delfwt, hkl),
        )

    @cached_property
    def _missing_reflections(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) bool: those of `f_obs` without F_obs in maps; (m, 3) those not in `f_obs`."""
        used = self._statistics.in_maps(free=self.free_in_maps)
        return missing_reflections(self.crystal, self.f_obs.hkl, self.usable, used)

    @cached_property
    def not_measured(self) -> NotMeasured:
        """Structure factors of reflections within the range of d of the data, not in `f_obs`."""
        components, hkl = self._setup.components, self._missing_reflections[1]
        return not_measured(components, self.scales, hkl, has_solvent=self.has_solvent)

    def difference_coefficients(self) -> Reflections:
        """The coefficients m F_obs - D F_model, complex, divided by k_overall.

        This is the absolute scale: a map of them is in electrons/Å^3 for X-rays, whatever the scale
        of F_obs. They are not doubled as DELFWT of files is.
        """
        _, difference = self._statistics.map_coefficients(free=self.free_in_maps)
        return self._reflections("FOFCWT", difference / self.scales.k_overall)

    def anomalous_map_coefficients(self) -> Reflections:
        """Coefficients of the anomalous difference map, with peaks at the anomalous scatterers.

        (F(+) - F(-)) exp(i (phi - 90 degrees)) with the phase phi of F_model, for which the mean of
        F_model(h) and conj F_model(-h) is taken [Kraut1968] [Roach2003]. They are not weighted, as
        in Phenix, which halves them. The integral of a peak is about f'' in electrons.

        Returns
        -------
        Reflections
            Complex values, on the scale of F_obs, at the acentric reflections of which both mates
            were measured.

        Raises
        ------
        ReflectionsError
            When the data have no F(+) and F(-).
        """
        mates = self.friedel_mates
        if mates is None:
            raise ReflectionsError("no anomalous differences: the data have no F(+) and F(-)")
        return anomalous_coefficients(mates, self.f_model)

    @cached_property
    def notes(self) -> tuple[Note, ...]:
        """Decisions made for the user, and doubtful results."""
        notes = Notes()
        notes.extend([*self._setup.notes, *self.result.notes])
        scales, converged = self.scales, self.result.converged
        for law, fraction in self.twins.items():
            notes.add(f"fraction of the twin law {law}: {fraction:.4f}", "fit", fraction)
        if not converged:
            notes.add(f"the fit did not converge: {self.result.stats['message']}", "warning")
        if self.solvent_fraction == 0.0:
            notes.add("the solvent mask is empty: there is no solvent in the cell", "warning", 0)
        if self.solvent_fraction == 1.0:
            notes.add(
                "no atoms contribute to the mask; whole cell treated as solvent", "warning", 1
            )
        if not self.twins:
            hkl = self.f_obs.hkl[self._setup.observed.work]
            notes.extend(about_r_factor("R_work", self.r_work, self.crystal.is_centric(hkl)))
        d_max = float(self.f_obs.d_spacing[self.usable].max())
        flat = not scales.solvent_curve and self.solvent != "babinet"
        too_dense = self.source == "xray" and scales.k_sol > DENSEST_SOLVENT
        if self.has_solvent and flat and too_dense:
            text = (
                f"k_sol = {scales.k_sol:.2f} electrons/A^3 is denser than any solvent "
                "(water 0.33); it is probably compensating for another error at low resolution"
            )
            notes.add(text, "warning", scales.k_sol)
        if self.has_solvent and d_max < COARSE_D_MAX:
            text = f"no data beyond {d_max:.1f} A: the solvent is poorly determined"
            notes.add(text, "warning", d_max)
        return notes.records()
