"""Every reference of a docstring or a table is in the bibliography."""

import re
from pathlib import Path

import friedel
from friedel.data import sources

REPOSITORY = Path(__file__).parents[1]
SOURCE = Path(friedel.__file__).parent


def test_references_are_in_the_bibliography():
    text = (REPOSITORY / "docs" / "references.bib").read_text(encoding="utf-8")
    known = set(re.findall(r"^@\w+\{(\w+),", text, flags=re.MULTILINE))
    cited = {key for source in sources().values() for key in source["references"]}
    for path in SOURCE.rglob("*.py"):
        cited |= set(re.findall(r"\[([A-Z][A-Za-z]+\d{4}[a-z]?)\b[^\]]*\]", path.read_text()))
    assert cited <= known, sorted(cited - known)
