"""Small tables and summaries for notebooks."""

from collections.abc import Iterable, Sequence
from html import escape

STYLE = 'style="padding: 0 0.6em; text-align: right"'
"""Style of table cells: right-aligned and padded, whatever the style of the page."""


def html_table(
    caption: str, header: Sequence[str], rows: Iterable[Sequence[object]], note: str = ""
) -> str:
    """An HTML table of texts and numbers under a caption, and a note below it."""
    head = "".join(f"<th {STYLE}>{escape(text)}</th>" for text in header)
    lines = ["".join(f"<td {STYLE}>{escape(str(cell))}</td>" for cell in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    below = f"<p>{escape(note)}</p>" if note else ""
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{below}"
    )


def folded(heading: str, text: str) -> str:
    """A collapsible element: a heading, given as HTML, and plain text."""
    return f"<details><summary>{heading}</summary><pre>{escape(text)}</pre></details>"
