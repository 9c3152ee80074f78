"""The built pages, as `make docs` leaves them: what was run stands there whole."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from friedel.cli.main import COMMANDS

DOCS = Path(__file__).parent
BUILT = DOCS / "_build" / "html"
WITHOUT_INPUTS = {"tutorials"}
"""Pages whose cells are hidden: figures alone are shown."""
RUN = [page.stem for page in sorted(DOCS.glob("*.md")) if "{code-cell}" in page.read_text("utf-8")]
FEWEST_COLUMNS = 60
"""Of the longest line of a help text: click wraps at 80 columns."""


class Boxes(HTMLParser):
    """The text of each box of a page, by what it is: input or output of a cell."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self._kinds: list[str | None] = []  # of the divs around
        self._box: list[str] | None = None
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "div":
            classes = (dict(attrs).get("class") or "").split()
            known = [name for name in classes if name in ("cell_input", "cell_output")]
            self._kinds.append(known[0] if known else None)
        elif tag == "pre":
            self._box = []

    def handle_data(self, data: str) -> None:
        if self._box is not None:
            self._box.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "div" and self._kinds:
            self._kinds.pop()
        elif tag == "pre" and self._box is not None:
            text = "".join(self._box)
            if "cell_input" in self._kinds:
                self.inputs.append(text)
            elif "cell_output" in self._kinds:
                self.outputs.append(text)
            self._box = None


def test_the_page_of_the_command_has_a_box_for_each_command_and_one_for_its_output():
    boxes = Boxes(BUILT / "command.html")
    # The page shows the help of friedel itself, of each command, and of fmodel for small structures
    assert len(boxes.inputs) == len(boxes.outputs) == 2 + len(COMMANDS)
    for command, output in zip(boxes.inputs, boxes.outputs, strict=True):
        assert re.fullmatch(r"friedel .*--help\n", command)
        assert output.lstrip().startswith("Usage: friedel")
        assert max(map(len, output.splitlines())) >= FEWEST_COLUMNS


@pytest.mark.parametrize("page", RUN)
def test_no_cell_prints_into_several_boxes(page):
    """At most one box of text for each cell that is shown."""
    boxes = Boxes(BUILT / f"{page}.html")
    assert bool(boxes.inputs) == (page not in WITHOUT_INPUTS)
    assert len(boxes.outputs) <= len(boxes.inputs)


@pytest.mark.parametrize("page", RUN)
def test_magic_is_not_shown(page):
    assert not any(text[0] == "%" for text in Boxes(BUILT / f"{page}.html").inputs)
