"""Kernels as machine code that is kept: numba compiles what is missing, and is imported only then.

`loader` calls machine code, `store` keeps it, `processes` has it compiled by other processes, and
`builder`, which those processes use, knows numba.
"""
