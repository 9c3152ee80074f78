"""Blank matplotlib figures, made without pyplot, that notebooks show."""

from functools import cache
from io import BytesIO
from typing import Any

SCREEN_DPI = 110


def blank_figure(size: tuple[float, float]) -> Any:
    """A figure made without pyplot: it needs no display and leaves no global state.

    Parameters
    ----------
    size
        Width and height, inches.
    """
    return _figure_class()(figsize=size, layout="constrained")


@cache
def _figure_class() -> Any:
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        """A figure that notebooks show without pyplot."""

        def _repr_png_(self) -> bytes:
            picture = BytesIO()
            self.savefig(picture, format="png", dpi=SCREEN_DPI, bbox_inches="tight")
            return picture.getvalue()

    return NotebookFigure
