"""TorchRef's structure factors on the CPU: peer_torchref.py ATOMS.npz D_MIN OUT.npz.

It reads files only, and so gets the atoms as a PDB file.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import gemmi
import numpy as np
import torch
from peer import peak_mb, serve
from torchref.model import ModelFT

warnings.filterwarnings("ignore")
import_mb = peak_mb()
path, d_min, output = sys.argv[1], float(sys.argv[2]), sys.argv[3]


def pdb_text(atoms):
    """Each atom gets its own residue, so that no two are taken for alternates."""
    cell = gemmi.UnitCell(*atoms["cell"])
    a, b, c, alpha, beta, gamma = cell.parameters
    lines = [
        f"CRYST1{a:9.3f}{b:9.3f}{c:9.3f}{alpha:7.2f}{beta:7.2f}{gamma:7.2f} {atoms['hm']!s:11s}   1"
    ]
    fields = ("labels", "frac", "occ", "b_iso", "u_cart")
    for i, (label, frac, occ, b_iso, u) in enumerate(zip(*(atoms[f].tolist() for f in fields))):
        x, y, z = cell.orthogonalize(gemmi.Fractional(*frac)).tolist()
        chain, residue = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i // 9999 % 26], i % 9999 + 1
        where = f"{(i + 1) % 100000:5d} {label.upper():>2s}   UNL {chain}{residue:4d} "
        element = f"{label.upper():>2s}"
        lines.append(
            f"HETATM{where}   {x:8.3f}{y:8.3f}{z:8.3f}{occ:6.2f}{b_iso:6.2f}{'':10s}{element}"
        )
        if any(u):
            numbers = "".join(f"{round(1e4 * x):7d}" for x in u)
            lines.append(f"ANISOU{where} {numbers}{'':6s}{element}")
    return "\n".join([*lines, "END", ""])


def calculate():
    with torch.no_grad():
        model.reset_cache()
        return model(hkl)


def save(f):
    np.savez(output, hkl=atoms["hkl"], f=f.numpy())


torch.set_num_threads(1)
atoms = np.load(path, allow_pickle=False)
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "atoms.pdb"
    file.write_text(pdb_text(atoms), encoding="ascii")
    model = ModelFT(max_res=d_min, verbose=0)
    model = model.load_pdb(str(file)) or model
hkl = torch.tensor(atoms["hkl"], dtype=torch.int32)
serve(calculate, save, import_mb=import_mb)
