"""Maps against models: F of a map, masks, FSC and correlations, against known truth."""

import json
import subprocess

import gemmi
import numpy as np
import pytest
import scipy.fft

import friedel
from commands import run
from friedel.density.map_box import MapBox
from friedel.errors import ParameterError, ReflectionsError
from friedel.map_model.correlation import map_model_correlation
from friedel.map_model.fsc import FSC, _Shells, fourier_shell_correlation
from friedel.map_model.map_transform import f_of_map, fit_scale_and_b
from friedel.map_model.soft_mask import soft_mask
from friedel.maps.model_map import map_of_model
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.reflections.reflections import Reflections
from friedel.solvent.flat_mask import MaskParameters

CRYSTAL = Crystal.from_triplets((24, 26, 28, 90, 95, 90), ["-x,y+1/2,-z"], name="P 1 21 1")

MAP_MODEL_CC = """
import json, sys
import iotbx.mrcfile, iotbx.pdb
from cctbx import crystal
from mmtbx.maps import map_model_cc
found = iotbx.mrcfile.map_reader(sys.argv[1])
symmetry = crystal.symmetry(found.unit_cell().parameters(), "P 1")
params = map_model_cc.master_params().extract().map_model_cc
params.resolution, params.scattering_table = float(sys.argv[3]), "electron"
task = map_model_cc.map_model_cc(
    map_data=found.map_data().as_double(), crystal_symmetry=symmetry, params=params,
    pdb_hierarchy=iotbx.pdb.input(sys.argv[2]).construct_hierarchy())
task.validate()
task.run()
r = task.get_results()
print(json.dumps([r.cc_mask, r.cc_volume, r.cc_peaks, r.cc_box, r.cc_per_chain[0].cc]))
"""


def molecule(seed: int = 0, shift=(0.0, 0.0, 0.0), n: int = 50) -> tuple[Crystal, Atoms]:
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(-6, 6, (n, 3)) + shift
    labels = rng.choice(["C", "N", "O"], n)
    return CRYSTAL, Atoms.from_labels(labels, xyz @ CRYSTAL.fractionalization.T, 1.0, 25.0)


def positions(model) -> np.ndarray:
    return model[1].frac @ model[0].orthogonalization.T


def f_without_lowest(box: MapBox, n: int) -> MapBox:
    """The box without its Fourier coefficients in the lowest n shells."""
    shells = _Shells.of(box, None)
    f = shells.transform(box.array)
    return box.with_array(scipy.fft.irfftn(np.where(shells.number < n, 0.0, f), box.shape))


def with_noise(box: MapBox, snr: float, seed: int, d_min: float | None = None) -> MapBox:
    """The map plus noise whose power in each shell is that of the map, divided by a ratio."""
    shells = _Shells.of(box, d_min)
    rng = np.random.default_rng(seed)
    signal = shells.transform(box.array)
    noise = shells.transform(rng.standard_normal(box.shape, np.float32))
    n = len(shells.middles)
    factor = np.zeros(n + 1)
    expected = shells.counts * box.array.size  # of white noise
    factor[:n] = np.sqrt(shells._sums(np.abs(signal) ** 2) / snr / expected)
    noise *= factor[shells.number]
    return box.with_array(box.array + scipy.fft.irfftn(noise, box.shape).astype(np.float32))


