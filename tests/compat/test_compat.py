"""The gemmi-compatible interface beyond the page: same behaviour and numbers as gemmi's."""

import gemmi
import numpy as np
import pytest

import friedel
from friedel import compat
from friedel.compat.coefficients import IT92, LiveTable
from friedel.errors import (
    AtomsError,
    CellError,
    ElementError,
    ParameterError,
    ReflectionsError,
)

CELL = gemmi.UnitCell(10, 11, 12, 90, 90, 90)
RADIATIONS = "XEN"
SINGLE = 1e-6
"""gemmi keeps coefficients and some intermediate results in single precision."""


def make_atom(element="C", charge=0, occ=1.0, b_iso=20.0, aniso=None, xyz=(1, 2, 3)):
    atom = gemmi.Atom()
    atom.element = gemmi.Element(element)
    atom.charge, atom.occ, atom.b_iso = charge, occ, b_iso
    atom.pos = gemmi.Position(*xyz)
    if aniso:
        atom.aniso = gemmi.SMat33f(*aniso)
    return atom


def make_model(*atoms):
    model, chain, residue = gemmi.Model(1), gemmi.Chain("A"), gemmi.Residue()
    residue.name = "UNK"
    for atom in atoms:
        residue.add_atom(atom)
    chain.add_residue(residue)
    model.add_chain(chain)
    return model


def make_structure(cell, name="P 1"):
    structure = gemmi.Structure()
    structure.cell, structure.spacegroup_hm = cell, name
    return structure


def both(name, *arguments):
    return [getattr(module, name)(*arguments) for module in (gemmi, compat)]


def assert_close(value, expected, tolerance=SINGLE):
    assert abs(value - expected) <= tolerance * max(abs(expected), 1e-3)


# Coefficients


def test_coefficients_are_live_views():
    iron = compat.Element("Fe").it92
    assert iron is compat.Element(26).it92
    calculator, model = compat.StructureFactorCalculatorX(CELL), make_model(make_atom("Fe"))
    before = calculator.calculate_sf_from_model(model, (0, 0, 0))
    iron.set_coefs([1.0] * 9)
    assert compat.Element("fe").it92.a == [1.0] * 4
    assert before == pytest.approx(25.9904)
    assert calculator.calculate_sf_from_model(model, (0, 0, 0)) == pytest.approx(5.0)
    density = compat.DensityCalculatorX()
    density.d_min = 2.0
    density.grid.setup_from(make_structure(CELL))
    density.put_model_density_on_grid(model)
    assert density.grid.array.mean() * CELL.volume == pytest.approx(5.0, rel=1e-3)


@pytest.mark.parametrize("table", ["it92", "c4322", "neutron92"])
def test_every_coefficient_and_value_is_gemmis(table):
    for z in range(1, 99):
        ours, theirs = (getattr(m.Element(z), table) for m in (compat, gemmi))
        if table == "neutron92" and theirs and theirs.get_coefs() == [0.0]:
            assert ours is None  # gemmi's 0 stands for no value
            continue
        assert ours.get_coefs() == pytest.approx(theirs.get_coefs(), rel=SINGLE)
        assert_close(ours.calculate_sf(0.1), theirs.calculate_sf(0.1))
        assert_close(
            ours.calculate_density_iso(1.3, 25), theirs.calculate_density_iso(1.3, 25), 1e-5
        )


@pytest.mark.parametrize("ignore", [True, False])
def test_ions_are_gemmis(ignore):
    gemmi.IT92_set_ignore_charge(ignore)
    compat.IT92_set_ignore_charge(ignore)
    for z in range(1, 99):
        for charge in range(-2, 7):
            ours, theirs = (m.IT92_get_exact(m.Element(z), charge) for m in (compat, gemmi))
            assert (ours is None) == (theirs is None)
            if ours:
                assert ours.get_coefs() == pytest.approx(theirs.get_coefs(), rel=SINGLE)


def test_density_in_two_steps():
    iron = [m.Element("Fe").it92.precalculate_density_iso(50, 1.0) for m in (compat, gemmi)]
    assert_close(iron[0].calculate(2.3), iron[1].calculate(2.3), 1e-5)


def test_values_for_arrays():
    iron = compat.Element("Fe").wk95
    stol2 = np.array([0.0, 0.4])
    np.testing.assert_allclose(iron.calculate_sf(stol2), [iron.calculate_sf(s) for s in stol2])
    assert type(iron.calculate_sf(0.0)) is float


