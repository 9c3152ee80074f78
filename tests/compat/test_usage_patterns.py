"""How other programs use gemmi's classes: each recipe with gemmi and with friedel, same numbers.

The recipes follow servalcat, reciprocalspaceship, SFCalculator and scripts of CCP4 and XChem, in
words of our own.
"""

import gemmi
import numpy as np
import pytest

import friedel
from friedel.errors import AtomsError, ParameterError

FFT = 1e-4
"""Agreement of structure factors from densities, relative to the largest: gemmi's cutoff."""

SINGLE = 2e-6
"""Agreement of transforms, which are in single precision in gemmi."""


@pytest.fixture(scope="module")
def peptide(page_models):
    return gemmi.read_structure(str(page_models / "5e5z.pdb"))


@pytest.fixture(scope="module")
def data(page_models):
    return gemmi.read_mtz_file(str(page_models / "5e5z.mtz"))


def assert_same(recipe, *arguments, tolerance=FFT):
    """All arrays that the recipe yields agree, relative to the largest value of each."""
    both = (recipe(module, *arguments) for module in (gemmi, friedel))
    n = 0
    for expected, result in zip(*both, strict=True):
        first, second = np.array(expected), np.array(result)
        assert second.shape == first.shape
        if first.dtype.kind in "iub":
            np.testing.assert_array_equal(second, first)
        else:
            assert np.abs(second - first).max() <= tolerance * np.abs(first).max()
        n += 1
    assert n


def density_of(module, structure, d_min, **settings):
    calculator = module.DensityCalculatorX()
    calculator.d_min = d_min
    for name, value in settings.items():
        setattr(calculator, name, value)
    calculator.set_grid_cell_and_spacegroup(structure)
    calculator.put_model_density_on_grid(structure[0])
    return calculator


# Servalcat


def test_structure_factors_with_dispersion_at_listed_reflections(structure):
    """f' in the addends of the density, f'' as a density of its own."""

    def recipe(module):
        hkl = module.make_miller_array(structure.cell, structure.find_spacegroup(), 2.0)
        real, imaginary = module.Addends(), module.Addends()
        for element in {cra.atom.element for cra in structure[0].all()}:
            f_prime, f_second = module.cromer_liberman(element.atomic_number, module.hc / 1.2)
            real.set(element, f_prime)
            imaginary.set(element, f_second)
        for kind, addends in (("X", real), ("Z", imaginary)):
            calculator = getattr(module, f"DensityCalculator{kind}")()
            calculator.d_min, calculator.rate, calculator.cutoff = 2.0 - 1e-6, 1.5, 1e-5
            calculator.blur = 25.0
            calculator.grid.setup_from(structure)
            calculator.addends = addends
            calculator.put_model_density_on_grid(structure[0])
            grid = module.transform_map_to_f_phi(calculator.grid)
            yield grid.get_value_by_hkl(hkl, unblur=calculator.blur, mott_bethe_000=0)

    assert_same(recipe, tolerance=2e-3)  # the cutoff takes more of f'' than of f


@pytest.mark.parametrize("occupancy", [False, True])
def test_structure_factors_of_a_mask_at_listed_reflections(shared_data, occupancy):
    structure = gemmi.read_structure(str(shared_data / "models" / "1dur.pdb"))

    def recipe(module):
        hkl = module.make_miller_array(structure.cell, structure.find_spacegroup(), 2.0)
        grid = module.FloatGrid()
        grid.setup_from(structure, spacing=min(0.6, (2.0 - 1e-6) / 2 - 1e-9))
        masker = module.SolventMasker(module.AtomicRadiiSet.Refmac)
        if occupancy:
            masker.use_atom_occupancy = True
            masker.island_min_volume = 0
        masker.put_mask_on_float_grid(grid, structure[0])
        assert occupancy == bool(((grid.array > 0.01) & (grid.array < 0.99)).any())
        yield grid
        yield module.transform_map_to_f_phi(grid).get_value_by_hkl(hkl)

    assert_same(recipe, tolerance=5e-6)


