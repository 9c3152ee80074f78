"""gemmi's density, symmetrisation, FFT and unblur: peer_gemmi.py ATOMS.npz D_MIN OUT.npz."""

import sys

import gemmi
import numpy as np
from peer import peak_mb, serve

import_mb = peak_mb()
path, d_min, output = sys.argv[1], float(sys.argv[2]), sys.argv[3]


def read_structure(path):
    """A structure of one residue with these atoms."""
    atoms = np.load(path, allow_pickle=False)
    structure = gemmi.Structure()
    structure.cell = gemmi.UnitCell(*atoms["cell"])
    structure.spacegroup_hm = str(atoms["hm"])
    residue = gemmi.Residue()
    residue.name = "UNL"
    fields = ("labels", "frac", "occ", "b_iso", "u_cart")
    for label, frac, occ, b, u in zip(*(atoms[name].tolist() for name in fields)):
        atom = gemmi.Atom()
        atom.element = gemmi.Element(label)
        atom.pos = structure.cell.orthogonalize(gemmi.Fractional(*frac))
        atom.occ, atom.b_iso = occ, b
        if any(u):
            atom.aniso = gemmi.SMat33f(*u)
        residue.add_atom(atom)
    chain = gemmi.Chain("A")
    chain.add_residue(residue)
    model = gemmi.Model(1)
    model.add_chain(chain)
    structure.add_model(model)
    structure.setup_cell_images()
    return structure


def calculate():
    calculator.put_model_density_on_grid(structure[0])
    grid = gemmi.transform_map_to_f_phi(calculator.grid, half_l=True)
    return grid.prepare_asu_data(dmin=d_min, unblur=calculator.blur)


def save(data):
    np.savez(output, hkl=np.array(data.miller_array), f=np.array(data.value_array))


structure = read_structure(path)
calculator = gemmi.DensityCalculatorX()
calculator.d_min = d_min
calculator.grid.setup_from(structure)
calculator.set_refmac_compatible_blur(structure[0])
serve(calculate, save, import_mb=import_mb)
