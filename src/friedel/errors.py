"""The errors and warnings that friedel raises.

Every message states what was given and what is expected. All derive from
:class:`FriedelError`, and also from :class:`ValueError` where the argument's
value is wrong, so that generic handlers keep working.
"""


class FriedelError(Exception):
    """Base class of all errors raised on purpose by friedel."""


class CellError(FriedelError, ValueError):
    """A unit cell that is missing, degenerate or inconsistent with the symmetry or the data."""


class MissingCellError(CellError):
    """A unit cell that is not stated."""


class SymmetryError(FriedelError, ValueError):
    """Symmetry operations that cannot be read or do not form a space group."""


class AtomsError(FriedelError, ValueError):
    """Atoms with impossible or non-finite parameters, or no atoms at all."""


class ElementError(FriedelError, ValueError):
    """An element, isotope or ion that is unknown, or that a table does not cover."""


class ResolutionError(FriedelError, ValueError):
    """A resolution limit that is not positive, or that selects nothing or too much."""


class ReflectionsError(FriedelError, ValueError):
    """Reflection arrays whose shapes or values do not fit together."""


class ParameterError(FriedelError, ValueError):
    """An option whose value the method does not accept."""


class GuessError(ParameterError):
    """A choice that the input leaves open, in strict mode, which allows no guesses."""


class EnergyError(FriedelError, ValueError):
    """A photon energy outside the range for which f' and f'' are known."""


class AccuracyError(FriedelError, ValueError):
    """A requested accuracy that no available method can meet."""


class MemoryLimitError(FriedelError, MemoryError):
    """A calculation that would need more memory than the machine has left."""


class TimeLimitError(FriedelError):
    """A calculation that is predicted to take absurdly long, unless it is forced."""


class FileFormatError(FriedelError, ValueError):
    """A file that is missing, unreadable, truncated or lacks the requested data."""


class FrameError(FileFormatError):
    """A frame of a trajectory that cannot be read, or has positions that are not finite."""


class OutputError(FriedelError, OSError):
    """An output file that cannot be written or would be overwritten."""


class DerivativeError(FriedelError, NotImplementedError):
    """A derivative that is not defined, such as a second one of structure factors."""


class MissingDependencyError(FriedelError, ImportError):
    """An optional package that the requested feature needs is not installed."""

    @classmethod
    def of(cls, feature: str, package: str) -> "MissingDependencyError":
        """The error that says which package a feature needs and how to install it.

        The command names the package itself, not an extra of friedel: it works whether friedel was
        installed from a clone, from a wheel or from an index. Brackets are quoted for the shell.
        """
        quoted = f'"{package}"' if "[" in package else package
        return cls(f"{feature} needs {package.partition('[')[0]}: pip install {quoted}")


class FriedelWarning(UserWarning):
    """A choice made on the user's behalf that the user should know."""
