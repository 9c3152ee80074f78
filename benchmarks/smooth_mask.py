"""The smooth solvent mask compared with the flat one: F_mask, R-factors and time, one thread.

    python benchmarks/smooth_mask.py [--only NAME]

Data are as for the other benchmarks. Differences are rms of F_mask relative to those of the flat
mask, by shell; those of the flat mask on a grid three times as fine show its own error.
R-factors are those of the flat solvent and of the default scales. Times are the shortest of some
calls: of the flat F_mask, of the smooth one, and of its derivatives.
"""

from itertools import pairwise

import numpy as np
from common import chosen, models_folder, parser_of, seconds
from rfactors import PAIRS

from friedel import FModel
from friedel.density.fourier import structure_factors
from friedel.solvent.flat_mask import solvent_mask
from friedel.solvent.masked_solvent import MaskedSolvent

SHELLS = (np.inf, 8.0, 5.0, 4.0, 3.0)
"""Their limits, A."""


def differences(crystal, hkl, f_mask, f_flat):
    """Relative rms by shell, and over all with the weight that a usual B_sol gives."""
    d, difference = crystal.d_spacing(hkl), f_mask - f_flat
    shells = [(d <= high) & (d > low) for high, low in pairwise(SHELLS)]
    weight = np.exp(-40.0 * crystal.stol2(hkl))
    return [
        np.linalg.norm(difference * some) / np.linalg.norm(f_flat * some)
        for some in (weight, *shells)
    ]


def line(what, fit, default, shells):
    text = "".join(f"{100 * x:6.0f}" for x in shells)
    r = "".join(f"  {m.r_work:.4f} {m.r_free or np.nan:.4f}" for m in (fit, default) if m)
    print(f"  {what:12s}{text}{r}", flush=True)


def times(flat, mask):
    """Milliseconds for both F_mask and the derivatives of the smooth one."""
    model = flat.crystal, flat.atoms, flat.f_obs.hkl, flat.masked.parameters
    calls = (
        lambda: MaskedSolvent(*model).f_mask,
        lambda: mask.at(flat.atoms).forward(),
        lambda: mask.at(flat.atoms).adjoint(np.ones(len(mask.hkl))),
    )
    return [1e3 * seconds(call) for call in calls]


def main():
    _, names = chosen(parser_of(__doc__, PAIRS), PAIRS)
    limits = "".join(f"{f'> {low:g} A':>6s}" for low in SHELLS[1:])
    print(f"  {'percent':12s}{'all':>6s}{limits}  R_work R_free flat, default")
    for name in names:
        model, columns = PAIRS[name]
        paths = (models_folder() / model, f"{models_folder() / columns}")

        def fitted(paths=paths, **options):
            return FModel(*paths, threads=1, **options).fit()

        flat = fitted(solvent="flat")
        smooth = fitted(solvent="flat", smooth_mask=True)
        crystal, hkl, masked = flat.crystal, flat.f_obs.hkl, flat.masked
        print(name)
        if not flat.has_solvent:
            print("  no solvent")
            continue
        shape = tuple(3 * n for n in masked.mask.shape)
        fine = solvent_mask(crystal, flat.atoms, shape, masked.parameters)
        f_fine = structure_factors(fine, crystal, hkl, symmetry_sum=False)
        line("flat", flat, fitted(), [0.0] * len(SHELLS))
        line("flat, fine", None, None, differences(crystal, hkl, f_fine, masked.f_mask))
        shells = differences(crystal, hkl, smooth.masked.f_mask, masked.f_mask)
        line("smooth", smooth, fitted(smooth_mask=True), shells)
        print("  milliseconds  flat {:.1f}  smooth {:.1f}  derivatives {:.1f}".format(
            *times(flat, smooth.with_moving_mask.mask)
        ))  # fmt: skip


if __name__ == "__main__":
    main()
