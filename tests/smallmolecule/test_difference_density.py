"""The map of F_o - F_c: a missing atom, f'', weights, twins, values that CIFs state, labels."""

import json

import gemmi
import numpy as np
import pytest

import friedel
from friedel.maps.difference_density import difference_density
from friedel.readers.reflection_lists import ReflectionList
from friedel.smallmolecule.difference_density import difference_coefficients

WAVELENGTH = 0.71073


def with_inversion():
    """Heavy and light atoms in P 21/c, 1.6 Å apart; the last is the one to leave out."""
    crystal = friedel.Crystal.from_triplets(
        (7.1, 9.3, 8.2, 90, 103, 90), ["-x,y+1/2,-z+1/2", "-x,-y,-z"]
    )
    frac = [
        [0.26, 0.30, 0.81], [0.09, 0.60, 0.73], [0.43, 0.67, 0.42], [0.63, 0.97, 0.68],
        [0.32, 0.92, 0.47], [0.20, 0.88, 0.68],
    ]  # fmt: skip
    labels = ["Pt", "Pt", "Br", "O", "C", "C"]
    return crystal, friedel.Atoms.from_labels(labels, np.array(frac), b_iso=1.5)


def first_atoms(atoms, n):
    return friedel.Atoms(
        atoms.frac[:n], atoms.occ[:n], atoms.b_iso[:n], atoms.kind[:n], atoms.scatterers
    )


def f_calc(model, hkl, **options):
    return friedel.fcalc(model, hkl=hkl, method="direct", **options).values


def sphere(crystal, d_min):
    hkl = crystal.unique_reflections(d_min)
    return np.concatenate([hkl, -hkl[~crystal.is_centric(hkl)]])


def exact(hkl, f2):
    # equal sigmas: strong reflections determine the scale, which a missing atom changes
    return ReflectionList(hkl, f2, np.full(len(f2), 1.0))


def distance_from(position, crystal, frac):
    """Distance (Å) of the nearest symmetry copy of a position from another, in any cell."""
    shifts = np.array(
        [
            rotation @ frac + translation / 24 - position
            for rotation, translation in zip(crystal.rotations, crystal.translations, strict=True)
        ]
    )
    shifts -= np.rint(shifts)
    return np.linalg.norm(shifts @ crystal.orthogonalization.T, axis=1).min()


def density_at(position, crystal, hkl, f):
    """(1/V) sum F exp(-2 pi i h.x) over the reflections of P 1, term by term."""
    terms = {}
    for rotation, translation in zip(crystal.rotations, crystal.translations / 24, strict=True):
        turned = hkl @ rotation
        values = f * np.exp(-2j * np.pi * (hkl @ translation))
        for h, value in zip(turned.tolist(), values, strict=True):
            terms[tuple(h)] = value
            terms[tuple(-i for i in h)] = np.conj(value)
    everywhere = np.array(list(terms))
    phases = np.exp(-2j * np.pi * (everywhere @ position))
    return float((np.array(list(terms.values())) * phases).real.sum()) / crystal.volume


def test_an_atom_left_out_is_the_highest_peak():
    crystal, atoms = with_inversion()
    hkl, options = crystal.unique_reflections(0.75), {"wavelength": WAVELENGTH}
    truth = f_calc((crystal, atoms), hkl, **options)
    model = crystal, first_atoms(atoms, 5)
    fit = friedel.fit_intensities(model, exact(hkl, 1.69 * np.abs(truth) ** 2), **options)
    peaks = fit.difference.peaks
    position, height = atoms.frac[5], peaks.height[0]
    assert distance_from(position, crystal, peaks.frac[0]) < 0.05
    assert fit.difference.maximum == height
    assert peaks.height[1] < 0.1 * height
    assert fit.difference.minimum > -0.1 * height
    # the density of the atom by the same reflections; some signs change when it is left out
    missing = friedel.Atoms.from_labels(["C"], atoms.frac[5:], b_iso=1.5)
    density = density_at(position, crystal, hkl, f_calc((crystal, missing), hkl))
    assert height == pytest.approx(density, rel=0.02)
    # the map that these coefficients make, term by term, with the scale of the fit
    part = f_calc(model, hkl, **options)
    without = 0.5 * (part + f_calc(model, -hkl, **options).conj())
    imaginary = np.abs(part) ** 2 - np.abs(without) ** 2  # of f'', which has no part in the atom
    f_obs = np.sqrt(np.maximum((1.3 / fit.scale.value * np.abs(truth)) ** 2 - imaginary, 0.0))
    coefficients = (f_obs - np.abs(without)) * np.exp(1j * np.angle(without))
    same = density_at(peaks.frac[0], crystal, hkl, coefficients)
    assert height == pytest.approx(same, rel=5e-3)


