"""The reflections of the twin domains that add up to each measured F^2."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from friedel.errors import FileFormatError, ParameterError, ReflectionsError
from friedel.model.crystal import Crystal
from friedel.model.twin_laws import TwinLaw as ExactLaw, parsed_rows
from friedel.notes import Note

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
    notes
        Reflections without a mate.
    """

    hkl: np.ndarray
    f2: np.ndarray
    sigmas: np.ndarray
    contributing: np.ndarray
    owner: np.ndarray
    domain: np.ndarray
    n_domains: int
    notes: tuple[Note, ...] = ()

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
    return ExactLaw.from_numbers(law).keeps_equivalents(crystal)


def is_inversion(crystal: Crystal, law: np.ndarray) -> bool:
    """Whether a law is an inversion, combined with an operation of the group or not."""
    rotations, _ = crystal.primitive_operations
    # h is a column here, and an operation acts on it by its transpose
    distances = np.abs(-law - rotations.transpose(0, 2, 1)).max(axis=(1, 2))
    return bool(distances.min() < 0.01)


def twinned_by_laws(
    crystal: Crystal,
    hkl: np.ndarray,
    f2: np.ndarray,
    sigmas: np.ndarray,
    laws: Sequence[np.ndarray],
) -> Observations:
    """Observations to which every domain contributes the reflection that overlaps, if there is one.

    Mates are exact: those of reflections that a law maps to lattice points of its domain. Others
    are contributed by the remaining domains only, and a note gives their number.

    Parameters
    ----------
    laws
        Matrices as given by :func:`parse_twin_law`.

    Raises
    ------
    ParameterError
        When the elements of a law are not simple fractions, or no reflections overlap by it.
    """
    parts, owners, notes = [hkl], [np.arange(len(hkl))], list[Note]()
    for matrix in laws:
        law = ExactLaw.from_numbers(matrix)
        mates, exist = law.mates(crystal, hkl)
        if not exist.any():
            raise ParameterError(
                f"no reflections of the two domains overlap by the twin law {law.name}: use HKLF 5 "
                "data for a non-merohedral twin"
            )
        parts.append(mates.astype(np.int32))
        owners.append(np.flatnonzero(exist))
        notes.extend(law.notes_on_mates(exist))
    return Observations(
        hkl,
        f2,
        sigmas,
        np.concatenate(parts),
        np.concatenate(owners),
        np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        len(parts),
        tuple(notes),
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
