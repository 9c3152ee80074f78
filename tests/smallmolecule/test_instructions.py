"""SHELX instructions on the data, on files of known truth: data of the model, changed by hand."""

import json

import gemmi
import numpy as np
import pytest

import friedel
from commands import run

WAVELENGTH = 0.71073
CELL = (5.1, 6.2, 7.3, 90, 95, 90)
ATOMS = {
    "Fe1": ("Fe", 0.11, 0.22, 0.33, 0.010, 1.0),
    "O1": ("O", 0.35, 0.05, 0.61, 0.020, 1.0),
    "N1": ("N", 0.60, 0.41, 0.15, 0.030, 0.7),
}
GROUPS = {
    "P 1 21/c 1": ["x,y,z", "-x,y+1/2,-z+1/2", "-x,-y,-z", "x,-y+1/2,z+1/2"],
    "P 1 21 1": ["x,y,z", "-x,y+1/2,-z"],
}


def cif_text(group="P 1 21/c 1", items="", *, res="", hkl=""):
    a, b, c, *angles = CELL
    cell = zip(("length_a", "length_b", "length_c"), (a, b, c), strict=True)
    lines = ["data_made", *(f"_cell_{name} {x}" for name, x in cell)]
    cell = zip(("alpha", "beta", "gamma"), angles, strict=True)
    lines += [f"_cell_angle_{name} {x}" for name, x in cell]
    lines += ["loop_", "_space_group_symop_operation_xyz", *(f"'{x}'" for x in GROUPS[group])]
    lines.append("loop_")
    tags = "label type_symbol fract_x fract_y fract_z U_iso_or_equiv occupancy"
    lines += [f"_atom_site_{tag}" for tag in tags.split()]
    lines += [f"{name} " + " ".join(map(str, values)) for name, values in ATOMS.items()]
    lines.append(items or "_refine_ls_weighting_details 'w=1/[\\s^2^(Fo^2^)]'")
    if "wavelength" not in items:
        lines.append(f"_diffrn_radiation_wavelength {WAVELENGTH}")
    for tag, text in (("_shelx_res_file", res), ("_shelx_hkl_file", hkl)):
        if text:
            lines += [tag, ";", text.rstrip("\n"), ";"]
    return "\n".join([*lines, ""])


