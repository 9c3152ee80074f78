"""What is said of a reflection file: numbers of cctbx, simulated data, and every kind of file."""

import json

import gemmi
import numpy as np
import pytest

import friedel
from friedel.data_report.content import content_of, expected_intensity, protein_in
from friedel.errors import FileFormatError, GuessError, ParameterError, ReflectionsError
from friedel.model.twin_laws import TwinLaw
from friedel.readers.twin_laws import lattice_operations
from friedel.reflections.free_sets import lattice_keys
from friedel.reflections.reflections import match
from friedel.writers.mtz import write_mtz
from wilson_intensities import make_crystal, wilson

CCTBX = {
    # file: measured and possible reflections in ten shells of equal volume, by cctbx 2025.11
    "5a3h_sigmaa.mtz": (
        (2648, 2659, 2644, 2643, 2646, 2639, 2644, 2622, 2591, 2627),
        (2858, 2750, 2710, 2683, 2674, 2669, 2666, 2650, 2631, 2687),
    ),
    "lyso_c2.mtz": (
        (1221, 1241, 1227, 1228, 1215, 1207, 1211, 1194, 907, 299),
        (1286, 1254, 1235, 1239, 1228, 1222, 1232, 1226, 1215, 1239),
    ),
    "../pairs/1zyt.mtz": (
        (2432, 2288, 2312, 2274, 2262, 2265, 2282, 2223, 2269, 2242),
        (2438, 2319, 2312, 2274, 2262, 2265, 2283, 2224, 2269, 2248),
    ),
    "../pairs/5uui.mtz": (
        (2538, 2580, 2617, 2602, 2647, 2653, 2642, 2651, 2690, 2471),
        (2676, 2654, 2677, 2648, 2674, 2666, 2650, 2658, 2692, 2639),
    ),
    "pka_data.mtz:I-obs,SIGI-obs": (
        (2027, 1914, 1904, 1882, 1866, 1851, 1860, 1858, 1848, 1867),
        (2027, 1914, 1904, 1882, 1868, 1852, 1863, 1860, 1848, 1867),
    ),
}


@pytest.mark.parametrize("name", CCTBX)
def test_completeness_is_that_of_cctbx(shared_data, name):
    report = friedel.describe_data(str(shared_data / "models" / name))
    measured, possible = CCTBX[name]
    assert tuple(shell.n for shell in report.shells) == measured
    assert tuple(shell.n_possible for shell in report.shells) == possible
    assert report.overall.n == len(report.data) == sum(measured)


ANISOTROPY = {
    # file: B11, B22, B33, B13 (A^2) without their mean, by ml_aniso_absolute_scaling of cctbx
    "models/5a3h_sigmaa.mtz": (0.37, -0.42, 0.06, 0.0),
    "models/pka_data.mtz:I-obs,SIGI-obs": (5.27, -3.31, -1.97, 0.0),
    "models/1dur.mtz": (0.99, -0.42, -0.57, 0.0),
    "pairs/5uui.mtz": (-0.12, -0.12, 0.25, 0.0),
    "pairs/1zyt.mtz": (1.37, 1.37, -2.74, 0.0),
}


@pytest.mark.parametrize("name", ANISOTROPY)
def test_anisotropy_is_that_of_cctbx(shared_data, name):
    """To 0.8 A^2; cctbx takes the mean by resolution from a curve of proteins and a single B."""
    found = friedel.describe_data(str(shared_data / name)).anisotropy
    b = np.array(found.b_cart)[[0, 1, 2, 4]]
    np.testing.assert_allclose(b, ANISOTROPY[name], atol=0.8)


def test_twin_of_a_real_crystal(shared_data):
    """5uui is a twin by its authors, of equal domains nearly; cctbx's H-test gives 0.44."""
    report = friedel.describe_data(str(shared_data / "pairs" / "5uui.mtz"))
    assert report.l_test.mean_abs_l < 0.4
    assert [test.law for test in report.h_tests] == ["-h-k,k,-l"]
    assert report.h_tests[0].twin_fraction == pytest.approx(0.44, abs=0.02)
    assert set(report.reasons) == set(report.twin_laws) - {"-h-k,k,-l"}
    assert "as of a twin" in report.summary()


P31 = make_crystal("P 31", (60, 60, 70, 90, 90, 120))


