"""Kernels for one thread of the CPU or many of a GPU: plain functions, which `device` compiles."""