def polar():
    crystal = friedel.Crystal.from_triplets((7.3, 7.3, 9.1, 90, 90, 120), ["-y,x-y,z"])
    frac = np.random.default_rng(3).random((6, 3))
    labels = ["Fe", "S", "O", "N", "C", "C"]
    return crystal, friedel.Atoms.from_labels(labels, frac, b_iso=1.2)


def test_perfect_data_leave_nothing_with_f_double_prime_in_a_polar_group():
    model = polar()
    hkl = sphere(model[0], 0.8)
    f = f_calc(model, hkl, wavelength=WAVELENGTH)
    fit = friedel.fit_intensities(model, exact(hkl, 4 * np.abs(f) ** 2), wavelength=WAVELENGTH)
    difference = fit.difference
    # e/A^3 beside a density of some 100 at Fe, in float32
    assert max(difference.maximum, -difference.minimum, difference.rms) < 1e-3
    # of unmerged Friedel mates one set is left
    assert len(difference.coefficients) == len(model[0].unique_reflections(0.8))


def test_f_double_prime_is_taken_out():
    """The real part obeys Friedel's law and is F_c without f''."""
    model = polar()
    hkl = sphere(model[0], 0.9)
    f = f_calc(model, hkl, wavelength=WAVELENGTH)
    fit = friedel.fit_intensities(model, exact(hkl, np.abs(f) ** 2), wavelength=WAVELENGTH)
    bare = f_calc(model, fit.hkl)
    real_part = f_calc(model, fit.hkl, wavelength=WAVELENGTH)
    mates = f_calc(model, -fit.hkl, wavelength=WAVELENGTH)
    np.testing.assert_allclose(fit.f_real, 0.5 * (real_part + mates.conj()), atol=1e-9)
    # without f' and f'' it is another by f', which is real for each atom
    assert not np.allclose(fit.f_real, bare, atol=1e-2)


def test_coefficients_by_hand():
    crystal = friedel.Crystal.from_triplets((6, 7, 8, 90, 95, 90), ["-x,y+1/2,-z"])
    hkl = np.array([[1, 2, 3], [-1, -2, -3], [2, 0, 1]])
    f_real = np.array([10 * np.exp(0.7j), 10 * np.exp(-0.7j), -4.0])
    f_calc = np.array([10.4 * np.exp(0.8j), 9.7 * np.exp(-0.6j), -4.0])
    f2, sigmas = np.array([130.0, 110.0, -1.0]), np.array([2.0, 2.0, 3.0])
    found = difference_coefficients(crystal, hkl, f2, sigmas, f_calc, f_real)
    values = {tuple(h): v for h, v in zip(found.hkl.tolist(), found.values, strict=True)}
    one, two = 130 - 10.4**2 + 100, 110 - 9.7**2 + 100
    mean = (one**2 + two**2) / (one + two)  # weights F^2 / sigma^2
    sigma = max(np.sqrt(2.0), abs(one - mean) / 2 + abs(two - mean) / 2)
    expected = (np.sqrt(mean) - 10) / (1 + (2 * sigma / 100) ** 2)
    (acentric,) = (abs(v) for h, v in values.items() if h[1])
    assert acentric == pytest.approx(abs(expected), rel=1e-6)
    # negative F^2 count as 0, and the weight is that of sigma / F_c^2
    (centric,) = (v for h, v in values.items() if not h[1])
    assert centric == pytest.approx(4 / (1 + (2 * 3 / 16) ** 2), rel=1e-9)