def simulated_twin(fraction, b=30.0):
    hkl = P31.unique_reflections(2.2)
    stol2 = P31.stol2(hkl)
    mean = 0.01 * expected_intensity(protein_in(P31), stol2) * np.exp(-2.0 * b * stol2)
    intensity = wilson(P31, hkl, mean)
    mates, _ = TwinLaw.parse("-h,-k,l").mates(P31, hkl)
    i, j = match(P31.to_asu(mates)[0], hkl)
    mate = j[np.argsort(i)]
    return hkl, (1.0 - fraction) * intensity + fraction * intensity[mate]


@pytest.mark.parametrize("fraction", [0.0, 0.3])
def test_simulated_file(tmp_path, fraction):
    """B, scale, signal and twin fraction that the file was made with."""
    hkl, intensity = simulated_twin(fraction)
    sigmas = 0.02 * intensity + 0.001
    path = tmp_path / "twin.mtz"
    write_mtz(path, P31, hkl, {"I": intensity, "SIGI": sigmas}, wavelength=0.9)
    report = friedel.describe_data(path, n_shells=4)
    assert (report.chosen, report.is_intensity) == ("I, SIGI", True)
    assert report.wavelength == pytest.approx(0.9)
    assert report.wilson.b == pytest.approx(30.0, abs=4.0 * report.wilson.b_sigma)
    assert report.wilson.scale == pytest.approx(0.01, rel=0.1)
    by_law = {test.law: test.twin_fraction for test in report.h_tests}
    assert by_law["-h,-k,l"] == pytest.approx(fraction, abs=0.01)
    assert report.l_test.twin_fraction == pytest.approx(fraction, abs=0.03)
    assert ("as of a twin" in report.summary()) == (fraction > 0.1)
    assert report.anisotropy.difference < 4.0 * report.anisotropy.difference_sigma
    assert report.overall.mean_over_sigma == pytest.approx((intensity / sigmas).mean(), rel=1e-4)
    assert [len(report.shells), report.completeness, report.absent.n] == [4, 1.0, 0]
    assert report.free_set is None
    assert "the file has none" in report.summary()


@pytest.fixture(scope="module")
def cases(shared_data):
    folder = shared_data.parent / "cases" / "mx"
    if not folder.is_dir():
        pytest.skip("no cases beside the shared data")
    return folder


FREE = {
    "c01_of.cif": ("status", "f"),
    "d01_ccp4.mtz": ("FreeR_flag", 0),
    "d02_phenix.mtz": ("R-free-flags", 1),
    "d03_shelxflags.mtz": ("R-free-flags", -1),
}


@pytest.mark.parametrize("name", FREE)
def test_free_set(cases, name):
    report = friedel.describe_data(cases / name)
    label, value = FREE[name]
    assert (report.free_set.label, report.free_set.value) == (label, value)
    assert (report.free_set.n, report.free_set.n_unflagged) == (48, 0)
    assert report.free_set.per_cent == pytest.approx(100 * 48 / 1171)
    np.testing.assert_array_equal(report.data.free, friedel.as_reflections(cases / name).free)


def test_reflections_without_a_flag_are_counted(cases):
    report = friedel.describe_data(cases / "d04_flag999.mtz")
    assert report.free_set.n == 48
    assert report.free_set.n_unflagged > 0
    assert len(report.data) == 1171
    assert len(friedel.as_reflections(cases / "d04_flag999.mtz")) < 1171


def test_absences_and_columns(cases):
    report = friedel.describe_data(cases / "d20_absent_000.mtz")
    assert (report.absent.n, report.absent.n_strong, report.n_rows) == (4, 4, 1176)
    kinds = {column.label: column.kind for column in report.columns}
    assert kinds["FP"] == "amplitude"
    assert kinds["SIGFP"] == "standard uncertainty"
    assert "makes absent" in str(report)


def test_friedel_mates(cases, tmp_path):
    """Mates are written as F(+) and F(-), which are those that were read."""
    report = friedel.describe_data(cases / "d06_anomF.mtz")
    assert report.n_friedel_pairs == 823
    assert (report.overall.n, report.overall.n_measured) == (1171, 1171)
    report.to_mtz(tmp_path / "mates.mtz")
    written = gemmi.read_mtz_file(str(tmp_path / "mates.mtz"))
    types = {column.label: column.type for column in written.columns}
    assert [types[x] for x in ("F", "SIGF", "F(+)", "SIGF(+)", "F(-)", "SIGF(-)")] == list("FQGLGL")
    assert types["FreeR_flag"] == "I"
    labels = ":F(+),SIGF(+),F(-),SIGF(-)"
    first, second = (
        friedel.as_reflections(f"{path}{labels}")
        for path in (cases / "d06_anomF.mtz", tmp_path / "mates.mtz")
    )
    i, j = match(first.hkl, second.hkl)
    assert len(i) == len(first)
    np.testing.assert_allclose(first.values[i], second.values[j], rtol=1e-6)
    np.testing.assert_array_equal(first.free[i], second.free[j])


