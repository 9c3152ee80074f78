"""Kernels of density and masks on a grid."""
