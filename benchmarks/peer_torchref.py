"""TorchRef's structure factors on the CPU: peer_torchref.py ATOMS.npz D_MIN OUT.npz.

It reads files only, and so gets the atoms as a PDB file.
"""

import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from pdb_text import pdb_text
from peer import peak_mb, serve
from torchref.model import ModelFT

warnings.filterwarnings("ignore")
import_mb = peak_mb()
path, d_min, output = sys.argv[1], float(sys.argv[2]), sys.argv[3]


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
