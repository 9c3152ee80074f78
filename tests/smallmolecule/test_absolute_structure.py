"""The Flack parameter by fit and by quotients: simulated twins, selection, what has none."""

import json

import numpy as np
import pytest

import friedel
from friedel.readers.reflection_lists import ReflectionList
from friedel.readers.stated_refinement import read_refinement

WAVELENGTH = 0.71073
ESTIMATES = ("by_fit", "by_quotients", "by_differences")


def polar_structure():
    """Atoms in P 3, with Fe for Bijvoet differences."""
    crystal = friedel.Crystal.from_triplets((7.3, 7.3, 9.1, 90, 90, 120), ["-y,x-y,z"])
    frac = np.random.default_rng(3).random((6, 3))
    labels = ["Fe", "S", "O", "N", "C", "C"]
    return crystal, friedel.Atoms.from_labels(labels, frac, b_iso=1.2)


def inverted(model):
    """The same atoms at -x in the inverted group; P 3 is its own."""
    crystal, atoms = model
    return crystal, friedel.Atoms(
        -atoms.frac, atoms.occ, atoms.b_iso, atoms.kind, atoms.scatterers, atoms.u_aniso
    )


def sphere(crystal, d_min=0.8):
    hkl = crystal.unique_reflections(d_min)
    return np.concatenate([hkl, -hkl[~crystal.is_centric(hkl)]])


def squared(model, hkl):
    f = friedel.fcalc(model, hkl=hkl, method="direct", wavelength=WAVELENGTH).values
    return np.abs(f) ** 2


def exact(hkl, f2):
    return ReflectionList(hkl, f2, 0.01 * f2 + 0.01)


@pytest.fixture(scope="module")
def model():
    return polar_structure()


@pytest.fixture(scope="module")
def both_hands(model):
    """Reflections with F^2 of the structure and of the inverted structure."""
    hkl = sphere(model[0])
    return hkl, squared(model, hkl), squared(model, -hkl)


@pytest.mark.parametrize("x", [0.0, 0.1, 0.5])
def test_noisy_twins_have_the_fraction_and_uncertainty_found(model, both_hands, x):
    hkl, one, other = both_hands
    f2 = 4.0 * ((1 - x) * one + x * other)
    sigmas = 0.02 * f2 + 3.0
    found = {name: [] for name in ESTIMATES}
    for seed in range(50):
        noise = np.random.default_rng(seed).normal(size=len(hkl))
        data = ReflectionList(hkl, f2 + sigmas * noise, sigmas)
        fit = friedel.fit_intensities(model, data, wavelength=WAVELENGTH)
        for name in ESTIMATES:
            estimate = getattr(fit.absolute_structure, name)
            found[name].append((estimate.value, estimate.su))
    for name, pairs in found.items():
        values, su = np.array(pairs).T
        assert abs(values.mean() - x) < 3 * values.std(ddof=1) / np.sqrt(50), name
        assert 0.7 < np.sqrt(np.mean(((values - x) / su) ** 2)) < 1.3, name


@pytest.mark.parametrize("x", [0.0, 0.1, 0.5, 1.0])
def test_without_noise_x_is_exact(model, both_hands, x):
    hkl, one, other = both_hands
    data = exact(hkl, 2.25 * ((1 - x) * one + x * other))
    fit = friedel.fit_intensities(model, data, wavelength=WAVELENGTH)
    for name in ESTIMATES:
        # quotients have no scale and the fit refines its own; that of differences is the scale
        # of the single crystal, which errs by 3 % where x is 1
        tolerance = 0.03 * x if name == "by_differences" else 1e-6
        value = getattr(fit.absolute_structure, name).value
        assert value == pytest.approx(x, abs=tolerance + 1e-9), name
    warned = [note for note in fit.notes if "inverted structure" in note]
    assert bool(warned) == (x == 1.0)
    assert all(note.kind == "warning" for note in warned)


