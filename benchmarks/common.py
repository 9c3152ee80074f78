"""What the benchmarks share: models, the error measure, timing, peers in processes of their own."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from friedel.calculator import Calculator
from friedel.io.models import as_model, site_symmetry_order
from friedel.reflections import Reflections
from friedel.shells import worst_shell_error

HERE = Path(__file__).parent
MACROMOLECULES = {
    "1dur.pdb": 1.5, "5e5z.pdb": 1.66, "4oz7.pdb": 1.65, "1orc.pdb": 1.54, "5i55.cif": 1.45,
    "1pfe.cif.gz": 1.1, "lyso_c2.pdb": 1.76, "rnase.pdb": 1.85, "5a3h.pdb": 1.82,
    "pka_start.pdb": 2.4, "5cvz_final.pdb": 3.29,
}  # fmt: skip
SMALL_MOLECULES = ("1011031.cif", "2013551.cif", "2242624.cif", "4003024.cif", "epoxide.cif")


def models_folder():
    """The folder with real structures, or an end with a word on how to name it."""
    candidates = [os.environ.get("FRIEDEL_TEST_DATA"), HERE.parents[1] / "shared" / "data"]
    for candidate in candidates:
        if candidate and (Path(candidate) / "models").is_dir():
            return Path(candidate) / "models"
    sys.exit("no structures: set FRIEDEL_TEST_DATA to a folder with models/")


def load(name):
    """A model as every peer can calculate it: without strict NCS, which gemmi's FFT leaves out."""
    return as_model(models_folder() / name, strict_ncs=False)


def worst_shell(crystal, hkl, found, exact):
    """Relative rms error in the worst of ten equal-volume shells (of those with data)."""
    return worst_shell_error(Reflections(crystal, hkl, found), exact)


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


def run_cctbx(script, model, hkl, *arguments, **arrays):
    """A script with cctbx on a model's atoms, where FRIEDEL_CCTBX_PYTHON names an interpreter.

    The atoms are its first argument, as a file with `hkl` and other arrays; None without cctbx.
    """
    from friedel.io.writers import find_gemmi_spacegroup

    python = os.environ.get("FRIEDEL_CCTBX_PYTHON")
    hall = getattr(find_gemmi_spacegroup(model.crystal), "hall", None)
    if python is None or hall is None:
        return None
    atoms = model.atoms
    u_cart = np.zeros((len(atoms), 6)) if atoms.u_aniso is None else atoms.u_aniso
    # cctbx sums an atom on a special position once for each of its different images
    occ = atoms.occ * site_symmetry_order(model.crystal, atoms.frac)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "atoms.npz"
        np.savez(
            path, cell=model.crystal.cell, hall=hall, frac=atoms.frac, occ=occ,
            b_iso=atoms.b_iso, u_cart=u_cart, labels=np.array(atoms.symbols)[atoms.kind],
            hkl=hkl, **arrays,
        )  # fmt: skip
        return run_peer(script, path, *arguments, python=python)


def run_peer(script, *arguments, python=None):
    """What a peer's script printed as JSON, or None when it cannot run here."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.npz"
        command = [python or sys.executable, str(HERE / script), *map(str, arguments), str(output)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, timeout=600
        )
        if done.returncode:
            return None
        result = json.loads(done.stdout.splitlines()[-1])
        arrays = np.load(output)
        return result | {name: arrays[name] for name in arrays.files}