def test_missing_atom_in_a_twin():
    crystal, atoms = with_inversion()
    hkl = crystal.unique_reflections(0.8)
    law = "-h,-k,l"
    turned = hkl * [-1, -1, 1]
    f2 = 0.7 * np.abs(f_calc((crystal, atoms), hkl)) ** 2
    f2 += 0.3 * np.abs(f_calc((crystal, atoms), turned)) ** 2
    model = crystal, first_atoms(atoms, 5)
    fit = friedel.fit_intensities(
        model, exact(hkl, f2), wavelength=WAVELENGTH, anomalous=None, twin=[law]
    )
    assert distance_from(atoms.frac[5], crystal, fit.difference.peaks.frac[0]) < 0.1


class TestStated:
    """Maps of structures whose CIFs state the numbers of SHELXL."""

    def test_2242624(self, shared_data):
        models = shared_data / "models"
        fit = friedel.fit_intensities(models / "2242624.cif", models / "2242624.hkl")
        found, stated = fit.difference, fit.stated
        # coordinates are rounded to 1e-3 in the file; 1.1 % and 0.5 % were found
        assert (stated.density_max, stated.density_min) == (0.757, -0.557)
        assert found.maximum == pytest.approx(stated.density_max, rel=0.02)
        assert found.minimum == pytest.approx(stated.density_min, rel=0.02)
        assert found.rms == pytest.approx(0.174, rel=0.02)  # of its _shelx_res_file
        # Q1 to Q4 of its _shelx_res_file: N2 0.76, 0.56, 0.47, 0.42
        np.testing.assert_allclose(found.peaks.height[:4], [0.76, 0.56, 0.47, 0.42], atol=0.02)
        assert found.peaks.label[0] == "N2"

    def test_4003024(self, shared_data):
        path = shared_data / "models" / "4003024.cif"
        fit = friedel.fit_intensities(path, path, scattering="cif")
        found, stated = fit.difference, fit.stated
        # U and occupancies have three digits; 4 %, 6 % and 5 % were found
        assert found.maximum == pytest.approx(stated.density_max, rel=0.07)
        assert found.minimum == pytest.approx(stated.density_min, rel=0.07)
        assert found.rms == pytest.approx(stated.density_rms, rel=0.07)
        text = fit.summary()
        assert "the CIF states 0.287" in text
        assert "Cs1    0.72" in text
        numbers = json.loads(json.dumps(fit.to_dict()))
        assert numbers["difference_density"]["maximum"] == found.maximum
        first = numbers["difference_density"]["peaks"][0]
        assert first["label"] == "Cs1"
        assert first["height"] == pytest.approx(found.maximum)
        assert numbers["stated"]["density_max"] == 0.287


def test_no_difference_has_no_peaks():
    crystal, atoms = with_inversion()
    hkl = crystal.unique_reflections(1.5)
    nothing = friedel.Reflections(crystal, hkl, np.zeros(len(hkl), complex))
    found = difference_density(nothing, atoms)
    assert (found.maximum, found.minimum, found.rms) == (0.0, 0.0, 0.0)
    assert len(found.peaks) == len(found.holes) == 0
    assert found.to_dict()["peaks"] == []


class TestLabels:
    CIF = """data_x
_cell_length_a 5
_cell_length_b 6
_cell_length_c 7
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_U_iso_or_equiv
_atom_site_occupancy
Fe1 Fe 0.1 0.2 0.3 0.02 0.5
Co1 Co 0.1 0.2 0.3 0.02 0.5
O2W O  0.6 0.2 0.3 0.02 1
"""

    def test_in_the_order_of_the_file(self, tmp_path):
        path = tmp_path / "x.cif"
        path.write_text(self.CIF)
        labels = ("Fe1", "Co1", "O2W")
        for source in (path, str(path), gemmi.read_small_structure(str(path))):
            assert friedel.as_model(source).atoms.site_labels == labels

    def test_of_the_atoms_that_remain(self, tmp_path):
        path = tmp_path / "x.cif"
        path.write_text(self.CIF)
        atoms = friedel.as_model(path).atoms
        assert atoms.select(np.array([False, False, True])).site_labels == ("O2W",)

    def test_atoms_without_labels(self):
        assert with_inversion()[1].site_labels is None
