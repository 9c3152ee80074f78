"""A fitted FModel as tables, text, HTML and JSON."""

import dataclasses
import math
from os import PathLike
from typing import Any

import numpy as np

from friedel.errors import ParameterError
from friedel.fmodel.shells import Shell, table_text
from friedel.html import html_details
from friedel.reflections.bijvoet import difference_correlation, one_of_each
from friedel.scaling import r_factor
from friedel.scaling.outliers import FAR
from friedel.writers.tables import json_text, json_value

MOST_OUTLIERS = 10
"""Listed in the summary; the rest is counted."""

UNITS = {
    "xray": "electrons/A^3",
    "electron": "A/A^3",
    "mott-bethe": "A/A^3",
    "neutron": "fm/A^3",
}
"""Of k_sol, by what is scattered."""


DENSEST_SOLVENT = 0.6
"""electrons/A^3; concentrated salts reach about 0.45. More is worth a note, and so are: """
COARSE_D_MAX = 8.0
"""no reflections of larger spacing (A), as nothing tells solvent from overall scale then."""


def summary(fmodel: Any, n_shells: int) -> str:
    """R-factors, parameters, the table by shell, outliers, notes."""
    blocks = ["\n".join(_heading(fmodel)), table_text(fmodel.table(n_shells))]
    outliers = fmodel.outliers
    if outliers:
        rest = len(outliers) - MOST_OUTLIERS
        lines = [f"  {outlier}" for outlier in outliers[:MOST_OUTLIERS]]
        if rest > 0:
            lines.append(f"  and {rest} more")
        noun = "reflection is" if len(outliers) == 1 else "reflections are"
        heading = f"  {len(outliers)} {noun} more than {FAR:g} sigma from the final model:"
        blocks.append("\n".join([heading, *lines]))
    if fmodel.notes:
        blocks.append("\n".join(f"  note: {note}" for note in fmodel.notes))
    return "\n\n".join(blocks)


def _heading(fmodel: Any) -> list[str]:
    d = fmodel.f_obs.d_spacing[fmodel.usable]
    n_free = int((fmodel.usable & fmodel.free).sum())
    scales, sigma_a = fmodel.scales, fmodel.phase_statistics.sigma_a
    group = fmodel.crystal.name or f"{fmodel.crystal.n_operations} operations"
    to_part = f" to all but {int(fmodel.rejected.sum())} of them" if fmodel.rejected.any() else ""
    fitted = f"{fmodel.result.n_parameters} parameters fitted{to_part}, target {fmodel.target}"
    b = " ".join(f"{x + 0.0:.2f}" for x in np.round(scales.b_overall, 2))
    n = len(scales.overall_curve)
    curve = f", times a curve with {n} coefficient{'s' if n > 1 else ''}" if n else ""
    limits = sigma_a((0.5 * np.array(sigma_a.limits)) ** 2)
    lines = {
        "crystal": f"{group}, {' '.join(f'{x:g}' for x in fmodel.crystal.cell)}",
        "data": f"{len(d)} reflections used, {d.max():.2f} - {d.min():.2f} A",
        "R_work": f"{fmodel.r_work:.4f}   {len(d) - n_free} reflections, {fitted}",
        "R_free": f"{fmodel.r_free or 0:.4f}   {n_free} reflections left out of the fit",
        "k_overall": f"{scales.k_overall:.4g}{curve}",
        "B_overall": f"{scales.b_iso:.2f} A^2; 11 22 33 12 13 23: {b}",
        "solvent": _solvent_text(fmodel),
        "Friedel": _pairs_text(fmodel),
        "twin": f"{fmodel.twin_law}, fraction {scales.twin_fraction:.4f}",
        "sigma_A": f"{limits[0]:.3f} - {limits[1]:.3f} from {sigma_a.n_reflections} reflections",
    }
    if fmodel.r_free is None:
        del lines["R_free"]
    if not lines["Friedel"]:
        del lines["Friedel"]
    if fmodel.twin_law is None:
        del lines["twin"]
    title = f"{fmodel.name} against {fmodel.f_obs.description or fmodel.f_obs.label}"
    return [title, *(f"  {name:10s} {text}" for name, text in lines.items())]


def _pairs_text(fmodel: Any) -> str:
    used = fmodel.usable
    hkl, f_obs = fmodel.f_obs.hkl[used], fmodel.f_obs.values[used]
    n, correlation = difference_correlation(hkl, f_obs, fmodel.amplitudes[used])
    if not n:
        return ""
    if math.isnan(correlation):
        return f"{n} pairs; the model has no differences, for want of f''"
    return f"{n} pairs, correlation of differences {correlation:.3f}"


