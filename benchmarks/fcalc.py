"""Time of F_calc at each peer's own error, friedel beside gemmi and cctbx in the same run.

    python benchmarks/fcalc.py [MODEL ...]

For each model the peer's error is measured against direct summation, friedel is asked for
that error, and both times stand beside the errors achieved. cctbx runs with the interpreter
that FRIEDEL_CCTBX_PYTHON names (never in one process with gemmi); without it, it is left out.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import MACROMOLECULES, exact_sample, load, models_folder, run_peer, seconds, worst_shell

from friedel.calculator import Calculator

REPEATS = 7


def ours(model, hkl, rtol, threads):
    """Time of a call, of the first one with its plan, and F."""
    calculator = Calculator.from_model(model, hkl=hkl, method="fft", rtol=rtol, threads=threads)
    per_call = seconds(calculator.forward, REPEATS)

    def plan_and_call():
        Calculator.from_model(model, hkl=hkl, method="fft", rtol=rtol, threads=threads).forward()

    return per_call, seconds(plan_and_call, 2), calculator.forward()


def run_cctbx(model, hkl, d_min):
    """The peer on the same atoms, or None."""
    import gemmi

    from friedel.io.writers import find_gemmi_spacegroup

    python = os.environ.get("FRIEDEL_CCTBX_PYTHON")
    group = find_gemmi_spacegroup(model.crystal)
    if python is None or group is None:
        return None
    assert isinstance(group, gemmi.SpaceGroup)
    atoms = model.atoms
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "atoms.npz"
        u_cart = np.zeros((len(atoms), 6)) if atoms.u_aniso is None else atoms.u_aniso
        np.savez(
            path, cell=model.crystal.cell, hall=group.hall, frac=atoms.frac, occ=atoms.occ,
            b_iso=atoms.b_iso, u_cart=u_cart, labels=np.array(atoms.symbols)[atoms.kind], hkl=hkl,
        )  # fmt: skip
        return run_peer("peer_cctbx.py", path, d_min, REPEATS, python=python)


def compare(name, peer_name, model, peer, hkl, sample, exact):
    """One line of the table; returns the ratio of times with one thread."""
    error = worst_shell(model.crystal, hkl[sample], peer["f"][sample], exact)
    one, with_plan, f = ours(model, hkl, min(error, 0.5), 1)
    two, _, _ = ours(model, hkl, min(error, 0.5), 2)
    achieved = worst_shell(model.crystal, hkl[sample], f[sample], exact)
    print(
        f"{name:16s} {len(model.atoms):6d} {len(hkl):7d}  {peer_name:6s} "
        f"{1e3 * peer['seconds']:8.1f} {error:8.1e}  {1e3 * one:8.1f} {achieved:8.1e}  "
        f"{peer['seconds'] / one:6.1f} {peer['seconds'] / two:6.1f} {1e3 * with_plan:8.1f}",
        flush=True,
    )
    return peer["seconds"] / one, peer["seconds"] / two


def main():
    names = sys.argv[1:] or list(MACROMOLECULES)
    print(
        f"{'model':16s} {'atoms':>6s} {'refl':>7s}  {'peer':6s} {'ms':>8s} {'error':>8s}  "
        f"{'friedel':>8s} {'error':>8s}  {'x 1':>6s} {'x 2':>6s} {'1st call':>8s}"
    )
    ratios = {"gemmi": [], "cctbx": []}
    for name in names:
        model, d_min = load(name), MACROMOLECULES[name]
        peer = run_peer("peer_gemmi.py", models_folder() / name, d_min, REPEATS)
        if peer is None:
            sys.exit("gemmi could not be run")
        hkl = peer["hkl"]
        sample, exact = exact_sample(model, hkl)
        ratios["gemmi"].append(compare(name, "gemmi", model, peer, hkl, sample, exact))
        other = run_cctbx(model, hkl, d_min)
        if other is not None:
            ratios["cctbx"].append(compare(name, "cctbx", model, other, hkl, sample, exact))
    for peer_name, pairs in ratios.items():
        if pairs:
            one, two = np.exp(np.log(np.array(pairs)).mean(axis=0))
            print(
                f"geometric mean of {len(pairs)}: {one:.1f} (two threads {two:.1f}) x {peer_name}"
            )
        else:
            print(f"{peer_name}: not available here")


if __name__ == "__main__":
    main()
