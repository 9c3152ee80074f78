"""Limits of time: calculations that are predicted to take absurdly long are refused."""

from friedel.errors import TimeLimitError
from friedel.runtime import progress

LONGEST = 3600.0
"""Longest predicted time (s) of one calculation that is begun without being forced."""

LONGEST_FOR_FEW, LONGER_PER_ATOM = 3.0, 0.05
"""Longest predicted time (s) for few atoms, and what each atom adds to it."""


def check_time(seconds: float, what: str, *, force: bool = False, longest: float = LONGEST) -> None:
    """Raise an error if a calculation is predicted to take too long; else it may begin.

    Parameters
    ----------
    seconds
        Predicted time with the threads that are used, s.
    what
        Description for the message, such as ``"a grid of 900 x 900 x 900"``.
    force
        Whether to go on in any case.
    longest
        Longest time allowed, s.

    Raises
    ------
    TimeLimitError
        When it is longer and not forced; the message gives both.
    """
    if not (force or seconds <= longest):
        raise TimeLimitError(
            f"{what} is predicted to take {as_time(seconds)}, longer than {as_time(longest)}; "
            "to go on use force=True (--force)"
        )
    progress.expect(seconds)


def as_time(seconds: float) -> str:
    """A time for people to read."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2.0 * size or (unit == "h" and seconds >= size):
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def longest_for(n_atoms: int) -> float:
    """Longest time (s) that a calculation of some atoms may take without being forced.

    It is shorter for few atoms, which take long only with a cell, a resolution or displacements
    that are wrong, as when 20 atoms are in a cell with an edge of 10^6 Å.
    """
    return min(LONGEST, LONGEST_FOR_FEW + LONGER_PER_ATOM * n_atoms)
