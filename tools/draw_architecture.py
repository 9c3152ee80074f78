"""Draw docs/architecture.svg: the packages in the lines of the import contract.

    python tools/draw_architecture.py

The lines come from pyproject.toml; a box contains the first sentence of its package's docstring.
tests/test_tools.py checks that the stored picture is what this draws.
"""

import ast
import re
import textwrap
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "architecture.svg"

WIDTH, SIDE, GAP, PADDING = 1000, 52, 8, 10
NAME, TEXT, LEADING = 14, 12, 15
"""Sizes in pixels: the two fonts, and from line to line of text."""
CHARACTER = 6.6
"""Mean width of a character of the text, on the safe side."""

PARTS = (
    ("friedel.cli", "interfaces", "#e8e2f4"),
    ("friedel.fmodel", "models and data", "#fbe6cf"),
    ("friedel.structure_factors", "atoms to F", "#dcebf7"),
    ("friedel.kernels", "foundations", "#e9ecef"),
)
"""Package whose line is the first of a part of the picture, what the part is called, its colour."""


def layers():
    """The lines of the contract, from the interfaces down, each a list of dotted names."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    lines = next(contract for contract in contracts if contract["type"] == "layers")["layers"]
    return [[name.strip() for name in line.split("|")] for line in lines]


def idea(name):
    """First sentence of a package's or module's docstring, without its own name before a colon."""
    path = ROOT / "src" / Path(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    document = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    sentence = re.split(r"(?<=\.)\s|\n\n", document)[0].rstrip(".")
    sentence = re.sub(r"\s*\[\w+\]|`", "", " ".join(sentence.split()))
    title, _, rest = sentence.partition(": ")
    own = name.rpartition(".")[2].replace("_", " ")
    is_own = title.lower().removeprefix("the ") == own
    return rest[0].upper() + rest[1:] if is_own else sentence


def text(x, y, content, size=TEXT, more=""):
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}"{more}>{escape(content)}</text>'


def line_of_boxes(names, top, colour):
    """The boxes of one line, and their height."""
    width = (WIDTH - SIDE - GAP * len(names)) / len(names)
    n_characters = int((width - 2 * PADDING) / CHARACTER)
    ideas = [textwrap.wrap(idea(name), n_characters) for name in names]
    height = 2 * PADDING + NAME + LEADING * max(map(len, ideas))
    parts = []
    for i, (name, lines) in enumerate(zip(names, ideas, strict=True)):
        x = SIDE + i * (width + GAP)
        parts.append(
            f'<rect x="{x:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="4" '
            f'fill="{colour}" stroke="#6c757d"/>'
        )
        x, y = x + PADDING, top + PADDING + NAME - 2
        bold = ' font-weight="bold" font-family="monospace"'
        parts.append(text(x, y, name.removeprefix("friedel."), NAME, bold))
        parts += [text(x, y + LEADING * (k + 1) + 1, line) for k, line in enumerate(lines)]
    return parts, height


def sideways(x, middle, content):
    """A word along the left edge, read from below."""
    turned = f' text-anchor="middle" transform="rotate(-90 {x:g} {middle:g})" fill="#495057"'
    return text(x, middle, content, TEXT, turned)


def draw():
    """The picture as text."""
    first = {package: (title, colour) for package, title, colour in PARTS}
    parts, top, titles, colour = [], GAP, [], PARTS[0][2]
    for names in layers():
        for name in names:
            if name in first:
                title, colour = first[name]
                top += GAP if titles else 0
                titles.append([title, top, top])
        boxes, height = line_of_boxes(names, top, colour)
        parts += boxes
        top += height + GAP
        titles[-1][2] = top - GAP
    for title, start, end in titles:
        parts.append(sideways(40, 0.5 * (start + end), title))
        parts.append(f'<path d="M46 {start:g}V{end:g}" stroke="#adb5bd"/>')
    parts.append(
        f'<path d="M18 {GAP + 8:g}V{top - GAP:g}" stroke="#495057" marker-end="url(#head)"/>'
    )
    parts.append(sideways(13, 0.5 * top, "imports"))
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#495057"/></marker></defs>'
    )
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:g}" '
        f'width="{WIDTH}" height="{top:g}" font-family="sans-serif" fill="#212529">'
    )
    background = f'<rect width="{WIDTH}" height="{top:g}" fill="#ffffff"/>'
    return "\n".join([opening, head, background, *parts, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}")
