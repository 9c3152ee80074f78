"""F(h) and F(-h): laws, columns, and dispersion taken from a CIF."""

import numpy as np
import pytest

import friedel
from friedel.readers.atom_types import AtomTypes, read_atom_types
from friedel.reflections.friedel_pairs import FriedelPairs

gemmi = pytest.importorskip("gemmi")

CRYSTAL = friedel.Crystal((11, 12, 13, 90, 100, 90))
SCREW = friedel.Crystal(
    (11, 12, 13, 90, 100, 90),
    rotations=np.array([np.eye(3), np.diag([-1, 1, -1])], int),
    translations=np.array([[0, 0, 0], [0, 12, 0]]),
)

PARTNERS = {"PHIC": "FC", "PHICanom": "FCanom"}


def make_atoms(seed=3):
    rng = np.random.default_rng(seed)
    labels = ["C"] * 12 + ["S"] * 3 + ["Se"]
    return friedel.Atoms.from_labels(labels, rng.random((16, 3)), b_iso=8.0)


@pytest.mark.parametrize("method", ["fft", "direct"])
def test_pairs_are_two_calculations(method):
    model = (CRYSTAL, make_atoms())
    options = {"wavelength": 0.97, "method": method, "rtol": 1e-6}
    pairs = friedel.fcalc(model, d_min=2.0, friedel_pairs=True, **options)
    assert isinstance(pairs, FriedelPairs)
    scale = np.abs(pairs.plus).max()
    for values, hkl in ((pairs.plus, pairs.hkl), (pairs.minus, -pairs.hkl)):
        alone = friedel.fcalc(model, hkl=hkl, **options)
        np.testing.assert_allclose(values, alone.values, atol=1e-5 * scale)
    assert np.abs(pairs.differences).max() > 1.0
    without = friedel.fcalc(model, d_min=2.0, friedel_pairs=True, method=method, rtol=1e-6)
    assert np.abs(without.differences).max() < 1e-5 * scale


def test_parts_scatter_what_they_say():
    # mean: f0 + f'; anomalous: f'' alone, as if it were a form factor
    atoms = make_atoms()
    model = (CRYSTAL, atoms)
    pairs = friedel.fcalc(model, d_min=2.0, wavelength=0.97, friedel_pairs=True, method="direct")
    dispersion = {s: friedel.anomalous(s, wavelength=0.97) for s in ("C", "S", "Se")}
    real = friedel.Calculator.from_model(
        model,
        d_min=2.0,
        method="direct",
        addends={s: float(f1) for s, (f1, _) in dispersion.items()},
    )
    np.testing.assert_allclose(pairs.mean, real.forward(), atol=1e-9)
    imaginary = friedel.fcalc(
        model,
        d_min=2.0,
        method="direct",
        form_factors={s: f2 for s, (_, f2) in dispersion.items()},
    )
    np.testing.assert_allclose(pairs.anomalous, imaginary.values, atol=1e-9)


def test_centric_reflections_have_no_differences():
    pairs = friedel.fcalc((SCREW, make_atoms()), d_min=2.0, wavelength=0.97, friedel_pairs=True)
    centric = pairs.hkl[:, 1] == 0
    assert centric.sum() > 10
    np.testing.assert_allclose(pairs.differences[centric], 0.0, atol=1e-9)
    assert np.abs(pairs.differences[~centric]).max() > 1.0


def test_sources_differ_a_little():
    model = (CRYSTAL, make_atoms())
    a, b = (
        friedel.fcalc(model, d_min=3.0, energy=13000.0, anomalous=source, friedel_pairs=True)
        for source in ("cl", "chantler")
    )
    difference = np.linalg.norm(a.anomalous - b.anomalous) / np.linalg.norm(a.anomalous)
    assert 1e-4 < difference < 0.05


