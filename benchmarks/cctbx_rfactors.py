"""Run by rfactors.py in an interpreter that has cctbx, never together with gemmi.

Arguments: model (PDB), input.npz (hkl, f_obs, sigmas, left_out), output.npz (hkl, f_obs,
f_model, seconds: the least of three).
"""

import sys
import time

import iotbx.pdb
import mmtbx.f_model
import numpy as np
from cctbx import crystal, miller
from cctbx.array_family import flex


def main() -> None:
    model, source, target = sys.argv[1:4]
    data = np.load(source)
    read = iotbx.pdb.input(file_name=model)
    structure = read.xray_structure_simple()
    symmetry = crystal.symmetry(
        unit_cell=structure.unit_cell(), space_group=structure.space_group()
    )
    indices = flex.miller_index([tuple(int(i) for i in h) for h in data["hkl"]])
    whole = miller.set(symmetry, indices, anomalous_flag=False)
    f_obs = whole.array(
        data=flex.double(data["f_obs"].tolist()), sigmas=flex.double(data["sigmas"].tolist())
    ).set_observation_type_xray_amplitude()
    flags = whole.array(data=flex.bool(data["left_out"].tolist()))
    times = []
    for _ in range(3):
        start = time.perf_counter()
        manager = mmtbx.f_model.manager(f_obs=f_obs, r_free_flags=flags, xray_structure=structure)
        manager.update_all_scales(fast=True, remove_outliers=False)
        times.append(time.perf_counter() - start)
    found, model_f = manager.f_obs(), manager.f_model_scaled_with_k1()
    np.savez(
        target,
        hkl=np.array(list(found.indices())),
        f_obs=np.array(found.data()),
        f_model=np.array(flex.abs(model_f.data())),
        seconds=min(times),
    )


main()
