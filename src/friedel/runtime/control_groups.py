"""The control groups by which Linux limits processes, as in containers and batch systems."""

from collections.abc import Iterator
from pathlib import Path


def control_groups(controller: str, root: Path = Path("/")) -> Iterator[tuple[Path, int]]:
    """The folders of the process's groups for a controller, each with its version, 1 or 2.

    Each control group has its own limits, and so have the enclosing groups, which are given as
    well. A container may see its own group as the outermost. On other systems there are none.

    Parameters
    ----------
    controller
        ``"cpu"`` or ``"memory"``.
    root
        Root of the file system.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / controllers  # version 2 has no controllers here
        around = [top / group.lstrip("/"), *(top / group.lstrip("/")).parents]
        for folder in around[: around.index(top) + 1]:
            yield folder, 1 if controllers else 2
