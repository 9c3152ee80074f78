"""Refine coordinates and B of a spoilt model against measured amplitudes: no restraints, no help.

    python examples/refine_b_and_xyz.py MODEL DATA [--torch] [--shake 0.2] [--plot FILE.png]
                                        [--torchref (with --torch)]

Coordinates are shaken by random shifts (rms in Å along each axis) and every B becomes the mean;
L-BFGS takes both back, against low orders first. It stops early: without restraints more steps
lower R_work below that of the deposited model, and fit noise, as R_free tells. Scales and solvent
mask are found anew before each round, then held. With --torch the optimiser is PyTorch's, and
the gradients come by autograd. With --torchref as many cycles follow with TorchRef's structure
factors, to compare the time; it reads PDB files only.
"""

import argparse
import sys
import time
from importlib import import_module

import numpy as np
from scipy.optimize import minimize
from tqdm import tqdm

from friedel import FModel, as_model, as_reflections, targets

ROUNDS = ((2.5, 4), (0.0, 5), (0.0, 5))
"""Resolution limit of the target in Å, and steps of the optimiser."""

B_UNIT = 20.0
"""Change of B (Å^2) scaled like a shift of 1 Å: variables should be of similar size."""
B_RANGE = (2.0, 120.0)


class Round:
    """A target with fixed scales, solvent and reflections, as a function of all variables."""

    def __init__(self, crystal, atoms, data, d_min):
        self.model = FModel((crystal, atoms), data, method="fft", rtol=1e-3).fit()
        fixed, hkl = self.model.with_fixed_mask, self.model.f_obs.hkl
        # F_model = scale F_calc + solvent: two constants, which PyTorch can use as well
        self.solvent = fixed.scaled(np.zeros(len(hkl), complex))
        self.scale = (fixed.scaled(np.ones(len(hkl), complex)) - self.solvent).real
        self.use = self.model.usable & ~self.model.free
        self.use &= crystal.d_spacing(hkl) >= d_min
        self.calculator = fixed.calculator
        # so that targets are about the square of R, whatever the scale
        self.sigma = np.sqrt((self.model.f_obs.values[self.use] ** 2).sum())

    def of_f_calc(self, f_calc):
        """Target, and w for F_calc."""
        f_model = self.scale * f_calc + self.solvent
        value, w = targets.least_squares(f_model, self.model.f_obs.values, self.sigma, use=self.use)
        return value, self.scale * w

    def of_variables(self, variables):
        """Target and gradient as scipy wants them."""
        crystal, start = self.calculator.crystal, self.calculator.atoms
        xyz, b_iso = unpacked(variables)
        atoms = start.replace(frac=xyz @ crystal.fractionalization.T, b_iso=b_iso)
        at = self.calculator.at(atoms)
        value, w = self.of_f_calc(at.forward())
        gradients = at.adjoint(w)
        return value, np.concatenate([gradients.xyz.ravel(), B_UNIT * gradients.b_iso])


def packed(crystal, atoms):
    """All variables in one array."""
    xyz = atoms.frac @ crystal.orthogonalization.T
    return np.concatenate([xyz.ravel(), atoms.b_iso / B_UNIT])


def unpacked(variables):
    """Cartesian coordinates (n, 3) and B (n,), of NumPy's or PyTorch's arrays."""
    n = len(variables) // 4
    return variables[: 3 * n].reshape(n, 3), B_UNIT * variables[3 * n :]


def by_scipy(round_, variables, steps, tick):
    """The variables after some steps of L-BFGS-B."""
    n = len(variables) // 4
    limits = [(None, None)] * (3 * n) + [tuple(b / B_UNIT for b in B_RANGE)] * n
    options = {"maxiter": steps, "maxcor": 12}
    return minimize(
        round_.of_variables, variables, jac=True, method="L-BFGS-B", bounds=limits,
        options=options, callback=lambda _: tick(),
    ).x  # fmt: skip


def by_torch(round_, variables, steps, tick):
    """The same by PyTorch's L-BFGS and automatic differentiation."""
    import torch

    from friedel.bridges.torch import StructureFactors

    module = StructureFactors(round_.calculator)
    x = torch.from_numpy(variables.copy()).requires_grad_()

    def f_calc():
        xyz, b_iso = unpacked(x)
        return module(xyz, b_iso=b_iso.clamp(*B_RANGE))

    torch_steps(round_, [x], f_calc, steps, tick)
    return x.detach().numpy()


def torch_steps(round_, parameters, f_calc, steps, tick):
    """Some steps of PyTorch's L-BFGS in parameters that f_calc() depends on."""
    import torch

    scale, solvent, use, f_obs = (
        torch.from_numpy(np.array(x))
        for x in (round_.scale, round_.solvent, round_.use, round_.model.f_obs.values)
    )
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=1, history_size=12, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        f_model = scale * f_calc() + solvent
        loss = (((f_model.abs() - f_obs)[use] / round_.sigma) ** 2).sum()
        loss.backward()
        return loss

    for _ in range(steps):
        optimizer.step(closure)
        tick()


