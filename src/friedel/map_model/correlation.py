"""Correlation of a map with that of a model: over the box, near the model, by residue and chain."""

import warnings
from dataclasses import dataclass
from os import PathLike
from typing import Any, Unpack

import numpy as np

from friedel.density.grid import Grid
from friedel.density.map_box import MapBox
from friedel.errors import FriedelWarning, ParameterError
from friedel.map_model.fsc import FSC, fourier_shell_correlation
from friedel.map_model.map_transform import ScaleAndB, f_of_map, fit_scale_and_b
from friedel.map_model.soft_mask import SMALLEST_RADIUS, positions, soft_mask
from friedel.maps.boxes import DEFAULT_MARGIN
from friedel.maps.model_map import as_map_box, map_of_model
from friedel.maps.residue_agreement import ResidueAgreement, correlation, residue_agreement
from friedel.model.atoms import Atoms
from friedel.model.crystal import checked_d_min
from friedel.model.model import Model
from friedel.notes import Note, Notes
from friedel.readers.atom_names import AtomSource
from friedel.readers.model_decisions import NO_CELL
from friedel.readers.models import as_model
from friedel.solvent.flat_mask import MaskParameters, solvent_mask
from friedel.structure_factors.options import Keywords

LARGEST_RADIUS = 10.0
"""Largest default radius around atoms, Å."""


@dataclass(frozen=True, eq=False, repr=False)
class MapModelCorrelation:
    """Agreement of a map with the map of a model.

    Attributes
    ----------
    cc_mask
        Correlation in the region of the model: within the surface of its atoms that bounds a
        solvent mask.
    cc_volume
        That at the points where the model's map is highest, as many as the region has.
    cc_peaks
        That at the points where either map is highest, as many of each.
    cc_box
        That over the whole map.
    residues, chains
        Correlation and RSR near the atoms of each residue and chain; None without names of atoms.
    radius
        Distance from an atom within which points are near, Å.
    scale
        Scale and B of the model's F to those of the map, near the model.
    fsc
        FSC of the two maps near the model, by a soft mask.
    notes
        Decisions made while reading, and doubtful results.
    """

    cc_mask: float
    cc_volume: float
    cc_peaks: float
    cc_box: float
    residues: ResidueAgreement | None
    chains: ResidueAgreement | None
    radius: float
    scale: ScaleAndB
    fsc: FSC
    notes: tuple[Note, ...]

    def __repr__(self) -> str:
        return f"<friedel.MapModelCorrelation CC_mask {self.cc_mask:.4f}>"

    def summary(self) -> str:
        """The correlations, scale, resolution, chains and the worst residues as text."""
        names = ("cc_mask", "cc_volume", "cc_peaks", "cc_box")
        reached = ", ".join(self.fsc.limit_text(x) for x in (0.5, 0.143))
        fsc = f"{reached}; mean {self.fsc.mean:.3f}"
        lines = [
            "  ".join(f"CC{name[2:]} {getattr(self, name):.4f}" for name in names),
            f"model to map: k {self.scale.k:.4g}, B {self.scale.b:.1f} Å^2",
            f"FSC of map and model near the model: {fsc}",
        ]
        if self.chains is not None and self.residues is not None:
            lines += [
                f"within {self.radius:g} Å of atoms, by chain", str(self.chains),
                "residues of lowest correlation", self.residues.worst(10).text(),
            ]  # fmt: skip
        return "\n".join(lines)

    def to_dict(self, *, command: str | None = None) -> dict[str, Any]:
        """The numbers for JSON."""
        from friedel.notes import friedel_version

        names = ("cc_mask", "cc_volume", "cc_peaks", "cc_box", "radius")
        return {
            "version": friedel_version(),
            "command": command,
            **{name: getattr(self, name) for name in names},
            "k": self.scale.k,
            "b": self.scale.b,
            "fsc": self.fsc.to_dict(),
            "chains": None if self.chains is None else self.chains.records(),
            "residues": None if self.residues is None else self.residues.records(),
            "notes": [note.to_dict() for note in self.notes],
        }

    def to_json(
        self, path: str | PathLike[str], *, overwrite: bool = False, command: str | None = None
    ) -> None:
        """Write :meth:`to_dict` to a file.

        Raises
        ------
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        from friedel.writers.json_files import write_json

        write_json(path, self.to_dict(command=command), overwrite=overwrite)

    def to_csv(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the residues as comma-separated values.

        Raises
        ------
        ParameterError
            When the residues are unknown.
        OutputError
            When the file exists and `overwrite` is false, or cannot be written.
        """
        if self.residues is None:
            raise ParameterError("the residues are unknown: give the file of a macromolecule")
        self.residues.to_csv(path, overwrite=overwrite)


