import re
from pathlib import Path

from docutils.nodes import SkipNode, Text, literal_block
from latex2mathml.converter import convert
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style
from pybtex.style.labels import BaseLabelStyle
from pybtex.style.template import field, sentence

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
exclude_patterns = ["_build", "measured", "*.ipynb"]
templates_path = ["_templates"]
html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "show_prev_next": False,
    # The tables of the page on speed are wide
    "secondary_sidebar_items": {"**": ["page-toc"], "speed": []},
    "navigation_with_keys": False,
}
html_sidebars = {"index": [], "choosing": [], "installing": [], "ten-examples": []}
html_title = "friedel"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["friedel.css"]

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "keys"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"
napoleon_use_rtype = False
autodoc_mock_imports = ["jax"]
smartquotes_action = "De"  # dashes, but no typographic quotes: those are no primes, as in f''
toc_object_entries_show_parents = "hide"

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 900  # the first call of each kind compiles
nb_output_stderr = "show"
nb_merge_streams = True  # one box for what one cell prints
MAGIC = "%%bash\n"
KEYS = re.findall(
    r"^@\w+{(\w+),", Path(__file__).with_name("references.bib").read_text("utf-8"), re.M
)


class KeyLabels(BaseLabelStyle):
    """References are cited by their keys, on the pages as in docstrings."""

    def format_labels(self, entries):
        return [entry.key for entry in entries]


class KeyStyle(Style):
    """The plain style, with titles as they are written: formulas and names keep their capitals."""

    default_label_style = KeyLabels
    default_sorting_style = "author_year_title"

    def format_title(self, entry, which_field, as_sentence=True):
        title = field(which_field)
        return sentence[title] if as_sentence else title


register_plugin("pybtex.style.formatting", "keys", KeyStyle)


def link_references(app, what, name, obj, options, lines):
    """References in docstrings, such as [Bourhis2014], lead to the bibliography."""
    del app, what, name, obj, options
    for i, line in enumerate(lines):
        lines[i] = re.sub(
            r"\[(\w+)\](?!_)", lambda m: f":cite:`{m[1]}`" if m[1] in KEYS else m[0], line
        )


def without_magic(app, doctree):
    """Cells of commands without their first line, `%%bash`, which only a notebook needs."""
    del app
    for block in doctree.findall(literal_block):
        if block.astext().startswith(MAGIC):
            # Only a text that is its source, too, is coloured
            block.rawsource = block.astext().removeprefix(MAGIC)
            block.clear()
            block += Text(block.rawsource)
            block["language"] = "bash"


def setup(app):
    """Formulae as MathML, which browsers draw by themselves, with no script from elsewhere."""
    app.connect("doctree-read", without_magic)
    app.connect("autodoc-process-docstring", link_references)

    def inline(translator, node):
        translator.body.append(convert(node.astext()))
        raise SkipNode

    def block(translator, node):
        translator.body.append(f"<div>{convert(node.astext(), display='block')}</div>")
        raise SkipNode

    app.add_html_math_renderer("mathml", (inline, None), (block, None))
