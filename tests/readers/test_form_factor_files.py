"""Files with form factors of each atom, as NoSpherA2, discamb2tsc, XHARPY and cctbx write them."""

import gzip
import random
import struct
from pathlib import Path

import numpy as np
import pytest

import friedel
from friedel.errors import FileFormatError
from fuzz import damaged, with_other_numbers

HKL = np.array([[1, 0, 0], [0, 1, 0], [-1, 2, 3]])
F = np.array([[1.2345 + 0j, 4.5678 + 0.5j, 0.1 - 2j], [2.3456 + 1j, 5.6789 - 0.5j, 3.0 + 0.125j]])
ROWS = """\
1 0 0 1.23450000e+00,0.00000000e+00 2.34560000e+00,1.00000000e+00 
0 1 0 4.56780000e+00,5.00000000e-01 5.67890000e+00,-5.00000000e-01 
-1 2 3 1.00000000e-01,-2.00000000e+00 3.00000000e+00,1.25000000e-01 
"""  # noqa: W291
HEADERS = {
    "NoSpherA2": "TITLE: urea\nSYMM: expanded\nSCATTERERS: C1 O1\nDATA:\n",
    "discamb2tsc": (
        "TITLE: X-ray form factors for urea generated with discamb2tsc\nAD: FALSE\n"
        "SYMM: expanded\nSCATTERERS: C1 O1\nFORM FACTORS SOURCE:\n"
        "    SOFTWARE - discambMATTS2tsc\n    model - TAAM\nDATA:\n"
    ),
    "cctbx": "Title: generated from isotropic AFF\nScatterers: C1 O1\nSymm: expanded\nData:\n",
    "matrices": "SYMM: 1 0 0 0 1 0 0 0 1;-1 0 0 0 -1 0 0 0 -1\nSCATTERERS: C1 O1\nDATA:\n",
}
SITES = np.array([[0.25, 0.5, 0.326], [-0.125, 0.5, 1.0953]])
NUMBERS = (6, 8)


