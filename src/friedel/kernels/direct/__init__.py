"""Kernels of direct summation."""
