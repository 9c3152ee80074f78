"""Refinement stated in the CIF of a small structure: R-factors, weights, extinction."""

import re
from dataclasses import dataclass
from os import PathLike
from typing import Any

import gemmi
import numpy as np

from friedel.errors import FileFormatError
from friedel.readers.cif_items import block_of_model, read_cif


@dataclass(frozen=True)
class StatedRefinement:
    """Refinement data of a CIF; None for values that it does not state.

    Attributes
    ----------
    wavelength
        Wavelength, Å.
    r1, r1_all
        R1 of the reflections above the threshold and of all.
    wr2
        wR2 of all reflections.
    goodness_of_fit
        Goodness of fit S of all reflections.
    r_int, r_sigma
        R_int and R_sigma of merging.
    n_parameters, n_observed, n_reflections
        Numbers of parameters and reflections.
    weights
        a and b of SHELX's weights.
    extinction
        x of SHELX's extinction formula.
    flack, flack_su
        Flack parameter and its standard uncertainty.
    density_max, density_min, density_rms
        Extremes and root mean square of the final difference density, e/Å^3.
    """

    wavelength: float | None = None
    r1: float | None = None
    r1_all: float | None = None
    wr2: float | None = None
    goodness_of_fit: float | None = None
    r_int: float | None = None
    r_sigma: float | None = None
    n_parameters: int | None = None
    n_observed: int | None = None
    n_reflections: int | None = None
    weights: tuple[float, float] | None = None
    extinction: float | None = None
    flack: float | None = None
    flack_su: float | None = None
    density_max: float | None = None
    density_min: float | None = None
    density_rms: float | None = None


_NUMBERS = {
    "wavelength": ("_diffrn_radiation_wavelength",),
    "r1": ("_refine_ls_R_factor_gt", "_refine_ls_R_factor_obs"),
    "r1_all": ("_refine_ls_R_factor_all",),
    "wr2": ("_refine_ls_wR_factor_ref", "_refine_ls_wR_factor_all"),
    "goodness_of_fit": ("_refine_ls_goodness_of_fit_ref", "_refine_ls_goodness_of_fit_all"),
    "r_int": ("_diffrn_reflns_av_R_equivalents",),
    "r_sigma": ("_diffrn_reflns_av_unetI/netI", "_diffrn_reflns_av_sigmaI/netI"),
    "n_parameters": ("_refine_ls_number_parameters",),
    "n_observed": ("_reflns_number_gt", "_reflns_number_observed"),
    "n_reflections": ("_refine_ls_number_reflns", "_reflns_number_total"),
    "density_max": ("_refine_diff_density_max",),
    "density_min": ("_refine_diff_density_min",),
    "density_rms": ("_refine_diff_density_rms",),
}


def read_refinement(source: Any, block: str | None = None) -> StatedRefinement:
    """Refinement stated in the CIF of a model; all None if the source is not a CIF.

    Parameters
    ----------
    source
        Path of a CIF, ``gemmi.cif.Block`` or ``gemmi.SmallStructure`` (wavelength only).
    block
        Name of the block in a file; by default that of its model.
    """
    if isinstance(source, gemmi.SmallStructure):
        return StatedRefinement(wavelength=source.wavelength or None)
    if isinstance(source, str | PathLike):
        try:
            items, _ = block_of_model(read_cif(source), source, block)
        except FileFormatError:  # a file that is not a CIF with atoms states nothing
            return StatedRefinement()
        return read_refinement(items.block)
    if not isinstance(source, gemmi.cif.Block):
        return StatedRefinement()
    found: dict[str, Any] = {}
    for name, tags in _NUMBERS.items():
        values = [_number(source, tag) for tag in tags]
        known = next((value for value in values if value is not None), None)
        is_count = name.startswith("n_")
        found[name] = round(known) if is_count and known is not None else known
    flack, flack_su = _with_uncertainty(_text(source, "_refine_ls_abs_structure_Flack"))
    return StatedRefinement(
        **found,
        weights=parse_weights(_text(source, "_refine_ls_weighting_details")),
        extinction=_extinction(source),
        flack=flack,
        flack_su=flack_su,
    )


def _text(block: gemmi.cif.Block, tag: str) -> str:
    """The first value of an item, looped or not."""
    column = block.find_values(tag)
    return column.str(0) if column else ""


def _number(block: gemmi.cif.Block, tag: str) -> float | None:
    column = block.find_values(tag)
    value = gemmi.cif.as_number(column[0]) if column else np.nan
    return float(value) if np.isfinite(value) else None


def _with_uncertainty(text: str) -> tuple[float | None, float | None]:
    """Value and standard uncertainty of a number such as ``0.02(3)``, ``1.5(1.2)`` or ``0.1``."""
    found = re.fullmatch(r"([+-]?\d*\.?(\d*))(?:\(([\d.]+)\))?", text.strip())
    try:
        value = float(found[1]) if found else None
        if found is None or found[3] is None:
            return value, None
        su = float(found[3]) if "." in found[3] else int(found[3]) * 10.0 ** -len(found[2])
    except ValueError:  # as of a lone point, which stands for a value that does not apply
        return None, None
    return value, su


def _extinction(block: gemmi.cif.Block) -> float | None:
    expression = _text(block, "_refine_ls_extinction_expression").replace(" ", "")
    is_shelx = "0.001" in expression and "-1/4" in expression
    return _number(block, "_refine_ls_extinction_coef") if is_shelx else None


def parse_weights(text: str) -> tuple[float, float] | None:
    r"""The a, b of ``w=1/[\s^2^(Fo^2^)+(aP)^2^+bP] where P=(Fo^2^+2Fc^2^)/3``, or None."""
    plain = re.sub(r"[\s\\]", "", text)
    formula = re.search(r"1/\[s\^2\^\(Fo\^2\^\)(.*?)\]", plain)
    if formula is None:
        return None
    match = re.fullmatch(r"(?:\+\(([\d.]+)P?\)\^2\^)?(?:\+([\d.]+)P)?", formula[1])
    if match is None:
        return None
    try:
        return float(match[1] or 0), float(match[2] or 0)
    except ValueError:
        return None
