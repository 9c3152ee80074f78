"""TorchRef on the CPU: peer_torchref_gradients.py MODEL REFLECTIONS.npz D_MIN REPEATS OUT.npz.

Forward alone, and forward with backward of Re sum conj(w) F, by all parameters it refines.
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


def best(work, repeats):
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    path, reflections, d_min, repeats, output = sys.argv[1:6]
    torch.set_num_threads(1)
    data = np.load(reflections)
    hkl = torch.tensor(data["hkl"], dtype=torch.int32)
    w = torch.tensor(data["w"], dtype=torch.complex64)
    model = ModelFT(max_res=float(d_min), verbose=0)
    model = model.load_pdb(path) or model

    def forward():
        with torch.no_grad():
            model.reset_cache()
            model(hkl)

    def both():
        model.reset_cache()
        model.zero_grad()
        (w.conj() * model(hkl)).real.sum().backward()

    seconds_forward, seconds_both = best(forward, int(repeats)), best(both, int(repeats))
    np.savez(
        output, sites=model.xyz().detach().numpy(), xyz=model.xyz.refinable_params.grad.numpy()
    )
    print(json.dumps({"seconds_forward": seconds_forward, "seconds_both": seconds_both}))


main()
