"""Common parts of the benchmarks: models, error measure, timing, peers in their own processes."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.model import Model
from friedel.model.special_positions import site_symmetry_order
from friedel.readers.models import as_model
from friedel.reflections.agreement import worst_shell_error
from friedel.reflections.reflections import Reflections
from friedel.structure_factors.calculator import Calculator

HERE = Path(__file__).parent
MACROMOLECULES = {
    "1dur.pdb": 1.5, "5e5z.pdb": 1.66, "4oz7.pdb": 1.65, "1orc.pdb": 1.54, "5i55.cif": 1.45,
    "1pfe.cif.gz": 1.1, "lyso_c2.pdb": 1.76, "rnase.pdb": 1.85, "5a3h.pdb": 1.82,
    "pka_start.pdb": 2.4, "5cvz_final.pdb": 3.29,
}  # fmt: skip
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TORCHREF_NUM_THREADS"), "1")
LONG = 0.2
"""Seconds; the state of the caches does not affect the time of a call longer than this."""
SYNTHETIC = {
    "1,000 atoms": (1_000, (36, 46, 82), 2.0),
    "10,000 atoms": (10_000, (70, 90, 130), 1.8),
    "150,000 atoms": (150_000, (210, 450, 620), 3.0),
    "500,000 atoms": (500_000, (260, 400, 660), 3.0),
}
"""Number of atoms, a, b, c and d_min of crystals in P 21 21 21."""
ATOMS_PER_A3 = 0.07
"""Density of atoms in a protein molecule, 1/Å^3."""
SMALL_MOLECULES = ("1011031.cif", "2013551.cif", "2242624.cif", "4003024.cif", "epoxide.cif")


def parser_of(document, names):
    """A parser with the option --only, for scripts whose cases have these names."""
    parser = argparse.ArgumentParser(description=document.splitlines()[0])
    text = f"cases with NAME in their name, of {', '.join(map(str, names))}; can be repeated"
    parser.add_argument("--only", action="append", metavar="NAME", help=text)
    return parser


def chosen(parser, names):
    """The arguments given, and the names among these that --only chooses: without it all of them.

    Ends with an error of the parser where there are none.
    """
    given = parser.parse_args()
    found = [name for name in names if any(text in str(name) for text in given.only or [""])]
    if not found:
        parser.error(f"no case is named {', '.join(given.only)}: see --help")
    return given, found


def models_folder():
    """The folder with real structures, or an end with a word on how to name it."""
    candidates = [os.environ.get("FRIEDEL_TEST_DATA"), HERE.parents[1] / "shared" / "data"]
    for candidate in candidates:
        if candidate and (Path(candidate) / "models").is_dir():
            return Path(candidate) / "models"
    sys.exit("no structures: set FRIEDEL_TEST_DATA to a folder with models/")


def load(name):
    """A model that every peer can calculate: without strict NCS, which gemmi's FFT ignores."""
    return as_model(models_folder() / name, strict_ncs=False, tls=None)


def synthetic(n, lengths, seed=0):
    """A molecule of n atoms, a cube with a protein's density, elements and B, in P 21 21 21."""
    rng = np.random.default_rng(seed)
    triplets = ["-x+1/2,-y,z+1/2", "-x,y+1/2,-z+1/2"]
    crystal = Crystal.from_triplets((*lengths, 90, 90, 90), triplets)
    labels = rng.choice(["C", "N", "O", "S"], n, p=[0.62, 0.17, 0.20, 0.01])
    positions = rng.random((n, 3)) * (n / ATOMS_PER_A3) ** (1 / 3)
    b_iso = 15.0 + rng.gamma(2.0, 10.0, n)
    frac = positions @ crystal.fractionalization.T
    return Model(crystal, Atoms.from_labels(labels, frac, 1.0, b_iso))


def model_and_resolution(name):
    """A macromolecule or a synthetic crystal, and its d_min."""
    if name in SYNTHETIC:
        n, lengths, d_min = SYNTHETIC[name]
        return synthetic(n, lengths), d_min
    return load(name), MACROMOLECULES[name]


def worst_shell(crystal, hkl, found, exact):
    """Relative rms error in the worst of ten equal-volume shells (of those with data)."""
    return worst_shell_error(Reflections(crystal, hkl, found), exact)


