"""Module paths of version 0.1.0 still give access to their names."""

from importlib import import_module
from pathlib import Path

import pytest

from friedel.compat.old_paths import MOVED

HELD = dict(
    line.split(": ")
    for line in Path(__file__).with_name("names_of_0_1_0.txt").read_text("utf-8").splitlines()
)
"""Functions and classes of every module, as one text of names."""

GONE = {
    # parts of functions, with arguments that there are no longer
    "with_scattering", "style", "doubts", "html", "table", "write_json", "density_map",
    "warn_beyond", "in_a_box",
    # names inside of scaling and smallmolecule that meant something else elsewhere
    "Evaluation", "fit",
}  # fmt: skip


@pytest.mark.parametrize("path", HELD)
def test_a_path_hands_out_its_names(path):
    module = import_module(path)
    missing = [name for name in HELD[path].split() if not hasattr(module, name)]
    assert set(missing) <= GONE
    assert path.startswith(("friedel.scaling.", "friedel.small")) or "fit" not in missing


@pytest.mark.parametrize("path", MOVED)
def test_every_old_path_leads_to_modules(path):
    import_module(path)
    for module in MOVED[path]:
        import_module(module)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute"):
        import_module("friedel.atoms").nothing  # noqa: B018
