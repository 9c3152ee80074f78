"""Trajectories that were cut off or damaged are never read in part without a word."""

import struct
import subprocess
import sys
import warnings

import numpy as np
import pytest

import fuzz_samples
from friedel.errors import FileFormatError, FrameError
from friedel.readers.trajectories import as_trajectory
from friedel.readers.trajectory_files import FrameFile

MDAnalysis = pytest.importorskip("MDAnalysis")

M, N = 4, 30
"""Number of frames and of atoms."""


def universe(n=N):
    made = MDAnalysis.Universe.empty(n, trajectory=True)
    made.dimensions = [50, 50, 50, 90, 90, 90]
    return made


@pytest.fixture(name="topology")
def topology_fixture(tmp_path):
    path = tmp_path / "models.pdb"
    line = "ATOM  {:5d}  C   ALA A{:4d}       1.000   1.000   1.000  1.00 10.00           C\n"
    path.write_text("".join(line.format(i + 1, i + 1) for i in range(N)) + "END\n")
    return path


def write(path, positions):
    with warnings.catch_warnings(), MDAnalysis.Writer(str(path), positions.shape[1]) as writer:
        warnings.simplefilter("ignore")
        made = universe(positions.shape[1])
        for frame in positions:
            made.atoms.positions = frame
            writer.write(made.atoms)
    return path.read_bytes()


def places(n=N, scale=40.0, seed=0):
    return scale * np.random.default_rng(seed).random((M, n, 3))


def molecules(n):
    """Positions of which three are near each other, whose differences XTC stores."""
    xyz = places(n)
    near = np.random.default_rng(1).normal(size=xyz.shape)
    return np.repeat(xyz[:, ::3], 3, axis=1)[:, :n] + near


@pytest.mark.filterwarnings("ignore:DCDReader")
@pytest.mark.parametrize("ending", ["xtc", "trr", "dcd"])
def test_a_file_that_ends_within_a_frame_is_noted(tmp_path, topology, ending):
    content = write(tmp_path / f"all.{ending}", places())
    path = tmp_path / f"some.{ending}"
    assert as_trajectory(topology, [tmp_path / f"all.{ending}"]).notes == ()
    path.write_bytes(content[:-20])
    found = as_trajectory(topology, [path])
    assert len(found) == M - 1
    (note,) = found.notes
    assert note.kind == "left out"
    read_all(found)
    assert f"the {M - 1} before it are used, and {int(note.number)} bytes are not" in note


@pytest.mark.parametrize("n", [5, 9, 10, 3000])
@pytest.mark.parametrize("kind", ["apart", "molecules", "far"])
def test_whole_frames_pass(tmp_path, n, kind):
    """Compressed or not, with runs of differences or without, with ranges above 2^24."""
    xyz = places(n, {"far": 4e5}.get(kind, 40.0))
    write(tmp_path / "x.xtc", molecules(n) if kind == "molecules" else xyz)
    file = FrameFile.of(str(tmp_path / "x.xtc"))
    assert len(file.starts) == M
    for i in range(M):
        file.check(i)


@pytest.mark.parametrize(("at", "value"), [(4, 10**6), (52, 0), (60, 2**31 - 1), (84, 99), (88, 9)])
@pytest.mark.parametrize("frame", [0, 2])
def test_impossible_headers(tmp_path, topology, frame, at, value):
    """The library behind MDAnalysis ended the process at some of these."""
    path = tmp_path / "x.xtc"
    content = bytearray(write(path, places()))
    struct.pack_into(">i", content, int(FrameFile.of(str(path)).starts[frame]) + at, value)
    path.write_bytes(content)
    with pytest.raises((FileFormatError, FrameError), match=r"cannot read (frame \d of )?.*x.xtc"):
        read_all(as_trajectory(topology, [path]))


def read_all(trajectory):
    return [trajectory.frame(i).xyz for i in range(len(trajectory))]


def test_zeros_within_a_frame_are_found(tmp_path, topology):
    """As a full disk or an interrupted copy leaves them: they were read as other positions."""
    path = tmp_path / "x.xtc"
    content = write(path, molecules(300))
    file = FrameFile.of(str(path))
    for first in range(int(file.starts[2]) + 92, int(file.starts[3]) - 200, 7):
        path.write_bytes(content[:first] + bytes(200) + content[first + 200 :])
        with pytest.raises(ValueError, match="damaged"):
            file.check(2)


def test_frames_after_a_damaged_one_can_be_read(tmp_path, topology):
    path = tmp_path / "x.xtc"
    content = write(path, molecules(N))
    starts = FrameFile.of(str(path)).starts
    first = int(starts[2]) + 100
    path.write_bytes(content[:first] + b"\xff" * 30 + content[first + 30 :])
    found = as_trajectory(topology, [path])
    with pytest.raises(FrameError, match="frame 2 of models.pdb, x.xtc: its compressed positions"):
        found.frame(2)
    np.testing.assert_allclose(found.frame(3).xyz, molecules(N)[3], atol=0.01)


# In a process of its own, which printed a traceback when the reader was freed
COMMAND = "from friedel.cli import main; main(['ensemble', 'models.pdb', {!r}, '--dmin', '4'])"


@pytest.mark.parametrize("name", ["frames.dcd", "frames.trr", "frames.xtc"])
def test_nothing_but_one_line_is_printed(tmp_path, shared_data, name):
    files = fuzz_samples.samples(shared_data / "models")
    (tmp_path / "models.pdb").write_bytes(files["models.pdb"])
    (tmp_path / name).write_bytes(b"x" * 500)
    done = subprocess.run(
        [sys.executable, "-c", COMMAND.format(name)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("friedel: ")
    assert name in line
