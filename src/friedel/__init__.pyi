"""Types of the public names, which are looked up when first used; the others are gemmi's."""

from typing import Any

from friedel.data_report.describe import describe_data as describe_data
from friedel.data_report.report import DataReport as DataReport
from friedel.density.grid import Grid as Grid
from friedel.density.map_box import MapBox as MapBox
from friedel.ensemble.members import (
    Ensemble as Ensemble,
)
from friedel.errors import (
    AccuracyError as AccuracyError,
    AtomsError as AtomsError,
    CellError as CellError,
    ElementError as ElementError,
    EnergyError as EnergyError,
    FileFormatError as FileFormatError,
    FriedelError as FriedelError,
    FriedelWarning as FriedelWarning,
    GuessError as GuessError,
    MemoryLimitError as MemoryLimitError,
    MissingCellError as MissingCellError,
    MissingDependencyError as MissingDependencyError,
    OutputError as OutputError,
    ParameterError as ParameterError,
    ReflectionsError as ReflectionsError,
    ResolutionError as ResolutionError,
    SymmetryError as SymmetryError,
    TimeLimitError as TimeLimitError,
)
from friedel.fmodel.fitted import (
    FittedModel as FittedModel,
)
from friedel.fmodel.fmodel import (
    FModel as FModel,
)
from friedel.map_model.correlation import (
    MapModelCorrelation as MapModelCorrelation,
    map_model_correlation as map_model_correlation,
)
from friedel.map_model.fsc import (
    FSC as FSC,
    fourier_shell_correlation as fourier_shell_correlation,
)
from friedel.map_model.map_transform import (
    f_of_map as f_of_map,
    fit_scale_and_b as fit_scale_and_b,
)
from friedel.map_model.soft_mask import soft_mask as soft_mask
from friedel.maps.coefficients import map_from_coefficients as map_from_coefficients
from friedel.maps.model_map import map_of_model as map_of_model
from friedel.maps.peak_table import Peaks as Peaks
from friedel.maps.peaks import find_peaks as find_peaks
from friedel.model.atoms import (
    Atoms as Atoms,
)
from friedel.model.crystal import (
    Crystal as Crystal,
)
from friedel.notes import (
    Note as Note,
)
from friedel.plots.data import (
    plot_map as plot_map,
    plot_outliers as plot_outliers,
    plot_wilson as plot_wilson,
)
from friedel.plots.data_report import plot_data_report as plot_data_report
from friedel.plots.density import (
    plot_cost as plot_cost,
    plot_section as plot_section,
)
from friedel.plots.ensemble import plot_ensemble as plot_ensemble
from friedel.plots.fmodel import (
    plot_fmodel as plot_fmodel,
)
from friedel.plots.intensities import (
    plot_bijvoet_pairs as plot_bijvoet_pairs,
    plot_intensities as plot_intensities,
)
from friedel.plots.maps import (
    plot_fsc as plot_fsc,
    plot_residues as plot_residues,
)
from friedel.plots.scattering import (
    plot_dispersion as plot_dispersion,
    plot_form_factors as plot_form_factors,
)
from friedel.readers.amplitudes import (
    as_reflections as as_reflections,
)
from friedel.readers.calculated import (
    read_calculated as read_calculated,
)
from friedel.readers.form_factors import (
    read_form_factors as read_form_factors,
)
from friedel.readers.map_coefficients import read_map_coefficients as read_map_coefficients
from friedel.readers.maps import (
    read_map as read_map,
    read_map_box as read_map_box,
)
from friedel.readers.models import (
    as_crystal as as_crystal,
    as_model as as_model,
)
from friedel.reflections.agreement import (
    Agreement as Agreement,
    agreement as agreement,
)
from friedel.reflections.french_wilson import (
    french_wilson as french_wilson,
)
from friedel.reflections.friedel_pairs import (
    FriedelPairs as FriedelPairs,
)
from friedel.reflections.reflections import (
    Reflections as Reflections,
)
from friedel.reflections.twin_statistics import (
    HTest as HTest,
    LTest as LTest,
    h_test as h_test,
    l_test as l_test,
)
from friedel.runtime.memory import (
    release_memory as release_memory,
)
from friedel.scattering.atom_form_factors import (
    AtomFormFactors as AtomFormFactors,
)
from friedel.scattering.dispersion import (
    anomalous as anomalous,
    cromer_liberman as cromer_liberman,
    dispersion_notes as dispersion_notes,
)
from friedel.scattering.dispersion.edges import (
    absorption_edges as absorption_edges,
)
from friedel.scattering.formfactors import (
    FormFactorTable as FormFactorTable,
    GaussianSum as GaussianSum,
    fit_gaussians as fit_gaussians,
    form_factor_table as form_factor_table,
    neutron_length as neutron_length,
)
from friedel.smallmolecule import (
    IntensityFit as IntensityFit,
    fit_intensities as fit_intensities,
)
from friedel.solvent.flat_mask import (
    MaskParameters as MaskParameters,
)
from friedel.structure_factors.calculator import (
    Calculator as Calculator,
)
from friedel.structure_factors.fcalc import fcalc as fcalc
from friedel.structure_factors.gradients import (
    Gradients as Gradients,
)
from friedel.structure_factors.model_density import model_density as model_density
from friedel.structure_factors.options import CalculationOptions as CalculationOptions

__version__: str

def __getattr__(name: str) -> Any: ...
