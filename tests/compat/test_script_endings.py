"""Where scripts go on from the page's examples: results into gemmi's objects, and back."""

import copy
import pickle
import subprocess
import sys

import gemmi
import numpy as np
import pytest

import friedel
from friedel import compat
from friedel.errors import ParameterError, ReflectionsError

D_MIN = 2.2
MODULES = (gemmi, friedel)
SINGLE = 2e-6
"""Agreement with gemmi's transforms, which are in single precision; relative to the largest."""


def calculated(module, structure, **options):
    """Density calculator with the density, and its structure factors."""
    calculator = module.DensityCalculatorX()
    calculator.d_min = D_MIN
    calculator.grid.setup_from(structure)
    calculator.put_model_density_on_grid(structure[0])
    grid = module.transform_map_to_f_phi(calculator.grid, half_l=True)
    return calculator, grid.prepare_asu_data(dmin=D_MIN, **options)


def assert_same(values, expected, tolerance=SINGLE):
    values, expected = np.asarray(values), np.asarray(expected)
    assert values.shape == expected.shape
    assert np.abs(values - expected).max() <= tolerance * np.abs(expected).max()


def noise(shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def grids(shape=(12, 12, 16), cell=(30, 30, 40, 90, 90, 90), group="P 41 21 2"):
    """The same noise as grids of gemmi and of friedel."""
    arguments = gemmi.UnitCell(*cell), gemmi.SpaceGroup(group)
    return tuple(module.FloatGrid(noise(shape), *arguments) for module in MODULES)


# Into gemmi


def test_structure_factors_into_mtz(structure, tmp_path):
    columns = []
    for module in MODULES:
        mtz = gemmi.Mtz(with_base=True)
        mtz.spacegroup = structure.find_spacegroup()
        mtz.set_cell_for_all(structure.cell)
        mtz.add_dataset("calculated")
        mtz.add_column("FC", "F")
        mtz.add_column("PHIC", "P")
        mtz.set_data(calculated(module, structure)[1])
        path = str(tmp_path / f"{module.__name__}.mtz")
        mtz.write_to_file(path)
        data = gemmi.read_mtz_file(path).get_f_phi("FC", "PHIC")
        columns.append((data.miller_array, data.value_array))
    (theirs_hkl, theirs), (ours_hkl, ours) = columns
    np.testing.assert_array_equal(ours_hkl, theirs_hkl)
    assert_same(ours, theirs, 1e-4)


def test_density_into_ccp4_map(structure, tmp_path):
    maps = []
    for module in MODULES:
        ccp4 = module.Ccp4Map()
        ccp4.grid = calculated(module, structure)[0].grid
        ccp4.update_ccp4_header()
        ccp4.write_ccp4_map(str(tmp_path / "density.ccp4"))
        maps.append(gemmi.read_ccp4_map(str(tmp_path / "density.ccp4")).grid)
    assert maps[1].unit_cell == maps[0].unit_cell
    assert maps[1].spacegroup == maps[0].spacegroup
    assert_same(maps[1], maps[0], 1e-3)


def test_elements_into_gemmis_atoms(structure):
    atom, site = gemmi.Atom(), gemmi.SmallStructure.Site()
    atom.element = site.element = friedel.Element("Fe")
    assert atom.element.name == site.element.name == "Fe"
    assert isinstance(friedel.Element("D"), gemmi.Element)
    search = gemmi.ContactSearch(4.0)
    search.setup_atomic_radii(1.0, 0.0)
    assert search.get_radius(friedel.Element("Zr")) == search.get_radius(gemmi.Element("Zr"))
    assert pickle.loads(pickle.dumps(friedel.Element("fe"))) == gemmi.Element("Fe")
    # what an atom returns is gemmi's own, with gemmi's table
    friedel.Element("Fe").it92.set_coefs([1.0] * 9)
    assert atom.element.it92.get_coefs() == gemmi.Element("Fe").it92.get_coefs()
    atom.element = friedel.Element(atom.element)
    assert friedel.Element(atom.element).it92.c == 1.0


def test_gemmis_functions_take_our_grids(structure):
    found = []
    for module in MODULES:
        grid = calculated(module, structure)[0].grid
        blobs = gemmi.find_blobs_by_flood_fill(grid, cutoff=1.0, min_volume=1.0, min_score=1.0)
        mask = gemmi.flood_fill_above(grid, [structure[0][0][0][0].pos], 0.5)
        found.append((len(blobs), np.array(mask).sum()))
    assert found[0] == found[1]
    assert found[0][0] > 0


def test_gemmis_functions_take_grids_data_and_elements(structure):
    """Each with what friedel made, and the pairs of arguments mixed."""
    both = [calculated(module, structure) for module in MODULES]
    (theirs, their_data), (ours, our_data) = both
    assert our_data.count_equal_values(our_data.copy()) == len(our_data)
    for first, second in ((their_data, our_data), (our_data, their_data)):
        assert first.calculate_correlation(second).coefficient().real == pytest.approx(1, abs=1e-6)
    for first, second in ((theirs.grid, ours.grid), (ours.grid, theirs.grid)):
        assert first.calculate_correlation(second).coefficient() == pytest.approx(1, abs=1e-6)
    boxes, parts, factors = [], [], []
    observed = gemmi.ValueSigmaAsuData(
        their_data.unit_cell,
        their_data.spacegroup,
        their_data.miller_array,
        np.column_stack([2 * np.abs(their_data.value_array), np.ones(len(their_data))]).astype("f"),
    )
    for kind, data, source in (
        (gemmi.FloatGrid, their_data, theirs.grid),
        (friedel.FloatGrid, our_data, ours.grid),
    ):
        for found in (boxes, parts):
            found.append(kind(20, 20, 20))
            found[-1].set_unit_cell(gemmi.UnitCell(15, 15, 15, 90, 90, 90))
        gemmi.interpolate_grid(boxes[-1], source, gemmi.Transform(), order=3)
        options = gemmi.Transform(), structure[0], 2.0
        gemmi.interpolate_grid_around_model(parts[-1], source, *options)
        scaling = gemmi.Scaling(data.unit_cell, data.spacegroup)
        scaling.prepare_points(data, observed)
        scaling.fit_isotropic_b_approximately()
        scaled = data.copy()
        scaling.scale_data(scaled)
        factors.append([scaling.k_overall, np.abs(scaled.value_array).sum()])
    assert_same(boxes[1], boxes[0], 1e-3)
    assert_same(parts[1], parts[0], 1e-3)
    assert factors[1] == pytest.approx(factors[0], rel=1e-4)
    residue = structure[0][0][0]
    name, element = residue[0].name, friedel.Element(residue[0].element)
    assert residue.find_atom(name, "*", element).name == name


# Out of gemmi


def test_maps_of_gemmi_are_transformed(structure, tmp_path):
    theirs, ours = grids()
    for half_l in (False, True):
        for use_scale in (False, True):
            expected = gemmi.transform_map_to_f_phi(theirs, half_l, use_scale)
            for grid in (theirs, ours):
                result = friedel.transform_map_to_f_phi(grid, half_l, use_scale)
                assert_same(result, expected)
                assert result.half_l is half_l
    ours.to_ccp4(tmp_path / "noise.ccp4")
    ccp4 = friedel.read_ccp4_map(str(tmp_path / "noise.ccp4"), setup=True)
    hkl = np.array([[1, 2, 3], [-2, 1, -4], [0, 0, 0]], np.int32)
    values = [
        module.transform_map_to_f_phi(ccp4.grid, half_l=True).get_value_by_hkl(hkl)
        for module in MODULES
    ]
    assert_same(values[1], values[0])


@pytest.mark.filterwarnings("ignore::friedel.errors.FriedelWarning")
def test_masks_on_grids_of_gemmi(structure):
    shape = (40, 48, 48)
    for kind, method in (
        (gemmi.FloatGrid, "put_mask_on_float_grid"),
        (gemmi.Int8Grid, "put_mask_on_int8_grid"),
        (gemmi.FloatGrid, "set_to_zero"),
    ):
        arrays = []
        for module in MODULES:
            grid = kind()
            grid.spacegroup = structure.find_spacegroup()
            grid.set_unit_cell(structure.cell)
            grid.set_size(*shape)
            grid.fill(7)
            masker = module.SolventMasker(module.AtomicRadiiSet.Cctbx)
            getattr(masker, method)(grid, structure[0])
            arrays.append(np.array(grid))
        assert arrays[0].dtype == arrays[1].dtype
        assert (arrays[0] != arrays[1]).mean() < 0.002
        assert 0.1 < (arrays[1] == 0).mean() < 0.9
    copied = gemmi.Int8Grid()  # its metadata come before its values
    copied.copy_metadata_from(grid)
    friedel.SolventMasker("Cctbx").put_mask_on_int8_grid(copied, structure[0])
    assert (np.array(copied) != (arrays[1] != 0)).mean() < 0.2


def test_calculators_fill_grids_of_gemmi(structure):
    expected = calculated(gemmi, structure)[0]
    grid = gemmi.FloatGrid()
    grid.setup_from(structure)
    calculator = friedel.DensityCalculatorX()
    calculator.grid = grid
    calculator.d_min = D_MIN
    calculator.put_model_density_on_grid(structure[0])
    assert calculator.grid is grid
    assert_same(grid, expected.grid, 1e-3)
    for other in (expected, calculator):
        other.d_min = 0.0
        other.set_refmac_compatible_blur(structure[0])
    assert calculator.blur == pytest.approx(expected.blur, rel=1e-6)
    with pytest.raises(ParameterError, match="ndarray"):
        calculator.grid = np.zeros((4, 4, 4))


def test_addends_of_gemmi(structure):
    addends = [module.Addends() for module in MODULES]
    for one in addends:
        one.add_cl_fprime(7000.0)
        one.subtract_z(except_hydrogen=True)
    values = []
    for one in addends:
        direct = friedel.StructureFactorCalculatorX(structure.cell)
        direct.addends = one
        values.append([direct.calculate_sf_from_model(structure[0], (1, 2, 3))])
        for kind in "XZ":
            calculator = getattr(friedel, f"DensityCalculator{kind}")()
            calculator.addends, calculator.d_min, calculator.blur = one, 3.0, 10.0
            calculator.grid.setup_from(structure)
            calculator.put_model_density_on_grid(structure[0])
            values[-1].append(np.array(calculator.grid))
    for theirs, ours in zip(*values, strict=True):
        assert_same(theirs, ours, 1e-4)


# NumPy, and what gemmi's grids can do


def test_grids_as_arrays():
    theirs, ours = grids()
    np.testing.assert_array_equal(np.array(ours), theirs.array)
    assert np.array(ours).dtype == np.float32
    view, copied = np.asarray(ours), np.array(ours, copy=True)
    ours.set_value(1, 2, 3, 7.0)
    assert view[1, 2, 3] == ours.array[1, 2, 3] == 7.0 != copied[1, 2, 3]
    ours.array[...] = 2.0
    assert ours.sum() == 2.0 * ours.point_count
    ours.array = copied
    np.testing.assert_array_equal(ours, theirs)
    assert ours.unit_cell == theirs.unit_cell
    assert ours.spacegroup == theirs.spacegroup
    by_name = friedel.FloatGrid(copied, cell=theirs.unit_cell, spacegroup=theirs.spacegroup)
    assert by_name.crystal.cell == (30, 30, 40, 90, 90, 90)
    assert by_name.crystal.n_operations == 8


def test_what_gemmis_grids_do():
    def results(grid):
        position, fraction = gemmi.Position(3.1, 4.2, 5.3), gemmi.Fractional(0.1, 0.2, 0.3)
        yield [grid.interpolate_value(x, order) for x in (position, fraction) for order in (1, 3)]
        yield grid.get_position(1, 2, 3).tolist()
        yield grid.get_fractional(1, 2, 3).tolist()
        yield grid.interpolate_position_array(np.array([[1.0, 2.0, 3.0]]))
        yield grid.get_subarray([10, -2, 3], [4, 5, 6])
        yield [(p.u, p.v, p.w, p.value) for p in grid]
        yield [point.value for point, _ in zip(grid.masked_asu(), range(50), strict=False)]
        nearest = grid.get_nearest_point(position)
        yield nearest.u, nearest.v, nearest.w, nearest.value
        for name in ("symmetrize_max", "symmetrize_min", "symmetrize_abs_max", "symmetrize_avg"):
            changed = grid.clone()
            getattr(changed, name)()
            yield changed
        changed = grid.clone()
        changed.normalize()
        yield changed
        changed.set_points_around(position, radius=4.0, value=3.0)
        changed.symmetrize_max()
        yield changed
        changed.get_point(1, 1, 1).value = 9.0
        yield changed
        correlation = grid.calculate_correlation(changed)
        yield correlation.n, correlation.coefficient(), correlation.mean_ratio()
        changed.symmetrize_sum()
        yield changed

    theirs, ours = grids()
    for expected, result in zip(results(theirs), results(ours), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)
    assert type(ours.clone()) is friedel.FloatGrid


def test_sizes_of_grids():
    theirs, ours = (module.FloatGrid() for module in MODULES)
    for grid in (theirs, ours):
        grid.set_unit_cell(gemmi.UnitCell(30, 31, 40, 90, 90, 90))
        grid.spacegroup = gemmi.SpaceGroup("P 21 21 21")
    for rounding in ("Up", "Down", "Nearest"):
        for grid in (theirs, ours):
            grid.set_size_from_spacing(0.77, getattr(friedel.GridSizeRounding, rounding))
        assert ours.shape == theirs.shape
        assert ours.spacing == pytest.approx(theirs.spacing, rel=1e-12)
    with pytest.raises(ParameterError, match="P 21 21 21"):
        ours.set_size(7, 8, 9)
    ours.fill(1.0)
    copied = friedel.FloatGrid()
    copied.copy_metadata_from(ours)
    assert copied.shape == ours.shape
    assert copied.sum() == 0.0
    for wrong in ((4, 4), (np.zeros((2, 2)),), (1, 2, 3, 4), ("large",)):
        with pytest.raises(ParameterError):
            friedel.FloatGrid(*wrong)


def test_grids_and_data_are_copied_and_pickled(structure):
    calculator, data = calculated(friedel, structure)
    for original in (calculator.grid, data):
        for twin in (pickle.loads(pickle.dumps(original)), copy.deepcopy(original)):
            assert type(twin) is type(original)
            assert twin.spacegroup == original.spacegroup
            assert twin.unit_cell.parameters == original.unit_cell.parameters
            field = "array" if twin is not data and hasattr(twin, "array") else "value_array"
            np.testing.assert_array_equal(getattr(twin, field), getattr(original, field))


def test_symmetry_that_no_tabulated_group_has():
    crystal = friedel.Crystal.from_triplets((20, 20, 20, 90, 90, 90), ["-x+1/8,-y,z+1/2"])
    grid = friedel.FloatGrid(np.ones((8, 8, 8), np.float32), crystal=crystal)
    assert grid.spacegroup.hm == "P 1"
    assert grid.crystal.n_operations == 2
    assert friedel.as_crystal(grid) is grid.crystal
    data = friedel.transform_map_to_f_phi(grid).prepare_asu_data()
    assert data.crystal.n_operations == 2
    grid.spacegroup = gemmi.SpaceGroup("P 1 21 1")
    assert grid.crystal.has_same_symmetry(friedel.as_crystal(grid))
    assert grid.crystal.name == "P 1 21 1"


# Back to maps


GROUPS = {
    "P 1": ((30, 31, 32, 80, 95, 100), (24, 25, 27)),
    "P -1": ((30, 31, 32, 80, 95, 100), (24, 25, 27)),
    "P 1 21 1": ((30, 31, 32, 90, 95, 90), (24, 24, 30)),
    "C 1 2 1": ((30, 31, 32, 90, 95, 90), (24, 24, 30)),
    "P 41 21 2": ((30, 30, 40, 90, 90, 90), (24, 24, 32)),
    "R 3:H": ((30, 30, 40, 90, 90, 120), (24, 24, 36)),
    "P 63/m": ((30, 30, 40, 90, 90, 120), (24, 24, 36)),
    "F d -3 m:2": ((30, 30, 30, 90, 90, 90), (24, 24, 24)),
}


@pytest.mark.parametrize("group", GROUPS)
def test_lists_of_reflections_are_gemmis(group):
    """All reflections of the grid, or to a limit, with absences and F(000), in gemmi's order."""
    cell, shape = GROUPS[group]
    theirs, ours = grids(shape, cell, group)
    for grid in (theirs, ours):
        grid.symmetrize_avg()
    for half_l in (False, True):
        pair = [
            m.transform_map_to_f_phi(g, half_l)
            for m, g in zip(MODULES, (theirs, ours), strict=True)
        ]
        for options in (
            {},
            {"dmin": 4.01, "unblur": 5.0},
            {"with_000": True},
            {"with_sys_abs": True},
            {"dmin": 4.01, "mott_bethe": True},
        ):
            expected, result = (grid.prepare_asu_data(**options) for grid in pair)
            # of a half gemmi keeps l = nw / 2, where the transform is not F
            below = 2 * np.abs(expected.miller_array[:, 2]) < shape[2]
            assert below.all() or half_l
            np.testing.assert_array_equal(result.miller_array, expected.miller_array[below])
            assert_same(result.value_array, expected.value_array[below], 1e-5)
            for name in ("make_d_array", "make_1_d2_array"):
                ours_of, theirs_of = getattr(result, name)(), getattr(expected, name)()
                np.testing.assert_allclose(ours_of, theirs_of[below], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("group", GROUPS)
def test_maps_from_structure_factors_are_gemmis(group):
    """Also with absent and equivalent reflections in the list, of which the first counts."""
    cell, shape = GROUPS[group]
    rng = np.random.default_rng(2)
    hkl = rng.integers(-7, 8, (400, 3)).astype(np.int32)
    values = (noise(400) + 1j * noise(400, 3)).astype(np.complex64)
    values[::17] = 0
    arguments = gemmi.UnitCell(*cell), gemmi.SpaceGroup(group), hkl, values
    theirs, ours = (module.ComplexAsuData(*arguments) for module in MODULES)
    for half_l in (False, True):
        expected, result = (d.get_f_phi_on_grid(shape, half_l=half_l) for d in (theirs, ours))
        # of absent reflections gemmi and numpy may take another operation's phase
        assert_same(result, expected, 1e-5)
        for grid in (result, expected):
            back = friedel.transform_f_phi_grid_to_map(grid)
            if half_l and shape[2] % 2:
                assert (back.nw == shape[2]) is (grid is result)
                continue
            assert_same(back, gemmi.transform_f_phi_grid_to_map(expected), 1e-5)
    for options in ({}, {"sample_rate": 3.0}, {"min_size": [20, 36, 20]}):
        assert_same(
            ours.transform_f_phi_to_map(**options), theirs.transform_f_phi_to_map(**options), 1e-5
        )
    if shape[2] % 2 == 0:
        maps = [data.transform_f_phi_to_map(exact_size=shape) for data in (theirs, ours)]
        assert_same(maps[1], maps[0], 1e-5)
        assert type(maps[1]) is friedel.FloatGrid
        assert maps[1].spacegroup == arguments[1]


def test_order_zyx():
    cell, shape = GROUPS["P 1 21 1"]
    theirs, _ = grids(shape, cell, "P 1 21 1")
    data = gemmi.transform_map_to_f_phi(theirs).prepare_asu_data()
    zyx = gemmi.AxisOrder.ZYX
    expected = data.get_f_phi_on_grid(shape, order=zyx)
    asu = friedel.ComplexAsuData(
        data.unit_cell, data.spacegroup, data.miller_array, data.value_array
    )
    result = asu.get_f_phi_on_grid(shape, order=zyx)
    assert result.axis_order == zyx
    assert_same(result, expected, 1e-5)
    assert result.to_hkl(result.index_to_point(1234)) == expected.to_hkl(
        expected.index_to_point(1234)
    )
    back = friedel.transform_f_phi_grid_to_map(expected)
    assert back.axis_order == zyx
    assert_same(back, gemmi.transform_f_phi_grid_to_map(expected))
    assert_same(friedel.transform_map_to_f_phi(back), gemmi.transform_map_to_f_phi(back))
    for refused in (
        lambda: asu.get_f_phi_on_grid(shape, half_l=True, order=zyx),
        lambda: friedel.transform_f_phi_grid_to_map(result),
        lambda: result.get_value_by_hkl([[1, 2, 3]]),
        lambda: friedel.transform_map_to_f_phi(back, half_l=True),
    ):
        with pytest.raises(ParameterError, match="ZYX"):
            refused()


def test_points_of_reciprocal_grids():
    pair = [m.transform_map_to_f_phi(g, half_l=True) for m, g in zip(MODULES, grids(), strict=True)]
    theirs, ours = pair
    assert (ours.nu, ours.nv, ours.nw) == ours.shape == tuple(theirs.shape)
    assert ours.point_count == theirs.point_count
    assert ours.unit_cell == theirs.unit_cell
    assert ours.spacegroup == theirs.spacegroup
    assert_same(ours.sum(), theirs.sum(), 1e-4)
    for p, q, _ in zip(theirs, ours, range(3000), strict=False):
        assert (p.u, p.v, p.w) == (q.u, q.v, q.w)
        assert abs(p.value - q.value) < 1e-2
        assert theirs.to_hkl(p) == ours.to_hkl(q)
        assert theirs.point_to_index(p) == ours.point_to_index(q)
        assert theirs.calculate_1_d2(p) == pytest.approx(ours.calculate_1_d2(q))
        assert theirs.calculate_d(p) == pytest.approx(ours.calculate_d(q), nan_ok=True)
    assert ours.get_value_or_zero(50, 0, 0) == theirs.get_value_or_zero(50, 0, 0) == 0
    for kind in (IndexError, ReflectionsError):
        with pytest.raises(kind):
            ours.get_value(50, 0, 0)
    for grid in pair:
        grid.set_value(-1, 2, 3, 2 + 1j)
        assert grid.get_value(-1, 2, 3) == 2 + 1j
        grid.index_to_point(5).value = 3j
        assert grid.index_to_point(5).value == 3j
        grid.fill(1j)
    assert_same(ours, theirs)
    ours.set_value(1, 2, -3, 5j)
    assert ours.get_value(-1, -2, 3) == -5j
    empty = [module.ReciprocalComplexGrid(4, 5, 6) for module in MODULES]
    assert np.array(empty[1]).dtype == np.array(empty[0]).dtype
    given = [
        module.ReciprocalComplexGrid(np.ones((4, 5, 6), np.complex64), theirs.unit_cell)
        for module in MODULES
    ]
    assert_same(
        *(module.transform_f_phi_grid_to_map(g) for module, g in zip(MODULES, given, strict=True))
    )
    assert repr(given[0]) == repr(given[1])


# What other programs do with these classes


def test_mott_bethe_as_servalcat(structure):
    """X-ray density minus Z, hydrogen's nuclei apart, F at listed reflections."""
    structure = structure.clone()
    structure.remove_waters()
    hkl = gemmi.make_miller_array(structure.cell, structure.find_spacegroup(), D_MIN)
    results = []
    for module in MODULES:
        calculator = module.DensityCalculatorX()
        calculator.d_min, calculator.blur = D_MIN, 20.0
        calculator.grid.setup_from(structure)
        calculator.initialize_grid()
        calculator.addends.subtract_z(except_hydrogen=True)
        calculator.add_model_density_to_grid(structure[0])
        for cra in structure[0].all():
            if cra.atom.is_hydrogen():
                calculator.add_c_contribution_to_grid(cra.atom, -1)
        calculator.grid.symmetrize_sum()
        grid = module.transform_map_to_f_phi(calculator.grid)
        by_hkl = grid.get_value_by_hkl(hkl, unblur=calculator.blur, mott_bethe=True)
        data = grid.prepare_asu_data(dmin=D_MIN, mott_bethe=True, unblur=calculator.blur)
        zero = grid.get_value_by_hkl(hkl[:1] * 0, mott_bethe=True, mott_bethe_000=17)
        results.append((by_hkl, data.value_array, zero))
        assert module.mott_bethe_const() == pytest.approx(0.0957346, rel=1e-6)
    # low angles magnify what the cutoff takes off, in gemmi up to 1.2 % of the direct sum
    for expected, result in zip(*results, strict=True):
        assert_same(result, expected, 0.015)
    direct = friedel.StructureFactorCalculatorX(structure.cell)
    direct.addends.subtract_z()
    exact = direct.calculate_sf_from_model(structure[0], hkl) * direct.mott_bethe_factor()
    assert_same(results[1][0], exact, 0.005)


def test_sums_of_data_and_maps_as_servalcat(structure):
    """AsuData of the type of another one, from numbers of any kind, and a map of a chosen size."""
    maps = []
    for module in MODULES:
        _, data = calculated(module, structure)
        total = type(data)(
            data.unit_cell, data.spacegroup, data.miller_array, 2 * data.value_array.astype(complex)
        )
        assert len(total) == len(data)
        assert total[3].value == pytest.approx(2 * data[3].value)
        assert [h.hkl for h in total][:5] == [h.hkl for h in data][:5]
        assert data.calculate_correlation(total).coefficient() == pytest.approx(1.0)
        maps.append(total.transform_f_phi_to_map(sample_rate=3, exact_size=(0, 0, 0)))
    assert_same(maps[1], maps[0], 1e-3)
    with pytest.raises(ParameterError, match="values"):
        friedel.ComplexAsuData(data.unit_cell, data.spacegroup, data.miller_array, [1j])


def test_density_on_the_grid_of_a_map(structure):
    """Metadata of a map, no d_min; a box without symmetry whose size comes before the cell."""
    theirs, ours = (module.DensityCalculatorE() for module in MODULES)
    for calculator in (theirs, ours):
        calculator.grid.copy_metadata_from(grids((48, 54, 60), (40, 45, 50, 90, 90, 90), "P 1")[0])
        calculator.initialize_grid()
        calculator.put_model_density_on_grid(structure[0])
    assert_same(ours.grid.array, theirs.grid.array, 1e-3)
    theirs, ours = (module.DensityCalculatorE() for module in MODULES)
    for calculator in (theirs, ours):
        calculator.grid.set_size(40, 40, 40)
        calculator.grid.set_unit_cell(gemmi.UnitCell(40, 40, 40, 90, 90, 90))
        calculator.put_model_density_on_grid(structure[0])
    assert_same(ours.grid.array, theirs.grid.array, 1e-3)


def test_form_factors_of_each_atom(structure):
    """set_custom_form_factors as servalcat's, and the density of the addends alone."""
    structure = structure.clone()
    structure.assign_serial_numbers()
    n = sum(1 for _ in structure[0].all())
    rng = np.random.default_rng(4)
    coefficients = np.column_stack(
        [rng.uniform(0.2, 2, (n + 1, 5)), rng.uniform(1, 40, (n + 1, 5))]
    )
    for kind in ("DensityCalculatorC", "DensityCalculatorZ"):
        densities, radii = [], []
        for module in MODULES:
            module.set_custom_form_factors(coefficients.tolist())
            calculator = getattr(module, kind)()
            calculator.d_min, calculator.blur = D_MIN, 10.0
            calculator.addends.subtract_z()
            calculator.grid.setup_from(structure)
            calculator.put_model_density_on_grid(structure[0])
            atom = structure[0][0][0][0]
            calculator.add_atom_density_to_grid(atom)
            densities.append(np.array(calculator.grid))
            radii.append(calculator.estimate_radius(atom))
        difference = densities[1] - densities[0]
        assert np.sqrt((difference**2).mean() / (densities[0] ** 2).mean()) < 1e-3
        assert radii[1] == pytest.approx(radii[0], abs=0.4)
    friedel.set_custom_form_factors(coefficients[:5].tolist())
    calculator = friedel.DensityCalculatorC()
    calculator.d_min = D_MIN
    calculator.grid.setup_from(structure)
    with pytest.raises(ParameterError, match="serial"):
        calculator.put_model_density_on_grid(structure[0])
    with pytest.raises(ParameterError):
        friedel.set_custom_form_factors([[1.0, 2.0]])


# friedel in the place of gemmi


PATCHES = {
    "before": "import friedel; sys.modules['gemmi'] = friedel",
    "after": "import gemmi, friedel; sys.modules['gemmi'] = friedel",
    "between": "import friedel, gemmi as kept; sys.modules['gemmi'] = friedel",
}

PATCHED = """
import sys
{patch}
import gemmi
from gemmi import cif
assert gemmi is friedel
structure = gemmi.read_structure(sys.argv[1])
calculator = gemmi.DensityCalculatorX()
calculator.d_min = 3.0
calculator.grid.setup_from(structure)
calculator.put_model_density_on_grid(structure[0])
data = gemmi.transform_map_to_f_phi(calculator.grid).prepare_asu_data(dmin=3.0)
assert type(data).__module__ == "friedel.compat.asu_data"
assert isinstance(data, sys.modules["friedel.gemmi_package"].gemmi.ComplexAsuData)
assert len(friedel.fcalc(structure, d_min=3.0)) == len(data)
"""


@pytest.mark.parametrize("patch", PATCHES)
def test_packages_that_import_gemmi_find_friedel(page_models, patch):
    code = PATCHED.format(patch=PATCHES[patch])
    command = [sys.executable, "-c", code, str(page_models / "4oz7.pdb")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


OURS = {
    *(
        "Addends",
        "AtomicRadiiSet",
        "C4322Coef",
        "ComplexAsuData",
        "Element",
        "ExpSum5",
        "FloatGrid",
    ),
    *("IT92Coef", "IT92_get_exact", "IT92_get_ignore_charge", "IT92_normalize"),
    *("IT92_set_ignore_charge", "Neutron92", "ReciprocalComplexGrid", "Scaling", "SolventMasker"),
    *(f"DensityCalculator{kind}" for kind in "CENXZ"),
    *(f"StructureFactorCalculator{kind}" for kind in "ENX"),
    *("cromer_liberman", "hc", "mott_bethe_const", "set_custom_form_factors"),
    *("transform_f_phi_grid_to_map", "transform_map_to_f_phi"),
}


def test_every_name_of_gemmi_is_ours_or_handed_through_or_refused():
    names = {name for name in dir(gemmi) if not name.startswith("_")}
    # bindings register the types of iterators when one is first made
    names = {name for name in names if not name.endswith("_iterator")}
    handed = names & set(compat.NAMES)
    assert all(getattr(friedel, name) is getattr(gemmi, name) for name in handed)
    assert all(getattr(friedel, name) is not getattr(gemmi, name) for name in OURS - {"hc"})
    assert not OURS & handed
    for name in compat.REFUSED:
        with pytest.raises(AttributeError, match="estimate_radius"):
            getattr(friedel, name)
    if gemmi.__version__.startswith("0.7.5"):
        assert names == OURS | handed | set(compat.REFUSED)
