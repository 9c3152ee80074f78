"""The density of a model in one line."""

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
from friedel.structure_factors.scattering_options import read_for_calculation

GRID_BYTES = 32
"""Of each point while the density of a whole cell is made: it, its sum and one index more."""
DEFAULT_RATE, DEFAULT_CUTOFF = 1.5, 1e-5

KEYWORDS = (CALCULATION | READING) - {"method", "rtol", "dtype", "threads"}
"""A density is sampled in one way, with one thread."""


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
        As for :func:`fcalc`, but for `method`, `rtol`, `dtype` and `threads`. Of anomalous
        scattering the real part counts.
    d_min, rate
        Points are at most d_min / (2 rate) apart, Å; `rate` is 1.5 by default.
    blur
        B added to all atoms, Å^2; by default none.
    cutoff
        Atoms end where their density falls to this; 1e-5 by default.

    Returns
    -------
    Grid
        Over the whole cell, float32: electrons/Å^3, and for electrons and neutrons Å/Å^3
        and fm/Å^3.

    Raises
    ------
    TypeError
        For a keyword argument that there is not.
    FriedelError
        Of the kind that fits, for input that cannot be used.

    Examples
    --------
    >>> friedel.model_density("model.pdb", d_min=2.0).to_ccp4("model.ccp4")  # doctest: +SKIP
    """
    own = ("d_min", "options")
    reading, options = parsed_options("model_density", keywords, own, options, KEYWORDS)
    if options.source == "mott-bethe":
        raise ParameterError("there is no density for mott-bethe: expected source='electron'")
    d_min = checked_d_min(d_min)
    rate = DEFAULT_RATE if options.rate is None else options.rate
    cutoff = DEFAULT_CUTOFF if options.cutoff is None else options.cutoff
    read, numbers, _ = read_for_calculation(model, reading, options)
    shape = grid_shape(read.crystal, d_min / (2.0 * rate))
    check_memory(GRID_BYTES * math.prod(shape), "a grid of {} x {} x {}".format(*shape))
    factors = numbers.factors(read.atoms.scatterers)
    a, b, blur = factors.a, factors.b, options.blur or 0.0
    sampled = density.sample(read.crystal, read.atoms, a, b, shape, blur=blur, cutoff=cutoff)
    return Grid(symmetrized_sum(sampled, read.crystal), read.crystal)
