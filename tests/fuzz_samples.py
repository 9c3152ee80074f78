"""A small file of each format that is read, what is done with it, and what it holds."""

import contextlib
import gzip
import io
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import gemmi
import numpy as np

import data_files
import friedel
from aspherical import some_atoms, spherical
from friedel import ensemble
from friedel.readers.dispersion_scans import read_dispersion_scan
from friedel.readers.maps import read_map, read_map_box
from friedel.readers.reflection_lists import read_reflection_list
from fuzz_fits import check_finite
from tls_remarks import RESIDUAL, remark

CRYSTAL = friedel.Crystal.from_triplets((12, 13, 14, 90, 100, 90), ["-x,y+1/2,-z"], "P 1 21 1")
Notes = list[str]


# how they are made ---------------------------------------------------------------------------


def models_text() -> str:
    """Four models of twelve atoms, as a PDB file."""
    rng = np.random.default_rng(0)
    places = 10.0 * rng.random((12, 3))
    lines = ["CRYST1   12.000   13.000   14.000  90.00  90.00  90.00 P 1           1"]
    for i in range(4):
        lines.append(f"MODEL     {i + 1:4d}")
        for j, (x, y, z) in enumerate(places + 0.2 * rng.normal(size=places.shape), 1):
            lines.append(
                f"ATOM  {j:5d}  C   ALA A{j:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00 10.00           C"
            )
        lines.append("ENDMDL")
    return "\n".join([*lines, "END", ""])


TLS = remark(
    "REMARK   3    SELECTION: (CHAIN A AND RESID 1:4)\n",
    "REMARK   3    ORIGIN FOR THE GROUP (A):   2.5000  -2.0000   7.2500\n",
)


def write_tls(folder: Path) -> None:
    """A PDB file and an mmCIF with a TLS group whose displacements its B lack."""
    text = RESIDUAL + TLS + models_text().split("ENDMDL")[0].replace("MODEL        1\n", "")
    (folder / "tls.pdb").write_text(text + "END\n")
    structure = gemmi.read_pdb_string(text)
    structure.setup_entities()
    document = structure.make_mmcif_document()
    block = document.sole_block()
    block.set_pair("_refine.pdbx_refine_id", "'X-RAY DIFFRACTION'")
    block.set_pair("_refine.pdbx_TLS_residual_ADP_flag", "'LIKELY RESIDUAL'")
    six = ("11", "22", "33", "12", "13", "23")
    tags = ["id", "pdbx_refine_id", *(f"origin_{x}" for x in "xyz")]
    tags += [f"{letter}[{i}][{j}]" for letter in "TL" for i, j in six]
    tags += [f"S[{i}][{j}]" for i in "123" for j in "123"]
    of_group = (
        "2.5 -2 7.25 .051 .032 .043 .012 -.013 .003 2.1 3.2 4.3 -.2 .3 .1 "
        ".01 -.02 .03 .04 .05 -.06 .07 .08 -.09"
    )
    numbers = of_group.split()
    block.init_mmcif_loop("_pdbx_refine_tls.", tags).add_row(["1", "'X-RAY DIFFRACTION'", *numbers])
    names = "beg_auth_asym_id beg_auth_seq_id end_auth_asym_id end_auth_seq_id selection_details"
    tags = ["id", "refine_tls_id", "pdbx_refine_id", *names.split()]
    loop = block.init_mmcif_loop("_pdbx_refine_tls_group.", tags)
    loop.add_row(["1", "1", "'X-RAY DIFFRACTION'", "A", "1", "A", "4", "?"])
    document.write_file(str(folder / "tls.cif"))


