"""The density of a model in one line."""

import math
from typing import Any

from friedel.accuracy.plan import Fixed
from friedel.density import density
from friedel.density.grid import Grid, grid_shape, symmetrized_sum
from friedel.errors import ParameterError
from friedel.model.crystal import checked_d_min
from friedel.runtime.memory import check_memory
from friedel.scattering.formfactors import scattering_factors
from friedel.structure_factors.scattering_options import with_scattering

GRID_BYTES = 32
"""Of each point while the density of a whole cell is made: it, its sum and one index more."""


def model_density(
    model: Any,
    *,
    d_min: float,
    source: str = "xray",
    rate: float = 1.5,
    blur: float = 0.0,
    cutoff: float = 1e-5,
    wavelength: float | None = None,
    energy: float | None = None,
    anomalous: str | None = None,
    scattering: Any = None,
    **options: Any,
) -> Grid:
    """The density that scatters, of all atoms in the cell, on a grid.

    Parameters
    ----------
    model, source, wavelength, energy, anomalous, scattering, **options
        As for :func:`fcalc`, but for `dtype` and `threads`. Of anomalous scattering the real
        part counts.
    d_min, rate
        Points are at most d_min / (2 rate) apart, A.
    blur
        B added to all atoms, A^2.
    cutoff
        Atoms end where their density falls to this.

    Returns
    -------
    Grid
        Over the whole cell, float32: electrons/A^3, and for electrons and neutrons A/A^3
        and fm/A^3.

    Raises
    ------
    FriedelError
        Of the kind that fits, for input that cannot be used.

    Examples
    --------
    >>> friedel.model_density("model.pdb", d_min=2.0).to_ccp4("model.ccp4")  # doctest: +SKIP
    """
    if source == "mott-bethe":
        raise ParameterError("there is no density for mott-bethe: expected source='electron'")
    d_min = checked_d_min(d_min)
    Fixed(rate, blur, cutoff)  # checks them
    read, _ = with_scattering(model, source, wavelength, energy, anomalous, scattering, options)
    shape = grid_shape(read.crystal, d_min / (2.0 * rate))
    check_memory(GRID_BYTES * math.prod(shape), "a grid of {} x {} x {}".format(*shape))
    factors = scattering_factors(read.atoms.scatterers, source, **options)
    sampled = density.sample(
        read.crystal, read.atoms, factors.a, factors.b, shape, blur=blur, cutoff=cutoff
    )
    return Grid(symmetrized_sum(sampled, read.crystal), read.crystal)
