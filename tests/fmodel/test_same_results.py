"""The same arguments give the same file: in every process, with any threads and hash seed."""

import os
import subprocess
import sys

import pytest

import friedel

PROCESSES = (("0", 1, "1"), ("1", 2, None), ("77", None, None), ("random", 3, "2"), ("5", 5, None))
"""Hash seed, threads of friedel and of the BLAS library."""

FITS = (("5e5z", True), ("rnase", False), ("1dur", True))
"""The pair of files, and whether its mask is smooth."""


def files_of(process, pairs, folder):
    """The JSON of each fit by a process of its own."""
    seed, threads, blas = process
    code = f"""
import friedel
for name, smooth in {FITS!r}:
    paths = ({str(pairs)!r} + "/" + name + ending for ending in (".pdb", ".mtz"))
    fitted = friedel.FModel(*paths, smooth_mask=smooth, threads={threads}).fit()
    fitted.to_json({str(folder)!r} + "/" + name + ".json")
"""
    environment = os.environ | {"PYTHONHASHSEED": seed}
    if blas is not None:
        environment |= {"OPENBLAS_NUM_THREADS": blas, "OMP_NUM_THREADS": blas}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    return [(folder / f"{name}.json").read_bytes() for name, _ in FITS]


def test_five_processes_write_the_same_json(shared_data, tmp_path):
    found = []
    for i, process in enumerate(PROCESSES):
        folder = tmp_path / str(i)
        folder.mkdir()
        found.append(files_of(process, shared_data / "models", folder))
    for process, files in zip(PROCESSES, found, strict=True):
        for fit, file, first in zip(FITS, files, found[0], strict=True):
            assert file == first, (fit, process)


@pytest.mark.parametrize(
    "options", [{"solvent": "smooth", "wavelength": 1.5}, {"method": "direct"}]
)
def test_any_number_of_threads_gives_the_same_json(shared_data, tmp_path, options):
    """In one process, where arrays lie at other addresses in each fit."""
    paths = [shared_data / "models" / f"5e5z.{kind}" for kind in ("pdb", "mtz")]
    written = []
    for threads in (1, 2, 3, 4, 7, 16):
        friedel.FModel(*paths, threads=threads, **options).fit().to_json(
            tmp_path / "fit.json", overwrite=True
        )
        written.append((tmp_path / "fit.json").read_bytes())
    assert len(set(written)) == 1


@pytest.mark.parametrize("ending", ["mtz", "json", "csv"])
def test_the_command_writes_the_same_file_again(shared_data, tmp_path, ending):
    """From other processes, whose hash seeds are random."""
    written = []
    for _ in range(2):
        path = tmp_path / f"out.{ending}"
        option = "--json" if ending == "json" else f"--to-{ending}"
        files = [str(shared_data / "models" / f"5e5z.{kind}") for kind in ("pdb", "mtz")]
        command = [sys.executable, "-m", "friedel", "fmodel", *files, option, str(path)]
        subprocess.run([*command, "--overwrite"], check=True, capture_output=True)
        written.append(path.read_bytes())
    assert written[0] == written[1]
