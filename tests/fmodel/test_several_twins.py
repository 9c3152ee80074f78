"""Twins of more than two domains: fractions, limits, and what is said of them."""

import json
from dataclasses import replace

import gemmi
import numpy as np
import pytest

from friedel.errors import ParameterError
from friedel.fmodel.fmodel import FModel
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.readers.twin_laws import find_twin_laws
from friedel.reflections.reflections import Reflections
from friedel.scaling import ScaleParameters, fit
from friedel.scaling.fitting import problem_of
from friedel.scaling.parameters import fractions_of_parts, parts_of_fractions

LAWS = ("-h,-k,l", "h+k,-k,-l", "-h-k,k,-l")
SCALES = ScaleParameters(3.0, (2.0,) * 3 + (0.0,) * 3, 0.4, 40.0)


@pytest.fixture(scope="module")
def crystal():
    operations = gemmi.SpaceGroup("P 3").operations()
    cell = (30.0, 30.0, 35.0, 90, 90, 120)
    return Crystal.from_triplets(cell, [op.triplet() for op in operations], "P 3")


@pytest.fixture(scope="module")
def atoms(crystal):
    rng = np.random.default_rng(3)
    positions = [8.0, 7.0, 6.0] + 4.0 * rng.normal(size=(40, 3)) / np.sqrt(3)
    frac = positions @ np.linalg.inv(crystal.orthogonalization).T
    return Atoms.from_labels(["C", "O"] * 20, frac, b_iso=rng.uniform(8, 20, 40))


@pytest.fixture(scope="module")
def domains(crystal, atoms):
    """|F|^2 (4, n) of the first domain and of those by LAWS; gemmi turns the indices."""
    hkl = crystal.unique_reflections(2.0)
    found = []
    for law in ("h,k,l", *LAWS):
        mates = np.array([gemmi.Op(law).apply_to_hkl(h) for h in hkl.tolist()])
        blank = Reflections(crystal, mates, np.ones(len(hkl)))
        model = FModel((crystal, atoms), blank, solvent="flat", method="direct")
        f = SCALES.f_total(crystal, hkl, model.f_calc.values, model.f_mask.values)
        found.append(np.abs(f) ** 2)
    return np.array(found)


def data_of(crystal, domains, fractions, noise=0.0):
    rng = np.random.default_rng(1)
    all_fractions = np.array([1.0 - sum(fractions), *fractions])
    intensity = all_fractions @ domains[: len(all_fractions)]
    values = np.sqrt(intensity) * np.exp(noise * rng.normal(size=domains.shape[1]))
    hkl = crystal.unique_reflections(2.0)
    return Reflections(crystal, hkl, values, free=rng.random(len(hkl)) < 0.1)


@pytest.mark.parametrize("target", ["l1", "ls"])
@pytest.mark.parametrize(
    "fractions", [(0.2, 0.3), (0.3, 0.2), (0.2, 0.15, 0.3), (0.25, 0.25, 0.25), (0.5, 0.45)]
)
def test_fractions_come_back(crystal, atoms, domains, fractions, target):
    data = data_of(crystal, domains, fractions)
    laws = LAWS[: len(fractions)]
    found = FModel((crystal, atoms), data, solvent="flat", target=target, twin=laws).fit()
    assert found.twin_laws == tuple(found.twins) == laws
    np.testing.assert_allclose(found.scales.twin_fractions, fractions, atol=1e-3)
    assert found.scales.k_overall == pytest.approx(3.0, rel=1e-3)
    assert found.scales.k_sol == pytest.approx(0.4, rel=2e-3)
    assert found.r_work < 1e-3


def test_a_domain_that_is_absent_gets_nothing(crystal, atoms, domains):
    data = data_of(crystal, domains, (0.3,), noise=0.05)
    found = FModel((crystal, atoms), data, solvent="flat", twin=LAWS).fit()
    np.testing.assert_allclose(found.scales.twin_fractions, [0.3, 0.0, 0.0], atol=0.03)
    assert min(found.scales.twin_fractions) >= 0.0


def test_where_the_first_domain_is_absent_the_others_have_all(crystal, atoms, domains):
    data = data_of(crystal, domains, (0.6, 0.4))
    found = FModel((crystal, atoms), data, solvent="flat", target="ls", twin=LAWS[:2]).fit()
    np.testing.assert_allclose(found.scales.twin_fractions, [0.6, 0.4], atol=1e-3)
    assert found.scales.twin_fraction <= 1.0 + 1e-9


