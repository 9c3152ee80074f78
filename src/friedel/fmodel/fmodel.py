"""FModel: a model and its data; solvent and scales fitted, R-factors, map coefficients."""

from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np

from friedel.density.grid import Grid
from friedel.errors import FriedelError
from friedel.fmodel import report
from friedel.fmodel.adjoint import FixedMaskModel, FModelGradients, MovingMaskModel
from friedel.fmodel.fit import FitSettings, FModelFit, fit_fmodel
from friedel.fmodel.flat_solvent_fits import quick_start
from friedel.fmodel.model_components import UnscaledModel
from friedel.fmodel.observed import observed_for
from friedel.fmodel.options import UNMASKED, check_choices, check_mask_options
from friedel.fmodel.shells import Shell
from friedel.fmodel.sigma_a import PhaseStatistics
from friedel.fmodel.statistics import ModelStatistics
from friedel.fmodel.twinning import laws_to_try
from friedel.model.atoms import Atoms
from friedel.reflections.reflections import Reflections
from friedel.scaling import Outlier, ScaleParameters, ScalingFit
from friedel.solvent.flat_mask import MaskParameters
from friedel.solvent.masked_solvent import MaskedSolvent, checked_mask
from friedel.structure_factors.options import parsed_options
from friedel.structure_factors.scattering_options import read_for_calculation


