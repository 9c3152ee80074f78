"""Reflection lists of small structures: recognised by content, read, rejected if invalid."""

import gzip

import numpy as np
import pytest

import friedel
from friedel.readers.hklf import parse_hklf
from friedel.readers.reflection_lists import is_small_structure, read_reflection_list
from friedel.readers.stated_refinement import parse_weights, read_refinement

pytest.importorskip("gemmi")

END = "   0   0   0    0.00    0.00   0\n"

CIF = """\
data_x
_cell_length_a 5.0(1)
_cell_length_b 6.0
_cell_length_c 7.0
_cell_angle_alpha 90
_cell_angle_beta 95.5
_cell_angle_gamma 90
"""


def lines(*rows) -> str:
    return "".join(
        f"{h:4d}{k:4d}{l:4d}{f:8.2f}{s:8.2f}" + "".join(f"{x:4d}" for x in rest) + "\n"
        for h, k, l, f, s, *rest in rows
    )


def written(tmp_path, text: str, name: str = "list.hkl"):
    path = tmp_path / name
    path.write_text(text)
    return path


class TestHklf:
    def test_columns_that_touch_and_what_follows_the_end(self):
        read = parse_hklf(f"-100-101  -999999.99   -1.00\n{END}TITL x\n\nCELL\n", "list")
        assert read.hkl.tolist() == [[-100, -101, -9]]
        assert (read.f2[0], read.sigmas[0], read.code) == (99999.99, -1.0, 4)
        assert read.notes == ("2 lines after the end of the list are not read",)

    def test_numbers_without_a_point_are_hundredths(self):
        read = parse_hklf("   1   2   3   12345   1.5e1\n", "list")
        assert (read.f2[0], read.sigmas[0]) == (123.45, 15.0)

    def test_without_an_end_and_with_blank_lines_before(self):
        read = parse_hklf("\n\n" + lines((1, 0, 0, 5, 1), (2, 0, 0, 6, 1)), "list")
        assert len(read.hkl) == 2

    def test_amplitudes(self):
        read = parse_hklf(lines((1, 0, 0, 5, 0.5), (2, 0, 0, 0.1, 0.5)) + END, "list", 3)
        np.testing.assert_allclose(read.f2, [25.0, 0.01])
        np.testing.assert_allclose(read.sigmas, [5.0, 0.25])

    def test_components(self):
        rows = ((1, 0, 0, 9, 1, -2), (2, 1, 0, 9, 1, 1), (3, 0, 0, 7, 1, 2))
        read = parse_hklf(lines(*rows) + END, "list")
        assert read.code == 5
        assert read.component.tolist() == [-2, 1, 2]
        batches = lines((1, 0, 0, 9, 1, 1), (2, 1, 0, 9, 1, 2))
        assert parse_hklf(batches, "list").component is None
        assert parse_hklf(batches, "list", 5).component.tolist() == [1, 2]

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            (lines((1, 0, 0, 5, 1)) + "   1   x   0    5.00    1.00\n", 2),
            (lines((1, 0, 0, 5, 1)) + "   1   0   0    5.00\n", 2),
            ("   1   0   0    5.00     nan\n", 1),
            ("\n   1   0   0  1_0.00    1.00\n", 2),
            ("   1   0   0    5.00    1.00   y\n", 1),
            (" 1 0 0 5.0 1.0\n", 1),
            (lines((1, 0, 0, 5, 1, 1), (2, 1, 0, 9, 1, -2)), 2),
        ],
    )
    def test_line_that_cannot_be_read(self, text, line):
        with pytest.raises(friedel.FileFormatError, match=f"line {line} of list"):
            parse_hklf(text, "list")

    @pytest.mark.parametrize("text", ["", "\n\n", END])
    def test_nothing(self, text):
        with pytest.raises(friedel.FileFormatError, match="no reflections"):
            parse_hklf(text, "list")


