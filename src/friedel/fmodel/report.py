"""The summary of a fitted model as text, and as a dictionary for JSON."""

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from friedel.constants import PRINTED_DENSITY_UNITS
from friedel.fmodel.scaled import ScaledModel
from friedel.fmodel.shells import shell_table, table_text
from friedel.model.tensors import VOIGT
from friedel.notes import friedel_version
from friedel.reflections.bijvoet import difference_correlation
from friedel.scaling.curves import anisotropic_terms
from friedel.scaling.outliers import OUTLIER_SIGMA
from friedel.solvent.masked_solvent import MaskedSolvent
from friedel.writers.json_files import plain
from friedel.writers.number_text import fixed

if TYPE_CHECKING:
    from friedel.fmodel.missing_density import MissingDensity

MOST_OUTLIERS = 10
"""Number of outliers listed in the summary; further ones are only counted."""


def summary(model: ScaledModel, n_shells: int, *, notes: bool = True) -> str:
    """R-factors, parameters, the table by shell, outliers, and notes unless `notes` is false."""
    blocks = ["\n".join(_heading(model)), table_text(shell_table(model, n_shells))]
    if model.missing_density is not None:
        blocks.append(model.missing_density.text(PRINTED_DENSITY_UNITS[model.source]))
    outliers = model.outliers
    if outliers:
        rest = len(outliers) - MOST_OUTLIERS
        lines = [f"  {outlier}" for outlier in outliers[:MOST_OUTLIERS]]
        if rest > 0:
            lines.append(f"  and {rest} more")
        noun = "reflection is" if len(outliers) == 1 else "reflections are"
        heading = (
            f"  {len(outliers)} {noun} more than {OUTLIER_SIGMA:g} sigma from the final model:"
        )
        blocks.append("\n".join([heading, *lines]))
    if notes and model.notes:
        blocks.append("\n".join(f"  note: {note}" for note in model.notes))
    return "\n\n".join(blocks)


def _heading(model: ScaledModel) -> list[str]:
    d = model.f_obs.d_spacing[model.usable]
    n_free = int((model.usable & model.free).sum())
    scales, sigma_a = model.scales, model.phase_statistics.sigma_a
    group = model.crystal.name or f"{model.crystal.n_operations} operations"
    to_part = f" to all but {int(model.rejected.sum())} of them" if model.rejected.any() else ""
    fitted = f"{model.result.n_parameters} parameters fitted{to_part}, target {model.target}"
    b = " ".join(fixed(x + 0.0, 2) for x in np.round(scales.b_overall, 2))
    n = len(scales.overall_curve)
    curve = f", times a curve with {n} coefficient{'s' if n > 1 else ''}" if n else ""
    limits = sigma_a((0.5 * np.array(sigma_a.limits)) ** 2)
    lines = [
        ("crystal", f"{group}, {' '.join(f'{x:g}' for x in model.crystal.cell)}"),
        ("data", f"{len(d)} reflections used, {d.max():.2f} - {d.min():.2f} Å"),
        ("R_work", f"{fixed(model.r_work, 4)}   {len(d) - n_free} reflections, {fitted}"),
    ]
    if model.r_free is not None:
        left_out = f"{n_free} reflections left out of the fit"
        lines.append(("R_free", f"{fixed(model.r_free, 4)}   {left_out}"))
    if model.r1 is not None and model.wr2 is not None:
        lines.append(
            ("intensity", f"R1 {fixed(model.r1, 4)} of I > 2 sigma(I), wR2 {fixed(model.wr2, 4)}")
        )
    lines += [
        ("k_overall", f"{scales.k_overall:.4g}{curve}"),
        ("B_overall", f"{fixed(scales.b_iso, 2)} Å^2; 11 22 33 12 13 23: {b}"),
    ]
    if scales.anisotropic_curve:
        lines.append(("anisotropy", _anisotropy_text(model)))
    lines.append(("solvent", _solvent_text(model)))
    if pairs := _pairs_text(model):
        lines.append(("Friedel", pairs))
    if model.missing_density is not None:
        lines.append(("missing", _missing_text(model.missing_density)))
    for law, fraction in model.twins.items():
        lines.append(("twin", f"{law}, fraction {fraction:.4f}"))
    about = f"{limits[0]:.3f} - {limits[1]:.3f} from {sigma_a.n_reflections} reflections"
    lines.append(("sigma_A", about))
    title = f"{model.name} against {model.f_obs.description or model.f_obs.label}"
    return [title, *(f"  {name:10s} {text}" for name, text in lines)]


def _missing_text(missing: "MissingDensity") -> str:
    text = (
        f"density added in {missing.fraction:.2%} of the cell, c {fixed(missing.c, 2)}, "
        f"b {fixed(missing.b, 1)} Å^2; without it R_work {fixed(missing.r_work_without, 4)}"
    )
    without = missing.r_free_without
    return text if without is None else f"{text}, R_free {fixed(without, 4)}"