def test_no_step_of_a_fit_leaves_the_possible_fractions(crystal, atoms, domains, monkeypatch):
    data = data_of(crystal, domains, (0.55, 0.44), noise=0.2)
    seen = []

    def watched(parts):
        seen.append(fractions_of_parts(parts)[0])
        return fractions_of_parts(parts)

    monkeypatch.setattr("friedel.scaling.problem.fractions_of_parts", watched)
    FModel((crystal, atoms), data, solvent="flat", twin=LAWS).fit()
    tried = np.array([fractions for fractions in seen if len(fractions) == 3])
    assert len(tried) > 10
    assert tried.min() >= 0.0
    assert tried.sum(axis=1).max() <= 1.0 + 1e-12


def test_a_single_law_in_a_list_is_that_law(crystal, atoms, domains):
    data = data_of(crystal, domains, (0.3,), noise=0.05)
    one, listed = (FModel((crystal, atoms), data, twin=t).fit() for t in (LAWS[0], [LAWS[0]]))
    # arrays at other addresses are summed in another order
    assert one.scales.twin_fractions == pytest.approx(listed.scales.twin_fractions, rel=1e-9)
    assert one.scales.k_overall == pytest.approx(listed.scales.k_overall, rel=1e-9)
    assert one.twin_law == listed.twin_law == LAWS[0]


class TestParts:
    @pytest.mark.parametrize("k", [0, 1, 2, 3, 5])
    def test_fractions_are_possible_and_come_back(self, k):
        rng = np.random.default_rng(k)
        for _ in range(20):
            parts = rng.uniform(size=k)
            fractions, _ = fractions_of_parts(parts)
            assert (fractions >= 0).all()
            assert fractions.sum() <= 1.0
            np.testing.assert_allclose(parts_of_fractions(fractions), parts, rtol=1e-9)

    def test_one_part_is_the_fraction_to_the_last_bit(self):
        for part in np.random.default_rng(2).uniform(size=50):
            assert fractions_of_parts(np.array([part]))[0][0] == part
            assert parts_of_fractions((part,))[0] == part

    def test_derivatives(self):
        parts, step = np.array([0.3, 0.6, 1.0, 0.2]), 1e-6
        _, slopes = fractions_of_parts(parts)
        for one, slope in zip(step * np.eye(4), slopes, strict=True):
            up, down = (fractions_of_parts(parts + sign * one)[0] for sign in (1, -1))
            np.testing.assert_allclose((up - down) / (2 * step), slope, atol=1e-9)


def test_derivatives_of_the_fit(crystal, atoms, domains):
    """The normal equations are those of finite differences, with three domains more."""
    model = FModel((crystal, atoms), data_of(crystal, domains, (0.2, 0.3)), twin=LAWS)
    found = model.fit()
    components, observed = model._setup.components, model._setup.observed
    data = components.scaling_data(observed.f_obs.values, observed.work)
    mates = [domain.arrays for domain in found._outcome.twins]
    c, m, y = (
        np.array([part[observed.work] for part in parts]) for parts in zip(*mates, strict=True)
    )
    data = replace(data, twin=(c, m, y))
    start = replace(SCALES, k_layer=0.3, twin_fractions=(0.2, 0.1, 0.3))
    problem = problem_of(data, start, ())
    x = problem.start_vector[problem.free]
    at, weights = problem.evaluate(x), np.linspace(0.5, 2.0, len(data))
    numeric = []
    for step in 1e-6 * np.diag(np.maximum(np.abs(x), 1.0)):
        up, down = (problem.evaluate(x + sign * step).residuals for sign in (1, -1))
        numeric.append((up - down) / (2 * step.sum()))
    numeric = np.array(numeric)
    normal, gradient = problem.normal_equations(at, weights)
    unit = np.linalg.norm(numeric * np.sqrt(weights), axis=1)
    expected = (numeric * weights) @ numeric.T
    np.testing.assert_allclose(
        normal / np.outer(unit, unit), expected / np.outer(unit, unit), atol=1e-6
    )
    size = unit * np.linalg.norm(at.residuals * np.sqrt(weights))
    np.testing.assert_allclose(
        gradient / size, numeric @ (weights * at.residuals) / size, atol=1e-6
    )
    assert problem.parameters(x).twin_fractions == pytest.approx((0.2, 0.1, 0.3), abs=1e-12)