def test_normalize_as_gemmi_and_back():
    gemmi.IT92_set_ignore_charge(False)
    compat.IT92_set_ignore_charge(False)
    originals = {z: compat.Element(z).it92.get_coefs() for z in range(1, 99)}
    for module in (gemmi, compat):
        module.Element("X").it92.set_coefs(module.Element("Fe").it92.get_coefs())
        module.IT92_normalize()
    for z in range(99):
        ours, theirs = (m.Element(z).it92 for m in (compat, gemmi))
        assert ours.get_coefs() == pytest.approx(theirs.get_coefs(), rel=SINGLE)
        assert z == 0 or sum(ours.a) + ours.c == pytest.approx(z, rel=1e-14)
    ions = [m.IT92_get_exact(m.Element("Fe"), 3).get_coefs() for m in (compat, gemmi)]
    assert ions[0] == pytest.approx(ions[1], rel=SINGLE)
    for z, coefs in originals.items():
        compat.Element(z).it92.set_coefs(coefs)
    assert compat.Element("Fe").it92.a == [11.7695, 7.3573, 3.5222, 2.3045]


def test_wrong_coefficients_are_refused():
    iron = compat.Element("Fe").it92
    for wrong in ([1.0] * 8, [1.0] * 8 + [float("nan")]):
        with pytest.raises(ParameterError):
            iron.set_coefs(wrong)
    assert iron.a == [11.7695, 7.3573, 3.5222, 2.3045]
    with pytest.raises(AttributeError):
        iron.a = [1.0, 1.0, 1.0, 1.0]
    assert compat.IT92Coef().get_coefs() == [0.0] * 9


@pytest.mark.parametrize("ignore", [True, False])
def test_ignore_charge(ignore):
    assert compat.IT92_get_ignore_charge()
    gemmi.IT92_set_ignore_charge(ignore)
    compat.IT92_set_ignore_charge(ignore)
    theirs, ours = both("StructureFactorCalculatorX", CELL)
    for element, charge in [("Fe", 2), ("Fe", 3), ("Fe", 6), ("H", -1), ("D", -1), ("O", -1)]:
        model = make_model(make_atom(element, charge))
        values = [c.calculate_sf_from_model(model, (1, 2, 3)) for c in (ours, theirs)]
        assert_close(*values)
    # Electron factors are of neutral atoms only
    theirs, ours = both("StructureFactorCalculatorE", CELL)
    model = make_model(make_atom("Fe", 2))
    assert_close(*(c.calculate_sf_from_model(model, (1, 2, 3)) for c in (ours, theirs)))


def test_unknown_element_has_its_own_coefficients():
    oxygen = compat.Element("O").it92.get_coefs()
    compat.Element("X").it92.set_coefs(compat.Element("C").it92.get_coefs())
    assert compat.Element("O").it92.get_coefs() == oxygen
    calculator = compat.StructureFactorCalculatorX(CELL)
    x, c = (
        calculator.calculate_sf_from_model(make_model(make_atom(e)), (1, 2, 3)) for e in ("X", "C")
    )
    assert x == c
    assert compat.Element("D").it92 is compat.Element("H").it92
    assert compat.Element("D").neutron92 is not compat.Element("H").neutron92


def test_snapshot_is_for_the_engine(shared_data):
    compat.Element("C").it92.set_coefs([2.0] * 9)
    snapshot = IT92.snapshot()
    compat.Element("C").it92.set_coefs([1.0] * 9)
    assert snapshot.get("C").a == (2.0,) * 5
    structure = gemmi.read_structure(str(shared_data / "models" / "4oz7.pdb"))
    hkl = np.array([[3, 4, 5], [0, 2, 4]])
    engine = friedel.Calculator.from_model(
        structure, hkl=hkl, method="direct", table=IT92.snapshot(), unknown="X"
    )
    compatible = compat.StructureFactorCalculatorX(structure.cell)
    np.testing.assert_allclose(
        engine.forward(), compatible.calculate_sf_from_model(structure[0], hkl), rtol=1e-12
    )


def test_restore():
    table = LiveTable("it92", compat.IT92Coef)
    handed_out = table.exact("Fe")
    handed_out.set_coefs([1.0] * 9)
    table.restore()
    assert handed_out.c == 1.0369


# Elements


def test_elements_agree_with_gemmi():
    for symbol in ["X", "D", *(gemmi.Element(z).name for z in range(1, 119))]:
        ours, theirs = both("Element", symbol)
        assert ours == theirs
        assert theirs == ours
        assert hash(ours) == hash(theirs)
        assert repr(ours) == repr(theirs)
        for name in ("name", "atomic_number", "is_hydrogen", "is_metal"):
            assert getattr(ours, name) == getattr(theirs, name)
        assert ours.weight == pytest.approx(theirs.weight, rel=1e-4)
        assert ours.vdw_r == pytest.approx(theirs.vdw_r, rel=1e-6)
        for table in ("it92", "c4322"):
            assert (getattr(ours, table) is None) == (getattr(theirs, table) is None)