def _anisotropy_text(model: ScaledModel) -> str:
    """By how much the scale differs between directions, beside B, at either end."""
    scales = model.scales
    tensors = np.array(scales.anisotropic_curve)[:, VOIGT]
    ends = np.array(scales.curve_range)
    terms = anisotropic_terms((0.5 * ends) ** 2, scales.curve_range, len(tensors))
    of_ends = np.linalg.eigvalsh(np.einsum("em,mij->eij", terms, tensors))
    sizes = np.expm1(np.ptp(of_ends, axis=1))
    low, high = (f"{x:.0%} at {1.0 / e:.2f}" for x, e in zip(sizes, ends, strict=True))
    return f"depends on resolution, {len(tensors)} terms; beside B {low} Å, {high} Å"


def _pairs_text(model: ScaledModel) -> str:
    used = model.usable
    hkl, f_obs = model.f_obs.hkl[used], model.f_obs.values[used]
    n, correlation = difference_correlation(hkl, f_obs, model.amplitudes[used])
    if not n:
        mates = model.friedel_mates
        n = 0 if mates is None else int(mates.are_pairs.sum())
        averaged = f"{n} pairs averaged; no Bijvoet differences: f'' not included"
        return f"{averaged} (give the wavelength)" if n else ""
    if math.isnan(correlation):
        calculated = model.amplitudes[used]
        if math.isnan(difference_correlation(hkl, calculated, calculated)[1]):
            return f"{n} pairs; no Bijvoet differences: f'' not included (give the wavelength)"
        return f"{n} pairs; no Bijvoet differences in the data"
    return f"{n} pairs, correlation of differences {correlation:.3f}"


def _solvent_text(model: ScaledModel) -> str:
    masked = model.masked
    if model.solvent == "none":
        return "none"
    scales, unit = model.scales, PRINTED_DENSITY_UNITS[model.source]
    if masked is None:
        return f"Babinet, k_sol {fixed(scales.k_sol, 3)}, B_sol {fixed(scales.b_sol, 1)} Å^2"
    p = masked.parameters
    origin = f"{p.radii} radii, r_probe {p.r_probe:g}, r_shrink {p.r_shrink:g} Å"
    origin += ", smooth" if masked.smooth else ""
    if masked.given is not None:
        origin = "mask as given"
    volume = f"{model.solvent_fraction:.1%} of the cell ({origin})"
    if not model.has_solvent:
        return f"not fitted; {volume}"
    if scales.solvent_curve:
        ends = scales.solvent_scale((0.5 * np.array(scales.curve_range)) ** 2)
        text = (
            f"k_mask {fixed(ends[0], 3)} - {fixed(ends[1], 3)} {unit} by a curve of "
            f"{len(scales.solvent_curve)} terms"
        )
    else:
        text = f"k_sol {fixed(scales.k_sol, 3)} {unit}, B_sol {fixed(scales.b_sol, 1)} Å^2"
    layer = f", layer {fixed(scales.k_layer, 2)} as dense" if scales.k_layer else ""
    return f"{text}{layer}; {volume}"


def _mask(masked: MaskedSolvent) -> dict[str, Any]:
    return dataclasses.asdict(masked.parameters) | {"smooth": masked.smooth}


def entries(more: Mapping[str, Any]) -> dict[str, Any]:
    """Results in JSON types: of their methods `to_dict` or `records`, or as they are."""
    found = {}
    for name, value in more.items():
        for method in ("to_dict", "records"):
            if hasattr(value, method):
                value = getattr(value, method)()
                break
        found[name] = plain(value)
    return found


def as_dict(model: ScaledModel, n_shells: int, command: str | None = None) -> dict[str, Any]:
    """Numbers and text for JSON; NaN becomes None."""
    masked, missing = model.masked, model.missing_density
    numbers = {
        "version": friedel_version(),
        "command": command,
        "name": model.name,
        "data": model.f_obs.description or model.f_obs.label,
        "source": model.source,
        "wavelength": model.wavelength or None,
        "target": model.target,
        "n_reflections": int(model.usable.sum()),
        "n_free": int((model.usable & model.free).sum()),
        "n_rejected": int(model.rejected.sum()),
        "n_parameters": model.result.n_parameters,
        "r_all": model.r_all,
        "r_work": model.r_work,
        "r_free": model.r_free,
        "r1": model.r1,
        "wr2": model.wr2,
        "twin_law": model.twin_law,
        "twins": [{"law": law, "fraction": fraction} for law, fraction in model.twins.items()],
        "missing_density": None if missing is None else missing.to_dict(),
        "scales": dataclasses.asdict(model.scales) | {"twin_fraction": model.scales.twin_fraction},
        "mask": None if masked is None else _mask(masked),
        "solvent_fraction": model.solvent_fraction,
        "sigma_a": model.phase_statistics.sigma_a,
        "shells": shell_table(model, n_shells),
        "outliers": model.outliers,
        "notes": model.notes,
    }
    return {key: plain(value) for key, value in numbers.items()}
