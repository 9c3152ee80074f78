"""Posterior moments of French and Wilson: against special functions, limits and simulation."""

import subprocess

import gemmi
import numpy as np
import pytest
from scipy.special import gamma, pbdv

import data_files
import friedel
from friedel.errors import ParameterError, ReflectionsError
from friedel.readers.gemmi_models import crystal_from_gemmi
from friedel.reflections.anisotropy import anisotropic_mean, invariant_tensors
from friedel.reflections.french_wilson import amplitudes_from_intensities, posterior


def by_special_functions(h, nu, k):
    """E[t^k]: the integral of t^(nu-1) exp(-(t-h)^2/2) is a parabolic cylinder function."""
    above, below = pbdv(-(nu + k), -h)[0], pbdv(-nu, -h)[0]
    return gamma(nu + k) / gamma(nu) * above / below


@pytest.mark.parametrize(("centric", "nu", "n"), [(False, 1.0, 1), (True, 0.5, 2)])
def test_moments_are_parabolic_cylinder_functions(centric, nu, n):
    h, mean = np.linspace(-20.0, 20.0, 81), 100.0
    found = posterior(
        h + 1.0 / (n * mean), np.ones(81), np.full(81, mean), np.full(81, bool(centric))
    )
    # The cut at exp(-40) and 48 nodes leave 1e-9
    np.testing.assert_allclose(found.f, by_special_functions(h, nu, 0.5), rtol=3e-9)
    np.testing.assert_allclose(found.j, by_special_functions(h, nu, 1.0), rtol=3e-9)
    np.testing.assert_allclose(found.f**2 + found.sigma_f**2, found.j, rtol=1e-8)


@pytest.mark.parametrize("centric", [False, True])
def test_strong_reflections_keep_their_measurement(centric):
    i = np.array([1e3, 1e6, 1e10])
    found = posterior(i, np.ones(3), i, np.full(3, centric))
    # F = I^(1/2) (1 - 1 / (8 I^2) ...) and the prior moves I by sigma^2 / <J> at most
    np.testing.assert_allclose(found.f, np.sqrt(i), rtol=1e-6)
    np.testing.assert_allclose(found.sigma_f, 0.5 / np.sqrt(i), rtol=1e-5)


@pytest.mark.parametrize(
    ("centric", "ratio"), [(False, np.sqrt(np.pi) / 2), (True, np.sqrt(2 / np.pi))]
)
def test_a_measurement_that_says_nothing_leaves_the_prior(centric, ratio):
    found = posterior(np.array([7.0]), np.array([1e6]), np.array([4.0]), np.array([centric]))
    # <F> / <J>^(1/2) of Wilson's distributions; what is left is of the order <J> / sigma
    assert found.f[0] == pytest.approx(2.0 * ratio, rel=1e-5)
    assert found.j[0] == pytest.approx(4.0, rel=1e-5)


@pytest.mark.parametrize("centric", [False, True])
def test_no_amplitude_is_negative_or_zero(centric):
    i = np.array([-1e3, -5.0, -1.0, 0.0])
    found = posterior(i, np.ones(4), np.full(4, 2.0), np.full(4, centric))
    assert (found.f > 0).all()
    assert (np.diff(found.f) > 0).all()
    assert all(np.isfinite(column).all() for column in found)


@pytest.mark.parametrize("centric", [False, True])
def test_intensities_are_unbiased_over_the_prior(centric):
    """Averaged over what Wilson's distribution gives and errors add, the mean is the truth's."""
    rng = np.random.default_rng(5)
    n, mean = 200_000, 3.0
    shape = 0.5 if centric else 1.0
    true = rng.gamma(shape, mean / shape, n)
    sigma = rng.uniform(0.5, 3.0, n)
    found = posterior(
        true + sigma * rng.normal(size=n), sigma, np.full(n, mean), np.full(n, centric)
    )
    spread = np.hypot(found.sigma_j, found.sigma_f).std() / np.sqrt(n) + true.std() / np.sqrt(n)
    assert abs(found.j.mean() - true.mean()) < 4 * spread
    assert abs(found.f.mean() - np.sqrt(true).mean()) < 4 * spread
    # The stated uncertainties are those of the errors made
    assert np.mean((found.j - true) ** 2) == pytest.approx(np.mean(found.sigma_j**2), rel=0.03)


def test_no_reflections():
    assert all(len(column) == 0 for column in posterior(*np.zeros((3, 0)), np.zeros(0, bool)))


IN_CCTBX = """
import sys
import numpy as np
from cctbx.french_wilson import fw_acentric, fw_centric
stored = np.load(sys.argv[1])
rows = zip(stored["i"], stored["sigma"], stored["mean"], stored["centric"])
found = [
    (fw_centric if c else fw_acentric)(float(i), float(s), float(m), -4.0) for i, s, m, c in rows
]
np.save(sys.argv[2], np.array(found)[:, 2:])
"""