def test_mtz_columns_have_the_types_of_the_standard(tmp_path):
    pairs = friedel.fcalc((SCREW, make_atoms()), d_min=2.5, wavelength=0.97, friedel_pairs=True)
    pairs.to_mtz(tmp_path / "pairs.mtz")
    mtz = gemmi.read_mtz_file(str(tmp_path / "pairs.mtz"))
    types = {c.label: c.type for c in mtz.columns}
    assert types == {
        **dict.fromkeys("HKL", "H"),
        **dict.fromkeys(("FC", "FCanom"), "F"),
        **dict.fromkeys(("F(+)", "F(-)"), "G"),
        **dict.fromkeys(("PHIC", "PHIF(+)", "PHIF(-)", "PHICanom"), "P"),
    }
    assert mtz.dataset(1).wavelength == pytest.approx(0.97)
    np.testing.assert_allclose(mtz.column_with_label("F(-)"), np.abs(pairs.minus), rtol=1e-6)


def test_no_tabulated_setting_writes_pairs_in_p1(tmp_path):
    # the same screw axis from an origin that no table has
    atoms = make_atoms()
    shift = np.array([1 / 24, 0.0, 0.0])
    odd = friedel.Crystal(
        SCREW.cell,
        rotations=SCREW.rotations,
        translations=np.array([[0, 0, 0], [2, 12, 0]]),
    )
    moved = atoms.replace(frac=atoms.frac + shift)
    options = {"wavelength": 0.97, "friedel_pairs": True, "method": "direct"}
    pairs = friedel.fcalc((odd, moved), d_min=3.0, **options)
    pairs.to_mtz(tmp_path / "p1.mtz")
    mtz = gemmi.read_mtz_file(str(tmp_path / "p1.mtz"))
    assert mtz.spacegroup.hm == "P 1"
    hkl = mtz.make_miller_array()
    expected = friedel.fcalc((odd, moved), hkl=hkl, **options)
    for label, values in expected.columns().items():
        found = np.array(mtz.column_with_label(label))
        if label.startswith("PH"):
            amplitude = expected.columns()[PARTNERS.get(label, label[3:])]
            difference = np.radians((found - values + 180) % 360 - 180)
            assert np.abs(difference * amplitude).max() < 1e-3, label
        else:
            np.testing.assert_allclose(found, values, atol=1e-4, err_msg=label)


def test_select_keeps_mates_together():
    pairs = friedel.fcalc((CRYSTAL, make_atoms()), d_min=3.0, wavelength=1.0, friedel_pairs=True)
    some = pairs.select(pairs.d_spacing > 5.0)
    assert isinstance(some, FriedelPairs)
    assert 0 < len(some) < len(pairs)
    assert len(some.minus) == len(some)
    assert repr(some).startswith("<friedel.FriedelPairs FC: ")
    with pytest.raises(friedel.ReflectionsError, match="minus"):
        FriedelPairs(CRYSTAL, pairs.hkl, pairs.values, minus=pairs.minus[:3])


CIF = """data_test
_cell_length_a 5
_cell_length_b 6
_cell_length_c 7
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'P 1'
loop_
_atom_type_symbol
_atom_type_scat_dispersion_real
_atom_type_scat_dispersion_imag
{tags}
Fe2+ 0.3463 0.8444 {iron}
O 0.0106(2) 0.006 {oxygen}
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_U_iso_or_equiv
Fe1 Fe2+ 0 0 0 0.01
O1 O 0.3 0.2 0.1 0.01
"""
CROMER_MANN = [f"_atom_type_scat_Cromer_Mann_{x}{i}" for x in "ab" for i in range(1, 5)]


@pytest.fixture
def cif(tmp_path):
    path = tmp_path / "test.cif"
    tags = [*CROMER_MANN, "_atom_type_scat_Cromer_Mann_c", "_atom_type_scat_length_neutron"]
    iron = "10 5 5 3 4.0 0.3 15 70 1 9.45(2)"
    path.write_text(CIF.format(tags="\n".join(tags), iron=iron, oxygen="? ? ? ? ? ? ? ? ? ?"))
    return path


