"""Module paths of version 0.1.0 hand out what they held."""

from importlib import import_module

import pytest

from friedel.compat.old_paths import MOVED

HELD = {
    "friedel.atoms": ("Atoms", "expand_strict_ncs", "VOIGT"),
    "friedel.calculator": ("Calculator", "checked_threads"),
    "friedel.crystal": ("Crystal", "parse_triplet", "complete_group"),
    "friedel.density": ("sample", "add_atoms"),
    "friedel.dispersion": ("anomalous", "cromer_liberman"),
    "friedel.dispersion.edges": ("absorption_edges",),
    "friedel.direct": ("DirectSum", "structure_factors"),
    "friedel.direct.sums": ("DirectSum", "structure_factors"),
    "friedel.ensemble": ("Ensemble", "structure_factors"),
    "friedel.fmodel": ("FModel",),
    "friedel.formfactors": ("form_factor_table", "GaussianSum"),
    "friedel.fourier": ("structure_factors", "transform_map_to_f_phi", "ReciprocalGrid"),
    "friedel.grid": ("FloatGrid", "grid_shape"),
    "friedel.io.data": ("as_reflections",),
    "friedel.io.models": ("as_model", "as_crystal", "Model", "site_symmetry_order"),
    "friedel.io.writers": ("write_mtz", "write_atomically"),
    "friedel.mask": ("MaskParameters", "solvent_mask"),
    "friedel.plots": ("plot_fmodel",),
    "friedel.reflections": ("Reflections", "checked_hkl"),
    "friedel.sampling": ("Plan", "Fixed", "cheapest"),
    "friedel.scaling": ("fit", "ScaleParameters", "r_factor"),
    "friedel.shells": ("Shell", "worst_shell_error"),
    "friedel.shortcuts": ("fcalc", "model_density"),
    "friedel.sigmaa": ("phase_statistics", "mean_intensity"),
    "friedel.solvent": ("MaskedSolvent",),
    "friedel.targets": ("least_squares", "maximum_likelihood"),
}


@pytest.mark.parametrize("path", HELD)
def test_an_old_path_hands_out_its_names(path):
    for name in HELD[path]:
        assert getattr(import_module(path), name) is not None, name


@pytest.mark.parametrize("path", MOVED)
def test_every_old_path_leads_to_modules(path):
    import_module(path)
    for module in MOVED[path]:
        import_module(module)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute"):
        import_module("friedel.atoms").nothing  # noqa: B018