class TestFOfMap:
    def test_of_a_crystal(self):
        model = molecule()
        grid = map_of_model(model, d_min=2.5, rtol=1e-6)
        found = f_of_map(grid, d_min=2.5)
        expected = friedel.fcalc(model, hkl=found.hkl, method="direct").values
        np.testing.assert_allclose(found.values, expected, atol=1e-4 * np.abs(expected).max())

    def test_phases_are_those_of_the_coordinates(self):
        model = molecule(shift=(40.0, -33.0, 7.3))
        box = map_of_model(model, d_min=3.0, margin=9.0)
        found = f_of_map(box, d_min=3.0)
        atoms = model[1].replace(frac=positions(model) @ box.of_box.fractionalization.T)
        expected = friedel.fcalc((box.of_box, atoms), hkl=found.hkl, method="direct")
        assert friedel.agreement(found, expected.values).relative_rmse < 0.03

    def test_any_order_of_axes_and_origin(self, tmp_path):
        box = map_of_model(molecule(), d_min=3.0, margin=6.0)
        ccp4 = gemmi.Ccp4Map()
        values = np.ascontiguousarray(box.array.transpose(1, 2, 0))
        cell = gemmi.UnitCell(*box.crystal.cell)
        ccp4.grid = gemmi.FloatGrid(values, cell, gemmi.SpaceGroup("P1"))
        ccp4.update_ccp4_header()
        start = [box.start[i] for i in (1, 2, 0)]
        words = dict(zip((5, 6, 7, 8, 9, 10), (*start, *box.sampling), strict=True))
        for word, value in (words | {17: 2, 18: 3, 19: 1}).items():
            ccp4.set_header_i32(word, value)
        ccp4.write_ccp4_map(str(tmp_path / "yzx.mrc"))
        expected = f_of_map(box, d_min=3.0).values
        np.testing.assert_array_equal(f_of_map(tmp_path / "yzx.mrc", d_min=3.0).values, expected)
        origin = tuple(box.first_point.tolist())
        shifted = MapBox(box.array, box.crystal, box.sampling, origin=origin)
        np.testing.assert_allclose(f_of_map(shifted, d_min=3.0).values, expected, rtol=1e-6)

    def test_masked(self):
        box = map_of_model(molecule(), d_min=3.0, margin=6.0)
        mask = np.random.default_rng(0).random(box.shape)
        found = f_of_map(box, d_min=4.0, mask=mask)
        expected = f_of_map(box.with_array(box.array * mask), d_min=4.0)
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-3)
        with pytest.raises(ParameterError, match="mask of"):
            f_of_map(box, d_min=4.0, mask=mask[1:])
        with pytest.raises(ParameterError, match="hold no reflections to 1 A"):
            f_of_map(box, d_min=1.0)

    def test_scale_and_b(self):
        model = molecule()
        f = friedel.fcalc(model, d_min=2.5)
        scaled = Reflections(f.crystal, f.hkl, 2.5 * np.exp(-40.0 * f.stol2) * f.values)
        found = fit_scale_and_b(scaled, f)
        assert found.k == pytest.approx(2.5, rel=1e-3)
        assert found.b == pytest.approx(40.0, abs=0.05)
        assert found.r < 1e-6
        assert fit_scale_and_b(f, scaled).b == pytest.approx(-40.0, abs=0.05)
        with pytest.raises(ReflectionsError, match="common"):
            fit_scale_and_b(f, f.select(np.arange(len(f)) < 5))
        with pytest.raises(ReflectionsError, match="zero"):
            fit_scale_and_b(f, Reflections(f.crystal, f.hkl, 0.0 * f.values))


def test_soft_mask():
    box = map_of_model(molecule(n=5), d_min=3.0, margin=8.0)
    xyz = positions(molecule(n=5))
    found = soft_mask(box, xyz, 3.0, 4.0)
    points = np.stack(np.meshgrid(*map(np.arange, box.shape), indexing="ij"), -1) @ box.steps.T
    points += box.first_point
    distance = np.linalg.norm(points[..., None, :] - xyz, axis=-1).min(axis=-1)
    expected = 0.5 + 0.5 * np.cos(np.pi * np.clip((distance - 3.0) / 4.0, 0, 1))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    sharp = soft_mask(box, xyz, 3.0, 0.0)
    np.testing.assert_array_equal(sharp, distance < 3.0)
    for bad in ((0.0, 1.0), (1.0, -1.0), (np.nan, 1.0)):
        with pytest.raises(ParameterError):
            soft_mask(box, xyz, *bad)


