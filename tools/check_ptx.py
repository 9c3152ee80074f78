"""Compile the kernels for GPUs without a GPU, and check what the compiler says of them.

    python tools/check_ptx.py

It needs numba-cuda and, from pip, nvidia-cuda-nvcc-cu12 and nvidia-cuda-nvrtc-cu12. For each
kernel, type and architecture it prints the registers of a thread. It fails for more than 128 in
float32, for spills to memory, for atomic operations, and for float64 in kernels of float32.
"""

import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

ARCHITECTURES = ((8, 0), (9, 0), (10, 0))
MOST_REGISTERS = {"float32": 128, "float64": 255}
INSTALL = 'pip install "numba-cuda[cu12]" nvidia-cuda-nvcc-cu12 nvidia-cuda-nvrtc-cu12'


def compiler():
    """The assembler of PTX, and the folder that numba-cuda takes for CUDA's."""
    spec = find_spec("nvidia")
    for folder in list(spec.submodule_search_locations) if spec else []:
        for path in sorted(Path(folder).glob("*/bin/ptxas")):
            return path, path.parents[1]
    sys.exit(f"check_ptx: there is no ptxas: {INSTALL}")


def signatures(dtype):
    """Types of the arguments of each kernel, which are those that `friedel.device` passes."""
    from numba import from_dtype, types

    real = from_dtype(np.dtype(dtype))

    def array(kind, n):
        return types.Array(kind, n, "C")

    i4, i8, u1 = types.int32, types.int64, types.uint8
    limits = (types.int64, types.int64)
    atoms = (array(i4, 2), array(real, 2))
    onto = (array(real, 1), array(i4, 1), *atoms, array(i4, 4), array(i4, 1))
    back = (array(real, 1), *atoms, array(i4, 1), array(real, 3))
    terms = (array(real, 1), array(real, 2), array(real, 3))
    return {
        "splat": (*limits, real, real, *onto),
        "splat_bumps": (*limits, real, *onto),
        "gather": (*limits, *back),
        "gather_bumps": (*limits, *back),
        "add_planes": (*limits, array(real, 3), array(real, 2)),
        "sum_terms": (*limits, array(real, 3), array(i8, 2), array(u1, 2), *terms),
        "spread_terms": (
            *(*limits, array(real, 3), array(i8, 1), array(i8, 1), array(i8, 1), array(u1, 1)),
            *terms,
        ),
    }


def complaints(ptx, said, dtype):
    """What is wrong with a kernel."""
    registers = int(re.search(r"Used (\d+) registers", said)[1])
    if registers > MOST_REGISTERS[dtype]:
        yield f"{registers} registers"
    if any(int(n) for n in re.findall(r"(\d+) bytes spill", said)):
        yield "registers spilled to memory"
    if re.search(r"\batom\.|\bred\.", ptx):
        yield "atomic operations"
    body = "\n".join(line for line in ptx.splitlines() if not line.strip().startswith("//"))
    if dtype == "float32" and re.search(r"\.f64\b", body):
        yield "float64"


def main():
    ptxas, _ = compiler()
    try:
        from numba import cuda
    except ImportError:
        sys.exit(f"check_ptx: there is no numba-cuda: {INSTALL}")
    from friedel.device.kernels import gpu_source

    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for dtype in ("float32", "float64"):
            for name, signature in signatures(dtype).items():
                for major, minor in ARCHITECTURES:
                    source = gpu_source(name, cuda)
                    options = {"cc": (major, minor), "fastmath": True}
                    ptx, _ = cuda.compile_ptx(source, signature, **options)
                    path = Path(folder, "kernel.ptx")
                    path.write_text(ptx)
                    target = f"sm_{major}{minor}"
                    command = [ptxas, "-v", f"--gpu-name={target}", path, "-o", f"{path}.cubin"]
                    done = subprocess.run(command, capture_output=True, text=True, check=True)
                    wrong = list(complaints(ptx, done.stderr, dtype))
                    used = re.search(r"Used (\d+) registers", done.stderr)[1]
                    print(f"{name:13} {dtype} {target:7} {used:>4} registers", *wrong, sep="  ")
                    failed += bool(wrong)
    sys.exit(f"check_ptx: {failed} failed" if failed else 0)


if __name__ == "__main__":
    main()
