"""Reflection files that were once read wrongly, and similar ones of each kind."""

import gemmi
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import friedel
from commands import run
from friedel.errors import FileFormatError, ReflectionsError
from friedel.readers.amplitudes import as_reflections
from friedel.readers.free_flags import free_value
from globule import CRYSTAL, globule

CASES = {
    # file: R below, number of free reflections (None: none), words of the notes
    "c01_of.cif": (1e-5, 48, ("status = f",)),
    "c02_status_x.cif": (1e-5, 45, ("59 reflections with status x",)),
    "c04_sig0.cif": (1e-5, 48, ("all sigmas are zero or missing",)),
    "c04b_sigq.cif": (1e-5, 48, ("all sigmas are zero or missing",)),
    "c05_flag_contradicts.cif": (1e-5, 48, ("contradicts status in",)),
    "c06_I_only.cif": (0.02, 48, ("French and Wilson",)),
    "c06b_Fpm.cif": (1e-5, 48, ("pdbx_F_plus and pdbx_F_minus are averaged",)),
    "c07_two_blocks.cif": (1e-5, 48, ("is used; there are also",)),
    "c08_nosg.cif": (1e-5, 48, ("no space group: that of the model",)),
    "c11_negsig.cif": (1e-5, 43, ("with a negative sigma are not used",)),
    "c12_two_wavelengths.cif": (1e-5, 48, ("wavelength or crystal",)),
    "c14_quoted.cif": (1e-5, 48, ()),
    "d01_ccp4.mtz": (1e-5, 48, ("as in CCP4",)),
    "d02_phenix.mtz": (1e-5, 48, ("as in Phenix",)),
    "d03_shelxflags.mtz": (1e-5, 48, ("as in SHELX",)),
    "d04_flag999.mtz": (1e-5, 48, ("without an R-free flag",)),
    "d05_imean.mtz": (0.02, 48, ("French and Wilson",)),
    "d06_anomF.mtz": (1e-5, 48, ("F(+) and F(-) are averaged",)),
    "d07c_FP_empty.mtz": (1e-5, 48, ("hold no data",)),
    "d09_sig0.mtz": (1e-5, 48, ("all sigmas are zero or missing",)),
    "d09c_sig_third_nan.mtz": (1e-5, 33, ("with a missing sigma are not used",)),
    "d20_absent_000.mtz": (1e-5, 48, ("4 reflections absent", "(0 0 0)")),
    "d23_hkl_not_first.mtz": (1e-5, 48, ()),
    "d32_same_label_two_datasets.mtz": (1e-5, 48, ("F, SIGF of the data set deriv",)),
    "d33_global_cell_wrong.mtz": (1e-5, 48, ()),
    "x01.cns.hkl": (1e-5, 48, ("cell and symmetry: those of the model",)),
    "x02.sca": (0.02, None, ("French and Wilson",)),
}


@pytest.fixture(scope="module")
def cases(shared_data):
    folder = shared_data.parent / "cases" / "mx"
    if not folder.is_dir():
        pytest.skip("no cases beside the shared data")
    return folder


@pytest.mark.parametrize("name", CASES)
def test_case(cases, name):
    limit, n_free, words = CASES[name]
    fitted = friedel.FModel(
        str(cases / "base.pdb"), str(cases / name), solvent="none", target="ls"
    ).fit()
    assert fitted.r_all < limit
    assert int(fitted.free.sum()) == (n_free or 0)
    for text in words:
        assert sum(text in note for note in fitted.notes) == 1, fitted.notes


@pytest.mark.parametrize("model", ["m_nocryst.pdb", "m_111.pdb"])
def test_a_model_without_a_cell_takes_that_of_the_data(cases, model):
    data = str(cases / "d01_ccp4.mtz")
    fitted = friedel.FModel(str(cases / model), data, solvent="none", target="ls").fit()
    assert fitted.r_all < 1e-5
    assert sum("cell and symmetry of the data are used" in note for note in fitted.notes) == 1
    with pytest.raises(friedel.MissingCellError):
        friedel.fcalc(str(cases / model), d_min=2.0)
    with pytest.raises(friedel.GuessError, match="cell and symmetry of the data"):
        friedel.FModel(str(cases / model), data, strict=True)


