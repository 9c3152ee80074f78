"""Bring published coefficient tables into the package and record their checksums.

    python tools/import_tables.py [FOLDER_WITH_CSV]

Copies each table named in SOURCES.toml from FOLDER, without comment lines (what they
say belongs to SOURCES.toml), then rewrites the sha256 entries of SOURCES.toml.
Without FOLDER only the checksums are renewed.
"""

import hashlib
import re
import sys
from pathlib import Path

DATA = Path(__file__).parents[1] / "src" / "friedel" / "data"


def without_comments(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def main() -> None:
    sources = DATA / "SOURCES.toml"
    text = sources.read_text(encoding="utf-8")
    for name in re.findall(r"^\[(\w+)\]", text, flags=re.MULTILINE):
        path = DATA / f"{name}.csv"
        origin = Path(sys.argv[1]) / path.name if len(sys.argv) > 1 else path
        if origin.exists():
            path.write_text(without_comments(origin.read_text(encoding="utf-8")), encoding="utf-8")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        text = re.sub(
            rf'(^\[{name}\]\n(?:.*\n)*?sha256 = )"[^"]*"',
            rf'\1"{digest}"',
            text,
            flags=re.MULTILINE,
        )
    sources.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
