"""The built pages, as `make docs` leaves them: what was run stands there whole."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from friedel.cli.main import COMMANDS

DOCS = Path(__file__).parent
BUILT = DOCS / "_build" / "html"
WITHOUT_INPUTS = {"tutorials"}
"""Pages whose cells are hidden: figures alone are shown."""
RUN = [page.stem for page in sorted(DOCS.glob("*.md")) if "{code-cell}" in page.read_text("utf-8")]
RUN_BY_TESTS = {"command.md": "run by the tests", "notebook.md": "a test does the same"}
"""Pages with examples that `tests` runs, and where they say so."""
BLOCKS = r"(^```.*?^```$|^    \S[^\n]*\n(?:(?:    [^\n]*)?\n)*|^#[^\n]*$)"
"""Fenced blocks, indented blocks, and headings."""
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


class Links(HTMLParser):
    """Where the links and pictures of a page lead, and the places in it that links can lead to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.places: set[str] = {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.places.add(value or "")
            elif (tag, name) in {("a", "href"), ("img", "src"), ("object", "data")}:
                self.targets.add(value or "")


links_of = cache(Links)


def leads_somewhere(page: Path, target: str) -> bool:
    """Whether a link of a page leads to a place of the pages, or elsewhere in the form expected."""
    url = urlsplit(target)
    if url.netloc == "doi.org":
        return url.scheme == "https" and bool(re.fullmatch(r"/10\.\d{4,9}/\S+", url.path))
    if url.scheme:
        return url.scheme == "https" and "doi.org" not in url.netloc
    path = (page.parent / unquote(url.path)).resolve() if url.path else page
    if path.suffix != ".html":
        return path.is_file()
    return path.is_file() and unquote(url.fragment) in links_of(path).places


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


def test_links_lead_somewhere():
    pages = [page for page in sorted(BUILT.rglob("*.html")) if "_static" not in page.parts]
    assert len(pages) > 100
    for page in pages:
        broken = [x for x in sorted(links_of(page).targets) if not leads_somewhere(page, x)]
        assert not broken, page.name


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_examples_that_are_not_run_say_so(page):
    """In the paragraphs between the last run example or heading and themselves."""
    text = page.read_text(encoding="utf-8")
    blocks = re.split(BLOCKS, text, flags=re.M | re.S)
    said = ""
    for before, block in zip(blocks[::2], blocks[1::2], strict=False):
        said += before
        if re.match(r"```(python|bash|shell)|    (\$ )?friedel |    jupy", block):
            assert "not run" in said or RUN_BY_TESTS.get(page.name, "not run") in said, block
        elif block.startswith(("```{code-cell}", "#")):
            said = ""