def test_beside_cctbx(tmp_path, cctbx_python):
    """The same <J> for both, in shells of it as resolution makes them.

    cctbx interpolates its tables, and takes F for J^(1/2) above three sigma, which is more than
    <J^(1/2)> by a quarter of sigma(F) / I there.
    """
    rng = np.random.default_rng(7)
    n = 5000
    mean, sigma, centric = rng.uniform(1, 30, n), rng.uniform(0.5, 5.0, n), rng.random(n) < 0.2
    i = rng.gamma(np.where(centric, 0.5, 1.0), mean) + sigma * rng.normal(size=n)
    np.savez(tmp_path / "in.npz", i=i, sigma=sigma, mean=mean, centric=centric)
    arguments = [str(tmp_path / name) for name in ("in.npz", "out.npy")]
    subprocess.run([cctbx_python, "-c", IN_CCTBX, *arguments], check=True)
    f, sigma_f = np.load(tmp_path / "out.npy").T
    kept = f >= 0
    found = posterior(i, sigma, mean, centric)
    for some in np.array_split(np.argsort(mean), 10):
        some = some[kept[some]]
        assert np.median(np.abs(found.f - f)[some] / found.sigma_f[some]) < 0.05
        assert np.median(found.sigma_f[some] / sigma_f[some]) == pytest.approx(1.0, abs=0.1)


CRYSTALS = {
    "P 1": (30, 32, 35, 80, 95, 105),
    "P 1 21 1": (40, 50, 60, 90, 105, 90),
    "P 21 21 21": (40, 50, 60, 90, 90, 90),
    "P 43 21 2": (60, 60, 110, 90, 90, 90),
    "P 21 3": (60, 60, 60, 90, 90, 90),
}


def simulated(name, anisotropy, noise, seed=0):
    """Intensities of Wilson's distribution with B anisotropic, and sigmas that grow with I.

    `anisotropy` is the coefficient of a tensor of trace 0, Å^2.
    """
    crystal = crystal_from_gemmi(gemmi.UnitCell(*CRYSTALS[name]), gemmi.SpaceGroup(name))
    rng = np.random.default_rng(seed)
    hkl = crystal.unique_reflections(2.0)
    b = anisotropy * invariant_tensors(crystal).sum(axis=0)
    s = hkl @ crystal.fractionalization
    exponent = 25.0 * crystal.stol2(hkl) + 0.25 * np.einsum("ni,ij,nj->n", s, b, s)
    mean = 1000.0 * np.exp(-2.0 * exponent)
    mean *= crystal.epsilon(hkl)
    shape = np.where(crystal.is_centric(hkl), 0.5, 1.0)
    true = mean * rng.gamma(shape, 1.0 / shape)
    sigmas = noise * np.sqrt(1.0 + true / 50.0)
    return crystal, hkl, true + sigmas * rng.normal(size=len(hkl)), sigmas, true, mean, b


@pytest.mark.parametrize("noise", [10.0, 30.0, 60.0])
def test_anisotropic_mean_of_anisotropic_intensities(noise):
    """F in weak directions is nearly as good as with the true mean.

    With 30, rms errors of the 26 % of reflections whose mean is below sigma are 2.9 from an
    isotropic mean, 1.8 from an anisotropic one, and 1.8 from the true one.
    """
    crystal, hkl, i, sigmas, true, mean, b = simulated("P 21 21 21", 45.0, noise)
    fitted, found_b = anisotropic_mean(crystal, hkl, i, sigmas)
    # 1 Å^2 changes the mean at 2 Å by exp(2 / 16)
    np.testing.assert_allclose(found_b, b, atol=1.5)
    weak = mean < sigmas
    ratio = np.log(fitted * crystal.epsilon(hkl) / mean)
    assert np.std(ratio[weak]) < 0.2
    f = np.sqrt(true)
    best = posterior(i, sigmas, mean, crystal.is_centric(hkl)).f
    errors = [
        np.sqrt(np.mean((found - f)[weak] ** 2))
        for found in (
            best,
            friedel.french_wilson(crystal, hkl, i, sigmas, anisotropic=True).values,
            friedel.french_wilson(crystal, hkl, i, sigmas).values,
        )
    ]
    assert errors[1] < 1.02 * errors[0]
    assert errors[2] > 1.3 * errors[0]


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("noise", [10.0, 60.0])
def test_anisotropic_mean_of_isotropic_intensities(name, noise):
    """Nothing changes beyond noise: by less than a twentieth of sigma, with the same errors."""
    crystal, hkl, i, sigmas, true, *_ = simulated(name, 0.0, noise)
    one, other = (
        friedel.french_wilson(crystal, hkl, i, sigmas, anisotropic=x) for x in (False, True)
    )
    assert np.sqrt(np.mean(((one.values - other.values) / one.sigmas) ** 2)) < 0.05
    rms = [np.sqrt(np.mean((found.values - np.sqrt(true)) ** 2)) for found in (one, other)]
    assert rms[1] == pytest.approx(rms[0], rel=0.005)
    if name == "P 21 3":
        np.testing.assert_array_equal(one.values, other.values)