class TestFSC:
    @pytest.fixture(scope="class")
    @classmethod
    def box(cls) -> MapBox:
        return map_of_model(molecule(n=200), d_min=2.5, margin=10.0)

    def test_of_a_map_with_itself(self, box):
        found = fourier_shell_correlation(box, box, d_min=2.5)
        np.testing.assert_allclose(found.fsc, 1.0, atol=1e-6)
        assert found.resolution(0.143) == 1.0 / found.inverse_d[-1]
        assert found.limit_text(0.5).startswith("above 0.5 to 2.")
        assert found.mean == pytest.approx(1.0)

    @pytest.mark.parametrize("factor", [1e-34, 1e-20, 1e25, 1e35])
    def test_the_scale_of_a_map_does_not_matter(self, box, factor):
        """Sums of squares of such values overflow, or vanish, in single precision."""
        noisy = with_noise(box, 1.0, 1, 2.5)
        scaled = box.with_array((factor * box.array).astype(np.float32))
        expected = fourier_shell_correlation(box, noisy, d_min=2.5).fsc
        found = fourier_shell_correlation(scaled, noisy, d_min=2.5).fsc
        np.testing.assert_allclose(found, expected, atol=1e-4)

    def test_of_noise(self, box):
        """White noise as strong as the map in each shell: 1/sqrt(2) with the map, 1/2 of halves."""
        first, second = (with_noise(box, 1.0, seed, 2.5) for seed in (1, 2))
        with_map = fourier_shell_correlation(first, box, d_min=2.5)
        halves = fourier_shell_correlation(first, second, d_min=2.5)
        sigma = 1.0 / np.sqrt(2 * with_map.number)
        assert len(sigma) > 10
        for found, expected in ((with_map, np.sqrt(0.5)), (halves, 0.5)):
            # the variance of a correlation coefficient, two numbers to a coefficient
            deviation = (found.fsc - expected) / ((1 - expected**2) * sigma)
            assert np.abs(deviation).max() < 3.0
            assert abs(deviation.mean()) < 3.0 / np.sqrt(len(deviation))

    def test_5a3h_with_noise(self, shared_data):
        box = map_of_model(
            shared_data / "models" / "5a3h.pdb", d_min=3.0, margin=8.0, source="electron",
            spacing=1.2,
        )  # fmt: skip
        found = fourier_shell_correlation(with_noise(box, 1.0, 0, 3.0), box, d_min=3.0)
        deviation = (found.fsc - np.sqrt(0.5)) * np.sqrt(2 * found.number) / 0.5
        assert np.abs(deviation).max() < 3.0

    def test_against_sums_over_all_coefficients(self, box):
        other = with_noise(box, 2.0, 3)
        found = fourier_shell_correlation(box, other)
        f, g = (np.fft.fftn(x.array) for x in (box, other))
        index = np.stack(
            np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in box.shape), indexing="ij"), -1
        )
        s = np.linalg.norm(index @ box.of_box.fractionalization, axis=-1)
        width = 1.0 / max(box.of_box.cell[:3])
        limit = 0.5 / max(box.spacing)
        for i in (0, 4, 12):  # beyond, the map is 0 to rounding
            chosen = (np.rint(s / width) == i + 1) & (s <= limit * (1 + 1e-6))
            norm = (np.abs(f[chosen]) ** 2).sum() * (np.abs(g[chosen]) ** 2).sum()
            expected = (f[chosen] * g[chosen].conj()).real.sum() / np.sqrt(norm)
            assert found.fsc[i] == pytest.approx(expected, abs=1e-5)
            assert found.number[i] == pytest.approx(chosen.sum() / 2, abs=1)

    def test_correction_for_a_mask(self, box):
        """Noise alone beyond 5 Å: what a tight mask adds is taken off."""
        shells = _Shells.of(box, None)
        low = shells.transform(box.array) * (shells.number < np.searchsorted(shells.middles, 0.2))
        signal = scipy.fft.irfftn(low, box.shape).astype(np.float32)
        rng = np.random.default_rng(0)
        first, second = (
            box.with_array(signal + signal.std() * rng.standard_normal(box.shape, np.float32))
            for _ in range(2)
        )
        mask = soft_mask(box, positions(molecule(n=200)), 3.0, 1.0)
        found = fourier_shell_correlation(first, second, mask=mask, correct=True, seed=1)
        beyond = found.inverse_d > 0.24
        weights = found.number[beyond]

        def mean(values):
            return np.average(values[beyond], weights=weights)

        assert mean(np.abs(found.unmasked)) < 0.05
        assert mean(found.masked) != pytest.approx(mean(found.fsc), abs=1e-3)
        assert abs(mean(found.fsc)) < 0.1
        assert found.random_from == found.inverse_d[np.flatnonzero(found.unmasked < 0.8)[0]]
        before = found.inverse_d < found.random_from
        np.testing.assert_array_equal(found.fsc[before], found.masked[before])
        with pytest.raises(ParameterError, match="give one"):
            fourier_shell_correlation(first, second, correct=True)

    def test_random_phases_keep_amplitudes(self, box):
        shells = _Shells.of(box, None)
        f = shells.transform(box.array)
        random = shells.with_random_phases(f, 5, np.random.default_rng(0))
        g = shells.transform(random)
        inner = shells.number < len(shells.middles)
        np.testing.assert_allclose(np.abs(g[inner]), np.abs(f[inner]), rtol=1e-3, atol=1e-2)
        np.testing.assert_allclose(g[shells.number < 5], f[shells.number < 5], atol=1e-2)

    def test_resolution_is_interpolated(self):
        curve = FSC(np.array([0.1, 0.2, 0.3]), np.array([9, 9, 9]), np.array([1.0, 0.6, 0.1]))
        assert 1 / curve.resolution(0.5) == pytest.approx(0.22)
        assert curve.resolution(0.0) == pytest.approx(1 / 0.3)
        low = FSC(np.array([0.1]), np.array([9]), np.array([0.1]))
        assert low.resolution(0.5) == np.inf
        assert low.limit_text(0.5) == "below 0.5 throughout"

    def test_shells_without_reflections_come_before_the_limit(self):
        """Maps of crystals lack the lowest shells: F = 0, and FSC = 0, there."""
        x, n = np.array([0.05, 0.1, 0.2, 0.3]), np.full(4, 9)
        curve = FSC(x, n, np.array([0.0, 1.0, 0.6, 0.1]))
        assert 1 / curve.resolution(0.5) == pytest.approx(0.22)
        assert curve.limit_text(0.5) == "0.5 at 4.55 Å (below it beyond 10 Å)"
        throughout = FSC(x, n, np.array([0.0, 1.0, 0.9, 0.8]))
        assert throughout.resolution(0.5) == pytest.approx(1 / 0.3)
        assert throughout.limit_text(0.5) == "above 0.5 to 3.33 Å (below it beyond 10 Å)"

    def test_phases_stay_where_only_the_lowest_shells_are_empty(self, box):
        without = f_without_lowest(box, 1)
        mask = np.ones(box.shape, np.float32)
        found = fourier_shell_correlation(without, without, mask=mask, correct=True)
        assert found.random_from == 0.0
        np.testing.assert_allclose(found.fsc[1:], 1.0, atol=1e-4)

    def test_maps_in_files(self, box, tmp_path):
        path = tmp_path / "a.mrc"
        box.to_ccp4(path)
        expected = fourier_shell_correlation(box, box.with_array(box.array**2)).fsc
        found = fourier_shell_correlation(path, box.with_array(box.array**2)).fsc
        np.testing.assert_allclose(found, expected, atol=1e-6)
        xyz = np.array([[5.0, 5.0, 5.0]])
        np.testing.assert_array_equal(soft_mask(path, xyz, 3.0), soft_mask(box, xyz, 3.0))

    def test_bad_input(self, box):
        with pytest.raises(ParameterError, match="expected one grid"):
            fourier_shell_correlation(box, box.with_array(box.array[1:]))
        with pytest.raises(ParameterError, match="d_min"):
            fourier_shell_correlation(box, box, d_min=0.5)


