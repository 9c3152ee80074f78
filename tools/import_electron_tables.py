"""Write the electron form factors of abTEM's package as tables of this one.

    pip download --no-deps abtem && unzip abtem-*.whl
    python tools/import_electron_tables.py abtem/parametrizations/data
    python tools/fit_electron_tables.py
    python tools/import_tables.py

Only the published coefficients are taken. Those of Lobato & Van Dyck and of table 4.3.2.3 are
equal, number by number, to those of diffsims.
"""

import csv
import json
import re
import sys
from pathlib import Path

DATA = Path(__file__).parents[1] / "src" / "friedel" / "data"

TABLES = {
    # name: file, letters of the coefficients row by row
    "c4323": ("peng_high", "ab"),
    "peng98": ("peng_ionic", "ab"),
    "lobato14": ("lobato", "ab"),
    "kirkland10": ("kirkland", "abcd"),
}


def main() -> None:
    folder = Path(sys.argv[1])
    for name, (file, letters) in TABLES.items():
        entries = json.loads((folder / f"{file}.json").read_text(encoding="utf-8"))
        n = len(next(iter(entries.values()))[0])
        charged = name == "peng98"
        header = ["symbol", *(["charge"] if charged else [])]
        header += [f"{letter}{i}" for letter in letters for i in range(1, n + 1)]
        with (DATA / f"{name}.csv").open("w", newline="", encoding="utf-8") as file_:
            writer = csv.writer(file_, lineterminator="\n")
            writer.writerow(header)
            for label, rows in entries.items():
                symbol, signs = re.fullmatch(r"([A-Za-z]+?)([+-]*)", label).groups()
                charge = [signs.count("+") - signs.count("-")] if charged else []
                # 15 digits undo what binary fractions did to the published decimals
                values = [f"{x:.15g}" for row in rows for x in row]
                writer.writerow([symbol, *charge, *values])


if __name__ == "__main__":
    main()
