import numpy as np
import pytest

import friedel
from friedel.density import atoms_on_grid as placement, density, fourier, radii as reach
from friedel.density.atoms_on_grid import AtomsOnGrid
from friedel.density.grid import Patch
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.scattering.formfactors import scattering_factors
from friedel.structure_factors.calculator import Calculator

ORTHOGONAL = Crystal((12, 13, 14, 90, 90, 90))
OBLIQUE = Crystal((12, 13, 14, 75, 100, 115))
NARROW = Crystal((3, 4, 5, 90, 95, 90))
SHAPE = (18, 20, 24)
SCREW = Crystal.from_triplets((9, 10, 11, 90, 90, 90), ["-x+1/2,-y,z+1/2", "-x,y+1/2,-z+1/2"])


def some_atoms(n=6, aniso=0.0):
    """Random atoms; the larger `aniso`, the more elongated."""
    rng = np.random.default_rng(7)
    u_aniso = None
    if aniso:
        roots = 0.4 * np.eye(3) + aniso * rng.normal(size=(n, 3, 3))
        u_aniso = (roots @ roots.transpose(0, 2, 1))[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    labels = rng.choice(["C", "O", "S"], n)
    b_iso = 15 + 9 * rng.random(n)
    return Atoms.from_labels(labels, rng.random((n, 3)), rng.random(n), b_iso, u_aniso)


def some_weights(n):
    rng = np.random.default_rng(1)
    return rng.normal(size=n) + 1j * rng.normal(size=n)


def gathered(crystal, atoms, values, dtype=np.float64, threads=1, shape=SHAPE, **options):
    factors = scattering_factors(atoms.scatterers)
    on_grid = AtomsOnGrid(crystal, atoms, factors.a, factors.b, shape, blur=3.0, **options)
    padded = np.full((*shape[:2], on_grid.row_length), np.nan, dtype)
    padded[:, :, : shape[2]] = values
    return on_grid.gather(Patch(padded, (0, 0), shape), atoms.frac, threads=threads)


def product_with_map(crystal, atoms, values, shape=SHAPE, **options):
    factors = scattering_factors(atoms.scatterers)
    density_ = density.sample(
        crystal, atoms, factors.a, factors.b, shape, dtype=np.float64, blur=3.0, **options
    )
    return (density_ * values).sum()


CASES = [
    (ORTHOGONAL, 0.0, SHAPE),
    (OBLIQUE, 0.0, SHAPE),
    (ORTHOGONAL, 0.1, SHAPE),
    (OBLIQUE, 0.5, SHAPE),
    (NARROW, 0.0, (8, 8, 10)),
]
CASE_NAMES = ["orthogonal", "oblique", "aniso", "needles", "atoms larger than the cell"]


@pytest.mark.parametrize(("crystal", "aniso", "shape"), CASES, ids=CASE_NAMES)
@pytest.mark.parametrize("cutoff", [1e-2, 1e-5])
def test_gathering_is_the_derivative_of_sampling(crystal, aniso, shape, cutoff, monkeypatch):
    """The truncated Gaussians are the same, however coarsely they are truncated."""
    atoms = some_atoms(aniso=aniso)
    values = np.random.default_rng(2).normal(size=shape)
    planned = reach.RadiusTable.for_atoms
    groups = reach.GaussianGroups.from_sums(
        *(getattr(scattering_factors(atoms.scatterers), x) for x in "ab")
    )
    fixed = planned(atoms, groups, 3.0, cutoff)
    # Radii that do not follow B, as the adjoint takes them
    radius = np.broadcast_to(fixed.radius[:, :, :1], fixed.radius.shape).copy()
    held = reach.RadiusTable(radius, fixed.b_first, fixed.b_step)
    monkeypatch.setattr(reach.RadiusTable, "for_atoms", lambda *_: held)

    found = gathered(crystal, atoms, values, shape=shape, cutoff=cutoff)
    total = product_with_map(crystal, atoms, values, shape, cutoff=cutoff)
    assert found[:, 0] @ atoms.occ == pytest.approx(total, rel=1e-12, abs=1e-12)
    columns = {"frac": slice(1, 4), "b_iso": slice(4, 7), "u_aniso": slice(4, 10)}
    for kind in ("frac", "u_aniso" if aniso else "b_iso"):
        by_column = found[:, columns[kind]]
        if kind == "b_iso":
            by_column = by_column.sum(axis=1)
        elif kind == "u_aniso":
            by_column = by_column * 8 * np.pi**2
        for index in np.ndindex(getattr(atoms, kind).shape):
            # so small a step that no point enters or leaves an atom on it
            step = {"frac": 1e-7, "b_iso": 1e-3, "u_aniso": 1e-7}[kind]
            both = []
            for sign in (1, -1):
                moved = getattr(atoms, kind).copy()
                moved[index] += sign * step
                both.append(
                    product_with_map(
                        crystal, atoms.replace(**{kind: moved}), values, shape, cutoff=cutoff
                    )
                )
            by_differences = (both[0] - both[1]) / (2 * step)
            assert by_column[index] == pytest.approx(
                by_differences, rel=1e-6, abs=1e-6 * np.abs(by_column).max()
            )


@pytest.mark.parametrize("aniso", [0.0, 0.1], ids=["iso", "aniso"])
def test_the_fast_and_the_exact_way_agree(aniso, monkeypatch):
    atoms = some_atoms(20, aniso)
    values = np.random.default_rng(2).normal(size=SHAPE)
    fast = gathered(OBLIQUE, atoms, values, cutoff=1e-14)
    # Without unused points behind the rows no group can use the fast path
    monkeypatch.setattr(placement, "row_length", lambda nw, _: nw)
    exact = gathered(OBLIQUE, atoms, values, cutoff=1e-14)
    scale = np.abs(exact).max(axis=0)
    np.testing.assert_allclose(fast / scale, exact / scale, rtol=0, atol=1e-9)


@pytest.mark.parametrize("crystal", [ORTHOGONAL, OBLIQUE], ids=["orthogonal", "oblique"])
def test_float32_and_float64_agree(crystal):
    atoms = some_atoms(20)
    values = np.random.default_rng(2).normal(size=SHAPE).astype(np.float32)
    single, double = (gathered(crystal, atoms, values, t) for t in (np.float32, np.float64))
    scale = np.abs(double).max(axis=0)
    scale[scale == 0] = 1.0
    np.testing.assert_allclose(single / scale, double / scale, rtol=0, atol=1e-5)


@pytest.mark.parametrize("threads", [2, 3, 50])
@pytest.mark.parametrize("crystal", [ORTHOGONAL, OBLIQUE], ids=["orthogonal", "oblique"])
def test_the_same_bits_for_any_number_of_threads(crystal, threads):
    atoms = some_atoms(20)
    values = np.random.default_rng(2).normal(size=SHAPE).astype(np.float32)
    one, many = (gathered(crystal, atoms, values, np.float32, threads=n) for n in (1, threads))
    np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize("shape", [(8, 9, 10), (7, 8, 9), (6, 6, 6)])
@pytest.mark.parametrize(("origin", "size"), [((0, 0), None), ((2, 4), (3, 2)), ((5, 5), (4, 5))])
def test_transform_and_its_adjoint(shape, origin, size):
    """Transposes in real arithmetic; also where reflections reach the end of the grid."""
    rng = np.random.default_rng(4)
    crystal = Crystal.from_triplets((9, 9, 11, 90, 90, 120), ["-y,x-y,z+2/3"])
    hkl = np.array(list(np.ndindex(7, 7, 7))) - 3
    hkl = hkl[(np.abs(hkl @ crystal.rotations) * 2 <= shape).all(axis=(0, 2))]
    values, w = rng.normal(size=(*(size or shape[:2]), shape[2])), some_weights(len(hkl))
    terms = fourier.SymmetrySum(crystal, hkl, shape)
    f = terms.structure_factors(Patch(values, origin, shape), blur=2.0)
    back = Patch(np.full_like(values, np.nan), origin, shape)
    terms.density_gradient(w, back, blur=2.0)
    backward = (back.values * values).sum()
    assert backward == pytest.approx(np.vdot(w, f).real, rel=1e-12)


@pytest.mark.parametrize("angles", [(90, 90, 90), (75, 100, 115)], ids=["orthogonal", "oblique"])
def test_no_more_of_a_map_is_needed_than_the_atoms_reach(angles):
    crystal, shape = Crystal((60, 50, 14, *angles)), (96, 80, 24)
    atoms = some_atoms(20)
    atoms = atoms.replace(frac=atoms.frac * [0.1, 0.2, 1.0] - [0.05, 0.3, 0.0])
    factors = scattering_factors(atoms.scatterers)
    on_grid = AtomsOnGrid(crystal, atoms, factors.a, factors.b, shape, blur=3.0)
    patch = on_grid.patch(atoms.frac, np.float64)
    part, origin = patch.rows, patch.origin
    assert part.shape[0] < 0.6 * shape[0]
    assert part.shape[1] < 0.7 * shape[1]
    values = np.random.default_rng(2).normal(size=shape)
    rows = [
        (first + np.arange(n)) % m for first, n, m in zip(origin, part.shape, shape, strict=False)
    ]
    part[:, :, : shape[2]] = values[np.ix_(*rows)]
    found = on_grid.gather(patch, atoms.frac)
    whole = gathered(crystal, atoms, values, shape=shape)
    scale = np.abs(whole).max(axis=0)
    scale[scale == 0] = 1.0
    # rounding of the positions, which the first point is subtracted from
    np.testing.assert_allclose(found / scale, whole / scale, rtol=0, atol=1e-11)


@pytest.mark.parametrize("method", ["direct", "fft"])
def test_cartesian_and_fractional_derivatives(method):
    crystal, atoms = OBLIQUE, some_atoms()
    calculator = Calculator.from_model((crystal, atoms), d_min=2.0, method=method)
    gradients = calculator.adjoint(None, some_weights(len(calculator.hkl)))
    shift = np.array([0.1, 0.2, 0.3])
    by_frac = gradients.frac @ (crystal.fractionalization @ shift)
    np.testing.assert_allclose(gradients.xyz @ shift, by_frac)


@pytest.mark.parametrize("method", ["direct", "fft"])
def test_absent_reflections_pull_at_nothing(method):
    hkl = np.array([[1, 0, 0], [0, 3, 0], [0, 0, 5]])
    calculator = Calculator.from_model(
        (SCREW, some_atoms()), hkl=np.concatenate([hkl, [[4, 4, 4]]]), method=method
    )
    gradients = calculator.adjoint(None, np.array([1, 2, 3, 0j]))
    for name in ("frac", "occ", "b_iso"):
        assert not getattr(gradients, name).any()


@pytest.mark.parametrize("method", ["direct", "fft"])
def test_atoms_of_no_weight_have_a_derivative_by_occupancy(method):
    atoms = some_atoms()
    occ = atoms.occ.copy()
    occ[2] = 0.0
    calculator = Calculator.from_model((SCREW, atoms.replace(occ=occ)), d_min=2.0, method=method)
    gradients = calculator.adjoint(None, some_weights(len(calculator.hkl)))
    assert gradients.occ[2] != 0.0
    assert not gradients.frac[2].any()


def test_isotropic_and_anisotropic_derivatives_exclude_one_another():
    atoms = some_atoms(4, 0.1)
    u_aniso = atoms.u_aniso.copy()
    u_aniso[1] = 0.0
    calculator = Calculator.from_model((OBLIQUE, atoms.replace(u_aniso=u_aniso)), d_min=2.0)
    gradients = calculator.adjoint(None, some_weights(len(calculator.hkl)))
    assert (gradients.b_iso != 0).tolist() == [False, True, False, False]
    assert gradients.u_aniso.any(axis=1).tolist() == [True, False, True, True]


def test_anomalous_derivatives_where_they_are_free_or_asked_for():
    atoms = some_atoms()

    def gradients(anomalous=False, rtol=1e-4, **options):
        calculator = Calculator.from_model(
            (SCREW, atoms), d_min=2.0, method="fft", rtol=rtol, **options
        )
        return calculator.adjoint(None, some_weights(len(calculator.hkl)), anomalous=anomalous)

    # the table's constant term gives it for nothing; a refit by fewer Gaussians has none
    tabulated = gradients(rtol=1e-9)
    assert tabulated.f_prime is not None
    assert tabulated.f_double_prime is None
    assert gradients().f_prime is None
    some, every = (dict.fromkeys(kinds, 0.1j) for kinds in ("S", atoms.scatterers))
    assert gradients(addends=some).f_double_prime is None
    assert gradients(addends=every).f_double_prime is not None
    assert gradients(source="electron").f_prime is None
    both = gradients(True, source="electron")
    assert both.f_prime is not None
    assert both.f_double_prime is not None


def test_f_prime_and_f_double_prime_are_derivatives_by_them():
    atoms = Atoms.from_labels(["Fe", "C", "C"], [[0.1, 0.2, 0.3], [0.4, 0.1, 0.9], [0, 0, 0]])
    options = {"d_min": 1.5, "method": "fft", "rtol": 1e-8, "dtype": np.float64}
    f, step = [], 0.5  # F is linear in both
    for change in (step, -step, step * 1j, -step * 1j):
        c = Calculator.from_model((SCREW, atoms), addends={"Fe": 1 + 2j + change}, **options)
        f.append(c.forward())
    c = Calculator.from_model((SCREW, atoms), addends={"Fe": 1 + 2j}, **options)
    w = some_weights(len(c.hkl))
    gradients = c.adjoint(None, w, anomalous=True)
    by_f1, by_f2 = ((np.vdot(w, f[i] - f[i + 1]).real) / (2 * step) for i in (0, 2))
    assert gradients.f_prime[0] == pytest.approx(by_f1, rel=1e-6)
    assert gradients.f_double_prime[0] == pytest.approx(by_f2, rel=1e-6)


def test_derivatives_by_f_prime_are_as_exact_as_f():
    """On a grid planned for form factors that fall off, errors would be 20 times larger."""
    atoms, rtol = some_atoms(200).replace(occ=np.ones(200)), 1e-3
    fft, exact = (
        Calculator.from_model((SCREW, atoms), d_min=1.5, method=method, rtol=rtol)
        for method in ("fft", "direct")
    )
    w = some_weights(len(exact.hkl))
    found, expected = (c.adjoint(None, w, anomalous=True) for c in (fft, exact))
    for name in ("f_prime", "f_double_prime"):
        difference = getattr(found, name) - getattr(expected, name)
        assert np.linalg.norm(difference) < rtol * np.linalg.norm(getattr(expected, name))


@pytest.mark.parametrize("method", ["direct", "fft"])
def test_atoms_without_occupancy_and_no_atoms(method):
    atoms = some_atoms(20)
    calculator = Calculator.from_model((SCREW, atoms), d_min=2.0, method=method, rtol=1e-6)
    w = some_weights(len(calculator.hkl))
    exact = Calculator.from_model((SCREW, atoms), d_min=2.0, method="direct").adjoint(None, w)
    invisible = atoms.replace(occ=np.zeros(20))
    # the empty grid has a density of 1e-30, against denormal numbers
    np.testing.assert_allclose(calculator.forward(invisible), 0.0, atol=1e-20)
    found = calculator.adjoint(invisible, w, anomalous=True)
    assert np.linalg.norm(found.occ - exact.occ) < 1e-5 * np.linalg.norm(exact.occ)
    np.testing.assert_array_equal(found.f_prime, 0.0)
    none = atoms.select(np.zeros(20, bool))
    np.testing.assert_array_equal(calculator.forward(none), 0.0)
    assert calculator.adjoint(none, w).frac.shape == (0, 3)


@pytest.mark.parametrize("bad", [np.ones(3), np.ones((2, 2)), [np.nan]])
def test_bad_weights(bad):
    calculator = Calculator.from_model((SCREW, some_atoms()), hkl=[[1, 2, 3]])
    with pytest.raises(friedel.ReflectionsError, match="dT/dF has"):
        calculator.adjoint(None, bad)