def test_masks_weighted_by_occupancy_keep_partial_points_beside_islands(shared_data):
    """gemmi loses them there; the solvent that no atom covers is that of the sharp mask."""
    structure = gemmi.read_structure(str(shared_data / "models" / "1dur.pdb"))
    masker = friedel.SolventMasker("Refmac")
    grids = []
    for masker.use_atom_occupancy in (False, True):
        grid = friedel.FloatGrid()
        grid.setup_from(structure, spacing=0.5)
        masker.put_mask_on_float_grid(grid, structure[0])
        grids.append(np.array(grid))
    sharp, partial = grids
    assert ((partial > 0.01) & (partial < 0.99)).mean() > 0.02
    assert (partial >= sharp).all()
    assert (partial[sharp == 1] == 1).all()
    whole = gemmi.Int8Grid()
    whole.copy_metadata_from(grid)
    masker.put_mask_on_int8_grid(whole, structure[0])  # has no room for parts
    np.testing.assert_array_equal(whole, sharp)
    with pytest.raises(AtomsError, match="Structure"):
        masker.put_mask_on_float_grid(grid, structure)


def test_tables_of_scattering_factors(structure):
    """Coefficients by element and charge as the atoms have them, X as O, normalized."""

    def recipe(module):
        module.IT92_normalize()
        module.IT92_set_ignore_charge(False)
        module.Element("X").it92.set_coefs(module.Element("O").it92.get_coefs())
        kinds = {(cra.atom.element, cra.atom.charge) for cra in structure[0].all()}
        kinds |= {(module.Element("Fe"), 3), (module.Element("X"), 0), (module.Element("C"), 4)}
        for element, charge in sorted(kinds, key=lambda kind: (kind[0].atomic_number, kind[1])):
            found = module.IT92_get_exact(module.Element(element.name), charge)
            yield [found is None]
            coefficients = found or module.Element(element.name).it92
            yield [*coefficients.a, *coefficients.b, coefficients.c]
            yield module.Element(element.name).c4322.a
            if element.name != "X":  # which scatters as oxygen for neutrons too, in gemmi not
                yield module.Element(element.name).neutron92.get_coefs()

    assert_same(recipe, tolerance=SINGLE)


def test_hydrogen_in_a_box_of_its_own():
    """Electrons and proton apart, by Mott-Bethe; weights in place; the peak of the map."""
    hydrogen = gemmi.Atom()
    hydrogen.element, hydrogen.occ, hydrogen.b_iso = gemmi.Element("H"), 1.0, 15.0

    def recipe(module):
        calculator = module.DensityCalculatorX()
        calculator.d_min, calculator.blur = 1.5, 10.0
        box = 2 * 4.1 + 1
        calculator.grid.unit_cell = module.UnitCell(box, box, box, 90, 90, 90)
        calculator.grid.spacegroup = module.SpaceGroup("P1")
        calculator.initialize_grid()
        center = module.Position(box / 2, box / 2, box / 2)
        electrons, proton = hydrogen.clone(), hydrogen.clone()
        electrons.pos, proton.pos = center + module.Position(0.13, 0, 0), center
        calculator.add_atom_density_to_grid(electrons)
        calculator.add_c_contribution_to_grid(proton, -1)
        grid = module.transform_map_to_f_phi(calculator.grid)
        data = grid.prepare_asu_data(dmin=1.5, mott_bethe=True, unblur=calculator.blur)
        yield data.miller_array
        data.value_array[:] *= np.interp(1.0 / data.make_d_array(), [0.1, 0.7], [1.0, 0.3])
        yield data.value_array
        density = data.transform_f_phi_to_map(exact_size=(int(box * 10),) * 3)
        peak = np.unravel_index(np.argmax(density), density.shape)
        yield density.get_position(*(int(x) for x in peak)).tolist()
        yield density

    assert_same(recipe, tolerance=0.02)  # low angles magnify what gemmi's cutoff takes off


def test_maps_are_masked_transformed_and_cut(structure):
    def recipe(module):
        original = density_of(module, structure, 3.0).grid
        mask = type(original)(original.array * 0, original.unit_cell, original.spacegroup)
        mask.mask_points_in_constant_radius(structure[0], 2.5, 1.0)
        mask.symmetrize_max()
        original.array[:] *= mask
        grid = module.transform_map_to_f_phi(original)
        data = grid.prepare_asu_data(dmin=3.0, with_000=True)
        yield data.miller_array
        other = module.ComplexAsuData(
            data.unit_cell,
            data.spacegroup,
            data.miller_array,
            (0.5 * np.array(data.value_array, complex)).astype(np.complex64),
        )
        back = module.transform_f_phi_grid_to_map(other.get_f_phi_on_grid(original.shape))
        yield back
        part = module.FloatGrid(
            back.get_subarray([-3, 2, 5], [8, 9, 10]), back.unit_cell, module.SpaceGroup("P1")
        )
        yield part
        yield module.transform_map_to_f_phi(part).get_value_by_hkl(np.array([[1, 2, 3], [0, 1, 0]]))

    assert_same(recipe)