def test_every_law_is_named_with_its_fraction(crystal, atoms, domains, tmp_path):
    data = data_of(crystal, domains, (0.2, 0.3), noise=0.03)
    found = FModel((crystal, atoms), data, twin=LAWS[:2]).fit()
    fractions = [f"{x:.4f}" for x in found.scales.twin_fractions]
    history = [f"fraction of the twin law {LAWS[i]}: {fractions[i]}" for i in (0, 1)]
    for i, text in enumerate(history):
        assert text in found.notes
        assert f"{LAWS[i]}, fraction {fractions[i]}" in found.summary()
    numbers = json.loads(json.dumps(found.to_dict()))
    assert [one["law"] for one in numbers["twins"]] == list(LAWS[:2])
    assert [f"{one['fraction']:.4f}" for one in numbers["twins"]] == fractions
    assert numbers["twin_law"] == "-h,-k,l; h+k,-k,-l"
    assert numbers["scales"]["twin_fraction"] == pytest.approx(0.5, abs=0.03)
    found.to_mtz(tmp_path / "out.mtz")
    found.to_cif(tmp_path / "out.cif")
    written = " ".join(gemmi.read_mtz_file(str(tmp_path / "out.mtz")).history)
    document = gemmi.cif.read(str(tmp_path / "out.cif"))
    audit = document.sole_block().find_value("_audit.creation_method")
    for text in history:
        assert text in written
        assert text in " ".join(audit.split())


@pytest.mark.parametrize(
    ("laws", "text"),
    [
        (["-h,-k,l", "auto"], "among several"),
        (["-h,-k,l", "-h,-k,l"], "relate the same domains"),
        (["-h,-k,l", "h,k,-l"], "relate the same domains"),  # by the inversion of intensities
        (["-h,-k,l", "h+k,-h,l"], "relate the same domains"),  # by the three-fold axis
        (["-h,-k,l", "nonsense"], "got twin law"),
    ],
)
def test_impossible_sets(crystal, atoms, laws, text):
    blank = Reflections(crystal, [[1, 0, 0]], [1.0])
    with pytest.raises(ParameterError, match=text):
        FModel((crystal, atoms), blank, twin=laws)


def test_all_laws_of_the_lattice_relate_different_domains(crystal):
    laws = list(find_twin_laws(crystal).values())
    assert len(laws) == 3
    for one in laws:
        assert [one.relates_same_domains(other, crystal) for other in laws].count(True) == 1


@pytest.mark.parametrize("fractions", [(-0.1,), (0.6, 0.5), (1.2,), (float("nan"),)])
def test_impossible_fractions(fractions):
    with pytest.raises(ParameterError, match="twin fractions"):
        ScaleParameters(twin_fractions=fractions)


def test_more_fractions_than_domains(crystal, atoms, domains):
    data = data_of(crystal, domains, (0.2,))
    model = FModel((crystal, atoms), data, twin=LAWS[0])
    start = replace(model.quick_start(), twin_fractions=(0.1, 0.2))
    with pytest.raises(ParameterError, match="got 2 twin fractions, expected 1"):
        model.fit(start, fixed=["twin_fractions"])


def test_data_of_two_domains_as_arrays(crystal, atoms, domains):
    """The engine takes F_calc of mates as an array (k, n), or (n,) for a single domain."""
    model = FModel((crystal, atoms), data_of(crystal, domains, (0.2, 0.3)), twin=LAWS[:2])
    found = model.fit()
    observed = model._setup.observed
    data = model._setup.components.scaling_data(observed.f_obs.values, observed.work)
    mates = [domain.arrays[0][observed.work] for domain in found._outcome.twins]
    masks = [domain.arrays[1][observed.work] for domain in found._outcome.twins]
    both = replace(data, twin=(np.array(mates), np.array(masks), None))
    assert both.n_twins == 2
    assert fit(both).parameters.twin_fractions == pytest.approx((0.2, 0.3), abs=1e-3)
    single = replace(data, twin=(mates[0], masks[0], None))
    assert single.n_twins == 1
    assert single.twin_difference.shape == (1, 6, len(data))