def test_map_coefficients_are_no_data(cases):
    with pytest.raises(FileFormatError, match="PHWT is of kind phase"):
        as_reflections(f"{cases / 'd07e_mapcoef.mtz'}:FWT,PHWT")


def test_a_data_set_and_a_block_can_be_chosen(cases):
    path = str(cases / "d32_same_label_two_datasets.mtz")
    first, second = as_reflections(path), as_reflections(path, data_set="deriv")
    assert not np.allclose(first.values, second.values)
    np.testing.assert_array_equal(
        as_reflections(f"{path}:deriv/F,deriv/SIGF").values, second.values
    )
    path = cases / "c12_two_wavelengths.cif"
    other = as_reflections(path, data_set="2/1")
    assert not np.allclose(as_reflections(path).values[:9], other.values[:9])
    named = as_reflections(f"{path}:F_meas_au,F_meas_sigma_au", data_set="2/1")
    np.testing.assert_array_equal(named.values, other.values)
    with pytest.raises(FileFormatError, match="no data set 7"):
        as_reflections(path, data_set="7")
    with pytest.raises(FileFormatError, match="no block nothing"):
        as_reflections(cases / "c07_two_blocks.cif", block="nothing")


HKL = CRYSTAL.unique_reflections(3.0)
N = len(HKL)


def write_mtz(path, columns, hkl=HKL):
    """Columns as (label, type, values)."""
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup(CRYSTAL.name)
    mtz.set_cell_for_all(gemmi.UnitCell(*CRYSTAL.cell))
    mtz.add_dataset("data")
    for label, kind, _ in columns:
        mtz.add_column(label, kind)
    mtz.set_data(np.column_stack([hkl, *(values for *_, values in columns)]).astype(np.float32))
    mtz.write_to_file(str(path))
    return path


F = 10.0 + np.arange(N)
SIGMA = np.full(N, 0.5)

CONVENTIONS = {
    # values of work reflections, value of free ones
    "CCP4": (st.integers(1, 19), 0),
    "from 1": (st.integers(2, 20), 1),
    "Phenix": (st.just(0), 1),
    "two sets of CCP4": (st.just(1), 0),
    "SHELX -1/1": (st.just(1), -1),
    "SHELX -1/0": (st.just(0), -1),
    "1 and 2": (st.just(1), 2),
}


