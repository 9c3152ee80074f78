"""Ctrl-C ends every long loop within seconds, compiled ones too."""

import subprocess
import sys
import textwrap

import pytest

ALLOWED = 3.0
"""Processor time (s) from the signal to the end. Other work on the machine does not lengthen it."""

# The signal comes when compiling is over. The work is repeated until then, so that it does not
# matter how fast the machine is
SCRIPT = """
import os, signal, sys, threading, time, warnings
import numpy as np
import friedel
from friedel import Atoms, Calculator, Crystal
warnings.simplefilter("ignore")
# Shells let the jobs that they start in the background ignore the signal
signal.signal(signal.SIGINT, signal.default_int_handler)
rng = np.random.default_rng(0)

def atoms(n, b=20.0):
    elements = ["C", "N", "O"] * (n // 3 + 1)
    return Atoms.from_labels(elements[:n], rng.random((n, 3)), 1.0, b)

def interrupt_after(seconds, work, *small):
    work(*small)  # compiles
    sent = []
    def send():
        sent.append(time.process_time())
        os.kill(os.getpid(), signal.SIGINT)
    timer = threading.Timer(seconds, send)
    timer.start()
    try:
        while True:
            work()
    except KeyboardInterrupt:
        print(time.process_time() - sent[0])

def calculator(n, edge, d_min, **options):
    crystal = Crystal((edge, edge, edge, 90, 90, 90))
    return Calculator.from_model((crystal, atoms(n)), d_min=d_min, force=True, threads=1, **options)
"""

WORK = {
    "density": """
        def work(n=60_000, edge=110.0, d_min=1.0):
            calculator(n, edge, d_min, blur=250.0, rate=2.0).forward()
        interrupt_after(6, work, 50, 20.0, 2.0)
    """,
    "density by the slow kernel": """
        def work(n=1_000, edge=60.0):
            crystal = Crystal((edge, edge, edge, 75, 80, 85))
            model = crystal, atoms(n)
            friedel.model_density(model, d_min=1.0, rate=3.0, blur=4000.0, force=True)
        interrupt_after(4, work, 1, 8.0)
    """,
    "derivatives": """
        def work(n=40_000, edge=90.0, d_min=1.2):
            c = calculator(n, edge, d_min, blur=150.0, rate=2.0)
            on_grid = c._on_grid._prepare(1)[1]
            patch = on_grid.patch(c.atoms.frac, np.float32)
            patch.rows[:] = 1.0
            on_grid.gather(patch, c.atoms.frac, 1)
        interrupt_after(6, work, 50, 20.0, 2.0)
    """,
    "direct sum along rows": """
        def work(n=200_000, edge=60.0, d_min=0.8):
            calculator(n, edge, d_min, method="direct").forward()
        interrupt_after(4, work, 300, 20.0, 1.0)
    """,
    "derivatives of it": """
        def work(n=30_000, edge=60.0, d_min=0.8):
            c = calculator(n, edge, d_min, method="direct")
            c.adjoint(c.atoms, np.ones(len(c.hkl), complex))
        interrupt_after(4, work, 300, 20.0, 1.0)
    """,
    "direct sum from tables": """
        def work(n=100_000, m=4000, limit=40):
            crystal = Crystal((50, 51, 52, 90, 90, 90))
            hkl = rng.integers(-limit, limit, (m, 3))
            c = Calculator.from_model((crystal, atoms(n)), hkl=hkl, method="direct", threads=1)
            from friedel.direct.direct_sum import DirectSum
            DirectSum._tables_are_fastest = lambda *_: True
            c.forward()
        interrupt_after(3, work, 10, 20, 4)
    """,
    "direct sum by definition": """
        def work(n=5_000, m=100_000, b=0.0):
            from friedel.direct.direct_sum import DirectSum
            crystal = Crystal((50, 51, 52, 90, 90, 90))
            s = DirectSum(crystal, rng.integers(-40, 40, (m, 3)))
            a = atoms(n)
            f = np.ones((len(a.scatterers), m))
            s._add_by_definition(s._model(a, a.occ), f, np.zeros(m, complex))
        interrupt_after(3, work, 10, 20)
    """,
    "unique reflections": """
        def work(edge=330.0):
            crystal = Crystal((edge, edge, edge, 90, 90, 90))
            crystal.unique_reflections(1.0)
        interrupt_after(3, work, 10.0)
    """,
    "folding to the asymmetric unit": """
        GROUP = ["y,z,x", "-x,-y,z", "y,x,z", "-x,-y,-z"]
        hkl = rng.integers(-9, 9, (20_000_000, 3), np.int32)
        crystal = Crystal.from_triplets((9, 9, 9, 90, 90, 90), GROUP)
        def work(n=20_000_000):
            crystal.to_asu(hkl[:n])
        interrupt_after(2, work, 10)
    """,
    "flat mask": """
        from friedel.solvent.flat_mask import solvent_mask
        def work(n=40_000, edge=100.0, points=1000):
            crystal = Crystal.from_triplets((edge, edge, edge, 90, 90, 90), ["-x,-y,z"])
            a = atoms(n)
            a = a.replace(frac=a.frac * [1.0, 1.0, 0.3])
            solvent_mask(crystal, a, (points,) * 3)
        interrupt_after(6, work, 10, 20.0, 32)
    """,
    "smooth mask": """
        from friedel.solvent.smooth_mask import SmoothMask
        from friedel import MaskParameters
        hkl = np.array([[1, 0, 0]])
        def work(n=40_000, edge=60.0, points=400):
            crystal = Crystal((edge, edge, edge, 90, 90, 90))
            mask = SmoothMask(crystal, hkl, (points,) * 3, MaskParameters()).at(atoms(n))
            mask._probe
            mask.adjoint(np.ones(1, complex))
        interrupt_after(4, work, 10, 20.0, 32)
    """,
    "Fourier transforms": """
        from friedel.density.fourier import structure_factors
        density = np.ones((576, 576, 576), np.float32)
        crystal = Crystal((100, 100, 100, 90, 90, 90))
        hkl = np.array([[280, 280, 280]])
        def work(n=576):
            part = density[:n, :n, :n]
            structure_factors(np.ascontiguousarray(part), crystal, hkl * (n - 1) // 600)
        interrupt_after(4, work, 16)
    """,
}


@pytest.mark.parametrize("name", WORK)
def test_ctrl_c_ends_the_loop(name):
    script = SCRIPT + textwrap.dedent(WORK[name])
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < ALLOWED
