"""FittedModel: the immutable result of a fit, as numbers, text and files."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from html import escape
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from friedel.errors import ReflectionsError
from friedel.fmodel import report
from friedel.fmodel.columns import mtz_columns
from friedel.fmodel.fit import fit_fmodel
from friedel.fmodel.scaled import ScaledModel
from friedel.fmodel.setup import Setup
from friedel.fmodel.shells import Shell, shell_table
from friedel.html import folded
from friedel.scaling import ScaleParameters

if TYPE_CHECKING:
    from friedel.fmodel.groups import GroupScales
    from friedel.fmodel.isomorphous import IsomorphousDifference
    from friedel.fmodel.omit import OmitMap
    from friedel.maps.difference_density import DifferenceDensity
    from friedel.maps.residue_agreement import ResidueAgreement


@dataclass(frozen=True, eq=False, repr=False)
class FittedModel(ScaledModel):
    """A model fitted to its data: scales, F_model, R-factors, phases, text and files.

    :meth:`friedel.FModel.fit` makes it. It and its arrays are immutable; another fit returns a
    new one. Statistics are calculated on first use, and kept.

    Examples
    --------
    >>> fitted = friedel.FModel("model.pdb", "data.mtz").fit()  # doctest: +SKIP
    >>> print(fitted.summary())  # doctest: +SKIP
    >>> fitted.to_mtz("fmodel.mtz")  # doctest: +SKIP
    """

    def __repr__(self) -> str:
        free = "" if self.r_free is None else f", R_free {self.r_free:.4f}"
        return (
            f"<friedel.FittedModel {self.name}, {len(self.f_obs)} reflections, "
            f"R_work {self.r_work:.4f}{free}>"
        )

    def _repr_html_(self) -> str:
        free = "" if self.r_free is None else f", R<sub>free</sub> {self.r_free:.4f}"
        head = f"<b>{escape(self.name)}</b>: R<sub>work</sub> {self.r_work:.4f}{free}"
        return folded(head, self.summary())

    def fit(
        self, start: ScaleParameters | None = None, fixed: Collection[str] = ()
    ) -> "FittedModel":
        """Fit once more, with the mask that this fit found; returns another FittedModel.

        Parameters and errors are those of :meth:`friedel.FModel.fit`.
        """
        return fitted_model(self._setup, start, fixed)

    def table(self, n_shells: int = 10) -> list[Shell]:
        """Statistics by resolution shell, low resolution first, about equal numbers in each.

        Parameters
        ----------
        n_shells
            Number of shells; fewer if each would have less than 20 reflections.

        Raises
        ------
        ParameterError
            When `n_shells` is less than 1.
        """
        return shell_table(self, n_shells)

    def difference_density(self, n: int = 20) -> "DifferenceDensity":
        """Extremes of the mFo-DFc map, and its highest peaks and deepest holes.

        Heights are on the absolute scale (electrons/Å^3 for X-rays), those of m F_obs - D F_model
        without further factor. Of the symmetry copies of a peak the one nearest to an atom of the
        model is listed.

        Parameters
        ----------
        n
            Largest number of peaks and of holes.

        Raises
        ------
        ParameterError
            When `n` is not a positive integer.
        """
        from friedel.fmodel.difference_maps import difference_peaks

        return difference_peaks(self, n)

    def anomalous_density(self, n: int = 20) -> "DifferenceDensity":
        """Extremes of the anomalous difference map, and its highest peaks and deepest holes.

        The coefficients are those of :meth:`anomalous_map_coefficients`, on the absolute scale.

        Parameters
        ----------
        n
            Largest number of peaks and of holes.

        Raises
        ------
        ReflectionsError
            When the data have no F(+) and F(-).
        ParameterError
            When `n` is not a positive integer.
        """
        from friedel.fmodel.difference_maps import anomalous_peaks

        return anomalous_peaks(self, n)

    def residues(self, radius: float | None = None) -> "ResidueAgreement":
        """RSCC and RSR by residue: the 2mFo-DFc map against that of F_model near its atoms.

        Parameters
        ----------
        radius
            Distance from an atom within which maps are compared, Å; by default 1, 1.5, 2 or 2.5 for
            a resolution below 1, 2, 4 Å or above, as in phenix.real_space_correlation.

        Raises
        ------
        ParameterError
            When the model was not read from the file or structure of a macromolecule.
        """
        from friedel.fmodel.difference_maps import residues_of

        return residues_of(self, radius)

    def groups(self, selections: Mapping[str, str | np.ndarray] | None = None) -> "GroupScales":
        """Scale and B of groups of atoms whose occupancies or B are off; no model is changed.

        F_calc of each group is multiplied by k exp(-dB stol2), and all k and dB are fitted together
        to F_obs^2 of the work set, by least squares with a variance and an incoherent intensity for
        each resolution shell, beside a curve and a tensor that scale F_model, and the scale and B
        of the solvent. Results are relative to a reference group, the median by numbers of atoms,
        as a factor or B of all groups is one of the overall scale. Standard uncertainties are those
        by errors that are alike in all groups; where coordinates are wrong they are up to twice as
        large.

        Parameters
        ----------
        selections
            Groups by name: selections in gemmi's syntax (``"//B/(LIG)"``) or (n,) booleans; all
            other atoms are one more group. By default main chain, side chains, ligands and water of
            a macromolecule, and in a second fit each chain of a polymer, if there are several.

        Raises
        ------
        ParameterError
            When there are no two groups with atoms, an atom is in two of them, or the names of the
            atoms are unknown.
        """
        from friedel.fmodel.groups import group_scales

        return group_scales(self, selections)

    def omit(
        self, selection: str | np.ndarray, *, polder: bool = False, radius: float = 5.0
    ) -> "OmitMap":
        """Leave atoms out of F_calc, fit again, and read the difference map where they were.

        Parameters
        ----------
        selection
            The atoms, in gemmi's syntax (``"A/10-12"``, ``"//B/(LIG)"``), or (n,) booleans.
        polder
            Whether the solvent is kept away from their site, as if they were there; by default it
            fills it. The three correlations of [Liebschner2017] are then given; they take two
            further fits.
        radius
            Distance from the atoms within which there is no solvent in a polder map, Å.

        Raises
        ------
        ParameterError
            When the selection cannot be read or has no atoms, or a text is given for a model that
            was not read from the file or structure of a macromolecule.
        AtomsError
            When no atoms remain.
        """
        from friedel.fmodel.omit import omit

        return omit(self, selection, polder=polder, radius=radius)

    def isomorphous_difference(self, other: Any) -> "IsomorphousDifference":
        """F_obs minus the amplitudes of another crystal, with the phases of F_model.

        The other amplitudes are scaled to F_obs by a factor and an anisotropic B, and the
        differences weighted; the result says how.

        Parameters
        ----------
        other
            Amplitudes in any form that :class:`friedel.FModel` accepts as data, of a crystal with
            a similar cell and the same symmetry.

        Raises
        ------
        CellError, SymmetryError
            When the crystals differ.
        ReflectionsError
            When there are less than 50 common reflections.
        """
        from friedel.fmodel.isomorphous import isomorphous_difference

        return isomorphous_difference(self, other)

    def summary(self, n_shells: int = 10, *, notes: bool = True) -> str:
        """The result as text: R-factors, parameters, the table by shell, the notes.

        Parameters
        ----------
        n_shells
            See :meth:`table`.
        notes
            Whether to include the notes.
        """
        return report.summary(self, n_shells, notes=notes)

    def to_dict(
        self,
        n_shells: int = 10,
        *,
        command: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The result as numbers and text for JSON; NaN becomes None.

        Parameters
        ----------
        n_shells
            See :meth:`table`.
        command
            The command line that made the result, stored with the version.
        more
            Further entries, such as ``{"difference_density": fitted.difference_density(20)}``;
            results with a method `to_dict` or `records` are converted.
        """
        return report.as_dict(self, n_shells, command) | report.entries(more or {})

    def to_json(
        self,
        path: str | PathLike[str],
        *,
        overwrite: bool = False,
        command: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Write :meth:`to_dict` to a file.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.json_files import write_json

        write_json(path, self.to_dict(command=command, more=more), overwrite=overwrite)

    def to_mtz(
        self, path: str | PathLike[str], *, overwrite: bool = False, command: str | None = None
    ) -> None:
        """Write observed and calculated columns to an MTZ file.

        FP, SIGFP, FREE (0 is the free set, as in CCP4) as observed; FC/PHIC and FMASK/PHIMASK on
        their own scale; FMODEL/PHIFMODEL, FOM, FWT/PHWT and DELFWT/PHDELWT on the scale of FP;
        FILLED, 1 where FWT is D F_model because F_obs is missing. FWT is that of
        :meth:`map_coefficients`; DELFWT is twice the difference there for acentric reflections, as
        REFMAC writes, so that FWT - DELFWT is D F_model. With :attr:`missing_density`,
        FMISS/PHIMISS are its structure factors, and FWT_ATOMS/PHWT_ATOMS and
        DELFWT_ATOMS/PHDELWT_ATOMS the coefficients without it. The cell is the model's. These
        columns have one row per Friedel pair. For data with such pairs F(+), SIGF(+), F(-), SIGF(-)
        have both mates, DANO and SIGDANO their difference, and ANOM/PHANOM the coefficients of the
        anomalous difference map, see :meth:`anomalous_map_coefficients`. The data set has the
        wavelength; HISTORY holds the version, what the columns of maps are, the notes and the
        command line `command`, if given.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.mtz import write_mtz

        self._write(write_mtz, path, overwrite=overwrite, command=command)

    def to_cif(
        self, path: str | PathLike[str], *, overwrite: bool = False, command: str | None = None
    ) -> None:
        """Write a structure-factor mmCIF: the columns of :meth:`to_mtz` that mmCIF has names for.

        ``_audit.creation_method`` holds what HISTORY holds in an MTZ file.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.text import write_sf_cif

        self._write(write_sf_cif, path, overwrite=overwrite, command=command)

    def _write(self, writer: Callable[..., None], path: str | PathLike[str], **told: Any) -> None:
        """Write the columns, with what they hold and the notes, by a writer of files."""
        hkl, columns, about = mtz_columns(self)
        notes = (*about, *self.notes)
        writer(path, self.crystal, hkl, columns, notes=notes, wavelength=self.wavelength, **told)


@np.errstate(over="ignore", invalid="ignore")  # that the result is finite is checked
def fitted_model(
    setup: Setup, start: ScaleParameters | None = None, fixed: Collection[str] = ()
) -> FittedModel:
    """The result of a fit; arguments and errors are those of :meth:`friedel.FModel.fit`."""
    components = setup.components.with_missing(None)
    outcome = fit_fmodel(components, setup.observed, setup.settings, start, fixed)
    if setup.missing_density is not None:
        from friedel.fmodel.missing_density import with_missing_density

        outcome = with_missing_density(outcome, setup, fixed)
    fitted = FittedModel(replace(setup, components=outcome.unscaled), outcome)
    if not np.isfinite(fitted.amplitudes).all():
        raise ReflectionsError(
            "F_model overflows at some reflections: the data do not determine its scales"
        )
    return fitted
