"""Structure factors by a script of TorchRef: command_torchref.py MODEL D_MIN OUT.mtz."""

import sys
import warnings

import gemmi
import numpy as np
import torch
from torchref.model import ModelFT

warnings.filterwarnings("ignore")
path, d_min, output = sys.argv[1], float(sys.argv[2]), sys.argv[3]
model = ModelFT(max_res=d_min, verbose=0)
model = model.load_pdb(path) or model
symmetry = gemmi.read_structure(path)
group = symmetry.find_spacegroup()
hkl = gemmi.make_miller_array(symmetry.cell, group, d_min)
with torch.no_grad():
    f = model(torch.tensor(np.asarray(hkl, np.int32))).numpy()
mtz = gemmi.Mtz(with_base=True)
mtz.spacegroup, mtz.cell = group, symmetry.cell
mtz.add_dataset("calculated")
mtz.add_column("FC", "F")
mtz.add_column("PHIC", "P")
mtz.set_data(np.column_stack([hkl, np.abs(f), np.degrees(np.angle(f))]).astype(np.float32))
mtz.write_to_file(output)
