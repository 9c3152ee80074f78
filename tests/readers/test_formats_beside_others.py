"""Each format as reciprocalspaceship and cctbx read it: the same reflections, values and sigmas."""

import subprocess

import numpy as np
import pytest

import data_files
from friedel.readers.amplitudes import read_tables
from friedel.readers.column_choice import usual_columns
from friedel.reflections.merging import grouped, weighted_means
from globule import CRYSTAL

DATA = data_files.intensities(CRYSTAL)
AMPLITUDES = DATA._replace(value=np.abs(DATA.value) + 1.0)
MATES = np.where(CRYSTAL.is_centric(DATA.hkl), DATA.value, DATA.value + 7.5)
TWICE = DATA._replace(
    hkl=np.concatenate([DATA.hkl, -DATA.hkl]),
    value=np.concatenate([DATA.value, MATES]),
    sigma=np.round(np.concatenate([DATA.sigma, 1.5 * DATA.sigma]), 1),
)


def ours(path):
    """Indices, values and sigmas as read, one row for each measurement, without what is missing."""
    (table,) = read_tables(path)
    observed, _ = usual_columns(table)
    parts = [(table.hkl, observed.value, observed.sigma)]
    if observed.minus is not None:
        parts.append((-table.hkl, observed.minus, observed.minus_sigma))
    rows = np.concatenate([np.column_stack([h, v.values, s.values]) for h, v, s in parts])
    return rows[np.isfinite(rows[:, 3])]


def check(found, expected):
    """The same rows in any order."""
    assert found.shape == expected.shape
    found, expected = (rows[np.lexsort(rows.T[::-1])] for rows in (found, expected))
    np.testing.assert_array_equal(found[:, :3], expected[:, :3])
    np.testing.assert_allclose(found[:, 3:], expected[:, 3:], rtol=1e-6)


RS = {
    "f.mtz": lambda path: data_files.mtz(path, AMPLITUDES, "FP", "F"),
    "i.mtz": lambda path: data_files.mtz(path, DATA, "IMEAN", "J"),
    "f.cif": lambda path: data_files.mmcif(path, AMPLITUDES, "F_meas_au", "F_meas_sigma_au"),
    "i.cif": lambda path: data_files.mmcif(path, DATA),
}


@pytest.mark.parametrize("name", RS)
def test_reciprocalspaceship(tmp_path, name):
    rs = pytest.importorskip("reciprocalspaceship")
    path = tmp_path / name
    RS[name](path)
    read = rs.read_mtz if name.endswith("mtz") else rs.read_cif
    table = read(str(path)).reset_index()
    labels = [c for c in table.columns if c not in ("H", "K", "L")]
    sigma = next(c for c in labels if c.startswith("SIG"))
    columns = ["H", "K", "L", sigma.removeprefix("SIG"), sigma]
    check(ours(path), table[columns].to_numpy(float))


IN_CCTBX = """
import sys
import numpy as np
from cctbx import crystal
from iotbx.reflection_file_reader import any_reflection_file

symmetry = crystal.symmetry(sys.argv[1], sys.argv[2])
for path, target in zip(sys.argv[3::2], sys.argv[4::2]):
    arrays = any_reflection_file(path).as_miller_arrays(symmetry, merge_equivalents=False)
    (array,) = [a for a in arrays if a.sigmas() is not None]
    merged = array.as_non_anomalous_array().merge_equivalents().array().map_to_asu()
    np.savez(target, **{
        name + part: np.array(getattr(a, name)()) for part, a in (("", array), ("_merged", merged))
        for name in ("indices", "data", "sigmas")
    })
"""

CCTBX = {
    "f.mtz": RS["f.mtz"],
    "i.mtz": RS["i.mtz"],
    "r1abcsf.ent": RS["i.cif"],
    "f.cif": RS["f.cif"],
    "f.cns": lambda path: data_files.cns(path, AMPLITUDES, "FOBS", "SIGMA"),
    "i.cns": lambda path: data_files.cns(path, DATA),
    "a.sca": lambda path: data_files.scalepack(path, DATA),
    "mates.sca": lambda path: data_files.scalepack(path, DATA, MATES),
    "unmerged.sca": lambda path: data_files.unmerged_scalepack(path, TWICE),
    "XDS_ASCII.HKL": lambda path: data_files.xds(path, TWICE),
    "hklf4.hkl": lambda path: data_files.hklf(path, TWICE),
}


@pytest.fixture(scope="module")
def of_cctbx(cctbx_python, tmp_path_factory):
    """The folder with a file of each format, and what cctbx reads from it, all in one process."""
    folder = tmp_path_factory.mktemp("formats")
    arguments = [",".join(str(x) for x in CRYSTAL.cell), CRYSTAL.name]
    for name, write in CCTBX.items():
        path = folder / name
        write(path)
        code = "=hklf4" if name.startswith("hklf4") else ""
        arguments += [f"{path}{code}", str(folder / f"{name}.npz")]
    subprocess.run([cctbx_python, "-c", IN_CCTBX, *arguments], check=True)
    return folder


@pytest.mark.parametrize("name", CCTBX)
def test_cctbx(of_cctbx, name):
    read = np.load(of_cctbx / f"{name}.npz")
    rows = np.column_stack([read["indices"], read["data"], read["sigmas"]])
    check(ours(of_cctbx / name), rows)


@pytest.mark.parametrize("name", ["mates.sca", "unmerged.sca", "XDS_ASCII.HKL", "hklf4.hkl"])
def test_means_of_cctbx(of_cctbx, name):
    """Equivalents, Friedel mates too, merged with weights 1 / sigma^2, before French and Wilson."""
    read = np.load(of_cctbx / f"{name}.npz")
    rows = ours(of_cctbx / name)
    groups = grouped(CRYSTAL, rows[:, :3].astype(np.int32), friedel_mates=True)
    means = weighted_means(groups, rows[:, 3], rows[:, 4], rows[:, 4] ** -2.0).values
    asu, _, _ = CRYSTAL.to_asu(read["indices_merged"])
    expected = np.column_stack([asu, read["data_merged"]])
    check(np.column_stack([groups.hkl, means]), expected)
