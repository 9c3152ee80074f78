"""The reflections of the twin domains that add up to each measured F^2."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from friedel.errors import FileFormatError, ParameterError, ReflectionsError
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import parsed_rows

TwinLaw = str | Sequence[float] | np.ndarray


@dataclass(frozen=True, eq=False)
class Observations:
    """Measured F^2, each with the overlapping reflections of the domains.

    Attributes
    ----------
    hkl, f2, sigmas
        (n, 3), (n,), (n,): indices in the first contributing domain (for HKLF 5 data
        in the domain of its last line), value, standard uncertainty.
    contributing
        (m, 3) reflections that contribute.
    owner, domain
        (m,) index of the observation to which each contributes, and of its domain.
    n_domains
        Number of domains.
    """

    hkl: np.ndarray
    f2: np.ndarray
    sigmas: np.ndarray
    contributing: np.ndarray
    owner: np.ndarray
    domain: np.ndarray
    n_domains: int

    def intensities(self, squared_amplitudes: np.ndarray) -> np.ndarray:
        """(n_domains, n) |F|^2 by domain and observation, from |F|^2 (m,) of all contributing."""
        table = np.zeros((self.n_domains, len(self.f2)))
        np.add.at(table, (self.domain, self.owner), squared_amplitudes)
        return table


def parse_twin_law(law: TwinLaw) -> np.ndarray:
    """(3, 3) matrix R of a law: the second domain adds the reflection R h to h.

    Parameters
    ----------
    law
        ``"k,h,-l"``, or nine numbers by rows as in SHELX's TWIN instruction, as text or sequence.

    Raises
    ------
    ParameterError
        When it is neither, or the determinant of the matrix is not 1 or -1.
    """
    message = f"got twin law {law!r}, expected three parts as in 'k,h,-l' or nine numbers"
    if isinstance(law, str) and re.search("[hkl]", law, re.IGNORECASE):
        rows = parsed_rows(law)
        if rows is None:
            raise ParameterError(message)
        matrix = np.array(rows, np.float64)
    else:
        try:
            numbers = re.split(r"[\s,;]+", law.strip()) if isinstance(law, str) else law
            matrix = np.array(numbers, np.float64).reshape(3, 3)
        except (TypeError, ValueError):
            raise ParameterError(message) from None
    if not np.isfinite(matrix).all() or abs(abs(np.linalg.det(matrix)) - 1.0) > 0.01:
        raise ParameterError(
            f"twin law {law!r} changes the volume of the cell, expected determinant 1 or -1"
        )
    return matrix


def keeps_equivalents(crystal: Crystal, law: np.ndarray) -> bool:
    """Whether equivalent reflections stay equivalent in the other domain: R g R^-1 in the group."""
    rotations, _ = crystal.primitive_operations
    inverse = np.linalg.inv(law)
    # h is a column here, and an operation acts on it by its transpose
    turned = np.array([law @ g.T @ inverse for g in rotations])
    distances = np.abs(turned[:, None] - rotations.transpose(0, 2, 1)[None]).max(axis=(2, 3))
    return bool((distances.min(axis=1) < 0.01).all())


def is_inversion(crystal: Crystal, law: np.ndarray) -> bool:
    """Whether a law is an inversion, combined with an operation of the group or not."""
    rotations, _ = crystal.primitive_operations
    # h is a column here, and an operation acts on it by its transpose
    distances = np.abs(-law - rotations.transpose(0, 2, 1)).max(axis=(1, 2))
    return bool(distances.min() < 0.01)


def twinned_by_laws(
    hkl: np.ndarray, f2: np.ndarray, sigmas: np.ndarray, laws: Sequence[np.ndarray]
) -> Observations:
    """Observations to which every domain contributes one reflection: no twin, or a merohedral one.

    Raises
    ------
    ParameterError
        When a law gives indices that are not integers.
    """
    parts = [hkl]
    for law in laws:
        turned = hkl @ law.T
        if np.abs(turned - np.rint(turned)).max(initial=0.0) > 0.1:
            raise ParameterError(
                "the twin law gives non-integral indices (non-merohedral twin): use HKLF 5 data"
            )
        parts.append(np.rint(turned).astype(np.int32))
    n, n_domains = len(hkl), len(parts)
    return Observations(
        hkl,
        f2,
        sigmas,
        np.concatenate(parts),
        np.tile(np.arange(n), n_domains),
        np.repeat(np.arange(n_domains), n),
        n_domains,
    )


def twinned_by_list(
    hkl: np.ndarray, f2: np.ndarray, sigmas: np.ndarray, component: np.ndarray
) -> Observations:
    """Observations of HKLF 5 data: a line with negative component belongs to the next line.

    Raises
    ------
    FileFormatError
        When lines of one observation differ in F^2.
    ReflectionsError
        When a component below the highest has no reflections.
    """
    last = component > 0
    owner = np.concatenate([[0], np.cumsum(last)[:-1]])
    differing = ~np.isclose(f2, f2[last][owner], rtol=1e-4, atol=1e-2)
    if differing.any():
        i = int(np.flatnonzero(differing)[0])
        indices = " ".join(str(x) for x in hkl[i])
        raise FileFormatError(
            f"{indices} has F^2 {f2[i]:g} and overlaps with a reflection of F^2 "
            f"{f2[last][owner][i]:g}, expected the same"
        )
    domain = np.abs(component) - 1
    n_domains = int(domain.max()) + 1
    missing = set(range(n_domains)) - set(domain.tolist())
    if missing:
        raise ReflectionsError(
            f"{n_domains} twin components, but no reflections of component {min(missing) + 1}"
        )
    return Observations(hkl[last], f2[last], sigmas[last], hkl, owner, domain, n_domains)
