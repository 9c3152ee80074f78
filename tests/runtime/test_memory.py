import threading

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


def test_work_that_does_not_fit_is_refused_with_the_figures(monkeypatch):
    assert available_memory() > 0
    monkeypatch.setattr(workspace, "available_memory", lambda: 2.0**30)
    check_memory(2.0**29, "a grid")
    with pytest.raises(friedel.MemoryLimitError, match="a grid needs 2.0 GiB of memory, 0.9 GiB"):
        check_memory(2.0**31, "a grid")


def test_a_calculator_says_so_before_it_starts(monkeypatch):
    monkeypatch.setattr(workspace, "available_memory", lambda: 4e5)
    crystal = friedel.Crystal((20, 22, 25, 90, 90, 90))
    atoms = friedel.Atoms.from_labels(["C"], [[0.1, 0.2, 0.3]], 1.0, 20.0)
    with pytest.raises(friedel.MemoryLimitError, match="a grid of"):
        friedel.Calculator.from_model((crystal, atoms), d_min=2.0, method="fft")
