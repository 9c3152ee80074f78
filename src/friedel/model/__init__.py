"""The model: crystal, symmetry operations, atoms and elements."""
