"""Time of gradients compared with that of structure factors, and with cctbx and TorchRef.

    python benchmarks/gradients.py [MODEL ...] [--only NAME]

For each model: one thread, all parameters (xyz, B or U, occupancy, f'), float32; the error is the
relative rms of the Cartesian gradients against direct summation. cctbx, by FFT with its defaults,
runs with the interpreter named by FRIEDEL_CCTBX_PYTHON, TorchRef, which differentiates
automatically, with that of FRIEDEL_TORCHREF_PYTHON; either is left out where it is absent.
friedel is asked for two errors, its default and the one that cctbx has. TorchRef reads PDB files
only.

Without named models an ensemble is measured too: mean and variance of F over 100 members of 5a3h at
2.0 Å, compared with 100 calls for the planned atoms (processor time, medians of repetitions), and
the additional memory, in grids; on Linux.
"""

import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import gemmi
import numpy as np
from common import chosen, load, model_and_resolution, models_folder, parser_of, run_peer, seconds
from peer import peak_mb
from scipy.spatial import cKDTree

from friedel.ensemble.members import Ensemble, moments
from friedel.structure_factors.calculator import Calculator
from friedel.writers.gemmi_objects import find_gemmi_spacegroup

NAMES = ("1dur.pdb", "5a3h.pdb", "pka_start.pdb", "lyso_c2.pdb", "1pfe.cif.gz")
REPEATS = 5
"""Number of calls of a peer."""
CALLS = 15
LARGE = "150,000 atoms"
MEMBERS, TURNS = 100, 5


def run_cctbx(model, hkl, w, d_min):
    """The peer on the same atoms and the same w, or None."""
    python = os.environ.get("FRIEDEL_CCTBX_PYTHON")
    group = find_gemmi_spacegroup(model.crystal)
    if python is None or not isinstance(group, gemmi.SpaceGroup):
        return None
    atoms = model.atoms
    u_cart = np.zeros((len(atoms), 6)) if atoms.u_aniso is None else atoms.u_aniso
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "atoms.npz"
        np.savez(
            path, cell=model.crystal.cell, hall=group.hall, frac=atoms.frac, occ=atoms.occ,
            b_iso=atoms.b_iso, u_cart=u_cart, labels=np.array(atoms.symbols)[atoms.kind],
            hkl=hkl, w=w,
        )  # fmt: skip
        return run_peer("peer_cctbx_gradients.py", path, d_min, REPEATS, python=python)


