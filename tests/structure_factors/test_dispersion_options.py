"""f' and f'' given by element, ion, atom or scan, calculated for mixtures, and missing ones."""

import gemmi
import numpy as np
import pytest

import friedel
from friedel.model.model import Model
from friedel.notes import Note

CRYSTAL = friedel.Crystal((6, 7, 8, 90, 95, 90))
LABELS = ["Se", "Se", "C", "Fe3+"]
SITES = ("SE1", "SE2", "C1", "FE1")
FRAC = [[0.1, 0.2, 0.3], [0.6, 0.1, 0.8], [0.3, 0.7, 0.2], [0.5, 0.5, 0.1]]
ATOMS = friedel.Atoms.from_labels(LABELS, FRAC, b_iso=3.0)
MODEL = Model(CRYSTAL, ATOMS.replace(site_labels=SITES))
HKL = np.array([[1, 2, 3], [-1, -2, -3], [2, 0, 1]])


def f(model=MODEL, **options):
    return friedel.fcalc(model, hkl=HKL, method="direct", **options)


def one(position, value):
    """Contribution of a number added to the form factor of the atom at a position."""
    phase = np.exp(2j * np.pi * HKL @ np.array(position))
    return value * np.exp(-3.0 * CRYSTAL.stol2(HKL)) * phase


def test_by_element_and_ion():
    plain = f().values
    found = f(addends={"Se": (-8.0, 4.5), "fe+3": -1.0 + 3.0j})
    expected = plain + one(FRAC[3], -1 + 3j)
    expected += one(FRAC[0], -8 + 4.5j) + one(FRAC[1], -8 + 4.5j)
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    assert found.notes == (
        "f' -8 and f'' 4.5 of Se are those given",
        "f' -1 and f'' 3 of Fe3+ are those given",
    )


@pytest.mark.parametrize("name", ["SE1", "se1"])
@pytest.mark.parametrize("method", ["direct", "fft"])
def test_by_atom(name, method):
    options = {"hkl": HKL, "method": method, "rtol": 1e-6}
    plain = friedel.fcalc(MODEL, addends={"Se": -7 + 4j}, **options).values
    found = friedel.fcalc(MODEL, addends={"Se": -7 + 4j, name: -9 + 6j}, **options)
    np.testing.assert_allclose(found.values - plain, one(FRAC[0], -2 + 2j), atol=1e-4)
    assert ATOMS.scatterers == MODEL.atoms.scatterers  # the caller's model stays


def test_an_ion_named_by_its_atom_keeps_its_form_factor():
    options = {"use_charge": True}
    found = f(addends={"FE1": 1j}, **options)
    np.testing.assert_allclose(found.values, f(**options).values + one(FRAC[3], 1j), atol=1e-12)
    by_form_factor = f(addends={"FE1": 1j}, form_factors={"Fe3+": 10.0}).values
    expected = f(form_factors={"Fe3+": 10.0}).values + one(FRAC[3], 1j)
    np.testing.assert_allclose(by_form_factor, expected, atol=1e-12)


def test_given_values_replace_calculated_ones():
    energy = 13000.0
    calculated = f(energy=energy)
    given = f(energy=energy, addends={"SE1": -9 + 6j})
    f1, f2 = friedel.anomalous("Se", energy=energy)
    difference = one(FRAC[0], -9 + 6j - (f1 + 1j * f2))
    np.testing.assert_allclose(given.values - calculated.values, difference, atol=1e-12)


def test_a_scan_is_interpolated_and_said(tmp_path):
    scan = tmp_path / "se.efs"
    scan.write_text("12650 0.6 -7.1\n12660 4.0 -9.1\n")
    found = f(energy=12655.0, addends={"Se": scan, "Fe": 0.0, "C": 0.0})
    expected = f(addends={"Se": -8.1 + 2.3j})
    np.testing.assert_allclose(found.values, expected.values, atol=1e-12)
    (note,) = [note for note in found.notes if note.kind == "file"]
    assert note == "f' -8.100 and f'' 2.300 of Se at 12655 eV are interpolated in se.efs"
    assert not any("edge" in note for note in found.notes)  # nothing calculated is doubtful
    with pytest.raises(friedel.ParameterError, match="needs a wavelength"):
        f(addends={"Se": str(scan)})


