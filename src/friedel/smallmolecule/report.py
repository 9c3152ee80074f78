"""The text of a fitted small structure."""

from typing import Any

from friedel.smallmolecule.statistics import IntensityStatistics


def summary(fit: IntensityStatistics, *, notes: bool = True) -> str:
    """R-factors and parameters beside the values of the CIF; notes unless `notes` is false."""
    title = f"{fit.name} against {fit.data}"
    blocks = ["\n".join([title, *(f"  {name:10s} {text}" for name, text in _lines(fit))])]
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
    a, b = fit.weighting
    lines = [
        ("crystal", f"{group}, {cell}"),
        ("data", f"{merged}, {d.max():.2f} - {d.min():.2f} Å{wavelength}"),
        ("R_int", _beside(_number(merging.r_int), stated.r_int)),
        ("R_sigma", _beside(_number(merging.r_sigma), stated.r_sigma)),
        ("R1", _beside(_number(fit.r1), stated.r1, f"{int(fit.observed.sum())} with F > 4 sigma")),
        ("R1 all", _beside(_number(fit.r1_all), stated.r1_all, f"{len(fit.f2)} reflections")),
        ("wR2", _beside(_number(fit.wr2), stated.wr2, f"weights a {a:g}, b {b:g}")),
        (
            "GooF",
            _beside(
                f"{fit.goodness_of_fit:.3f}",
                stated.goodness_of_fit,
                f"{fit.n_parameters} parameters in all, {fit.n_fitted} fitted here",
            ),
        ),
        ("scale k", str(fit.scale)),
    ]
    if fit.extinction is not None:
        lines.append(("EXTI x", _beside(str(fit.extinction), stated.extinction)))
    lines += [
        (f"twin {i}", f"{fraction} of the crystal")
        for i, fraction in enumerate(fit.twin_fractions, 2)
    ]
    return [*lines, ("F_calc", fit.calculated)]


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"


def _beside(found: str, stated: Any, more: str = "") -> str:
    said = f"{more}{'; ' if more else ''}the CIF states {stated:g}" if stated is not None else more
    return f"{found:12s} {said}".rstrip()