@pytest.mark.parametrize("d_min", [2.5, 3.0, 3.75, 4.0])
def test_reflections_at_the_limit_in_a_cube(d_min):
    """Boxes of maps have reflections at exactly d_min: those that gemmi leaves out are left out."""
    values = np.random.default_rng(3).normal(size=(60, 60, 60)).astype(np.float32)

    def recipe(module):
        arguments = module.UnitCell(60, 60, 60, 90, 90, 90), module.SpaceGroup("P 1")
        grid = module.transform_map_to_f_phi(module.FloatGrid(values, *arguments))
        for with_000 in (False, True):
            yield grid.prepare_asu_data(dmin=d_min, with_000=with_000).miller_array

    assert_same(recipe)


def test_transforms_of_numpy_as_reciprocal_grids(structure):
    def recipe(module):
        density = density_of(module, structure, 3.0).grid
        f = np.fft.fftn(density, density.shape, axes=(0, 1, 2)).conj()
        grid = module.ReciprocalComplexGrid(
            f.astype(np.complex64), density.unit_cell, module.SpaceGroup("P1")
        )
        data = grid.prepare_asu_data(dmin=3.0)
        yield data.miller_array
        yield data.value_array * np.exp(-2j * np.pi * data.miller_array @ [0.1, 0.2, 0.3])

    assert_same(recipe)


def test_direct_sums_one_by_one_with_hydrogens_nuclei(shared_data):
    structure = gemmi.read_structure(str(shared_data / "models" / "pka_start.pdb"))

    def recipe(module):
        cell = structure.cell
        calculator = module.StructureFactorCalculatorX(cell)
        calculator.addends.clear()
        calculator.addends.subtract_z(except_hydrogen=True)
        values = []
        for hkl in module.make_miller_array(cell, structure.find_spacegroup(), 12.0)[:40]:
            f = calculator.calculate_sf_from_model(structure[0], hkl)
            f += calculator.calculate_mb_z(structure[0], hkl, only_h=True)
            values.append(f * calculator.mott_bethe_factor())
        yield values

    assert_same(recipe, tolerance=5e-5)


# reciprocalspaceship


def test_arrays_into_maps_and_columns(structure, tmp_path):
    def recipe(module):
        density = density_of(module, structure, 2.5)
        array = np.array(density.grid, copy=True)
        grid = module.FloatGrid(*array.shape)
        grid.set_unit_cell(structure.cell)
        grid.spacegroup = structure.find_spacegroup()
        view = np.array(grid, copy=False)
        view[:, :, :] = array[:, :, :]
        ccp4 = module.Ccp4Map()
        ccp4.grid = grid
        ccp4.update_ccp4_header(2, True)
        path = str(tmp_path / f"{module.__name__}.ccp4")
        ccp4.write_ccp4_map(path)
        yield gemmi.read_ccp4_map(path).grid
        data = module.transform_map_to_f_phi(density.grid).prepare_asu_data(dmin=2.5)
        mtz = module.Mtz(with_base=True)
        mtz.spacegroup = structure.find_spacegroup()
        mtz.set_cell_for_all(structure.cell)
        mtz.add_dataset("calculated")
        mtz.add_column("FC", "F")
        mtz.add_column("PHIC", "P")
        f = data.value_array
        columns = np.abs(f)[:, None], np.angle(f, deg=True)[:, None]
        mtz.set_data(np.hstack([data.miller_array, *columns]).astype(np.float32))
        size = mtz.get_size_for_hkl(sample_rate=3.0)
        yield size
        expected = mtz.get_f_phi_on_grid("FC", "PHIC", size)
        yield expected.array
        assert np.abs(data.get_f_phi_on_grid(size).array - expected.array).max() < 1e-3

    assert_same(recipe, tolerance=1e-3)


# SFCalculator


