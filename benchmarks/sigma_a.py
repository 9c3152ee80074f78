"""sigma_A and figures of merit against known phases, on synthetic crystals.

    python benchmarks/sigma_a.py [--seeds 20] [--free 200 2000] [--only twins|untwinned]

Each crystal has 700 atoms in P 21 21 21; its model has them shifted and some left out. F_obs is
exact, or has errors of three kinds: intensities with normal errors of 20 % of their mean at the
same resolution (`mean`) or of all (`flat`), of which F_obs are French and Wilson's amplitudes; or
amplitudes with normal errors of 20 % of their root mean square (`amplitude`). The table has, for
eight bins with equal numbers of reflections: the worst mean over seeds of m - cos (phase error);
the spread of m - cos of single seeds, root mean square of the bins; and the slope of the true
F - D F_model, along F_model, on its estimate. The last rows are twins of two domains and of three,
with the fractions of the further ones at their end.
"""

import argparse
from dataclasses import dataclass

import numpy as np

import friedel
from friedel.fmodel.sigma_a import phase_statistics
from friedel.fmodel.twin_overlap import TwinOverlap
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import TwinLaw
from friedel.reflections.mean_intensity import mean_intensity

CRYSTAL = Crystal.from_triplets(
    (40, 50, 60, 90, 90, 90),
    ["-x+1/2,-y,z+1/2", "-x,y+1/2,-z+1/2", "x+1/2,-y+1/2,-z"],
    "P 21 21 21",
)
TWINNED = Crystal.from_triplets((45, 45, 60, 90, 90, 90), ["-x,-y,z+1/2"], "P 1 1 21")
D_MIN, N_ATOMS, N_BINS = 2.2, 700, 8

MODELS = {"best": (0.1, 0.0), "good": (0.2, 0.03), "poor": (0.5, 0.3)}
"""Root mean square shift of the atoms (Å), and the part of them that is missing."""

NOISE = ("exact", "mean", "flat", "amplitude")
ERROR = 0.2
TWINS: tuple[tuple[float, ...], ...] = ((0.1,), (0.3,), (0.45,), (0.3, 0.2))
"""Fractions of the further domains."""

LAWS = (TwinLaw("h,-k,-l", np.diag([1, -1, -1])), TwinLaw.parse("-k,h,l"))
"""Laws of the second and of the third domain."""


@dataclass(frozen=True)
class Case:
    """A synthetic crystal: complex F of truth and model, F_obs and sigmas; NaN if unobserved."""

    crystal: Crystal
    hkl: np.ndarray
    truth: np.ndarray
    model: np.ndarray
    f_obs: np.ndarray
    sigmas: np.ndarray | None
    twin: TwinOverlap | None


def case(seed: int, model: str, noise: str, fractions: tuple[float, ...] = ()) -> Case:
    """A crystal with its model and data, made from a seed; with fractions it is a twin."""
    rng = np.random.default_rng(seed)
    crystal = TWINNED if fractions else CRYSTAL
    shift, missing = MODELS[model]
    frac, b = rng.random((N_ATOMS, 3)), rng.uniform(10.0, 35.0, N_ATOMS)
    kept = rng.random(N_ATOMS) >= missing
    moved = frac + rng.normal(size=frac.shape) * shift / np.sqrt(3.0) / crystal.cell[:3]
    hkl = crystal.unique_reflections(D_MIN)

    def f_calc(at: np.ndarray, positions: np.ndarray, b_iso: np.ndarray) -> np.ndarray:
        atoms = Atoms.from_labels(["C"] * len(positions), positions, b_iso=b_iso)
        return friedel.fcalc((crystal, atoms), hkl=at).values

    truth, calculated = f_calc(hkl, frac, b), f_calc(hkl, moved[kept], b[kept])
    intensity, twin = np.abs(truth) ** 2, None
    if fractions:
        laws = LAWS[: len(fractions)]
        mates = [law.mates(crystal, hkl)[0] for law in laws]
        intensity *= 1.0 - sum(fractions)
        for at, fraction in zip(mates, fractions, strict=True):
            intensity += fraction * np.abs(f_calc(at, frac, b)) ** 2
        of_mates = [f_calc(at, moved[kept], b[kept]) for at in mates]
        twin = TwinOverlap.of(crystal, hkl, laws, fractions, of_mates)
    f_obs, sigmas = observed(rng, crystal, hkl, np.sqrt(intensity), noise)
    return Case(crystal, hkl, truth, calculated, f_obs, sigmas, twin)