class TestScatteringFromCif:
    def test_what_is_read(self, cif):
        types = read_atom_types(cif)
        assert types.dispersion == {"Fe2+": 0.3463 + 0.8444j, "O": 0.0106 + 0.006j}
        assert list(types.cromer_mann) == ["Fe2+"]
        assert types.cromer_mann["Fe2+"][0] == (10, 5, 5, 3, 1)
        assert types.neutron == {"Fe2+": 9.45}

    def test_x_rays(self, cif):
        found = friedel.fcalc(cif, hkl=[[0, 0, 0], [1, 2, 3]], scattering="cif")
        oxygen = friedel.form_factor_table("it92").entries["O"]
        assert found.values[0] == pytest.approx(24 + 0.3463 + 0.8444j + oxygen.f0 + 0.0106 + 0.006j)
        assert "form factors of Fe2+ and f' and f'' of Fe2+, O from the CIF" in found.description
        plain = friedel.fcalc(cif, hkl=[[1, 2, 3]])
        assert abs(plain.values[0] - found.values[1]) > 0.1

    def test_neutrons_and_what_is_not_said(self, cif):
        found = friedel.fcalc(cif, hkl=[[0, 0, 0]], scattering="cif", source="neutron")
        assert found.values[0] == pytest.approx(9.45 + 5.803)

    def test_the_users_own_form_factors_come_first(self, cif):
        found = friedel.fcalc(cif, hkl=[[0, 0, 0]], scattering="cif", form_factors={"Fe2+": 100.0})
        assert found.values[0].real == pytest.approx(100 + 0.3463 + 8 + 0.0106, abs=0.01)

    def test_another_file_will_do(self, cif):
        model = friedel.as_model(cif)
        a = friedel.fcalc(model, hkl=[[1, 1, 1]], scattering=cif)
        assert a.values[0] == friedel.fcalc(cif, hkl=[[1, 1, 1]], scattering="cif").values[0]

    def test_atoms_of_other_charge_take_the_only_type_of_their_element(self):
        known = {"Fe2+": 1, "O": 2, "O2-": 3}
        found = AtomTypes.for_scatterers(known, ["Fe", "O2-", "O1-", "C"])
        assert found == {"Fe": 1, "O2-": 3}

    @pytest.mark.parametrize(
        "options",
        [
            {"wavelength": 1.0},
            {"source": "electron"},
            {"scattering": "missing.cif"},
            {"scattering": 5},
        ],
    )
    def test_contradictions(self, cif, options):
        with pytest.raises(friedel.FriedelError):
            friedel.fcalc(cif, hkl=[[1, 1, 1]], **{"scattering": "cif", **options})

    def test_a_file_that_says_nothing(self, tmp_path, cif):
        silent = tmp_path / "silent.cif"
        text = cif.read_text()
        silent.write_text(text[: text.index("loop_")] + text[text.rindex("loop_") :])
        with pytest.raises(friedel.FileFormatError, match="no scattering of atom types"):
            friedel.fcalc(silent, hkl=[[1, 1, 1]], scattering="cif")
        model = friedel.as_model(silent)
        with pytest.raises(friedel.FileFormatError, match="no atom types in Model"):
            friedel.fcalc(model, hkl=[[1, 1, 1]], scattering="cif")

    def test_real_files_against_gemmi(self, shared_data):
        path = shared_data / "models" / "2013551.cif"
        small = gemmi.read_small_structure(str(path))
        assert read_atom_types(path).dispersion == read_atom_types(small).dispersion
        small.change_occupancies_to_crystallographic()
        calculator = gemmi.StructureFactorCalculatorX(small.cell)
        for atom_type in small.atom_types:
            calculator.addends.set(atom_type.element, atom_type.dispersion_real)
        hkl = [[1, 1, 1], [2, 1, 3], [0, 0, 4]]
        pairs = friedel.fcalc(path, hkl=hkl, scattering="cif", friedel_pairs=True)
        expected = [calculator.calculate_sf_from_small_structure(small, h) for h in hkl]
        np.testing.assert_allclose(pairs.mean, expected, rtol=1e-5)


def test_ions_in_a_small_molecule_file_are_reported(page_models):
    found = friedel.fcalc(page_models / "1011031.cif", d_min=1.0, use_charge=True)
    assert "C4- scatters as C" in found.description
    assert "Si4+ scatters" not in found.description
    plain = friedel.fcalc(page_models / "1011031.cif", d_min=1.0)
    assert "scatters as" not in plain.description
    assert np.abs(found.values - plain.values).max() > 0.1
