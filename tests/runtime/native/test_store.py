"""Compiled code that is kept: used again, never that of other sources, and not without bound."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import friedel
from friedel.runtime.native import store

CALL = """
import sys
from importlib import import_module
import numpy as np
kernels = import_module(sys.argv[1])
identity = np.eye(3, dtype=np.int64)[None]
absent = kernels.is_absent(np.ones((1, 3), np.int64), identity, np.zeros((1, 3), np.int64))
compiled = "friedel.runtime.native.processes" in sys.modules
print(int(absent[0]), int(not compiled), int(compiled))
"""
"""A kernel calls one of another module: what it returns, and whether it was kept or compiled."""


class Copy:
    """A copy of the package whose sources may change, and a place for its compiled code."""

    def __init__(self, folder: Path, place: str):
        package = Path(friedel.__file__).parent
        shutil.copytree(package, folder / "friedel", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "home").mkdir()
        self.kernels = folder / "friedel/kernels"
        self.called = next(self.kernels.rglob("indices.py"))
        caller = next(self.kernels.rglob("reflections.py")).relative_to(folder).with_suffix("")
        self.module = ".".join(caller.parts)
        unset = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "PYTHONDONTWRITEBYTECODE")
        self.environment = {name: x for name, x in os.environ.items() if name not in unset}
        self.environment["PYTHONPATH"] = str(folder)
        self.environment["HOME"] = str(folder / "home")
        if place == "NUMBA_CACHE_DIR":
            self.environment["NUMBA_CACHE_DIR"] = str(folder / "cache")
        elif place == "home":
            for kernels in (self.kernels, *(x for x in self.kernels.iterdir() if x.is_dir())):
                (kernels / "__pycache__").write_text("")  # so that no folder can be made there
        self.places = folder

    def call(self) -> tuple[int, ...]:
        command = [sys.executable, "-c", CALL, self.module]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return tuple(int(word) for word in done.stdout.split())

    def edit(self, old: str, new: str) -> None:
        text = self.called.read_text()
        assert old in text
        self.called.write_text(text.replace(old, new))


@pytest.mark.parametrize("place", ["NUMBA_CACHE_DIR", "beside the kernels", "home"])
def test_stale_code_never_runs(tmp_path, place):
    """The kernel that is called changes, in another module than the one that calls it."""
    copy = Copy(tmp_path, place)
    assert copy.call() == (0, 0, 1)
    assert copy.call() == (0, 1, 0)
    copy.edit(
        "return turn - TRANSLATION_DENOMINATOR *", "return 1 + turn - TRANSLATION_DENOMINATOR *"
    )
    assert copy.call() == (1, 0, 1)
    copy.edit(
        "return 1 + turn - TRANSLATION_DENOMINATOR *", "return turn - TRANSLATION_DENOMINATOR *"
    )
    assert copy.call() == (0, 1, 0)  # of this state, which was kept


def test_comments_and_docstrings_compile_nothing(tmp_path):
    copy = Copy(tmp_path, "NUMBA_CACHE_DIR")
    assert copy.call() == (0, 0, 1)
    copy.edit('"""h.t in 24ths of a turn, 0 to 23."""', '"""Of a turn."""\n    # A comment')
    copy.edit('"""Reflections under symmetry operations', '# A comment\n"""Reflections')
    assert copy.call() == (0, 1, 0)
    copy.edit("(h * translations[o, 0]", "(3 * h * translations[o, 0]")
    assert copy.call() == (0, 0, 1)


def test_a_full_disk_costs_no_more_than_a_compilation(tmp_path):
    """The folder is there, and no file of it can be written."""
    resource = pytest.importorskip("resource")
    copy = Copy(tmp_path, "NUMBA_CACHE_DIR")
    command = [sys.executable, "-c", CALL, copy.module]

    def no_file_grows() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = subprocess.run(
        command,
        env=copy.environment | {"PYTHONDONTWRITEBYTECODE": "1"},  # which it would leave in halves
        preexec_fn=no_file_grows,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "0", "1"]
    assert not list(tmp_path.rglob("*.kernel"))


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"""Text."""\n', '"""Other."""\n', True),
        ("    return x", "    # why\n\n    return x", True),
        ("x + 1", "x + 1.0", False),
        ("x + 1", "x + 2", False),
        ("x + 1", "x - 1", False),
        ('"fast", "loose"', '"fast", "strict"', False),
        ('"fast", "loose"', '"loose", "fast"', True),
        ("def f(x)", "def f(x, y=0)", False),
        ("def f(x)", "def g(x)", False),
        ('"llvm.fma"', '"llvm.add"', False),
    ],
)
def test_the_state_is_what_the_code_does(tmp_path, old, new, same):
    source = (
        '"""Text."""\nOPTIONS = "x" in {"fast", "loose"}\n'
        'def f(x):\n    """Text."""\n    return x + 1\n\n'
        'def name():\n    return "llvm.fma"\n'
    )
    (tmp_path / "part").mkdir()
    states = set()
    for text in (source, source.replace(old, new)):
        assert text != source or not states
        (tmp_path / "part/kernel.py").write_text(text)
        shutil.rmtree(tmp_path / "part/__pycache__", ignore_errors=True)  # edits of one second
        states.add(store.state_of(tmp_path))
    assert len(states) == (1 if same else 2)


