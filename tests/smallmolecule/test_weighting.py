"""Weights: what texts in CIF mean, the formula, and a and b found from the residuals."""

import numpy as np
import pytest

import friedel
from friedel.readers.reflection_lists import ReflectionList
from friedel.readers.weighting_schemes import parse_weights
from friedel.smallmolecule.intensities import shelx_weights

P = r" where P=(Fo^2^+2Fc^2^)/3"


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        (r"w=1/[\s^2^(Fo^2^)+(0.0282P)^2^+0.3122P]" + P, (0.0282, 0.3122)),
        (
            r"w = 1/[\s^2^(F~o~^2^) + (0.05P)^2^ + .3P] where P = (F~o~^2^ + 2F~c~^2^)/3",
            (0.05, 0.3),
        ),
        (
            r"Sheldrick w=1/[\s^2^(F^2^)+( 0.05P)^2^+0.33P] ,where P=(max(Fo^2^,0)+2Fc^2^)/3",
            (0.05, 0.33),
        ),
        (r"w=1/[\s^2^(F^2^)+(0.02P)^2^+ 0.00P] where P=p(6)*max(Fo^2^,0)+(1-p(6))Fc^2^", None),
        (r"w=1/(\s^2^(I)+0.0004I^2^)", (0.02, 0, 0, 0, 0, 1)),
        (r"w=1/[\s^2^(I)+0.0016I^2^]", (0.04, 0, 0, 0, 0, 1)),
        (r"w=1/[\s^2^(Fo^2^)+(0.02P)^2^] where P=0.4Fo^2^+0.6Fc^2^", (0.02, 0, 0, 0, 0, 0.4)),
        (
            r"w=1/[\s^2^(Fo^2^)+(0.02P)^2^] where P = 0.33333Fo^2^+0.66667Fc^2^",
            (0.02, 0.0),
        ),
        (r"w = 1/\s^2^(Fo^2^)", (0, 0)),
        (r"w=1/[\s^2^(Fo^2^)]", (0, 0)),
        (r"w=1/(\s^2^(F)+0.0001F^2^)", None),
        (r"w=1/[\s^2^(Fo^2^)+(0.02P)^2^+0.02*sin\q]" + P, None),
        (r"w=exp[5.0(sin\q/\l)^2^]/[\s^2^(Fo^2^)+(0.0282P)^2^]" + P, None),
        (r"w=1/[\s^2^(Fo^2^)+(0.02P)^2^] where P=0.9Fo^2^+0.6Fc^2^", None),
        ("Chebychev polynomial, [weight] = 1.0/[A~0~*T~0~(x)+A~1~*T~1~(x)]", None),
        ("", None),
    ],
)
def test_texts(text, weights):
    found = parse_weights(text)
    assert found == (None if weights is None else pytest.approx(weights))


def test_all_parameters_of_wght():
    f2, sigmas, model = np.array([120.0, -3.0]), np.array([2.0, 1.0]), np.array([100.0, 4.0])
    stol2, k2 = np.array([0.1, 0.4]), 4.0
    a, b, d, e, f = 0.05, 0.8, 0.3, 0.2, 0.4
    p = f * np.maximum(f2 / k2, 0) + (1 - f) * model / k2
    sin_theta = 0.7 * np.sqrt(stol2)
    for c, q in ((0.0, 1.0), (2.0, np.exp(2.0 * stol2)), (-2.0, 1 - np.exp(-2.0 * stol2))):
        expected = q / ((sigmas / k2) ** 2 + (a * p) ** 2 + b * p + d + e * sin_theta)
        found = shelx_weights(f2, sigmas, model, k2, a, b, c, d, e, f, stol2=stol2, wavelength=0.7)
        np.testing.assert_allclose(found * k2**2, expected)


def structure():
    crystal = friedel.Crystal.from_triplets((11, 12, 13, 90, 95, 90), ["-x,y+1/2,-z"])
    rng = np.random.default_rng(3)
    labels = ["Fe", "S", *["O"] * 4, *["C"] * 16]
    return crystal, friedel.Atoms.from_labels(labels, rng.random((22, 3)), b_iso=2.0)


@pytest.mark.parametrize(("a", "b"), [(0.06, 0.0), (0.04, 0.5), (0.0, 0.0)])
def test_fitted_weights_are_those_of_the_noise(a, b):
    crystal, atoms = structure()
    hkl = crystal.unique_reflections(0.85)
    true = np.abs(friedel.fcalc((crystal, atoms), hkl=hkl, method="direct").values) ** 2
    counted = 0.01 * true + 0.02 * np.sqrt(true.mean() * true) + 0.002 * true.mean()
    variance = counted**2 + (a * true) ** 2 + b * true
    found = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        k2 = 0.25
        data = ReflectionList(
            hkl, k2 * (true + np.sqrt(variance) * rng.normal(size=len(hkl))), k2 * counted
        )
        fit = friedel.fit_intensities((crystal, atoms), data, anomalous=None, weights="fit")
        assert fit.goodness_of_fit == pytest.approx(1.0, abs=0.04)
        assert any("make the goodness of fit even" in note for note in fit.notes)
        found.append(fit.weighting)
    mean = np.mean(found, axis=0)
    # the part of the variance that a and b stand for, against that of the noise, in the middle
    p = np.quantile(true, [0.25, 0.5, 0.75, 0.95])
    q = np.interp(p, np.sort(true), counted[np.argsort(true)])
    expected = q**2 + (a * p) ** 2 + b * p
    np.testing.assert_allclose(q**2 + (mean[0] * p) ** 2 + mean[1] * p, expected, rtol=0.12)