def test_sums_by_hand_over_tabulated_form_factors(structure):
    """f0 of each element one reflection at a time, and phases by the operations of the group."""

    def recipe(module):
        hkl = module.make_miller_array(structure.cell, structure.find_spacegroup(), 4.0)
        inverse_d2 = structure.cell.calculate_1_d2_array(hkl)
        atoms = [cra.atom for cra in structure[0].all()]
        f0 = {
            name: np.array([module.Element(name).it92.calculate_sf(x / 4.0) for x in inverse_d2])
            for name in {atom.element.name for atom in atoms}
        }
        yield [module.Element(name).atomic_number for name in sorted(f0)]
        yield from (f0[name] for name in sorted(f0))
        total = np.zeros(len(hkl), complex)
        rows = [structure.cell.fractionalize(atom.pos).tolist() for atom in atoms]
        weights = [
            atom.occ * f0[atom.element.name] * np.exp(-atom.b_iso * inverse_d2 / 4)
            for atom in atoms
        ]
        for op in structure.find_spacegroup().operations():
            moved = np.array([op.apply_to_xyz(row) for row in rows])
            total += (np.array(weights).T * np.exp(2j * np.pi * hkl @ moved.T)).sum(axis=1)
        calculator = module.StructureFactorCalculatorX(structure.cell)
        some = range(0, len(hkl), 40)
        direct = [calculator.calculate_sf_from_model(structure[0], hkl[i]) for i in some]
        yield direct
        np.testing.assert_allclose(direct, total[::40], atol=1e-4 * np.abs(total).max())

    structure = structure.clone()
    for cra in structure[0].all():
        cra.atom.aniso = gemmi.SMat33f(0, 0, 0, 0, 0, 0)
    assert_same(recipe, tolerance=SINGLE)


# CCP4 and XChem


def test_correlation_by_residue(peptide, data):
    """A map from a file against the density, at the points of the asymmetric unit."""

    def recipe(module):
        structure = peptide
        calculator = density_of(module, structure, data.resolution_high(), blur=5.0)
        f = module.StructureFactorCalculatorX(structure.cell).calculate_sf_from_model
        hkl = data.make_miller_array()[::5].copy()
        values = np.array([f(structure[0], h) for h in hkl], np.complex64)
        asu = module.ComplexAsuData(structure.cell, structure.find_spacegroup(), hkl, values)
        density = asu.transform_f_phi_to_map(exact_size=calculator.grid.shape)
        search = module.NeighborSearch(structure, max_radius=1.5)
        search.populate(include_h=False)
        pairs = {}
        for point in density.masked_asu():
            mark = search.find_nearest_atom(density.point_to_position(point))
            if mark is not None:
                key = str(mark.to_cra(structure[0]).residue.seqid)
                pair = point.value, calculator.grid.get_value(point.u, point.v, point.w)
                pairs.setdefault(key, []).append(pair)
        yield [len(pairs[key]) for key in sorted(pairs)]
        yield [np.corrcoef(np.transpose(pairs[key]))[0, 1] for key in sorted(pairs)]

    assert_same(recipe, tolerance=1e-3)


def test_blobs_away_from_the_model(shared_data):
    mtz = gemmi.read_mtz_file(str(shared_data / "models" / "1dur.mtz"))
    structure = gemmi.read_structure(str(shared_data / "models" / "1dur.pdb"))
    structure.remove_waters()

    def recipe(module):
        grid = mtz.transform_f_phi_to_map("FWT", "PHWT", sample_rate=3)
        masker = module.SolventMasker(module.AtomicRadiiSet.Constant, 1.75)
        masker.set_to_zero(grid, structure[0])
        options = {"cutoff": 0.3, "min_volume": 3, "min_score": 0, "min_peak": 0}
        blobs = module.find_blobs_by_flood_fill(grid, **options)
        yield [len(blobs)]
        yield [blob.volume for blob in blobs]
        yield grid.array == 0

    assert_same(recipe)


def test_electron_map_by_numpy(structure):
    structure = structure.clone()
    structure.spacegroup_hm = "P 1"
    structure.cell.set(60, 64, 72, 90.0, 90.0, 90.0)
    structure.setup_cell_images()

    def recipe(module):
        calculator = module.DensityCalculatorX()
        calculator.d_min, calculator.rate, calculator.blur = 3.0, 1.5, 20.0
        calculator.addends.subtract_z()
        calculator.set_grid_cell_and_spacegroup(structure)
        calculator.put_model_density_on_grid(structure[0])
        grid = module.transform_map_to_f_phi(calculator.grid)
        data = grid.prepare_asu_data(dmin=3.0, mott_bethe=True, unblur=calculator.blur)
        size = data.get_size_for_hkl(min_size=[60, 64, 72])
        yield size
        transposed = np.array(data.get_f_phi_on_grid(size), copy=False).transpose()
        yield np.fft.ifftn(np.conjugate(transposed)).real

    assert_same(recipe, tolerance=0.03)


