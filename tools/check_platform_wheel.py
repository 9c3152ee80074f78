"""Check that friedel as installed from a platform wheel has all its machine code.

    build/dist-check/bin/python -P tools/check_platform_wheel.py

The jobs of `friedel warmup` call every kernel in a process in which numba cannot be imported, and
which may neither start a process nor make a folder, as compilation would.
"""

import sys
from pathlib import Path

REFUSED = ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.mkdir")


def refuse(event: str, arguments: tuple) -> None:
    """Raise an error at what only compilation does."""
    if event in REFUSED:
        raise RuntimeError(f"{event} {arguments}")


def main() -> None:
    """Do the jobs."""
    import friedel
    from friedel.kernels.compiled import KERNELS
    from friedel.runtime.native.shipped import levels_here, usable_levels

    print(f"friedel of {Path(friedel.__file__).parent}: {', '.join(usable_levels(KERNELS))}")
    if not levels_here():
        sys.exit("the processor has none of the levels: nothing was checked")
    if list(usable_levels(KERNELS)) != levels_here():
        sys.exit(f"expected code for {', '.join(levels_here())}")
    sys.addaudithook(refuse)
    sys.modules["numba"] = None
    from friedel.cli import main as command

    command(["warmup"])


if __name__ == "__main__":
    main()
