"""FModel: fit of solvent and scales to data, R-factors, map coefficients."""

from collections.abc import Callable, Collection, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from friedel.density.grid import Grid
from friedel.errors import FriedelError, ReflectionsError
from friedel.fmodel.adjoint import FixedMaskModel, FModelGradients, MovingMaskModel
from friedel.fmodel.fit import FitSettings
from friedel.fmodel.fitted import FittedModel, fitted_model
from friedel.fmodel.hydrogens import hydrogens_for
from friedel.fmodel.model_components import UnscaledModel, masked_solvent
from friedel.fmodel.observed import amplitudes_of, observed_for, read_data
from friedel.fmodel.options import (
    UNMASKED,
    check_choices,
    check_mask_options,
    check_time_of_fit,
    none_auto_or_true,
)
from friedel.fmodel.setup import ModelAndData, Setup
from friedel.fmodel.shells import Shell
from friedel.fmodel.sigma_a import PhaseStatistics
from friedel.fmodel.twinning import laws_to_try
from friedel.fmodel.wavelength import compares_mates, with_wavelength
from friedel.model.atoms import Atoms
from friedel.notes import Note, Notes
from friedel.readers.atom_names import AtomSource
from friedel.readers.models import model_and_structure
from friedel.reflections.reflections import Reflections
from friedel.scaling import Outlier, ScaleParameters, ScalingFit
from friedel.scaling.targets import TARGETS
from friedel.solvent.flat_mask import MaskParameters
from friedel.structure_factors.options import parsed_options
from friedel.structure_factors.scattering_options import numerical_scattering, wavelength_of

if TYPE_CHECKING:
    from friedel.fmodel.omit import OmitMap
    from friedel.maps.difference_density import DifferenceDensity
    from friedel.maps.residue_agreement import ResidueAgreement