def map_model_correlation(
    density: MapBox | Grid | str | PathLike[str],
    model: Any,
    *,
    d_min: float,
    radius: float | None = None,
    strict: bool = False,
    **keywords: Unpack[Keywords],
) -> MapModelCorrelation:
    """Agreement of a map with a model, as phenix.map_model_cc defines it [Afonine2018].

    The model's map is that of :func:`friedel.map_of_model` on the grid of the map: limited to
    `d_min`, with the B of the model.

    Parameters
    ----------
    density
        The map, or the path of one; of any origin and order of axes.
    model, **keywords
        The model, and how its atoms scatter; see :func:`friedel.map_of_model`. By default
        `source` is ``"electron"``.
    d_min
        Resolution of the map, Å.
    radius
        Distance from an atom within which points are near it, Å; by default `d_min`, but 3 to 10.
    strict
        Whether a guess raises an error instead of adding a note.

    Raises
    ------
    ParameterError
        When the grid is too coarse for `d_min`, or no atom is in the box.
    FriedelError
        For other input that cannot be used, as the subclass that describes the problem.

    Examples
    --------
    >>> print(friedel.map_model_correlation("a.mrc", "a.cif", d_min=3).summary())  # doctest: +SKIP
    """
    box, d_min = as_map_box(density), checked_d_min(d_min)
    source = AtomSource.of(model)
    read, notes, scattering = read_model(model, strict=strict, **keywords)
    xyz = positions(read)
    inside = _inside(box, xyz)
    if not inside.any():
        raise ParameterError(
            "no atom of the model is in the map: does the map lie elsewhere? Its box begins at "
            f"({', '.join(f'{x:.1f}' for x in box.first_point)}) A"
        )
    if not inside.all():
        n = int((~inside).sum())
        notes.add(f"{n} of {len(xyz)} atoms are outside of the map", "warning", n)
    calculated = as_map_box(map_of_model(read, d_min=d_min, like=box, **scattering))
    if radius is None:
        radius = float(np.clip(d_min, SMALLEST_RADIUS, LARGEST_RADIUS))
    near = _region(box, read.atoms.select(inside), xyz[inside])
    first, second = (np.asarray(x.array, np.float64).ravel() for x in (box, calculated))
    n_near = int(near.sum())
    high = [_highest(values, n_near) for values in (first, second)]
    soft = soft_mask(box, xyz[inside], radius)
    names = source.names(len(xyz))
    observed = Grid(box.array, box.crystal) if _is_crystal(box) else box
    groups = [None, None] if names is None else [names.residues(), names.chains()]
    of_residues, of_chains = (
        None
        if group is None
        else residue_agreement(observed, calculated, xyz, read.atoms, group, radius)
        for group in groups
    )
    return MapModelCorrelation(
        cc_mask=correlation(first[near], second[near]),
        cc_volume=correlation(first[high[1]], second[high[1]]),
        cc_peaks=correlation(first[high[0] | high[1]], second[high[0] | high[1]]),
        cc_box=correlation(first, second),
        residues=of_residues,
        chains=of_chains,
        radius=radius,
        scale=fit_scale_and_b(*(f_of_map(x, d_min=d_min, mask=soft) for x in (box, calculated))),
        fsc=fourier_shell_correlation(box, calculated, mask=soft, d_min=d_min),
        notes=notes.records(),
    )


def read_model(
    model: Any, *, strict: bool = False, **keywords: Any
) -> tuple[Model, Notes, dict[str, Any]]:
    """The model, notes on how it was read, and the keywords that say how its atoms scatter.

    Electrons are scattered by default. A model without cell is taken as it is.
    """
    reading: dict[str, Any] = {
        name: keywords.pop(name)
        for name in ("strict_ncs", "hydrogens", "tls", "block")
        if name in keywords
    }
    is_default = not keywords.get("source")
    keywords["source"] = keywords.get("source") or "electron"
    if not isinstance(model, Model | tuple | list):
        reading["margin"] = DEFAULT_MARGIN
    read = as_model(model, source=keywords["source"], **reading)
    notes = Notes(strict=strict)
    if is_default:
        text = "the model scatters electrons; for a map from X-rays give source='xray' (--for xray)"
        notes.add(text, "default")
    notes.extend(note for note in read.notes if not note.startswith(NO_CELL))
    return read, notes, keywords


def _inside(box: MapBox, xyz: np.ndarray) -> np.ndarray:
    """(n,) bool: positions in the box; all of them for a crystal, which is periodic."""
    if _is_crystal(box):
        return np.ones(len(xyz), bool)
    places = box.indices_of(xyz)
    within = (places > -0.5) & (places < np.array(box.shape) - 0.5)
    return np.logical_and.reduce(within, axis=1)


def _is_crystal(box: MapBox) -> bool:
    """Whether a map is that of the cell of a crystal with symmetry."""
    return box.is_whole_cell and box.crystal.n_operations > 1


def _region(box: MapBox, atoms: Atoms, xyz: np.ndarray) -> np.ndarray:
    """(nu * nv * nw,) bool: the region of the model, outside of a solvent mask."""
    is_crystal = _is_crystal(box)
    crystal = box.crystal if is_crystal else box.of_box
    shift = 0.0 if is_crystal else box.first_point
    moved = atoms.replace(frac=(xyz - shift) @ crystal.fractionalization.T)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FriedelWarning)  # boxes without solvent
        mask = solvent_mask(crystal, moved, box.shape, MaskParameters.for_radii("cctbx"))
    return mask.ravel() == 0


def _highest(values: np.ndarray, n: int) -> np.ndarray:
    """Bool: the n highest values, and equal ones."""
    n = min(max(n, 1), len(values))
    return values >= np.partition(values, len(values) - n)[len(values) - n]
