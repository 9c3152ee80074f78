"""Module paths of version 0.1.0: each still gives the names that it held.

Python calls the finder here only for modules that no other finder has found.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOVED = {
    "friedel.adjoint": ("friedel.structure_factors.adjoint",),
    "friedel.atoms": ("friedel.model.atoms", "friedel.model.tensors"),
    "friedel.bijvoet": ("friedel.reflections.bijvoet",),
    "friedel.calculator": ("friedel.structure_factors.calculator", "friedel.runtime.threads"),
    "friedel.comparison": ("friedel.reflections.agreement",),
    "friedel.crystal": (
        "friedel.model.crystal",
        "friedel.model.operations",
    ),
    "friedel.density_adjoint": ("friedel.compat.old_density",),
    "friedel.direct.along_rows": ("friedel.direct.row_sums",),
    "friedel.direct.blocks": ("friedel.direct.atom_blocks",),
    "friedel.direct.few_atoms": ("friedel.direct.table_sums",),
    "friedel.direct.pieces": ("friedel.runtime.threads",),
    "friedel.direct.setting": ("friedel.direct.symmetry",),
    "friedel.direct.sums": ("friedel.direct.direct_sum",),
    "friedel.dispersion": ("friedel.scattering.dispersion",),
    "friedel.dispersion.chantler": ("friedel.scattering.dispersion.chantler",),
    "friedel.dispersion.cromer_liberman": ("friedel.scattering.dispersion.cromer_liberman",),
    "friedel.dispersion.edges": ("friedel.scattering.dispersion.edges",),
    "friedel.elements": ("friedel.model.elements",),
    "friedel.fft": ("friedel.density.pruned_fft",),
    "friedel.figures": ("friedel.plots.blank_figure",),
    "friedel.fmodel_adjoint": ("friedel.fmodel.adjoint",),
    "friedel.fmodel_fit": ("friedel.fmodel.fit",),
    "friedel.fmodel_options": ("friedel.fmodel.options",),
    "friedel.formfactors": ("friedel.scattering.formfactors",),
    "friedel.formfactors.exact": ("friedel.scattering.formfactors.exact",),
    "friedel.formfactors.fitting": ("friedel.scattering.formfactors.fitting",),
    "friedel.formfactors.gaussians": ("friedel.scattering.formfactors.gaussians",),
    "friedel.formfactors.isotopes": (
        "friedel.scattering.formfactors.isotopes",
        "friedel.scattering.formfactors.periodictable_lengths",
    ),
    "friedel.formfactors.published": ("friedel.scattering.formfactors.published",),
    "friedel.formfactors.refits": ("friedel.scattering.formfactors.refits",),
    "friedel.formfactors.scattering": ("friedel.scattering.formfactors.scattering",),
    "friedel.formfactors.tables": ("friedel.scattering.formfactors.tables",),
    "friedel.fourier": (
        "friedel.density.fourier",
        "friedel.compat.reciprocal_grid",
        "friedel.compat.asu_data",
        "friedel.compat.transforms",
    ),
    "friedel.friedel_pairs": ("friedel.reflections.friedel_pairs",),
    "friedel.gradients": ("friedel.structure_factors.gradients",),
    "friedel.grid": ("friedel.density.grid", "friedel.compat.float_grid"),
    "friedel.gridsum": ("friedel.structure_factors.grid_sum",),
    "friedel.hydrogens": ("friedel.model.riding_hydrogens",),
    "friedel.io": ("friedel.readers",),
    "friedel.io.atom_types": ("friedel.readers.atom_types",),
    "friedel.io.calculated": ("friedel.readers.calculated",),
    "friedel.io.data": ("friedel.readers.amplitudes",),
    "friedel.io.exports": ("friedel.writers.text",),
    "friedel.io.fcf": ("friedel.writers.fcf",),
    "friedel.io.gemmi_objects": (
        "friedel.readers.gemmi_models",
        "friedel.readers.symmetry",
        "friedel.readers.model_decisions",
        "friedel.readers.model_files",
    ),
    "friedel.io.hklf": ("friedel.readers.hklf",),
    "friedel.io.hydrogens": (
        "friedel.readers.added_hydrogens",
        "friedel.compat.old_hydrogens",
    ),
    "friedel.io.maps": ("friedel.readers.maps",),
    "friedel.io.models": (
        "friedel.readers.models",
        "friedel.model.model",
        "friedel.model.special_positions",
    ),
    "friedel.io.reading": ("friedel.readers.reading",),
    "friedel.io.refinement": ("friedel.readers.stated_refinement",),
    "friedel.io.reflection_lists": ("friedel.readers.reflection_lists",),
    "friedel.io.twins": ("friedel.readers.twin_laws",),
    "friedel.io.writers": (
        "friedel.writers.mtz",
        "friedel.writers.files",
        "friedel.writers.maps",
        "friedel.writers.gemmi_objects",
        "friedel.writers.dataframes",
    ),
    "friedel.laue": ("friedel.model.laue",),
    "friedel.mask": ("friedel.solvent.flat_mask",),
    "friedel.model_statistics": ("friedel.fmodel.statistics",),
    "friedel.observed": ("friedel.fmodel.observed",),
    "friedel.parallel": ("friedel.runtime.threads",),
    "friedel.placement": ("friedel.density.atoms_on_grid", "friedel.compat.old_density"),
    "friedel.plots_data": ("friedel.plots.data",),
    "friedel.plots_elements": ("friedel.plots.scattering",),
    "friedel.plots_model": ("friedel.plots.density",),
    "friedel.reach": ("friedel.density.radii",),
    "friedel.report": (
        "friedel.fmodel.report",
        "friedel.fmodel.columns",
        "friedel.fmodel.scaled",
    ),
    "friedel.sampling": (
        "friedel.accuracy.plan",
        "friedel.accuracy.model",
        "friedel.accuracy.search",
    ),
    "friedel.scaling.start": ("friedel.scaling.quick_start",),
    "friedel.shells": (
        "friedel.fmodel.shells",
        "friedel.reflections.agreement",
    ),
    "friedel.shortcuts": (
        "friedel.structure_factors.fcalc",
        "friedel.structure_factors.model_density",
        "friedel.structure_factors.scattering_options",
    ),
    "friedel.sigmaa": (
        "friedel.fmodel.sigma_a",
        "friedel.fmodel.sigma_a_laws",
        "friedel.reflections.mean_intensity",
    ),
    "friedel.smooth_mask": ("friedel.solvent.smooth_mask",),
    "friedel.starts": ("friedel.fmodel.flat_solvent_fits", "friedel.compat.old_starts"),
    "friedel.tails": ("friedel.accuracy.truncation", "friedel.compat.old_tails"),
    "friedel.structure_factors.ensemble": ("friedel.ensemble.members",),
    "friedel.targets": ("friedel.structure_factors.refinement_targets",),
    "friedel.twinning": ("friedel.fmodel.twinning",),
    "friedel.unscaled": ("friedel.fmodel.model_components",),
    "friedel.warmup": ("friedel.cli.compile_kernels",),
    "friedel.wilson": ("friedel.accuracy.wilson",),
    "friedel.workspace": ("friedel.runtime.memory",),
}
"""Modules that now hold the names of an old path, searched in order for a name."""

RENAMED = {
    ("friedel.direct.blocks", "Model"): "WeightedAtoms",
    ("friedel.direct.blocks", "is_far"): "may_overflow",
    ("friedel.direct.sums", "structure_factors"): "direct_structure_factors",
    ("friedel.gridsum", "PlannedSum"): "GridSum",
    ("friedel.gridsum", "check_room"): "check_memory_for",
    ("friedel.mask", "Operation"): "MatrixAndShift",
    ("friedel.sigmaa", "rice_surprise"): "rice_negative_log_likelihood",
}
"""New names of renamed objects, by old path and old name."""


def held_by(modules: Sequence[str], name: str, path: str) -> Any:
    """The value of a name that the module at `path` held.

    Raises
    ------
    AttributeError
        When none of `modules` has it.
    """
    new_name = RENAMED.get((path, name), name)
    for module in modules:
        try:
            return getattr(import_module(module), new_name)
        except AttributeError:
            continue
    raise AttributeError(f"module {path!r} has no attribute {name!r}")


class OldPaths:
    """Finds and makes the modules of :data:`MOVED`.

    The abstract classes of importlib are left out: importing them doubles the time that
    ``import friedel`` takes.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification of a module that moved, None for any other."""
        del path, target
        if fullname not in MOVED:
            return None
        return ModuleSpec(fullname, self, is_package=fullname in PACKAGES)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return None: Python then makes an empty module."""
        del spec
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Let the module look up names where they are now."""
        modules, path = MOVED[module.__name__], module.__name__
        module.__doc__ = f"Moved to {', '.join(modules)}."
        module.__getattr__ = lambda name: held_by(modules, name, path)  # type: ignore[method-assign]


PACKAGES = {path for path in MOVED if any(other.startswith(path + ".") for other in MOVED)}


def install() -> None:
    """Register the finder of old paths after all others."""
    if not any(isinstance(finder, OldPaths) for finder in sys.meta_path):
        sys.meta_path.append(OldPaths())
