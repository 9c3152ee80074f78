"""Kernels for structure factors and indices."""
