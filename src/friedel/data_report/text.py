"""The text of a data report, for people to read."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from friedel.data_report.report import DataReport

UNTWINNED_LIMIT = 0.44
"""Values of <abs(L)> above this, twin fractions below 10 %, are called those of no twin."""

NAME_WIDTH, LINE_WIDTH = 13, 100
"""Numbers of characters of the names of lines, and of lines."""


def summary(report: "DataReport", *, notes: bool = True) -> str:
    """Columns, crystal, statistics, table by shell, twin tests and free set; notes if wanted."""
    lines = [
        ("crystal", _crystal(report)),
        ("columns", f"{report.chosen} are used: {_kind(report)}"),
        ("data", _data(report)),
        ("completeness", _completeness(report)),
        *_signal(report),
        *_absent(report),
        ("Wilson plot", _wilson(report)),
        ("anisotropy", _anisotropy(report)),
        ("L-test", _l_test(report)),
        *_laws(report),
        ("free set", _free_set(report)),
    ]
    heading = f"{report.name}: {report.n_rows} reflections in the file"
    blocks = [
        heading,
        _table(*_column_rows(report)),
        "\n".join(_wrapped(f"  {name:{NAME_WIDTH}s} {text}") for name, text in lines),
        _table(*_shell_rows(report)),
    ]
    if notes and report.notes:
        blocks.append("\n".join(f"  note: {note}" for note in report.notes))
    return "\n\n".join(blocks)


def _wrapped(line: str) -> str:
    indent = " " * (NAME_WIDTH + 3)
    return textwrap.fill(
        line, LINE_WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _column_rows(report: "DataReport") -> tuple[Sequence[str], Iterable[Sequence[str]]]:
    header = ("column", "kind", "data set", "wavelength, Å", "values")
    rows = [
        (c.label, c.kind, c.data_set or "-", _wavelength(c.wavelength), str(c.n))
        for c in report.columns
    ]
    return header, rows


def _wavelength(value: float | None) -> str:
    return f"{value:.5g}" if value else "-"


def _shell_rows(report: "DataReport") -> tuple[Sequence[str], Iterable[Sequence[str]]]:
    letter = _letter(report)
    total = report.overall
    shells = (*report.shells, *([total] if len(report.shells) > 1 else []))
    columns = {
        "d range, Å": [f"{s.d_max:.2f} - {s.d_min:5.2f}" for s in shells],
        "n": [str(s.n) for s in shells],
        "possible": [str(s.n_possible) for s in shells],
        "compl.": [_or_dash(s.completeness, ".1%") for s in shells],
        "multipl.": [_or_dash(s.multiplicity, ".2f") for s in shells],
        f"<{letter}>": [_or_dash(s.mean, ".4g") for s in shells],
        f"<{letter}/sigma>": [_or_dash(s.mean_over_sigma, ".2f") for s in shells],
    }
    if total.n_measured == total.n:
        del columns["multipl."]
    return tuple(columns), zip(*columns.values(), strict=True)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns: texts of the first to the left, others to the right."""
    lines = [tuple(header), *map(tuple, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    left = {i for i, title in enumerate(header) if title in ("column", "kind", "data set")}
    return "\n".join(
        "  "
        + "  ".join(
            text.ljust(width) if i in left else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _letter(report: "DataReport") -> str:
    return "I" if report.is_intensity else "F"


def _kind(report: "DataReport") -> str:
    return "intensities" if report.is_intensity else "amplitudes"


def _or_dash(value: float, style: str) -> str:
    return "-" if np.isnan(value) else format(value, style)


def _crystal(report: "DataReport") -> str:
    crystal = report.crystal
    group = crystal.name or f"{crystal.n_operations} operations"
    wavelength = f"; wavelength {report.wavelength:.5g} Å" if report.wavelength else ""
    return f"{group}, cell {' '.join(f'{x:g}' for x in crystal.cell)}{wavelength}"


def _data(report: "DataReport") -> str:
    d, total = report.data.d_spacing, report.overall
    measured = ""
    if total.n_measured > total.n:
        measured = f" from {total.n_measured} measurements, multiplicity {total.multiplicity:.2f}"
    pairs = ""
    if report.n_friedel_pairs:
        pairs = f"; {report.n_friedel_pairs} pairs of Friedel mates"
    return f"{total.n} unique reflections{measured}, {d.max():.2f} - {d.min():.2f} Å{pairs}"


def _completeness(report: "DataReport") -> str:
    total = report.overall
    return (
        f"{total.completeness:.1%} between these limits, {report.completeness:.1%} of all to "
        f"{report.data.d_spacing.min():.2f} Å"
    )


def _signal(report: "DataReport") -> list[tuple[str, str]]:
    letter, last = _letter(report), report.shells[-1]
    name = f"<{letter}/sigma>"
    if np.isnan(report.overall.mean_over_sigma):
        return [(name, "unknown, as the data have no sigmas")]
    text = f"{report.overall.mean_over_sigma:.2f}"
    if len(report.shells) > 1:
        text += f"; {_or_dash(last.mean_over_sigma, '.2f')} in the shell of highest resolution"
    return [(name, text)]


def _absent(report: "DataReport") -> list[tuple[str, str]]:
    absent = report.absent
    if not absent.n:
        return [("absences", "the file has no reflection that the space group makes absent")]
    if np.isnan(absent.mean_over_sigma):
        return [("absences", f"{absent.n} reflections that the space group makes absent")]
    letter = _letter(report)
    text = (
        f"{absent.n} reflections that the space group makes absent; <{letter}/sigma> "
        f"{absent.mean_over_sigma:.3g}, {absent.n_strong} above 3 sigma"
    )
    return [("absences", text)]


def _wilson(report: "DataReport") -> str:
    line = report.wilson
    if line is None:
        return f"no line: {report.reasons['wilson']}"
    return (
        f"B {line.b:.2f} +- {line.b_sigma:.2f} Å^2, scale {line.scale:.4g} (I in electrons^2), "
        f"line from {line.d_max:.2f} to {line.d_min:.2f} Å"
    )


def _anisotropy(report: "DataReport") -> str:
    found = report.anisotropy
    if found is None:
        return f"not determined: {report.reasons['anisotropy']}"
    first, _, last = found.directions
    return (
        f"B differs by {found.difference:.2f} +- {found.difference_sigma:.2f} Å^2: intensities "
        f"fall off most slowly along {first} and fastest along {last}; at "
        f"{report.data.d_spacing.min():.2f} Å their means differ by a factor of "
        f"{found.intensity_ratio:.3g}"
    )


def _l_test(report: "DataReport") -> str:
    test = report.l_test
    if test is None:
        return f"not possible: {report.reasons['l_test']}"
    verdict = "as of an untwinned crystal" if test.mean_abs_l > UNTWINNED_LIMIT else "as of a twin"
    if test.strong_share < 0.85:
        verdict = "uncertain, since many reflections are weak"
    return f"{test} ({verdict}; {test.n_pairs} pairs)"


def _laws(report: "DataReport") -> list[tuple[str, str]]:
    if not report.twin_laws:
        return [("twin laws", "the lattice allows none")]
    lines = [("twin law", str(test)) for test in report.h_tests]
    tested = {test.law for test in report.h_tests}
    untested: dict[str, list[str]] = {}
    for law in report.twin_laws:
        if law not in tested:
            reason = report.reasons[law].removeprefix(f"the twin law {law!r} ")
            untested.setdefault(reason, []).append(law)
    for reason, laws in untested.items():
        name = "twin law" if len(laws) == 1 else "twin laws"
        lines.append((name, f"{'; '.join(laws)}: no H-test, since the law {reason}"))
    return lines


def _free_set(report: "DataReport") -> str:
    found = report.free_set
    if found is None:
        return "the file has none"
    missing = f"; {found.n_unflagged} reflections have no flag" if found.n_unflagged else ""
    return f"{found.n} reflections, {found.per_cent:.1f} %; {found.rule}{missing}"
