"""Accuracy: which grid, blur and radii meet a requested error."""
