"""The transpose of direct summation: by every way, of all parameters, in any crystal."""

import numpy as np
import pytest
from test_direct import (
    CRYSTALS,
    P21N,
    P6122,
    P212121,
    always,
    crystal_of,
    form_factors,
    settings_by_system,
    some_atoms,
)

from friedel.direct import DirectSum, atom_blocks, row_sums
from friedel.kernels.direct import rows as kernels
from friedel.model.crystal import Crystal
from friedel.runtime import threads

SYSTEMS = sorted(settings_by_system())


def some_weights(n, seed=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n) + 1j * rng.normal(size=n)


def all_derivatives(way, crystal, atoms, hkl, f, monkeypatch):
    """(n, 12) by x, y, z; occupancy; B or the six numbers of the B tensor; f' and f''."""
    always(way, monkeypatch)
    planned, w = DirectSum(crystal, hkl), some_weights(len(hkl))
    found = planned.derivatives(atoms, w, f)
    b_tensor = found.b_tensor.copy()
    isotropic = ~atoms.is_aniso
    b_tensor[isotropic, 0] = found.b_tensor[isotropic, :3].sum(axis=1)
    b_tensor[isotropic, 1:] = 0.0
    constants = planned.derivatives_by_constants(atoms, w)
    return np.column_stack([found.frac, found.occ, b_tensor, constants])


def check(crystal, atoms, hkl, monkeypatch):
    """All methods agree to rounding, 1e-12 of the largest derivative of each kind."""
    f = (
        form_factors(crystal, atoms, hkl)
        + 1j * np.linspace(0.0, 0.5, len(atoms.scatterers))[:, None]
    )
    one, *others = (
        all_derivatives(way, crystal, atoms, hkl, f, monkeypatch)
        for way in ("definition", "tables", "rows")
    )
    size = np.abs(one).max(axis=0)
    size[4:10] = size[4:10].max()
    for other in others:
        assert (np.abs(one - other) <= 1e-12 * size).all()
    return others[-1]


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("aniso", [0.0, 0.5, 1.0])
def test_all_ways_agree(name, aniso, monkeypatch):
    crystal = CRYSTALS[name]
    check(crystal, some_atoms(20, aniso=aniso), crystal.unique_reflections(1.5), monkeypatch)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_space_group(system, monkeypatch):
    """Each group is tested in one setting, with atoms at general and special positions."""
    groups = {group.number: group for group in settings_by_system()[system]}
    for number, group in groups.items():
        crystal, atoms = crystal_of(group, number), some_atoms(5, seed=number)
        atoms = atoms.replace(frac=np.vstack([atoms.frac[:-1], [[0.25, 0.25, 0.25]]]))
        hkl = np.random.default_rng(number).integers(-4, 5, (20, 3))
        check(crystal, atoms, hkl, monkeypatch)


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("way", ["definition", "tables", "rows"])
def test_transposed(name, way, monkeypatch):
    """F is linear in occupancies: <A occ, w> = <occ, A* w> to rounding."""
    always(way, monkeypatch)
    crystal, atoms = CRYSTALS[name], some_atoms(40)
    hkl = crystal.unique_reflections(1.2)
    f = form_factors(crystal, atoms, hkl) + 0.3j
    planned, w = DirectSum(crystal, hkl), some_weights(len(hkl))
    values = planned.structure_factors(atoms, f)
    backward = planned.derivatives(atoms, w, f).occ @ atoms.occ
    size = np.linalg.norm(w) * np.linalg.norm(values)
    assert abs(np.vdot(w, values).real - backward) < 1e-12 * size


@pytest.mark.parametrize("way", ["definition", "tables", "rows"])
def test_constants_are_derivatives_by_form_factors(way, monkeypatch):
    """F is linear in them too, so that one difference is exact but for rounding."""
    always(way, monkeypatch)
    atoms, hkl = some_atoms(20), P6122.unique_reflections(2.0)
    planned, w = DirectSum(P6122, hkl), some_weights(len(hkl))
    found = planned.derivatives_by_constants(atoms, w)
    for kind in range(len(atoms.scatterers)):
        for column, unit in enumerate((1.0, 1.0j)):
            f = np.zeros((len(atoms.scatterers), len(hkl)), complex)
            f[kind] = unit
            by_kind = found[atoms.kind == kind, column].sum()
            expected = np.vdot(w, planned.structure_factors(atoms, f)).real
            assert by_kind == pytest.approx(expected, abs=1e-10)


def test_same_bits_for_any_number_of_threads(monkeypatch):
    always("rows", monkeypatch)
    monkeypatch.setattr(threads, "SECONDS_OF_THREADS", 0.0)
    atoms, hkl = some_atoms(100), P21N.unique_reflections(1.2)
    f, w = form_factors(P21N, atoms, hkl), some_weights(len(hkl))
    one, *others = (DirectSum(P21N, hkl, threads) for threads in (1, 2, 7))
    expected = one.derivatives(atoms, w, f)
    for many in others:
        for x, y in zip(many.derivatives(atoms, w, f), expected, strict=True):
            assert x.tobytes() == y.tobytes()


def test_blocks_batches_and_chunks_of_kinds(monkeypatch):
    atoms, hkl = some_atoms(kernels.BLOCK + 50), P212121.unique_reflections(2.0)
    expected = check(P212121, atoms, hkl, monkeypatch)
    monkeypatch.setattr(atom_blocks, "BLOCKS_AT_A_TIME", 1)
    monkeypatch.setattr(row_sums, "LARGEST_SUMS", 1)
    found = check(P212121, atoms, hkl, monkeypatch)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-9)


def test_atoms_that_would_leave_the_range_of_doubles(monkeypatch):
    crystal = Crystal((4, 5, 90, 75, 104, 110))
    atoms = some_atoms(20, aniso=0.0).replace(b_iso=np.geomspace(1, 9000, 20))
    assert np.isfinite(check(crystal, atoms, crystal.unique_reflections(1.5), monkeypatch)).all()


def test_tensors_that_are_not_positive(monkeypatch):
    u_aniso = np.tile([0.05, 0.02, -0.02, 0.03, -0.01, 0.02], (6, 1))
    atoms = some_atoms(6).replace(u_aniso=u_aniso)
    check(P21N, atoms, P21N.unique_reflections(1.2), monkeypatch)
