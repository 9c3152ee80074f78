import gc
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import friedel
from friedel.runtime import memory as workspace
from friedel.runtime.memory import available_memory, check_memory, scratch


def test_memory_is_used_again_within_a_thread():
    first = scratch("test", (10, 20), np.float32)
    again = scratch("test", (20, 10), np.float32)
    assert np.shares_memory(first, again)
    assert not np.shares_memory(first, scratch("other", (10, 20), np.float32))
    assert scratch("test", (5, 5), np.complex128).dtype == np.complex128


def test_threads_do_not_share():
    mine = scratch("test", (100,), np.float64)
    theirs = []
    thread = threading.Thread(target=lambda: theirs.append(scratch("test", (100,), np.float64)))
    thread.start()
    thread.join()
    assert not np.shares_memory(mine, theirs[0])


@pytest.fixture
def kept(monkeypatch):
    """Bytes that are kept, with nothing to begin with and a small bound."""
    friedel.release_memory()
    monkeypatch.setattr(workspace, "MEMORY_KEPT", 10_000)
    yield workspace._size_kept
    friedel.release_memory()


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_what_is_kept_is_bounded_for_all_names_and_threads_together(kept):
    for i in range(40):
        scratch(f"name {i}", (2000,), np.uint8)
        assert kept() <= 10_000
    assert kept() == 10_000
    newest = scratch("name 39", (2000,), np.uint8)
    assert np.shares_memory(newest, scratch("name 39", (2000,), np.uint8))
    held, sizes = threading.Barrier(5), []

    def work():
        scratch("name", (4000,), np.uint8)
        held.wait(10)
        held.wait(10)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    held.wait(10)
    sizes.append(kept())
    held.wait(10)
    for thread in threads:
        thread.join()
    assert 0 < sizes[0] <= 10_000


def test_memory_beyond_the_bound_is_not_kept(kept):
    large = scratch("large", (10_001,), np.uint8)
    assert not np.shares_memory(large, scratch("large", (10_001,), np.uint8))
    assert kept() == 0


def test_who_uses_memory_that_is_dropped_goes_on_using_it(kept):
    mine = scratch("mine", (5000,), np.uint8)
    mine[:] = 7
    for i in range(5):
        scratch(f"other {i}", (5000,), np.uint8)[:] = i
    friedel.release_memory()
    scratch("mine", (5000,), np.uint8)[:] = 1
    assert (mine == 7).all()


def test_memory_of_all_threads_is_released(kept):
    scratch("mine", (2000,), np.uint8)
    waiting, done = threading.Event(), threading.Event()

    def work():
        scratch("theirs", (3000,), np.uint8)
        waiting.set()
        done.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    waiting.wait(10)
    assert kept() == 5000
    assert friedel.release_memory() == 5000
    assert kept() == friedel.release_memory() == 0
    done.set()
    thread.join()


def test_a_thread_that_ends_gives_its_memory_back(kept):
    in_thread(lambda: scratch("theirs", (3000,), np.uint8))
    gc.collect()
    assert kept() == 0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the process's size is unknown")
def test_the_system_gets_the_memory_back():
    """A density takes 100 MB: the calculator is deleted, then the kept memory is freed."""
    code = """
import gc, os, threading, numpy as np, friedel
def size():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
def work(edge):
    crystal = friedel.Crystal((edge, edge, edge, 90, 90, 90))
    atoms = friedel.Atoms.from_labels(["C"] * 100, np.random.rand(100, 3), 1.0, 40.0)
    hkl = np.argwhere(np.ones((9, 9, 9))).astype(np.int32)[1:]
    hkl[-1] = int(edge / 3), 0, 0
    friedel.Calculator.from_model((crystal, atoms), hkl=hkl, method="fft", rate=1.3).forward()
work(30.0)
before = size()
work(300.0)
gc.collect()
kept = size() - before
released = friedel.release_memory() / 2**20
print(kept, released, size() - before)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kept, released, left = (float(word) for word in done.stdout.split())
    assert kept > 60
    assert released > 60
    assert left < kept - 0.9 * released


def test_work_that_does_not_fit_is_refused_with_the_figures(monkeypatch):
    assert available_memory() > 0
    monkeypatch.setattr(workspace, "available_memory", lambda: 2.0**30)
    check_memory(2.0**29, "a grid")
    with pytest.raises(friedel.MemoryLimitError, match="a grid needs 2.0 GiB of memory, 0.9 GiB"):
        check_memory(2.0**31, "a grid")


def test_a_calculator_says_so_before_it_starts(monkeypatch):
    monkeypatch.setattr(workspace, "SMALL", 0)
    monkeypatch.setattr(workspace, "available_memory", lambda: 4e5)
    crystal = friedel.Crystal((20, 22, 25, 90, 90, 90))
    atoms = friedel.Atoms.from_labels(["C"], [[0.1, 0.2, 0.3]], 1.0, 20.0)
    with pytest.raises(friedel.MemoryLimitError, match="a grid of"):
        friedel.Calculator.from_model((crystal, atoms), d_min=2.0, method="fft")
