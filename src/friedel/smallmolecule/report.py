"""The text of a fitted small structure."""

import math
from typing import Any

from friedel.maps.difference_density import DifferenceDensity
from friedel.maps.peak_table import Peaks
from friedel.smallmolecule.parameter import Parameter
from friedel.smallmolecule.statistics import IntensityStatistics
from friedel.writers.number_text import fixed

N_PEAKS, N_HOLES = 5, 2
"""Number of peaks and holes of the difference map that a summary lists."""

UNITS = {"xray": "e/Å^3", "electron": "1/Å^2", "mott-bethe": "1/Å^2", "neutron": "fm/Å^3"}
"""Units of the density, for each radiation."""


def summary(fit: IntensityStatistics, difference: DifferenceDensity, *, notes: bool = True) -> str:
    """R-factors and parameters beside the values of the CIF; notes unless `notes` is false."""
    title = f"{fit.name} against {fit.data}"
    lines = [*_lines(fit), *_density_lines(fit, difference), ("F_calc", fit.calculated)]
    blocks = ["\n".join([title, *(f"  {name:10s} {text}" for name, text in lines)])]
    blocks.append("\n".join(_peak_lines(difference)))
    if notes and fit.notes:
        blocks.append("\n".join(f"  note: {note}" for note in fit.notes))
    return "\n\n".join(blocks)


def _lines(fit: IntensityStatistics) -> list[tuple[str, str]]:
    d = fit.crystal.d_spacing(fit.hkl)
    group = fit.crystal.name or f"{fit.crystal.n_operations} operations"
    cell = " ".join(f"{x:g}" for x in fit.crystal.cell)
    merging, stated = fit.merging, fit.stated
    merged = f"{merging.n_measured} measured, {merging.n_unique} unique"
    wavelength = "" if fit.wavelength is None else f", wavelength {fit.wavelength:g} Å"
    weights = ", ".join(
        f"{x} {value:.5g}" for x, value in zip("abcdef", fit.weighting, strict=False)
    )

    def beside(found: str, value: Any, more: str = "") -> str:
        return _beside(found, value, more, stated.origin)

    lines = [
        ("crystal", f"{group}, {cell}"),
        ("data", f"{merged}, {d.max():.2f} - {d.min():.2f} Å{wavelength}"),
        ("R_int", beside(_number(merging.r_int), stated.r_int)),
        ("R_sigma", beside(_number(merging.r_sigma), stated.r_sigma)),
        ("R1", beside(_number(fit.r1), stated.r1, f"{int(fit.observed.sum())} with F > 4 sigma")),
        ("R1 all", beside(_number(fit.r1_all), stated.r1_all, f"{len(fit.f2)} reflections")),
        ("wR2", beside(_number(fit.wr2), stated.wr2, f"weights {weights}")),
        (
            "GooF",
            beside(
                _number(fit.goodness_of_fit, 3),
                stated.goodness_of_fit,
                f"{fit.n_parameters} parameters in all, {fit.n_fitted} fitted here",
            ),
        ),
        ("scale k", str(fit.scale)),
    ]
    if fit.extinction is not None:
        lines.append(("EXTI x", beside(str(fit.extinction), stated.extinction)))
    lines += [
        (f"twin {i}", f"{fraction} of the crystal")
        for i, fraction in enumerate(fit.twin_fractions, 2)
    ]
    return [*lines, *_flack_lines(fit)]


def _flack_lines(fit: IntensityStatistics) -> list[tuple[str, str]]:
    """Flack's x by fit and by quotients, Hooft's y, beside the value of the CIF."""
    absolute, stated = fit.absolute_structure, fit.stated
    said = ""
    if stated.flack is not None:
        said = f"{stated.origin} states {Parameter(stated.flack, stated.flack_su or 0.0)}"
    if absolute is None:
        return [("Flack x", f"{'none':12s} {said}")] if said else []
    selected, n = int(absolute.selected.sum()), len(absolute.hkl)
    found = [
        ("Flack x", absolute.by_fit, "by fit"),
        ("Flack x", absolute.by_quotients, f"by {selected} of {n} quotients (Parsons)"),
        ("Hooft y", absolute.by_differences, f"by differences of {n} pairs"),
    ]
    lines = []
    for name, value, how in found:
        if value is not None:
            more = f"{how}; {said}" if said and name == "Flack x" else how
            lines.append((name, f"{value!s:12s} {more}"))
    return lines


def _density_lines(
    fit: IntensityStatistics, difference: DifferenceDensity
) -> list[tuple[str, str]]:
    """Extremes and rms of the difference density."""
    unit, stated = f"{UNITS[fit.source]} in F_o - F_c", fit.stated
    return [
        ("peak", _beside(fixed(difference.maximum, 3), stated.density_max, unit, stated.origin)),
        ("hole", _beside(fixed(difference.minimum, 3), stated.density_min, unit, stated.origin)),
        ("rms", _beside(fixed(difference.rms, 3), stated.density_rms, unit, stated.origin)),
    ]


def _peak_lines(difference: DifferenceDensity) -> list[str]:
    """A table of the highest peaks and deepest holes, with the nearest atom of each."""
    lines = ["  peaks of F_o - F_c   sigma        x        y        z  nearest atom, Å"]
    for peaks, n in ((difference.peaks, N_PEAKS), (difference.holes, N_HOLES)):
        lines += [_peak_line(peaks, i) for i in range(min(n, len(peaks)))]
    return lines


def _peak_line(peaks: Peaks, i: int) -> str:
    position = " ".join(f"{x:8.4f}" for x in peaks.frac[i].round(4) + 0.0)
    atom = ""
    if peaks.label is not None and peaks.distance is not None:
        atom = f"{peaks.label[i]:6s} {peaks.distance[i]:.2f}"
    return f"  {fixed(peaks.height[i], 3):>18s} {peaks.sigma[i]:7.1f} {position}  {atom}".rstrip()


def _number(value: float | None, digits: int = 4) -> str:
    return "none" if value is None or math.isnan(value) else fixed(value, digits)


def _beside(found: str, stated: Any, more: str, origin: str) -> str:
    said = f"{more}{'; ' if more else ''}{origin} states {stated:g}" if stated is not None else more
    return f"{found:12s} {said}".rstrip()
