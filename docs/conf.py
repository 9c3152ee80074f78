import os
import sys
from pathlib import Path

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

project = "friedel"
author = "The friedel developers"
copyright = "The friedel developers"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "measured"]
templates_path = ["_templates"]
html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "navigation_with_keys": False,
}
html_sidebars = {"index": []}
html_title = "friedel"
html_show_sourcelink = False

bibtex_bibfiles = ["references.bib"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"
napoleon_use_rtype = False
autodoc_mock_imports = ["torch", "jax"]

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_output_stderr = "show"

HERE = Path(__file__).parent


def models_folder() -> Path:
    """Real structures: those of the tests."""
    candidates = [os.environ.get("FRIEDEL_TEST_DATA"), HERE.parents[1] / "shared" / "data"]
    for candidate in candidates:
        if candidate and (Path(candidate) / "models").is_dir():
            return (Path(candidate) / "models").resolve()
    sys.exit("no structures: set FRIEDEL_TEST_DATA to a folder with models/")


# The pages begin with `%run setup.py`, which makes a folder with these
os.environ["FRIEDEL_DOCS_MODELS"] = str(models_folder())
os.environ["FRIEDEL_DOCS_EXAMPLES"] = str(HERE.parent / "examples")
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def setup(app):
    """Formulae as MathML, which browsers draw by themselves, with no script from elsewhere."""

    def inline(translator, node):
        translator.body.append(convert(node.astext()))
        raise SkipNode

    def block(translator, node):
        translator.body.append(f"<div>{convert(node.astext(), display='block')}</div>")
        raise SkipNode

    app.add_html_math_renderer("mathml", (inline, None), (block, None))
