import numpy as np
import pytest

import friedel
from einstein_crystal import CELL, EinsteinCrystal
from friedel import ensemble
from friedel.ensemble.supercell import Profile
from friedel.structure_factors.calculator import Calculator

KEYWORDS = {"d_min": 2.2, "supercell": (2, 1, 1)}


@pytest.fixture(scope="module", name="einstein")
def einstein_fixture():
    return EinsteinCrystal.made(n=150, frames=256)


@pytest.fixture(scope="module", name="result")
def result_fixture(einstein):
    return ensemble.run(einstein.pair, einstein.xyz, **KEYWORDS)


def chi2(found, expected, sigma):
    return float((np.abs(found - expected) ** 2 / sigma**2).mean())


def test_an_einstein_crystal_has_its_mean_and_diffuse_scattering_within_the_errors(
    einstein, result
):
    mean, diffuse = einstein.expected(result.hkl)
    # <F> depends on the mean shift of each atom: the fewer of these and of F count
    free = min(2 * len(result.hkl), 3 * len(einstein.atoms))
    assert abs(chi2(result.mean, mean, result.sigma_mean) - 1) < 3 * np.sqrt(2 / free)
    unbiased = result.diffuse * result.n_frames / (result.n_frames - 1)
    many = 3 * np.sqrt(2 / len(result.hkl))
    assert abs(chi2(unbiased, diffuse, result.sigma_diffuse) - 1) < many
    assert abs(((unbiased - diffuse) / result.sigma_diffuse).mean()) < 0.2
    assert result.correlation < 1.5


def test_moments_are_those_of_a_simple_sum(einstein, result):
    calculator = Calculator.from_model(einstein.pair, hkl=result.hkl)
    members = ensemble.Ensemble.from_xyz(calculator, einstein.xyz)
    simple = ensemble.moments(calculator, members)
    np.testing.assert_allclose(
        result.mean, simple.mean, rtol=0, atol=1e-11 * abs(simple.mean).max()
    )
    np.testing.assert_allclose(result.diffuse, simple.diffuse, rtol=1e-9)
    np.testing.assert_allclose(result.mean_intensity, simple.mean_intensity, rtol=1e-9)


def test_parts_add_up(einstein, result):
    parted = ensemble.run(einstein.pair, einstein.xyz, parts="element C; element N", **KEYWORDS)
    assert parted.parts == ("element C", "element N", "rest")
    np.testing.assert_allclose(parted.mean, result.mean, atol=1e-10)
    np.testing.assert_allclose(parted.diffuse, result.diffuse, rtol=1e-9)
    pairs = [("element C", "element N"), ("element C", "rest"), ("element N", "rest")]
    total = sum(parted.part(name)[1] for name in parted.parts)
    total = total + sum(parted.cross_term(*pair) for pair in pairs)
    np.testing.assert_allclose(total, parted.diffuse, rtol=1e-9)
    carbon = np.array(einstein.atoms.symbols)[einstein.atoms.kind] == "C"
    alone = (einstein.box, einstein.atoms.select(carbon))
    of_carbon = ensemble.run(alone, einstein.xyz[:, carbon], **KEYWORDS)
    np.testing.assert_allclose(parted.part("element C")[1], of_carbon.diffuse, rtol=1e-9)


def test_selections_and_frames(einstein, result):
    chosen = ensemble.run(
        einstein.pair, einstein.xyz, select="not element O", frames="4:100:3", **KEYWORDS
    )
    carbon = np.array(einstein.atoms.symbols)[einstein.atoms.kind] != "O"
    alone = (einstein.box, einstein.atoms.select(carbon))
    same = ensemble.run(alone, einstein.xyz[4:100:3][:, carbon], **KEYWORDS)
    assert chosen.n_frames == 32
    np.testing.assert_allclose(chosen.diffuse, same.diffuse, rtol=1e-9)


def test_wrapped_frames_give_the_same(einstein, result):
    frac = einstein.xyz @ einstein.box.fractionalization.T
    wrapped = (frac - np.floor(frac)) @ einstein.box.orthogonalization.T
    found = ensemble.run(einstein.pair, wrapped, **KEYWORDS)
    np.testing.assert_allclose(found.mean, result.mean, atol=1e-8)
    np.testing.assert_allclose(found.diffuse, result.diffuse, rtol=1e-7)


def test_drift_is_removed_from_wrapped_frames(einstein, result):
    rng = np.random.default_rng(3)
    drift = np.cumsum(rng.normal(0, 2, (len(einstein.xyz), 1, 3)), axis=0)  # beyond the box
    frac = (einstein.xyz + drift) @ einstein.box.fractionalization.T
    wrapped = (frac - np.floor(frac)) @ einstein.box.orthogonalization.T
    found = ensemble.run(einstein.pair, wrapped, align="translation:all", **KEYWORDS)
    still = ensemble.run(einstein.pair, einstein.xyz, align="translation:all", **KEYWORDS)
    # the first frame is the reference, whose drift remains
    shift = drift[0, 0] @ einstein.box.fractionalization.T
    phases = np.exp(2j * np.pi * found.hkl @ shift)
    np.testing.assert_allclose(found.mean, still.mean * phases, atol=1e-7)
    np.testing.assert_allclose(found.diffuse, still.diffuse, rtol=1e-6)


