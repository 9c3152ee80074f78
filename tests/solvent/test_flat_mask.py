"""The bulk-solvent mask: against gemmi, against its own definition, and its laws."""

import json
from functools import cache
from itertools import product
from pathlib import Path

import gemmi
import numpy as np
import pytest

from friedel.density.fourier import structure_factors
from friedel.density.grid import grid_shape
from friedel.errors import FriedelWarning, ParameterError, ResolutionError
from friedel.kernels.grid.mask import find_runs, grow_runs, in_large_islands, unpack
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.solvent.flat_mask import (
    MaskParameters,
    divided_operations,
    mask_spacing,
    solvent_fraction,
    solvent_mask,
)

GEMMI_SETS = {"vdw": "VanDerWaals", "cctbx": "Cctbx", "refmac": "Refmac"}
MACROMOLECULES = [
    "4oz7.pdb",
    "5e5z.pdb",
    "1pfe.cif.gz",
    "5i55.cif",
    "1orc.pdb",
    "1dur.pdb",
    "pka_start.pdb",
    "rnase.pdb",
    "lyso_c2.pdb",
    "5a3h.pdb",
]
LARGE = "5cvz_final.pdb"  # 57 million grid points
OBLIQUE = ["5e5z.pdb", "1pfe.cif.gz", "lyso_c2.pdb"]

# 5e5z has no solvent with some radii, which is said each time
no_solvent_is_fine = pytest.mark.filterwarnings("ignore:the cell has no solvent")


@cache
def read_model(path: Path) -> tuple[Crystal, Atoms]:
    pytest.importorskip("gemmi")
    from friedel.readers.models import as_model

    model = as_model(path, strict_ncs=False)  # gemmi's mask leaves strict NCS copies out
    return model.crystal, model.atoms


def gold(shared_data: Path, name: str) -> tuple[dict, np.lib.npyio.NpzFile]:
    path = shared_data / "gold" / name
    return json.loads(Path(f"{path}.json").read_text()), np.load(f"{path}.npz")


# --- against gemmi ---------------------------------------------------------------------------


@no_solvent_is_fine
@pytest.mark.parametrize("radii", GEMMI_SETS)
@pytest.mark.parametrize("name", MACROMOLECULES)
def test_fraction_and_structure_factors_are_those_of_gemmi(shared_data, name, radii):
    crystal, atoms = read_model(shared_data / "models" / name)
    facts, arrays = gold(shared_data, name)
    expected = facts["mask_gemmi"][GEMMI_SETS[radii]]
    mask = solvent_mask(crystal, atoms, expected["grid"], MaskParameters.for_radii(radii))
    assert solvent_fraction(mask) == pytest.approx(expected["solvent_fraction"], abs=1e-5)
    f_mask = structure_factors(mask, crystal, arrays["hkl"], symmetry_sum=False)
    f_gemmi = arrays[f"Fmask_{GEMMI_SETS[radii]}"]
    rms = np.sqrt(np.mean(np.abs(f_gemmi) ** 2))
    assert np.abs(f_mask - f_gemmi).max() <= 1e-4 * rms + 1e-3


def test_fraction_of_a_large_cubic_cell_is_that_of_gemmi(shared_data):
    crystal, atoms = read_model(shared_data / "models" / LARGE)
    facts, _ = gold(shared_data, LARGE)
    for radii, name in GEMMI_SETS.items():
        expected = facts["mask_gemmi"][name]
        mask = solvent_mask(crystal, atoms, expected["grid"], MaskParameters.for_radii(radii))
        assert solvent_fraction(mask) == pytest.approx(expected["solvent_fraction"], abs=1e-6)


def gemmi_mask(path: Path, shape: tuple[int, int, int], parameters: MaskParameters) -> np.ndarray:
    gemmi = pytest.importorskip("gemmi")
    structure = gemmi.read_structure(str(path))
    grid = gemmi.FloatGrid(*shape)
    grid.set_unit_cell(structure.cell)
    grid.spacegroup = structure.find_spacegroup()
    if isinstance(parameters.radii, str):
        masker = gemmi.SolventMasker(getattr(gemmi.AtomicRadiiSet, GEMMI_SETS[parameters.radii]))
    else:
        masker = gemmi.SolventMasker(gemmi.AtomicRadiiSet.Constant, parameters.radii)
    masker.rprobe = parameters.r_probe
    masker.rshrink = parameters.r_shrink
    masker.island_min_volume = parameters.island_min_volume
    masker.ignore_hydrogen = parameters.ignore_hydrogen
    masker.ignore_zero_occupancy_atoms = parameters.ignore_zero_occupancy
    masker.put_mask_on_float_grid(grid, structure[0])
    return np.array(grid)


