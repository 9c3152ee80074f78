"""Pages and package list the same names."""

import re
from pathlib import Path

import pytest

import friedel
from friedel.cli.main import COMMANDS

DOCS = Path(__file__).parents[1] / "docs"


def test_every_public_name_is_in_the_reference():
    reference = set((DOCS / "api.rst").read_text(encoding="utf-8").split())
    assert set(friedel._ONE_LINE_INTERFACE) <= reference, (
        set(friedel._ONE_LINE_INTERFACE) - reference
    )


def test_every_command_shows_its_help_on_the_page():
    page = (DOCS / "command.md").read_text(encoding="utf-8")
    assert set(COMMANDS) == set(re.findall(r"^friedel (\w+) --help$", page, re.MULTILINE))


def test_pages_that_run_something_run_their_setup_first():
    """Without setup.py, IPython's own %%bash splits the output of a cell into several boxes."""
    for page in DOCS.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        cells = re.findall(r"^```{code-cell}.*?^```$", text, re.DOTALL | re.MULTILINE)
        assert not cells or "%run setup.py" in cells[0], page.name


def test_pages_that_are_notebooks_name_their_kernel():
    """Without a display name nbformat refuses the notebook that jupytext makes of the page."""
    for page in DOCS.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        if "{code-cell}" in text:
            assert text.startswith(
                "---\nfile_format: mystnb\nkernelspec:\n"
                "  name: python3\n  display_name: Python 3\n---\n"
            ), page.name


def test_the_notebook_runs_as_its_page_says():
    """As `jupytext --to notebook` and Jupyter do it, from the first cell on."""
    jupytext = pytest.importorskip("jupytext")
    nbclient = pytest.importorskip("nbclient")
    notebook = jupytext.read(DOCS / "notebook.md")
    nbclient.NotebookClient(notebook, resources={"metadata": {"path": DOCS}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(cells) >= 6
    assert "refined" in "".join(output.get("text", "") for output in cells[-1].outputs)


def test_every_page_is_in_a_table_of_contents():
    """Each entry is the name of a file, or a pattern that a file matches."""
    named = {"index"}
    for page in DOCS.glob("*.md"):
        for table in re.findall(r"```{toctree}(.*?)```", page.read_text("utf-8"), re.DOTALL):
            entries = [line for line in table.split() if not line.startswith(":")]
            named |= {path.stem for entry in entries for path in DOCS.glob(f"{entry}.*")}
    assert {page.stem for page in (*DOCS.glob("*.md"), *DOCS.glob("*.rst"))} <= named


def test_every_public_name_has_a_type():
    stub = Path(friedel.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    typed = set(re.findall(r"(\w+) as \1\b", stub))
    assert typed == {*friedel._ONE_LINE_INTERFACE, *friedel._ERRORS}
