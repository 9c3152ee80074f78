"""Kernels of structure factors and indices."""
