"""CSV and JSON: quoting, and how numbers and objects that JSON lacks are written."""

import csv
import json
import math
from dataclasses import dataclass

import numpy as np

from friedel.writers.json_files import plain, write_json
from friedel.writers.tables import csv_text


@dataclass
class Shell:
    d_min: float
    counts: tuple[int, ...]


def test_csv_quotes_only_what_needs_it():
    rows = [["Fe", 1.5, math.nan], ['a, "b"', 2, ""]]
    text = csv_text(["label", "x", "y"], rows)
    assert text == 'label,x,y\nFe,1.5,nan\n"a, ""b""",2,\n'
    assert list(csv.reader(text.splitlines()))[2] == ['a, "b"', "2", ""]


def test_json_has_null_for_what_is_no_number(tmp_path):
    value = {"shells": [Shell(math.nan, (1, 2))], "limits": (math.inf, np.float64(2.5), "text")}
    expected = {"shells": [{"d_min": None, "counts": [1, 2]}], "limits": [None, 2.5, "text"]}
    assert plain(value) == expected
    write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == expected
    assert text.endswith("}\n")