def read(tmp_path, content, name="a.tsc"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return friedel.read_form_factors(path)


def ids():
    unit = (2**31 - 1) / 16
    return [
        struct.pack("<iiihBB", *(round(x * unit) for x in site), 0, number, 0)
        for site, number in zip(SITES, NUMBERS, strict=True)
    ]


def binary(header=b"", scatterers=b"C1 O1", n_scatterers=None, n=3):
    rows = b"".join(
        struct.pack("<iii", *h) + struct.pack("<4d", *(x for z in column for x in (z.real, z.imag)))
        for h, column in zip(HKL.tolist(), F.T.tolist(), strict=True)
    )
    count = len(scatterers) if n_scatterers is None else n_scatterers
    return (
        struct.pack("<i", len(header)) + header + struct.pack("<i", count) + scatterers
        + struct.pack("<i", n) + rows
    )  # fmt: skip


def check(found):
    assert (found.hkl == HKL).all()
    assert (found.f == F).all()


class TestText:
    @pytest.mark.parametrize("program", HEADERS)
    def test_headers_of_programs(self, tmp_path, program):
        found = read(tmp_path, HEADERS[program] + ROWS)
        check(found)
        assert found.labels == ("C1", "O1")
        assert not found.with_dispersion

    def test_line_ends_and_compression(self, tmp_path):
        text = (HEADERS["NoSpherA2"] + ROWS).encode().replace(b"\n", b"\r\n")
        check(read(tmp_path, text))
        check(read(tmp_path, gzip.compress(text), "a.tsc.gz"))
        check(read(tmp_path, "T\u00eftle: a\n".encode("latin-1") + text))

    def test_dispersion(self, tmp_path):
        text = HEADERS["NoSpherA2"].replace("expanded", "expanded\nAD: TRUE") + ROWS
        assert read(tmp_path, text).with_dispersion

    def test_real_form_factors(self, tmp_path):
        found = read(tmp_path, HEADERS["NoSpherA2"] + "1 0 0 6.0 7.5\n0 1 0 5.5 7\n")
        assert (found.f == [[6, 5.5], [7.5, 7]]).all()

    def test_atoms_named_by_sites(self, tmp_path):
        # two 64-bit numbers: y and x, then atomic number and z
        texts = " ".join(f"{a:016x}{b:016x}" for a, b in map(struct.Struct("<QQ").unpack, ids()))
        header = HEADERS["NoSpherA2"].replace("SCATTERERS: C1 O1", f"SCATTERER_IDS: {texts}")
        found = read(tmp_path, header + ROWS)
        check(found)
        np.testing.assert_allclose(found.sites.frac, SITES, atol=1e-8)
        assert tuple(found.sites.atomic_number) == NUMBERS

    @pytest.mark.parametrize(
        ("text", "match"),
        [
            ("", "no line DATA"),
            ("SCATTERERS: C1\n1 0 0 1,0\n", "no line DATA"),
            ("DATA:\n1 0 0 1,0\n", "no line SCATTERERS"),
            ("SCATTERERS: C1\nDATA:\n", "no reflections"),
            ("SCATTERERS: C1\nDATA:\n1 0 0 1,0 2,0\n", "2 form factors in a row, expected 1"),
            ("SCATTERERS: C1 O1\nDATA:\n1 0 0 1,0 2,0\n1 1 0 1,0\n", "columns changed"),
            ("SCATTERERS: C1\nDATA:\n1 0 0 1,x\n", "could not convert"),
            ("SCATTERERS: C1\nDATA:\n1 0 0 nan,0\n", "not finite"),
            ("SCATTERERS: C1\nDATA:\n0.5 0 0 1,0\n", "integers"),
            ("SCATTERERS: C1 C1\nDATA:\n1 0 0 1,0 1,0\n", "same label"),
            ("SCATTERER_IDS: 0123456789abcdef\nDATA:\n1 0 0 1,0\n", "32 hexadecimal"),
            (f"SCATTERER_IDS: {'g' * 32}\nDATA:\n1 0 0 1,0\n", "invalid literal"),
        ],
    )
    def test_damage(self, tmp_path, text, match):
        with pytest.raises(FileFormatError, match=match):
            read(tmp_path, text)


class TestBinary:
    @pytest.mark.parametrize("name", ["a.tscb", "a.tsc"])
    @pytest.mark.parametrize("header", [b"", b"TITLE: a\nSYMM: expanded\nAD: FALSE"])
    def test_labels(self, tmp_path, name, header):
        found = read(tmp_path, binary(header), name)
        check(found)
        assert found.labels == ("C1", "O1")
        assert not found.with_dispersion

    def test_dispersion(self, tmp_path):
        assert read(tmp_path, binary(b"AD: TRUE\nSYMM: expanded")).with_dispersion

    def test_atoms_named_by_sites(self, tmp_path):
        found = read(tmp_path, binary(b"SCATTERER_IDS\nAD: FALSE", b"".join(ids()), 2))
        check(found)
        np.testing.assert_allclose(found.sites.frac, SITES, atol=1e-8)
        assert found.labels == ("Z=6 at (0.2500 0.5000 0.3260)", "Z=8 at (-0.1250 0.5000 1.0953)")

    @pytest.mark.parametrize("missing", [1, 40, 120, 142])
    def test_truncation(self, tmp_path, missing):
        with pytest.raises(FileFormatError):
            read(tmp_path, binary(b"TITLE: a")[:-missing])

    def test_wrong_numbers(self, tmp_path):
        for content in (binary(n=4), binary(n=-1), binary(n_scatterers=-9), b"\0\0\0\0"):
            with pytest.raises(FileFormatError):
                read(tmp_path, content)


def test_no_file(tmp_path):
    with pytest.raises(FileFormatError, match="no such file"):
        friedel.read_form_factors(tmp_path / "none.tsc")


@pytest.mark.parametrize("ending", ["tsc", "tscb"])
@pytest.mark.parametrize("dispersion", [False, True])
def test_what_is_written_is_read_with_all_bits(tmp_path, ending, dispersion):
    f = np.random.default_rng(1).normal(size=(2, 3)) * (1 + 1j / 3)
    made = friedel.AtomFormFactors(("C1", "O1'"), HKL, f, dispersion, "made\nhere")
    path = tmp_path / f"made.{ending}"
    made.to_tsc(path)
    found = friedel.read_form_factors(path)
    assert (found.labels, found.with_dispersion) == (made.labels, dispersion)
    assert (found.hkl == HKL).all()
    assert (found.f == f).all()
    with pytest.raises(friedel.OutputError, match="exists"):
        made.to_tsc(path)


@pytest.mark.parametrize("label", ["", "C 1", "C1\n"])
def test_labels_that_the_format_cannot_hold(tmp_path, label):
    made = friedel.AtomFormFactors((label, "O1"), HKL, F)
    with pytest.raises(friedel.ParameterError, match="white space"):
        made.to_tsc(tmp_path / "a.tsc")


@pytest.mark.filterwarnings("ignore::friedel.errors.FriedelWarning")
@pytest.mark.parametrize("change", [damaged, with_other_numbers])
@pytest.mark.parametrize(
    "content", [(HEADERS["discamb2tsc"] + ROWS).encode(), binary(b"AD: FALSE")]
)
def test_damaged_files_are_read_or_refused(tmp_path, content, change):
    for seed in range(150):
        try:
            found = read(tmp_path, change(content, random.Random(seed)))
        except FileFormatError:
            continue
        assert np.isfinite(found.f).all()


def test_atoms_of_small_structures_have_the_labels_of_their_sites():
    urea = friedel.as_model(Path(__file__).parents[2] / "examples" / "urea.cif").atoms
    assert urea.site_labels == ("C1", "O1", "N1", "H1", "H2")
    assert urea.without_aniso().select(urea.is_hydrogen).site_labels == ("H1", "H2")
    with pytest.raises(friedel.AtomsError, match="2 labels of sites for 5 atoms"):
        urea.replace(site_labels=("H1", "H2"))
