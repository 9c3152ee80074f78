"""FModel: fits bulk solvent and scales of a model to observed amplitudes."""

from friedel.runtime.old_names import names_of

__getattr__ = names_of(__name__, "friedel.fmodel.fmodel")
