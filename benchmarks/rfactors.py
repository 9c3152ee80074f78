"""R-factors on reflections left out of the fit: friedel against gemmi and cctbx.

    python benchmarks/rfactors.py FOLDER [--cctbx PYTHON] [--seeds 3] [--only PAIR]

FOLDER holds the models and data of `PAIRS`; those of `DEVELOPED` and `JUDGED` are in a folder
`pairs` beside it. In each pair 10 % of the reflections, drawn with a seed, are left out of every
fit, besides the file's own free set. PYTHON is an interpreter that has cctbx; without it, as
without gemmi, that peer is left out, with a message. Every program fits the same reflections. Times
include F_calc, mask and fit, one thread. Settings of friedel were tuned with seeds 0 to 2, later
ones with 10 to 14: quote others.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import friedel
from friedel.readers.added_hydrogens import with_riding_hydrogens
from friedel.reflections.reflections import Reflections, match

PAIRS = {
    "5e5z": ("5e5z.pdb", "5e5z.mtz:FP,SIGFP"),
    "1dur": ("1dur.pdb", "1dur.mtz:FP,SIGFP"),
    "5a3h": ("5a3h.pdb", "5a3h_sigmaa.mtz:FP,SIGFP"),
    "rnase": ("rnase.pdb", "rnase.mtz:FGMP18,SIGFGMP18"),
    "lyso_c2": ("lyso_c2.pdb", "lyso_c2.mtz:F,SIGF"),
    "pka_start": ("pka_start.pdb", "pka_data.mtz:F-obs-filtered,SIGF-obs-filtered"),
}

DEVELOPED = ("1va7", "4ctd", "3t5o", "2pro")
JUDGED = ("5uui", "2z62", "1il5", "2oy0", "1y1l", "5diz", "3nak", "3ifx", "4ek1", "1zyt")
PAIRS |= {
    name: (f"../pairs/{name}.pdb.gz", f"../pairs/{name}.mtz") for name in (*DEVELOPED, *JUDGED)
}
"""The settings of friedel were chosen on the first ten pairs, not on those of `JUDGED`."""

OURS = {
    "page (ls, flat)": {"target": "ls", "solvent": "flat", "hydrogens": None},
    "l1, flat": {"solvent": "flat", "hydrogens": None},
    "student-t, auto": {"target": "student-t", "hydrogens": None},
    "no hydrogens": {"hydrogens": None},
    "default": {},
    "no hydr. + mask search": {"search_mask": True, "hydrogens": None},
    "default + hydrogens": {"hydrogens": True},
    "default + density": {"missing_density": True},
}


@dataclass
class Task:
    """One pair with its division into fitted and left out."""

    model: Path
    data: Reflections
    left_out: np.ndarray
    free: np.ndarray

    @property
    def fitted_to(self) -> Reflections:
        return replace(self.data, free=self.left_out | self.free)


@dataclass
class Outcome:
    f_obs: np.ndarray
    f_model: np.ndarray
    seconds: float
    n_parameters: str = ""
    flat: tuple[float, ...] = ()
    """k_sol, B_sol and the elements of B, of programs that have them."""

    def r(self, chosen: np.ndarray) -> float:
        difference = np.abs(self.f_obs - self.f_model)[chosen]
        return float(difference.sum() / self.f_obs[chosen].sum()) if chosen.any() else np.nan


def read_task(folder: Path, name: str, seed: int) -> Task:
    model, data = PAIRS[name]
    read = friedel.as_reflections(f"{folder / data}")
    usable = (read.values > 0) & (read.sigmas > 0) & ~read.crystal.is_absent(read.hkl)
    read = read.select(usable)
    free = np.zeros(len(read), bool) if read.free is None else read.free.astype(bool)
    drawn = np.random.default_rng(seed).random(len(read)) < 0.1
    return Task(folder / model, read, drawn & ~free, free)


def run_friedel(task: Task, **options: object) -> Outcome:
    start = time.perf_counter()
    fitted = friedel.FModel(task.model, task.fitted_to, **options).fit()
    f_model = fitted.amplitudes  # of all domains of a twin
    seconds = time.perf_counter() - start
    scales = fitted.scales
    flat = scales.k_sol, scales.b_sol, *scales.b_overall
    return Outcome(task.data.values, f_model, seconds, str(fitted.result.n_parameters), flat)


def read_structure(path: Path, hydrogens: bool):
    """The structure for the peers, unchanged or with the hydrogens that friedel would add."""
    import gemmi

    structure = gemmi.read_structure(str(path))
    return with_riding_hydrogens(structure)[0] if hydrogens else structure


def run_gemmi(task: Task, hydrogens: bool = False) -> Outcome:
    """The recipe of gemmi's page."""
    import gemmi

    structure = read_structure(task.model, hydrogens)
    start = time.perf_counter()
    d_min = float(task.data.d_spacing.min()) - 1e-9
    calculator = gemmi.DensityCalculatorX()
    calculator.d_min = d_min
    calculator.set_refmac_compatible_blur(structure[0])
    calculator.grid.setup_from(structure)
    calculator.put_model_density_on_grid(structure[0])
    transform = gemmi.transform_map_to_f_phi(calculator.grid, half_l=True)
    f_calc = transform.prepare_asu_data(dmin=d_min, unblur=calculator.blur)
    grid = gemmi.FloatGrid()
    grid.setup_from(structure, spacing=min(0.6, d_min / 2 - 1e-9))
    gemmi.SolventMasker(gemmi.AtomicRadiiSet.Refmac).put_mask_on_float_grid(grid, structure[0])
    f_mask = gemmi.transform_map_to_f_phi(grid, half_l=True).prepare_asu_data(dmin=d_min)
    work = ~(task.left_out | task.free)
    f_obs = gemmi.ValueSigmaAsuData(
        structure.cell,
        structure.find_spacegroup(),
        task.data.hkl[work],
        np.column_stack([task.data.values, task.data.sigmas])[work].astype(np.float32),
    )
    scaling = gemmi.Scaling(structure.cell, structure.find_spacegroup())
    scaling.use_solvent = True
    scaling.prepare_points(f_calc, f_obs, f_mask)
    scaling.fit_isotropic_b_approximately()
    scaling.fit_parameters()
    scaling.scale_data(f_calc, f_mask)
    seconds = time.perf_counter() - start
    amplitudes = np.full(len(task.data), np.nan)
    i, j = match(task.data.hkl, f_calc.miller_array)
    amplitudes[i] = np.abs(f_calc.value_array[j])
    flat = scaling.k_sol, scaling.b_sol, *scaling.b_overall.elements_pdb()
    return Outcome(task.data.values, amplitudes, seconds, str(len(scaling.parameters)), flat)


