"""friedel as one of the peers: peer_friedel.py ATOMS.npz D_MIN RTOL OUT.npz.

`go` and `two` calculate with one and two threads, atoms having moved since the call before;
`plan` makes a new plan, one thread, and calculates.
"""

import sys
from itertools import count

import numpy as np
from peer import peak_mb, serve

from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.structure_factors.calculator import Calculator

import_mb = peak_mb()
path, d_min, rtol, output = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
stored = np.load(path, allow_pickle=False)
crystal = Crystal(tuple(stored["cell"]), stored["rotations"], stored["translations"])
u_aniso = stored["u_cart"] if stored["u_cart"].any() else None
atoms = Atoms.from_labels(stored["labels"], stored["frac"], stored["occ"], stored["b_iso"], u_aniso)
number = count()


def make():
    return Calculator.from_model((crystal, atoms), d_min=d_min, method="fft", rtol=rtol, threads=1)


def calculate(threads):
    return with_threads[threads].forward(atoms.replace(frac=atoms.frac + 1e-12 * next(number)))


calculator = make()
with_threads = {n: calculator.with_threads(n) for n in (1, 2)}
serve(
    lambda: calculate(1),
    lambda f: np.savez(output, hkl=calculator.hkl, f=f),
    import_mb=import_mb,
    two=lambda: calculate(2),
    plan=lambda: make().forward(),
)
