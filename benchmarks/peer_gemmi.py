"""gemmi's density, symmetrisation, FFT and unblur: peer_gemmi.py MODEL D_MIN REPEATS OUT.npz."""

import json
import resource
import sys
import time

import gemmi
import numpy as np

path, d_min, repeats, output = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
structure = gemmi.read_structure(path)
calculator = gemmi.DensityCalculatorX()
calculator.d_min = d_min
calculator.grid.setup_from(structure)
calculator.set_refmac_compatible_blur(structure[0])
times = []
for _ in range(repeats + 1):
    start = time.perf_counter()
    calculator.put_model_density_on_grid(structure[0])
    grid = gemmi.transform_map_to_f_phi(calculator.grid, half_l=True)
    data = grid.prepare_asu_data(dmin=d_min, unblur=calculator.blur)
    times.append(time.perf_counter() - start)
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
np.savez(output, hkl=np.array(data.miller_array), f=np.array(data.value_array))
print(json.dumps({"seconds": min(times[1:]), "first": times[0], "memory_mb": memory}))
