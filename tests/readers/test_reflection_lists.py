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

    def test_free_flags_and_twin_components(self):
        """-1 is a flag, unless the next line has the same value and another component."""
        rows = [(h, 0, 0, 10 * h, 1, -1 if h % 5 == 3 else 1) for h in range(1, 21)]
        read = parse_hklf(lines(*rows) + END, "list")
        assert (read.code, read.component, read.notes) == (4, None, ())
        assert np.flatnonzero(read.free).tolist() == [2, 7, 12, 17]
        # the last line, and two free ones in a row
        read = parse_hklf(lines((1, 0, 0, 9, 1, -1), (2, 0, 0, 8, 1, -1)), "list")
        assert read.free.tolist() == [True, True]
        # equal values, but of the same component: a group of HKLF 5 has different ones
        read = parse_hklf(lines((1, 0, 0, 9, 1, -1), (2, 0, 0, 9, 1, 1)), "list")
        assert (read.code, read.free.tolist()) == (4, [True, False])
        twins = lines((1, 0, 0, 9, 1, -1), (2, 0, 0, 9, 1, 2), (3, 0, 0, 7, 1, 1))
        read = parse_hklf(twins, "list")
        assert (read.code, read.free, read.component.tolist()) == (5, None, [-1, 2, 1])
        assert parse_hklf(twins, "list", 4).component is None
        assert parse_hklf(lines((1, 0, 0, 9, 1, 1), (2, 0, 0, 8, 1, 2)), "list").free is None

    def test_flags_beside_one_that_looks_like_a_component(self):
        """A guess, which strict mode refuses."""
        rows = [(h, 0, 0, 10 * h, 1, -1 if h in (2, 5, 8) else 2) for h in range(1, 11)]
        rows[5] = (6, 0, 0, 50, 1, 2)
        read = parse_hklf(lines(*rows), "list")
        assert (read.code, int(read.free.sum())) == (4, 3)
        (note,) = read.notes
        assert (note.kind, note.number) == ("guess", 3)

    @pytest.mark.parametrize("end", ["", "0 0 0 0 0\n", "\n", "0 0 0 0 0\nTITL x\n"])
    @pytest.mark.parametrize("line_end", ["\n", "\r\n"])
    def test_blanks_between_numbers(self, end, line_end):
        text = "1 0 0 5.0 1.0\n-10  -2 3 12345.678 2 \n 2\t0 0 -1e1 .5 -1\n" + end
        read = parse_hklf(text.replace("\n", line_end), "list")
        assert read.hkl.tolist() == [[1, 0, 0], [-10, -2, 3], [2, 0, 0]]
        assert read.f2.tolist() == [5.0, 12345.678, -10.0]
        assert read.sigmas.tolist() == [1.0, 2.0, 0.5]
        assert read.free.tolist() == [False, False, True]
        assert read.notes[0] == "list has blanks between numbers, not fixed columns"
        assert len(read.notes) == 1 + ("TITL" in end)

    def test_one_line_out_of_place_is_an_error(self):
        """Numbers without a point are hundredths in fixed columns, so the format is not mixed."""
        fixed = "   1   0   0   12345     100\n" * 3
        assert parse_hklf(fixed, "list").f2[0] == 123.45
        with pytest.raises(friedel.FileFormatError, match="line 4 of list"):
            parse_hklf(fixed + " 1 0 0 5.0 1.0\n", "list")

    def test_end_of_file_mark(self):
        assert len(parse_hklf(lines((1, 0, 0, 5, 1)) + END + "\x1a", "list").hkl) == 1
        assert not parse_hklf(lines((1, 0, 0, 5, 1)) + "\x1a", "list").notes

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            (lines((1, 0, 0, 5, 1)) + "   1   x   0    5.00    1.00\n", 2),
            (lines((1, 0, 0, 5, 1)) + "   1   0   0    5.00\n", 2),
            ("   1   0   0    5.00     nan\n", 1),
            ("\n   1   0   0  1_0.00    1.00\n", 2),
            ("   1   0   0    5.00    1.00   y\n", 1),
            (" 1 0 0 5.0 1.0 0.3\n", 1),
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

    @pytest.mark.parametrize("status", ["x", "X", "'x'", "-", "h", "l"])
    @pytest.mark.parametrize("item", ["observed_status", "include_status"])
    def test_status_of_reflections_not_used(self, tmp_path, item, status):
        tags = (
            "_refln_index_h _refln_index_k _refln_index_l _refln_F_squared_meas "
            f"_refln_F_squared_sigma _refln_{item}"
        )
        rows = f"1 0 0 10 0.3 o\n2 0 0 99 1 {status}\n3 0 0 5 1 .\n4 0 0 5 1 <"
        read = read_reflection_list(written(tmp_path, self.loop(tags, rows)))
        assert read.hkl[:, 0].tolist() == [1, 3, 4]
        assert read.notes == ("1 reflections of list.hkl have no value or are marked as excluded",)

    @pytest.mark.parametrize("dot", ["_", "."])
    def test_satellites(self, tmp_path, dot):
        tags = "index_h index_k index_l index_m_1 index_m_2 F_squared_meas F_squared_sigma"
        tags = " ".join(f"_refln{dot}{tag}" for tag in tags.split())
        rows = "1 0 0 0 0 9 1\n1 0 0 1 0 8 1\n1 0 0 0 -2 7 1\n2 0 0 . 0 6 1\n3 0 0 1 0 ? 1"
        read = read_reflection_list(written(tmp_path, self.loop(tags, rows)))
        assert read.hkl[:, 0].tolist() == [1, 2]
        assert read.f2.tolist() == [9, 6]
        assert read.notes[0] == "2 satellite reflections of list.hkl are not used, only main ones"
        assert (read.notes[0].kind, read.notes[0].number) == ("left out", 2)
        only = "\n".join(row for row in rows.splitlines()[1:3])
        with pytest.raises(friedel.FileFormatError, match="no usable value"):
            read_reflection_list(written(tmp_path, self.loop(tags, only)))

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
    @pytest.mark.parametrize("line_end", ["\n", "\r\n"])
    def test_encodings(self, tmp_path, encoding, line_end):
        tags = "_refln_index_h _refln_index_k _refln_index_l _refln_F_meas _refln_F_sigma"
        text = f"# \u00e9\n{self.loop(tags, '1 0 0 3.0 0.5')}"
        path = tmp_path / "list.fcf"
        path.write_bytes(text.replace("\n", line_end).encode(encoding))
        assert read_reflection_list(path).f2.tolist() == [9.0]
        path.write_bytes(
            ("\ufeff" if encoding != "latin-1" else "").encode()
            + lines((1, 0, 0, 5, 1)).replace("\n", line_end).encode()
        )
        assert read_reflection_list(path).f2.tolist() == [5.0]

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


SMALL_CASES = {
    "31_satellites.fcf": "satellite reflections of 31_satellites.fcf are not used",
    "37_rfree_batch.hkl": "28 reflections with R-free flags (batch number -1) are used",
}


@pytest.mark.parametrize("name", SMALL_CASES)
def test_small_cases(shared_data, name):
    """Perfect data of lists that were once read wrongly: R1 is 0 but for their decimals."""
    path = shared_data.parent / "cases" / "sm" / name
    if not path.is_file():
        pytest.skip("no cases beside the shared data")
    fit = friedel.fit_intensities(path.with_suffix(".cif"), path)
    assert fit.r1 < 2e-4
    assert sum(SMALL_CASES[name] in note for note in fit.notes) == 1


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
