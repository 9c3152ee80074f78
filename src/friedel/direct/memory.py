"""Predicted memory of direct sums, from the arrays that they allocate."""

from friedel.direct.atom_blocks import BLOCKS_AT_A_TIME
from friedel.direct.row_sums import LARGEST_SUMS
from friedel.direct.symmetry import setting_of
from friedel.kernels.direct.rows import BLOCK
from friedel.model.crystal import Crystal

BYTES_PER_TERM = 4 + 1
"""Memory (bytes) for the point of a reflection and operation in a row, and its phase."""

BYTES_PER_REFLECTION = 12 + 12 + 1 + 16
"""Memory (bytes) for the indices of a reflection, as given and in the axes of the sum, whether it
is absent, and F."""

BYTES_PER_ATOM = 24 + 8 + 2 * 48 + 4 + 3 * 8
"""Memory (bytes) for an atom's position, weight, tensor in two systems of axes, and kind, and for
the order of atoms by blocks."""


def predicted_bytes(
    crystal: Crystal,
    n_atoms: int,
    n_reflections: int,
    n_kinds: int,
    n_gaussians: int,
    *,
    is_complex: bool,
) -> float:
    """Predicted peak memory (bytes) of a direct sum and of its derivatives.

    The reflections are assumed to be the unique ones in a sphere.

    Parameters
    ----------
    n_kinds
        Number of rows of form factors: kinds of atoms, or atoms with form factors of their own.
    n_gaussians
        Gaussians of which form factors consist, 0 where they are given.
    is_complex
        Whether form factors have imaginary parts.
    """
    setting = setting_of(crystal)
    operations = len(setting.operations.rotations)
    of_sums = 8.0 if setting.real else 16.0
    n_points = n_reflections * operations * setting.spacing / setting.stride
    # Sums of all kinds of atoms if they fit, else of some, before form factors are applied
    sums = min(max(LARGEST_SUMS * 8.0, n_points * of_sums), n_kinds * n_points * of_sums)
    # Form factors; all Gaussians of them, as exponents and exponentials, exist before
    of_f = n_kinds * (16.0 if is_complex else 8.0)
    while_f = n_kinds * n_gaussians * 16.0
    per_reflection = BYTES_PER_REFLECTION + operations * BYTES_PER_TERM
    edge = (n_points or 1.0) ** (1 / 3)
    tables = 6.0 * edge * 8.0 * BLOCK * BLOCKS_AT_A_TIME
    later = n_reflections * per_reflection + n_atoms * BYTES_PER_ATOM + sums + tables
    return n_reflections * of_f + max(n_reflections * while_f, later)