@pytest.mark.parametrize("convention", CONVENTIONS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_conventions_of_free_sets(convention, data):
    """5 % free, in any order, with work sets drawn from the convention's values."""
    work, free = CONVENTIONS[convention]
    drawn = data.draw(st.lists(work, min_size=190, max_size=190))
    if convention in ("CCP4", "from 1"):
        low = free + 1
        drawn[:3] = [low, low + 1, low + 2]  # more than one work set
    flags = np.array(drawn + [free] * 10, float)
    label = "R-free-flags" if convention == "Phenix" else "FreeR_flag"
    found, _, missing = free_value(label, flags)
    assert (found, missing) == (free, None)


LABELS = (
    "FREE", "FreeR_flag", "R-free-flags", "FREER", "RFREE", "Rfree", "FreeRflag", "FreeR-flag",
    "FREERFLAG", "R-free", "TEST", "FREER_FLAG", "FreeR", "FREE_R_FLAG", "RFREE_FLAG",
)  # fmt: skip


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("letter", ["I", "R", "F"])
def test_labels_of_free_sets(tmp_path, label, letter):
    flags = np.where(np.arange(N) % 10 == 3, 1.0, 0.0)
    columns = [("FP", "F", F), ("SIGFP", "Q", SIGMA), (label, letter, flags)]
    data = as_reflections(write_mtz(tmp_path / "a.mtz", columns))
    assert data.free.sum() == (flags == 1).sum()


@pytest.mark.parametrize("share", [0.25, 0.45])
def test_a_large_free_set_is_doubted_or_refused(tmp_path, share):
    flags = np.where(np.arange(N) < share * N, 1.0, 0.0)
    columns = [("FP", "F", F), ("SIGFP", "Q", SIGMA), ("R-free-flags", "I", flags)]
    path = write_mtz(tmp_path / "a.mtz", columns)
    if share < 0.3:
        assert any("more than usual" in note for note in as_reflections(path).notes)
        return
    with pytest.raises(ReflectionsError, match="free_value"):
        as_reflections(path)
    assert as_reflections(path, free_value=1).free.mean() == pytest.approx(share, abs=0.01)


MARKERS = {"VALM": np.nan, "-999": -999.0, "-9999": -9999.0, "inf": np.inf}


@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize("column", [0, 1])
def test_marks_of_what_is_missing(tmp_path, marker, column):
    values = [F.copy(), SIGMA.copy()]
    values[column][::7] = MARKERS[marker]
    columns = [("FP", "F", values[0]), ("SIGFP", "Q", values[1])]
    data = as_reflections(write_mtz(tmp_path / "a.mtz", columns))
    assert len(data) == N - len(F[::7])
    assert np.isfinite(data.values).all()


@pytest.mark.parametrize(
    ("value", "sigma", "word"),
    [
        ("PHIC", "SIGFP", "kind phase"),
        ("FP", "PHIC", "kind phase"),
        ("FREE", "SIGFP", "kind whole number"),
        ("FC", "SIGFP", "kind calculated"),
        ("FP", "FC", "kind calculated"),
    ],
)
def test_a_column_of_another_kind_is_an_error(tmp_path, value, sigma, word):
    columns = [
        ("FP", "F", F),
        ("SIGFP", "Q", SIGMA),
        ("FC", "F", F),
        ("PHIC", "P", F),
        ("FREE", "I", np.arange(N) % 20),
    ]
    path = write_mtz(tmp_path / "a.mtz", columns)
    with pytest.raises(FileFormatError, match=word):
        as_reflections(f"{path}:{value},{sigma}")


def test_named_intensities_become_amplitudes(tmp_path):
    columns = [("IMEAN", "J", F**2), ("SIGIMEAN", "Q", 2 * F * SIGMA)]
    data = as_reflections(f"{write_mtz(tmp_path / 'a.mtz', columns)}:IMEAN,SIGIMEAN")
    # I / sigma is 10 at least: F differs by 1 / (8 (I/sigma)^2) and the prior
    np.testing.assert_allclose(data.values, F, rtol=0.02)
    np.testing.assert_allclose(data.sigmas, SIGMA, rtol=0.05)


def test_equivalents_are_weighted(tmp_path):
    hkl = np.concatenate([HKL, -HKL])
    values = np.concatenate([F, 3 * F])
    sigmas = np.concatenate([np.full(N, 0.1), np.full(N, 1e4)])
    columns = [("FP", "F", values), ("SIGFP", "Q", sigmas)]
    data = as_reflections(write_mtz(tmp_path / "a.mtz", columns, hkl))
    np.testing.assert_allclose(data.values, F, rtol=1e-6)
    assert f"{N} equivalent reflections are merged" in data.notes


STATUS = {
    "x": False,
    "-": False,
    "h": False,
    "l": False,
    "<": False,
    "o": True,
    "'o'": True,
    "O": True,
}


@pytest.mark.parametrize("status", STATUS)
def test_status_of_rows(tmp_path, status):
    rows = [
        f"{h} {k} {l} {f:.1f} 0.5 {status if i % 7 == 0 else 'o' if i % 7 > 1 else 'f'}"
        for i, ((h, k, l), f) in enumerate(zip(HKL.tolist(), F, strict=True))
    ]
    items = ("index_h", "index_k", "index_l", "F_meas_au", "F_meas_sigma_au", "status")
    lengths = dict(zip(("length_a", "length_b", "length_c"), CRYSTAL.cell, strict=False))
    text = "\n".join(
        [
            "data_r",
            *(f"_cell.{name} {value}" for name, value in lengths.items()),
            *(f"_cell.angle_{name} 90" for name in ("alpha", "beta", "gamma")),
            f"_symmetry.space_group_name_H-M '{CRYSTAL.name}'",
            "loop_",
            *(f"_refln.{item}" for item in items),
            *rows,
        ]
    )
    path = tmp_path / "a-sf.cif"
    path.write_text(text + "\n")
    data = as_reflections(path)
    assert len(data) == (N if STATUS[status] else N - len(F[::7]))
    assert data.free.sum() == len(F[1::7])


def test_scalepack_with_friedel_mates(tmp_path):
    header = "    1\n -985\n" + "".join(f"{x:10.3f}" for x in CRYSTAL.cell) + " p212121\n"
    rows = [
        f"{h:4d}{k:4d}{l:4d}{100:8.1f}{1:8.1f}"
        + (f"{0:8.1f}{-1:8.1f}" if i % 2 else f"{110:8.1f}{1:8.1f}")
        for i, (h, k, l) in enumerate(HKL.tolist())
    ]
    path = tmp_path / "a.sca"
    path.write_text(header + "\n".join(rows) + "\n")
    data = as_reflections(path)
    both = np.sqrt(105.0)
    np.testing.assert_allclose(np.unique(data.values.round(1)), [10.0, both.round(1)], atol=0.11)


def test_shelx_list_takes_cell_from_the_model(tmp_path):
    model = (CRYSTAL, globule())
    f = friedel.fcalc(model, d_min=2.0)
    exact = friedel.Reflections(CRYSTAL, f.hkl, f.amplitudes, 0.01 * f.amplitudes + 0.01)
    exact.to_hklf(tmp_path / "a.hkl")
    fitted = friedel.FModel(model, str(tmp_path / "a.hkl"), solvent="none", target="ls").fit()
    assert fitted.r_all < 0.02
    with pytest.raises(FileFormatError, match="states no unit cell"):
        as_reflections(tmp_path / "a.hkl")


def test_the_command_takes_a_block_and_a_data_set(capsys, cases):
    model, data = cases / "base.pdb", cases / "d32_same_label_two_datasets.mtz"
    code, _, first = run(capsys, "fmodel", model, data, "--solvent", "none")
    assert code == 0
    assert "there are also F, SIGF of the data set deriv" in first
    code, _, second = run(capsys, "fmodel", model, data, "--solvent", "none", "--data-set", "deriv")
    assert code == 0
    assert "there are also" not in second
    code, _, err = run(capsys, "fmodel", model, cases / "c07_two_blocks.cif", "--block", "none")
    assert (code, err.count("\n")) == (2, 1)
    assert "no block none; there are" in err
    code, _, err = run(capsys, "fmodel", model, data, "--solvent", "none", "--strict")
    assert code == 2
    assert "name the columns" in err


def test_comments_in_a_cns_list(tmp_path):
    """In braces, over several lines too, and from ! to the end of a line."""
    rows = [
        f"INDE {h} {k} {l} FOBS= {f:.1f} SIGMA= 0.5 {'! a remark' if i == 3 else ''}"
        for i, ((h, k, l), f) in enumerate(zip(HKL.tolist(), F, strict=True))
    ]
    rows[1] = "{ INDE 0 0 2 FOBS= 9.9\n  in a remark }\n" + rows[1]
    path = tmp_path / "a.hkl"
    path.write_text("NREFlection= 1\n" + "\n".join(rows) + "\n")
    data = as_reflections(path, crystal=CRYSTAL)
    assert len(data) == N
    np.testing.assert_allclose(np.sort(data.values), F)


def test_the_command_takes_an_anisotropic_mean(capsys, cases):
    """Isotropic data have hardly any anisotropy; amplitudes have no mean to choose."""
    options = ("--solvent", "none", "--target", "ls", "--anisotropic-mean")
    code, out, err = run(capsys, "fmodel", cases / "base.pdb", cases / "c06_I_only.cif", *options)
    assert code == 0
    assert "the mean intensity is anisotropic: B differs by" in err
    assert "R_work" in out
    code, _, err = run(capsys, "fmodel", cases / "base.pdb", cases / "c01_of.cif", *options)
    assert (code, err.count("\n")) == (2, 1)
    assert "for intensities" in err
