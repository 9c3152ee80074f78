"""Files and other packages' objects: the only place where gemmi is imported by the engine."""
