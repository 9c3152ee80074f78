"""Loops compiled by numba: scalars and arrays in, arrays out; no objects, never raise."""
