"""FModel: a model and its data, with solvent and scales fitted."""