def run_torchref(name, hkl, w, d_min):
    """The peer on the same file and the same w, or None."""
    python = os.environ.get("FRIEDEL_TORCHREF_PYTHON")
    if python is None or not name.endswith(".pdb"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reflections.npz"
        np.savez(path, hkl=hkl, w=w)
        model = models_folder() / name
        return run_peer("peer_torchref_gradients.py", model, path, d_min, REPEATS, python=python)


def relative_rms(found, exact):
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def ours(model, hkl, w, rtol, method="fft"):
    """Least times of F and of gradients, run alternately, and the derivatives by positions."""
    calculator = Calculator.from_model(model, hkl=hkl, method=method, rtol=rtol, threads=1)
    calculator.forward(), calculator.adjoint(None, w)
    forward, adjoint = [], []
    for _ in range(CALLS if method == "fft" else 1):
        forward.append(seconds(calculator.forward, 1))
        adjoint.append(seconds(lambda: calculator.adjoint(None, w), 1))
    return min(forward), min(adjoint), calculator.adjoint(None, w).xyz


def line(name, what, forward, adjoint, error, n, beside=""):
    told = "-" if np.isnan(error) else f"{error:.1e}"
    print(
        f"{name:14s} {what:16s} {1e3 * forward:9.1f} {1e3 * adjoint:9.1f} {adjoint / forward:6.2f} "
        f"{1e6 * adjoint / n:9.2f} {told:>9s}  {beside}"
    )


def ensemble():
    """Seconds of ensembles and of as many single calls, grids that memory grew by."""
    moments(*small_ensemble())  # loads what is compiled, so that it does not count
    model = load("5a3h.pdb")
    calculator = Calculator.from_model(model, d_min=2.0, method="fft", threads=1)
    rng, shape = np.random.default_rng(0), (MEMBERS, len(model.atoms))
    frac = model.atoms.frac + 0.003 * rng.normal(size=(*shape, 3))
    b_iso = model.atoms.b_iso + rng.uniform(0.0, 10.0, shape)
    kinds = {
        "xyz of their own": Ensemble(model.atoms, frac),
        "xyz and B": Ensemble(model.atoms, frac, b_iso=b_iso),
    }
    grid_mb = np.prod(calculator.plan.shape) * calculator.plan.dtype.itemsize / 2**20
    before, lines = resident_mb(), []
    for name, members in kinds.items():
        ratios = []
        for _ in range(TURNS):
            start = time.process_time()
            moments(calculator, members)
            middle = time.process_time()
            for _ in range(MEMBERS):
                calculator.forward()
            ratios.append((middle - start) / (time.process_time() - middle))
        grids = (peak_mb() - before) / grid_mb
        lines.append(
            f"{MEMBERS} members, {name:17s} {10 * (middle - start):5.1f} ms each, "
            f"{np.median(ratios):.2f} x single calls, memory + {grids:.1f} grids"
        )
    return lines


def resident_mb():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def small_ensemble():
    model = load("1dur.pdb")
    calculator = Calculator.from_model(model, d_min=2.0, method="fft", threads=1)
    b_iso = np.add.outer([0.0, 5.0], model.atoms.b_iso)
    return calculator, Ensemble(model.atoms, np.stack([model.atoms.frac] * 2), b_iso=b_iso)


def main():
    every = (*NAMES, LARGE, "ensemble")
    parser = parser_of(__doc__, every)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="without the ensemble")
    given, names = chosen(parser, every)
    print(
        f"{'model':14s} {'':16s} {'F, ms':>9s} {'grad, ms':>9s} {'ratio':>6s} {'us/atom':>9s} "
        f"{'error':>9s}"
    )
    for name in given.models or [name for name in names if name != "ensemble"]:
        model, d_min = model_and_resolution(name)
        hkl, n = model.crystal.unique_reflections(d_min), len(model.atoms)
        rng = np.random.default_rng(1)
        w = rng.normal(size=len(hkl)) + 1j * rng.normal(size=len(hkl))
        exact = None
        if name != LARGE:
            *times, exact = ours(model, hkl, w, 1e-4, "direct")
            line(name, "direct", *times, 0.0, n)
        totals = []
        for rtol in (1e-4, 5e-3):
            *times, xyz = ours(model, hkl, w, rtol)
            totals.append(sum(times))
            error = np.nan if exact is None else relative_rms(xyz, exact)
            line(name, f"fft, rtol {rtol:.0e}", *times, error, n)
        if exact is None:
            continue
        if peer := run_cctbx(model, hkl, w, d_min):
            pair = (peer["seconds_forward"], peer["seconds_gradients"])
            line(
                name, "cctbx fft", *pair, relative_rms(peer["xyz"], exact), n, beside(pair, totals)
            )
        if peer := run_torchref(name, hkl, w, d_min):
            pair = (peer["seconds_forward"], peer["seconds_gradients"])
            # its atoms are in an order of their own
            sites = model.atoms.frac @ model.crystal.orthogonalization.T
            _, order = cKDTree(peer["sites"]).query(sites)
            error = relative_rms(peer["xyz"][order], exact)
            line(name, "torchref", *pair, error, n, beside(pair, totals))
    if not given.models and "ensemble" in names:
        with multiprocessing.get_context("spawn").Pool(1) as pool:  # for its memory's sake
            print("", *pool.apply(ensemble), sep="\n")


def beside(peer, totals):
    """Ratio of the peer's time of F and gradients to friedel's, at either error."""
    return "F + grad: {:.1f} x, {:.1f} x friedel's".format(*(sum(peer) / t for t in totals))


if __name__ == "__main__":
    main()
