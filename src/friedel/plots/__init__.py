"""Figures; matplotlib is imported only when one is drawn."""

from friedel.runtime.old_names import names_of

__getattr__ = names_of(__name__, "friedel.plots.fmodel")
