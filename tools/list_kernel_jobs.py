"""List which kernels typical jobs call, in src/friedel/kernels/jobs.json.

    python tools/list_kernel_jobs.py

The jobs are those of `friedel warmup`, each run in a process of its own. The kernels are listed in
the order of the size of their compiled code, which is about that of the time to compile them. Run
it after a kernel was added, or takes other arguments.
"""

import gc
import json
import subprocess
import sys
import warnings

HERE = "friedel.kernels."


def called() -> dict[str, int]:
    """The kernels that this process has called, as texts, with the sizes of their code."""
    from friedel.kernels.compiled import STORE
    from friedel.runtime.native.loader import Kernel

    found = {}
    for kernel in gc.get_objects():
        if isinstance(kernel, Kernel) and kernel.name.startswith(HERE):
            for types in kernel.calls:
                size = STORE.paths(kernel.name, types)[0].stat().st_size
                found[json.dumps([kernel.name.removeprefix(HERE), json.loads(types)])] = size
    return found


def run_job(number: int) -> None:
    """Do one of the jobs and print the kernels that it called."""
    from friedel.cli.compile_kernels import steps
    from friedel.errors import FriedelWarning

    warnings.simplefilter("ignore", FriedelWarning)
    _, job = list(steps())[number]
    job()
    print(json.dumps(called()))


def listed() -> str:
    """The content of the file."""
    from friedel.cli.compile_kernels import steps

    jobs, sizes = {}, {}
    for number, (name, _) in enumerate(steps()):
        command = [sys.executable, __file__, "--job", str(number)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        jobs[name] = json.loads(done.stdout)
        sizes |= jobs[name]
    order = sorted(sizes, key=lambda variant: (-sizes[variant] // 20_000, variant))
    kernels = ",\n".join("  " + variant for variant in order)
    numbers = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(sorted(map(order.index, job)))}"
        for name, job in jobs.items()
    )
    return f'{{"kernels": [\n{kernels}\n],\n"jobs": {{\n{numbers}\n}}}}\n'


def main() -> None:
    """Write or compare the file."""
    if "--job" in sys.argv:
        run_job(int(sys.argv[-1]))
        return
    from friedel.kernels.compiled import KERNELS
    from friedel.runtime.native.processes import JOBS

    text = listed()
    (KERNELS / JOBS).write_text(text, encoding="utf-8")
    print("wrote", KERNELS / JOBS)


if __name__ == "__main__":
    main()
