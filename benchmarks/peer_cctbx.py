"""cctbx's structure factors: peer_cctbx.py ATOMS.npz D_MIN REPEATS [fft or direct] OUT.npz.

The atoms come as arrays, so that both programs sum the same ones.
"""

import json
import resource
import sys
import time

import numpy as np
from cctbx import adptbx, crystal, miller, xray
from cctbx.array_family import flex

path, d_min, repeats, output = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[-1]
algorithm = sys.argv[4] if len(sys.argv) > 5 else "fft"
atoms = np.load(path, allow_pickle=False)
symmetry = crystal.symmetry(
    unit_cell=tuple(atoms["cell"]), space_group_symbol="Hall: " + str(atoms["hall"])
)
structure = xray.structure(crystal_symmetry=symmetry)
for label, frac, occ, b, u in zip(
    atoms["labels"], atoms["frac"], atoms["occ"], atoms["b_iso"], atoms["u_cart"]
):
    if u.any():
        star = adptbx.u_cart_as_u_star(symmetry.unit_cell(), tuple(u))
        scatterer = xray.scatterer(str(label), site=tuple(frac), u=star, occupancy=float(occ))
    else:
        scatterer = xray.scatterer(
            str(label), site=tuple(frac), u=adptbx.b_as_u(float(b)), occupancy=float(occ)
        )
    scatterer.scattering_type = str(label)
    structure.add_scatterer(scatterer)
structure.scattering_type_registry(table="it1992", d_min=d_min)
indices = flex.miller_index([tuple(int(x) for x in h) for h in atoms["hkl"]])
miller_set = miller.set(symmetry, indices, anomalous_flag=False)
times = []
for _ in range(repeats + 1):
    start = time.perf_counter()
    found = miller_set.structure_factors_from_scatterers(structure, algorithm=algorithm).f_calc()
    times.append(time.perf_counter() - start)
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
np.savez(output, f=found.data().as_numpy_array())
print(json.dumps({"seconds": min(times[1:]), "first": times[0], "memory_mb": memory}))
