"""Components of B that the data do not determine, and a note that names them.

The reflections of one zone have no component along its axis, those of one axis only one component,
those of one thin shell hardly any fall-off. The prior then sets what is missing.
"""

from collections.abc import Iterable

import numpy as np

from friedel.model.crystal import Crystal
from friedel.model.tensors import VOIGT
from friedel.notes import Note

ROUNDING = 1e-10
"""Information relative to the largest below which it is a rounding error."""

START_OF_NOTE = "the reflections of the fit do not determine"
"""How the note begins."""

NAMED = 0.9
"""A component or direction is named if at least this share of it is undetermined."""

COMPONENTS = ("B11", "B22", "B33", "B12", "B13", "B23")
AXES = ("a", "b", "c", "a*", "b*", "c*")
"""Names of components and of directions, in the order of :func:`_directions`."""

PARALLEL = 1e-4
"""Directions whose cosine differs from 1 by less than this have one name (0.8 degrees)."""


def about_undetermined(
    crystal: Crystal, normal: np.ndarray, of_b: np.ndarray, prior: np.ndarray, basis: np.ndarray
) -> tuple[Note, ...]:
    """A note on components of B about which the data tell less than the prior.

    Parameters
    ----------
    normal
        (m, m) second derivatives of the target and the prior.
    of_b
        (m,) bool: which of the parameters are components of B.
    prior
        (m,) second derivatives of the prior.
    basis
        (p, 6) orthonormal tensors that these components multiply.
    """
    if not of_b.any():
        return ()
    tensors = _undetermined_tensors(normal, of_b, prior, basis)
    if not len(tensors):
        return ()
    full, allowed = tensors[:, VOIGT], basis[:, VOIGT]

    def share(tensor: np.ndarray) -> float:
        """The undetermined share of a tensor (3, 3), of what the symmetry allows of it."""
        whole = float(((allowed * tensor).sum(axis=(1, 2)) ** 2).sum())
        lacking = float(((full * tensor).sum(axis=(1, 2)) ** 2).sum())
        return lacking / whole if whole > ROUNDING * float((tensor**2).sum()) else 0.0

    units = zip(COMPONENTS, np.eye(6)[:, VOIGT], strict=True)
    names = [name for name, unit in units if share(unit) > NAMED]
    directions = _directions(crystal)
    along = [
        name
        for name, n in zip(AXES, directions, strict=True)
        if share(np.outer(n, n)) > NAMED and not _has_other_name(name, directions)
    ]
    if len(names) == 0 and share(np.eye(3)) > NAMED:
        what = "the isotropic part of B beside k_overall"
    else:
        what = _listed(names) if names else "a combination of components of B"
        what += f" (along {_listed(along)})" if along else ""
    text = f"{START_OF_NOTE} {what}: the assumption of a small and nearly isotropic B sets it"
    return (Note(text, "warning", len(tensors)),)


def other_notes(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Notes without those of :func:`about_undetermined`, which are of one fit only."""
    return tuple(note for note in notes if not note.startswith(START_OF_NOTE))


def _undetermined_tensors(
    normal: np.ndarray, of_b: np.ndarray, prior: np.ndarray, basis: np.ndarray
) -> np.ndarray:
    """(r, 6) orthonormal tensors about which the data tell less than the prior."""
    if not np.isfinite(normal).all():
        return basis  # overflow: nothing is known
    root = np.sqrt(np.diag(normal))
    others = ~of_b & (root > 0)
    width = 1.0 / np.sqrt(prior[of_b])
    own = (normal - np.diag(prior))[np.ix_(of_b, of_b)] * np.outer(width, width)
    # what the data tell about B beside the other parameters, in units of the prior
    mixed = normal[np.ix_(of_b, others)] * np.outer(width, 1.0 / root[others])
    rest = normal[np.ix_(others, others)] / np.outer(root[others], root[others])
    if not (np.isfinite(mixed).all() and np.isfinite(rest).all() and np.isfinite(own).all()):
        return basis
    left = own - mixed @ np.linalg.pinv(rest, rcond=ROUNDING, hermitian=True) @ mixed.T
    values, vectors = np.linalg.eigh(left)
    lacking = vectors[:, values < max(1.0, ROUNDING * float(np.trace(own)))]
    if not lacking.shape[1]:
        return np.empty((0, 6))
    return np.linalg.qr(width[:, None] * lacking)[0].T @ basis


def _directions(crystal: Crystal) -> np.ndarray:
    """(6, 3) unit vectors along a, b, c, a*, b*, c*."""
    vectors = np.concatenate([crystal.orthogonalization.T, crystal.fractionalization])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _has_other_name(name: str, directions: np.ndarray) -> bool:
    """Whether a reciprocal axis is parallel to an axis of the cell."""
    i = AXES.index(name)
    return i >= 3 and bool((np.abs(directions[:3] @ directions[i]) > 1.0 - PARALLEL).any())


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
