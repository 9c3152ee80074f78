"""Make a wheel that contains the machine code of all kernels out of one that does not.

    python tools/platform_wheel.py dist/friedel-VERSION-py3-none-any.whl

The code is that of the kernels of kernels/jobs.json, compiled from the files of the wheel, once for
each level of processors in runtime/native/shipped.py; the processor of this machine can have any
level. The new wheel is written beside the old one, with the same metadata. Its tag:

- py3-none: the code calls functions of Python's stable interface, and reads how long the heads of
  Python's objects are when it is loaded, or names it in its key.
- manylinux_2_17: it is linked when it is loaded, by llvmlite, against functions that every glibc
  has, so that 2.17 stands for any; musl has not been tried.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TAG = "py3-none-manylinux_2_17_x86_64"


def compile_kernels(level: str) -> None:
    """Compile all listed kernels into the folder of a level, in the package on PYTHONPATH."""
    from friedel.kernels.compiled import STORE
    from friedel.runtime.native.builder import build
    from friedel.runtime.native.processes import kernel_of, known_jobs
    from friedel.runtime.native.shipped import place

    for name, types in known_jobs(STORE)[0]:
        path, key = place(STORE.sources, name, types, level)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(build(kernel_of(name), types).as_bytes(key))


def add_machine_code(folder: Path) -> None:
    """Compile the kernels of the package in a folder, all levels at the same time."""
    from friedel.runtime.native.shipped import LEVELS

    processes = []
    for level in LEVELS:
        changed = {
            "PYTHONPATH": str(folder),
            "NUMBA_CPU_NAME": level,
            "NUMBA_CPU_FEATURES": "",
            "FRIEDEL_KERNELS": "",
        }
        command = [sys.executable, "-P", __file__, "--level", level]
        processes.append(subprocess.Popen(command, env=os.environ | changed))
    codes = [process.wait() for process in processes]
    if any(codes):
        sys.exit("the kernels cannot be compiled")


def main() -> None:
    """Unpack the wheel, add the code, and pack it under its new tag."""
    if sys.argv[1] == "--level":
        compile_kernels(sys.argv[2])
        return
    pure = Path(sys.argv[1]).resolve()
    wheel = [sys.executable, "-m", "wheel"]
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([*wheel, "unpack", "--dest", scratch, pure], check=True)
        (folder,) = Path(scratch).iterdir()
        add_machine_code(folder)
        for bytecode in folder.rglob("*.pyc"):
            bytecode.unlink()
        (head,) = folder.glob("*.dist-info/WHEEL")
        text = head.read_text(encoding="utf-8")
        for old, new in (("Purelib: true", "Purelib: false"), ("py3-none-any", TAG)):
            if old not in text:
                sys.exit(f"expected {old!r} in {head.name}")
            text = text.replace(old, new)
        head.write_text(text, encoding="utf-8")
        subprocess.run([*wheel, "pack", "--dest-dir", pure.parent, folder], check=True)


if __name__ == "__main__":
    main()
