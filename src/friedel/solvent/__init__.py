"""Bulk solvent: masks of the part of the cell that no atom fills."""

from friedel.runtime.old_names import names_of

__getattr__ = names_of(__name__, "friedel.solvent.masked_solvent")
