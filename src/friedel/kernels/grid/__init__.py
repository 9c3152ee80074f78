"""Kernels for density and masks on a grid."""
