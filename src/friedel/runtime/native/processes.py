"""Compilation by other processes, one per core: what a job is going to need while it begins.

`jobs.json` lists which kernels some typical jobs call. When a kernel is missing, the kernels that
every one of these jobs calls as well, if it calls this one, are missing most likely, and needed:
they are compiled at the same time. A list that is out of date costs time, never a result.
`tools/list_kernel_jobs.py` renews it.
"""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import cache
from importlib import import_module

from friedel.runtime.native.kept import Kept, from_bytes
from friedel.runtime.native.loader import Kernel
from friedel.runtime.native.store import Store
from friedel.runtime.progress import LINE
from friedel.runtime.threads import usable_cores

JOBS = "jobs.json"

LONGEST_IDLE = 5.0
"""Time (s) after which a process that has nothing to compile ends."""

SHOWN_EVERY = 1.0
"""Time (s) after which the line on a terminal tells the time anew."""

Variant = tuple[str, str]
"""A kernel, as ``"friedel.kernels.grid.density.fold_rows"``, and the types of its arguments."""


def compile_elsewhere(kernel: Kernel, types: str) -> tuple[Kept | None, str]:
    """The machine code of a kernel, compiled by another process, or why there is none."""
    return _compilation_for(kernel.store).wait_for((kernel.name, types))


def expect(store: Store, job: str) -> None:
    """Begin to compile what is missing of a known job."""
    _compilation_for(store).begin(kernels_of(store, job))


@cache
def known_jobs(store: Store) -> tuple[tuple[Variant, ...], dict[str, frozenset[int]]]:
    """All variants, longest to compile first, and the jobs as sets of their numbers."""
    try:
        stored = json.loads((store.sources / JOBS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return (), {}
    variants = tuple((f"{PACKAGE}.{name}", json.dumps(kinds)) for name, kinds in stored["kernels"])
    return variants, {name: frozenset(numbers) for name, numbers in stored["jobs"].items()}


PACKAGE = "friedel.kernels"
"""The package whose kernels are listed, by the rest of their names."""


def companions(store: Store, variant: Variant) -> list[Variant]:
    """What every known job that calls this kernel calls as well, longest to compile first."""
    variants, jobs = known_jobs(store)
    if variant not in variants:
        return []
    number = variants.index(variant)
    common = frozenset.intersection(*(job for job in jobs.values() if number in job))
    return [variants[i] for i in sorted(common - {number})]


def kernels_of(store: Store, job: str) -> list[Variant]:
    """The kernels of a known job, longest to compile first."""
    variants, jobs = known_jobs(store)
    return [variants[i] for i in sorted(jobs.get(job, ()))]


class Compilation:
    """The kernels that wait for compilation, and the processes that compile them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._waiting: list[Variant] = []
        self._elsewhere: set[Variant] = set()
        self._asked: set[Variant] = set()
        self._found: dict[Variant, tuple[Kept | None, str]] = {}
        self._processes = 0
        self._since = 0.0

    def wait_for(self, variant: Variant) -> tuple[Kept | None, str]:
        """The code of a kernel, or why there is none; its companions are begun."""
        with self._changed:
            if variant in self._waiting:
                self._waiting.remove(variant)
            if variant not in self._found and variant not in self._elsewhere:
                self._waiting.insert(0, variant)
                self._asked.add(variant)
            self.begin(companions(self._store, variant))
            while variant not in self._found and (self._processes or self._start_processes()):
                self._show()
                self._changed.wait(SHOWN_EVERY)
            self._show(is_over=True)
            return self._found.get(variant, (None, "no process can be started to compile them"))

    def begin(self, variants: list[Variant]) -> None:
        """Begin to compile those of these kernels that are missing."""
        with self._changed:
            new = [x for x in variants if x not in self._asked and not self._store.has(*x)]
            self._waiting += new
            self._asked.update(new)
            self._start_processes()

    def _start_processes(self) -> int:
        """Start one process per core, or as many as kernels wait; how many run."""
        self._changed.notify_all()
        for _ in range(min(usable_cores(), len(self._waiting)) - self._processes):
            try:
                process = _start(self._store)
            except OSError:
                break
            self._processes += 1
            threading.Thread(target=self._feed, args=(process,), daemon=True).start()
        return self._processes

    def _feed(self, process: subprocess.Popen) -> None:
        """Give a process one kernel after the other."""
        assert process.stdin is not None
        assert process.stdout is not None
        answer = "alive"
        while answer:
            with self._changed:
                if not self._waiting:
                    self._changed.wait(LONGEST_IDLE)
                if not self._waiting:
                    break
                variant = self._waiting.pop(0)
                self._elsewhere.add(variant)
            answer = ""
            with suppress(OSError, ValueError):
                process.stdin.write(json.dumps(variant) + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
            with self._changed:
                self._elsewhere.remove(variant)
                self._found[variant] = self._read(variant, answer)
                self._changed.notify_all()
        with self._changed:
            self._processes -= 1
            self._changed.notify_all()
        with suppress(OSError, ValueError):
            process.stdin.close()
        process.wait()
        process.stdout.close()

    def _read(self, variant: Variant, answer: str) -> tuple[Kept | None, str]:
        if not answer:
            return None, "the process that compiles them ended"
        data, reason = json.loads(answer)
        return (
            (None, reason)
            if data is None
            else (from_bytes(base64.b64decode(data), self._store.key(*variant)), "")
        )

    def _show(self, is_over: bool = False) -> None:
        """One line on a terminal, which vanishes when this process goes on."""
        self._since = self._since or time.perf_counter()
        text = f"compiling kernels, once: {len(self._found)} of {len(self._asked)}"
        seconds = time.perf_counter() - self._since
        LINE.pin("" if is_over else f"{text}, {seconds:.0f} s")


def _start(store: Store) -> subprocess.Popen:
    """A process that compiles with the modules of this one, whose folder may go meanwhile."""
    if not sys.executable or getattr(sys, "frozen", False):
        raise OSError("no Python interpreter")
    folders = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
    changed = {"PYTHONPATH": folders}
    if store.folder is not None:
        changed["NUMBA_CACHE_DIR"] = os.path.abspath(store.folder.parent)
    # -P: modules are found where this process finds them, not in the working folder
    return subprocess.Popen(
        [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | changed,
        cwd=os.path.dirname(sys.executable),
        text=True,
    )


def serve() -> None:
    """Compile the kernels that are named on standard input, one per line, and answer with them."""
    from friedel.runtime.native.builder import build

    for line in sys.stdin:
        name, types = json.loads(line)
        answer: tuple[str | None, str]
        try:
            kernel = kernel_of(name)
            data = build(kernel, types).as_bytes(kernel.store.key(name, types))
            kernel.store.write(name, types, data)
            answer = base64.b64encode(data).decode(), ""
        except Exception as error:  # whatever a new version of numba makes of it
            answer = None, f"{type(error).__name__}: {error}".splitlines()[0]
        print(json.dumps(answer), flush=True)


def kernel_of(name: str) -> Kernel:
    """The kernel of that name."""
    module, _, function = name.rpartition(".")
    return getattr(import_module(module), function)


_compilations: dict[Store, Compilation] = {}


def _compilation_for(store: Store) -> Compilation:
    return _compilations.setdefault(store, Compilation(store))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_compilations.clear)