def test_bragg_is_that_of_the_crystal_cell(einstein, result):
    bragg = result.bragg
    assert bragg.crystal.cell[:3] == tuple(CELL)
    np.testing.assert_array_equal(result.is_bragg, result.hkl[:, 0] % 2 == 0)
    half = einstein.atoms.select(np.arange(len(einstein.atoms) // 2))
    cell = (bragg.crystal, half.replace(frac=half.frac * [2, 1, 1]))
    expected = friedel.fcalc(cell, hkl=bragg.hkl, method="direct").values
    decay = np.exp(-8 * np.pi**2 * einstein.u**2 * bragg.stol2)
    difference = np.linalg.norm(bragg.values - expected * decay)
    assert difference < 0.1 * np.linalg.norm(expected * decay)
    np.testing.assert_allclose(result.fractions[result.is_bragg], bragg.hkl)


def test_rigid_translations_move_everything_together():
    """With the whole box shifted by a normal variate, abs(F) is constant."""
    still = EinsteinCrystal.made(cells=(1, 1, 1), frames=1, u=0.0)
    rng = np.random.default_rng(0)
    xyz = still.xyz + rng.normal(0, 0.25, (400, 1, 3))
    result = ensemble.run(still.pair, xyz, d_min=2.5)
    f0, _ = still.expected(result.hkl)
    np.testing.assert_allclose(result.mean_intensity, np.abs(f0) ** 2, rtol=1e-6, atol=1e-6)
    decay = np.exp(-2 * 8 * np.pi**2 * 0.25**2 * still.box.stol2(result.hkl))
    expected = np.abs(f0) ** 2 * (1 - decay)
    assert abs(result.diffuse.sum() / expected.sum() - 1) < 0.1


def test_errors_of_correlated_frames_grow():
    still = EinsteinCrystal.made(cells=(1, 1, 1), n=60, frames=1, u=0.0)
    rng = np.random.default_rng(0)
    shifts, now = [], rng.normal(size=still.xyz.shape[1:])
    for _ in range(1024):  # correlation time of ten frames
        now = 0.9 * now + np.sqrt(1 - 0.81) * rng.normal(size=now.shape)
        shifts.append(0.25 * now)
    crystal = EinsteinCrystal(still.box, still.atoms, still.xyz[0] + np.array(shifts), 0.25)
    result = ensemble.run(crystal.pair, crystal.xyz, d_min=2.5)
    mean, diffuse = crystal.expected(result.hkl)
    assert 0.5 < chi2(result.mean, mean, result.sigma_mean) < 1.6
    assert 0.5 < chi2(result.diffuse, diffuse, result.sigma_diffuse) < 1.6
    assert 8 < result.correlation < 40  # (1 + 0.9) / (1 - 0.9) = 19 for linear response


@pytest.mark.parametrize("u", [0.02, 0.3])
def test_rtol_is_met_between_bragg_peaks(u):
    crystal = EinsteinCrystal.made(cells=(2, 1, 1), n=300, frames=2, u=u)
    plan = ensemble.prepare(crystal.pair, crystal.xyz, d_min=2.0, supercell=(2, 1, 1), method="fft")
    calculator = plan.parts[0].calculator
    assert calculator.plan.shape[0] % 2 == 0
    frac = plan.reader.frac(1)
    found = calculator.forward(calculator.atoms.replace(frac=frac))
    exact = friedel.fcalc(
        (crystal.box, crystal.atoms.replace(frac=frac)), hkl=plan.hkl, method="direct"
    ).values
    groups = plan.groups
    for group in range(10, 20):  # between the peaks
        chosen = groups == group
        error = np.linalg.norm((found - exact)[chosen]) / np.linalg.norm(exact[chosen])
        assert error < 1.3e-4  # 1e-4 on the sample by which the grid was chosen


def test_a_perfect_crystal_has_nothing_between_bragg_peaks():
    crystal = EinsteinCrystal.made(cells=(2, 1, 1), n=300, frames=4, u=0.0)
    result = ensemble.run(crystal.pair, crystal.xyz, d_min=2.0, supercell=(2, 1, 1), method="fft")
    at, between = result.is_bragg, ~result.is_bragg
    rms = [np.sqrt((np.abs(result.mean[x]) ** 2).mean()) for x in (at, between)]
    assert rms[1] < 1e-6 * rms[0]


def test_a_perfect_first_frame_does_not_ask_for_a_finer_grid():
    crystal = EinsteinCrystal.made(cells=(2, 1, 1), n=300, frames=16)
    perfect = EinsteinCrystal.made(cells=(2, 1, 1), n=300, frames=1, u=0.0)
    started = np.concatenate([perfect.xyz, crystal.xyz[1:]])
    keywords = {"d_min": 2.0, "supercell": (2, 1, 1), "method": "fft"}
    plans = [ensemble.prepare(crystal.pair, x, **keywords) for x in (crystal.xyz, started)]
    shapes = [plan.parts[0].calculator.plan.shape for plan in plans]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("cells", [(3, 1, 1), (1, 7, 2)])
def test_the_grid_is_divisible_by_the_supercell(cells):
    crystal = EinsteinCrystal.made(cells=cells, n=40, frames=1)
    plan = ensemble.prepare(crystal.pair, crystal.xyz, d_min=2.5, supercell=cells, method="fft")
    shape = np.array(plan.parts[0].calculator.plan.shape)
    assert (shape % cells == 0).all()


def test_laue_averages(einstein, result):
    averaged = ensemble.run(
        einstein.pair, einstein.xyz, symmetry="P 2 2 2", **KEYWORDS
    ).laue_averaged()
    index = {tuple(h): i for i, h in enumerate(result.hkl.tolist())}
    for i in range(0, len(result.hkl), 97):
        h = np.array(result.hkl[i])
        signs = [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
        mates = [tuple((h * s).tolist()) for s in signs]
        mates = [m if m in index else tuple(-x for x in m) for m in mates]
        expected = np.mean([result.diffuse[index[m]] for m in mates])
        assert abs(averaged.diffuse[i] - expected) < 1e-9 * expected
    general = (result.hkl != 0).all(axis=1)
    ratio = averaged.sigma_diffuse[general] / result.sigma_diffuse[general]
    assert abs(np.median(ratio) - 0.5) < 0.05


def test_isotropic_part_is_removed(result):
    rest = result.anisotropic()
    assert abs(rest.mean()) < 0.05 * result.diffuse.mean()
    profile = result.profile()
    assert profile.number.sum() == len(result.hkl)
    assert (np.diff(profile.d) < 0).all()
    straight = Profile(profile.d, 3 + 2 * (0.25 / profile.d**2), profile.number)
    stol2 = result.lattice.box.stol2(result.hkl)
    np.testing.assert_allclose(straight.at(stol2), 3 + 2 * stol2)  # beyond the shells too


def test_symmetry_of_the_topology_moves_in_lockstep_unless_p1(einstein):
    box = friedel.Crystal.from_triplets(einstein.box.cell, ["-x,-y,z"], name="P 1 1 2")
    pair = (box, einstein.atoms)
    found = ensemble.run(pair, einstein.xyz[:4], d_min=4)
    assert any("lockstep" in note for note in found.notes)
    in_p1 = ensemble.run(pair, einstein.xyz[:4], d_min=4, supercell=(2, 1, 1), p1=True)
    assert in_p1.lattice.box.n_operations == 1
    with pytest.raises(friedel.ParameterError, match="p1=True"):
        ensemble.run(pair, einstein.xyz[:4], d_min=4, supercell=(2, 1, 1))


def test_f_double_prime(einstein):
    found = ensemble.run(einstein.pair, einstein.xyz[:4], d_min=4, wavelength=1.5)
    exact = [
        friedel.fcalc(
            (einstein.box, einstein.atoms.replace(frac=x @ einstein.box.fractionalization.T)),
            hkl=found.hkl,
            wavelength=1.5,
        ).values
        for x in einstein.xyz[:4]
    ]
    np.testing.assert_allclose(found.mean, np.mean(exact, axis=0), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"frames": "a:b"}, "FIRST:LAST:STEP"),
        ({"frames": "900:"}, "no frames"),
        ({"select": "resname XYZ"}, "no atom"),
        ({"select": "element C or"}, "ends too early"),
        ({"parts": ["element C", "all"]}, "overlaps"),
        ({"align": "rigid:all"}, "translation:SELECTION"),
        ({"supercell": (2, 0, 1)}, "three integers"),
        ({"b": "files"}, "'file'"),
        ({"box": "free"}, "fixed, mean"),
        ({"chunk": 1}, "chunk"),
        ({"executor": 0}, "executor"),
    ],
)
def test_what_cannot_be_used_is_an_error(einstein, given, match):
    with pytest.raises(friedel.ParameterError, match=match):
        ensemble.run(einstein.pair, einstein.xyz[:4], **{"d_min": 4, **given})


def test_an_unknown_keyword_is_a_type_error(einstein):
    with pytest.raises(TypeError, match="unexpected keyword argument 'd_mim'"):
        ensemble.run(einstein.pair, einstein.xyz[:4], d_min=4, d_mim=3)