def test_unmerged_data_have_a_multiplicity(tmp_path):
    crystal = make_crystal("P 21 21 21", (30, 40, 50, 90, 90, 90))
    hkl = crystal.unique_reflections(4.0)
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(len(hkl)), rng.integers(1, 6, len(hkl)))
    rotations, _ = crystal.primitive_operations
    turned = np.einsum("ni,nij->nj", hkl[rows], rotations[rng.integers(0, 4, len(rows))])
    turned *= rng.choice([-1, 1], len(rows))[:, None]
    lines = [f"{h:4d}{k:4d}{l:4d}{x:8.2f}{1.0:8.2f}" for (h, k, l), x in
             zip(turned, 50.0 + rng.random(len(rows)), strict=True)]  # fmt: skip
    path = tmp_path / "unmerged.hkl"
    path.write_text("\n".join([*lines, f"{0:4d}{0:4d}{0:4d}{0:8.2f}{0:8.2f}", ""]))
    model = (crystal, friedel.Atoms.from_labels(["C"], [[0.1, 0.2, 0.3]], b_iso=20.0))
    report = friedel.describe_data(path, model=model)
    assert report.overall.n_measured == len(rows)
    assert report.overall.multiplicity == pytest.approx(len(rows) / len(hkl))
    np.testing.assert_array_equal(report.counts, np.bincount(rows))
    assert "multipl." in report.summary()
    assert report.n_friedel_pairs > 0
    # errors of single measurements are 1: those of means are smaller
    assert report.overall.mean_over_sigma > 1.5 * 50.0


def test_cell_and_symmetry_of_a_model(cases):
    """They are needed where the file has none, and said to be the model's."""
    with pytest.raises(FileFormatError, match=r"states no unit cell.*give a model"):
        friedel.describe_data(cases / "x01.cns.hkl")
    report = friedel.describe_data(cases / "x01.cns.hkl", model=str(cases / "base.pdb"))
    assert report.overall.n == 1171
    assert any("those of the model are used" in note for note in report.notes)
    assert "base" in report.content
    with pytest.raises(GuessError):
        friedel.describe_data(cases / "x01.cns.hkl", model=str(cases / "base.pdb"), strict=True)


def test_a_model_gives_the_content(cases):
    """F is that of the model, so that the scale is 1 and B that of its atoms."""
    model = friedel.as_model(str(cases / "base.pdb"))
    report = friedel.describe_data(cases / "d01_ccp4.mtz", model=model)
    assert sum(content_of(model).values()) == pytest.approx(
        model.crystal.n_operations * model.atoms.occ.sum()
    )
    assert report.wilson.scale == pytest.approx(1.0, rel=0.25)
    assert report.wilson.b == pytest.approx(model.atoms.b_iso.mean(), abs=3.0)


def test_too_few_reflections_are_said(tmp_path):
    crystal = make_crystal("P 21 21 21", (10, 11, 12, 90, 90, 90))
    hkl = crystal.unique_reflections(4.0)
    path = tmp_path / "few.mtz"
    write_mtz(path, crystal, hkl, {"F": np.linspace(10, 20, len(hkl)), "SIGF": np.ones(len(hkl))})
    report = friedel.describe_data(path)
    assert report.wilson is None
    assert report.anisotropy is None
    assert {"wilson", "anisotropy", "twin_laws"} <= set(report.reasons)
    assert "no line" in report.summary()
    assert "not determined" in report.summary()
    json.dumps(report.to_dict())


def test_data_of_low_resolution_have_a_warning(tmp_path):
    hkl, intensity = simulated_twin(0.0)
    low = P31.d_spacing(hkl) > 3.7
    write_mtz(tmp_path / "low.mtz", P31, hkl[low], {"F": np.sqrt(intensity[low])})
    notes = friedel.describe_data(tmp_path / "low.mtz").notes
    assert sum("B of the Wilson plot is a rough value" in note for note in notes) == 1