def test_the_note_gives_the_anisotropy():
    crystal, hkl, i, sigmas, *_, b = simulated("P 21 21 21", 45.0, 10.0)
    found = friedel.french_wilson(crystal, hkl, i, sigmas, anisotropic=True)
    (note,) = [note for note in found.notes if "anisotropic" in note]
    assert note.kind == "fit"
    assert note.number == pytest.approx(np.ptp(np.linalg.eigvalsh(b)), abs=2.0)
    np.testing.assert_array_equal(found.hkl, hkl)


@pytest.mark.parametrize("n", [1, 5, 100])
def test_few_reflections_have_an_isotropic_mean(n):
    crystal, hkl, i, sigmas, *_ = (
        x[:n] if isinstance(x, np.ndarray) else x for x in simulated("P 21 21 21", 45.0, 10.0)
    )
    one, other = (
        amplitudes_from_intensities(crystal, hkl, i, sigmas, anisotropic=x)[0]
        for x in (False, True)
    )
    np.testing.assert_array_equal(one, other)


def test_nothing_but_noise():
    """Negative and zero intensities end in finite amplitudes."""
    crystal, hkl, _, sigmas, *_ = simulated("P 21 21 21", 0.0, 10.0)
    noise = sigmas * np.random.default_rng(1).normal(size=len(hkl))
    for i, s in ((noise, sigmas), (0 * noise, sigmas), (np.abs(noise), 0 * sigmas)):
        found = friedel.french_wilson(crystal, hkl, i, s, anisotropic=True)
        assert np.isfinite(found.values).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"hkl": [[1, 2, 3]]},
        {"intensity": [1.0, np.nan]},
        {"sigmas": [1.0, -1.0]},
        {"hkl": [], "intensity": [], "sigmas": []},
    ],
)
def test_refused(wrong):
    crystal = friedel.Crystal((20, 30, 40, 90, 90, 90))
    right = {"hkl": [[0, 0, 1], [1, 0, 2]], "intensity": [-1.0, 50.0], "sigmas": [2.0, 2.0]}
    with pytest.raises(ReflectionsError):
        friedel.french_wilson(crystal, **(right | wrong))


def test_files_with_an_anisotropic_mean(tmp_path):
    """as_reflections and FModel pass the request on; amplitudes have no mean to choose."""
    crystal, hkl, i, sigmas, *_ = simulated("P 21 21 21", 45.0, 10.0)
    data = data_files.Data(crystal, hkl, i, sigmas)
    data_files.mtz(tmp_path / "i.mtz", data)
    data_files.mtz(tmp_path / "f.mtz", data._replace(value=np.abs(i)), "FP", "F")
    expected = friedel.french_wilson(crystal, hkl, i, sigmas, anisotropic=True)
    found = friedel.as_reflections(tmp_path / "i.mtz", anisotropic_mean=True)
    order = np.lexsort(expected.hkl.T[::-1])
    np.testing.assert_array_equal(found.hkl, expected.hkl[order])
    np.testing.assert_allclose(found.values, expected.values[order], rtol=1e-4)
    for source in (tmp_path / "f.mtz", found):
        with pytest.raises(ParameterError, match="for intensities"):
            friedel.as_reflections(source, anisotropic_mean=True)
    atoms = friedel.Atoms.from_labels(["C", "O"], [[0.1, 0.2, 0.3], [0.3, 0.4, 0.5]], b_iso=20.0)
    fmodel = friedel.FModel(
        (crystal, atoms), str(tmp_path / "i.mtz"), solvent="none", anisotropic_mean=True
    )
    np.testing.assert_array_equal(fmodel.f_obs.values, found.values)


@pytest.mark.parametrize("centric", [False, True])
def test_intensities_far_above_their_sigmas(centric):
    """Their densities have no width in double precision: the limits are those of normal ones."""
    intensity = np.array([0.99e10, 1.01e10, 1e20, 1e300, 3e300])
    sigma = np.array([1.0, 1.0, 1e-5, 1e-10, 1e200])
    found = posterior(intensity, sigma, np.full(5, 1e3), np.full(5, centric))
    np.testing.assert_allclose(found.j[:4], intensity[:4], rtol=1e-9)
    np.testing.assert_allclose(found.f[:4], np.sqrt(intensity[:4]), rtol=1e-9)
    np.testing.assert_allclose(found.sigma_j[:4], sigma[:4], rtol=1e-5)
    np.testing.assert_allclose(found.sigma_f[:4], 0.5 * sigma[:4] / found.f[:4], rtol=1e-5)
    assert all(np.isfinite(column).all() for column in found)
    weak = posterior(np.array([-1e250]), np.array([1e-100]), np.ones(1), np.array([centric]))
    assert all(np.isfinite(column).all() for column in weak)
