"""The density of a model limited to a resolution, over its cell or in a box."""

from os import PathLike
from typing import Any, Unpack

import numpy as np

from friedel.density.grid import Grid
from friedel.density.map_box import MapBox
from friedel.errors import CellError, ParameterError
from friedel.maps.boxes import DEFAULT_MARGIN, new_box, period_for, reach_of
from friedel.maps.coefficients import POINTS_PER_D_MIN, map_from_coefficients
from friedel.model.atoms import Atoms
from friedel.model.crystal import Crystal, checked_d_min
from friedel.model.model import Model
from friedel.notes import Notes
from friedel.readers.model_decisions import NO_CELL
from friedel.reflections.reflections import Reflections
from friedel.structure_factors.calculator import Calculator
from friedel.structure_factors.options import CalculationOptions, Keywords, parsed_options
from friedel.structure_factors.scattering_options import read_for_calculation, warn_of_doubts

ORIGIN = np.zeros((1, 3), np.int32)

BEYOND_LIMIT = 1e-4
"""Relative distance from the limit of a grid to which it holds reflections."""


def map_of_model(
    model: Any,
    *,
    d_min: float,
    like: MapBox | Grid | str | PathLike[str] | None = None,
    spacing: float | None = None,
    b: float | None = None,
    soft_edge: float = 0.0,
    options: CalculationOptions | None = None,
    strict: bool = False,
    **keywords: Unpack[Keywords],
) -> Grid | MapBox:
    """The density that scatters, limited to a resolution: the map through the model's own F.

    The mean is included: F(000) is one of the coefficients.

    Parameters
    ----------
    model, options, **keywords
        As for :func:`friedel.fcalc`. Only the real part of anomalous scattering is used.
    d_min
        Resolution limit, Å.
    like
        A map, or the path of one, on whose grid the density is calculated. If the map has the cell
        and the symmetry of the model (other than P 1), the density is that of the crystal;
        otherwise that of the atoms alone, without periodic images.
    margin
        Calculate the atoms alone, without symmetry mates and periodic images, in a box around them
        that exceeds them by this much on each side, Å. Without `like` and `margin` the map is that
        of the whole unit cell, and for a model without cell that of a box with a margin of 5 Å.
    spacing
        Largest distance of grid points along each edge, Å; by default a quarter of `d_min`.
    b
        B of all atoms, Å^2, instead of their own.
    soft_edge
        Part of the range of 1/d over which F falls off to zero by a cosine: 0.2 leaves F to 1.25
        d_min as they are. By default the limit is sharp.
    strict
        Whether a guess raises an error.

    Returns
    -------
    Grid or MapBox
        float32: the whole cell, or a box where the model is alone or on the grid of a box, in
        electrons/Å^3 (X-rays), Å/Å^3 (electrons) or fm/Å^3 (neutrons).

    Raises
    ------
    TypeError
        For an unknown keyword argument.
    GuessError
        For a guess, when `strict` is true.
    ParameterError
        When both `like` and `margin` or `spacing` are given, the points of the grid are more than
        d_min/2 apart, or form factors are those of individual atoms.
    FriedelError
        For other input that cannot be used, as the subclass that describes the problem.

    Examples
    --------
    >>> friedel.map_of_model("model.pdb", d_min=3, margin=5).to_ccp4("model.mrc")  # doctest: +SKIP
    """
    own = ("d_min", "like", "spacing", "b", "soft_edge", "options", "strict")
    reading, options = parsed_options("map_of_model", keywords, own, options)
    margin = reading.pop("margin", None)
    d_min = checked_d_min(d_min)
    if options.is_by_atom:
        raise ParameterError("form factors of individual atoms give no density: they lack F(000)")
    if like is not None and (margin is not None or spacing is not None):
        raise ParameterError("like says where the grid is: give neither margin nor spacing")
    if not 0.0 <= soft_edge <= 1.0:
        raise ParameterError(f"got soft_edge = {soft_edge!r}, expected a number from 0 to 1")
    wanted = None if like is None else as_map_box(like)
    if not isinstance(model, Model | tuple | list):
        reading["margin"] = DEFAULT_MARGIN if margin is None else margin
    read, numbers, notes = read_for_calculation(model, reading, options)
    Notes(strict=strict).extend(notes)
    warn_of_doubts(read, notes)
    atoms = read.atoms if b is None else with_one_b(read.atoms, b)
    addends = {kind: np.real(value) for kind, value in (numbers.addends or {}).items()}
    numbers = numbers.replace(addends=addends or None)
    is_alone = margin is not None or has_no_cell(read)
    if wanted is not None and not _is_of_crystal(wanted, read.crystal):
        is_alone = True
    step = d_min / POINTS_PER_D_MIN if spacing is None else spacing
    if not is_alone:
        f = own_f(read.crystal, atoms, d_min, numbers, soft_edge)
        if wanted is None:
            return map_from_coefficients(f, spacing=step)
        grid = map_from_coefficients(f, shape=wanted.sampling)
        if wanted.is_whole_cell:
            return grid
        return wanted.with_array(grid.box(wanted.start, wanted.shape).array)
    xyz = atoms.frac @ read.crystal.orthogonalization.T
    if wanted is None:
        wanted = new_box(xyz, step, DEFAULT_MARGIN if margin is None else margin)
    return density_in_box(wanted, xyz, atoms, d_min, numbers, soft_edge)


