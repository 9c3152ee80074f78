"""FModel: a model and its data, with solvent and scales fitted."""

from friedel.runtime.old_names import names_of

__getattr__ = names_of(__name__, "friedel.fmodel.fmodel")
