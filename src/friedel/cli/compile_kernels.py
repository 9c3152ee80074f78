"""Compile all kernels ahead of time, by small jobs of each kind."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from friedel import Atoms, Calculator, Crystal, FModel, Reflections, fcalc, model_density
from friedel.errors import FriedelWarning

CELLS = {
    "right angles": ((20.0, 24.0, 28.0, 90.0, 90.0, 90.0), ["-x+1/2,-y,z+1/2", "-x,y+1/2,-z+1/2"]),
    "any angles, centric": ((9.0, 10.0, 11.0, 80.0, 95.0, 100.0), ["-x,-y,-z"]),
    "any angles": ((9.0, 10.0, 11.0, 80.0, 95.0, 100.0), ["x,y,z"]),
}
WAYS: dict[str, dict[str, Any]] = {
    "direct": {"method": "direct"},
    "direct, f''": {"method": "direct", "addends": {"S": 0.3 + 0.5j}},
    "fft, float32": {"method": "fft", "dtype": np.float32},
    "fft, float64": {"method": "fft", "dtype": np.float64},
    "fft, float32, f''": {"method": "fft", "dtype": np.float32, "addends": {"S": 0.3 + 0.5j}},
    "fft, float64, f''": {"method": "fft", "dtype": np.float64, "addends": {"S": 0.3 + 0.5j}},
}
Job = tuple[str, Callable[[], object]]

D_MIN = 2.0
N_ATOMS = 60


def steps() -> Iterator[Job]:
    """Small jobs with their names; together they call every kernel with every signature."""
    for name, (cell, triplets) in CELLS.items():
        crystal = Crystal.from_triplets(cell, triplets)
        for atoms, kind in ((_atoms(False), "isotropic"), (_atoms(True), "anisotropic")):
            model = (crystal, atoms)
            for way, options in WAYS.items():
                for task in ("F", "derivatives"):
                    yield f"{name}, {kind}, {way}, {task}", _calculation(model, task, **options)
    yield "few reflections", _few_reflections((crystal, _atoms(True)))
    yield "given sampling, other B", _given_sampling((crystal, _atoms(True)))
    crystal = Crystal.from_triplets(*CELLS["right angles"])
    yield "density", lambda: model_density((crystal, _atoms(False)), d_min=D_MIN)
    yield "density on a grid of gemmi", lambda: _on_float_grid(crystal, _atoms(True))
    model = (crystal, _atoms(False))
    for method in ("fft", "direct"):
        for task in ("fit", "derivatives"):
            for solvent in ("smooth", "flat", "babinet"):
                options = {"method": method, "solvent": solvent}
                yield f"scaling, {solvent}, {method}, {task}", _scaling(model, task, **options)
            for search in (False, True):
                options = {"method": method, "smooth_mask": True, "search_mask": search}
                name = "moving mask" + search * ", with search"
                yield f"{name}, {method}, {task}", _scaling(model, task, **options)


def run(progress: Callable[[list[Job]], Iterable[Job]] = iter) -> None:
    """Do all :func:`steps`.

    Parameters
    ----------
    progress
        Wraps the list of (name, job) and iterates over it, as ``tqdm`` does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FriedelWarning)  # warnings about the made-up data
        for _, job in progress(list(steps())):
            job()


def _on_float_grid(crystal: Crystal, atoms: Atoms) -> None:
    """Few atoms, which are added to the grid itself, and many."""
    from friedel.compat.density import DensityCalculatorX

    calculator = DensityCalculatorX()
    calculator.d_min = D_MIN
    calculator.grid.setup_from(crystal)
    calculator.put_model_density_on_grid(Atoms.from_labels(["C"], np.full((1, 3), 0.1), 1.0, 20.0))
    calculator.put_model_density_on_grid(atoms)


def _atoms(anisotropic: bool) -> Atoms:
    rng = np.random.default_rng(1)
    labels = ["C", "O", "S"] * (N_ATOMS // 3)
    u_aniso = None
    if anisotropic:
        u_aniso = np.zeros((N_ATOMS, 6))
        u_aniso[::2] = 0.2, 0.25, 0.3, 0.02, 0.01, -0.02
    return Atoms.from_labels(labels, rng.random((N_ATOMS, 3)), 1.0, 20.0, u_aniso)


def _calculation(model: tuple[Crystal, Atoms], task: str, **options: Any) -> Callable[[], None]:
    def job() -> None:
        calculator = Calculator.from_model(model, d_min=D_MIN, **options)
        f = calculator.forward()
        if task == "derivatives":
            calculator.adjoint(None, f, anomalous=True)

    return job


def _few_reflections(model: tuple[Crystal, Atoms]) -> Callable[[], None]:
    def job() -> None:
        for addends in (None, {"S": 0.3 + 0.5j}):
            fcalc(model, hkl=np.array([[1, 2, 3]]), method="direct", addends=addends)

    return job


def _given_sampling(model: tuple[Crystal, Atoms]) -> Callable[[], None]:
    def job() -> None:
        crystal, atoms = model
        calculator = Calculator.from_model(model, d_min=D_MIN, rate=2.0)
        calculator.forward(atoms.replace(b_iso=atoms.b_iso + 1.0))
        crystal.stol2(0.5 * calculator.hkl)  # of fractional indices

    return job


def _scaling(
    model: tuple[Crystal, Atoms], task: str, *, method: str, **options: Any
) -> Callable[[], None]:
    def job() -> None:
        f = fcalc(model, d_min=D_MIN, method=method)
        amplitudes = f.amplitudes * (1.0 + 0.1 * np.sin(np.arange(len(f))))
        free = np.arange(len(f)) % 10 == 0
        data = Reflections(f.crystal, f.hkl, amplitudes, 0.05 * amplitudes + 1.0, free, "FP")
        fitted = FModel(model, data, method=method, **options).fit()
        fitted.to_dict()
        if task == "derivatives":
            fitted.adjoint(None, fitted.f_model.values)

    return job