class TestCorrelation:
    def test_a_map_of_the_model_itself(self, shared_data, tmp_path):
        path = shared_data / "models" / "1orc.pdb"
        map_of_model(path, d_min=3.5, margin=6.0, source="electron").to_ccp4(tmp_path / "a.mrc")
        found = map_model_correlation(tmp_path / "a.mrc", path, d_min=3.5, source="electron")
        for cc in (found.cc_mask, found.cc_volume, found.cc_peaks, found.cc_box):
            assert cc == pytest.approx(1.0, abs=1e-6)
        np.testing.assert_allclose(found.residues.cc, 1.0, atol=1e-5)
        np.testing.assert_allclose(found.fsc.fsc, 1.0, atol=1e-5)
        assert found.scale.k == pytest.approx(1.0, rel=1e-3)
        assert found.scale.b == pytest.approx(0.0, abs=0.1)
        assert not found.notes
        assert "CC_mask 1.0000" in found.summary()

    def test_cc_mask_against_numpy(self):
        """The region is what no probe outside of the atoms can reach, all by distances."""
        model = molecule(n=8)
        box = map_of_model(model, d_min=3.0, margin=4.0, spacing=1.0, source="electron")
        noisy = with_noise(box, 1.0, 0)
        found = map_model_correlation(noisy, model, d_min=3.0)
        parameters = MaskParameters.for_radii("cctbx")
        radius = parameters.radius(model[1])
        points = (
            np.stack(np.meshgrid(*map(np.arange, box.shape), indexing="ij"), -1).reshape(-1, 3)
            @ box.steps.T
            + box.first_point
        )
        to_atoms = np.linalg.norm(points[:, None] - positions(model), axis=-1)
        free = (to_atoms > radius).all(axis=1)
        reached = np.zeros(len(points), bool)
        for some in np.array_split(np.arange(len(points)), 40):
            gap = np.linalg.norm(points[some, None] - points[free], axis=-1).min(axis=1)
            reached[some] = gap <= parameters.r_shrink + 1e-6
        near = ~reached & ~free
        expected = np.corrcoef(box.array.ravel()[near], noisy.array.ravel()[near])[0, 1]
        assert found.cc_mask == pytest.approx(expected, abs=2e-3)
        expected = np.corrcoef(box.array.ravel(), noisy.array.ravel())[0, 1]
        assert found.cc_box == pytest.approx(expected, abs=1e-5)
        assert found.residues is None

    def test_against_phenix(self, shared_data, cctbx_python, tmp_path):
        path = shared_data / "models" / "1orc.pdb"
        box = map_of_model(path, d_min=3.0, margin=8.0, source="electron", spacing=0.9)
        rng = np.random.default_rng(0)
        noise = 0.5 * box.array.std() * rng.standard_normal(box.shape, np.float32)
        box.with_array(box.array + noise).to_ccp4(tmp_path / "noisy.mrc")
        done = subprocess.run(
            [cctbx_python, "-c", MAP_MODEL_CC, tmp_path / "noisy.mrc", path, "3.0"],
            capture_output=True,
            text=True,
            check=True,
        )
        expected = json.loads(done.stdout.splitlines()[-1])
        found = map_model_correlation(tmp_path / "noisy.mrc", path, d_min=3.0)
        of_ours = [found.cc_mask, found.cc_volume, found.cc_peaks, found.cc_box]
        # phenix calculates F in the box, so that images of the model meet; and its chain A has no
        # water
        np.testing.assert_allclose(of_ours, expected[:4], atol=3e-3)
        assert found.chains.cc[0] == pytest.approx(expected[4], abs=3e-3)

    def test_of_a_crystal(self):
        model = molecule()
        grid = map_of_model(model, d_min=3.0, source="electron")
        found = map_model_correlation(grid, model, d_min=3.0)
        assert found.cc_mask == pytest.approx(1.0, abs=1e-6)

    def test_atoms_outside(self):
        model = molecule()
        box = map_of_model(model, d_min=3.0, margin=3.0, source="electron")
        half = box.with_array(box.array[:, :, : box.shape[2] // 2])
        found = map_model_correlation(half, model, d_min=3.0)
        scattering, outside = found.notes
        assert scattering.startswith("the model scatters electrons")
        assert "atoms are outside of the map" in outside
        assert found.cc_mask > 0.999
        far = MapBox(box.array, box.crystal, box.sampling, (500, 500, 500))
        with pytest.raises(ParameterError, match="does the map lie elsewhere"):
            map_model_correlation(far, model, d_min=3.0)


class TestCommands:
    @pytest.fixture(scope="class")
    @classmethod
    def files(cls, shared_data, tmp_path_factory):
        folder = tmp_path_factory.mktemp("maps")
        path = shared_data / "models" / "1orc.pdb"
        box = map_of_model(path, d_min=3.0, margin=8.0, source="electron", spacing=1.0)
        for i in (1, 2):
            with_noise(box, 3.0, i).to_ccp4(folder / f"half{i}.mrc")
        return path, folder / "half1.mrc", folder / "half2.mrc", folder

    def test_fsc_of_half_maps(self, capsys, files):
        model, first, second, folder = files
        figure = ["--plot", folder / "fsc.png"]
        code, out, _ = run(
            capsys, "fsc", first, second, "--mask", model, "--json", folder / "fsc.json",
            "-o", folder / "fsc.csv", *figure,
        )  # fmt: skip
        assert code == 0
        assert "FSC 0.143 at" in out or "FSC above 0.143" in out
        numbers = json.loads((folder / "fsc.json").read_text())
        assert set(numbers["shells"][0]) == {"d", "n", "fsc", "unmasked", "masked", "random"}
        assert (folder / "fsc.csv").read_text().startswith("d,n,fsc,unmasked,masked,random\n")
        assert (folder / "fsc.png").stat().st_size > 1000

    def test_fsc_of_map_and_model(self, capsys, files):
        model, first, _, _ = files
        code, out, _ = run(capsys, "fsc", first, model, "--dmin", 3)
        assert code == 0
        mean = float(out.split("mean FSC ")[1])
        assert mean == pytest.approx(np.sqrt(3 / 4), abs=0.02)

    def test_mapcc(self, capsys, files):
        model, first, _, folder = files
        code, out, _ = run(
            capsys, "mapcc", first, model, "--dmin", 3, "--json", folder / "cc.json",
            "--to-csv", folder / "cc.csv", "--plot-residues", folder / "cc.png",
            "--plot-fsc", folder / "cc.pdf",
        )  # fmt: skip
        assert code == 0
        assert "CC_mask 0.9" in out
        numbers = json.loads((folder / "cc.json").read_text())
        assert numbers["chains"][0]["chain"] == "A"
        assert len(numbers["residues"]) == 121
        assert (folder / "cc.csv").read_text().startswith("chain,number,name,n_atoms")
        assert (folder / "cc.png").stat().st_size > 1000

    def test_errors_are_one_line(self, capsys, files):
        model, first, _, folder = files
        for arguments, text in (
            (("mapcc", first, model, "--dmin", 1), "cannot hold a map to 1 A"),
            (("fsc", first, folder / "none.mrc"), "none.mrc"),
            (("fsc", first, model, "--radius", 3), "--mask MODEL"),
            (("fsc", model, model), "CCP4 map"),
        ):
            code, _, err = run(capsys, *arguments)
            assert (code, text in err.splitlines()[-1]) == (2, True), err