def test_a_name_in_another_folder_is_another_state(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n")
    state = store.state_of(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert store.state_of(tmp_path) not in (state, None)
    (tmp_path / "b.py").unlink()
    assert store.state_of(tmp_path) is None


def test_code_of_old_states_is_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (tmp_path / "friedel-1000").mkdir()  # another's
    states = [f"{i:020x}" for i in range(store.FOLDERS_KEPT + 2)]
    for i, state in enumerate(states):
        folder = store.find_folders(state, tmp_path)[0]
        assert folder is not None
        (folder / "x.kernel").write_text("")
        os.utime(folder, (i + 1, i + 1))  # one after the other, long ago
    assert store.find_folders(states[2], tmp_path)[0].is_dir()  # used again
    store.find_folders("f" * 20, tmp_path)
    left = {folder.name.removeprefix("friedel-kernels-") for folder in tmp_path.iterdir()}
    assert left == {"friedel-1000", "f" * 20, states[2], *states[4:]}


def test_folders_that_others_may_write_to_are_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    state, sources = "a" * 20, tmp_path / "sources"
    folder = store.find_folders(state, sources)[0]
    assert folder is not None
    assert folder.parent == tmp_path / "cache"
    assert not folder.stat().st_mode & 0o022
    for mode in (0o777, 0o775):
        folder.chmod(mode)
        other = store.find_folders(state, sources)[0]
        assert other is not None
        assert other.parent == sources / "__pycache__"


def test_what_is_kept_is_read_again_unless_it_is_damaged_or_for_another_key():
    kept = store.Kept("name", ("qd", [None, None], True), ["exp"], b"code\n\0")
    data = kept.as_bytes("key")
    found = store.from_bytes(data, "key")
    assert found is not None
    assert found.code == kept.code
    assert (found.symbol, found.result[0], found.symbols) == ("name", "qd", ["exp"])
    assert store.from_bytes(data, "another") is None
    for damaged in (b"", data[:-1], data + b"x", data.replace(b"code", b"cide"), data[:30]):
        assert store.from_bytes(damaged, "key") is None


def test_the_key_names_processor_and_versions(monkeypatch):
    keys = set()
    for cpu, features in (("haswell", "+avx2"), ("znver4", "+avx2"), ("znver4", "+avx512f")):
        monkeypatch.setenv("NUMBA_CPU_NAME", cpu)
        monkeypatch.setenv("NUMBA_CPU_FEATURES", features)
        store.environment.cache_clear()
        keys.add(store.Store.key("a", "[]"))
    monkeypatch.undo()
    store.environment.cache_clear()
    keys.add(store.Store.key("a", "[]"))
    assert len(keys) == 4
    import llvmlite
    import numba

    assert store.numba_version() == numba.__version__
    assert repr(llvmlite.__version__) in store.Store.key("a", "[]")


def test_code_for_another_processor_is_not_loaded(tmp_path):
    """Two processors that use the same folder have files of their own."""
    copy = Copy(tmp_path, "NUMBA_CACHE_DIR")
    assert copy.call() == (0, 0, 1)
    copy.environment |= {"NUMBA_CPU_NAME": "x86-64-v2", "NUMBA_CPU_FEATURES": "+sse4.2"}
    assert copy.call() == (0, 0, 1)
    assert copy.call() == (0, 1, 0)
    del copy.environment["NUMBA_CPU_NAME"], copy.environment["NUMBA_CPU_FEATURES"]
    assert copy.call() == (0, 1, 0)


def test_code_in_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    """A mounted image, for instance: its code is read, and what it lacks is kept elsewhere."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "image"))
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "kernel.py").write_text("x = 1\n")
    kept = store.Kept("name", None, [], b"code")
    image = store.Store(sources)
    assert image.write(
        "friedel.kernels.f", "[]", kept.as_bytes(image.key("friedel.kernels.f", "[]"))
    )
    access = os.access
    monkeypatch.setattr(
        "os.access", lambda path, mode: "image" not in str(path) and access(path, mode)
    )
    user = store.Store(sources)
    assert user.folder is not None
    assert user.folder.is_relative_to(sources / "__pycache__")
    found = user.read("friedel.kernels.f", "[]")
    assert found is not None
    assert found.code == b"code"
    assert user.write("friedel.kernels.g", "[]", kept.as_bytes(user.key("friedel.kernels.g", "[]")))
    assert len(list(user.folder.iterdir())) == 1


def test_a_folder_that_became_read_only(tmp_path, monkeypatch):
    """Nothing is kept, and nothing fails."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "kernel.py").write_text("x = 1\n")
    here = store.Store(tmp_path)

    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", read_only)
    assert not here.write("friedel.kernels.f", "[]", b"")
    assert here.read("friedel.kernels.f", "[]") is None