def test_names_of_a_small_structure_and_of_a_macromolecule(tmp_path):
    small = gemmi.SmallStructure()
    small.cell = gemmi.UnitCell(6, 7, 8, 90, 90, 90)
    small.spacegroup = gemmi.SpaceGroup("P 1")
    structure = gemmi.Structure()
    structure.cell, structure.spacegroup_hm = small.cell, "P 1"
    residue = gemmi.Residue()
    residue.name, residue.seqid = "MSE", gemmi.SeqId("1")
    for i, name in enumerate(("SE1", "SE2")):
        site = gemmi.SmallStructure.Site()
        site.label, site.type_symbol, site.element = name, "Se", gemmi.Element("Se")
        site.fract, site.occ = gemmi.Fractional(0.1 + 0.2 * i, 0.3, 0.4), 1.0
        small.add_site(site)
        atom = gemmi.Atom()
        atom.name, atom.element, atom.occ = name, gemmi.Element("Se"), 1.0
        atom.b_iso = 0.0
        atom.pos = small.cell.orthogonalize(site.fract)
        residue.add_atom(atom)
    model, chain = gemmi.Model("1"), gemmi.Chain("A")
    chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    path = tmp_path / "m.pdb"
    structure.write_pdb(str(path))
    for source in (small, structure, path, (small.cell, structure[0])):
        found = f(source, addends={"SE2": 5j}).values - f(source).values
        assert np.abs(found[0]) == pytest.approx(5.0, abs=1e-3)
        assert len(set(np.angle(found[:2]).round(3))) == 2
    with pytest.raises(friedel.ParameterError, match="'SE3'"):
        f(small, addends={"SE3": 5j})


def test_what_the_model_lacks_is_said():
    found = f(addends={"Zn": 1j})
    assert found.notes == (Note("no Zn: its f' and f'' are not used"),)
    assert found.notes[0].kind == "left out"
    np.testing.assert_array_equal(found.values, f().values)


def test_elements_without_f_prime_are_calculated_without_and_said():
    atoms = friedel.Atoms.from_labels(["Am", "Fe", "H"], FRAC[:3], b_iso=3.0)
    for source in ("cl", "chantler"):
        found = f((CRYSTAL, atoms), wavelength=0.71073, anomalous=source)
        (note,) = found.notes
        assert note.startswith("no f' and f'' of Am in")
        assert (note.kind, note.number) == ("left out", 1)
        f1, f2 = friedel.anomalous("Fe", wavelength=0.71073, anomalous=source)
        expected = f((CRYSTAL, atoms)).values + one(FRAC[1], f1 + 1j * f2)
        np.testing.assert_allclose(found.values, expected, atol=2e-3)


def test_mixtures_have_the_f_prime_of_their_components():
    atoms = friedel.Atoms.from_labels(["Fe"], FRAC[:1], b_iso=3.0)
    mixed = f((CRYSTAL, atoms), wavelength=1.2, form_factors={"Fe": "0.3Fe+0.7Ni"}).values
    pure = [
        f((CRYSTAL, friedel.Atoms.from_labels([x], FRAC[:1], b_iso=3.0)), wavelength=1.2).values
        for x in ("Fe", "Ni")
    ]
    np.testing.assert_allclose(mixed, 0.3 * pure[0] + 0.7 * pure[1], atol=1e-9)
    replaced = f((CRYSTAL, atoms), wavelength=1.2, form_factors={"Fe": "Ni"}).values
    np.testing.assert_allclose(replaced, pure[1], atol=1e-9)


@pytest.mark.parametrize("label", ["7Li", "Cval", "2H"])
def test_isotopes_and_valence_states_as_labels_of_atoms(label):
    atoms = friedel.Atoms.from_labels([label], FRAC[:1])
    assert f((CRYSTAL, atoms)).values[0] == pytest.approx(f((CRYSTAL, atoms)).values[0])
    if label != "Cval":
        found = np.abs(f((CRYSTAL, atoms), source="neutron").values)
        np.testing.assert_allclose(found, abs(friedel.neutron_length(label)), rtol=1e-9)


def test_doubts_reach_every_function():
    atoms = friedel.Atoms.from_labels(["Bi", "C"], FRAC[:2], b_iso=20.0)
    model, options = (CRYSTAL, atoms), {"energy": 8150.0}
    (note,) = f(model, **options).notes
    assert note.kind == "warning"
    for call in (
        lambda: friedel.Calculator.from_model(model, d_min=2.0, **options),
        lambda: friedel.model_density(model, d_min=2.0, **options),
    ):
        with pytest.warns(friedel.errors.FriedelWarning, match="false resonance"):
            call()
    assert not f(model, energy=8150.0, anomalous="chantler").notes
    assert not f(model, addends={"Bi": 0.0, "C": 0.0}, energy=8150.0).notes[2:]
