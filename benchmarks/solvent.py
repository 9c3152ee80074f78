"""Time of F_calc, mask and fit of the page's model, and of the mask alone, one thread.

    python benchmarks/solvent.py [--only NAME] [--cctbx PYTHON]

Data are as for the other benchmarks. Times are the shortest of some runs after a first
one, in one process for friedel and gemmi, in another for cctbx.
"""

import gemmi
import numpy as np
from common import chosen, models_folder, parser_of, seconds
from rfactors import PAIRS, Task, run_cctbx, run_gemmi

from friedel import FModel, as_model, as_reflections
from friedel.density.grid import grid_shape
from friedel.solvent.flat_mask import MaskParameters, mask_spacing, solvent_mask


def page(model, data):
    """All of the recipe, from atoms and data to F_model."""
    options = {"target": "ls", "solvent": "flat", "hydrogens": None, "twin": "none"}
    return FModel(model, data, use_free=False, threads=1, **options).fit().f_model


def mask_times(path, crystal, atoms, d_min):
    shape = grid_shape(crystal, mask_spacing(d_min))
    parameters = MaskParameters.for_radii("refmac")
    ours = seconds(lambda: solvent_mask(crystal, atoms, shape, parameters))
    structure = gemmi.read_structure(str(path))
    grid = gemmi.FloatGrid()
    grid.setup_from(structure, spacing=mask_spacing(d_min))
    masker = gemmi.SolventMasker(gemmi.AtomicRadiiSet.Refmac)
    return ours, seconds(lambda: masker.put_mask_on_float_grid(grid, structure[0]))


def main():
    parser = parser_of(__doc__, PAIRS)
    parser.add_argument("--cctbx", metavar="PYTHON", help="interpreter that has cctbx")
    given, names = chosen(parser, PAIRS)
    python = given.cctbx
    folder = models_folder()
    print("milliseconds; x: times friedel's")
    print(f"{'pair':10s} {'recipe':>7s} {'gemmi':>7s} {'x':>5s} {'cctbx':>7s} {'x':>5s}   "
          f"{'mask':>6s} {'gemmi':>6s} {'x':>5s}")  # fmt: skip
    for name in names:
        model, columns = PAIRS[name]
        data = as_reflections(f"{folder / columns}")
        usable = (data.values > 0) & (data.sigmas > 0) & ~data.crystal.is_absent(data.hkl)
        data = data.select(usable)
        read = as_model(folder / model)
        ours = seconds(lambda read=read, data=data: page((read.crystal, read.atoms), data))
        nothing = np.zeros(len(data), bool)
        task = Task(folder / model, data, nothing, nothing)
        theirs = min(run_gemmi(task).seconds for _ in range(4))
        cctbx = run_cctbx(task, python).seconds if python else np.nan
        masks = mask_times(folder / model, read.crystal, read.atoms, float(data.d_spacing.min()))
        print(f"{name:10s} {1e3 * ours:7.1f} {1e3 * theirs:7.1f} {theirs / ours:5.1f} "
              f"{1e3 * cctbx:7.1f} {cctbx / ours:5.1f}   {1e3 * masks[0]:6.1f} "
              f"{1e3 * masks[1]:6.1f} {masks[1] / masks[0]:5.1f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