def test_element_from_any_form():
    iron = compat.Element("Fe")
    for form in ("FE", " fe", 26, np.int64(26), gemmi.Element("Fe"), iron):
        assert compat.Element(form) == iron
    assert iron != "Fe"
    assert iron != compat.Element("Co")
    assert compat.Element("D") != compat.Element("H")
    assert compat.Element(0).symbol == "X"
    assert iron.full_name == "Iron"
    assert len({iron, compat.Element(26), gemmi.Element(26)}) == 1
    assert compat.Element("Es").it92 is None
    assert compat.Element("Es").wk95 is None


@pytest.mark.parametrize("wrong", ["Xx", "", 119, -1, None, 1j])
def test_unknown_elements_are_refused(wrong):
    with pytest.raises(ElementError):
        compat.Element(wrong)


# Addends


def test_addends_agree_with_gemmi():
    theirs, ours = both("Addends")
    symbols = ["X", "H", "D", "He", "Li", "Fe", "U", "Pu", "Og"]

    def assert_same(tolerance=1e-12):
        for symbol in symbols:
            values = (m.get(e(symbol)) for m, e in ((ours, str), (theirs, gemmi.Element)))
            assert next(values) == pytest.approx(next(values), abs=tolerance)

    assert_same()
    for addends, module in ((theirs, gemmi), (ours, compat)):
        addends.set(module.Element("Fe"), 1.0)
        addends.subtract_z()
    assert_same()
    for addends in (theirs, ours):
        addends.subtract_z(except_hydrogen=True)
    assert_same()
    for addends in (theirs, ours):
        addends.add_cl_fprime(12000.0)
    assert_same(3e-3)
    for addends in (theirs, ours):
        addends.clear()
    assert_same(0.0)


def test_addends_from_either_source():
    addends = compat.Addends()
    addends.add("chantler", 12000.0)
    assert addends.get("Fe") == pytest.approx(
        friedel.anomalous("Fe", energy=12000.0, anomalous="chantler")[0]
    )
    addends.clear()
    addends.add("cl", 12000.0)
    assert addends.get(gemmi.Element("Fe")) == friedel.cromer_liberman(26, 12000.0)[0]
    with pytest.raises(ParameterError):
        addends.add("guess", 12000.0)
    for wrong in (float("nan"), 1j, "much"):
        with pytest.raises(ParameterError):
            addends.set("Fe", wrong)


# Direct summation


@pytest.mark.parametrize("radiation", RADIATIONS)
@pytest.mark.parametrize("name", ["5cvz_final.pdb", "4oz7.pdb", "5e5z.pdb", "1orc.pdb"])
def test_direct_sums_agree_with_gemmi(shared_data, name, radiation):
    """5cvz has 19 strict NCS operators besides its space group, 5e5z anisotropic atoms."""
    structure = gemmi.read_structure(str(shared_data / "models" / name))
    theirs, ours = both(f"StructureFactorCalculator{radiation}", structure.cell)
    hkl = [(3, 4, 5), (-7, 1, 4)] if name.startswith("5cvz") else [(3, 4, 5), (-7, 1, 4), (0, 0, 2)]
    values = ours.calculate_sf_from_model(structure[0], hkl)
    assert values.shape == (len(hkl),)
    for one, value in zip(hkl, values, strict=True):
        expected = theirs.calculate_sf_from_model(structure[0], one)
        assert_close(value, expected)
        single = ours.calculate_sf_from_model(structure[0], one)
        assert isinstance(single, complex)
        assert_close(single, value, 1e-12)


@pytest.mark.parametrize("name", ["epoxide.cif", "2242624.cif", "4003024.cif", "2013551.cif"])
def test_small_structures_agree_with_gemmi(shared_data, name):
    small = gemmi.read_small_structure(str(shared_data / "models" / name))
    small.change_occupancies_to_crystallographic()
    theirs, ours = both("StructureFactorCalculatorX", small.cell)
    for hkl in [(0, 2, 4), (1, 2, 3), (2, 2, 0)]:
        expected = theirs.calculate_sf_from_small_structure(small, hkl)
        value = ours.calculate_sf_from_small_structure(small, hkl)
        assert abs(value - expected) < 1e-5 * max(abs(expected), 1.0)