@no_solvent_is_fine
@pytest.mark.parametrize(
    "parameters",
    [
        *(MaskParameters.for_radii(name) for name in GEMMI_SETS),
        MaskParameters.for_radii("vdw", r_probe=0.4, r_shrink=0.3, island_min_volume=20.0),
        MaskParameters.for_radii("constant", constant_r=2.2, r_shrink=1.0),
        MaskParameters("cctbx", 1.1, 0.9, ignore_hydrogen=False, ignore_zero_occupancy=False),
    ],
)
@pytest.mark.parametrize("name", [*OBLIQUE, "4oz7.pdb"])
def test_every_point_is_that_of_gemmi(shared_data, name, parameters):
    path = shared_data / "models" / name
    crystal, atoms = read_model(path)
    shape = grid_shape(crystal, 0.6)
    mask = solvent_mask(crystal, atoms, shape, parameters)
    np.testing.assert_array_equal(mask, gemmi_mask(path, shape, parameters))


# --- against the definition ------------------------------------------------------------------

CRYSTALS = {
    "triclinic": Crystal((9.0, 8.0, 10.0, 75.0, 108.0, 98.0)),
    "monoclinic": Crystal.from_triplets((8.0, 6.0, 11.0, 90, 121.0, 90), ["-x,y+1/2,-z"]),
    "hexagonal": Crystal.from_triplets((9.1, 9.1, 7.0, 90, 90, 120), ["-y,x-y,z+1/3"]),
    "cubic": Crystal.from_triplets((9.3, 9.3, 9.3, 90, 90, 90), ["z,x,y", "-x+1/2,-y,z+1/2"]),
}


def random_atoms(n: int, seed: int, labels: str = "CNOS") -> Atoms:
    rng = np.random.default_rng(seed)
    return Atoms.from_labels(rng.choice(list(labels), n).tolist(), rng.random((n, 3)))


