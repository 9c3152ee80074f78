"""Loops compiled by numba: they take scalars and arrays, return arrays, and never raise.

Compiled code is kept on disk, see :mod:`friedel.kernels.compiled`.
"""
