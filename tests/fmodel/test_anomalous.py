"""Data with Friedel mates: what is fitted, what is written, and where the anomalous map peaks."""

import gemmi
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import friedel
from commands import run
from friedel.errors import FileFormatError, ReflectionsError
from friedel.fmodel.anomalous import anomalous_coefficients, anomalous_columns
from friedel.reflections.bijvoet import friedel_mates, mates_averaged
from friedel.reflections.reflections import match
from globule import CRYSTAL, TRUTH, globule, observed

WAVELENGTH = 2.5
SULPHURS = [12, 24, 48]
NOISE = 0.01

TYPES = {"F(": "G", "SIGF(": "L", "I(": "K", "SIGI(": "M", "SIG": "Q", "FREE": "I", "I": "J"}


def sulphurous() -> friedel.Atoms:
    carbons = globule()
    labels = ["S" if i in SULPHURS else "C" for i in range(len(carbons))]
    return friedel.Atoms.from_labels(labels, carbons.frac, b_iso=carbons.b_iso)


MODEL = (CRYSTAL, sulphurous())


def column_type(label: str) -> str:
    return next((kind for start, kind in TYPES.items() if label.startswith(start)), "F")


def write(path, hkl, columns, wavelength=0.0):
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup("P 21 21 21")
    mtz.set_cell_for_all(gemmi.UnitCell(*CRYSTAL.cell))
    mtz.add_dataset("peak").wavelength = wavelength
    for label in columns:
        mtz.add_column(label, column_type(label))
    mtz.set_data(np.column_stack([hkl, *columns.values()]).astype(np.float32))
    mtz.write_to_file(str(path))


@pytest.fixture(scope="module")
def measured() -> dict[str, np.ndarray]:
    """Amplitudes of the globule with sulphurs and its solvent, with errors of 1 %."""
    pairs = friedel.fcalc(MODEL, d_min=2.0, wavelength=WAVELENGTH, friedel_pairs=True)
    blank = friedel.Reflections(CRYSTAL, pairs.hkl, np.ones(len(pairs)))
    f_mask = friedel.FModel(MODEL, blank).f_mask
    assert f_mask is not None
    rng = np.random.default_rng(1)
    columns = {}
    for sign, f in (("+", pairs.plus), ("-", pairs.minus.conj())):
        total = np.abs(TRUTH.f_total(CRYSTAL, pairs.hkl, f, f_mask.values))
        columns[f"F({sign})"] = total * (1.0 + NOISE * rng.normal(size=len(total)))
        columns[f"SIGF({sign})"] = NOISE * total + 1e-3
    centric = CRYSTAL.is_centric(pairs.hkl)
    for name in ("F", "SIGF"):
        columns[f"{name}(-)"][centric] = columns[f"{name}(+)"][centric]
    columns["FP"] = 0.5 * (columns["F(+)"] + columns["F(-)"])
    columns["SIGFP"] = 0.5 * np.hypot(columns["SIGF(+)"], columns["SIGF(-)"])
    for f, i in (("F(+)", "I(+)"), ("F(-)", "I(-)"), ("FP", "IMEAN")):
        columns[i] = columns[f] ** 2
        columns[f"SIG{i}"] = 2.0 * columns[f] * columns[f"SIG{f}"]
    columns["FREE"] = np.floor(20 * rng.random(len(pairs)))
    return {"hkl": pairs.hkl, **columns}


LAYOUTS = {
    "F(+) and F(-)": ["F(+)", "SIGF(+)", "F(-)", "SIGF(-)"],
    "beside FP": ["FP", "SIGFP", "F(+)", "SIGF(+)", "F(-)", "SIGF(-)"],
    "I(+) and I(-)": ["I(+)", "SIGI(+)", "I(-)", "SIGI(-)"],
    "beside IMEAN": ["IMEAN", "SIGIMEAN", "I(+)", "SIGI(+)", "I(-)", "SIGI(-)"],
    "I(+) and I(-) beside FP": ["FP", "SIGFP", "I(+)", "SIGI(+)", "I(-)", "SIGI(-)"],
}


