"""Work divided among threads: all of it ends, the first error is raised, cores are counted."""

import os
import subprocess
import sys
import time

import pytest

import friedel
from friedel.runtime import threads
from friedel.runtime.threads import checked_threads, in_stretches, usable_cores


@pytest.fixture
def eight_threads(monkeypatch):
    """Whatever the machine has."""
    pool = threads.ThreadPoolExecutor(8)
    monkeypatch.setattr(threads, "_threads", lambda: pool)
    yield
    pool.shutdown()


@pytest.mark.usefixtures("eight_threads")
def test_the_first_error_is_raised_when_all_have_ended():
    ended = []

    def work(first, last):
        time.sleep(0.05 * first)  # later stretches end later
        ended.append(first)
        if first in (1, 2, 4):
            raise ValueError(f"stretch {first}")

    with pytest.raises(ValueError, match="stretch 1"):
        in_stretches(work, 6, 6)
    assert sorted(ended) == list(range(6))


@pytest.mark.usefixtures("eight_threads")
def test_the_error_of_the_callers_own_stretch_comes_first():
    ended = []

    def work(first, last):
        time.sleep(0.0 if first in (0, 1) else 0.2)
        ended.append(first)
        if first < 2:
            raise ValueError(f"stretch {first}")

    with pytest.raises(ValueError, match="stretch 0"):
        in_stretches(work, 4, 4)
    assert sorted(ended) == list(range(4))


@pytest.mark.usefixtures("eight_threads")
def test_an_interruption_waits_for_what_still_writes():
    ended = []

    def work(first, last):
        if first == 0:
            raise KeyboardInterrupt
        time.sleep(0.2)
        ended.append(first)

    with pytest.raises(KeyboardInterrupt):
        in_stretches(work, 4, 4)
    assert sorted(ended) == [1, 2, 3]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_a_process_bound_to_one_core_counts_one():
    code = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from friedel.runtime.threads import checked_threads
print(checked_threads(None))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


GROUPS = {
    "version 2, in a container": (
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "150000 100000"},
        2,
    ),
    "version 2, of the group around it": (
        {
            "proc/self/cgroup": "0::/batch/job/step",
            "sys/fs/cgroup/batch/job/step/cpu.max": "max 100000",
            "sys/fs/cgroup/batch/job/cpu.max": "300000 100000",
            "sys/fs/cgroup/batch/cpu.max": "800000 100000",
        },
        3,
    ),
    "version 1, seen from inside": (
        {
            "proc/self/cgroup": "4:memory:/docker/ab\n3:cpu,cpuacct:/docker/ab\n1:name=systemd:/",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/memory/cpu.max": "100000 100000",
        },
        2,
    ),
    "version 1, half a core": (
        {
            "proc/self/cgroup": "1:cpu:/a",
            "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "50000",
            "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000",
        },
        1,
    ),
    "version 1, without a limit": (
        {
            "proc/self/cgroup": "1:cpu:/",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
        64,
    ),
    "none": ({}, 64),
}


@pytest.mark.parametrize("name", GROUPS)
def test_cores_that_a_container_allows(tmp_path, monkeypatch, name):
    files, expected = GROUPS[name]
    write(tmp_path, files)
    quotas = threads._quotas
    monkeypatch.setattr(threads, "_quotas", lambda: quotas(tmp_path))
    monkeypatch.setattr(threads.os, "process_cpu_count", lambda: 64, raising=False)
    assert usable_cores() == checked_threads(None) == expected


def test_a_number_of_threads_that_is_given_is_taken():
    assert checked_threads(3) == 3
    for wrong in (0, 1.5, -1):
        with pytest.raises(friedel.ParameterError):
            checked_threads(wrong)
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