def rows_of(hkl, wanted):
    """(m,) where in hkl (n, 3) each of the reflections `wanted` (m, 3) is."""
    key, wanted_key = (x.astype(np.int64) @ [1 << 40, 1 << 20, 1] for x in (hkl, wanted))
    order = np.argsort(key)
    rows = order[np.searchsorted(key[order], wanted_key)]
    assert np.array_equal(hkl[rows], wanted)
    return rows


def exact_sample(model, hkl, n=1500, source="xray"):
    """Positions of some reflections, the finest among them, and F there by direct summation."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(hkl), min(n, len(hkl)), replace=False)
    chosen = np.unique(np.append(chosen, np.argmax(model.crystal.stol2(hkl))))
    exact = Calculator.from_model(model, hkl=hkl[chosen], source=source, method="direct")
    return chosen, exact.forward()


def seconds(work, repeats=7):
    """Least wall time of some calls after a first one."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


class Peer:
    """A peer's script in its own process, which calculates on request: see peer.py.

    Parameters
    ----------
    python
        Its interpreter; by default this one.

    Raises
    ------
    PeerError
        When it does not get as far as being ready, or ends without an answer.
    """

    def __init__(self, script, model, *arguments, python=None, **arrays):
        self._folder = tempfile.TemporaryDirectory()
        self._output = Path(self._folder.name) / "out.npz"
        atoms = Path(self._folder.name) / "atoms.npz"
        save_atoms(atoms, model, **arrays)
        command = [python or sys.executable, HERE / script, atoms, *arguments, self._output]
        environment = os.environ | ONE_THREAD
        self._process = subprocess.Popen(
            [str(x) for x in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.import_mb = self._answer()["import_mb"]
        self.memory_mb = self.import_mb

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._folder.cleanup()

    def times(self, word="go"):
        """Seconds of one calculation, by the clock and of the processor."""
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        self.memory_mb = answer["memory_mb"]
        return answer["seconds"], answer["cpu_seconds"]

    def times_again(self, word="go"):
        """The same of the second of two calls: of those that follow one another, as most do.

        While others were at work, the caches lost what the first one needs.
        """
        first = self.times(word)
        return first if first[0] > LONG else self.times(word)

    def result(self):
        """hkl and F of the last calculation."""
        memory = self.memory_mb
        self.times("save")
        self.memory_mb = memory
        arrays = np.load(self._output)
        return arrays["hkl"], arrays["f"]

    def _answer(self):
        line = self._process.stdout.readline()
        while line and not line.startswith("{"):  # what its libraries have to say
            line = self._process.stdout.readline()
        if not line:
            raise PeerError(f"ended with status {self._process.wait()}")
        return json.loads(line)


class PeerError(Exception):
    """A peer could not do its work."""


def save_atoms(path, model, **arrays):
    """A model's atoms and crystal as plain arrays, with others."""
    from friedel.writers.gemmi_objects import find_gemmi_spacegroup

    crystal, atoms = model.crystal, model.atoms
    group = find_gemmi_spacegroup(crystal)
    np.savez(
        path, cell=crystal.cell, rotations=crystal.rotations, translations=crystal.translations,
        hall=group.hall, hm=group.xhm(), frac=atoms.frac, occ=atoms.occ, b_iso=atoms.b_iso,
        u_cart=np.zeros((len(atoms), 6)) if atoms.u_aniso is None else atoms.u_aniso,
        labels=np.array(atoms.symbols)[atoms.kind],
        site_symmetry_order=site_symmetry_order(crystal, atoms.frac), **arrays,
    )  # fmt: skip


def run_cctbx(script, model, hkl, d_min, repeats, algorithm):
    """Time and F of cctbx on a model's atoms, or None where FRIEDEL_CCTBX_PYTHON has none."""
    python = os.environ.get("FRIEDEL_CCTBX_PYTHON")
    if python is None:
        return None
    try:
        with Peer(script, model, d_min, algorithm, python=python, hkl=hkl) as peer:
            peer.times()
            seconds = min(peer.times()[0] for _ in range(repeats))
            return {"seconds": seconds, "f": peer.result()[1]}
    except PeerError:
        return None


def run_peer(script, *arguments, python=None):
    """The JSON output of a peer's script, or None when it cannot run here."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.npz"
        command = [python or sys.executable, str(HERE / script), *map(str, arguments), str(output)]
        environment = os.environ | ONE_THREAD
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, timeout=600
        )
        if done.returncode:
            return None
        result = json.loads(done.stdout.splitlines()[-1])
        arrays = np.load(output)
        return result | {name: arrays[name] for name in arrays.files}
