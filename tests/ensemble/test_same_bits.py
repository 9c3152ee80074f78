"""The same bits whoever calculates the chunks, after a loss of workers, and after a restart."""

import os
import signal
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import active_children, get_context

import numpy as np
import pytest

import friedel
from einstein_crystal import EinsteinCrystal
from friedel import ensemble
from friedel.ensemble import executors
from friedel.ensemble.partial_sums import binary_nodes
from friedel.ensemble.plan import Worker

FRAMES = 44
KEYWORDS = {
    "d_min": 2.5,
    "supercell": (2, 1, 1),
    "method": "fft",
    "chunk": 4,
    "parts": "element C",
    "align": "translation:all",
}


def bits(result):
    arrays = result.mean, result.diffuse, result.sigma_mean, result.sigma_diffuse
    return b"".join(a.tobytes() for a in (*arrays, result.covariances))


@pytest.fixture(scope="module", name="plan")
def plan_fixture():
    crystal = EinsteinCrystal.made(frames=FRAMES)
    return ensemble.prepare(crystal.pair, crystal.xyz, threads=2, **KEYWORDS)


@pytest.fixture(scope="module", name="serial")
def serial_fixture(plan):
    return bits(ensemble.run_plan(plan))


def test_another_thread_count_and_another_run(plan, serial):
    crystal = EinsteinCrystal.made(frames=FRAMES)
    again = ensemble.run(crystal.pair, crystal.xyz, threads=1, **KEYWORDS)
    assert bits(again) == serial


def test_processes(plan, serial):
    assert bits(ensemble.run_plan(plan, executor=2)) == serial


def test_an_executor(plan, serial):
    with ThreadPoolExecutor(1) as pool:
        assert bits(ensemble.run_plan(plan, executor=pool)) == serial


@pytest.mark.parametrize("moment", [0, 4, 16])
def test_a_killed_worker(plan, serial, monkeypatch, moment):
    """SIGKILL to a process as it starts, as another one starts, and in mid-run: it is replaced."""
    killed = []
    plain = executors._Processes.submit

    def submit(self, first, last):
        future = plain(self, first, last)
        if first == moment and not killed:
            victim = active_children()[0].pid
            killed.append(victim)
            os.kill(victim, signal.SIGKILL)
        return future

    monkeypatch.setattr(executors._Processes, "submit", submit)
    assert bits(ensemble.run_plan(plan, executor=2)) == serial
    assert killed


def test_a_process_lost_while_another_one_starts(plan, serial, monkeypatch):
    """Python closes its pipes before it marks the pool as broken: a start then fails."""
    failed = []
    plain = ProcessPoolExecutor.submit

    def submit(self, *call):
        if not failed:
            failed.append(call)
            raise OSError("handle is closed")
        return plain(self, *call)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", submit)
    assert bits(ensemble.run_plan(plan, executor=2)) == serial
    assert failed


def test_workers_that_always_end_are_an_error(plan, monkeypatch):
    class Broken(executors._Processes):
        def submit(self, first, last):
            return self._pool.submit(os._exit, 1)

    monkeypatch.setattr(executors, "_Processes", Broken)
    with pytest.raises(friedel.FriedelError, match="workers ended 4 times"):
        ensemble.run_plan(plan, executor=1)


@pytest.mark.parametrize("n_before", [1, 3, 7, 10])
def test_a_restart(plan, serial, tmp_path, monkeypatch, n_before):
    """Interrupted after some chunks, then resumed: only the other chunks are calculated."""
    folder, plain, calculated = tmp_path / "run", Worker.chunk, []

    def chunk(self, first, last):
        if len(calculated) == n_before:
            raise KeyboardInterrupt
        calculated.append(first)
        return plain(self, first, last)

    monkeypatch.setattr(Worker, "chunk", chunk)
    with pytest.raises(KeyboardInterrupt):
        ensemble.run_plan(plan, checkpoint=folder, checkpoint_seconds=0)
    nodes = sorted(path.name for path in folder.glob("node-*.npz"))
    assert nodes == [f"node-{a:08d}-{b:08d}.npz" for a, b in binary_nodes(n_before)]
    n_before, _ = -1, calculated.clear()
    assert bits(ensemble.run_plan(plan, checkpoint=folder)) == serial
    assert len(calculated) == FRAMES // 4 - int(nodes[-1][14:22])