def assert_follow(changes, calculate, theirs, ours, tolerance=SINGLE):
    """After each change the next F is gemmi's, another one than before, and stays."""
    before = calculate(ours)
    for change in changes.values():
        change()
        value = calculate(ours)
        assert_close(value, calculate(theirs), tolerance)
        assert value != before
        assert calculate(ours) == value
        before = value


def test_a_changed_model_is_converted_again():
    """The atoms are kept between calls; gemmi's models can be changed in place."""
    model = make_model(make_atom(), make_atom("Fe", xyz=(3, 1, 5)), make_atom("O", xyz=(0, 4, 2)))
    theirs, ours = both("StructureFactorCalculatorX", CELL)
    atom, residue = model[0][0][1], model[0][0]

    def added():
        residue.add_atom(make_atom("N", xyz=(4, 4, 1)))

    def swapped():
        residue[0].pos, atom.pos = gemmi.Position(*atom.pos.tolist()), residue[0].pos

    def removed():
        del residue[2]

    def of_another_chain():
        chain, other = gemmi.Chain("B"), gemmi.Residue()
        other.add_atom(make_atom("P", xyz=(1, 1, 1)))
        chain.add_residue(other)
        model.add_chain(chain)

    changes = {
        "pos": lambda: setattr(atom, "pos", gemmi.Position(2, 2, 2)),
        "x": lambda: setattr(atom.pos, "x", 2.5),
        "occ": lambda: setattr(atom, "occ", 0.5),
        "b_iso": lambda: setattr(atom, "b_iso", 50.0),
        "element": lambda: setattr(atom, "element", gemmi.Element("S")),
        "our element": lambda: setattr(atom, "element", compat.Element("Cl")),
        "aniso": lambda: setattr(atom, "aniso", gemmi.SMat33f(0.3, 0.4, 0.2, 0.01, 0, 0)),
        "u12": lambda: setattr(atom.aniso, "u12", 0.1),
        "isotropic": lambda: setattr(atom, "aniso", gemmi.SMat33f(0, 0, 0, 0, 0, 0)),
        "swapped": swapped,
        "added": added,
        "removed": removed,
        "chain": of_another_chain,
    }
    assert_follow(changes, lambda c: c.calculate_sf_from_model(model, (1, 2, 3)), theirs, ours)
    for module in (gemmi, compat):
        module.IT92_set_ignore_charge(False)
    charges = {"charge": lambda: setattr(model[0][0][1], "charge", -1)}
    assert_follow(charges, lambda c: c.calculate_sf_from_model(model, (1, 2, 3)), theirs, ours)
    other = model.clone()
    other[0][0][0].b_iso = 1.0
    models = {
        "other model": lambda: given.append(other),
        "first model": lambda: given.append(model),
    }
    given = [model]
    assert_follow(models, lambda c: c.calculate_sf_from_model(given[-1], (1, 2, 3)), theirs, ours)


def test_a_changed_small_structure_is_converted_again(shared_data):
    small = gemmi.read_small_structure(str(shared_data / "models" / "epoxide.cif"))
    theirs, ours = both("StructureFactorCalculatorX", small.cell)
    site = small.sites[1]

    def added():
        new = site.clone()
        new.fract.x += 0.2
        small.add_site(new)

    changes = {
        "fract": lambda: setattr(site, "fract", gemmi.Fractional(0.1, 0.2, 0.3)),
        "x": lambda: setattr(site.fract, "x", 0.15),
        "occ": lambda: setattr(site, "occ", 0.5),
        "isotropic": lambda: setattr(site, "aniso", gemmi.SMat33d(0, 0, 0, 0, 0, 0)),
        "u_iso": lambda: setattr(site, "u_iso", 0.08),
        "element": lambda: setattr(site, "element", gemmi.Element("S")),
        "aniso": lambda: setattr(site, "aniso", gemmi.SMat33d(0.03, 0.04, 0.02, 0.01, 0, 0)),
        "u12": lambda: setattr(site.aniso, "u12", 0.005),
        "added": added,
        "cell": lambda: small.cell.set(10, 11, 12, 90, 95, 90),
    }
    # F is a tenth of what the atoms scatter: ten times the rounding of gemmi's coefficients
    assert_follow(
        changes, lambda c: c.calculate_sf_from_small_structure(small, (1, 2, 3)), theirs, ours, 1e-5
    )