def test_the_inverted_structure_has_one_minus_x(model, both_hands):
    hkl, one, other = both_hands
    data = exact(hkl, 0.7 * one + 0.3 * other)
    fit = friedel.fit_intensities(inverted(model), data, wavelength=WAVELENGTH)
    assert fit.absolute_structure.by_quotients.value == pytest.approx(0.7, abs=1e-6)
    assert fit.absolute_structure.by_fit.value == pytest.approx(0.7, abs=2e-3)


def test_extinction_is_taken_out_of_the_quotients(model, both_hands):
    from friedel.smallmolecule.intensities import extinction_per_x

    hkl, one, other = both_hands
    total = 0.8 * one + 0.2 * other
    per_x = extinction_per_x(model[0].stol2(hkl), WAVELENGTH)
    data = exact(hkl, total / np.sqrt(1 + 0.1 * per_x * total))
    fit = friedel.fit_intensities(model, data, wavelength=WAVELENGTH, extinction=True)
    for name in ESTIMATES:
        # the extinction factor itself is that of the model with x = 0
        assert getattr(fit.absolute_structure, name).value == pytest.approx(0.2, abs=3e-3), name


@pytest.mark.parametrize("law", ["-h,-k,-l", "-k,h+k,-l"])
def test_a_given_twin_law_by_inversion_is_the_flack_parameter(model, both_hands, law):
    hkl, one, other = both_hands
    data = exact(hkl, 0.8 * one + 0.2 * other)
    fit = friedel.fit_intensities(model, data, wavelength=WAVELENGTH, twin=[law])
    absolute = fit.absolute_structure
    assert absolute.by_fit == fit.twin_fractions[0]
    assert absolute.by_quotients.value == pytest.approx(0.2, abs=1e-6)


def test_other_domains_are_held_at_their_fractions(model):
    hkl = sphere(model[0])
    turned = hkl[:, [1, 0, 2]] * [1, 1, -1]
    f2 = sum(
        part * (0.85 * squared(model, h) + 0.15 * squared(model, -h))
        for part, h in ((0.6, hkl), (0.4, turned))
    )
    fit = friedel.fit_intensities(model, exact(hkl, f2), wavelength=WAVELENGTH, twin=["k,h,-l"])
    assert fit.twin_fractions[0].value == pytest.approx(0.4, abs=5e-3)
    assert fit.absolute_structure.by_fit.value == pytest.approx(0.15, abs=5e-3)
    assert fit.absolute_structure.by_quotients.value == pytest.approx(0.15, abs=5e-3)
    both = ["k,h,-l", "-h,-k,-l"]
    fit = friedel.fit_intensities(model, exact(hkl, f2), wavelength=WAVELENGTH, twin=both)
    assert fit.absolute_structure is None


def test_selection_of_pairs_by_hand(model):
    """Weak pairs and those with too large a difference are left out; Q and its sigma."""
    from friedel.smallmolecule.absolute_structure import absolute_structure

    hkl = np.array([[1, 0, 0], [-1, 0, 0], [2, 1, 0], [-2, -1, 0], [0, 1, 3], [0, -1, -3]])
    f2 = np.array([110.0, 90.0, 5.0, 4.0, 100.0, 70.0])
    sigmas = np.array([1.0, 2.0, 1.0, 1.5, 1.0, 1.0])
    total = np.array([104.0, 96.0, 6.0, 5.0, 101.0, 99.0])
    opposite = total[[1, 0, 3, 2, 5, 4]]
    found = absolute_structure(hkl, f2, sigmas, total, opposite, None)
    # I < 3 sigma of the second pair; |D_obs| of the others is 20 and 30, more than 2 * 8
    assert not found.selected.any()
    assert found.by_quotients is None
    assert found.by_differences is not None
    calm = f2.copy()
    calm[0], calm[4] = 102.0, 71.0
    found = absolute_structure(hkl, calm, sigmas, total, opposite, None)
    places = {tuple(np.abs(h).tolist()): i for i, h in enumerate(found.hkl)}
    some, i = found.selected, places[1, 0, 0]
    assert [bool(some[places[h]]) for h in ((1, 0, 0), (2, 1, 0), (0, 1, 3))] == [True, False, True]
    a, b, sa, sb = 102.0, 90.0, 1.0, 2.0
    assert abs(found.q_obs[i]) == pytest.approx((a - b) / (a + b))
    assert abs(found.q_calc[i]) == pytest.approx(8 / 200)
    assert found.q_sigmas[i] == pytest.approx(2 * np.hypot(b * sa, a * sb) / (a + b) ** 2)
    w, q, e = found.q_sigmas**-2, found.q_calc, found.q_obs
    slope = (w * q * e)[some].sum() / (w * q * q)[some].sum()
    assert found.by_quotients.value == pytest.approx((1 - slope) / 2)


