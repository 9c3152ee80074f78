"""Intensities on a lattice of h, k, l in NeXus files."""

from os import PathLike
from typing import Any

import numpy as np

from friedel.errors import MissingDependencyError
from friedel.model.crystal import Crystal
from friedel.notes import friedel_version
from friedel.writers.files import write_atomically


def write_intensity_lattice(
    path: str | PathLike[str],
    crystal: Crystal,
    hkl: np.ndarray,
    cells: tuple[int, int, int],
    intensity: np.ndarray,
    sigma: np.ndarray,
    *,
    overwrite: bool = False,
) -> None:
    """Write intensities and their errors as NXdata with axes h, k, l of the crystal.

    Parameters
    ----------
    crystal
        The crystal cell.
    hkl
        (n, 3) indices on a lattice that is finer by `cells`, one of each Friedel pair.
    cells
        Numbers of points from one Bragg position to the next.
    intensity, sigma
        (n,) values; points without one are NaN.

    Raises
    ------
    MissingDependencyError
        When h5py is not installed.
    OutputError
        When the file cannot be written, or exists and `overwrite` is false.
    """
    need_h5py()
    import h5py

    limits = np.abs(hkl).max(axis=0)
    arrays = {}
    for name, values in (("intensity", intensity), ("intensity_errors", sigma)):
        array = np.full(2 * limits + 1, np.nan, np.float32)
        for sign in (1, -1):
            array[tuple((sign * hkl + limits).T)] = values
        arrays[name] = array
    axes = {
        axis: np.arange(-limit, limit + 1) / n
        for axis, limit, n in zip("hkl", limits, cells, strict=True)
    }

    def write(name: str) -> None:
        with h5py.File(name, "w") as file:
            file.attrs.update(default="entry", creator=f"friedel {friedel_version()}")
            entry = _group(file, "entry", "NXentry")
            entry.attrs["default"] = "intensity"
            data = _group(entry, "intensity", "NXdata")
            data.attrs.update(signal="intensity", axes=["h", "k", "l"])
            data.attrs.update({f"{axis}_indices": i for i, axis in enumerate("hkl")})
            data.attrs.update(mdx2_module="mdx2.geometry", mdx2_class="GridData")  # for its loadobj
            for key, array in arrays.items():
                data.create_dataset(key, data=array, compression="gzip", shuffle=True)
            for key, array in axes.items():
                data.create_dataset(key, data=array).attrs["units"] = "reciprocal lattice units"
            sample = _group(entry, "sample", "NXsample")
            sample.create_dataset("unit_cell", data=np.array(crystal.cell))
            sample.create_dataset("unit_cell_group", data=crystal.name or "P 1")

    write_atomically(path, write, overwrite=overwrite)


def _group(parent: Any, name: str, kind: str) -> Any:
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    return group


def need_h5py() -> None:
    """Check that h5py is installed.

    Raises
    ------
    MissingDependencyError
        When it is not.
    """
    try:
        import h5py  # noqa: F401
    except ImportError:
        raise MissingDependencyError.of("writing NeXus files", "h5py") from None