def test_a_changed_cell_is_read_again(shared_data):
    structure = gemmi.read_structure(str(shared_data / "models" / "4oz7.pdb"))
    cell = structure.cell
    theirs, ours = both("StructureFactorCalculatorX", cell)

    def to_p1():
        structure.spacegroup_hm = "P 1"
        structure.setup_cell_images()

    changes = {
        "lengths": lambda: cell.set(cell.a + 1, cell.b + 2, cell.c, 90, 90, 90),
        "symmetry": to_p1,
        "assigned": lambda: setattr(structure, "cell", gemmi.UnitCell(30, 40, 50, 80, 95, 105)),
    }
    assert_follow(
        changes, lambda c: c.calculate_sf_from_model(structure[0], (1, 2, 3)), theirs, ours
    )


def test_models_that_gemmi_does_not_pickle(monkeypatch):
    """Then every object has the method, and what it gives says nothing: nothing is kept."""
    monkeypatch.setattr("friedel.compat.models.state_of", lambda source: None)
    model = make_model(make_atom())
    calculator = compat.StructureFactorCalculatorX(CELL)
    before = calculator.calculate_sf_from_model(model, (1, 2, 3))
    model[0][0][0].occ = 0.5
    assert_close(calculator.calculate_sf_from_model(model, (1, 2, 3)), before / 2)


def test_a_structure_brings_its_symmetry(shared_data):
    structure = gemmi.read_structure(str(shared_data / "models" / "5cvz_final.pdb"))
    values = [
        compat.StructureFactorCalculatorX(s).calculate_sf_from_model(structure[0], (3, 4, 5))
        for s in (structure, structure.cell)
    ]
    assert_close(*values, 1e-9)


def test_mott_bethe(shared_data):
    structure = gemmi.read_structure(str(shared_data / "models" / "pka_start.pdb"))
    theirs, ours = both("StructureFactorCalculatorX", structure.cell)
    for only_h in (False, True):
        values = [c.calculate_mb_z(structure[0], (3, 4, 5), only_h=only_h) for c in (ours, theirs)]
        assert_close(*values)
    assert_close(ours.mott_bethe_factor(), theirs.mott_bethe_factor())
    ours.calculate_sf_from_model(structure[0], [(3, 4, 5), (0, 0, 0)])
    assert ours.mott_bethe_factor().shape == (2,)
    assert ours.mott_bethe_factor()[1] == -np.inf
    with pytest.raises(ParameterError, match="first"):
        compat.StructureFactorCalculatorX(structure.cell).mott_bethe_factor()


def test_what_direct_sums_refuse(shared_data):
    calculator = compat.StructureFactorCalculatorX(CELL)
    with pytest.raises(ElementError, match="Es"):
        calculator.calculate_sf_from_model(make_model(make_atom("Es")), (0, 0, 0))
    with pytest.raises(AtomsError):
        calculator.calculate_sf_from_model(gemmi.Structure(), (0, 0, 0))
    with pytest.raises(AtomsError):
        calculator.calculate_sf_from_small_structure(gemmi.Structure(), (0, 0, 0))
    with pytest.raises(ReflectionsError):
        calculator.calculate_sf_from_model(make_model(make_atom()), (0.5, 0, 0))
    with pytest.raises(CellError):
        compat.StructureFactorCalculatorX(gemmi.UnitCell())
    text = (shared_data / "models" / "1dur.pdb").read_text()
    turned = text.replace("SCALE1      0.032765  0.000000", "SCALE1      0.000000  0.026490")
    turned = turned.replace("SCALE2      0.000000  0.026490", "SCALE2      0.032765  0.000000")
    with pytest.raises(CellError, match="orientation"):
        compat.StructureFactorCalculatorX(gemmi.read_pdb_string(turned).cell)


# Density


def density_pair(radiation, structure, d_min=2.2):
    pair = both(f"DensityCalculator{radiation}")
    for calculator in pair:
        calculator.d_min = d_min
        calculator.set_grid_cell_and_spacegroup(structure)
        calculator.set_refmac_compatible_blur(structure[0])
    return pair


def assert_same_density(theirs, ours, tolerance=2e-4):
    expected = np.array(theirs.grid.array)
    assert ours.grid.array.shape == expected.shape
    difference = np.sqrt(((ours.grid.array - expected) ** 2).mean() / (expected**2).mean())
    assert difference < tolerance


