"""cctbx as lunus.xtraj drives it: peer_cctbx_ensemble.py ATOMS.npz D_MIN OUT.npz.

    go       F of the next frame, added to the sums, as lunus.xtraj does for each frame
    it1992   F of the first frame at the given reflections, with the form factors of friedel

B of all atoms is 20 d_min^2, which lunus.xtraj adds for the FFT and takes off at the end. Its
positions come from memory here.
"""

import sys

import numpy as np
from cctbx import crystal, maptbx, miller, xray
from cctbx.array_family import flex
from peer import peak_mb, serve

import_mb = peak_mb()
path, d_min, output = sys.argv[1], float(sys.argv[2]), sys.argv[-1]
atoms = np.load(path, allow_pickle=False)
symmetry = crystal.symmetry(unit_cell=tuple(atoms["cell"]), space_group_symbol="P 1")
B = 20.0 * d_min * d_min
structure = xray.structure(crystal_symmetry=symmetry)
for label, frac in zip(atoms["labels"], atoms["frac"]):
    scatterer = xray.scatterer(str(label), site=tuple(frac))
    scatterer.scattering_type = str(label)
    structure.add_scatterer(scatterer)
structure.set_b_iso(B)
everything = flex.bool(len(atoms["labels"]), True)
sums = {"frames": 0}


def at_frame(number):
    sites = np.around(np.array(atoms_xyz[number], dtype=np.float64), 3)
    structure.set_sites_cart(flex.vec3_double(sites))
    return structure.select(everything)


def calculate():
    selected = at_frame(sums["frames"] % len(atoms_xyz))
    selected.scattering_type_registry(table="n_gaussian")
    maptbx.crystal_gridding(
        unit_cell=structure.unit_cell(),
        space_group_info=structure.space_group_info(),
        symmetry_flags=maptbx.use_space_group_symmetry,
        d_min=d_min,
    ).n_real()
    f = selected.structure_factors(d_min=d_min, algorithm="fft").f_calc()
    intensity = abs(f).set_observation_type_xray_amplitude().f_as_f_sq()
    first = sums["frames"] == 0
    sums["f"] = f if first else sums["f"] + f
    sums["i"] = intensity if first else sums["i"] + intensity
    sums["frames"] += 1


def calculate_it1992():
    selected = at_frame(0)
    selected.scattering_type_registry(table="it1992", d_min=d_min)
    indices = flex.miller_index([tuple(h) for h in atoms["hkl"].tolist()])
    given = miller.set(symmetry, indices, anomalous_flag=False)
    f = given.structure_factors_from_scatterers(selected, algorithm="fft").f_calc()
    return f.data().as_numpy_array() / given.debye_waller_factors(b_iso=B).data().as_numpy_array()


def save(f):
    np.savez(output, hkl=atoms["hkl"], f=f)


atoms_xyz = atoms["xyz"]
serve(calculate, save, import_mb=import_mb, it1992=calculate_it1992)
