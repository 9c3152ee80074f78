"""cctbx's structure factors: peer_cctbx.py ATOMS.npz D_MIN [fft or direct] OUT.npz."""

import sys

import numpy as np
from cctbx import adptbx, crystal, miller, xray
from cctbx.array_family import flex
from peer import peak_mb, serve

import_mb = peak_mb()
path, d_min, output = sys.argv[1], float(sys.argv[2]), sys.argv[-1]
algorithm = sys.argv[3] if len(sys.argv) > 4 else "fft"


def read_structure(atoms, symmetry):
    structure = xray.structure(crystal_symmetry=symmetry)
    # cctbx sums an atom on a special position once for each of its different images
    summed = atoms["occ"] * atoms["site_symmetry_order"]
    for label, frac, occ, b, u in zip(
        atoms["labels"], atoms["frac"], summed, atoms["b_iso"], atoms["u_cart"]
    ):
        if u.any():
            displacement = adptbx.u_cart_as_u_star(symmetry.unit_cell(), tuple(u))
        else:
            displacement = adptbx.b_as_u(float(b))
        scatterer = xray.scatterer(
            str(label), site=tuple(frac), u=displacement, occupancy=float(occ)
        )
        scatterer.scattering_type = str(label)
        structure.add_scatterer(scatterer)
    structure.scattering_type_registry(table="it1992", d_min=d_min)
    return structure


def calculate():
    return miller_set.structure_factors_from_scatterers(structure, algorithm=algorithm).f_calc()


def save(f_calc):
    np.savez(output, hkl=atoms["hkl"], f=f_calc.data().as_numpy_array())


atoms = np.load(path, allow_pickle=False)
symmetry = crystal.symmetry(
    unit_cell=tuple(atoms["cell"]), space_group_symbol="Hall: " + str(atoms["hall"])
)
structure = read_structure(atoms, symmetry)
indices = flex.miller_index([tuple(h) for h in atoms["hkl"].tolist()])
miller_set = miller.set(symmetry, indices, anomalous_flag=False)
serve(calculate, save, import_mb=import_mb)
