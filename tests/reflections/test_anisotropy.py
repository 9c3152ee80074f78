"""Known anisotropy comes back, with the symmetry of the point group and an honest uncertainty."""

import numpy as np
import pytest

from friedel.model.tensors import VOIGT
from friedel.reflections.anisotropy import Anisotropy, anisotropy, invariant_tensors
from wilson_intensities import make_crystal, wilson

CELLS = {
    "P 1": ((40, 45, 50, 80, 95, 100), 5),
    "P 1 21 1": ((40, 45, 50, 90, 105, 90), 3),
    "C 1 2 1": ((80, 45, 50, 90, 125, 90), 3),
    "P 21 21 21": ((40, 45, 70, 90, 90, 90), 2),
    "P 41": ((50, 50, 70, 90, 90, 90), 1),
    "R 3:H": ((90, 90, 60, 90, 90, 120), 1),
    "R 3:R": ((60, 60, 60, 85, 85, 85), 1),
    "P 61 2 2": ((70, 70, 90, 90, 90, 120), 1),
}
B = np.array([[6.0, 2.0, -3.0], [2.0, -1.0, 4.0], [-3.0, 4.0, -5.0]])


def allowed(crystal):
    """The part of B that the point group leaves invariant, by its average over the group."""
    rotations, _ = crystal.primitive_operations
    turned = crystal.orthogonalization @ rotations @ crystal.fractionalization
    mean = np.mean([r @ B @ r.T for r in turned], axis=0)
    return mean - np.trace(mean) / 3.0 * np.eye(3)


def simulated(crystal, b, seed=0, noise=0.0, d_min=2.5):
    hkl = crystal.unique_reflections(d_min)
    s = hkl @ crystal.fractionalization
    mean = 100.0 * np.exp(-30.0 * crystal.stol2(hkl) - 0.5 * np.einsum("ni,ij,nj->n", s, b, s))
    mean = mean * (1.0 + 0.5 * np.sin(60.0 * crystal.stol2(hkl)))  # not a straight line
    sigmas = np.full(len(hkl), noise * 100.0)
    rng = np.random.default_rng(seed + 1000)
    return hkl, wilson(crystal, hkl, mean, seed) + sigmas * rng.normal(size=len(hkl)), sigmas


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("name", CELLS)
def test_known_tensor_comes_back(name, noise):
    """With noise of 0.3, errors are about as large as the means of the last shells."""
    cell, n = CELLS[name]
    crystal = make_crystal(name, cell)
    assert len(invariant_tensors(crystal)) == n
    b = allowed(crystal)
    found = anisotropy(crystal, *simulated(crystal, b, noise=noise))
    assert isinstance(found, Anisotropy)
    values = np.linalg.eigvalsh(b)
    assert found.difference == pytest.approx(np.ptp(values), abs=4.0 * found.difference_sigma)
    np.testing.assert_allclose(np.array(found.b_cart)[VOIGT], b, atol=4.0 * found.difference_sigma)
    assert sum(found.b_cart[:3]) == pytest.approx(0.0, abs=1e-9)
    assert found.difference_sigma < (1.5 if noise == 0.0 else 2.5)


def test_uncertainty_is_that_of_repeated_simulations():
    crystal = make_crystal("P 21 21 21", CELLS["P 21 21 21"][0])
    b = allowed(crystal)
    found = [
        anisotropy(crystal, *simulated(crystal, b, seed, noise=0.1, d_min=3.0))
        for seed in range(40)
    ]
    deviations = [(x.difference - np.ptp(np.linalg.eigvalsh(b))) / x.difference_sigma
                  for x in found]  # fmt: skip
    assert 0.7 < np.std(deviations) < 1.3
    assert abs(np.mean(deviations)) < 0.5


def test_directions_are_named():
    crystal = make_crystal("P 21 21 21", CELLS["P 21 21 21"][0])
    hkl, intensity, sigmas = simulated(crystal, np.diag([-8.0, 1.0, 7.0]))
    found = anisotropy(crystal, hkl, intensity, sigmas)
    assert found.directions == ("a*", "b*", "c*")
    ratio = np.exp(0.5 * found.difference / crystal.d_spacing(hkl).min() ** 2)
    assert found.intensity_ratio == pytest.approx(ratio)
    crystal = make_crystal("R 3:H", CELLS["R 3:H"][0])
    found = anisotropy(crystal, *simulated(crystal, np.diag([-4.0, -4.0, 8.0])))
    assert found.directions == ("directions normal to c*", "directions normal to c*", "c*")
    crystal = make_crystal("P 1 21 1", CELLS["P 1 21 1"][0])
    oblique = np.array([[0.0, 0.0, 9.0], [0.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
    found = anisotropy(crystal, *simulated(crystal, oblique))
    assert found.directions[1] == "b*"
    assert "a*" in found.directions[0]
    assert "c*" in found.directions[0]


def test_what_cannot_be_determined_is_said():
    crystal = make_crystal("P 21 3", (60, 60, 60, 90, 90, 90))
    assert "cubic" in anisotropy(crystal, *simulated(crystal, np.zeros((3, 3))))
    crystal = make_crystal("P 1", (10, 11, 12, 90, 90, 90))
    hkl, intensity, sigmas = simulated(crystal, np.zeros((3, 3)))
    some = slice(0, 150)
    assert "too few" in anisotropy(crystal, hkl[some], intensity[some], sigmas[some])
    hkl, intensity, _ = simulated(crystal, np.zeros((3, 3)), d_min=2.0)
    assert "not positive" in anisotropy(crystal, hkl, -intensity, None)
