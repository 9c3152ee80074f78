import numpy as np
import pytest
from scipy.integrate import quad

import friedel
from friedel.structure_factors import refinement_targets as targets

RNG = np.random.default_rng(3)
N = 40
F = 10 * (RNG.normal(size=N) + 1j * RNG.normal(size=N))
DATA = {
    "f_obs": np.abs(F) + RNG.normal(size=N),
    "sigma": 0.5 + RNG.random(N),
    "scale": 0.9 + 0.2 * RNG.random(N),
}
LIKELIHOOD = {
    "alpha": 0.5 + 0.4 * RNG.random(N),
    "beta": 20 + 50 * RNG.random(N),
    "centric": RNG.random(N) < 0.3,
    "epsilon": RNG.integers(1, 4, N),
}
INTENSITIES = {"i_obs": DATA["f_obs"] ** 2 - 20, "sigma": DATA["sigma"], "scale": DATA["scale"]}
CASES = {
    "least squares": (targets.least_squares, DATA),
    "huber": (targets.huber, {**DATA, "f_obs": DATA["f_obs"] + 3 * (np.arange(N) % 5 == 0)}),
    "intensity": (targets.least_squares_intensity, INTENSITIES),
    "likelihood": (targets.maximum_likelihood, {**DATA, **LIKELIHOOD}),
    "strong likelihood": (targets.maximum_likelihood, {**DATA, **LIKELIHOOD, "beta": 1e-3}),
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives_by_finite_differences(name):
    target, data = CASES[name]
    _, w = target(F, **data)
    step = 1e-4
    for i in range(N):
        for direction, expected in ((1.0, w[i].real), (1j, w[i].imag)):
            moved = [F.copy() for _ in range(4)]
            for f, steps in zip(moved, (1, -1, 2, -2), strict=True):
                f[i] += steps * step * direction
            values = [target(f, **data)[0] for f in moved]
            near, far = (values[0] - values[1]) / 2, (values[2] - values[3]) / 4
            found = (4 * near - far) / 3 / step
            assert found == pytest.approx(expected, rel=1e-6, abs=1e-6 * np.abs(w).max())


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_observed_or_not_used_does_not_count(name):
    target, data = CASES[name]
    observed = "i_obs" if name == "intensity" else "f_obs"
    use = np.arange(N) != 7
    value, w = target(F, **data, use=use)
    assert w[7] == 0
    assert np.count_nonzero(w) == N - 1
    missing = data[observed].copy()
    missing[7] = np.nan
    again, w_again = target(F, **{**data, observed: missing})
    assert again == value
    np.testing.assert_array_equal(w, w_again)


@pytest.mark.parametrize("name", CASES)
def test_a_structure_factor_of_zero_has_no_direction(name):
    target, data = CASES[name]
    f = F.copy()
    f[3] = 0.0
    value, w = target(f, **data)
    assert np.isfinite(value)
    assert w[3] == 0


def test_least_squares_is_zero_at_the_data():
    value, w = targets.least_squares(F, np.abs(F))
    assert value == 0
    assert not w.any()


def test_huber_is_least_squares_for_small_deviations():
    small = {**DATA, "f_obs": DATA["scale"] * np.abs(F) + 0.1}
    one, other = targets.huber(F, **small), targets.least_squares(F, **small)
    assert one[0] == pytest.approx(other[0], rel=1e-12)
    np.testing.assert_allclose(one[1], other[1])


@pytest.mark.parametrize("centric", [False, True])
@pytest.mark.parametrize("model", [0.0, 3.0, 100.0])
def test_the_likelihood_is_a_probability_of_the_data(centric, model):
    def density(f_obs):
        value, _ = targets.maximum_likelihood(
            np.array([model + 0j]), np.array([f_obs]), 0.8, 10.0, centric=np.array([centric])
        )
        return np.exp(-value)

    total, _ = quad(density, max(0, 0.8 * model - 40), 0.8 * model + 40, points=[0.8 * model])
    assert total == pytest.approx(1.0, rel=1e-6)


def test_alpha_and_beta_of_a_perfect_and_of_a_random_model():
    alpha, beta = targets.alpha_beta(np.array([0.0, 0.6]), 100.0, 25.0)
    np.testing.assert_allclose(alpha, [0.0, 1.2])
    np.testing.assert_allclose(beta, [100.0, 64.0])
    with pytest.raises(friedel.ParameterError, match="sigma_A"):
        targets.alpha_beta(1.0, 100.0, 25.0)


def test_bad_data():
    with pytest.raises(friedel.ReflectionsError, match="shape"):
        targets.least_squares(F, np.ones(3))
    with pytest.raises(friedel.ReflectionsError, match="one per reflection"):
        targets.least_squares(F, np.ones(N), sigma=np.ones(3))
    with pytest.raises(friedel.ReflectionsError, match="boolean array"):
        targets.least_squares(F, np.ones(N), use=np.arange(N))
    with pytest.raises(friedel.ParameterError, match="sigma"):
        targets.least_squares(F, np.ones(N), sigma=0.0)
    with pytest.raises(friedel.ParameterError, match="threshold"):
        targets.huber(F, np.ones(N), threshold=0.0)
    with pytest.raises(friedel.ParameterError, match="beta"):
        targets.maximum_likelihood(F, np.ones(N), 1.0, 0.0, centric=np.zeros(N, bool))