class TestCif:
    def loop(self, tags: str, rows: str) -> str:
        return f"# a comment\n{CIF}loop_\n" + "\n".join(tags.split()) + f"\n{rows}\n"

    def test_squares_with_status(self, tmp_path):
        tags = (
            "_refln_index_h _refln_index_k _refln_index_l _refln_F_squared_meas "
            "_refln_F_squared_sigma _refln_observed_status"
        )
        text = self.loop(tags, "1 0 0 10.5(3) 0.3 o\n0 1 0 0.1 0.3 <\n0 0 1 ? . o\n2 0 0 1 1 x")
        read = read_reflection_list(written(tmp_path, text))
        assert read.hkl.tolist() == [[1, 0, 0], [0, 1, 0]]
        assert read.f2.tolist() == [10.5, 0.1]
        assert read.cell == (5.0, 6.0, 7.0, 90.0, 95.5, 90.0)
        assert read.notes == ("2 reflections of list.hkl have no value or are marked as excluded",)

    @pytest.mark.parametrize(
        ("tags", "f2"),
        [
            ("_refln_index_{} _refln_F_meas _refln_F_sigma", 9.0),
            ("_refln.index_{} _refln.F_squared_meas _refln.F_squared_meas_su", 3.0),
            ("_diffrn_refln_index_{} _diffrn_refln_intensity_net _diffrn_refln_intensity_u", 3.0),
        ],
    )
    def test_other_items(self, tmp_path, tags, f2):
        index, *values = tags.split()
        tags = " ".join([*(index.format(x) for x in "hkl"), *values])
        path = tmp_path / "list.cif.gz"
        path.write_bytes(gzip.compress(self.loop(tags, "1 0 0 3.0 0.5").encode()))
        read = read_reflection_list(path)
        assert read.f2.tolist() == [f2]

    def test_embedded_with_its_code_and_matrix(self, tmp_path):
        text = (
            f"{CIF}_shelx_res_file\n;\nCELL 0.7 5 6 7 90 90 90\nHKLF 3 1 0 1 0 1 0 0 0 0 -1\n;\n"
            f"_shelx_hkl_file\n;\n{lines((1, 2, 3, 4, 0.5))}{END};\n_shelx_fab_file\n;\nx\n;\n"
        )
        read = read_reflection_list(written(tmp_path, text))
        assert read.hkl.tolist() == [[2, 1, -3]]
        assert read.f2.tolist() == [16.0]
        assert len(read.notes) == 2
        assert "_shelx_fab_file" in read.notes[1]

    def test_number_of_the_line_in_the_file(self, tmp_path):
        text = f"{CIF}_shelx_hkl_file\n;\n{lines((1, 2, 3, 4, 1))}   1 2 3 4\n;\n"
        with pytest.raises(friedel.FileFormatError, match="line 11 of"):
            read_reflection_list(written(tmp_path, text))

    @pytest.mark.parametrize(
        ("body", "match"),
        [
            ("", "no list of reflections"),
            ("loop_ _refln_index_h _refln_index_k _refln_index_l\n1 2 3\n", "no list"),
            ("loop_\n_a\n_b\n1 2 3\n", "cannot read"),
            ("_shelx_res_file\n;\nHKLF 2\n;\n_shelx_hkl_file\n;\n   1\n;\n", "HKLF 2"),
        ],
    )
    def test_refused(self, tmp_path, body, match):
        with pytest.raises(friedel.FileFormatError, match=match):
            read_reflection_list(written(tmp_path, CIF + body))

    @pytest.mark.parametrize("index", ["1.5", "x", "9999999"])
    def test_indices(self, tmp_path, index):
        tags = "_refln_index_h _refln_index_k _refln_index_l _refln_F_meas _refln_F_sigma"
        with pytest.raises(friedel.FileFormatError, match="expected integers"):
            read_reflection_list(written(tmp_path, self.loop(tags, f"{index} 0 0 3.0 0.5")))

    def test_no_value_at_all(self, tmp_path):
        tags = "_refln_index_h _refln_index_k _refln_index_l _refln_F_meas _refln_F_sigma"
        with pytest.raises(friedel.FileFormatError, match="no usable value"):
            read_reflection_list(written(tmp_path, self.loop(tags, "1 0 0 ? ?")))


def test_files_are_recognised_by_content(shared_data):
    models = shared_data / "models"
    assert "HKLF 4" in read_reflection_list(models / "epoxide.hkl").description
    assert "_refln_F_squared_meas" in read_reflection_list(models / "2242624.hkl").description
    assert "_shelx_hkl_file" in read_reflection_list(models / "4003024.cif").description
    assert is_small_structure(models / "2242624.cif")
    assert not any(is_small_structure(models / x) for x in ("5i55.cif", "2242624.hkl", "1dur.mtz"))


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(friedel.FileFormatError, match="no such file"):
        read_reflection_list(tmp_path / "none.hkl")
    broken = tmp_path / "list.hkl.gz"
    broken.write_bytes(gzip.compress(b"data_x\n" * 99)[:20])
    with pytest.raises(friedel.FileFormatError, match="cannot read"):
        read_reflection_list(broken)


class TestStated:
    @pytest.mark.parametrize(
        ("text", "weights"),
        [
            (r"w=1/[\s^2^(Fo^2^)+(0.0282P)^2^+0.3122P] where P=(Fo^2^+2Fc^2^)/3", (0.0282, 0.3122)),
            (r"calc w = 1/[\s^2^(Fo^2^)+(0.037)^2^+ 0.102P] where P = ...", (0.037, 0.102)),
            (r"w=1/[\s^2^(Fo^2^)+0.1705P] where P=(Fo^2^+2Fc^2^)/3", (0.0, 0.1705)),
            (r"w=1/[\s^2^(Fo^2^)+(0.05P)^2^] where P=(Fo^2^+2Fc^2^)/3", (0.05, 0.0)),
            (r"w=1/[\s^2^(Fo^2^)]", (0.0, 0.0)),
            ("Chebychev polynomial", None),
            (r"w=1/[\s^2^(Fo^2^)+(0.05P)^2^+0.1P+0.2sin\q]", None),
            ("", None),
        ],
    )
    def test_weights(self, text, weights):
        assert parse_weights(text) == weights

    def test_what_a_file_says(self, shared_data):
        stated = read_refinement(shared_data / "models" / "4003024.cif")
        assert (stated.wavelength, stated.extinction, stated.r1) == (0.71073, 0.082, 0.0162)
        assert (stated.n_parameters, stated.weights) == (6, (0.0, 0.1705))
        assert read_refinement(shared_data / "models" / "1011031.cif").r1 is None
        assert read_refinement(("no", "file")).wavelength is None