class FModel(ModelAndData):
    """Structure factors of a model, with bulk solvent, on the scale of observed amplitudes.

    F_model = k_overall exp(-s^T B s / 4) (F_calc + k_sol exp(-B_sol stol2) F_mask), fitted
    to F_obs by :func:`friedel.scaling.fit` [Jiang1994] [Fokine2002] [Afonine2013]. Where
    it predicts reflections left out of the fit better, both scales are multiplied by smooth
    curves, anisotropy depends on resolution, and the solvent has a layer near the atoms with its
    own density.

    :meth:`fit` returns a :class:`friedel.FittedModel`, which never changes. FModel keeps the last
    one, and gives its attributes: `fmodel.r_work` is `fmodel.fitted.r_work`.

    Parameters
    ----------
    model
        Path, gemmi object or pair (crystal, atoms); see :func:`friedel.as_model`.
    data
        Path, with columns as in ``"data.mtz:FP,SIGFP"`` or without, gemmi object or
        `Reflections`; see :func:`friedel.as_reflections`.
    source
        ``"xray"``, ``"electron"``, ``"neutron"`` or ``"mott-bethe"``; by default X-rays.
    solvent
        ``"flat"`` for a mask of constant density, ``"smooth"`` to add curves, a layer and
        anisotropy that depends on resolution if cross-validated likelihood supports them,
        ``"babinet"``, ``"none"`` for atoms alone; ``"auto"`` chooses among none, flat and smooth
        by cross-validated likelihood.
    target
        What the fit minimises: ``"l1"``, closest to the R-factor and least affected by outliers,
        ``"huber"``, ``"student-t"``, ``"ls"``, or ``"ls-i"``: least squares of intensities with
        weights 1/sigma^2(I). Its intensities are those of the data, of any sign, or else squares
        of amplitudes F with sigma(I) = 2 F sigma(F). See :func:`friedel.scaling.fit`. Outliers of
        a fit by the first three are left out of a last fit, see `reject_outliers`.
    radii
        Set of atomic radii for the mask, ``"refmac"``, ``"cctbx"`` or ``"vdw"``, or
        `MaskParameters`; ``"auto"`` is Refmac's, or for ``solvent="auto"`` cctbx's where those
        leave no solvent.
    d_min
        High-resolution limit, Å. By default all reflections are used.
    rtol, method
        Accuracy of F_calc and how to calculate it; see :class:`friedel.Calculator`.
    use_free
        Whether to leave the data's free set out of the fit, so that R_free is
        independent. With False the fit is to all reflections and R_free is None.
    weights
        ``"sigma"`` to divide residuals by the sigmas of the data, ``"none"`` for equal weights;
        ``"ls-i"`` always uses the sigmas.
    sigma_cutoff
        Only reflections with F / sigma above this are used.
    search_mask
        Whether to search r_probe and r_shrink as well.
    solvent_mask
        Grid (or path of a CCP4 map) with 1 in the solvent and 0 elsewhere, instead of a mask
        calculated from the model.
    smooth_mask
        Whether the mask's boundary is smooth, so that :meth:`adjoint` includes its
        derivatives. The parameter `island_min_volume` of the mask is then ignored.
    d_mask
        Spacing of the mask's grid, Å; by default half of the resolution, 0.6 at most.
    twin
        Law of twinning such as ``"-h,-k,l"``, whose fraction is fitted; a sequence of laws for a
        twin of more than two domains. ``"auto"`` takes the one that fits best of those that the
        lattice allows, if the data are of a twin: its fraction is above 0.03 beside a term for
        what the model lacks, and the L-test finds twinning; ``"none"`` takes none.
    wavelength
        Wavelength, Å, or ``"file"`` for that stated by the data; adds f' and f'' of every element.
        F_model is then compared with F(+) and F(-) of the data separately, otherwise with their
        means.
    free_label, free_value, block, data_set
        Column and value of the free set, and the part of the file that holds the data; see
        :func:`friedel.as_reflections`.
    french_wilson
        Whether the intensities of the data are taken although there are amplitudes.
    anisotropic_mean
        Whether amplitudes follow from intensities by a mean intensity that depends on direction;
        see :func:`friedel.french_wilson`.
    reject_outliers
        Whether the last fit by a robust target (not by least squares) leaves out reflections over
        six robust standard deviations from the model, at most 2 %. They count in all R-factors;
        :attr:`rejected` marks them.
    hydrogens
        Hydrogens of C-H and N-H groups that ride on the atoms, at the distance that `source`
        measures; see :func:`friedel.as_model`. ``"auto"`` adds them to a file or structure without
        hydrogens if R_work of a first fit is lower with them; ``True`` or ``"yes"`` in any case.
        They exclude no solvent; `atoms` and derivatives are those of the atoms without them.
    fill_missing
        Whether reflections that were not measured are D F_model in the 2mFo-DFc map.
    free_in_maps
        Whether F_obs of the free set contributes to maps; otherwise free reflections count as not
        measured.
    missing_density
        True to add the strong density of the mFo-DFc map to F_model, ``"auto"`` to do so if it
        predicts reflections better that were left out of the map; see
        :attr:`FittedModel.missing_density`.
    progress
        Wraps sequences of long work, such as :class:`tqdm.tqdm`.
    strict
        Whether a guess that would be a note is an error instead.
    **options
        Other fields of :class:`friedel.CalculationOptions`; `strict_ncs`, `margin` and `tls` of
        :func:`friedel.as_model`.

    Notes
    -----
    Everything is calculated in the model's unit cell; that of the data must be similar and
    have the same symmetry operations. Reflections with F_obs <= 0 or sigma <= 0 are in
    `f_obs`, but in neither the fit nor the R-factors.

    Raises
    ------
    TypeError
        For an unknown keyword argument.
    CellError, SymmetryError
        When the cells differ by more than 2 %, or the operations differ.
    ReflectionsError
        When the data are not amplitudes, or none of them can be used.
    ParameterError
        For unknown options, or options of a calculated mask with a given mask or without one.
    GuessError
        For a guess, when `strict` is true.
    TimeLimitError
        When the fit is predicted to take too long for the number of atoms, without ``force=True``.
    FriedelError
        When a file or object cannot be read; a subclass says why.

    Examples
    --------
    >>> fitted = friedel.FModel("model.pdb", "data.mtz").fit()  # doctest: +SKIP
    >>> print(fitted.summary())  # doctest: +SKIP
    """

    def __init__(
        self,
        model: Any,
        data: Any,
        *,
        source: str | None = None,
        solvent: str = "auto",
        target: str = "l1",
        radii: str | MaskParameters = "auto",
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
        twin: str | Sequence[str] | None = "auto",
        wavelength: float | str | None = None,
        free_label: str | None = None,
        free_value: int | None = None,
        block: str | None = None,
        data_set: str | None = None,
        french_wilson: bool = False,
        anisotropic_mean: bool = False,
        reject_outliers: bool = True,
        hydrogens: bool | str | None = "auto",
        fill_missing: bool = True,
        free_in_maps: bool = True,
        missing_density: str | bool | None = None,
        progress: Callable[[Sequence[Any]], Any] = iter,
        strict: bool = False,
        **options: Any,
    ) -> None:
        source = source or "xray"
        check_choices(source=source, solvent=solvent, target=target, weights=weights)
        check_mask_options(solvent, solvent_mask, search_mask=search_mask, smooth_mask=smooth_mask)
        notes, of_intensities = Notes(strict=strict), TARGETS[target].of_intensities
        options |= {"source": source, "rtol": rtol, "method": method, "wavelength": wavelength}
        hydrogens = none_auto_or_true(
            hydrogens, f"got hydrogens={hydrogens!r}, expected None, 'auto' or True"
        )
        missing_density = none_auto_or_true(
            missing_density,
            f"unknown missing_density {missing_density!r}: expected None, 'auto', True or False",
        )
        own = FModel.__init__.__kwdefaults__ or ()
        reading, calculation = parsed_options("FModel", options, own)
        which: dict[str, Any] = {
            "free_label": free_label, "free_value": free_value, "block": block,
            "data_set": data_set, "anisotropic_mean": anisotropic_mean or None,
        }  # fmt: skip
        intensities = of_intensities or french_wilson
        read, structure = model_and_structure(
            model,
            source=source,
            crystal=lambda: amplitudes_of(data, intensities=intensities, **which).crystal,
            **reading,
        )
        found = read_data(data, read.crystal, intensities=intensities, **which)
        if french_wilson and found.means.intensities is None:
            raise ReflectionsError(
                f"french_wilson needs intensities; {found.means.description} are amplitudes"
            )
        calculation, about_wavelength = with_wavelength(calculation, found, model)
        used_wavelength = wavelength_of(calculation)
        read, calculation, about_scattering = numerical_scattering(
            model, read, calculation, reading.get("block")
        )
        crystal, atoms = read.crystal, read.atoms
        riding, about_riding = hydrogens_for(hydrogens, structure, atoms, source, calculation)
        notes.extend([*read.notes, *about_riding, *about_scattering, *about_wavelength])
        observed = observed_for(
            crystal,
            found,
            d_min=d_min,
            sigma_cutoff=sigma_cutoff,
            use_free=use_free,
            weigh_by_sigma=weights == "sigma",
            of_intensities=of_intensities,
            keep_pairs=compares_mates(found, calculation, atoms.scatterers),
        )
        hkl, by_default = observed.f_obs.hkl, radii == "auto"
        check_time_of_fit(len(atoms), len(hkl), force=calculation.force)
        masked = None
        if solvent not in UNMASKED:
            masked = masked_solvent(
                crystal, atoms, hkl, calculation, "refmac" if by_default else radii,
                solvent_mask, d_mask, has_layer=solvent != "flat", is_smooth=smooth_mask,
            )  # fmt: skip
        components = UnscaledModel(
            crystal, atoms, hkl, calculation, masked, solvent == "babinet",
            riding if hydrogens is True else None,
        )  # fmt: skip
        notes.extend([*components.of_atoms.factors.notes, *observed.notes])
        settings = FitSettings(
            source, solvent, target, search_mask, reject_outliers,
            *laws_to_try(crystal, twin, notes), progress,
            riding if hydrogens == "auto" else None, by_default and solvent == "auto",
        )  # fmt: skip
        self._setup = Setup(
            read.name or "model", observed, components, settings, use_free, notes.records(),
            used_wavelength or observed.f_obs.wavelength, AtomSource.of(model), fill_missing,
            free_in_maps, missing_density,
        )  # fmt: skip
        self._fitted: FittedModel | None = None

    def __repr__(self) -> str:
        text = f"<friedel.FModel {self.name}, {len(self.f_obs)} reflections"
        if self._fitted is None:
            return f"{text}, not fitted>"
        free = "" if self.r_free is None else f", R_free {self.r_free:.4f}"
        return f"{text}, R_work {self.r_work:.4f}{free}>"

    def _repr_html_(self) -> str:
        return f"<pre>{self!r}</pre>" if self._fitted is None else self._fitted._repr_html_()

    def fit(self, start: ScaleParameters | None = None, fixed: Collection[str] = ()) -> FittedModel:
        """Fit the scales and the solvent to F_obs.

        A search of the mask starts at the result of the last search.

        Parameters
        ----------
        start, fixed
            Starting values, and names of parameters held at them; see :func:`friedel.scaling.fit`.
            By default the fit searches for the best flat solvent, whatever its density; see
            :func:`friedel.scaling.start_of_fit`. From `start` it goes to the nearest minimum.

        Returns
        -------
        FittedModel
            An immutable result; a repeated fit returns a new one.

        Raises
        ------
        ReflectionsError
            When there are not more reflections than parameters, amplitudes are beyond 1e70, or
            F_calc falls off so steeply that scaled amplitudes overflow.
        """
        self._fitted = fitted_model(self._setup, start, fixed)
        self._setup = self._fitted._setup
        return self._fitted

    @property
    def fitted(self) -> FittedModel:
        """The result of the last :meth:`fit`; the attributes below are taken from it.

        Raises
        ------
        FriedelError
            When :meth:`fit` was not called.
        """
        if self._fitted is None:
            raise FriedelError("the scales are not fitted yet: call fit() first")
        return self._fitted

    @property
    def rejected(self) -> np.ndarray:
        """(n,) bool: which of `f_obs` the last fit left out as outliers.

        See `reject_outliers`; none before :meth:`fit`.
        """
        return np.zeros(len(self.f_obs), bool) if self._fitted is None else self._fitted.rejected

    @property
    def twin_law(self) -> str | None:
        """The twin law of the fit; see :attr:`FittedModel.twin_law`."""
        return None if self._fitted is None else self._fitted.twin_law

    @property
    def twin_laws(self) -> tuple[str, ...]:
        """The twin law of each further domain; none before :meth:`fit`."""
        return () if self._fitted is None else self._fitted.twin_laws

    @property
    def has_solvent(self) -> bool:
        """Whether the fit included solvent; before a fit, whether it can."""
        if self._fitted is None:
            return self._setup.components.has_solvent
        return self._fitted.has_solvent

    @property
    def notes(self) -> tuple[Note, ...]:
        """Decisions made for the user, and doubtful results."""
        return self._setup.notes if self._fitted is None else self._fitted.notes

    @property
    def result(self) -> ScalingFit:
        """The result of the fit, see :attr:`FittedModel.result`."""
        return self.fitted.result

    @property
    def scales(self) -> ScaleParameters:
        """The fitted k_overall, b_overall, k_sol and b_sol."""
        return self.fitted.scales

    @property
    def f_model(self) -> Reflections:
        """F_model, complex, on the scale of F_obs; see :attr:`FittedModel.f_model`."""
        return self.fitted.f_model

    @property
    def amplitudes(self) -> np.ndarray:
        """(n,) amplitudes to compare with F_obs; see :attr:`FittedModel.amplitudes`."""
        return self.fitted.amplitudes

    @property
    def with_fixed_mask(self) -> FixedMaskModel:
        """F_model as a function of atoms and scales, with a fixed mask."""
        return self.fitted.with_fixed_mask

    @property
    def with_moving_mask(self) -> MovingMaskModel:
        """F_model as a function of atoms and scales; its smooth mask follows the atoms."""
        return self.fitted.with_moving_mask

    @property
    def r_all(self) -> float:
        """R-factor of all reflections used."""
        return self.fitted.r_all

    @property
    def r_work(self) -> float:
        """R-factor of all reflections that are not in the free set."""
        return self.fitted.r_work

    @property
    def r_free(self) -> float | None:
        """R-factor of the free set; None when there is no such set."""
        return self.fitted.r_free

    @property
    def r1(self) -> float | None:
        """R1 of a fit to intensities; see :attr:`FittedModel.r1`."""
        return self.fitted.r1

    @property
    def wr2(self) -> float | None:
        """wR2 of a fit to intensities; see :attr:`FittedModel.wr2`."""
        return self.fitted.wr2

    @property
    def outliers(self) -> list[Outlier]:
        """Outliers, the largest residual first."""
        return self.fitted.outliers

    @property
    def phase_statistics(self) -> PhaseStatistics:
        """sigma_A, and m and D of each reflection."""
        return self.fitted.phase_statistics

    def adjoint(
        self, atoms: Atoms | None, w: np.ndarray, *, anomalous: bool = False
    ) -> FModelGradients:
        """Derivatives of a target by atoms and scales; see :meth:`FittedModel.adjoint`."""
        return self.fitted.adjoint(atoms, w, anomalous=anomalous)

    def table(self, n_shells: int = 10) -> list[Shell]:
        """Statistics by resolution shell; see :meth:`FittedModel.table`."""
        return self.fitted.table(n_shells)

    def summary(self, n_shells: int = 10, *, notes: bool = True) -> str:
        """The result as text; see :meth:`FittedModel.summary`."""
        return self.fitted.summary(n_shells, notes=notes)

    def to_dict(self, n_shells: int = 10, **options: Any) -> dict[str, Any]:
        """The result as numbers and text; see :meth:`FittedModel.to_dict`."""
        return self.fitted.to_dict(n_shells, **options)

    def to_json(
        self,
        path: str | PathLike[str],
        *,
        overwrite: bool = False,
        command: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Write :meth:`to_dict` to a file; see :meth:`FittedModel.to_json`."""
        self.fitted.to_json(path, overwrite=overwrite, command=command, more=more)

    def difference_density(self, n: int = 20) -> "DifferenceDensity":
        """Peaks and holes of mFo-DFc; see :meth:`FittedModel.difference_density`."""
        return self.fitted.difference_density(n)

    def residues(self, radius: float | None = None) -> "ResidueAgreement":
        """RSCC and RSR by residue; see :meth:`FittedModel.residues`."""
        return self.fitted.residues(radius)

    def omit(self, selection: str | np.ndarray, **options: Any) -> "OmitMap":
        """Leave atoms out, fit again; see :meth:`FittedModel.omit`."""
        return self.fitted.omit(selection, **options)

    def map_coefficients(self, **options: bool) -> tuple[Reflections, Reflections]:
        """Coefficients of two maps; see :meth:`FittedModel.map_coefficients`."""
        return self.fitted.map_coefficients(**options)

    def anomalous_map_coefficients(self) -> Reflections:
        """Coefficients of a map; see :meth:`FittedModel.anomalous_map_coefficients`."""
        return self.fitted.anomalous_map_coefficients()

    def to_mtz(
        self, path: str | PathLike[str], *, overwrite: bool = False, command: str | None = None
    ) -> None:
        """Write an MTZ file; see :meth:`FittedModel.to_mtz`."""
        self.fitted.to_mtz(path, overwrite=overwrite, command=command)

    def to_cif(
        self, path: str | PathLike[str], *, overwrite: bool = False, command: str | None = None
    ) -> None:
        """Write a structure-factor mmCIF; see :meth:`FittedModel.to_cif`."""
        self.fitted.to_cif(path, overwrite=overwrite, command=command)


def as_fitted(model: FModel | FittedModel) -> FittedModel:
    """The fitted model itself, or the result of the last fit of an FModel.

    Raises
    ------
    FriedelError
        When it was not fitted.
    """
    return model.fitted if isinstance(model, FModel) else model