def observed(
    rng: np.random.Generator, crystal: Crystal, hkl: np.ndarray, f: np.ndarray, noise: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Amplitudes with errors, NaN where they are negative, and their sigmas."""
    if noise == "exact":
        return f, None
    mean = crystal.epsilon(hkl) * mean_intensity(crystal, hkl, f)
    normal = rng.normal(size=len(f))
    if noise == "amplitude":
        sigmas = ERROR * np.sqrt(mean)
        found = f + sigmas * normal
        return np.where(found > 0.0, found, np.nan), sigmas
    of_i = ERROR * (np.full(len(f), (f**2).mean()) if noise == "flat" else mean)
    data = friedel.french_wilson(crystal, hkl, f**2 + of_i * normal, of_i)
    return data.values, data.sigmas


def calibration(one: Case, n_free: int, seed: int) -> tuple[np.ndarray, float]:
    """(8, 2) mean m and mean cosine in bins of resolution; and the slope."""
    used = np.isfinite(one.f_obs) & (one.f_obs > 0.0)
    # not the generator of the data: free sets are the same for all kinds of errors
    free = np.random.default_rng(1000 + seed).permutation(len(used)) < n_free
    model = np.abs(one.model[used])
    found = phase_statistics(
        one.crystal,
        one.hkl[used],
        one.f_obs[used],
        model,
        free[used],
        None if one.sigmas is None else one.sigmas[used],
        None if one.twin is None else one.twin[used],
    )
    cosine = np.cos(np.angle(one.truth * np.conj(one.model)))[used]
    expected = found.d * model
    estimate, difference = found.f_expected - expected, np.abs(one.truth[used]) * cosine - expected
    order = np.argsort(one.crystal.stol2(one.hkl[used]), kind="stable")
    bins = [
        (found.fom[chosen].mean(), cosine[chosen].mean())
        for chosen in np.array_split(order, N_BINS)
    ]
    return np.array(bins), float(estimate @ difference / (estimate @ estimate))


def measured(
    model: str, noise: str, n_free: int, seeds: int, fractions: tuple[float, ...] = ()
) -> tuple[np.ndarray, float, float, float]:
    """(8, 2) mean m and cosine; the worst difference, the spread of one seed, the slope."""
    results = [
        calibration(case(seed, model, noise, fractions), n_free, seed) for seed in range(seeds)
    ]
    bins = np.array([one for one, _ in results])
    difference = bins[:, :, 0] - bins[:, :, 1]
    spread = float(np.sqrt((difference.std(axis=0, ddof=1) ** 2).mean()))
    worst = float(np.abs(difference.mean(axis=0)).max())
    return bins.mean(axis=0), worst, spread, float(np.mean([slope for _, slope in results]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--free", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--only", choices=["twins", "untwinned"])
    options = parser.parse_args()
    print("model  F_obs      free   mean m         mean cos       worst  spread  slope")
    rows = [(model, noise, ()) for model in MODELS for noise in NOISE]
    of_twins = [
        (model, noise, fractions)
        for fractions in TWINS
        for model in ("good", "poor")
        for noise in ("exact", "mean", "amplitude")
    ]
    for model, noise, fractions in {"twins": of_twins, "untwinned": rows}.get(
        options.only, rows + of_twins
    ):
        for n_free in options.free:
            bins, worst, spread, slope = measured(model, noise, n_free, options.seeds, fractions)
            ends = "  ".join(f"{x[0]:.3f} - {x[-1]:.3f}" for x in bins.T)
            print(
                f"{model:6s} {noise:10s} {n_free:4d}   {ends}  {worst:.3f}  {spread:.3f}   "
                f"{slope:.3f}  {' '.join(map(str, fractions))}",
                flush=True,
            )


if __name__ == "__main__":
    main()
