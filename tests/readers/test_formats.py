"""The same data in every format: the same amplitudes, also compressed and with odd line ends."""

import dataclasses
import gzip

import gemmi
import numpy as np
import pytest

import data_files
import friedel
from friedel.errors import FileFormatError, GuessError
from friedel.readers.amplitudes import as_reflections, split_labels
from friedel.readers.gemmi_models import crystal_from_gemmi
from globule import CRYSTAL, globule

DATA = data_files.intensities(CRYSTAL)

CELLS = ("a.cns.hkl", "shelx.hkl", "blanks.hkl")
"""Files that state neither cell nor symmetry."""


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The amplitudes by way of an MTZ file."""
    path = tmp_path_factory.mktemp("mtz") / "a.mtz"
    data_files.mtz(path, DATA)
    return as_reflections(path)


def check(found, expected):
    np.testing.assert_array_equal(found.hkl, expected.hkl)
    # MTZ files hold float32
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-6)
    np.testing.assert_allclose(found.sigmas, expected.sigmas, rtol=1e-6)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", data_files.WRITERS)
def test_siblings(tmp_path, expected, name, packed):
    path = tmp_path / name
    data_files.WRITERS[name](path, DATA)
    if packed:
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = tmp_path / f"{name}.gz"
    found = as_reflections(path, crystal=CRYSTAL)
    check(found, expected)
    assert any("French and Wilson" in note for note in found.notes)
    stated = [note for note in found.notes if "the data state no" in note]
    assert len(stated) == (name in (*CELLS, "unmerged.sca"))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text + "\n\n",
        lambda text: text.rstrip("\n"),
    ],
    ids=["CRLF", "byte order mark", "blank lines", "no last line end"],
)
@pytest.mark.parametrize("name", [name for name in data_files.WRITERS if name != "a.mtz"])
def test_line_ends_and_byte_order_marks(tmp_path, expected, name, change):
    path = tmp_path / name
    data_files.WRITERS[name](path, DATA)
    path.write_bytes(change(path.read_text()).encode())
    check(as_reflections(path, crystal=CRYSTAL), expected)


@pytest.mark.parametrize("name", data_files.WRITERS)
def test_the_name_of_a_file_does_not_matter(tmp_path, expected, name):
    data_files.WRITERS[name](tmp_path / name, DATA)
    path = (tmp_path / name).rename(tmp_path / "data.txt")
    check(as_reflections(path, crystal=CRYSTAL), expected)


def test_amplitudes_are_the_same_in_every_format(tmp_path):
    f = DATA._replace(value=np.abs(DATA.value) + 1.0)
    data_files.mtz(tmp_path / "a.mtz", f, "FP", "F")
    data_files.mmcif(tmp_path / "a.cif", f, "F_meas_au", "F_meas_sigma_au")
    data_files.cns(tmp_path / "a.hkl", f, "FOBS", "SIGMA")
    expected = as_reflections(tmp_path / "a.mtz")
    np.testing.assert_allclose(np.sort(expected.values), np.sort(f.value), rtol=1e-6)
    for name in ("a.cif", "a.hkl"):
        check(as_reflections(tmp_path / name, crystal=CRYSTAL), expected)


def test_mates_are_averaged_as_unmerged_data_are(tmp_path):
    """Scalepack with both mates, and unmerged with the indices -h for the second."""
    centric = CRYSTAL.is_centric(DATA.hkl)
    minus = np.where(centric, DATA.value, np.round(DATA.value + 1.5 * DATA.sigma, 1))
    data_files.scalepack(tmp_path / "both.sca", DATA, minus)
    twice = data_files.Data(
        CRYSTAL,
        np.concatenate([DATA.hkl, -DATA.hkl]),
        np.concatenate([DATA.value, minus]),
        np.tile(DATA.sigma, 2),
    )
    data_files.unmerged_scalepack(tmp_path / "unmerged.sca", twice)
    data_files.xds(tmp_path / "XDS_ASCII.HKL", twice)
    data_files.hklf(tmp_path / "a.hkl", twice)
    expected = as_reflections(tmp_path / "both.sca")
    assert "I(+) and I(-) are averaged" in expected.notes
    # I(+) and I(-) in columns become amplitudes by themselves, the rows of other lists together
    mean = dataclasses.replace(
        expected, values=expected.intensities, sigmas=expected.intensity_sigmas
    )
    for name in ("unmerged.sca", "XDS_ASCII.HKL", "a.hkl"):
        found = as_reflections(tmp_path / name, crystal=CRYSTAL)
        check(
            dataclasses.replace(found, values=found.intensities, sigmas=found.intensity_sigmas),
            mean,
        )
        assert f"{len(DATA.hkl)} equivalent reflections are merged" in found.notes


def test_unmerged_scalepack_at_any_equivalent(tmp_path, expected):
    """Original indices may be anywhere; operators of the header are those of the symbol."""
    rng = np.random.default_rng(2)
    rotations = CRYSTAL.rotations[rng.integers(len(CRYSTAL.rotations), size=len(DATA.hkl))]
    turned = np.einsum("ni,nij->nj", DATA.hkl, rotations).astype(int)
    data_files.unmerged_scalepack(tmp_path / "a.sca", DATA._replace(hkl=turned))
    check(as_reflections(tmp_path / "a.sca", crystal=CRYSTAL), expected)


def test_operators_of_a_scalepack_header_are_checked(tmp_path, expected):
    path = tmp_path / "a.sca"
    data_files.unmerged_scalepack(path, DATA, symbol="p222")
    found = as_reflections(path, crystal=CRYSTAL)
    check(found, expected)
    assert sum("are those of P 21 21 21, not of p222" in note for note in found.notes) == 1
    with pytest.raises(GuessError, match="not of p222"):
        friedel.FModel((CRYSTAL, globule()), str(path), solvent="none", strict=True)
    lines = path.read_text().splitlines()
    lines[3] = "  1  1  0  0 -1  0  0  0  1"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(FileFormatError, match="no space group"):
        as_reflections(path, crystal=CRYSTAL)
    path.write_text("\n".join(lines[:9]) + "\n")
    with pytest.raises(FileFormatError):
        as_reflections(path, crystal=CRYSTAL)
    data_files.unmerged_scalepack(path, DATA)
    with pytest.raises(FileFormatError, match="states no unit cell"):
        as_reflections(path)


@pytest.mark.parametrize("centring", [False, True])
@pytest.mark.parametrize("symbol", ["C 1 2 1", "I 2 3", "H 3 2", "P 61 2 2", "F d -3 m:1"])
def test_centred_groups_in_a_scalepack_header(tmp_path, symbol, centring):
    """The header has the operators without centring, or with it."""
    cell = {"C": (40, 30, 35, 90, 100, 90), "I": (50, 50, 50, 90, 90, 90)}
    cell |= {"F": cell["I"], "H": (45, 45, 70, 90, 90, 120), "P": (45, 45, 70, 90, 90, 120)}
    group = gemmi.SpaceGroup("R 3 2:H" if symbol == "H 3 2" else symbol)
    crystal = crystal_from_gemmi(gemmi.UnitCell(*cell[symbol[0]]), group)
    data = data_files.intensities(crystal, 5.0)
    named = symbol.replace("1 2 1", "2").replace(" ", "").lower()
    data_files.unmerged_scalepack(tmp_path / "a.sca", data, named, centring=centring)
    found = as_reflections(tmp_path / "a.sca", crystal=crystal)
    assert found.crystal.has_same_symmetry(crystal)
    assert len(found) == len(data.hkl)
    assert not any("not of" in note for note in found.notes)


def test_free_flags_of_a_shelx_list(tmp_path, expected):
    batch = np.where(np.arange(len(DATA.hkl)) % 20 == 3, -1, 1)
    data_files.hklf(tmp_path / "a.hkl", DATA, batch)
    found = as_reflections(tmp_path / "a.hkl", crystal=CRYSTAL)
    check(found, expected)
    assert found.free.sum() == (batch == -1).sum()
    assert any("FREE = -1 (-1 as in SHELX)" in note for note in found.notes)


def test_a_list_with_twin_components_is_for_small_structures(tmp_path):
    hkl = np.repeat(DATA.hkl[:20], 2, axis=0)
    twins = DATA._replace(
        hkl=hkl, value=np.repeat(DATA.value[:20], 2), sigma=np.repeat(DATA.sigma[:20], 2)
    )
    data_files.hklf(tmp_path / "a.hkl", twins, np.tile([-1, 2], 20))
    with pytest.raises(FileFormatError, match="twin components"):
        as_reflections(tmp_path / "a.hkl", crystal=CRYSTAL)


@pytest.mark.parametrize("ending", ["mtz", "ent", "cif", "hkl", "sca", "fcf"])
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_labels_after_a_path(ending, packed):
    assert split_labels(f"a.{ending}{packed}:A,B") == (f"a.{ending}{packed}", ("A", "B"))


def test_an_unknown_format(tmp_path):
    (tmp_path / "a.hkl").write_text("h k l I sigma\n1 2 3 4 5\n")
    with pytest.raises(FileFormatError, match="no known format"):
        as_reflections(tmp_path / "a.hkl")