def _solvent_text(fmodel: Any) -> str:
    if fmodel.solvent == "none":
        return "none"
    scales, unit = fmodel.scales, UNITS[fmodel.source]
    if fmodel.solvent == "babinet":
        return f"Babinet, k_sol {scales.k_sol:.3f}, B_sol {scales.b_sol:.1f} A^2"
    p = fmodel.masked.parameters
    origin = f"{p.radii} radii, r_probe {p.r_probe:g}, r_shrink {p.r_shrink:g} A"
    origin += ", smooth" if fmodel.masked.smooth else ""
    if fmodel.masked.given is not None:
        origin = "mask as given"
    volume = f"{fmodel.solvent_fraction:.1%} of the cell ({origin})"
    if not fmodel.has_solvent:
        return f"not fitted; {volume}"
    if scales.solvent_curve:
        ends = scales.solvent_scale((0.5 * np.array(scales.curve_range)) ** 2)
        text = (
            f"k_mask {ends[0]:.3f} - {ends[1]:.3f} {unit} by a curve of "
            f"{len(scales.solvent_curve)} terms"
        )
    else:
        text = f"k_sol {scales.k_sol:.3f} {unit}, B_sol {scales.b_sol:.1f} A^2"
    layer = f", layer {scales.k_layer:.2f} as dense" if scales.k_layer else ""
    return f"{text}{layer}; {volume}"


def _mask(masked: Any) -> dict[str, Any]:
    return dataclasses.asdict(masked.parameters) | {"smooth": masked.smooth}


def as_dict(fmodel: Any, n_shells: int) -> dict[str, Any]:
    """Numbers and text that JSON can hold; what is not a number is null."""
    masked = fmodel.masked
    numbers = {
        "name": fmodel.name,
        "data": fmodel.f_obs.description or fmodel.f_obs.label,
        "source": fmodel.source,
        "target": fmodel.target,
        "n_reflections": int(fmodel.usable.sum()),
        "n_free": int((fmodel.usable & fmodel.free).sum()),
        "n_rejected": int(fmodel.rejected.sum()),
        "n_parameters": fmodel.result.n_parameters,
        "r_all": fmodel.r_all,
        "r_work": fmodel.r_work,
        "r_free": fmodel.r_free,
        "twin_law": fmodel.twin_law,
        "scales": dataclasses.asdict(fmodel.scales),
        "mask": None if masked is None else _mask(masked),
        "solvent_fraction": fmodel.solvent_fraction,
        "sigma_a": dataclasses.asdict(fmodel.phase_statistics.sigma_a),
        "shells": [dataclasses.asdict(shell) for shell in fmodel.table(n_shells)],
        "outliers": [dataclasses.asdict(outlier) for outlier in fmodel.outliers],
        "notes": list(fmodel.notes),
    }
    cleaned: dict[str, Any] = json_value(numbers)
    return cleaned