def density_in_box(
    box: MapBox,
    xyz: np.ndarray,
    atoms: Atoms,
    d_min: float,
    options: CalculationOptions,
    soft_edge: float = 0.0,
) -> MapBox:
    """The density of atoms alone, limited to `d_min`, on the points of a box.

    It is calculated through F in a cell in P 1 that is so large that images of the atoms do not
    reach the box.

    Parameters
    ----------
    xyz
        (n, 3) positions, Å.
    atoms
        The atoms; their fractional coordinates are not used.
    options
        The numerical scattering of the atoms.

    Raises
    ------
    ParameterError
        When the points of the box are more than d_min/2 apart.
    """
    if max(box.spacing) > 0.5 * d_min * (1.0 + 1e-6):
        raise ParameterError(
            f"grid points {max(box.spacing):.3g} A apart cannot hold a map to {d_min:g} A: "
            f"expected at most d_min/2 = {0.5 * d_min:.3g} A"
        )
    # a grid does not hold reflections at its very limit
    d_min = max(d_min, 2.0 * max(box.spacing) * (1.0 + BEYOND_LIMIT))
    xyz = xyz - np.array(box.origin)
    shape = period_for(box, xyz, reach_of(atoms, d_min))
    lengths = np.array(box.spacing) * shape
    crystal = Crystal((*lengths.tolist(), *box.crystal.cell[3:]), name="P 1")
    moved = atoms.replace(frac=xyz @ crystal.fractionalization.T)
    f = own_f(crystal, moved, d_min, options, soft_edge)
    grid = map_from_coefficients(f, shape=[max(n, 2) for n in shape])
    return box.with_array(grid.box(box.start, box.shape).array)


def own_f(
    crystal: Crystal,
    atoms: Atoms,
    d_min: float,
    options: CalculationOptions,
    soft_edge: float = 0.0,
) -> Reflections:
    """F of a model to `d_min`, with F(000), times a soft edge."""
    hkl = np.concatenate([ORIGIN, crystal.unique_reflections(d_min)])
    calculator = Calculator.of(Model(crystal, atoms), hkl=hkl, options=options)
    values = calculator.forward()
    if soft_edge:
        values *= edge(2.0 * d_min * np.sqrt(crystal.stol2(hkl)), soft_edge)
    return Reflections(crystal, hkl, values, label="FC")


def edge(s: np.ndarray, width: float) -> np.ndarray:
    """1 to 1 - width, then a cosine to 0 at 1; of s in units of the limit."""
    inside = np.clip((1.0 - s) / width, 0.0, 1.0)
    return 0.5 - 0.5 * np.cos(np.pi * inside)


def with_one_b(atoms: Atoms, b: float) -> Atoms:
    """The atoms with one isotropic B (Å^2).

    Raises
    ------
    ParameterError
        When it is negative or not a number.
    """
    if not (np.isfinite(b) and b >= 0):
        raise ParameterError(f"got b = {b!r}, expected a number in A^2, at least 0")
    return atoms.replace(b_iso=np.full(len(atoms), float(b)), u_aniso=None)


def has_no_cell(model: Model) -> bool:
    """Whether the cell of a model as read is only a box around its atoms."""
    return any(note.startswith(NO_CELL) for note in model.notes)


def as_map_box(given: MapBox | Grid | str | PathLike[str]) -> MapBox:
    """A map as a box: from a file, or a map of a whole cell.

    Raises
    ------
    FileFormatError
        When a file cannot be read.
    ParameterError
        For anything else.
    """
    if isinstance(given, MapBox):
        return given
    if isinstance(given, Grid):
        return MapBox.of_grid(given)
    if isinstance(given, str | PathLike):
        from friedel.readers.maps import read_map_box

        return read_map_box(given)
    raise ParameterError(
        f"got {type(given).__name__}, expected a map: friedel.Grid, friedel.MapBox or a path"
    )


def _is_of_crystal(box: MapBox, crystal: Crystal) -> bool:
    """Whether a map is one of the model's crystal, which has symmetry.

    Raises
    ------
    CellError
        When it has symmetry, but not that of the model.
    """
    if box.crystal.n_operations == 1:
        return False
    if not (box.crystal.is_similar(crystal) and box.crystal.has_same_symmetry(crystal)):
        raise CellError(f"the map has {box.crystal!r}, but the model has {crystal!r}")
    return True