@pytest.fixture(scope="module")
def files(measured, tmp_path_factory):
    folder = tmp_path_factory.mktemp("layouts")
    for name, labels in LAYOUTS.items():
        columns = {label: measured[label] for label in [*labels, "FREE"]}
        write(folder / f"{name}.mtz", measured["hkl"], columns, WAVELENGTH)
    return {name: str(folder / f"{name}.mtz") for name in LAYOUTS}


def fit(path, **options) -> friedel.FittedModel:
    return friedel.FModel(MODEL, path, solvent="flat", **options).fit()


def anomalous_peaks(path: str) -> friedel.Peaks:
    """The peaks of the map of ANOM and PHANOM in a file."""
    mtz = gemmi.read_mtz_file(path)
    amplitude, phase = (
        np.array(mtz.column_with_label(label).array) for label in ("ANOM", "PHANOM")
    )
    coefficients = friedel.Reflections(
        CRYSTAL, mtz.make_miller_array(), amplitude * np.exp(1j * np.radians(phase))
    )
    grid = friedel.map_from_coefficients(coefficients)
    return friedel.find_peaks(grid, n=len(SULPHURS) + 1, atoms=MODEL[1])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wavelength", [None, "file", WAVELENGTH])
def test_anomalous_map_peaks_at_the_sulphurs(files, tmp_path, layout, wavelength):
    fitted = fit(files[layout], wavelength=wavelength)
    fitted.to_mtz(tmp_path / "out.mtz")
    peaks = anomalous_peaks(str(tmp_path / "out.mtz"))
    # The three sulphurs at 8 standard deviations or more; then noise
    assert sorted(peaks.atom[:3]) == SULPHURS
    assert peaks.sigma[2] > 8.0
    assert peaks.sigma[3] < 5.0
    assert peaks.distance[:3].max() < 0.5
    found = fitted.anomalous_density(4).peaks
    assert sorted(found.atom[:3]) == SULPHURS
    np.testing.assert_allclose(found.sigma, peaks.sigma, rtol=1e-3)
    # on the absolute scale: f'' of sulphur in a peak of its B
    assert found.height[0] == pytest.approx(peaks.height[0] / fitted.scales.k_overall, rel=1e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_means_without_and_pairs_with_dispersion(files, measured, layout):
    means, pairs = fit(files[layout]), fit(files[layout], wavelength="file")
    n, acentric = len(measured["hkl"]), int((~CRYSTAL.is_centric(measured["hkl"])).sum())
    assert len(means.f_obs) == n
    assert len(pairs.f_obs) == n + acentric
    assert pairs.r_work < means.r_work
    texts = [note for note in means.notes if note.startswith("f'' is not included")]
    assert [note.number for note in texts] == [acentric]
    texts = [note for note in pairs.notes if note.startswith("f'' is included")]
    assert [note.number for note in texts] == [acentric]
    assert f"{acentric} pairs averaged" in means.summary()
    assert "correlation of differences 0.9" in pairs.summary()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("wavelength", [None, "file"])
def test_columns_written(files, measured, tmp_path, layout, wavelength):
    fitted = fit(files[layout], wavelength=wavelength)
    fitted.to_mtz(tmp_path / "out.mtz")
    mtz = gemmi.read_mtz_file(str(tmp_path / "out.mtz"))
    types = {column.label: column.type for column in mtz.columns}
    wanted = {"DANO": "D", "SIGDANO": "Q", "ANOM": "F", "PHANOM": "P", "F(+)": "G", "SIGF(-)": "L"}
    assert wanted.items() <= types.items()
    assert mtz.datasets[-1].wavelength == pytest.approx(WAVELENGTH)
    i, j = match(mtz.make_miller_array(), measured["hkl"])
    assert len(i) == len(measured["hkl"]) == len(mtz.make_miller_array())
    dano, sigma, anom, phase, phase_model = (
        np.array(mtz.column_with_label(label).array)[i]
        for label in ("DANO", "SIGDANO", "ANOM", "PHANOM", "PHIFMODEL")
    )
    acentric = ~CRYSTAL.is_centric(measured["hkl"][j])
    expected = (measured["F(+)"] - measured["F(-)"])[j]
    # French and Wilson's amplitudes of weak intensities are not their roots
    rtol, atol = (1e-4, 1e-3) if layout in ("F(+) and F(-)", "beside FP") else (0.02, 0.05)
    np.testing.assert_allclose(dano[acentric], expected[acentric], rtol, atol)
    expected = np.hypot(measured["SIGF(+)"], measured["SIGF(-)"])[j]
    np.testing.assert_allclose(sigma[acentric], expected[acentric], 0.02, 0.1)
    np.testing.assert_array_equal(np.isnan(dano), ~acentric)
    np.testing.assert_array_equal(np.isnan(anom), ~acentric)
    np.testing.assert_allclose(anom[acentric], np.abs(dano[acentric]), rtol=1e-5, atol=1e-5)
    if wavelength is None:
        # The phase is that of the model less 90 degrees, or plus 90 where DANO is negative
        turn = (phase - phase_model)[acentric & (np.abs(dano) > 1e-3)]
        sign = np.sign(dano[acentric & (np.abs(dano) > 1e-3)])
        np.testing.assert_allclose(np.sin(np.radians(turn)), -sign, atol=1e-4)


def test_cif_has_difference_and_wavelength(files, tmp_path):
    fit(files["beside FP"], wavelength="file").to_cif(tmp_path / "out.cif")
    block = gemmi.as_refln_blocks(gemmi.cif.read(str(tmp_path / "out.cif")))[0]
    assert {"pdbx_anom_difference", "pdbx_F_plus"} <= set(block.column_labels())
    assert block.wavelength == pytest.approx(WAVELENGTH)


def test_without_pairs_there_is_no_anomalous_map(tmp_path):
    fitted = friedel.FModel((CRYSTAL, globule()), observed(), solvent="none").fit()
    with pytest.raises(ReflectionsError, match="no F"):
        fitted.anomalous_map_coefficients()
    fitted.to_mtz(tmp_path / "out.mtz")
    mtz = gemmi.read_mtz_file(str(tmp_path / "out.mtz"))
    assert not {"DANO", "ANOM", "F(+)"} & set(mtz.column_labels())
    assert mtz.datasets[-1].wavelength == 0.0


def test_named_means_stay_means(files):
    data = f"{files['beside FP']}:FP,SIGFP"
    fitted = fit(data, wavelength="file")
    assert len(fitted.f_obs) < len(fit(files["beside FP"], wavelength="file").f_obs)
    assert any("as named" in note for note in fitted.notes)
    assert fitted.friedel_mates is not None


def test_named_pairs_are_averaged_without_dispersion(files):
    named = f"{files['beside FP']}:F(+),SIGF(+),F(-),SIGF(-)"
    both, found = fit(named), fit(friedel.as_reflections(named))
    assert len(both.f_obs) == len(fit(files["F(+) and F(-)"]).f_obs)
    np.testing.assert_array_equal(both.f_obs.values, found.f_obs.values)
    assert both.r_work == pytest.approx(found.r_work, rel=1e-9)


def test_reflections_without_mates_are_completed_by_means(measured, tmp_path):
    labels = [*LAYOUTS["beside FP"], "FREE"]
    columns = {label: measured[label].copy() for label in labels}
    centric = CRYSTAL.is_centric(measured["hkl"])
    for label in LAYOUTS["F(+) and F(-)"]:
        columns[label][centric] = np.nan
    write(tmp_path / "a.mtz", measured["hkl"], columns, WAVELENGTH)
    fitted = fit(str(tmp_path / "a.mtz"), wavelength="file")
    assert len(fitted.f_obs) == len(centric) + int((~centric).sum())
    assert any(
        note.startswith(f"{centric.sum()} reflections have only FP") for note in fitted.notes
    )
    assert fitted.r_work < 0.02


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 3), st.integers(0, 2**16))
def test_mates_are_found_in_any_asymmetric_unit(measured, operation, seed):
    hkl, plus, minus = (measured[name] for name in ("hkl", "F(+)", "F(-)"))
    rotation = CRYSTAL.rotations[operation]
    both = np.concatenate([hkl @ rotation, -hkl])
    order = np.random.default_rng(seed).permutation(len(both))
    values = np.concatenate([plus, minus])
    data = friedel.Reflections(CRYSTAL, both[order], values[order], 0.1 * values[order] + 0.1)
    mates = friedel_mates(data)
    i, j = match(mates.hkl, hkl)
    acentric = ~CRYSTAL.is_centric(hkl[j])
    assert len(i) == len(hkl)
    np.testing.assert_array_equal(mates.are_pairs[i], acentric)
    expected = (plus - minus)[j]
    np.testing.assert_allclose(mates.differences[i][acentric], expected[acentric], atol=1e-9)
    averaged = mates_averaged(data, weighted=False)
    np.testing.assert_array_equal(averaged.hkl, mates.hkl)
    np.testing.assert_allclose(averaged.values[i], (0.5 * (plus + minus))[j])


