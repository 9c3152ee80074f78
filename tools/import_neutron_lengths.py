"""Write neutron92.csv from the list of neutron scattering lengths of Sears (1992).

    python tools/import_neutron_lengths.py LIST

LIST has one element or isotope per line, columns separated by tabs or several blanks: name ("Gd",
"157Gd"), abundance, coherent length ("-1.14-71.9i", with standard errors in parentheses or without,
"---" where unknown); later columns are not read. The list on the pages of the NIST Center for
Neutron Research has this form. Sears writes b' - i b''; the package's sign is b' + i b'', like f''
of X-rays. 2H is also written as D; Cm, which has no row of its own, is 244Cm, as in other programs.
Afterwards tools/import_tables.py renews the checksum.
"""

import re
import sys
from pathlib import Path

ALIASES = {"2H": "D", "244Cm": "Cm"}
"""Further labels of isotopes."""

CSV = Path(__file__).parents[1] / "src" / "friedel" / "data" / "neutron92.csv"


def length(text: str) -> tuple[str, str] | None:
    """Real part and positive imaginary part as text; None where the list has no value."""
    number = r"[+-]?\d+\.?\d*(?:[eE][+-]?\d+)?"
    plain = re.sub(r"\([^)]*\)", "", text)
    match = re.fullmatch(rf"({number})(?:-({number})i)?", plain)
    if match is None:
        return None
    real, imaginary = match.groups()
    return f"{float(real):g}", f"{float(imaginary or 0.0):g}"


def main() -> None:
    rows = []
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        columns = re.split(r"\t|\s{2,}", line.strip())
        if len(columns) < 3 or not re.fullmatch(r"\d*[A-Z][a-z]?", columns[0]):
            continue
        found = length(columns[2])
        if found is None:
            continue
        rows.append((columns[0], *found))
        if columns[0] in ALIASES:
            rows.append((ALIASES[columns[0]], *found))
    text = "".join(f"{label},{real},{imaginary}\n" for label, real, imaginary in rows)
    CSV.write_text("label,b_real_fm,b_imaginary_fm\n" + text, encoding="utf-8")


if __name__ == "__main__":
    main()