def test_a_zero_with_a_sigma_of_zero_is_not_measured(tmp_path):
    hkl, intensity = simulated_twin(0.0)
    f = np.sqrt(intensity)
    f[:7] = 0.0
    write_mtz(tmp_path / "f.mtz", P31, hkl, {"F": f, "SIGF": 0.02 * f})
    report = friedel.describe_data(tmp_path / "f.mtz")
    assert len(report.data) == len(hkl) - 7
    assert any("7 reflections whose value and sigma are 0" in note for note in report.notes)


def test_data_without_sigmas(tmp_path):
    hkl, intensity = simulated_twin(0.0)
    write_mtz(tmp_path / "f.mtz", P31, hkl, {"F": np.sqrt(intensity)})
    report = friedel.describe_data(tmp_path / "f.mtz")
    assert np.isnan(report.overall.mean_over_sigma)
    assert "no sigmas" in report.summary()
    assert report.to_dict()["overall"]["mean_over_sigma"] is None
    assert set(report.amplitudes()[0]) == {"F"}


def test_written_amplitudes_are_those_of_the_fit(shared_data, tmp_path):
    source = f"{shared_data / 'models' / '5e5z.mtz'}:I,SIGI"
    report = friedel.describe_data(source)
    report.to_mtz(tmp_path / "f.mtz", command="friedel data")
    with pytest.raises(friedel.OutputError, match="exists"):
        report.to_mtz(tmp_path / "f.mtz")
    written, expected = friedel.as_reflections(tmp_path / "f.mtz"), friedel.as_reflections(source)
    np.testing.assert_array_equal(written.hkl, expected.hkl)
    np.testing.assert_allclose(written.values, expected.values, rtol=1e-6)
    np.testing.assert_allclose(written.sigmas, expected.sigmas, rtol=1e-6)
    np.testing.assert_array_equal(written.free, expected.free)
    history = " ".join(gemmi.read_mtz_file(str(tmp_path / "f.mtz")).history)
    assert "French and Wilson" in history
    assert "command: friedel data" in history


def test_a_new_free_set(tmp_path):
    """Mates by the twin laws share the flag; it is the same whatever was measured."""
    hkl, intensity = simulated_twin(0.3)
    columns = {"I": intensity, "SIGI": 0.1 * intensity + 0.01}
    write_mtz(tmp_path / "i.mtz", P31, hkl, columns)
    report = friedel.describe_data(tmp_path / "i.mtz")
    report.to_mtz(tmp_path / "f.mtz", free_per_cent=5.0, seed=1)
    written = friedel.describe_data(tmp_path / "f.mtz")
    assert (written.free_set.label, written.free_set.value) == ("FreeR_flag", 0)
    assert written.free_set.per_cent == pytest.approx(5.0, abs=1.5)
    keys = lattice_keys(P31, written.data.hkl, lattice_operations(P31))
    _, orbit, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    shares = np.bincount(orbit.ravel(), written.data.free) / sizes
    assert set(shares) == {0.0, 1.0}
    assert sizes.max() == 4
    with pytest.raises(ParameterError, match="has a free set, FreeR_flag = 0"):
        written.to_mtz(tmp_path / "g.mtz", free_per_cent=5.0)
    half = {name: values[::2] for name, values in columns.items()}
    write_mtz(tmp_path / "half.mtz", P31, hkl[::2], half)
    flags, note = friedel.describe_data(tmp_path / "half.mtz").new_free_set(5.0, 1)
    i, j = match(hkl[::2], written.data.hkl)
    np.testing.assert_array_equal((flags == 0)[i], written.data.free[j])
    assert note.number == (flags == 0).sum()


def test_what_is_no_data(cases):
    with pytest.raises(FileFormatError, match="no observed amplitudes or intensities"):
        friedel.describe_data(cases / "d07e_mapcoef.mtz")
    with pytest.raises(FileFormatError, match="no such file"):
        friedel.describe_data("nothing.mtz")
    with pytest.raises((FileFormatError, ReflectionsError)):
        friedel.describe_data(cases / "base.pdb")


def test_repr(cases):
    report = friedel.describe_data(cases / "d01_ccp4.mtz")
    assert repr(report) == "<friedel.DataReport d01_ccp4.mtz: FP, SIGFP, 1171 reflections>"
    assert "<details>" in report._repr_html_()
    assert max(map(len, report.summary(notes=False).splitlines())) <= 100
