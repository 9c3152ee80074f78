"""Comparison of a fit with the R-factors that the file of the model states."""

from friedel.notes import Note
from friedel.smallmolecule.statistics import IntensityStatistics

SLACK = 1.5
"""Largest difference from a stated value, in units of its last digit: both are rounded, and the
coordinates in the file too."""


def beside_stated(fit: IntensityStatistics) -> tuple[Note, ...]:
    """A note of the values that differ from the stated ones by more than rounding, if any do.

    Compared are the number of reflections, R1, wR2 and the goodness of fit.
    """
    stated = fit.stated
    found = []
    n = len(fit.f2)
    if stated.n_reflections is not None and n != stated.n_reflections:
        found.append(f"{n} reflections ({stated.n_reflections})")
    for name, label, value, decimals in (
        ("r1", "R1", fit.r1, 4),
        ("wr2", "wR2", fit.wr2, 4),
        ("goodness_of_fit", "GooF", fit.goodness_of_fit, 3),
    ):
        other = getattr(stated, name)
        if other is None:
            continue
        unit = stated.units.get(name, 10.0**-decimals)
        if abs(value - other) > SLACK * unit:
            found.append(f"{label} {value:.{decimals}f} ({other:.{decimals}f})")
    if not found:
        return ()
    text = f"not as {stated.origin} states (in brackets): {', '.join(found)}"
    return (Note(text, "warning", len(found)),)
