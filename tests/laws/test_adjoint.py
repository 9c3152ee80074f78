"""Forward and adjoint are transposes, and the adjoint is the derivative: in any space group."""

import gemmi
import numpy as np
import pytest

from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.structure_factors.calculator import Calculator

CELLS = {
    "P 1": (9, 10, 11, 80, 95, 102),
    "P -1": (9, 10, 11, 80, 95, 102),
    "C 1 2 1": (12, 9, 11, 90, 107, 90),
    "P 21 21 21": (9, 10, 11, 90, 90, 90),
    "P 31 2 1": (10, 10, 11, 90, 90, 120),
    "P 61 2 2": (11, 11, 13, 90, 90, 120),
    "P 21 3": (11, 11, 11, 90, 90, 90),
    "F d -3 m:1": (14, 14, 14, 90, 90, 90),
    "R 3:H": (13, 13, 12, 90, 90, 120),
    "R 3:R": (9, 9, 9, 80, 80, 80),
}
METHODS = [("direct", np.float64), ("fft", np.float64), ("fft", np.float32)]
KINDS = ("frac", "occ", "b_iso", "u_aniso")


def some_crystal(symbol):
    operations = gemmi.SpaceGroup(symbol).operations()
    return Crystal.from_triplets(CELLS[symbol], [op.triplet() for op in operations])


def some_atoms(aniso):
    """Random atoms, one at a special position, half of them anisotropic if asked for."""
    rng = np.random.default_rng(5)
    n = 8
    u_aniso = None
    if aniso:
        roots = 0.25 * np.eye(3) + 0.05 * rng.normal(size=(n, 3, 3))
        u_aniso = (roots @ roots.transpose(0, 2, 1))[:, [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
        u_aniso[::2] = 0
    frac = rng.random((n, 3))
    frac[0] = 0.0
    b_iso = 5 + 20 * rng.random(n)
    return Atoms.from_labels(["C", "N", "O", "S"] * 2, frac, 0.2 + rng.random(n), b_iso, u_aniso)


def some_weights(n, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n) + 1j * rng.normal(size=n)


def calculator(crystal, atoms, method, dtype, **options):
    # float32 suffices for a moderate error only; the adjoint is transposed to that type's rounding
    rtol = 1e-3 if dtype == np.float32 else 1e-9
    hkl = np.concatenate([[[0, 0, 0]], crystal.unique_reflections(1.8)])
    return Calculator.from_model(
        (crystal, atoms), hkl=hkl, method=method, rtol=rtol, dtype=dtype, **options
    )


@pytest.fixture(params=CELLS, name="crystal")
def crystal_fixture(request):
    return some_crystal(request.param)


@pytest.mark.parametrize(("method", "dtype"), METHODS)
@pytest.mark.parametrize("aniso", [False, True], ids=["iso", "mixed"])
def test_linear_in_occupancy_so_that_both_inner_products_agree(crystal, method, dtype, aniso):
    atoms = some_atoms(aniso)
    planned = calculator(crystal, atoms, method, dtype)
    f, w = planned.forward(), some_weights(len(planned.hkl))
    forward = np.vdot(w, f).real
    backward = planned.adjoint(None, w).occ @ atoms.occ
    # a sum of terms of random sign is known to rounding of their size, not of the sum
    assert abs(forward - backward) < (1e-6 if dtype == np.float32 else 1e-12) * (
        np.linalg.norm(w) * np.linalg.norm(f)
    )


@pytest.mark.parametrize(("method", "dtype"), METHODS[:2])
@pytest.mark.parametrize("aniso", [False, True], ids=["iso", "mixed"])
def test_adjoint_is_the_derivative_in_all_parameters(crystal, method, dtype, aniso):
    atoms = some_atoms(aniso)
    planned = calculator(crystal, atoms, method, dtype)
    w = some_weights(len(planned.hkl))
    gradients = planned.adjoint(None, w)
    for kind in KINDS if aniso else KINDS[:3]:
        by_differences, size = along_a_direction(planned, atoms, w, kind)
        direction = some_direction(atoms, kind)
        found = (getattr(gradients, kind) * direction).sum()
        assert abs(found - by_differences) < 1e-6 * size


def some_direction(atoms, kind):
    values = getattr(atoms, kind)
    scale = {"frac": 0.1, "occ": 1.0, "b_iso": 20.0, "u_aniso": 0.1}[kind]
    direction = scale * np.random.default_rng(9).normal(size=values.shape)
    if kind == "u_aniso":
        direction[~atoms.is_aniso] = 0
    return direction


def along_a_direction(planned, atoms, w, kind, step=1e-3):
    """Central differences of fourth order, and the size that F's change could have given."""
    direction = some_direction(atoms, kind)
    changes = []
    for steps in (1, 2):
        plus, minus = (
            planned.forward(atoms.replace(**{kind: getattr(atoms, kind) + x * direction}))
            for x in (steps * step, -steps * step)
        )
        changes.append((plus - minus) / (2 * steps * step))
    change = (4 * changes[0] - changes[1]) / 3
    return np.vdot(w, change).real, np.linalg.norm(w) * np.linalg.norm(change)


@pytest.mark.parametrize("source", ["xray", "electron", "neutron", "mott-bethe"])
@pytest.mark.parametrize("addends", [None, {"S": 0.3 + 0.6j, "C": -0.1}], ids=["plain", "f', f''"])
@pytest.mark.parametrize("symbol", ["P 21 21 21", "C 1 2 1"])
def test_both_paths_give_the_same_gradients(symbol, source, addends):
    crystal, atoms = some_crystal(symbol), some_atoms(aniso=symbol == "C 1 2 1")
    one, other = (
        calculator(crystal, atoms, m, np.float64, source=source, addends=addends)
        for m in ("direct", "fft")
    )
    w = some_weights(len(one.hkl))
    exact, fast = (c.adjoint(None, w, anomalous=True) for c in (one, other))
    for kind in (*KINDS, "xyz", "f_prime", "f_double_prime"):
        x, y = getattr(exact, kind), getattr(fast, kind)
        # forward errors are 1e-9; derivatives weigh the errors of high orders more
        np.testing.assert_allclose(y, x, rtol=0, atol=1e-6 * np.abs(x).max())