class TestNone:
    def test_without_f_double_prime(self, model, both_hands):
        data = exact(*both_hands[:2])
        assert friedel.fit_intensities(model, data).absolute_structure is None

    def test_without_pairs(self, model):
        hkl = model[0].unique_reflections(1.0)
        data = exact(hkl, squared(model, hkl))
        fit = friedel.fit_intensities(model, data, wavelength=WAVELENGTH)
        assert fit.absolute_structure is None

    def test_of_merged_friedel_mates(self, model, both_hands):
        data = exact(*both_hands[:2])
        fit = friedel.fit_intensities(model, data, wavelength=WAVELENGTH, friedel_mates=True)
        assert fit.absolute_structure is None

    def test_of_a_structure_with_inversion(self, shared_data):
        models = shared_data / "models"
        fit = friedel.fit_intensities(models / "epoxide.cif", models / "epoxide.hkl")
        assert fit.absolute_structure is None
        assert "Flack" not in fit.summary()
        assert fit.to_dict()["absolute_structure"] is None


def test_text_and_json(model, both_hands):
    hkl, one, other = both_hands
    fit = friedel.fit_intensities(model, exact(hkl, 0.9 * one + 0.1 * other), wavelength=WAVELENGTH)
    absolute = fit.absolute_structure
    text = fit.summary()
    assert f"Flack x    {absolute.by_fit}" in text
    assert f"by {absolute.selected.sum()} of {len(absolute.hkl)} quotients" in text
    numbers = json.loads(json.dumps(fit.to_dict()))["absolute_structure"]
    assert numbers["flack_by_quotients"]["value"] == pytest.approx(0.1, abs=1e-6)
    assert set(numbers) == {
        *("flack_by_fit", "flack_by_quotients", "hooft_y", "n_pairs", "n_selected")
    }
    assert numbers["n_pairs"] == len(absolute.hkl)
    with pytest.raises(ValueError, match="read-only"):
        absolute.q_obs[0] = 0.0


@pytest.mark.parametrize(
    ("text", "value", "su"),
    [
        ("0.02(3)", 0.02, 0.03),
        ("-0.013(11)", -0.013, 0.011),
        ("1.5(1.2)", 1.5, 1.2),
        ("0(2)", 0.0, 2.0),
        ("0.1", 0.1, None),
        ("?", None, None),
        (".", None, None),
    ],
)
def test_stated_value_is_read_with_its_uncertainty(tmp_path, text, value, su):
    path = tmp_path / "stated.cif"
    path.write_text(
        "data_x\n_refine_ls_abs_structure_Flack " + text + "\n_refine_diff_density_max 0.31\n"
        "_refine_diff_density_min -0.42\n_refine_diff_density_rms 0.05\n"
        "loop_\n_atom_site_label\n_atom_site_fract_x\nC1 0.1\n"
    )
    stated = read_refinement(path)
    assert stated.flack == value
    assert stated.flack_su == (None if su is None else pytest.approx(su))
    assert (stated.density_max, stated.density_min, stated.density_rms) == (0.31, -0.42, 0.05)
