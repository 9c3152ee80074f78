"""The names of the atoms of a model, for options that single out atoms by name."""

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from friedel.model.model import Model


def with_atom_labels(read: Model, origin: Any, block: str | None = None) -> Model:
    """The model with `site_labels` of its atoms, if what it was read from names them.

    Parameters
    ----------
    read
        The model.
    origin
        What it was read from, in any form that :func:`friedel.as_model` accepts.
    block
        Name of the block of a CIF.

    Returns
    -------
    Model
        Labels of the sites of a small structure, or the atom names of a macromolecule. Copies by
        strict NCS have those of the first. The model is unchanged where the names are unknown, as
        after hydrogens were added.
    """
    if read.atoms.site_labels is not None:
        return read
    labels = atom_labels(origin, block)
    n = len(read.atoms)
    if not labels or n % len(labels):
        return read
    # copies by strict NCS follow the atoms of the file, in the same order
    return replace(read, atoms=read.atoms.replace(site_labels=labels * (n // len(labels))))


def atom_labels(origin: Any, block: str | None = None) -> tuple[str, ...]:
    """The names of the atoms of a source, in their order; empty where it has none."""
    if isinstance(origin, Model):
        return origin.atoms.site_labels or ()
    if isinstance(origin, str | PathLike):
        return _of_file(Path(origin), block)
    if isinstance(origin, tuple | list) and len(origin) == 2:
        return getattr(origin[1], "site_labels", None) or atom_labels(origin[1])
    if type(origin).__module__.split(".")[0] != "gemmi":
        return ()
    from friedel.gemmi_package import gemmi

    if isinstance(origin, gemmi.Structure) and len(origin):
        origin = origin[0]
    if isinstance(origin, gemmi.Model):
        return tuple(cra.atom.name for cra in origin.all())
    return ()


def _of_file(path: Path, block: str | None) -> tuple[str, ...]:
    from friedel.readers.macromolecules import ReadStructure
    from friedel.readers.model_files import read_model

    found, _ = read_model(path, block)
    return atom_labels(found.structure) if isinstance(found, ReadStructure) else ()
