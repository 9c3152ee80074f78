"""Colours, blank figures, resolution axes and saving, shared by all figures."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

from friedel.errors import MissingDependencyError, OutputError
from friedel.plots.blank_figure import blank_figure
from friedel.runtime.paths import shown

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#7B3294"
"""Colours that can be distinguished with any colour vision, and in print."""

STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.fontsize": 8,
}

TICKS_D = (
    (50, 20, 10, 7, 5, 4, 3, 2.5, 2, 1.5, 1.2, 1, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3),
    (6, 3.5, 2.7, 2.3, 2.2, 2.1, 1.9, 1.8, 1.7, 1.6, 1.4, 1.3, 1.1, 0.9, 0.65, 0.55, 0.45, 0.35),
)
"""Spacings (Å) to write along a resolution axis: preferred ones, and ones to fill gaps."""


@contextmanager
def new_figure(size: tuple[float, float]) -> Iterator[Any]:
    """A figure (size in inches) made without pyplot: it needs no display and leaves no state.

    Raises
    ------
    MissingDependencyError
        When matplotlib is not installed.
    """
    _need_matplotlib()
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield blank_figure(size)


def check_figure(
    path: str | PathLike[str],
    *,
    overwrite: bool = False,
    inputs: Iterable[str | PathLike[str]] = (),
) -> None:
    """Check, before any work is done, that a figure can be drawn and written there.

    Raises
    ------
    MissingDependencyError
        When matplotlib is not installed.
    OutputError
        When the file exists and `overwrite` is false, is one of the inputs, cannot be written or
        has an unknown ending.
    """
    from friedel.writers.files import check_output

    _need_matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    if Path(path).suffix.lstrip(".").lower() not in known:
        raise OutputError(
            f"cannot write a figure to {shown(path)}: its ending should be one of "
            f"{', '.join(sorted(known))}"
        )
    check_output(path, overwrite=overwrite, inputs=inputs)


def _need_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingDependencyError.of("drawing a figure", "matplotlib") from None


def stacked_size(n_panels: int) -> tuple[float, float]:
    """Width and height (inches) of a figure of panels one below the other."""
    return 6.0, 2.6 + 2.0 * n_panels


def stacked_panels(figure: Any, n_panels: int) -> list[Any]:
    """Panels one below the other that share their horizontal axis."""
    return list(figure.subplots(n_panels, 1, sharex=True, squeeze=False)[:, 0])


def legend_above(*several: Any) -> None:
    """One legend, above the first axes, of curves that may refer to different vertical axes."""
    entries = [axes.get_legend_handles_labels() for axes in several]
    handles = [h for some, _ in entries for h in some]
    labels = [text for _, some in entries for text in some]
    several[0].legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)


def label_resolution(axes: Any, d_max: float, d_min: float, *, power: int = 2) -> None:
    """Ticks at round spacings d (Å), not too close to each other, along an axis of 1/d^power."""
    end = d_min**-power
    ticks: list[float] = []
    for d in (d for some in TICKS_D for d in some):
        in_range = d_min <= d <= d_max
        if in_range and all(abs(d**-power - other**-power) > end / 14 for other in ticks):
            ticks.append(d)
    axes.set_xlim(0.0, end * 1.01)
    axes.set_xticks([d**-power for d in ticks], [f"{d:g}" for d in ticks])
    of_d = "d" if power == 1 else f"d^{power}"
    axes.set_xlabel(rf"resolution $d$ ($\rm\AA$), axis linear in $1/{of_d}$")


def save(figure: Any, path: str | PathLike[str], overwrite: bool) -> None:
    """Write a figure to a file.

    Raises
    ------
    OutputError
        When the file exists and `overwrite` is false, is one of the inputs, cannot be written or
        has an unknown ending.
    """
    from friedel.writers.files import write_atomically

    check_figure(path, overwrite=overwrite)
    write_atomically(path, lambda name: figure.savefig(name, dpi=200), overwrite=overwrite)