def test_solvent_as_bytes(structure):
    def recipe(module):
        mask = module.Int8Grid()
        mask.set_unit_cell(structure.cell)
        mask.spacegroup = structure.find_spacegroup()
        mask.set_size(80, 96, 96)
        masker = module.SolventMasker(module.AtomicRadiiSet.VanDerWaals)
        masker.rprobe = 1.4
        masker.put_mask_on_int8_grid(mask, structure[0])
        protein = ~np.array(mask, copy=False).astype(bool)
        yield [np.count_nonzero(protein) / 1e9]
        yield [mask.array.sum() / mask.point_count]

    assert_same(recipe)


def test_residual_density_of_a_small_molecule(page_models):
    """F of a small structure one by one, sizes tried until one fits, and the map."""
    small = gemmi.read_small_structure(str(page_models / "4003024.cif"))
    small.change_occupancies_to_crystallographic()
    group = gemmi.SpaceGroup(small.spacegroup_hm)

    def recipe(module):
        hkl = module.make_miller_array(small.cell, group, 1.0)
        calculator = module.StructureFactorCalculatorX(small.cell)
        calculator.addends.add_cl_fprime(module.hc / 0.71073)
        f = np.array([calculator.calculate_sf_from_small_structure(small, list(h)) for h in hkl])
        yield f
        refused = 0
        for size in range(2 * int(np.abs(hkl).max()) + 1, 60):
            trial = module.ReciprocalComplexGrid(size, size, size + 1)
            trial.unit_cell, trial.spacegroup = small.cell, group
            try:
                module.transform_f_phi_grid_to_map(trial)
            except RuntimeError:
                refused += 1
        yield [refused]
        assert refused
        asu = module.ComplexAsuData(small.cell, group, hkl, (0.1 * f).astype(np.complex64))
        yield asu.transform_f_phi_to_map(exact_size=(24, 24, 24))

    assert_same(recipe, tolerance=2e-5)


def test_metadata_of_another_map():
    values = np.random.default_rng(5).normal(size=(10, 12, 14)).astype(np.float32)

    def recipe(module):
        other = module.FloatGrid(10, 12, 14)
        other.set_unit_cell(module.UnitCell(20, 24, 28, 90, 90, 90))
        other.spacegroup = module.SpaceGroup("P 2 2 2")
        ccp4 = module.Ccp4Map()
        ccp4.grid = module.FloatGrid(values)
        ccp4.grid.copy_metadata_from(other)
        grid = module.FloatGrid(values)
        grid.copy_metadata_from(other)  # keeps values of the same size
        for one in (ccp4.grid, grid):
            yield one
            yield one.unit_cell.parameters
            yield [one.spacegroup.number]

    assert_same(recipe)


# What gemmi's objects refuse


@pytest.mark.parametrize(
    "name",
    [
        *(f"DensityCalculator{kind}" for kind in "CENXZ"),
        *("FloatGrid", "ReciprocalComplexGrid", "Addends", "IT92Coef"),
    ],
)
def test_mistyped_attributes(name):
    for module in (gemmi, friedel):
        with pytest.raises(AttributeError, match="r_cut"):
            getattr(module, name)().r_cut = 1e-5


def test_mistyped_attributes_of_objects_with_arguments():
    cell, group = gemmi.UnitCell(10, 10, 10, 90, 90, 90), gemmi.SpaceGroup("P 1")
    hkl = np.array([[1, 2, 3]], np.int32)
    for module in (gemmi, friedel):
        for made in (
            module.Element("C"),
            module.SolventMasker(module.AtomicRadiiSet.Refmac),
            module.StructureFactorCalculatorX(cell),
            module.Scaling(cell, group),
            module.ComplexAsuData(cell, group, hkl, np.array([1j], np.complex64)),
        ):
            with pytest.raises(AttributeError, match="r_prob"):
                made.r_prob = 1.0


def test_sizes_that_do_not_fit_the_symmetry():
    for module in (gemmi, friedel):
        grid = module.FloatGrid()
        grid.spacegroup = gemmi.SpaceGroup("P 41")
        with pytest.raises(RuntimeError, match="P 41|divisible|symmetry"):
            grid.set_size(10, 10, 11)
    with pytest.raises(ParameterError):
        grid.set_size(10, 10, 11)


def test_slopes_of_densities():
    atoms = [
        module.Element("S").it92.precalculate_density_iso(20, 0.5) for module in (gemmi, friedel)
    ]
    for distance in (0.0, 0.4, 1.3):
        value, slope = atoms[1].calculate_with_derivative(distance)
        assert (value, slope) == pytest.approx(
            atoms[0].calculate_with_derivative(distance), rel=1e-5, abs=1e-6
        )
        assert value == atoms[1].calculate(distance**2)
