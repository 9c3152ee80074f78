"""Check that friedel as installed from a platform wheel has all its machine code.

    build/dist-check/bin/python -P tools/check_platform_wheel.py

The jobs of `friedel warmup` call every kernel in a process in which numba cannot be imported, and
which may start no Python and make no folder for code, as compilation does.
"""

import sys
from pathlib import Path


def refuse(event: str, arguments: tuple) -> None:
    """Raise an error at what only compilation does."""
    starts_python = event == "subprocess.Popen" and arguments[0] == sys.executable
    if starts_python or (event == "os.mkdir" and "friedel-" in str(arguments[0])):
        raise RuntimeError(f"{event} {arguments[0]}")


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
