"""Density: atoms on a grid, its transform to structure factors, and the transposes."""

from friedel.runtime.old_names import names_of

__getattr__ = names_of(
    __name__,
    "friedel.density.density",
    "friedel.density.atoms_on_grid",
    "friedel.compat.old_density",
)
