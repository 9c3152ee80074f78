"""SFC_torch or TorchRef on a GPU or a CPU: peer_on_device.py PEER DEVICE CASE.npz OUT.npz.

The case has the atoms as a PDB file's text, hkl, w, the number of members and the resolution. Of
each package the calls are timed that its users have for a batch: SFC_torch takes all members at
once, TorchRef one after another. Forward, and backward from Re sum conj(w) F: SFC_torch to
coordinates, TorchRef to all parameters that it refines. Where memory does not suffice for
derivatives, only F is calculated.
"""

import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
os.environ.setdefault("TORCHREF_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from on_device import mebibytes, milliseconds  # noqa: E402
from peer import peak_mb  # noqa: E402


class SfcTorch:
    """SFC_torch: direct sums with a number for each atom and reflection."""

    MOST = 2e9
    """Most numbers, atoms times reflections, of its table of form factors, made on the CPU."""

    def __init__(self, path, case, device):
        from SFC_Torch import SFcalculator

        n_atoms, n_hkl = str(case["pdb"]).count("HETATM"), len(case["hkl"])
        if n_atoms * n_hkl > self.MOST:
            raise MemoryError(f"not tried with {n_atoms} atoms times {n_hkl} reflections")
        model = SFcalculator(path, dmin=float(case["d_min"]), device=device)
        # The reflections of the case instead of its own
        model.Hasu_array = case["hkl"]
        model.dr2asu_array = model.unit_cell.calculate_1_d2_array(case["hkl"])
        model.init_atomic_scattering()
        self.model = model
        steps = 0.01 * torch.arange(int(case["members"]), device=device)[:, None, None]
        self.xyz = (model.atom_pos_orth + steps).requires_grad_()
        self.sites = model.atom_pos_orth

    def forward(self):
        if len(self.xyz) == 1:
            return self.model.calc_fprotein(self.xyz[0], Return=True)[None]
        return self.model.calc_fprotein_batch(self.xyz, Return=True)

    def both(self, w):
        self.xyz.grad = None
        f = self.forward()
        f.backward(w.expand(f.shape))
        return self.xyz.grad[0]


class TorchRef:
    """TorchRef: an FFT of the density of one model."""

    def __init__(self, path, case, device):
        from torchref.model import ModelFT

        model = ModelFT(max_res=float(case["d_min"]), verbose=0)
        self.model = (model.load_pdb(path) or model).to(device)
        self.hkl = torch.tensor(case["hkl"], dtype=torch.int32, device=device)
        self.members = range(int(case["members"]))
        self.sites = self.model.xyz().detach()

    def forward(self):
        for _ in self.members:
            self.model.reset_cache()
            f = self.model(self.hkl)
        return f[None]

    def both(self, w):
        for _ in self.members:
            self.model.reset_cache()
            self.model.zero_grad()
            self.model(self.hkl).backward(w)
        return self.model.xyz.refinable_params.grad


def main():
    peer, device, path, output = sys.argv[1:]
    peer, device = {"SFC_Torch": SfcTorch, "torchref": TorchRef}[peer], torch.device(device)
    before = peak_mb()
    case = np.load(path)
    w = torch.as_tensor(case["w"], dtype=torch.complex64, device=device)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "atoms.pdb"
        file.write_text(str(case["pdb"]), encoding="ascii")
        calculation = peer(str(file), case, device)

    def forward():
        with torch.no_grad():
            return calculation.forward()

    def both():
        return calculation.both(w)

    arrays = {"f": forward()[0], "sites": calculation.sites}
    found = {"forward": milliseconds(forward, device)}
    found["mebibytes"] = mebibytes(forward, device, before)
    try:
        arrays["by_xyz"] = both()
        found["both"] = milliseconds(both, device)
        found["mebibytes"] = mebibytes(both, device, before)
    except torch.OutOfMemoryError:
        arrays.pop("by_xyz", None)
    np.savez(output, **{name: x.cpu().numpy() for name, x in arrays.items()})
    return found


if __name__ == "__main__":
    try:
        found = main()
    except ModuleNotFoundError as error:
        found = {"missing": error.name}
    except (MemoryError, RuntimeError) as error:  # that of a GPU is a RuntimeError
        found = {"failed": f"{type(error).__name__}: {error}"}
    print(json.dumps(found))
