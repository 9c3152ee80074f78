"""Threads, memory management, kernels as machine code, and parts of SciPy without its packages."""