def run_cctbx(task: Task, python: str, hydrogens: bool = False) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        source, target, model = (Path(folder, name) for name in ("in.npz", "out.npz", "model.pdb"))
        if hydrogens:
            read_structure(task.model, True).write_pdb(str(model))
        else:
            model = task.model
        left_out = task.left_out | task.free
        np.savez(
            source,
            hkl=task.data.hkl,
            f_obs=task.data.values,
            sigmas=task.data.sigmas,
            left_out=left_out,
        )
        script = Path(__file__).with_name("cctbx_rfactors.py")
        subprocess.run(
            [python, str(script), str(model), str(source), str(target)],
            check=True,
            capture_output=True,
        )
        found = dict(np.load(target))
    f_obs, f_model = np.full((2, len(task.data)), np.nan)
    # cctbx may have moved reflections to its own asymmetric unit
    i, j = match(task.data.hkl, task.data.crystal.to_asu(found["hkl"])[0])
    f_obs[i], f_model[i] = found["f_obs"][j], found["f_model"][j]
    return Outcome(f_obs, f_model, float(found["seconds"]), "by bins")


def programs(cctbx: str | None) -> dict[str, Callable[[Task], Outcome]]:
    found: dict[str, Callable[[Task], Outcome]] = {}
    if importlib.util.find_spec("gemmi"):
        found["gemmi"] = run_gemmi
        found["gemmi + hydrogens"] = lambda task: run_gemmi(task, True)
    else:
        print("gemmi is not installed: left out", file=sys.stderr)
    if cctbx:
        found["cctbx fast"] = lambda task: run_cctbx(task, cctbx)
        found["cctbx fast + hydrogens"] = lambda task: run_cctbx(task, cctbx, True)
    else:
        print("no interpreter with cctbx given (--cctbx): left out", file=sys.stderr)
    for name, options in OURS.items():
        found[name] = lambda task, options=options: run_friedel(task, **options)
    return found


def _as_number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with models and data")
    parser.add_argument("--cctbx", metavar="PYTHON", help="interpreter that has cctbx")
    parser.add_argument("--seeds", type=int, default=1, help="how many divisions to average")
    parser.add_argument("--first-seed", type=int, default=10, help="the others follow it")
    parser.add_argument("--only", choices=PAIRS, action="append", help="these pairs alone")
    parser.add_argument("--programs", action="append", metavar="NAME", help="these alone")
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    table: dict[str, list[list[float]]] = {}
    print(f"{'pair':10s} {'program':22s} {'param.':>7s} {'work':>7s} {'left out':>8s} {'free':>7s} "
          f"{'all':>7s} {'s':>6s}")  # fmt: skip
    for name in arguments.only or PAIRS:
        tasks = [read_task(arguments.folder, name, seed) for seed in seeds]
        for program, run in programs(arguments.cctbx).items():
            if program not in (arguments.programs or [program]):
                continue
            rows, numbers = [], set()
            for task in tasks:
                outcome = run(task)
                numbers.add(outcome.n_parameters)
                everything = np.isfinite(outcome.f_model)
                work = everything & ~task.left_out & ~task.free
                parts = (work, everything & task.left_out, everything & task.free, everything)
                rows.append([*(outcome.r(part) for part in parts), outcome.seconds])
            mean = np.mean(rows, axis=0)
            table.setdefault(program, []).append(list(mean))
            least_most = "-".join(dict.fromkeys(f(numbers, key=_as_number) for f in (min, max)))
            print(f"{name:10s} {program:22s} {least_most:>7s} {mean[0]:7.4f} "
                  f"{mean[1]:8.4f} {mean[2]:7.4f} {mean[3]:7.4f} {mean[4]:6.2f}")  # fmt: skip
            sys.stdout.flush()
    print("\ngeometric means over the pairs")
    for program, rows in table.items():
        mean = np.exp(np.log(rows).mean(axis=0))
        print(f"{'':10s} {program:22s} {'':7s} {mean[0]:7.4f} {mean[1]:8.4f} {mean[2]:7.4f} "
              f"{mean[3]:7.4f} {mean[4]:6.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