def hkl_text(hkl, f2, sigmas):
    """Lines of HKLF 4, with as many decimals as the columns take."""
    rows = zip(hkl, f2, sigmas, strict=True)
    values = ((h, k, l, f" {x:.6f}"[:8], f" {s:.6f}"[:8]) for (h, k, l), x, s in rows)
    return "".join(f"{h:4d}{k:4d}{l:4d}{x}{s}\n" for h, k, l, x, s in values)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The models by group, read from their CIF."""
    folder = tmp_path_factory.mktemp("models")
    found = {}
    for group in GROUPS:
        path = folder / f"{len(found)}.cif"
        path.write_text(cif_text(group))
        found[group] = friedel.as_model(path)
    return found


def data_of(model, d_min=0.7, *, mates=True, **options):
    """All reflections in two equivalent settings (and Friedel mates), with their F^2."""
    hkl = model.crystal.unique_reflections(d_min)
    hkl = np.concatenate([hkl, hkl * [-1, 1, -1]]).astype(int)
    hkl = np.concatenate([hkl, -hkl]) if mates else hkl
    options = {"wavelength": WAVELENGTH} | options
    f2 = np.abs(friedel.fcalc(model, hkl=hkl, method="direct", **options).values) ** 2
    return hkl, f2, 0.02 * f2 + 0.05


def embedded(tmp_path, group, res, data, items="", name="made.cif"):
    path = tmp_path / name
    path.write_text(cif_text(group, items, res=res, hkl=hkl_text(*data)))
    return path


def fit_of(path, data=None, **options):
    return friedel.fit_intensities(path, data or path, **options)


EXACT = 1e-4
"""R1 that rounding of F^2 in the files allows."""


def test_reflections_of_omit_are_left_out_with_their_equivalents(tmp_path, model):
    """COD 1552546: 21 reflections OMIT h k l, R1 0.0781 with and 0.1338 without."""
    group = "P 1 21/c 1"
    hkl, f2, sigmas = data_of(model[group])
    keys = model[group].crystal.to_asu(hkl)[0]
    unique = np.unique(keys, axis=0)
    omitted = unique[np.random.default_rng(3).choice(len(unique), 21, replace=False)]
    bad = (keys[:, None] == omitted[None]).all(axis=2).any(axis=1)
    f2[bad] = 4.0 * f2[bad] + 300.0
    # in any case, as any equivalent, with remarks
    settings = ([1, 1, 1], [-1, 1, -1], [-1, -1, -1])
    words = ("OMIT", "omit", "Omit")
    lines = [
        f"{words[i % 3]} " + " ".join(str(x) for x in h * settings[i % 3]) + " ! bad"
        for i, h in enumerate(omitted)
    ]
    n = len(unique) - 21
    items = (
        "_refine_ls_weighting_details 'w=1/[\\s^2^(Fo^2^)]'\n"
        f"_refine_ls_number_reflns {n}\n_refine_ls_R_factor_gt 0.0000"
    )
    res = "\n".join(["TITL made", *lines, "HKLF 4", "END"])
    path = embedded(tmp_path, group, res, (hkl, f2, sigmas), items)
    fit = fit_of(path)
    assert fit.r1 < EXACT
    assert len(fit.f2) == n
    notes = " | ".join(fit.notes)
    assert "OMIT h k l (21 reflections)" in notes
    assert "in brackets" not in notes
    without = fit_of(path, instructions=False)
    assert without.r1 > 0.02
    assert "OMIT h k l" not in " ".join(without.notes)
    (doubt,) = (note for note in without.notes if "in brackets" in note)
    assert f"({n})" in doubt
    assert "R1" in doubt
    assert (doubt.kind, doubt.number) == ("warning", 2)


def test_limit_of_two_theta_and_threshold(tmp_path, model):
    """COD 2240189: OMIT -3 55."""
    group = "P 1 21/c 1"
    hkl, f2, sigmas = data_of(model[group], 0.6)
    d_min = WAVELENGTH / (2 * np.sin(np.radians(55 / 2)))
    far = model[group].crystal.d_spacing(hkl) < d_min
    f2[far] *= 3.0
    path = embedded(tmp_path, group, "OMIT -3 55\nHKLF 4\nEND", (hkl, f2, sigmas))
    fit = fit_of(path)
    assert fit.r1 < EXACT
    assert fit.crystal.d_spacing(fit.hkl).min() > d_min
    assert any(f"OMIT 2 theta > 55 (d < {d_min:.4f} A)" in note for note in fit.notes)
    # two weak reflections become very negative
    keys = model[group].crystal.to_asu(hkl)[0]
    weak = fit.hkl[np.argsort(fit.f2)[:2]]
    for h in weak:
        f2[(keys == model[group].crystal.to_asu(h[None])[0]).all(axis=1)] = -40.0
    path = embedded(tmp_path, group, "OMIT -3 55\nHKLF 4\nEND", (hkl, f2, sigmas))
    fit = fit_of(path)
    np.testing.assert_allclose(np.sort(fit.f2 / fit.sigmas)[:2], -1.5)
    assert any("below -1.5 sigma (2 reflections)" in note for note in fit.notes)


def test_negative_values_as_in_shelxl(shared_data):
    """SHELXL: R1 0.0486, wR2 0.1134, S 0.922; without the rule 0.1148 and 0.934."""
    cases = shared_data.parent / "cases" / "sm"
    if not cases.is_dir():
        pytest.skip("no cases beside the shared data")
    fit = fit_of(cases / "30_negative.cif", cases / "30_negative.hkl")
    assert fit.r1 == pytest.approx(0.0486, abs=5e-5)
    assert fit.wr2 == pytest.approx(0.1134, abs=5e-5)
    assert fit.goodness_of_fit == pytest.approx(0.922, abs=5e-4)
    assert any("below -1 sigma (9 reflections)" in note for note in fit.notes)


@pytest.mark.parametrize(
    ("name", "words"),
    [("33_res_omit_lowercase", "OMIT h k l"), ("35_probe_neutron", "neutron scattering")],
)
def test_cases_from_the_cif_alone(shared_data, tmp_path, capsys, name, words):
    cases = shared_data.parent / "cases" / "sm"
    if not cases.is_dir():
        pytest.skip("no cases beside the shared data")
    path = tmp_path / "out.json"
    code, _, err = run(capsys, "fmodel", cases / f"{name}.cif", "--json", path)
    assert code == 0, err
    assert json.loads(path.read_text())["r1"] < EXACT
    assert words in err


@pytest.mark.parametrize("threshold", [4, 0])
def test_a_threshold_that_is_not_negative_leaves_out_weak_reflections(tmp_path, model, threshold):
    """In SHELXL, s = 0 suppresses negative F^2; it does not set them to zero."""
    group = "P 1 21/c 1"
    hkl, f2, sigmas = data_of(model[group])
    weak = f2 < 2.0 * (sigmas / np.sqrt(4))  # four equivalents are merged
    f2[weak] = -0.01
    res = f"OMIT {threshold}\nHKLF 4\nEND"
    fit = fit_of(embedded(tmp_path, group, res, (hkl, f2, sigmas)))
    assert (fit.f2 >= 0.5 * threshold * fit.sigmas).all()
    assert any(f"OMIT {threshold}:" in note for note in fit.notes)
    assert not any("counts as that value" in note for note in fit.notes)


def test_shells_of_resolution(tmp_path, model):
    group = "P 1 21/c 1"
    hkl, f2, sigmas = data_of(model[group])
    d = model[group].crystal.d_spacing(hkl)
    f2[(d > 3.0) | (d < 0.9)] *= 5.0
    for order in ("3.0 0.9", "0.9 3.0"):
        path = embedded(tmp_path, group, f"shel {order}\nHKLF 4\nEND", (hkl, f2, sigmas))
        fit = fit_of(path)
        assert fit.r1 < EXACT
        assert any("SHEL 3 - 0.9 A" in note for note in fit.notes)


@pytest.mark.parametrize(("merg", "factor"), [(None, 2), (2, 2), (0, 8), (1, 8), (3, 1)])
def test_merging(tmp_path, model, merg, factor):
    group = "P 1 21 1"
    hkl, f2, sigmas = data_of(model[group])
    present = ~model[group].crystal.is_absent(hkl)
    acentric = present & ~model[group].crystal.is_centric(hkl)
    data = hkl[acentric], f2[acentric], sigmas[acentric]
    res = "HKLF 4\nEND" if merg is None else f"MERG {merg}\nHKLF 4\nEND"
    fit = fit_of(embedded(tmp_path, group, res, data))
    # each reflection is there in two settings and with both mates
    n_unique = len(np.unique(model[group].crystal.to_asu(data[0])[0], axis=0))
    assert len(fit.f2) == {2: 2 * n_unique, 8: len(data[0]), 1: n_unique}[factor]
    assert any("not merged" in note for note in fit.notes) == (factor == 8)
    assert fit.r1 < (EXACT if factor > 1 else 0.05)


def test_merg_4_is_without_f_double_prime(tmp_path, model):
    group = "P 1 21 1"
    hkl = model[group].crystal.unique_reflections(0.8)
    f = friedel.fcalc(model[group], hkl=hkl, method="direct", wavelength=WAVELENGTH)
    addends = {"Fe": 0.3463, "O": 0.0106, "N": 0.0061}
    real = friedel.fcalc(model[group], hkl=hkl, method="direct", addends=addends)
    assert np.abs(np.abs(real.values) - np.abs(f.values)).max() > 0.1
    table = {x: friedel.anomalous(x, wavelength=WAVELENGTH)[0] for x in addends}
    real = friedel.fcalc(model[group], hkl=hkl, method="direct", addends=table)
    f2 = np.abs(real.values) ** 2
    data = np.concatenate([hkl, -hkl]), np.tile(f2, 2), np.tile(0.02 * f2 + 0.05, 2)
    fit = fit_of(embedded(tmp_path, group, "MERG 4\nHKLF 4\nEND", data))
    assert fit.r1 < EXACT
    assert any("f'' is taken as zero (MERG 4)" in note for note in fit.notes)


@pytest.mark.parametrize("mates_merged", [False, True])
def test_omitted_reflections_and_their_friedel_mates(tmp_path, model, mates_merged):
    group = "P 1 21 1"
    hkl, f2, sigmas = data_of(model[group])
    res = f"MERG {3 if mates_merged else 2}\nOMIT 2 1 3\nHKLF 4\nEND"
    fit = fit_of(embedded(tmp_path, group, res, (hkl, f2, sigmas)))
    folded, _, friedel_mate = fit.crystal.to_asu(fit.hkl)
    own, _, own_mate = fit.crystal.to_asu(np.array([[2, 1, 3]]))
    here = (folded == own).all(axis=1)
    assert here.sum() == (0 if mates_merged else 1)
    if not mates_merged:
        assert friedel_mate[here][0] != own_mate[0]


def test_hklf_beside_a_list_of_its_own(tmp_path, model):
    group = "P 1 21/c 1"
    hkl, f2, sigmas = data_of(model[group])
    matrix = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]])
    (tmp_path / "x.hkl").write_text(hkl_text(hkl @ np.linalg.inv(matrix).T.astype(int), f2, sigmas))
    text = "HKLF 4 0.25 0 1 0 1 0 0 0 0 -1 2\nEND"
    (tmp_path / "x.cif").write_text(cif_text(group, res=text))
    fit = fit_of(tmp_path / "x.cif", tmp_path / "x.hkl")
    assert fit.r1 < EXACT
    assert fit.scale.value == pytest.approx(0.5, abs=1e-4)
    plain = model[group].crystal.to_asu(hkl[:1])[0]
    mine = (fit.crystal.to_asu(fit.hkl)[0] == plain).all(axis=1)
    assert fit.f2[mine][0] == pytest.approx(0.25 * f2[0], rel=1e-3)
    assert fit.sigmas[mine][0] == pytest.approx(0.5 * sigmas[0] / 2, rel=1e-3)
    notes = " | ".join(fit.notes)
    assert "transformed by the matrix of HKLF" in notes
    assert "F^2 is multiplied by 0.25, sigma by 0.5 (HKLF)" in notes


def twinned(model, matrices, parts, d_min=0.7):
    hkl = model.crystal.unique_reflections(d_min)
    hkl = np.concatenate([hkl, -hkl])
    f2 = sum(
        p
        * np.abs(
            friedel.fcalc(
                model, hkl=hkl @ np.array(m).T, method="direct", wavelength=WAVELENGTH
            ).values
        )
        ** 2
        for m, p in zip(matrices, parts, strict=True)
    )
    return hkl, f2, 0.02 * f2 + 0.05


@pytest.mark.parametrize(
    ("twin", "basf", "parts"),
    [
        ("TWIN", "BASF 0.3", [0.7, 0.3]),  # the inverted structure
        ("TWIN -1 0 0 0 -1 0 0 0 1", "BASF 0.2", [0.8, 0.2]),
        ("TWIN -1 0 0 0 -1 0 0 0 1 -4", "BASF 0.3 0.2 0.1", [0.4, 0.3, 0.2, 0.1]),
        ("TWIN -1 0 0 0 -1 0 0 0 1", "", [0.5, 0.5]),
    ],
)
def test_twins(tmp_path, model, twin, basf, parts):
    group = "P 1 21 1"
    one, two = np.eye(3, dtype=int), np.diag([-1, -1, 1])
    laws = [one, -one] if twin == "TWIN" else [one, two, -one, -two] if "-4" in twin else [one, two]
    data = twinned(model[group], laws, parts)
    path = embedded(tmp_path, group, f"{twin}\n{basf}\nHKLF 4\nEND", data)
    fit = fit_of(path)
    assert fit.r1 < EXACT
    assert [x.value for x in fit.twin_fractions] == pytest.approx(parts[1:], abs=2e-3)
    assert all((x.su > 0) == bool(basf) for x in fit.twin_fractions)
    assert any(f"TWIN: {len(parts)} twin domains" in note for note in fit.notes)
    assert fit_of(path, twin=()).r1 > 0.002
    assert fit_of(path, twin=()).twin_fractions == ()
    assert fit_of(path, twin="none").r1 == fit_of(path, twin=None).r1 == fit_of(path, twin=()).r1
    assert fit_of(path, twin="auto").r1 == fit_of(path).r1
    with pytest.raises(friedel.ParameterError, match="'auto' among several"):
        fit_of(path, twin=["auto", "k,h,-l"])
    with pytest.warns(DeprecationWarning, match="twin_laws is called twin now"):
        assert fit_of(path, twin_laws=()).r1 == fit_of(path, twin="none").r1


def test_an_inversion_twin_of_a_centrosymmetric_structure(tmp_path, model):
    group = "P 1 21/c 1"
    path = embedded(tmp_path, group, "TWIN\nBASF 0.3\nHKLF 4\nEND", data_of(model[group]))
    fit = fit_of(path)
    assert fit.r1 < EXACT
    assert fit.twin_fractions == ()
    assert any("same intensities as others" in note for note in fit.notes)


def test_neutrons(tmp_path, model):
    group = "P 1 21/c 1"
    data = data_of(model[group], source="neutron", wavelength=None)
    path = embedded(tmp_path, group, "NEUT\nHKLF 4\nEND", data)
    fit = fit_of(path)
    assert (fit.source, fit.r1 < EXACT) == ("neutron", True)
    assert any("neutron scattering" in note for note in fit.notes)
    assert fit_of(path, source="xray").r1_all > 0.1


def test_instructions_that_cannot_be_read_are_said(tmp_path, model):
    group = "P 1 21/c 1"
    data = data_of(model[group])
    res = "TITL x\nOMIT 1.5 0 0\nSWAT 0.1\nHKLF 4\nEND"
    fit = fit_of(embedded(tmp_path, group, res, data))
    (note,) = (note for note in fit.notes if "not applied" in note)
    assert "_shelx_res_file is not applied: line 3" in note
    fit = fit_of(embedded(tmp_path, group, "SWAT 0.1\nOMIT -2 -10\nHKLF 4\nEND", data))
    notes = " | ".join(fit.notes)
    assert "SWAT is not applied" in notes
    assert "OMIT with 2 theta -10 is not understood" in notes


class TestShelxFiles:
    """A .res file with its .hkl file is a structure with its data."""

    @pytest.fixture
    def pair(self, shared_data, tmp_path):
        block = gemmi.cif.read(str(shared_data / "models" / "4003024.cif")).sole_block()
        for tag, ending in (("_shelx_res_file", "res"), ("_shelx_hkl_file", "hkl")):
            text = gemmi.cif.as_string(block.find_value(tag))
            (tmp_path / f"x.{ending}").write_text(text.lstrip("\n"))
        return tmp_path / "x.res", tmp_path / "x.hkl"

    def test_what_shelxl_found(self, pair):
        fit = fit_of(*pair)
        assert fit.stated.origin == "x.res"
        assert (fit.stated.r1, fit.stated.n_observed, fit.n_parameters) == (0.0162, 59, 6)
        # EXTI and FVAR of the same file
        assert fit.extinction.value == pytest.approx(0.082247, abs=5e-4)
        # f' and f'' are not SHELXL's
        assert fit.scale.value == pytest.approx(0.48254, rel=2e-3)
        assert fit.r1 == pytest.approx(0.0162, abs=1e-4)
        assert fit.goodness_of_fit == pytest.approx(1.310, abs=2e-3)
        assert "x.res states 0.0162" in fit.summary()
        assert not any("in brackets" in note for note in fit.notes)

    def test_by_the_command(self, pair, capsys):
        code, out, err = run(capsys, "fmodel", *pair)
        assert code == 0, err
        assert "R1         0.016" in out
        assert "0.1705" in out

    def test_scattering_factors_of_the_file(self, pair, model, tmp_path):
        group = "P 1 21/c 1"
        crystal, atoms = model[group].crystal, model[group].atoms
        # factors that no table has: a sharp and a broad Gaussian
        numbers = {"Fe": (20, 3, 6, 0.5), "O": (5, 9, 3, 0.5), "N": (4, 9, 3, 0.4)}
        lines = [f"CELL {WAVELENGTH} " + " ".join(map(str, CELL)), "LATT 1"]
        lines.append("SYMM -x, 0.5+y, 0.5-z")
        for name, (a, b, c, f) in numbers.items():
            lines.append(f"SFAC {name} {a} {b} 0 1 0 1 0 1 {c} {f} 0.9 1 1 1")
        lines.append("FVAR 1")
        for i, (name, (_, x, y, z, u, occ)) in enumerate(ATOMS.items(), 1):
            lines.append(f"{name} {i} {x} {y} {z} {10 + occ} {u}")
        (tmp_path / "y.res").write_text("\n".join([*lines, "WGHT 0", "HKLF 4", "END"]))
        factors = {
            name: friedel.GaussianSum((a, c), (b, 0.0)) for name, (a, b, c, _) in numbers.items()
        }
        hkl = crystal.unique_reflections(0.8)
        addends = {name: complex(f, 0.9) for name, (*_, f) in numbers.items()}
        f = friedel.fcalc(
            (crystal, atoms), hkl=hkl, method="direct", form_factors=factors, addends=addends
        ).values
        f2 = np.abs(f) ** 2
        (tmp_path / "y.hkl").write_text(hkl_text(hkl, f2, 0.02 * f2 + 0.05))
        fit = fit_of(tmp_path / "y.res", tmp_path / "y.hkl")
        assert fit.r1 < EXACT
        assert any("form factors of Fe, N, O from SFAC" in note for note in fit.notes)

    def test_f_prime_of_the_file(self, pair):
        text = pair[0].read_text().replace("UNIT", "DISP In -9 9\nUNIT")
        pair[0].write_text(text)
        plain, own = fit_of(*pair), fit_of(*pair, scattering="cif")
        assert plain.r1 != own.r1

    def test_without_weights_as_shelxl(self, pair):
        pair[0].write_text(pair[0].read_text().replace("WGHT    0.000000    0.170500", ""))
        fit = fit_of(*pair)
        assert fit.weighting == (0.1, 0.0)
        assert any("no WGHT is given" in note for note in fit.notes)


def test_options_of_the_command(tmp_path, model, capsys):
    group = "P 1 21 1"
    one, two = np.eye(3, dtype=int), np.diag([-1, -1, 1])
    data = twinned(model[group], [one, two], [0.7, 0.3])
    path = embedded(tmp_path, group, "TWIN -1 0 0 0 -1 0 0 0 1\nBASF .3\nHKLF 4\nEND", data)
    target = tmp_path / "out.json"

    def numbers(*options):
        code, _, err = run(capsys, "fmodel", path, *options, "--json", target, "--overwrite")
        assert code == 0, err
        return json.loads(target.read_text())

    found = numbers()
    assert found["twin_fractions"][0]["value"] == pytest.approx(0.3, abs=2e-3)
    for options in (("--twin", "none"), ("--no-instructions",)):
        assert numbers(*options)["twin_fractions"] == []
    assert numbers("--merge-friedel")["n_reflections"] < found["n_reflections"]
    assert len(numbers("--weights", "fit")["weights"]) == 2
    assert numbers("--weights", 0.1, 0.2)["weights"] == [0.1, 0.2]
    assert run(capsys, "fmodel", path, "--weights", "fir")[0] == 2