def mtz_columns(fmodel: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Reflections and columns that :meth:`FModel.to_mtz` writes; of Friedel mates one."""
    observed = dataclasses.replace(fmodel.f_obs, label="FP")
    columns = observed.columns() | fmodel.f_calc.columns()
    if fmodel.masked is not None and fmodel.f_mask is not None:
        columns |= {"FMASK": fmodel.f_mask.amplitudes, "PHIMASK": fmodel.f_mask.phases}
    columns |= fmodel.f_model.columns() | {"FOM": fmodel.phase_statistics.fom}
    for reflections in fmodel.map_coefficients():
        columns |= reflections.columns()
    hkl = observed.hkl
    chosen, partner = one_of_each(hkl)
    if not (partner >= 0).any():
        return hkl, columns
    # mates alone are written as their partners, which have the opposite phase
    _, _, is_mate = fmodel.crystal.to_asu(hkl[chosen])
    sign = np.where(is_mate, -1, 1)
    measured = {"F": observed.values, "SIGF": observed.sigmas}
    measured = {name: values for name, values in measured.items() if values is not None}
    one = {name: values[chosen] for name, values in columns.items()}
    phases = {name: sign * values for name, values in one.items() if name.startswith("PH")}
    both = {}
    for name, values in measured.items():
        first, second = values[chosen], np.where(partner >= 0, values[partner], np.nan)
        both[f"{name}(+)"] = np.where(is_mate, second, first)
        both[f"{name}(-)"] = np.where(is_mate, first, second)
    return hkl[chosen] * sign[:, None], one | phases | both


def write_json(fmodel: Any, path: str | PathLike[str], *, overwrite: bool) -> None:
    """Write :func:`as_dict` to a file."""
    from friedel.writers.text import write_text

    write_text(path, json_text(as_dict(fmodel, 10)), overwrite=overwrite)


def html(fmodel: Any) -> str:
    """The summary for notebooks: what matters first, the rest to unfold."""
    free = "" if fmodel.r_free is None else f", R<sub>free</sub> {fmodel.r_free:.4f}"
    result = f"R<sub>work</sub> {fmodel.r_work:.4f}{free}"
    return html_details(fmodel.name, result, summary(fmodel, 10))


def table(fmodel: Any, n_shells: int) -> list[Shell]:
    """Statistics by resolution shell, see :meth:`FModel.table`."""
    if n_shells < 1:
        raise ParameterError(f"got {n_shells} resolution shells, expected at least 1")
    stol2 = fmodel.f_obs.stol2
    used = np.flatnonzero(fmodel.usable)
    used = used[np.argsort(stol2[used], kind="stable")]
    shells = np.array_split(used, max(1, min(n_shells, len(used) // 20)))
    edges = stol2[[shell[0] for shell in shells] + [used[-1]]]
    possible = _count_possible(fmodel, edges)
    return [_shell(fmodel, shell, edges[i : i + 2], possible[i]) for i, shell in enumerate(shells)]


def _count_possible(fmodel: Any, edges: np.ndarray) -> np.ndarray:
    """(m,) unique reflections between edges (m + 1,) in stol2."""
    d_max, d_min = 0.5 / np.sqrt(edges[[0, -1]])
    possible = fmodel.crystal.unique_reflections(d_min, d_max * (1.0 + 1e-9))
    inner = np.digitize(fmodel.crystal.stol2(possible), edges[1:-1] * (1.0 - 1e-12))
    return np.bincount(inner, minlength=len(edges) - 1)


def _shell(fmodel: Any, chosen: np.ndarray, edges: np.ndarray, possible: int) -> Shell:
    hkl, f_obs = fmodel.f_obs.hkl[chosen], fmodel.f_obs.values[chosen]
    f_model, free = fmodel.amplitudes[chosen], fmodel.free[chosen]
    n_unique = len(np.unique(fmodel.crystal.to_asu(hkl)[0], axis=0))
    return Shell(
        d_max=float(0.5 / np.sqrt(edges[0])),
        d_min=float(0.5 / np.sqrt(edges[1])),
        n=len(chosen),
        n_free=int(free.sum()),
        completeness=n_unique / max(int(possible), n_unique),
        r_work=r_factor(f_obs[~free], f_model[~free]),
        r_free=r_factor(f_obs[free], f_model[free]),
        k_overall=float(fmodel.scales.overall_scale(fmodel.crystal, hkl).mean()),
        k_mask=float(fmodel.scales.solvent_scale(fmodel.crystal.stol2(hkl)).mean()),
        mean_f_obs=float(f_obs.mean()),
        mean_f_model=float(f_model.mean()),
        mean_f_calc=float(np.abs(fmodel.f_calc.values[chosen]).mean()),
        cc=_correlation(f_obs, f_model),
        fom=float(fmodel.phase_statistics.fom[chosen].mean()),
    )


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    if len(first) < 2 or first.std() == 0.0 or second.std() == 0.0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def doubts(fmodel: Any) -> tuple[str, ...]:
    """What looks doubtful in a fit."""
    found = []
    if not fmodel.result.converged:
        found.append(f"the fit did not converge: {fmodel.result.stats['message']}")
    if fmodel.solvent_fraction == 0.0:
        found.append("the solvent mask is empty: there is no solvent in the cell")
    if fmodel.solvent_fraction == 1.0:
        found.append("no atom is in the mask: all of the cell counts as solvent")
    d_max = float(fmodel.f_obs.d_spacing[fmodel.usable].max())
    flat = not fmodel.scales.solvent_curve and fmodel.solvent != "babinet"
    too_dense = fmodel.source == "xray" and fmodel.scales.k_sol > DENSEST_SOLVENT
    if fmodel.has_solvent and flat and too_dense:
        found.append(
            f"k_sol = {fmodel.scales.k_sol:.2f} electrons/A^3 is denser than any solvent "
            "(water 0.33); it makes up for something else at low resolution"
        )
    if fmodel.has_solvent and d_max < COARSE_D_MAX:
        found.append(f"no data beyond {d_max:.1f} A: the solvent is poorly determined")
    return tuple(found)
