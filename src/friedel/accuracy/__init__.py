"""Accuracy: choice of grid, blur and radii for a requested error."""