@pytest.mark.parametrize("radiation", RADIATIONS)
@pytest.mark.parametrize("name", ["4oz7.pdb", "5e5z.pdb"])
def test_density_agrees_with_gemmi(shared_data, name, radiation):
    structure = gemmi.read_structure(str(shared_data / "models" / name))
    theirs, ours = density_pair(radiation, structure)
    assert ours.blur == pytest.approx(theirs.blur, rel=1e-6)
    for calculator in (theirs, ours):
        calculator.put_model_density_on_grid(structure[0])
    assert_same_density(theirs, ours)
    assert repr(ours.grid) == repr(theirs.grid)
    hkl = [3, 4, 5]
    assert_close(ours.mott_bethe_factor(hkl), theirs.mott_bethe_factor(hkl))
    assert_close(ours.reciprocal_space_multiplier(0.1), theirs.reciprocal_space_multiplier(0.1))
    assert ours.mott_bethe_factor([0, 0, 0]) == -np.inf


def test_single_atoms_and_constants(shared_data):
    structure = gemmi.read_structure(str(shared_data / "models" / "5e5z.pdb"))
    theirs, ours = density_pair("X", structure)
    for calculator in (theirs, ours):
        calculator.addends.subtract_z(except_hydrogen=True)
        calculator.initialize_grid()
        for cra in list(structure[0].all())[::7]:
            calculator.add_atom_density_to_grid(cra.atom)
            calculator.add_c_contribution_to_grid(cra.atom, -1.0)
    assert_same_density(theirs, ours)
    for cra in list(structure[0].all())[::7]:
        radii = [c.estimate_radius(cra.atom) for c in (ours, theirs)]
        assert radii[0] == pytest.approx(radii[1], abs=0.25)


def test_occupancy_zero_does_not_set_the_blur():
    model = make_model(
        make_atom(b_iso=30.0),
        make_atom(b_iso=1.0, occ=0.0),
        make_atom(b_iso=5.0, aniso=(0.4, 0.3, 0.5, 0.05, 0.0, 0.02)),
    )
    theirs, ours = both("DensityCalculatorX")
    for d_min, sign in ((3.0, 1), (1.0, -1)):
        for calculator in (theirs, ours):
            calculator.d_min = d_min
            calculator.set_refmac_compatible_blur(model, allow_negative=True)
        assert ours.blur == pytest.approx(theirs.blur, rel=1e-6)
        assert ours.blur * sign > 0
    ours.set_refmac_compatible_blur(model)
    assert ours.blur == 0.0
    with pytest.raises(AtomsError):
        ours.set_refmac_compatible_blur(make_model(make_atom(occ=0.0)))


def test_grid_without_d_min_keeps_its_size(shared_data):
    structure = gemmi.read_structure(str(shared_data / "models" / "4oz7.pdb"))
    calculator = compat.DensityCalculatorX()
    with pytest.raises(ParameterError, match="d_min"):
        calculator.initialize_grid()
    with pytest.raises(ParameterError, match="d_min"):
        calculator.set_refmac_compatible_blur(structure[0])
    with pytest.raises(CellError):
        calculator.add_model_density_to_grid(structure[0])
    calculator.grid.setup_from(structure)
    with pytest.raises(ParameterError, match="initialize"):
        calculator.add_model_density_to_grid(structure[0])
    calculator.grid.set_size(24, 24, 32)
    calculator.grid.fill(1.0)
    calculator.initialize_grid()
    assert calculator.grid.shape == (24, 24, 32)
    assert calculator.grid.sum() == 0.0
    calculator.set_refmac_compatible_blur(structure[0])
    other = gemmi.DensityCalculatorX()
    other.grid.setup_from(structure)
    other.grid.set_size(24, 24, 32)
    other.set_refmac_compatible_blur(structure[0])
    assert calculator.blur == pytest.approx(other.blur, rel=1e-6)
    calculator.rate = 0.0
    with pytest.raises(ParameterError, match="rate"):
        calculator.initialize_grid()


def test_grid_sizes_are_gemmis():
    rng = np.random.default_rng(20240607)
    systems = {
        "P 1": (70, 80, 95, 85, 100, 110),
        "P 21 1 1": (30, 31, 32, 105, 90, 90),
        "P 21 21 21": (40, 40.3, 40.6, 90, 90, 90),
        "C 2 2 21": (50, 50.4, 50.1, 90, 90, 90),
        "P 63 2 2": (39.4, 39.4, 80, 90, 90, 120),
        "R 3:R": (35, 35, 35, 70, 70, 70),
        "I 41 2 2": (50, 50, 100, 90, 90, 90),
        "F d -3 m:1": (40, 40, 40, 90, 90, 90),
    }
    for name, cell in systems.items():
        structure = make_structure(gemmi.UnitCell(*cell), name)
        for spacing in rng.uniform(0.5, 2.0, 20):
            grids = both("FloatGrid")
            for grid in grids:
                grid.setup_from(structure, spacing=spacing)
            assert tuple(grids[0].shape) == grids[1].shape


