"""cctbx's gradients by FFT: peer_cctbx_gradients.py ATOMS.npz D_MIN REPEATS OUT.npz."""

import json
import sys
import time

import numpy as np
from cctbx import adptbx, crystal, miller, sgtbx, uctbx, xray
from cctbx.array_family import flex


def best(work, repeats):
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return min(times), result


def main():
    data, repeats, output = np.load(sys.argv[1]), int(sys.argv[3]), sys.argv[4]
    symmetry = crystal.symmetry(
        unit_cell=uctbx.unit_cell(tuple(map(float, data["cell"]))),
        space_group=sgtbx.space_group(str(data["hall"])),
    )
    structure = xray.structure(crystal_symmetry=symmetry)
    for label, site, occ, b, u in zip(
        data["labels"], data["frac"], data["occ"], data["b_iso"], data["u_cart"], strict=True
    ):
        displacement = float(adptbx.b_as_u(b))
        if u.any():
            displacement = adptbx.u_cart_as_u_star(symmetry.unit_cell(), tuple(map(float, u)))
        structure.add_scatterer(
            xray.scatterer(
                str(label), site=tuple(map(float, site)), occupancy=float(occ), u=displacement,
                scattering_type=str(label),
            )
        )  # fmt: skip
    structure.scattering_type_registry(table="it1992")
    structure.scatterers().flags_set_grads(state=False)
    everything = flex.bool(len(data["occ"]), True).iselection()
    structure.scatterers().flags_set_grad_site(iselection=everything)
    structure.scatterers().flags_set_grad_occupancy(iselection=everything)
    aniso = structure.use_u_aniso()
    structure.scatterers().flags_set_grad_u_iso(iselection=(~aniso).iselection())
    structure.scatterers().flags_set_grad_u_aniso(iselection=aniso.iselection())
    hkl = flex.miller_index([tuple(map(int, h)) for h in data["hkl"]])
    reflections = miller.set(symmetry, hkl, anomalous_flag=False)
    w = flex.complex_double(list(data["w"]))

    def forward():
        return xray.structure_factors.from_scatterers(miller_set=reflections)(
            xray_structure=structure, miller_set=reflections, algorithm="fft"
        ).f_calc()

    def gradients():
        return xray.structure_factors.gradients(miller_set=reflections)(
            xray_structure=structure,
            u_iso_refinable_params=None,
            miller_set=reflections,
            d_target_d_f_calc=w,
            n_parameters=0,
            algorithm="fft",
        )

    seconds_forward, _ = best(forward, repeats)
    seconds_gradients, found = best(gradients, repeats)
    by_frac = np.array(found.d_target_d_site_frac())
    to_frac = np.array(symmetry.unit_cell().fractionalization_matrix()).reshape(3, 3)
    np.savez(output, xyz=by_frac @ to_frac)
    print(json.dumps({"seconds_forward": seconds_forward, "seconds_gradients": seconds_gradients}))


main()