def test_a_longer_trajectory_only_adds_chunks(tmp_path, monkeypatch):
    crystal = EinsteinCrystal.made(frames=FRAMES)
    keywords = {**KEYWORDS, "checkpoint": tmp_path / "run"}
    ensemble.run(crystal.pair, crystal.xyz, frames="0:30", **keywords)
    calculated, plain = [], Worker.chunk

    def chunk(self, first, last):
        calculated.append(first)
        return plain(self, first, last)

    monkeypatch.setattr(Worker, "chunk", chunk)
    whole = ensemble.run(crystal.pair, crystal.xyz, **keywords)
    assert calculated == [28, 32, 36, 40]
    assert bits(whole) == bits(ensemble.run(crystal.pair, crystal.xyz, **KEYWORDS))


def test_checkpoints_of_another_calculation_are_an_error(plan, tmp_path):
    crystal = EinsteinCrystal.made(frames=FRAMES, seed=1)
    ensemble.run_plan(plan, checkpoint=tmp_path)
    with pytest.raises(friedel.OutputError, match="another calculation"):
        ensemble.run(crystal.pair, crystal.xyz, checkpoint=tmp_path, **KEYWORDS)


def test_checkpoints_of_another_trajectory_with_the_same_start_are_an_error(plan, tmp_path):
    crystal = EinsteinCrystal.made(frames=FRAMES)
    ensemble.run_plan(plan, checkpoint=tmp_path)
    other = crystal.xyz.copy()
    other[4:] += 0.01
    with pytest.raises(friedel.OutputError, match="another trajectory, whose frame 31 differs"):
        ensemble.run(crystal.pair, other, checkpoint=tmp_path, **KEYWORDS)


def test_fewer_frames_leave_the_checkpoints_of_more(plan, serial, tmp_path):
    crystal = EinsteinCrystal.made(frames=FRAMES)
    ensemble.run_plan(plan, checkpoint=tmp_path)
    before = {path.name for path in tmp_path.glob("node-*.npz")}
    keywords = {**KEYWORDS, "frames": "0:22"}
    fewer = ensemble.run(crystal.pair, crystal.xyz, checkpoint=tmp_path, **keywords)
    assert bits(fewer) == bits(ensemble.run(crystal.pair, crystal.xyz, **keywords))
    assert before < {path.name for path in tmp_path.glob("node-*.npz")}
    assert bits(ensemble.run_plan(plan, checkpoint=tmp_path)) == serial
    assert before == {path.name for path in tmp_path.glob("node-*.npz")}


def test_a_damaged_checkpoint_is_an_error(plan, tmp_path):
    ensemble.run_plan(plan, checkpoint=tmp_path)
    next(iter(tmp_path.glob("node-*.npz"))).write_bytes(b"PK")
    with pytest.raises(friedel.FileFormatError, match="delete it"):
        ensemble.run_plan(plan, checkpoint=tmp_path)


def test_a_full_disk_is_an_error_and_the_files_of_before_stay(plan, serial, tmp_path, monkeypatch):
    written, plain = [], np.savez

    def savez(file, **arrays):
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(file)
        plain(file, **arrays)

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(friedel.OutputError, match="No space left"):
        ensemble.run_plan(plan, checkpoint=tmp_path, checkpoint_seconds=0)
    monkeypatch.setattr(np, "savez", plain)
    assert [path.name for path in tmp_path.glob("node-*.npz")] == ["node-00000000-00000002.npz"]
    assert bits(ensemble.run_plan(plan, checkpoint=tmp_path)) == serial


def test_frames_that_cannot_be_read():
    crystal = EinsteinCrystal.made(frames=12)
    xyz = crystal.xyz.copy()
    xyz[[0, 5]] = np.nan
    with pytest.raises(friedel.FileFormatError, match="frame 0"):
        ensemble.run(crystal.pair, xyz, d_min=4)
    found = ensemble.run(crystal.pair, xyz, d_min=4, on_error="skip")
    assert found.n_frames == 10
    assert [s.frame for s in found.skipped] == [0, 5]
    assert any("2 frames could not be read" in note for note in found.notes)
    rest = np.delete(xyz, [0, 5], axis=0)
    expected = ensemble.run(crystal.pair, rest, d_min=4)
    np.testing.assert_allclose(found.diffuse, expected.diffuse, rtol=1e-9)
    in_processes = ensemble.run(crystal.pair, xyz, d_min=4, on_error="skip", executor=1)
    assert bits(in_processes) == bits(found)
    with pytest.raises(friedel.FileFormatError, match="not finite"):
        ensemble.run(crystal.pair, np.full_like(xyz, np.nan), d_min=4, on_error="skip")


def test_a_pool_of_the_caller_that_breaks_is_an_error(plan):
    pool = ProcessPoolExecutor(1, get_context("spawn"))
    broken = pool.submit(os._exit, 1)
    assert broken.exception() is not None
    with pytest.raises(friedel.FriedelError, match="lost its workers"):
        ensemble.run_plan(plan, executor=pool)