# Masks


@pytest.mark.parametrize("choice", ["VanDerWaals", "Cctbx", "Refmac", "Constant"])
@pytest.mark.parametrize("constant_r", [0.0, 2.0])
@pytest.mark.filterwarnings("ignore::friedel.errors.FriedelWarning")
def test_masks_agree_with_gemmi(shared_data, choice, constant_r):
    structure = gemmi.read_structure(str(shared_data / "models" / "4oz7.pdb"))
    grids = both("FloatGrid")
    maskers = [
        m.SolventMasker(getattr(m.AtomicRadiiSet, choice), constant_r) for m in (gemmi, compat)
    ]
    for grid, masker in zip(grids, maskers, strict=True):
        grid.setup_from(structure, spacing=0.8)
        masker.ignore_hydrogen = constant_r > 0
    for name in ("rprobe", "rshrink", "island_min_volume", "constant_r", "ignore_hydrogen"):
        assert getattr(maskers[1], name) == getattr(maskers[0], name)

    def assert_same():
        arrays = [np.array(grid.array) for grid in grids]
        assert (arrays[0] != arrays[1]).mean() < 0.002

    for masker, grid in zip(maskers, grids, strict=True):
        masker.put_mask_on_float_grid(grid, structure[0])
    assert_same()
    for masker, grid in zip(maskers, grids, strict=True):
        grid.fill(3.0)
        masker.set_to_zero(grid, structure[0])
    assert_same()


def test_masker_settings(shared_data):
    masker = compat.SolventMasker(gemmi.AtomicRadiiSet.Refmac)
    assert masker.atomic_radii_set is compat.AtomicRadiiSet.Refmac
    assert repr(masker.atomic_radii_set) == repr(gemmi.AtomicRadiiSet.Refmac)
    masker.set_radii(compat.AtomicRadiiSet.Cctbx)
    assert (masker.rprobe, masker.rshrink, masker.island_min_volume) == (1.1, 0.9, 0.0)
    with pytest.raises(ParameterError):
        masker.set_radii("Pauling")
    structure = gemmi.read_structure(str(shared_data / "models" / "4oz7.pdb"))
    with pytest.raises(ParameterError, match="size"):
        masker.put_mask_on_float_grid(compat.FloatGrid(), structure[0])


# Scaling


def page_scaling(module, folder, name, labels):
    """The page's recipe up to prepare_points."""
    mtz = gemmi.read_mtz_file(str(folder / f"{name}.mtz"))
    mtz.update_reso()
    f_obs = mtz.get_value_sigma(*labels)
    structure = gemmi.read_structure(str(folder / f"{name}.pdb"))
    d_min = mtz.resolution_high() - 1e-9
    density = module.DensityCalculatorX()
    density.d_min = d_min
    density.set_refmac_compatible_blur(structure[0])
    density.grid.setup_from(structure)
    density.put_model_density_on_grid(structure[0])
    grid = module.transform_map_to_f_phi(density.grid, half_l=True)
    f_calc = grid.prepare_asu_data(dmin=d_min, unblur=density.blur)
    mask = module.FloatGrid()
    mask.setup_from(structure, spacing=min(0.6, d_min / 2 - 1e-9))
    masker = module.SolventMasker(module.AtomicRadiiSet.Refmac)
    masker.put_mask_on_float_grid(mask, structure[0])
    f_mask = module.transform_map_to_f_phi(mask, half_l=True).prepare_asu_data(dmin=d_min)
    scaling = module.Scaling(structure.cell, structure.find_spacegroup())
    scaling.use_solvent = True
    scaling.prepare_points(f_calc, f_obs, f_mask)
    return scaling, f_calc, f_mask, f_obs


