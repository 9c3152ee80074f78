"""Refinement stated in the CIF or SHELX file of a small structure: R-factors, weights, ..."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np

from friedel.errors import FileFormatError
from friedel.gemmi_package import gemmi
from friedel.notes import Note
from friedel.readers.cif_items import block_of_model, read_cif
from friedel.readers.shelx import read_shelx
from friedel.readers.shelx_file import ShelxFile
from friedel.readers.weighting_schemes import (
    Weights,
    parse_weights as parse_weights,
    shortened,
)


@dataclass(frozen=True)
class StatedRefinement:
    """Refinement data of a CIF or SHELX file; None for values that it does not state.

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
        a and b of SHELX's weights, or all of a to f.
    weighting
        Text of a weighting scheme that is not understood.
    extinction
        x of SHELX's extinction formula.
    other_extinction
        Text of an extinction formula other than SHELX's, of which a coefficient is stated.
    flack, flack_su
        Flack parameter and its standard uncertainty.
    density_max, density_min, density_rms
        Extremes and root mean square of the final difference density, e/Å^3.
    origin
        What states it, for messages.
    units
        Unit of the last digit stated of R1, wR2 and the goodness of fit, by their names here.
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
    weights: Weights | None = None
    weighting: str | None = None
    extinction: float | None = None
    other_extinction: str | None = None
    flack: float | None = None
    flack_su: float | None = None
    density_max: float | None = None
    density_min: float | None = None
    density_rms: float | None = None
    origin: str = "the CIF"
    units: Mapping[str, float] = field(default_factory=dict)


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


SHELX_TAGS = ("_shelx_res_file", "_iucr_refine_instructions_details")
"""Items that hold the text of a SHELX instruction file."""


def read_refinement(source: Any, block: str | None = None) -> StatedRefinement:
    """Refinement stated in the CIF or SHELX file of a model; all None for other sources.

    Parameters
    ----------
    source
        Path of a CIF, ``gemmi.cif.Block``, ``gemmi.SmallStructure`` (wavelength only) or
        `ShelxFile`.
    block
        Name of the block in a file; by default that of its model.
    """
    if isinstance(source, ShelxFile):
        return _of_shelx(source)
    if isinstance(source, gemmi.SmallStructure):
        return StatedRefinement(wavelength=source.wavelength or None)
    own = _block_of(source, block)
    if own is None:
        return StatedRefinement()
    found: dict[str, Any] = {}
    units = {}
    for name, tags in _NUMBERS.items():
        values = [(_number(own, tag), tag) for tag in tags]
        known, tag = next(((x, tag) for x, tag in values if x is not None), (None, ""))
        if known is not None and name.startswith("n_"):
            known = round(known)
        elif known is not None:
            units[name] = _unit(_text(own, tag))
        found[name] = known
    weighting = _text(own, "_refine_ls_weighting_details").strip()
    weights = parse_weights(weighting)
    x, other_extinction = _extinction(own)
    flack, flack_su = _with_uncertainty(_text(own, "_refine_ls_abs_structure_Flack"))
    return StatedRefinement(
        **found,
        weights=weights,
        weighting=weighting or None if weights is None else None,
        extinction=x,
        other_extinction=other_extinction,
        flack=flack,
        flack_su=flack_su,
        units=units,
    )


def read_instructions(
    source: Any, block: str | None = None
) -> tuple[ShelxFile | None, tuple[Note, ...]]:
    """The SHELX instructions that the CIF of a model holds, None if there are none; and notes.

    Parameters
    ----------
    source
        Path of a CIF or ``gemmi.cif.Block``.
    block
        Name of the block in a file; by default that of its model.
    """
    own = _block_of(source, block)
    return (None, ()) if own is None else instructions_of(own)


def instructions_of(block: gemmi.cif.Block) -> tuple[ShelxFile | None, tuple[Note, ...]]:
    """The SHELX instructions without atoms in a block of a CIF, or None; notes if unreadable."""
    for tag in SHELX_TAGS:
        text = _text(block, tag)
        if re.search(r"^(HKLF|CELL)\b", text, re.MULTILINE | re.IGNORECASE):
            try:
                return read_shelx(text, tag, with_atoms=False), ()
            except FileFormatError as error:
                return None, (Note(f"{tag} is not applied: {error}", "left out"),)
    return None, ()


def _block_of(source: Any, name: str | None) -> gemmi.cif.Block | None:
    """The block of the model, or None: a file that is not a CIF with atoms states nothing."""
    if isinstance(source, gemmi.cif.Block):
        return source
    if not isinstance(source, str | PathLike):
        return None
    try:
        items, _ = block_of_model(read_cif(source), source, name)
    except FileFormatError:
        return None
    return items.block


def _of_shelx(shelx: ShelxFile) -> StatedRefinement:
    """What SHELXL wrote as remarks into a .res file, with the instructions on the fit."""
    remarks = " ".join(shelx.remarks)
    patterns = {
        "r1": r"R1\s*=\s*([\d.]+)",
        "n_observed": r"for\s+(\d+)\s+Fo\s*>\s*4sig",
        "r1_all": r"and\s+([\d.]+)\s+for all",
        "n_reflections": r"for all\s+(\d+)\s+data",
        "n_parameters": r"(\d+)\s+parameters refined",
        "wr2": r"wR2\s*=\s*([\d.]+)",
        "goodness_of_fit": r"GooF = S =\s*([\d.]+)",
    }
    texts = {name: re.search(pattern, remarks) for name, pattern in patterns.items()}
    known = {name: match[1].rstrip(".") for name, match in texts.items() if match}
    counts = {name: int(text) for name, text in known.items() if name.startswith("n_")}
    numbers = {name: float(text) for name, text in known.items() if name not in counts}
    return StatedRefinement(
        wavelength=shelx.wavelength,
        **counts,  # type: ignore[arg-type]
        **numbers,  # type: ignore[arg-type]
        weights=None if shelx.weights is None else shortened(shelx.weights),
        extinction=shelx.extinction,
        origin=shelx.name,
        units={name: _unit(known[name]) for name in numbers},
    )


def _text(block: gemmi.cif.Block, tag: str) -> str:
    """The first value of an item, looped or not; empty for ``?`` and ``.``."""
    column = block.find_values(tag)
    return column.str(0) if column else ""


def _number(block: gemmi.cif.Block, tag: str) -> float | None:
    column = block.find_values(tag)
    value = gemmi.cif.as_number(column[0]) if column else np.nan
    return float(value) if np.isfinite(value) else None


def _unit(text: str) -> float:
    """The unit of the last digit of a number: 0.001 of ``"1.023(4)"``."""
    mantissa = re.match(r"[^eE(]*", text.strip())
    decimals = mantissa[0].partition(".")[2] if mantissa else ""
    return 10.0 ** -len(decimals)


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


def _extinction(block: gemmi.cif.Block) -> tuple[float | None, str | None]:
    """X of SHELX's formula, and the text of another formula whose coefficient is stated."""
    coefficient = _number(block, "_refine_ls_extinction_coef")
    if not coefficient:
        return coefficient, None
    expression = _text(block, "_refine_ls_extinction_expression")
    method = _text(block, "_refine_ls_extinction_method")
    plain = re.sub(r"[\s~*]", "", expression)
    of_shelx = re.search(r"SHELX", method, re.IGNORECASE) and not plain
    if of_shelx or ("0.001" in plain and "-1/4" in plain):
        return coefficient, None
    if method.strip().lower() == "none":
        return None, None
    return None, f"{method or expression or 'unknown'}, coefficient {coefficient:g}"
