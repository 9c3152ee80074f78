"""One-line interface: the density of a model."""

import math
from typing import Any, Unpack

from friedel.density import density
from friedel.density.grid import Grid, grid_shape, symmetrized_sum
from friedel.errors import ParameterError
from friedel.model.crystal import checked_d_min
from friedel.runtime.memory import check_memory
from friedel.structure_factors.options import (
    CALCULATION,
    READING,
    CalculationOptions,
    Keywords,
    parsed_options,
)
from friedel.structure_factors.scattering_options import read_for_calculation, warn_of_doubts

GRID_BYTES = 32
"""Memory per grid point of the density of a whole cell (bytes): density, sum and an index."""
DEFAULT_RATE, DEFAULT_CUTOFF = 1.5, 1e-5

KEYWORDS = (CALCULATION | READING) - {"method", "rtol", "dtype", "threads"}
"""Keywords of :func:`model_density`: those without choices of method, precision or threads."""


def model_density(
    model: Any,
    *,
    d_min: float,
    options: CalculationOptions | None = None,
    **keywords: Unpack[Keywords],
) -> Grid:
    """The density that scatters, of all atoms in the cell, on a grid.

    Parameters
    ----------
    model, options, **keywords
        As for :func:`fcalc`, without `method`, `rtol`, `dtype` and `threads`. Only the real part
        of anomalous scattering is used.
    d_min, rate
        Points are at most d_min / (2 rate) apart, Å; `rate` is 1.5 by default.
    blur
        B added to all atoms, Å^2; by default 0.
    cutoff
        Density at which atoms are truncated; 1e-5 by default.

    Returns
    -------
    Grid
        The whole cell, float32, in electrons/Å^3 (X-rays), Å/Å^3 (electrons) or fm/Å^3
        (neutrons).

    Raises
    ------
    TypeError
        For an unknown keyword argument.
    FriedelError
        For input that cannot be used, as the subclass that describes the problem.

    Examples
    --------
    >>> friedel.model_density("model.pdb", d_min=2.0).to_ccp4("model.ccp4")  # doctest: +SKIP
    """
    own = ("d_min", "options")
    reading, options = parsed_options("model_density", keywords, own, options, KEYWORDS)
    if options.source == "mott-bethe":
        raise ParameterError("there is no density for mott-bethe: expected source='electron'")
    if options.is_by_atom:
        raise ParameterError("form factors of individual atoms give no density on a grid")
    d_min = checked_d_min(d_min)
    rate = DEFAULT_RATE if options.rate is None else options.rate
    cutoff = DEFAULT_CUTOFF if options.cutoff is None else options.cutoff
    read, numbers, notes = read_for_calculation(model, reading, options)
    warn_of_doubts(read, notes)
    shape = grid_shape(read.crystal, d_min / (2.0 * rate))
    what, force = "a grid of {} x {} x {}".format(*shape), options.force
    check_memory(GRID_BYTES * math.prod(shape), what, force=force)
    factors = numbers.factors(read.atoms.scatterers)
    a, b, blur = factors.a, factors.b, options.blur or 0.0
    sampled = density.sample(
        read.crystal, read.atoms, a, b, shape, blur=blur, cutoff=cutoff, force=force
    )
    return Grid(symmetrized_sum(sampled, read.crystal), read.crystal)