class FModel:
    """Structure factors of a model, with bulk solvent, on the scale of observed amplitudes.

    F_model = k_overall exp(-s^T B s / 4) (F_calc + k_sol exp(-B_sol stol2) F_mask), fitted
    to F_obs by :func:`friedel.scaling.fit` [Jiang1994] [Fokine2002] [Afonine2013]. Where
    reflections left out of the fit say that it predicts them better, both scales have smooth
    curves as further factors, and the solvent a layer near the atoms with a density of its own.

    Parameters
    ----------
    model
        Path, gemmi object or pair (crystal, atoms); see :func:`friedel.as_model`.
    data
        Path, with columns as in ``"data.mtz:FP,SIGFP"`` or without, gemmi object or
        `Reflections`; see :func:`friedel.as_reflections`.
    source
        ``"xray"``, ``"electron"``, ``"neutron"`` or ``"mott-bethe"``.
    solvent
        ``"flat"`` for a mask of constant density, ``"smooth"`` to add curves and a layer as far
        as leave-out likelihood supports them, ``"babinet"``, ``"none"`` for atoms alone;
        ``"auto"`` chooses among none, flat and smooth by leave-out likelihood.
    target
        What the fit minimises: ``"l1"``, nearest to the R-factor and least moved by outliers,
        ``"huber"``, ``"student-t"`` or ``"ls"``; see :func:`friedel.scaling.fit`. Reflections
        far from the fit by any but ``"ls"`` are left out of a last one, see `reject_outliers`.
    radii
        Set of atomic radii for the mask, ``"refmac"``, ``"cctbx"`` or ``"vdw"``, or
        `MaskParameters`.
    d_min
        A; reflections beyond are left out. By default all are used.
    rtol, method
        Accuracy of F_calc and how to calculate it; see :class:`friedel.Calculator`.
    use_free
        Whether to leave the data's free set out of the fit, so that R_free is honest. With
        False all reflections are fitted to and there is no R_free.
    weights
        ``"sigma"`` to divide residuals by the sigmas of the data, ``"none"`` to treat all alike.
    sigma_cutoff
        Only reflections with F / sigma above this are used.
    search_mask
        Whether to search r_probe and r_shrink as well.
    solvent_mask
        Grid (or path of a CCP4 map) with 1 in the solvent and 0 elsewhere, instead of a mask
        calculated from the model.
    smooth_mask
        Whether the mask's boundary is smooth, so that :meth:`adjoint` goes through it too. Of
        the mask's parameters `island_min_volume` does not count then.
    d_mask
        Spacing of the mask's grid, A; by default half of the resolution, 0.6 at most.
    twin
        Law of twinning such as ``"-h,-k,l"``, whose fraction is fitted, or ``"auto"`` for the
        one that fits best of those that the lattice allows.
    wavelength
        A; adds f' and f'' of every element, which tell F(h) from F(-h) where the data do.
    free_label, free_value
        Of the free set; see :func:`friedel.as_reflections`.
    reject_outliers
        Whether the last fit, by a target other than ``"ls"``, is without the reflections that are
        more than six robust standard deviations from the model, 2 % at most. They stay in all
        R-factors; :attr:`rejected` tells which they are.
    hydrogens
        Whether to add the hydrogens of C-H and N-H groups that the model lacks, at the distance
        that `source` sees; see :func:`friedel.as_model`.
    progress
        Wraps sequences of long work, such as :class:`tqdm.tqdm`.
    **options
        Other fields of :class:`friedel.CalculationOptions`; `strict_ncs`, `margin` of `as_model`.

    Notes
    -----
    Everything is calculated in the model's unit cell; that of the data must be similar and
    have the same symmetry operations. Reflections with F_obs <= 0 or sigma <= 0 are in
    `f_obs`, but in neither the fit nor the R-factors.

    Raises
    ------
    TypeError
        For a keyword argument that there is not.
    CellError, SymmetryError
        When the cells differ by more than 2 %, or the operations differ.
    ReflectionsError
        When the data are no amplitudes, or none of them can be used.
    ParameterError
        For options that are unknown, or of a mask that is given or not there.
    FriedelError
        Of other kinds, for input that cannot be read.

    Examples
    --------
    >>> fmodel = friedel.FModel("model.pdb", "data.mtz").fit()  # doctest: +SKIP
    >>> print(fmodel.summary())  # doctest: +SKIP
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        *,
        source: str = "xray",
        solvent: str = "auto",
        target: str = "l1",
        radii: str | MaskParameters = "refmac",
        d_min: float | None = None,
        rtol: float = 1e-4,
        method: str = "auto",
        use_free: bool = True,
        weights: str = "none",
        sigma_cutoff: float = 0.0,
        search_mask: bool = False,
        solvent_mask: Grid | str | PathLike[str] | None = None,
        smooth_mask: bool = False,
        d_mask: float | None = None,
        twin: str | None = None,
        wavelength: float | None = None,
        free_label: str | None = None,
        free_value: int | None = None,
        reject_outliers: bool = True,
        hydrogens: bool = False,
        progress: Callable[[Sequence[Any]], Any] = iter,
        **options: Any,
    ) -> None:
        check_choices(source=source, solvent=solvent, target=target, weights=weights)
        check_mask_options(solvent, solvent_mask, search_mask=search_mask, smooth_mask=smooth_mask)
        self.source, self.solvent, self.target, self.use_free = source, solvent, target, use_free
        options |= {"source": source, "rtol": rtol, "method": method, "wavelength": wavelength}
        own = FModel.__init__.__kwdefaults__ or ()
        options["hydrogens"] = hydrogens
        reading, calculation = parsed_options("FModel", options, own)
        read, calculation, notes = read_for_calculation(model, reading, calculation)
        self.crystal, self.atoms, self.name = read.crystal, read.atoms, read.name or "model"
        self._observed = observed_for(
            self.crystal,
            data,
            d_min=d_min,
            sigma_cutoff=sigma_cutoff,
            use_free=use_free,
            weigh_by_sigma=weights == "sigma",
            free_label=free_label,
            free_value=free_value,
        )
        masked, hkl = None, self.f_obs.hkl
        if solvent not in UNMASKED:
            if not isinstance(radii, MaskParameters):
                radii = MaskParameters.for_radii(radii)
            given = checked_mask(solvent_mask, self.crystal, hkl)
            layer, threads = solvent != "flat", calculation.n_threads
            masked = MaskedSolvent(
                self.crystal, self.atoms, hkl, radii, given, d_mask, layer, smooth_mask, threads
            )
        babinet = solvent == "babinet"
        self._unscaled = UnscaledModel(self.crystal, self.atoms, hkl, calculation, masked, babinet)
        laws = laws_to_try(self.crystal, twin)
        self._settings = FitSettings(
            source, solvent, target, search_mask, reject_outliers, laws, progress
        )
        self._fit: FModelFit | None = None
        self._notes = tuple(notes) + self._unscaled.calculator.factors.notes + self._observed.notes

    def __repr__(self) -> str:
        text = f"<friedel.FModel {self.name}, {len(self.f_obs)} reflections"
        if self._fit is None:
            return f"{text}, not fitted>"
        free = "" if self.r_free is None else f", R_free {self.r_free:.4f}"
        return f"{text}, R_work {self.r_work:.4f}{free}>"

    @property
    def f_obs(self) -> Reflections:
        """Observed amplitudes, in the unit cell of the model."""
        return self._observed.f_obs

    @property
    def usable(self) -> np.ndarray:
        """(n,) bool: which of `f_obs` the R-factors are of.

        The fit is of those that are neither in `free` nor in `rejected`.
        """
        return self._observed.usable

    @property
    def free(self) -> np.ndarray:
        """(n,) bool: which of `f_obs` are left out of the fit."""
        return self._observed.free

    @property
    def rejected(self) -> np.ndarray:
        """(n,) bool: which of `f_obs` the last fit left out for being far from the model.

        See `reject_outliers`; none before :meth:`fit`.
        """
        return np.zeros(len(self.f_obs), bool) if self._fit is None else self._fit.rejected

    @property
    def masked(self) -> MaskedSolvent | None:
        """The solvent's mask, and its structure factors; None when there is no mask."""
        return self._unscaled.masked

    @property
    def solvent_fraction(self) -> float | None:
        """Fraction of the cell that the mask takes as solvent; None when there is no mask."""
        return None if self.masked is None else self.masked.fraction

    @property
    def f_calc(self) -> Reflections:
        """Structure factors of the atoms, on their own scale."""
        return self._reflections("FC", self._unscaled.f_calc)

    @property
    def f_mask(self) -> Reflections | None:
        """Structure factors that k_sol multiplies; None without solvent.

        Of the mask, 1 in the solvent and 0 elsewhere; for Babinet's solvent, of the atoms with
        the sign changed.
        """
        f_mask = self._unscaled.f_mask
        return None if f_mask is None else self._reflections("FMASK", f_mask)

    @cached_property
    def f_model(self) -> Reflections:
        """F_model at all reflections of `f_obs`, complex, on the scale of F_obs.

        Of a twin, that of the first domain.
        """
        return self._reflections("FMODEL", self.with_fixed_mask.scaled(self._unscaled.f_calc))

    @property
    def with_fixed_mask(self) -> FixedMaskModel:
        """F_model as a function of atoms and scales, the mask held as it is.

        Of a twin, that of the first domain alone, as `f_model`.
        """
        masked = self.masked if self.has_solvent else None
        f_mask = None if masked is None else masked.f_mask
        f_layer = masked.f_layer if masked is not None and self.scales.k_layer else None
        babinet = self.solvent == "babinet"
        return FixedMaskModel(self._unscaled.calculator, self.scales, f_mask, f_layer, babinet)

    @property
    def with_moving_mask(self) -> MovingMaskModel:
        """F_model as a function of atoms and scales, with a smooth mask that follows the atoms.

        Of a twin, that of the first domain alone, as `f_model`.

        Raises
        ------
        FriedelError
            When no smooth mask was asked for.
        """
        if self.masked is None or not self.masked.smooth:
            raise FriedelError("the mask does not follow atoms: it was not asked for a smooth one")
        mask, nearer = self.masked.moving
        layer = nearer if self.scales.k_layer else None
        return MovingMaskModel(self._unscaled.calculator, self.scales, mask, layer)

    def adjoint(
        self, atoms: Atoms | None, w: np.ndarray, *, anomalous: bool = False
    ) -> FModelGradients:
        """Derivatives of a target by atoms and scales, from those by `f_model`, complex.

        Of a twin w are those by `amplitudes`, real.

        A smooth mask moves with the atoms, any other stays as it is. See
        :meth:`friedel.fmodel.adjoint.FixedMaskModel.adjoint`.

        Raises
        ------
        ParameterError
            For complex w of a twin, whose amplitudes are not those of `f_model`.
        """
        moves = self.has_solvent and self.masked is not None and self.masked.smooth
        model = self.with_moving_mask if moves else self.with_fixed_mask
        if self.twin_law is not None:
            twin = self._unscaled.twinned(model, self._settings.twin_laws[self.twin_law])
            return twin.adjoint(atoms, w, anomalous=anomalous)
        return model.adjoint(atoms, w, anomalous=anomalous)

    @property
    def amplitudes(self) -> np.ndarray:
        """(n,) what F_obs is compared with: of F_model, of a twin those of both domains."""
        return self._statistics.amplitudes

    @cached_property
    def _statistics(self) -> ModelStatistics:
        f_model, twin = self.f_model.values, None if self._fit is None else self._fit.twin
        amplitudes = np.abs(f_model)
        if twin is not None:
            amplitudes = twin.amplitudes(f_model, self.crystal, self.f_obs.hkl, self.scales)
        return ModelStatistics(self._observed, f_model, amplitudes)

    @property
    def twin_law(self) -> str | None:
        """The law of twinning fitted with, None without."""
        twin = None if self._fit is None else self._fit.twin
        return None if twin is None else twin.law

    def _reflections(self, label: str, values: np.ndarray) -> Reflections:
        return Reflections(
            self.crystal, self.f_obs.hkl, values, label=label, description=f"{label} of {self.name}"
        )

    def fit(self, start: ScaleParameters | None = None, fixed: Collection[str] = ()) -> "FModel":
        """Fit the scales and the solvent to F_obs; returns the object itself.

        Parameters
        ----------
        start, fixed
            Where to start, and which parameters stay there; see :func:`friedel.scaling.fit`.
            By default usual solvents and :func:`friedel.scaling.fit_isotropic_b`.

        Raises
        ------
        ReflectionsError
            When there are not more reflections than parameters.
        """
        self._fit = fit_fmodel(self._unscaled, self._observed, self._settings, start, fixed)
        self._unscaled = self._fit.unscaled
        for name in ("f_model", "_statistics", "has_solvent", "notes"):
            self.__dict__.pop(name, None)  # calculated with other scales
        return self

    def quick_start(self, **given: Any) -> ScaleParameters:
        """A start for :meth:`fit`: some parameters given, k_overall and B from a straight line.

        Parameters
        ----------
        **given
            Any of `k_overall`, `b_overall`, `k_sol`, `b_sol`.

        Raises
        ------
        ParameterError
            When k_overall is not positive.
        """
        data = self._unscaled.scaling_data(self.f_obs.values, self._observed.work)
        return quick_start(data, self.solvent, given)

    @property
    def result(self) -> ScalingFit:
        """The outcome of the fit: value of the target, number of parameters, convergence."""
        if self._fit is None:
            raise FriedelError("the scales are not fitted yet: call fit() first")
        return self._fit.scaling

    @property
    def scales(self) -> ScaleParameters:
        """The fitted k_overall, b_overall, k_sol, b_sol; k_sol is 0 where there is no solvent."""
        return self.result.parameters

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

    @cached_property
    def has_solvent(self) -> bool:
        """Whether the fit included solvent."""
        f_mask = self._unscaled.f_mask
        present = f_mask is not None and bool(f_mask.any())
        return present and (self._fit is None or self._fit.shape.solvent)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was decided on the user's behalf, and what looks doubtful."""
        notes = self._notes
        if self._fit is not None:
            notes += self.result.notes + report.doubts(self)
        return notes

    def table(self, n_shells: int = 10) -> list[Shell]:
        """Statistics by resolution shell, low resolution first, about equal numbers in each.

        Parameters
        ----------
        n_shells
            How many; fewer when there would be less than 20 reflections in each.

        Raises
        ------
        ParameterError
            When `n_shells` is less than 1.
        """
        return report.table(self, n_shells)

    @property
    def outliers(self) -> list[Outlier]:
        """Reflections far from the model, the farthest first; of all that are used."""
        return self._statistics.outliers

    @property
    def phase_statistics(self) -> PhaseStatistics:
        """sigma_A from the free set, and m and D of each reflection; NaN where unusable."""
        return self._statistics.phases

    def summary(self, n_shells: int = 10) -> str:
        """The result as text: R-factors, parameters, the table by shell, the notes."""
        return report.summary(self, n_shells)

    def to_dict(self, n_shells: int = 10) -> dict[str, Any]:
        """The result as numbers and text that JSON can hold."""
        return report.as_dict(self, n_shells)

    def to_json(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write :meth:`to_dict` to a file.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        report.write_json(self, path, overwrite=overwrite)

    def _repr_html_(self) -> str:
        return report.html(self) if self._fit is not None else f"<pre>{self!r}</pre>"

    def map_coefficients(self) -> tuple[Reflections, Reflections]:
        """Coefficients of the 2mFo-DFc and of the mFo-DFc map.

        On the scale of F_obs, with the phases of F_model: 2 m F_obs - D F_model for acentric and
        m F_obs for centric reflections, and m F_obs - D F_model for both [Read1986]. NaN
        where F_obs cannot be used.

        Returns
        -------
        fwt, delfwt
            Complex.
        """
        fwt, delfwt = map(self._reflections, ("FWT", "DELFWT"), self._statistics.map_coefficients())
        return fwt, delfwt

    def to_mtz(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write observed and calculated columns to an MTZ file.

        FP, SIGFP, FREE (0 is the free set, as in CCP4) as observed; FC/PHIC and
        FMASK/PHIMASK on their own scale; FMODEL/PHIFMODEL, FOM, FWT/PHWT and DELFWT/PHDELWT on
        the scale of FP; see :meth:`map_coefficients`. The cell is the model's. Of Friedel mates
        one is written in these, and both in F(+), SIGF(+), F(-), SIGF(-).

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.mtz import write_mtz

        write_mtz(path, self.crystal, *report.mtz_columns(self), overwrite=overwrite)

    def to_cif(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write a structure-factor mmCIF: the columns of :meth:`to_mtz` that mmCIF has names for.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.text import write_sf_cif

        write_sf_cif(path, self.crystal, *report.mtz_columns(self), overwrite=overwrite)
