"""TorchRef on the CPU: peer_torchref_gradients.py MODEL REFLECTIONS.npz D_MIN REPEATS OUT.npz.

Forward, and backward from Re sum conj(w) F to all parameters that it refines: coordinates, B, U and
some occupancies.
"""

import json
import os
import sys
import time
import warnings

os.environ["TORCHREF_NUM_THREADS"] = "1"
warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torchref.model import ModelFT  # noqa: E402


def main():
    path, reflections, d_min, repeats, output = sys.argv[1:6]
    torch.set_num_threads(1)
    data = np.load(reflections)
    hkl = torch.tensor(data["hkl"], dtype=torch.int32)
    w = torch.tensor(data["w"], dtype=torch.complex64)
    model = ModelFT(max_res=float(d_min), verbose=0)
    model = model.load_pdb(path) or model

    times = []
    for _ in range(int(repeats) + 1):
        model.reset_cache()
        model.zero_grad()
        start = time.perf_counter()
        f = model(hkl)
        middle = time.perf_counter()
        (w.conj() * f).real.sum().backward()
        end = time.perf_counter()
        times.append((end - start, middle - start, end - middle))
    _, forward, backward = min(times[1:])
    np.savez(
        output, sites=model.xyz().detach().numpy(), xyz=model.xyz.refinable_params.grad.numpy()
    )
    print(json.dumps({"seconds_forward": forward, "seconds_gradients": backward}))


main()
