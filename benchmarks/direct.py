"""Direct summation: time and error of friedel and gemmi in one run.

    python benchmarks/direct.py [--threads N] [CASE ...]

Times are processor times of one thread, per (atom, image, reflection). Those of gemmi and cctbx are
measured on a sample of reflections; cctbx runs in its own process with the interpreter that
FRIEDEL_CCTBX_PYTHON names. Errors are max |dF| / rms |F| on that sample, against a sum with
phases in extended precision and the same form factors; gemmi stores its own in single precision,
and cctbx moves atoms close to a special position onto it.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from common import models_folder, run_cctbx

from friedel.direct import DirectSum, direct_structure_factors
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.tensors import VOIGT
from friedel.readers.models import as_model
from friedel.scattering.formfactors import scattering_factors

try:
    import gemmi
except ImportError:
    gemmi = None

CASES = {
    "1dur": ("1dur.pdb", 1.0),
    "5a3h": ("5a3h.pdb", 1.5),
    "5cvz": ("5cvz_final.pdb", 3.3),
    "1pfe": ("1pfe.cif.gz", 1.5),
    "epoxide": ("epoxide.cif", 0.5),
    "4003024": ("4003024.cif", 0.5),
    "2013551": ("2013551.cif", 0.5),
    "2242624": ("2242624.cif", 0.8),
}
SAMPLE_TERMS = 3_000_000
"""Terms that gemmi sums: enough for a second's work at most."""


def extended_precision(
    crystal: Crystal, atoms: Atoms, hkl: np.ndarray, f: np.ndarray
) -> np.ndarray:
    """F by the definition, phases in numpy's longest floating-point type."""
    total = np.zeros(len(hkl), complex)
    axes = crystal.fractionalization
    beta = 0.25 * axes @ atoms.b_tensor[:, VOIGT] @ axes.T
    frac = atoms.frac.astype(np.longdouble)
    for rotation, translation in zip(crystal.rotations, crystal.translations, strict=True):
        h = hkl.astype(np.int64) @ rotation
        turns = h @ frac.T
        turns = (turns - np.rint(turns)).astype(float) + (hkl @ translation % 24)[:, None] / 24
        size = atoms.occ * np.exp(-np.einsum("ni,jik,nk->nj", h, beta, h, optimize=True))
        total += (f[atoms.kind].T * size * np.exp(2j * np.pi * turns)).sum(axis=1)
    return total


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.sqrt((np.abs(expected) ** 2).mean()))


def seconds(call, at_least: float = 0.3) -> float:
    """Least processor time of a call, repeated for a while; the first call compiles."""
    call()
    times, begin = [], time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - begin < at_least and len(times) < 1000):
        start = time.thread_time()
        call()
        times.append(time.thread_time() - start)
    return min(times)


def wall_seconds(call) -> float:
    call()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def gemmi_caller(path: Path):
    """A function of one reflection, with occupancies as friedel takes them."""
    if path.suffix == ".cif":
        small = gemmi.read_small_structure(str(path))
        small.change_occupancies_to_crystallographic()
        calculator = gemmi.StructureFactorCalculatorX(small.cell)
        return lambda hkl: calculator.calculate_sf_from_small_structure(small, hkl)
    structure = gemmi.read_structure(str(path))
    calculator = gemmi.StructureFactorCalculatorX(structure.cell)
    return lambda hkl: calculator.calculate_sf_from_model(structure[0], hkl)


def run(name: str, threads: int) -> None:
    file, d_min = CASES[name]
    path = models_folder() / file
    if not path.exists():
        print(f"{name}: skipped, there is no {path}")
        return
    model = as_model(path, tls=None)
    crystal, atoms = model.crystal, model.atoms
    hkl = crystal.unique_reflections(d_min)
    f = scattering_factors(atoms.scatterers).f(crystal.stol2(hkl))
    terms_of_one = len(atoms) * crystal.n_operations
    n = min(len(hkl), max(20, SAMPLE_TERMS // terms_of_one))
    sample = np.sort(np.random.default_rng(0).choice(len(hkl), n, replace=False))
    expected = extended_precision(crystal, atoms, hkl[sample], f[:, sample])

    per_term = 1e9 / (terms_of_one * len(hkl))
    print(
        f"{name}  {crystal.name}, {len(atoms)} atoms ({int(atoms.is_aniso.sum())} anisotropic), "
        f"{len(hkl)} reflections to {d_min} A"
    )
    planned = DirectSum(crystal, hkl)
    other = run_cctbx("peer_cctbx.py", model, hkl[sample], d_min, 2, "direct")
    if other is not None:
        other = (other["seconds"] * len(hkl) / n, relative_error(other["f"], expected))
    once = seconds(lambda: direct_structure_factors(crystal, atoms, hkl, f))
    again = seconds(lambda: planned.structure_factors(atoms, f))
    error = relative_error(planned.structure_factors(atoms, f)[sample], expected)
    theirs = None
    if gemmi is None:
        print("  gemmi             skipped, not installed")
    else:
        call, indices = gemmi_caller(path), hkl[sample].tolist()
        theirs = seconds(lambda: [call(index) for index in indices], 0.0) * len(hkl) / n
        gemmi_error = relative_error(np.array([call(index) for index in indices]), expected)
        print_line("gemmi", theirs, per_term, gemmi_error)
    if other is None:
        print("  cctbx             skipped: FRIEDEL_CCTBX_PYTHON names no interpreter that has it")
        other = (None, None)
    else:
        print_line("cctbx", other[0], per_term, other[1])
    print_line("friedel, with plan", once, per_term, error, theirs, other[0])
    print_line("friedel, planned", again, per_term, error, theirs, other[0])
    if threads > 1:
        many = DirectSum(crystal, hkl, threads=threads)
        one = wall_seconds(lambda: planned.structure_factors(atoms, f))
        wall = wall_seconds(lambda: many.structure_factors(atoms, f))
        print(f"  {threads} threads: {one / wall:.2f} times faster than one, by the clock")


def print_line(
    who: str,
    time_taken: float,
    per_term: float,
    error: float,
    gemmi_time: float | None = None,
    cctbx_time: float | None = None,
) -> None:
    ratios = "".join(
        f"  {theirs / time_taken:7.1f} x {name}"
        for name, theirs in (("gemmi", gemmi_time), ("cctbx", cctbx_time))
        if theirs is not None
    )
    print(
        f"  {who:18s}{1e3 * time_taken:11.3f} ms {time_taken * per_term:9.3f} ns"
        f"  error {error:.1e}{ratios}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    for case in options.cases or CASES:
        run(case, options.threads)
