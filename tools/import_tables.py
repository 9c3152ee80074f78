"""Bring published coefficient tables into the package and record their checksums.

    python tools/import_tables.py [FOLDER_WITH_CSV]

Copies each table named in SOURCES.toml from FOLDER, without comment lines (what they
say belongs to SOURCES.toml), then writes the sha256 of each into SOURCES.toml, where one may be
missing. Without FOLDER only the checksums are renewed. Electron tables beyond C4322 have a tool of
their own: tools/import_electron_tables.py.
"""

import hashlib
import re
import sys
import tomllib
from pathlib import Path

DATA = Path(__file__).parents[1] / "src" / "friedel" / "data"

ADDED = {
    # The free hydrogen atom and the valence states [ITC1992, table 6.1.1.4], which gemmi's copy of
    # the table leaves out
    "it92": (
        "H,iso,0.489918,0.262003,0.196767,0.049879,20.6593,7.74039,49.5519,2.20159,0.001305\n",
        "C,val,2.26069,1.56165,1.05075,0.839259,22.6907,0.656665,9.75618,55.5949,0.286977\n",
        "Si,val,5.66269,3.07164,2.62446,1.3932,2.6652,38.6634,0.916946,93.5458,1.24707\n",
    ),
}
"""Rows put behind that of the neutral atom."""


def without_comments(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def with_added_rows(text: str, rows: tuple[str, ...]) -> str:
    """The table with each row behind that of its neutral atom, unless it has it."""
    lines = text.splitlines(keepends=True)
    for row in rows:
        if row not in lines:
            neutral = row.split(",")[0] + ",0,"
            lines.insert(next(i for i, x in enumerate(lines) if x.startswith(neutral)) + 1, row)
    return "".join(lines)


def with_checksum(text: str, name: str, digest: str) -> str:
    """SOURCES.toml with the checksum of one table, at the end of its entry if it has none."""
    start = re.search(rf"^\[{name}\]\n", text, flags=re.MULTILINE).end()
    following = re.search(r"^(\[|#)", text[start:], flags=re.MULTILINE)
    end = start + following.start() if following else len(text)
    entry, line = text[start:end], f'sha256 = "{digest}"'
    if re.search(r"^sha256 *=", entry, flags=re.MULTILINE):
        entry = re.sub(r"^sha256 *=.*$", line, entry, flags=re.MULTILINE)
    else:
        content = entry.rstrip("\n")
        entry = f"{content}\n{line}{entry[len(content) :] or chr(10)}"
    return text[:start] + entry + text[end:]


def main() -> None:
    sources = DATA / "SOURCES.toml"
    text = sources.read_text(encoding="utf-8")
    before = tomllib.loads(text)
    for name, stated in before.items():
        path = DATA / f"{name}.csv"
        origin = Path(sys.argv[1]) / path.name if len(sys.argv) > 1 else path
        if origin.exists():
            content = without_comments(origin.read_text(encoding="utf-8"))
            path.write_text(with_added_rows(content, ADDED.get(name, ())), encoding="utf-8")
        if not path.exists():
            sys.exit(f"SOURCES.toml describes {name}, but there is no {path.name} in {DATA}")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if stated.get("sha256") != digest:
            print(f"{name}: checksum {'renewed' if 'sha256' in stated else 'added'}")
            text = with_checksum(text, name, digest)
    sources.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