def brute_force_mask(crystal, atoms, shape, parameters):
    """The mask by its definition, point by point."""
    protein = np.zeros(shape, bool)
    points = np.stack(np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij"), axis=-1)
    radius = parameters.radius(atoms)
    for rotation, shift in zip(crystal.rotations, crystal.translations / 24.0, strict=True):
        for x, r in zip(atoms.frac @ rotation.T + shift, radius, strict=True):
            for cell in product(range(-2, 4), repeat=3):
                d = (points - (x % 1.0) - np.array(cell) + 1) @ crystal.orthogonalization.T
                protein |= (d**2).sum(axis=-1) <= r * r
    solvent = without_islands(
        ~protein, parameters.island_min_volume * protein.size / crystal.volume
    )
    mask = solvent.copy()
    reach = np.ceil(parameters.r_shrink * crystal.reciprocal_lengths * shape).astype(int)
    for offset in product(*(range(-n, n + 1) for n in reach)):
        d = crystal.orthogonalization @ (np.array(offset) / shape)
        if d @ d <= parameters.r_shrink**2:
            mask |= np.roll(solvent, offset, axis=(0, 1, 2))
    return mask.astype(np.float32)


def without_islands(solvent, limit):
    """Remove connected regions (26 neighbours, periodic) of at most `limit` points."""
    result = solvent.copy()
    todo = {tuple(int(i) for i in point) for point in np.argwhere(solvent)}
    steps = list(product((-1, 0, 1), repeat=3))
    while todo:
        island = [todo.pop()]
        for point in island:
            for step in steps:
                mate = tuple(
                    (i + d) % n for i, d, n in zip(point, step, solvent.shape, strict=True)
                )
                if mate in todo:
                    todo.remove(mate)
                    island.append(mate)
        if limit and len(island) <= int(limit):
            for point in island:
                result[point] = False
    return result


@pytest.mark.parametrize("island_min_volume", [0.0, 3.0])
@pytest.mark.parametrize("kind", CRYSTALS)
def test_mask_is_as_defined(kind, island_min_volume):
    crystal = CRYSTALS[kind]
    atoms = random_atoms(int(crystal.volume / 25 / crystal.n_operations), seed=5)
    shape = grid_shape(crystal, 0.8)
    parameters = MaskParameters.for_radii(
        "vdw", r_probe=0.5, r_shrink=1.2, island_min_volume=island_min_volume
    )
    mask = solvent_mask(crystal, atoms, shape, parameters)
    assert 0.0 < solvent_fraction(mask) < 1.0
    np.testing.assert_array_equal(mask, brute_force_mask(crystal, atoms, shape, parameters))


def as_bits(region: np.ndarray) -> np.ndarray:
    """(nu, nv, n_words) uint64 with bit w of each row from (nu, nv, nw) bool."""
    *rows, nw = region.shape
    padded = np.zeros((*rows, -(-nw // 64) * 64), bool)
    padded[..., :nw] = region
    return np.packbits(padded, axis=-1, bitorder="little").view(np.uint64)


@pytest.mark.parametrize("nw", [1, 3, 63, 64, 65, 127, 128, 150])
@pytest.mark.parametrize("value", [True, False])
def test_runs_are_those_of_the_points(nw, value):
    rng = np.random.default_rng(nw)
    region = rng.random((6, 5, nw)) < np.array([0.0, 0.05, 0.5, 0.5, 0.95, 1.0])[:, None, None]
    row_start, first, last = find_runs(as_bits(region), nw, value)
    found = np.zeros((30, nw), bool)
    for row in range(30):
        for run in range(row_start[row], row_start[row + 1]):
            assert run == row_start[row] or first[run] > last[run - 1] + 1
            found[row, first[run] : last[run] + 1] = True
    np.testing.assert_array_equal(found.reshape(region.shape), region == value)


@pytest.mark.parametrize(
    "name", ["P 21 21 21", "C 1 2 1", "P 61 2 2", "R 3 2:R", "I 21 3", "F d -3 m:2"]
)
@pytest.mark.parametrize("multiple", [True, False])
def test_divided_operations_make_the_whole_group(name, multiple):
    group = gemmi.SpaceGroup(name)
    gamma = 120.0 if "6" in name else 90.0
    crystal = Crystal.from_triplets(
        (50.0, 50.0, 50.0, 90.0, 90.0, gamma), [op.triplet() for op in group.operations()]
    )
    shape = (24, 24, 24) if multiple else (7, 11, 13)
    of_grid, of_atoms = divided_operations(crystal, shape)
    assert len(of_grid) * len(of_atoms) == crystal.n_operations
    products = {
        (*(matrix @ rotation).ravel(), *((matrix @ translation + shift) % 24))
        for matrix, shift in of_grid
        for rotation, translation in of_atoms
    }
    whole = {
        (*rotation.ravel(), *(translation % 24))
        for rotation, translation in zip(crystal.rotations, crystal.translations, strict=True)
    }
    assert products == whole


@pytest.mark.parametrize(
    "shape", [(7, 6, 9), (4, 5, 3), (1, 5, 8), (2, 2, 2), (6, 1, 3), (4, 5, 1)]
)
def test_islands_are_connected_regions_of_the_periodic_grid(shape):
    point_itself = np.array([[0, 0, 0, 0]])
    for seed, density in product(range(10), (0.06, 0.15, 0.9)):
        solvent = np.random.default_rng(seed).random(shape) < density
        runs = find_runs(as_bits(solvent), shape[2], True)
        for limit in (0, 1, 3, 10):
            bits, kept = as_bits(np.zeros(shape, bool)), np.empty(shape, np.float32)
            keep = in_large_islands(runs, shape, limit, 0, shape[0])
            grow_runs(runs, keep, point_itself, shape[2], bits, 0, shape[0])
            unpack(bits, kept)
            np.testing.assert_array_equal(kept, without_islands(solvent, limit))


def test_a_small_cavity_is_filled_and_a_large_one_is_not():
    # Atoms on the surface of a box inside an empty cell: solvent outside, and a cavity inside
    side = np.linspace(-4, 4, 9)
    box = np.array([p for p in product(side, repeat=3) if max(np.abs(p)) == 4.0])
    crystal = Crystal((20.0, 20.0, 20.0, 90, 90, 90))
    # The corner of the cell is in the middle of the cavity, which wraps around all three axes
    atoms = Atoms.from_labels(["C"] * len(box), box / 20.0)

    def masked(volume):
        parameters = MaskParameters.for_radii("constant", constant_r=1.5, island_min_volume=volume)
        return solvent_mask(crystal, atoms, (40, 40, 40), parameters)

    cavity = masked(0.0)
    assert cavity[0, 0, 0] == 1.0
    n_cavity = int(np.roll(cavity, (20, 20, 20), axis=(0, 1, 2))[14:27, 14:27, 14:27].sum())
    assert masked((n_cavity - 0.5) / 8)[0, 0, 0] == 1.0
    filled = masked(n_cavity / 8)
    assert filled[0, 0, 0] == 0.0
    assert cavity.sum() - filled.sum() == n_cavity


# --- laws ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CRYSTALS)
def test_mask_has_the_symmetry_of_the_crystal(kind):
    crystal = CRYSTALS[kind]
    shape = grid_shape(crystal, 0.5)
    # Atoms on grid points, radii of whole steps: the ties must not be decided by rounding
    frac = np.array([[0, 0, 0], [1, 3, 2], [5, 4, 7], [2, 8, 9]]) / np.array(shape)
    atoms = Atoms.from_labels(["C", "O", "N", "S"], frac)
    step = crystal.cell[0] / shape[0]
    for radius, r_shrink in ((step, 0.0), (2 * step, step), (3 * step, 2 * step)):
        parameters = MaskParameters.for_radii("constant", constant_r=radius, r_shrink=r_shrink)
        mask = solvent_mask(crystal, atoms, shape, parameters)
        for moved in moved_masks(mask, crystal):
            np.testing.assert_array_equal(moved, mask)


def moved_masks(mask, crystal):
    """The mask transformed by each symmetry operation."""
    size = np.array(mask.shape)
    for rotation, translation in zip(crystal.rotations, crystal.translations, strict=True):
        on_grid = rotation * size[:, None] // size
        points = np.einsum("ij,juvw->iuvw", on_grid, np.indices(mask.shape))
        u, v, w = (points.T + translation * size // 24).T % size[:, None, None, None]
        yield mask[u, v, w]


def test_larger_radii_leave_less_solvent():
    crystal, atoms = CRYSTALS["hexagonal"], random_atoms(5, seed=2)
    shape = grid_shape(crystal, 0.4)
    masks = [
        solvent_mask(crystal, atoms, shape, MaskParameters.for_radii("vdw", r_probe, 0.0))
        for r_probe in (0.0, 0.3, 0.6)
    ]
    assert (masks[0] >= masks[1]).all()
    assert (masks[1] >= masks[2]).all()
    assert solvent_fraction(masks[0]) > solvent_fraction(masks[1]) > solvent_fraction(masks[2])


def test_more_shrinking_leaves_more_solvent():
    crystal, atoms = CRYSTALS["monoclinic"], random_atoms(5, seed=2)
    shape = grid_shape(crystal, 0.4)
    masks = [
        solvent_mask(crystal, atoms, shape, MaskParameters.for_radii("vdw", 0.5, r_shrink))
        for r_shrink in (0.0, 0.5, 1.0)
    ]
    assert (masks[0] <= masks[1]).all()
    assert (masks[1] <= masks[2]).all()
    assert solvent_fraction(masks[0]) < solvent_fraction(masks[1]) < solvent_fraction(masks[2])


@pytest.mark.parametrize("kind", CRYSTALS)
def test_lattice_translations_change_nothing(kind):
    crystal, atoms = CRYSTALS[kind], random_atoms(4, seed=3)
    shape = grid_shape(crystal, 0.5)
    moved = atoms.replace(frac=atoms.frac + np.array([1, -2, 3]))
    parameters = MaskParameters.for_radii("refmac", r_probe=0.3, island_min_volume=1.0)
    mask = solvent_mask(crystal, atoms, shape, parameters)
    np.testing.assert_array_equal(solvent_mask(crystal, moved, shape, parameters), mask)


def test_moving_the_atoms_by_grid_steps_moves_the_mask():
    crystal, atoms = CRYSTALS["triclinic"], random_atoms(8, seed=4)
    shape = grid_shape(crystal, 0.5)
    step = np.array([3, -5, 7])
    moved = atoms.replace(frac=atoms.frac + step / np.array(shape))
    parameters = MaskParameters.for_radii("refmac", island_min_volume=5.0)
    mask = solvent_mask(crystal, atoms, shape, parameters)
    expected = np.roll(mask, step, axis=(0, 1, 2))
    np.testing.assert_array_equal(solvent_mask(crystal, moved, shape, parameters), expected)


def test_a_single_atom_is_a_sphere():
    crystal = Crystal((12.0, 13.0, 14.0, 80.0, 95.0, 105.0))
    atoms = Atoms.from_labels(["Fe"], np.array([[0.1, 0.9, 0.5]]))
    parameters = MaskParameters.for_radii("constant", constant_r=3.0)
    mask = solvent_mask(crystal, atoms, grid_shape(crystal, 0.15), parameters)
    protein_volume = (1.0 - solvent_fraction(mask)) * crystal.volume
    assert protein_volume == pytest.approx(4.0 / 3.0 * np.pi * 3.0**3, rel=1e-3)
    assert mask.dtype == np.float32


def test_hydrogens_and_atoms_without_occupancy_are_ignored():
    crystal = CRYSTALS["triclinic"]
    shape = grid_shape(crystal, 0.5)
    frac = np.random.default_rng(1).random((4, 3))
    atoms = Atoms.from_labels(["C", "H", "D", "O"], frac, occ=np.array([1.0, 1.0, 1.0, 0.0]))
    carbon = solvent_mask(crystal, atoms.select(np.array([0])), shape)
    np.testing.assert_array_equal(solvent_mask(crystal, atoms, shape), carbon)
    for options in ({"ignore_hydrogen": False}, {"ignore_zero_occupancy": False}):
        mask = solvent_mask(crystal, atoms, shape, MaskParameters(**options))
        assert solvent_fraction(mask) < solvent_fraction(carbon)


# --- warnings and errors ---------------------------------------------------------------------


def test_a_cell_without_solvent_is_said():
    crystal = Crystal((3.0, 3.0, 3.0, 90, 90, 90))
    atoms = Atoms.from_labels(["C"], np.zeros((1, 3)))
    with pytest.warns(FriedelWarning, match="no solvent"):
        mask = solvent_mask(crystal, atoms, (6, 6, 6))
    assert solvent_fraction(mask) == 0.0


def test_a_cell_of_nothing_but_solvent_is_said():
    atoms = Atoms.from_labels(["H"], np.zeros((1, 3)))
    with pytest.warns(FriedelWarning, match="whole cell is solvent"):
        mask = solvent_mask(CRYSTALS["triclinic"], atoms, (6, 6, 6))
    assert solvent_fraction(mask) == 1.0


def test_defaults_of_each_set():
    values = {
        name: (p.r_probe, p.r_shrink, p.island_min_volume)
        for name in (*GEMMI_SETS, "constant")
        for p in [MaskParameters.for_radii(name)]
    }
    assert values == {
        "vdw": (1.0, 1.1, 0.0),
        "cctbx": (1.1, 0.9, 0.0),
        "refmac": (1.0, 0.8, 50.0),
        "constant": (0.0, 0.0, 0.0),
    }
    assert MaskParameters.for_radii("refmac", r_probe=1.2, island_min_volume=0) == MaskParameters(
        "refmac", 1.2, 0.8, 0.0
    )


@pytest.mark.parametrize("name", ["bondi", "", "VDW"])
def test_unknown_radii(name):
    with pytest.raises(ParameterError, match="unknown radii"):
        MaskParameters.for_radii(name)


@pytest.mark.parametrize("field", ["r_probe", "r_shrink", "island_min_volume"])
@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf, "wide"])
def test_impossible_sizes(field, value):
    with pytest.raises(ParameterError, match=field):
        MaskParameters.for_radii("vdw", **{field: value})


@pytest.mark.parametrize("radius", [-1.0, np.nan, 1e6, None])
def test_impossible_constant_radius(radius):
    with pytest.raises(ParameterError, match="constant radius"):
        MaskParameters.for_radii("constant", constant_r=radius)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 0), (8, 8, -8), (8.5, 8, 8), "grid", None])
def test_impossible_shapes(shape):
    with pytest.raises(ParameterError, match="shape"):
        solvent_mask(CRYSTALS["triclinic"], random_atoms(2, seed=0), shape)


def test_spacing_of_the_grid():
    assert mask_spacing(3.0) == 0.6
    assert mask_spacing(1.0) == pytest.approx(0.5)
    assert mask_spacing(1.0) < 0.5
    with pytest.raises(ResolutionError):
        mask_spacing(-1.0)