def write_cif(tmp_path, items):
    crystal, atoms = structure()
    lines = ["data_x"]
    names = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
    lines += [f"_cell_{name} {x}" for name, x in zip(names, crystal.cell, strict=True)]
    lines += ["loop_", "_space_group_symop_operation_xyz", "x,y,z", "-x,y+1/2,-z", "loop_"]
    tags = "label type_symbol fract_x fract_y fract_z U_iso_or_equiv occupancy"
    lines += [f"_atom_site_{tag}" for tag in tags.split()]
    for i, xyz in enumerate(atoms.frac):
        symbol = atoms.scatterers[atoms.kind[i]]
        lines.append(f"{symbol}{i} {symbol} {' '.join(f'{x:.4f}' for x in xyz)} 0.025 1")
    path = tmp_path / "x.cif"
    path.write_text("\n".join([*lines, *items, ""]))
    return path


def data(n=60):
    crystal, _ = structure()
    hkl = crystal.unique_reflections(1.5)[:n]
    return ReflectionList(hkl, np.full(n, 100.0), np.full(n, 2.0))


def test_a_scheme_that_is_not_understood_is_said(tmp_path):
    chebychev = "_refine_ls_weighting_details 'Chebychev polynomial with 3 parameters'"
    path = write_cif(tmp_path, [chebychev])
    fit = friedel.fit_intensities(path, data(), anomalous=None)
    assert fit.weighting == (0.0, 0.0)
    assert any("'Chebychev polynomial with 3 parameters' is not understood" in x for x in fit.notes)
    with pytest.raises(friedel.GuessError, match="give weights a and b"):
        friedel.fit_intensities(path, data(), wavelength=0.7, strict=True)
    given = friedel.fit_intensities(path, data(), wavelength=0.7, weights=(0.1, 0.2), strict=True)
    assert given.weighting == (0.1, 0.2)


def test_weights_that_are_not_stated_are_said(tmp_path):
    fit = friedel.fit_intensities(write_cif(tmp_path, []), data(), anomalous=None)
    assert any("no weights are stated" in note for note in fit.notes)


def test_a_share_of_the_measured_value_other_than_a_third(tmp_path):
    scheme = (
        r"_refine_ls_weighting_details 'w=1/[\s^2^(Fo^2^)+(0.1P)^2^] where P=0.6Fo^2^+0.4Fc^2^'"
    )
    fit = friedel.fit_intensities(write_cif(tmp_path, [scheme]), data(), anomalous=None)
    p = 0.6 * fit.f2 + 0.4 * fit.f2_model
    np.testing.assert_allclose(fit.weights, 1 / (fit.sigmas**2 + (0.1 * p) ** 2))
    assert "f 0.6" in fit.summary()


@pytest.mark.parametrize(
    ("items", "is_shelx"),
    [
        (["_refine_ls_extinction_coef 0.02(1)", "_refine_ls_extinction_method SHELXL"], True),
        (
            [
                "_refine_ls_extinction_coef 0.02(1)",
                "_refine_ls_extinction_expression",
                r"'F~c~^*^=kF~c~[1+0.001xF~c~^2^\l^3^/sin(2\q)]^-1/4^'",
            ],
            True,
        ),
        (
            [
                "_refine_ls_extinction_coef 250(10)",
                "_refine_ls_extinction_method 'B-C type 1 Gaussian isotropic'",
            ],
            False,
        ),
    ],
)
def test_extinction_of_another_kind_is_said(tmp_path, items, is_shelx):
    path = write_cif(tmp_path, items)
    fit = friedel.fit_intensities(path, data(), wavelength=0.7)
    assert (fit.extinction is not None) == is_shelx
    said = [note for note in fit.notes if "extinction is not applied" in note]
    assert bool(said) != is_shelx
    if said:
        assert "B-C type 1" in said[0]
        assert said[0].kind == "warning"


@pytest.mark.parametrize("weights", [(0.1,), (0.1, 0.2, 0.3), (-0.1, 0.2, 0, 0, 0, 0.3), "best"])
def test_weights_that_are_none(weights):
    with pytest.raises(friedel.ParameterError, match="weights"):
        friedel.fit_intensities(structure(), data(), weights=weights, anomalous=None)