def write_without_hydrogens(folder: Path, models: Path) -> None:
    """A peptide without hydrogens, as PDB, mmJSON and packed mmCIF."""
    structure = gemmi.read_structure(str(models / "5e5z.pdb"))
    structure.remove_hydrogens()
    structure.write_pdb(str(folder / "bare.pdb"))
    text = structure.make_mmcif_document().as_string()
    document = structure.make_mmcif_document()
    (folder / "bare.json").write_text(document.as_json(mmjson=True))
    (folder / "bare.cif.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def write_reflections(folder: Path) -> None:
    """Data of macromolecules in every format, packed and not, merged and not."""
    data = data_files.intensities(CRYSTAL, 2.5)
    data_files.scalepack(folder / "a.sca", data)
    data_files.scalepack(folder / "pairs.sca", data, data.value + 1.0)
    data_files.unmerged_scalepack(folder / "u.sca", data)
    data_files.xds(folder / "XDS_ASCII.HKL", data)
    data_files.cns(folder / "a.cns", data)
    data_files.mmcif(folder / "a-sf.cif", data)
    data_files.mtz(folder / "a.mtz", data)
    data_files.hklf(folder / "a.hkl", data)
    text = (folder / "a-sf.cif").read_text()
    packed = gzip.compress(text.encode(), mtime=0)
    (folder / "a-sf.cif.gz").write_bytes(packed)
    other = text.replace("data_r1abcsf", "data_r1abcAsf").replace("intensity_meas", "F_calc")
    (folder / "blocks-sf.cif").write_text(other + text)
    write_unmerged(folder / "u.mtz", data)


def write_unmerged(path: Path, data: data_files.Data) -> None:
    """An MTZ file of single observations with their batches."""
    file = gemmi.Mtz(with_base=True)
    file.spacegroup = gemmi.SpaceGroup(data.crystal.name)
    file.set_cell_for_all(gemmi.UnitCell(*data.crystal.cell))
    file.add_dataset("data")
    for label, kind in (("M/ISYM", "Y"), ("BATCH", "B"), ("I", "J"), ("SIGI", "Q")):
        file.add_column(label, kind)
    n = len(data.hkl)
    rows = [
        np.column_stack([data.hkl, np.full(n, i), np.full(n, i), data.value + i, data.sigma])
        for i in (1, 2)
    ]
    file.set_data(np.concatenate(rows).astype(np.float32))
    with contextlib.suppress(AttributeError):  # of newer versions of gemmi
        for i in (1, 2):
            batch = gemmi.Mtz.Batch()
            batch.number = i
            file.batches.append(batch)
    file.write_to_file(str(path))


def write_small_structures(folder: Path, models: Path) -> None:
    """A structure of SHELX with its list, as separate files and as CIFs with several blocks."""
    document = gemmi.cif.read(str(models / "4003024.cif")).sole_block()
    for tag, ending in (("_shelx_res_file", "res"), ("_shelx_hkl_file", "hkl")):
        text = gemmi.cif.as_string(document.find_value(tag)).lstrip("\n")
        (folder / f"s.{ending}").write_text(text)
    (folder / "s.ins").write_bytes((folder / "s.res").read_bytes())
    friedel.fit_intensities(folder / "s.res", folder / "s.hkl").to_fcf(folder / "s.fcf")
    quartz = (Path(__file__).parents[1] / "examples" / "quartz.cif").read_text()
    other = (models / "1011031.cif").read_text()
    (folder / "blocks.cif").write_text(f"data_global\n_audit_author_name ?\n{quartz}\n{other}")


def write_maps(folder: Path) -> None:
    """A map, noisy half maps, a part of a map, and a map of bytes with the bytes swapped."""
    model = (CRYSTAL, some_atoms())
    box = friedel.map_of_model(model, d_min=2.0, margin=4.0)
    box.to_ccp4(folder / "a.ccp4")
    rng = np.random.default_rng(1)
    ccp4 = gemmi.read_ccp4_map(str(folder / "a.ccp4"))
    for i in (1, 2):
        noisy = np.array(ccp4.grid, copy=True) + 0.2 * rng.normal(size=ccp4.grid.shape)
        half = gemmi.Ccp4Map()
        half.grid = gemmi.FloatGrid(noisy.astype(np.float32), ccp4.grid.unit_cell)
        half.update_ccp4_header()
        half.write_ccp4_map(str(folder / f"half{i}.map"))
    grid = gemmi.FloatGrid(np.ones((12, 12, 12), np.float32))
    grid.set_unit_cell(gemmi.UnitCell(*CRYSTAL.cell))
    grid.spacegroup = gemmi.SpaceGroup("P 1")
    whole = gemmi.Ccp4Map()
    whole.grid = grid
    whole.update_ccp4_header(0)
    whole.write_ccp4_map(str(folder / "whole.map"))
    words = np.frombuffer((folder / "half1.map").read_bytes(), "<u4").byteswap()
    swapped = bytearray(words.tobytes())
    swapped[208:212], swapped[212:216] = b"MAP ", b"\x11\x11\x00\x00"
    (folder / "swapped.mrc").write_bytes(swapped)
    (folder / "packed.map.gz").write_bytes(gzip.compress((folder / "a.ccp4").read_bytes(), mtime=0))


def write_ensembles(folder: Path) -> None:
    """Models in one file, trajectories, and diffuse intensities."""
    (folder / "models.pdb").write_text(models_text())
    structure = gemmi.read_pdb_string(models_text())
    structure.setup_entities()
    structure.make_mmcif_document().write_file(str(folder / "models.cif"))
    result = ensemble.run(folder / "models.pdb", d_min=3.0)
    result.to_mtz(folder / "diffuse.mtz")
    rows = np.column_stack([result.hkl, result.diffuse])
    np.savetxt(folder / "diffuse.txt", rows, fmt="%d %d %d %.4f")
    with contextlib.suppress(ImportError):
        import h5py  # noqa: F401

        result.to_nexus(folder / "diffuse.nxs")
    with contextlib.suppress(ImportError), warnings.catch_warnings():
        import MDAnalysis

        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe(str(folder / "models.pdb"))
        for ending in ("dcd", "xtc", "trr"):
            with MDAnalysis.Writer(str(folder / f"frames.{ending}"), 12) as writer:
                for _ in universe.trajectory:
                    writer.write(universe.atoms)


def write_coefficients(folder: Path) -> None:
    """Files with F and phases, as MTZ and mmCIF, and form factors and f', f''."""
    atoms = some_atoms()
    calculated = friedel.fcalc((CRYSTAL, atoms), d_min=2.5)
    calculated.to_mtz(folder / "fc.mtz")
    calculated.to_cif(folder / "fc.cif")
    factors = spherical(CRYSTAL, atoms, CRYSTAL.unique_reflections(2.5))
    factors.to_tsc(folder / "a.tsc")
    factors.to_tsc(folder / "a.tscb")
    energies = np.linspace(12600.0, 12700.0, 21)
    rows = np.column_stack([energies, 4.0 + 0.01 * np.arange(21), -8.0 + 0.1 * np.arange(21)])
    np.savetxt(folder / "se.efs", rows, fmt="%.2f")


NEEDED = {
    "diffuse.nxs": "h5py",
    "frames.dcd": "MDAnalysis",
    "frames.trr": "MDAnalysis",
    "frames.xtc": "MDAnalysis",
}
"""Samples that are left out without a package."""


@cache
def samples(models: Path) -> dict[str, bytes]:
    """The content of each file, by name; without those of packages that are not installed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_reflections(folder)
        write_small_structures(folder, models)
        write_tls(folder)
        write_without_hydrogens(folder, models)
        write_maps(folder)
        write_ensembles(folder)
        write_coefficients(folder)
        hidden = [path for path in folder.iterdir() if path.name.startswith(".")]
        for path in hidden:  # offsets that MDAnalysis keeps beside a trajectory
            path.unlink()
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# what is done with them, and what they hold ----------------------------------------------------


def _beside(path: Path, name: str, files: dict[str, bytes]) -> Path:
    """Another of these files, undamaged, in the same folder."""
    other = path.with_name(name)
    if not other.exists():
        other.write_bytes(files[name])
    return other


def use_shelx(path: Path, files: dict[str, bytes]) -> None:
    """A fit to a sound list."""
    friedel.fit_intensities(path, _beside(path, "s.hkl", files)).summary()


def use_list(path: Path, files: dict[str, bytes]) -> None:
    """A sound model fitted to a list."""
    read_reflection_list(path)
    friedel.fit_intensities(_beside(path, "s.res", files), path).summary()


def use_form_factors(path: Path, files: dict[str, bytes]) -> None:
    """F with them."""
    factors = friedel.read_form_factors(path)
    found = friedel.fcalc((CRYSTAL, some_atoms()), d_min=3.0, form_factors=factors)
    check_finite("F", found.values)


def use_frames(path: Path, files: dict[str, bytes]) -> None:
    """Averages over models of a file."""
    check_finite("mean F", ensemble.run(path, d_min=3.0).mean)


def use_trajectory(path: Path, files: dict[str, bytes]) -> None:
    """Averages over frames of a trajectory."""
    with quiet():
        found = ensemble.run(_beside(path, "models.pdb", files), path, d_min=3.0)
    check_finite("mean F", found.mean)


@contextlib.contextmanager
def quiet() -> Any:
    """Without the warnings of MDAnalysis, and what its readers print."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.filterwarnings("ignore", module="MDAnalysis")
        yield


def use_diffuse(path: Path, files: dict[str, bytes]) -> None:
    """A comparison of averages with these intensities."""
    found = ensemble.run(_beside(path, "models.pdb", files), d_min=3.0)
    label = ":ID" if path.suffix == ".mtz" else ""
    found.compare(f"{path}{label}")


def use_map(path: Path, files: dict[str, bytes]) -> None:
    """The map as a box and as a cell, against a model and against another map."""
    box = read_map_box(path)
    check_finite("map", box.array)
    with contextlib.suppress(friedel.FriedelError):
        check_finite("map", read_map(path).array)
    with contextlib.suppress(friedel.FriedelError):
        friedel.map_model_correlation(path, (CRYSTAL, some_atoms()), d_min=3.0).summary()
    if path.name != "whole.map":
        other = read_map_box(_beside(path, "half2.map", files))
        friedel.fourier_shell_correlation(box, other).to_dict()


def use_model(path: Path, files: dict[str, bytes]) -> None:
    """F, with hydrogens and TLS groups as far as there are."""
    hydrogens = path.name.startswith("bare")
    model = friedel.as_model(path, margin=10.0, hydrogens=hydrogens)
    volume = np.prod(model.crystal.cell[:3])
    d_min = max(5.0, (volume / 1e4) ** (1 / 3), max(model.crystal.cell[:3]) / 1e4)
    check_finite("F", friedel.fcalc(model, d_min=d_min).values)


def use_coefficients(path: Path, files: dict[str, bytes]) -> None:
    """A map of them."""
    labels = "FC,PHIC" if path.suffix == ".mtz" else "F_calc,phase_calc"
    found = friedel.read_map_coefficients(f"{path}:{labels}")
    check_finite("map", friedel.map_from_coefficients(found).array)
    friedel.read_calculated(path)


def use_scan(path: Path, files: dict[str, bytes]) -> None:
    """F with f' and f'' of a scan."""
    model = (CRYSTAL, some_atoms())
    kind = model[1].scatterers[0]
    found = friedel.fcalc(model, d_min=3.0, energy=12650.0, addends={kind: str(path)})
    check_finite("F", found.values)


def use_reflections(path: Path, files: dict[str, bytes]) -> None:
    """Statistics of data and their amplitudes."""
    friedel.describe_data(path, model=(CRYSTAL, some_atoms())).summary()
    friedel.as_reflections(path, crystal=CRYSTAL)


Rows = Callable[[Path], tuple[list[Any], Any]]


def _of_hkl(hkl: np.ndarray) -> list[Any]:
    return [tuple(x) for x in hkl.tolist()]


def rows_of_model(path: Path) -> tuple[list[Any], Any]:
    """Positions of the atoms."""
    model = friedel.as_model(path, margin=10.0, tls=None)
    return [tuple(x) for x in model.atoms.frac.tolist()], model.notes


def rows_of_frames(path: Path) -> tuple[list[Any], Any]:
    """Numbers of the frames."""
    found = ensemble.run(path, d_min=3.0)
    return list(range(found.n_frames)), found.notes


def rows_of_trajectory(path: Path) -> tuple[list[Any], Any]:
    """Numbers of the frames."""
    topology = path.with_name("models.pdb")
    topology.write_text(models_text())
    with quiet():
        found = ensemble.run(topology, path, d_min=3.0)
    return list(range(found.n_frames)), found.notes


def rows_of_form_factors(path: Path) -> tuple[list[Any], Any]:
    """Reflections and labels."""
    factors = friedel.read_form_factors(path)
    return _of_hkl(factors.hkl) + list(factors.labels), ()


def rows_of_map(path: Path) -> tuple[list[Any], Any]:
    """Numbers of the points."""
    return list(range(read_map_box(path).array.size)), ()


def rows_of_list(path: Path) -> tuple[list[Any], Any]:
    """Reflections of a list."""
    listed = read_reflection_list(path)
    return _of_hkl(listed.hkl), listed.notes


def rows_of_reflections(path: Path) -> tuple[list[Any], Any]:
    """Reflections of data."""
    data = friedel.as_reflections(path, crystal=CRYSTAL)
    return _of_hkl(data.hkl), data.notes


def rows_of_coefficients(path: Path) -> tuple[list[Any], Any]:
    """Reflections of coefficients."""
    labels = "FC,PHIC" if path.suffix == ".mtz" else "F_calc,phase_calc"
    found = friedel.read_map_coefficients(f"{path}:{labels}")
    return _of_hkl(found.hkl), found.notes


def rows_of_diffuse(path: Path) -> tuple[list[Any], Any]:
    """Points of diffuse intensities."""
    from friedel.readers.diffuse_lattices import read_diffuse_lattice

    label = ":ID" if path.suffix == ".mtz" else ""
    crystal = friedel.Crystal((12, 13, 14, 90, 90, 90))
    found = read_diffuse_lattice(f"{path}{label}", crystal)
    return [tuple(x) for x in found.fractions.tolist()], found.notes


def rows_of_scan(path: Path) -> tuple[list[Any], Any]:
    """Energies of a scan."""
    return list(read_dispersion_scan(path).energy), ()


Use = Callable[[Path, dict[str, bytes]], None]
ABOUT: dict[str, tuple[Use, Rows | None]] = {
    "XDS_ASCII.HKL": (use_reflections, rows_of_reflections),
    "a-sf.cif": (use_reflections, rows_of_reflections),
    "a-sf.cif.gz": (use_reflections, rows_of_reflections),
    "a.ccp4": (use_map, rows_of_map),
    "a.cns": (use_reflections, rows_of_reflections),
    "a.hkl": (use_reflections, rows_of_reflections),
    "a.mtz": (use_reflections, rows_of_reflections),
    "a.sca": (use_reflections, rows_of_reflections),
    "a.tsc": (use_form_factors, rows_of_form_factors),
    "a.tscb": (use_form_factors, rows_of_form_factors),
    "bare.cif.gz": (use_model, rows_of_model),
    "bare.json": (use_model, rows_of_model),
    "bare.pdb": (use_model, rows_of_model),
    "blocks-sf.cif": (use_reflections, rows_of_reflections),
    "blocks.cif": (use_model, rows_of_model),
    "diffuse.mtz": (use_diffuse, rows_of_diffuse),
    "diffuse.nxs": (use_diffuse, rows_of_diffuse),
    "diffuse.txt": (use_diffuse, rows_of_diffuse),
    "fc.cif": (use_coefficients, rows_of_coefficients),
    "fc.mtz": (use_coefficients, rows_of_coefficients),
    "frames.dcd": (use_trajectory, rows_of_trajectory),
    "frames.trr": (use_trajectory, rows_of_trajectory),
    "frames.xtc": (use_trajectory, rows_of_trajectory),
    "half1.map": (use_map, rows_of_map),
    "half2.map": (use_map, rows_of_map),
    "models.cif": (use_frames, rows_of_frames),
    "models.pdb": (use_frames, rows_of_frames),
    "packed.map.gz": (use_map, rows_of_map),
    "pairs.sca": (use_reflections, rows_of_reflections),
    "s.fcf": (use_list, rows_of_list),
    "s.hkl": (use_list, rows_of_list),
    "s.ins": (use_shelx, None),  # a part of the instructions is optional
    "s.res": (use_shelx, None),
    "se.efs": (use_scan, rows_of_scan),
    "swapped.mrc": (use_map, rows_of_map),
    "tls.cif": (use_model, rows_of_model),
    "tls.pdb": (use_model, rows_of_model),
    "u.mtz": (use_reflections, rows_of_reflections),
    "u.sca": (use_reflections, rows_of_reflections),
    "whole.map": (use_map, rows_of_map),
}
"""What is done with each file, and the function that reads its rows, by name."""