def test_scaling_agrees_with_gemmi(shared_data):
    arguments = (shared_data / "models", "lyso_c2", ("F", "SIGF"))
    (theirs, *_), (ours, f_calc, f_mask, f_obs) = (
        page_scaling(module, *arguments) for module in (gemmi, compat)
    )
    assert ours.parameters == theirs.parameters
    residuals = []
    for scaling in (theirs, ours):
        scaling.fit_isotropic_b_approximately()
        scaling.fit_b_star_approximately()
        residuals.append(scaling.fit_parameters())
    assert residuals[1] == pytest.approx(residuals[0], rel=1e-4)
    assert ours.calculate_r_factor() == pytest.approx(theirs.calculate_r_factor(), abs=1e-4)
    assert ours.parameters == pytest.approx(theirs.parameters, rel=2e-3, abs=1e-6)
    assert ours.b_overall.elements_pdb() == pytest.approx(theirs.b_overall.elements_pdb(), abs=1e-3)
    hkl = np.array([[1, 2, 3], [3, 4, 6]], np.int32)
    np.testing.assert_allclose(
        ours.get_overall_scale_factor(hkl), theirs.get_overall_scale_factor(hkl), rtol=1e-4
    )
    assert_close(
        ours.get_overall_scale_factor([1, 2, 3]), theirs.get_overall_scale_factor([1, 2, 3]), 1e-4
    )
    assert_close(ours.get_solvent_scale(0.01), theirs.get_solvent_scale(0.01), 1e-3)
    scaled = f_calc.copy()
    ours.scale_data(scaled, f_mask)
    for i in (0, 1000):
        value = ours.scale_value(
            f_calc.miller_array[i], f_calc.value_array[i], f_mask.value_array[i]
        )
        assert_close(scaled.value_array[i], value)
    # gemmi's own objects are welcome too
    reflections = compat.Scaling(ours.cell, gemmi.SpaceGroup("C 1 2 1"))
    as_gemmis = gemmi.ComplexAsuData(
        ours.cell, gemmi.SpaceGroup("C 1 2 1"), f_calc.miller_array, f_calc.value_array
    )
    reflections.prepare_points(as_gemmis, f_obs)
    reflections.parameters = [*ours.parameters[:1], *ours.parameters[3:]]
    reflections.scale_data(as_gemmis)
    assert_close(
        as_gemmis.value_array[5],
        f_calc.value_array[5] * ours.get_overall_scale_factor(f_calc.miller_array[5]),
    )
    with pytest.raises(ReflectionsError, match="mask"):
        ours.scale_data(f_calc)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ((30, 40, 50, 80, 95, 105), "P -1"),
        ((30, 40, 50, 90, 95, 90), "P 1 21 1"),
        ((30, 40, 50, 90, 90, 95), "P 1 1 2"),
        ((30, 40, 50, 90, 90, 90), "P 21 21 21"),
        ((30, 30, 50, 90, 90, 90), "P 43 21 2"),
        ((30, 30, 50, 90, 90, 120), "P 65"),
        ((30, 30, 50, 90, 90, 120), "R 3:H"),
        ((30, 30, 30, 80, 80, 80), "R 3:R"),
        ((30, 30, 30, 90, 90, 90), "I 2 3"),
    ],
)
def test_scaling_parameters_are_gemmis(cell, name):
    pair = both("Scaling", gemmi.UnitCell(*cell), gemmi.SpaceGroup(name))
    n_free = len(pair[0].parameters) - 1
    wanted = [2.0, 0.4, 50.0, *np.linspace(0.001, 0.003, n_free)]
    for scaling in pair:
        scaling.use_solvent = True
        scaling.parameters = wanted
        assert scaling.parameters == pytest.approx(wanted, rel=1e-12)
    theirs, ours = pair
    assert ours.b_overall.elements_pdb() == pytest.approx(theirs.b_overall.elements_pdb(), abs=1e-9)
    ours.b_overall = ours.b_overall
    assert ours.parameters == pytest.approx(wanted, rel=1e-9)
    assert_close(*(s.get_overall_scale_factor([1, 2, 3]) for s in (ours, theirs)))
    for wrong in ([1.0], [1.0] * 99):
        with pytest.raises(ParameterError):
            ours.parameters = wrong
    with pytest.raises(ReflectionsError, match="prepare_points"):
        ours.fit_parameters()


# The interface as a whole


def test_every_name_of_the_interface_resolves():
    assert compat.__all__ == sorted(set(compat.__all__))
    for name in compat.__all__:
        assert getattr(compat, name) is not None
        if not name.startswith(("WK95", "restore")):
            assert hasattr(gemmi, name)
    with pytest.raises(AttributeError, match="Elephant"):
        compat.Elephant  # noqa: B018


@pytest.mark.parametrize("name", ["DensityCalculatorX", "Addends", "IT92Coef"])
def test_objects_print_as_gemmis(name):
    theirs, ours = (repr(o).partition(" at ")[0] for o in both(name))
    assert ours == theirs


def test_a_reciprocal_grid_without_a_cell():
    from friedel.compat.reciprocal_grid import ReciprocalGrid

    grid = ReciprocalGrid(np.zeros((4, 4, 4), np.complex64), None, half_l=False, nw_real=4)
    with pytest.raises(friedel.CellError, match="no unit cell"):
        grid.prepare_asu_data()
