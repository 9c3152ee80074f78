"""How far outliers move fitted scales: friedel against gemmi and cctbx.

    python benchmarks/outliers.py FOLDER [--cctbx PYTHON] [--draws 4] [--only "l1, flat"]
        [--pair 1dur]

A random 1 % of F_obs is multiplied by 10, by 0.001 or by 0 (friedel does not use zeros, gemmi
does). The output is the change of k_sol, B_sol and the elements of B relative to the fit of the
clean data, and the rms change of F_model: median and largest of the draws. Since friedel does not
use zeros, "x 0" is also the change caused by missing reflections, which no program can avoid.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from rfactors import PAIRS, read_task, run_cctbx, run_friedel, run_gemmi

SHARE = 0.01
KINDS = {"x 10": 10.0, "x 0.001": 0.001, "x 0": 0.0}


def programs(cctbx):
    found = {
        f"friedel {target}, flat": lambda task, target=target: run_friedel(
            task, target=target, solvent="flat"
        )
        for target in ("ls", "huber", "student-t", "l1")
    }
    # beside curves k_sol and B_sol mean little
    found["friedel default"] = lambda task: replace(run_friedel(task), flat=())
    found["gemmi"] = run_gemmi
    if cctbx:
        found["cctbx fast"] = lambda task: run_cctbx(task, cctbx)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with models and data")
    parser.add_argument("--cctbx", metavar="PYTHON", help="interpreter that has cctbx")
    parser.add_argument("--draws", type=int, default=4, help="how many sets of outliers")
    parser.add_argument("--only", action="append", help="programs with this in their name")
    parser.add_argument("--pair", choices=PAIRS, action="append", help="these pairs alone")
    arguments = parser.parse_args()
    table = {}
    for name in arguments.pair or PAIRS:
        task = read_task(arguments.folder, name, 0)
        found = {
            program: run
            for program, run in programs(arguments.cctbx).items()
            if any(text in program for text in arguments.only or [""])
        }
        clean = {program: run(task) for program, run in found.items()}
        draws = np.random.default_rng(1).random((arguments.draws, len(task.data))) < SHARE
        for kind, factor in KINDS.items():
            for program, run in found.items():
                rows = [
                    _moved(run, clean[program], task, np.where(draw, factor, 1.0)) for draw in draws
                ]
                table.setdefault((kind, program), []).extend(rows)
                for text, of in (("median", np.median), ("worst", np.max)):
                    print(
                        f"{name:10s} {kind:8s} {program:24s} {text:7s}",
                        *_texts(of(rows, 0)),
                        flush=True,
                    )
    print("\nmedian and worst of pairs and draws: k_sol, B_sol, B (A^2), F_model")
    for (kind, program), rows in table.items():
        known = np.array(rows)
        if np.isnan(known[:, 0]).all():
            known = np.where(np.isnan(known), np.inf, known)
        for text, row in (("median", np.nanmedian(known, 0)), ("worst", np.nanmax(known, 0))):
            print(f"{kind:8s} {program:24s} {text:7s}", *_texts(row))


def _moved(run, clean, task, factors):
    """Changes of k_sol, B_sol, B (NaN if absent) and F_model, from clean to changed data."""
    data = replace(task.data, values=factors * task.data.values)
    found = run(replace(task, data=data))
    both = np.isfinite(found.f_model) & np.isfinite(clean.f_model)
    change = (found.f_model - clean.f_model)[both]
    moved = float(np.linalg.norm(change) / np.linalg.norm(clean.f_model[both]))
    if not clean.flat or clean.flat[0] <= 0 or found.n_parameters != clean.n_parameters:
        return [np.nan, np.nan, np.nan, moved]
    new, old = np.array(found.flat), np.array(clean.flat)
    return [*np.abs(new[:2] / old[:2] - 1.0), np.abs(new[2:] - old[2:]).max(), moved]


def _texts(row):
    units = (100.0, 100.0, 1.0, 100.0)
    return [
        f"{unit * x:8.2f}{' ' if unit == 1.0 else '%'}" if np.isfinite(x) else f"{'-':>8s} "
        for unit, x in zip(units, row)
    ]


if __name__ == "__main__":
    main()
