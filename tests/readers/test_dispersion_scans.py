"""Measured f' and f'' from the files of scans."""

import pytest

from friedel.errors import EnergyError, FileFormatError
from friedel.readers.dispersion_scans import read_dispersion_scan

ROWS = [(12650.0, -7.1, 0.6), (12658.0, -9.0, 4.0), (12670.0, -6.0, 4.6)]


def write(path, rows, head="# energy\n"):
    path.write_text(head + "".join(" ".join(map(str, row)) + "\n" for row in rows))
    return path


def test_the_columns_of_chooch_are_energy_f_double_prime_f_prime(tmp_path):
    text = read_dispersion_scan(write(tmp_path / "se.txt", ROWS))
    chooch = read_dispersion_scan(
        write(tmp_path / "se.EFS", [(e, f2, f1) for e, f1, f2 in ROWS], "")
    )
    for scan in (text, chooch):
        assert scan.at(12658.0) == -9.0 + 4.0j
        assert scan.at(12664.0) == pytest.approx(-7.5 + 4.3j)
        assert scan.at(12650.0) == -7.1 + 0.6j


def test_order_and_separators_are_free(tmp_path):
    path = tmp_path / "se.csv"
    path.write_text("energy,f',f''\n12670,-6.0,4.6\n\n12650;-7.1;0.6;0.1\n")
    assert read_dispersion_scan(path).at(12660.0) == pytest.approx(-6.55 + 2.6j)


@pytest.mark.parametrize(
    "rows",
    [[], ROWS[:1], [ROWS[0], ROWS[0]], [(-1.0, 0.0, 0.0), ROWS[0]], [("nan", 0, 0), ROWS[0]]],
    ids=str,
)
def test_bad_scans_are_refused(tmp_path, rows):
    with pytest.raises(FileFormatError):
        read_dispersion_scan(write(tmp_path / "x.txt", rows))


def test_what_a_scan_does_not_cover_is_refused(tmp_path):
    scan = read_dispersion_scan(write(tmp_path / "se.txt", ROWS))
    for energy in (12649.9, 12670.1, 8000.0):
        with pytest.raises(EnergyError, match="12650 to 12670 eV"):
            scan.at(energy)
    with pytest.raises(FileFormatError, match="no such file"):
        read_dispersion_scan(tmp_path / "none.efs")