@pytest.mark.parametrize("operation", range(4))
@pytest.mark.parametrize("sign", [1, -1])
def test_columns_belong_to_the_indices_written(measured, operation, sign):
    """At an equivalent or at the mate F(+) and F(-) change places, and PHANOM is shifted."""
    hkl = measured["hkl"][~CRYSTAL.is_centric(measured["hkl"])]
    rotation = CRYSTAL.rotations[operation]
    exact = friedel.fcalc(MODEL, hkl=hkl, wavelength=WAVELENGTH, friedel_pairs=True)
    lists = np.concatenate([hkl, -hkl])
    values = np.abs(np.concatenate([exact.plus, exact.minus]))
    mates = friedel_mates(friedel.Reflections(CRYSTAL, lists, values))
    f_model = friedel.Reflections(CRYSTAL, lists, np.concatenate([exact.plus, exact.minus]))
    coefficients = anomalous_coefficients(mates, f_model)
    moved = sign * (hkl @ rotation)
    there = friedel.fcalc(MODEL, hkl=moved, wavelength=WAVELENGTH, friedel_pairs=True)
    columns = anomalous_columns(mates, coefficients, moved)
    np.testing.assert_allclose(columns["F(+)"], np.abs(there.plus), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(columns["DANO"], there.differences, atol=2e-2)
    expected = there.differences * np.exp(1j * np.angle(there.mean)) / 1j
    found = columns["ANOM"] * np.exp(1j * np.radians(columns["PHANOM"]))
    np.testing.assert_allclose(found, expected, atol=5e-2)


class TestWavelength:
    def test_offered(self, files):
        notes = [note for note in fit(files["beside FP"]).notes if "state the wavelength" in note]
        assert [(note.kind, note.number) for note in notes] == [("file", pytest.approx(2.5))]
        assert "--wavelength file" in notes[0]

    def test_taken_from_the_file(self, files):
        by_file, by_number = (fit(files["beside FP"], wavelength=w) for w in ("file", WAVELENGTH))
        assert by_file.r_work == pytest.approx(by_number.r_work, rel=1e-9)
        assert by_file.wavelength == pytest.approx(WAVELENGTH)
        assert any("the wavelength that the data state" in note for note in by_file.notes)

    def test_another_than_that_of_the_file(self, files):
        notes = fit(files["beside FP"], wavelength=1.0).notes
        assert [n.kind for n in notes if "the data state the wavelength 2.5 A" in n] == ["warning"]

    def test_energy_counts(self, files, tmp_path):
        fitted = fit(files["beside FP"], energy=12398.42 / WAVELENGTH)
        assert fitted.wavelength == pytest.approx(WAVELENGTH, abs=1e-4)
        assert any(note.startswith("f'' is included") for note in fitted.notes)

    @pytest.mark.parametrize("unknown", [0.0, 9.999])
    def test_none_in_the_file(self, measured, tmp_path, unknown):
        columns = {label: measured[label] for label in ("FP", "SIGFP")}
        write(tmp_path / "a.mtz", measured["hkl"], columns, unknown)
        with pytest.raises(FileFormatError, match="states no wavelength: give the wavelength"):
            fit(str(tmp_path / "a.mtz"), wavelength="file")
        assert not any(
            "state the wavelength" in note for note in fit(str(tmp_path / "a.mtz")).notes
        )

    @pytest.mark.parametrize(
        ("text", "chosen", "expected"),
        [
            ("1 0.97\n2 0.98", "1", None),
            ("1 0.97\n2 0.98", "1 2", None),
            ("1 0.97", "1", 0.97),
            ("1 ?\n2 0.98", "2", 0.98),
        ],
    )
    def test_of_mmcif(self, measured, tmp_path, text, chosen, expected):
        """One wavelength is taken; if several are stated, that of the wavelength_id in use."""
        ids = chosen.split()
        lengths = zip(["length_a", "length_b", "length_c"], CRYSTAL.cell, strict=False)
        rows = "\n".join(
            f"{ids[i % len(ids)]} {h} {k} {l} {f:.3f} {s:.3f}"
            for i, ((h, k, l), f, s) in enumerate(
                zip(measured["hkl"].tolist(), measured["FP"], measured["SIGFP"], strict=True)
            )
        )
        path = tmp_path / "a-sf.cif"
        path.write_text(
            "data_a\n"
            + "".join(f"_cell.{tag} {x}\n" for tag, x in lengths)
            + "".join(f"_cell.angle_{tag} 90\n" for tag in ("alpha", "beta", "gamma"))
            + "_symmetry.space_group_name_H-M 'P 21 21 21'\n"
            + "loop_\n_diffrn_radiation_wavelength.id\n_diffrn_radiation_wavelength.wavelength\n"
            + f"{text}\nloop_\n_refln.wavelength_id\n"
            + "".join(f"_refln.index_{x}\n" for x in "hkl")
            + f"_refln.F_meas_au\n_refln.F_meas_sigma_au\n{rows}\n"
        )
        found = friedel.as_reflections(path).wavelength
        by_id = dict(line.split() for line in text.splitlines())
        assert found == pytest.approx(float(by_id[ids[0]]) if by_id[ids[0]] != "?" else 0.0)
        assert expected is None or found == pytest.approx(expected)

    def test_of_xds_and_its_mates(self, measured, tmp_path):
        """Unmerged lists state the wavelength, and have both mates in their rows."""
        hkl, n = measured["hkl"], len(measured["hkl"])
        acentric = ~CRYSTAL.is_centric(hkl)
        both = np.concatenate([hkl, -hkl[acentric]])
        f = np.concatenate([measured["F(+)"], measured["F(-)"][acentric]])
        header = (
            "!FORMAT=XDS_ASCII    MERGE=FALSE    FRIEDEL'S_LAW=FALSE\n"
            "!SPACE_GROUP_NUMBER=   19\n"
            f"!UNIT_CELL_CONSTANTS= {' '.join(map(str, CRYSTAL.cell))}\n"
            f"!X-RAY_WAVELENGTH= {WAVELENGTH}\n"
            "!NUMBER_OF_ITEMS_IN_EACH_DATA_RECORD=12\n"
            "!ITEM_H=1\n!ITEM_K=2\n!ITEM_L=3\n!ITEM_IOBS=4\n!ITEM_SIGMA(IOBS)=5\n!ITEM_XD=6\n"
            "!ITEM_YD=7\n!ITEM_ZD=8\n!ITEM_RLP=9\n!ITEM_PEAK=10\n!ITEM_CORR=11\n!ITEM_MAXC=12\n"
            "!END_OF_HEADER\n"
        )
        rows = [
            f"{h} {k} {l} {x * x:.6g} {0.02 * x * x + 0.01:.6g} 1 1 1 1 100 50 0\n"
            for (h, k, l), x in zip(both.tolist(), f, strict=True)
        ]
        path = tmp_path / "XDS_ASCII.HKL"
        path.write_text(header + "".join(rows) + "!END_OF_DATA\n")
        assert friedel.as_reflections(path).wavelength == pytest.approx(WAVELENGTH)
        assert len(fit(str(path)).f_obs) == n
        fitted = fit(str(path), wavelength="file")
        assert len(fitted.f_obs) == n + int(acentric.sum())
        assert fitted.wavelength == pytest.approx(WAVELENGTH)

    def test_the_command(self, files, capsys, tmp_path):
        mtz, model = tmp_path / "out.mtz", tmp_path / "model.pdb"
        model.write_text(pdb_of(MODEL))
        arguments = ("fmodel", model, files["beside FP"], "--solvent", "none", "--to-mtz", mtz)
        code, _, err = run(capsys, *arguments, "-w", "file")
        assert code == 0, err
        assert "those at 2.5 A, the wavelength that the data state" in err
        assert gemmi.read_mtz_file(str(mtz)).datasets[-1].wavelength == pytest.approx(WAVELENGTH)
        code, _, err = run(capsys, *arguments, "-w", "fil", "--overwrite")
        assert code == 2
        assert "'fil' is neither a number nor 'file'" in err


def pdb_of(model: tuple[friedel.Crystal, friedel.Atoms]) -> str:
    """A PDB file of one-letter atoms."""
    crystal, atoms = model
    a, b, c, alpha, beta, gamma = crystal.cell
    lines = [f"CRYST1{a:9.3f}{b:9.3f}{c:9.3f}{alpha:7.2f}{beta:7.2f}{gamma:7.2f} P 21 21 21"]
    for i, (frac, kind) in enumerate(zip(atoms.frac, atoms.kind, strict=True)):
        x, y, z = frac * [a, b, c]
        symbol = atoms.scatterers[kind]
        lines.append(
            f"HETATM{i + 1:5d}  {symbol}   UNK A{i + 1:4d}    {x:8.3f}{y:8.3f}{z:8.3f}"
            f"  1.00{atoms.b_iso[i]:6.2f}          {symbol:>2s}"
        )
    return "\n".join([*lines, "END"]) + "\n"


class TestFrenchWilson:
    def test_on_request_intensities_are_taken(self, measured, tmp_path):
        labels = ("FP", "SIGFP", "IMEAN", "SIGIMEAN", "FREE")
        write(tmp_path / "a.mtz", measured["hkl"], {label: measured[label] for label in labels})
        path = str(tmp_path / "a.mtz")
        assert fit(path).f_obs.label == "FP"
        named = friedel.as_reflections(f"{path}:IMEAN,SIGIMEAN")
        fitted = fit(path, french_wilson=True)
        assert any("those of French and Wilson" in note for note in fitted.notes)
        np.testing.assert_array_equal(fitted.f_obs.values, named.values)
        again = fit(named, french_wilson=True)
        assert again.r_work == pytest.approx(fitted.r_work, rel=1e-9)

    @pytest.mark.parametrize("labels", ["", ":FP,SIGFP"])
    def test_amplitudes_are_refused(self, files, labels):
        with pytest.raises(ReflectionsError, match="needs intensities; FP, SIGFP from .* are ampl"):
            fit(f"{files['beside FP']}{labels}", french_wilson=True)

    def test_intensities_of_mates_are_averaged_too(self, files, measured):
        """A fit to intensities without f'' is to their means, with f'' to those of both mates."""
        data = files["I(+) and I(-)"]
        mean = friedel.as_reflections(data)
        i, j = match(mean.hkl, measured["hkl"])
        weights = measured["SIGI(+)"] ** -2.0, measured["SIGI(-)"] ** -2.0
        expected = weights[0] * measured["I(+)"] + weights[1] * measured["I(-)"]
        expected /= weights[0] + weights[1]
        np.testing.assert_allclose(mean.intensities[i], expected[j], rtol=1e-4)
        means, pairs = (fit(data, target="ls-i", wavelength=w) for w in (None, "file"))
        assert len(pairs.f_obs) > len(means.f_obs)
        assert pairs.r_work < means.r_work < 0.03

    def test_each_mate_by_itself_and_their_mean(self, files):
        """As CTRUNCATE: the mean of both amplitudes, with sigma of the mean of two."""
        apart = friedel.as_reflections(files["I(+) and I(-)"], friedel_pairs=True)
        mean = friedel.as_reflections(files["I(+) and I(-)"])
        mates = friedel_mates(apart)
        np.testing.assert_array_equal(mean.hkl, mates.hkl)
        pairs = mates.are_pairs
        expected = 0.5 * (mates.plus + mates.minus)
        np.testing.assert_allclose(mean.values[pairs], expected[pairs], rtol=1e-12)
        expected = 0.5 * mates.difference_sigmas
        np.testing.assert_allclose(mean.sigmas[pairs], expected[pairs], rtol=1e-12)

    def test_the_command(self, files, measured, tmp_path, capsys):
        labels = ("FP", "SIGFP", "IMEAN", "SIGIMEAN", "FREE")
        write(tmp_path / "a.mtz", measured["hkl"], {label: measured[label] for label in labels})
        (tmp_path / "model.pdb").write_text(pdb_of(MODEL))
        arguments = ("fmodel", tmp_path / "model.pdb", tmp_path / "a.mtz", "--solvent", "none")
        _, _, without = run(capsys, *arguments)
        code, _, err = run(capsys, *arguments, "--french-wilson")
        assert code == 0
        assert "French and Wilson" in err
        assert "French and Wilson" not in without


class TestLists:
    """Reflections made by the user: Friedel mates are averaged, other equivalents left alone."""

    def test_mates_are_averaged_with_their_free_flags(self, measured):
        hkl = measured["hkl"]
        values = np.concatenate([measured["F(+)"], measured["F(-)"]])
        free = np.tile(measured["FREE"] == 0, 2)
        data = friedel.Reflections(CRYSTAL, np.concatenate([hkl, -hkl]), values, free=free)
        means, pairs = fit(data), fit(data, wavelength=WAVELENGTH)
        assert (len(means.f_obs), len(pairs.f_obs)) == (len(hkl), 2 * len(hkl))
        i, j = match(means.f_obs.hkl, hkl)
        np.testing.assert_allclose(means.f_obs.values[i], measured["FP"][j])
        np.testing.assert_array_equal(means.free[i], (measured["FREE"] == 0)[j])

    def test_other_equivalents_stay_separate(self, measured):
        hkl, values = measured["hkl"], measured["F(+)"]
        both = np.concatenate([hkl, hkl @ CRYSTAL.rotations[1]])
        data = friedel.Reflections(CRYSTAL, both, np.tile(values, 2))
        fitted = fit(data)
        assert len(fitted.f_obs) == 2 * len(hkl)
        assert fitted.friedel_mates is None

    def test_one_hand_alone_is_no_pair(self, measured):
        data = friedel.Reflections(CRYSTAL, -measured["hkl"], measured["F(-)"])
        fitted = fit(data, wavelength=WAVELENGTH)
        assert fitted.friedel_mates is None
        assert fitted.r_all < 0.02