def torchref_seconds(path, shake, rounds, tick):
    """Seconds of the optimiser in the same rounds, with TorchRef's F_calc of a shaken model."""
    import torch
    from torchref.model import ModelFT

    crystal, hkl = rounds[0].calculator.crystal, rounds[0].calculator.hkl
    model = ModelFT(max_res=float(crystal.d_spacing(hkl).min()), verbose=0)
    model = model.load_pdb(path) or model
    model.shake_coords(shake)
    hkl = torch.tensor(hkl, dtype=torch.int32)
    start = time.perf_counter()
    for round_, (_, steps) in zip(rounds, ROUNDS, strict=True):
        parameters = model.parameters_of_types(["xyz", "adp"])
        torch_steps(round_, parameters, lambda: model(hkl), steps, tick)
    return time.perf_counter() - start


def main():
    """Spoil, refine, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--torch", action="store_true", help="PyTorch's optimiser, not scipy's")
    parser.add_argument("--torchref", action="store_true", help="time the same with TorchRef")
    parser.add_argument("--shake", type=float, default=0.2, help="rms shift, A (default 0.2)")
    parser.add_argument("--plot", metavar="FILE", help="R-factors against steps, as a picture")
    options = parser.parse_args()
    if options.torchref and not options.torch:
        parser.error("--torchref times PyTorch's steps: give --torch as well")
    read = as_model(options.model)
    crystal, deposited = read.crystal, read.atoms.without_aniso()
    data = as_reflections(options.data)
    rng = np.random.default_rng(0)
    shifts = options.shake * rng.normal(size=deposited.frac.shape)
    b_mean = np.full(len(deposited), deposited.b_iso.mean())
    atoms = deposited.replace(
        frac=deposited.frac + shifts @ crystal.fractionalization.T, b_iso=b_mean
    )

    def report(what, some):
        model = FModel((crystal, some), data).fit()
        moved = (some.frac - deposited.frac) @ crystal.orthogonalization.T
        rms = np.sqrt((moved**2).mean())
        free = "" if model.r_free is None else f"  R_free {model.r_free:.4f}"
        tqdm.write(f"{what:22s} R_work {model.r_work:.4f}{free}  rms shift {rms:.3f} A")
        return model.r_work, model.r_free

    history = [report("deposited", deposited), report("shaken, one B", atoms)]
    optimise = by_torch if options.torch else by_scipy
    if options.torch:
        import_module("torch._dynamo")  # which PyTorch's optimisers load, before the clock runs
    steps_done, rounds, seconds, of_steps = [0, 0], [], 0.0, 0.0
    with tqdm(total=sum(n for _, n in ROUNDS), desc="steps", disable=None) as bar:
        for d_min, steps in ROUNDS:
            start = time.perf_counter()
            round_ = Round(crystal, atoms, data, d_min)
            middle = time.perf_counter()
            variables = optimise(round_, packed(crystal, atoms), steps, lambda: bar.update())
            end = time.perf_counter()
            seconds, of_steps = seconds + end - start, of_steps + end - middle
            rounds.append(round_)
            xyz, b_iso = unpacked(variables)
            atoms = atoms.replace(
                frac=xyz @ crystal.fractionalization.T, b_iso=np.clip(b_iso, *B_RANGE)
            )
            steps_done.append(steps_done[-1] + steps)
            history.append(report(f"to {d_min:g} A" if d_min else "all data", atoms))
    print(
        f"{steps_done[-1]} steps of {len(atoms)} atoms in {seconds:.1f} s, "
        f"{seconds - of_steps:.1f} s of it for scales and solvent"
    )
    if options.torchref:
        with tqdm(total=steps_done[-1], desc="TorchRef", disable=None) as bar:
            theirs = torchref_seconds(options.model, options.shake, rounds, lambda: bar.update())
        print(f"the steps alone: {of_steps:.1f} s, with TorchRef {theirs:.1f} s")
    if options.plot:
        plot(options.plot, steps_done[1:], np.array(history[1:], float), history[0])


def plot(path, steps, history, deposited):
    """R-factors against steps."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(layout="constrained")
    for column, label in enumerate(("R_work", "R_free")):
        axes.plot(steps, history[:, column], "o-", color=f"C{column}", label=label)
        axes.axhline(deposited[column], color=f"C{column}", linestyle=":", label="deposited")
    axes.set(xlabel="steps of L-BFGS", ylabel="R")
    axes.legend()
    figure.savefig(path, dpi=120)
    print(f"plot in {path}")


if __name__ == "__main__":
    sys.exit(main())
