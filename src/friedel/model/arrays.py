"""Arrays as values: copies that nobody can write to, of the right type and shape."""

from typing import Any

import numpy as np

from friedel.errors import FriedelError, ParameterError, ReflectionsError

LARGEST_INDEX = 2**20
"""Absolute Miller indices are smaller than this, so that three of them fit one 64-bit number."""


def frozen_copy(
    array: Any,
    dtype: Any = None,
    shape: tuple[int | None, ...] | None = None,
    *,
    name: str = "array",
    error: type[FriedelError] = ParameterError,
) -> np.ndarray:
    """A read-only array that shares no memory with what the caller can write to.

    Parameters
    ----------
    array
        Anything that numpy takes as an array. An array that is read-only, together with all
        that it is a view of, is not copied.
    dtype
        Type of the result; None keeps the type. Integers must be whole numbers in range. For
        bool the array must be boolean already: numbers are rejected, as they may be flags.
    shape
        Expected shape; None in it stands for any length.
    name, error
        Name of the array in messages, and the exception to raise.

    Returns
    -------
    numpy.ndarray
        The array, C-contiguous and not writeable.

    Raises
    ------
    FriedelError
        `error`, when the array has another shape or cannot be converted to the type without loss.
    """
    try:
        given = np.asarray(array)
        if given.dtype.kind not in "biufc":
            given = np.asarray(array, np.float64 if dtype is None else dtype)
    except (TypeError, ValueError):
        raise error(f"{name} is {array!r:.60}, expected numbers") from None
    if shape is not None and not _fits(given.shape, shape):
        expected = ", ".join("n" if n is None else str(n) for n in shape)
        expected = f"({expected},)" if len(shape) == 1 else f"({expected})"
        raise error(f"{name} has shape {given.shape}, expected {expected}")
    wanted = given.dtype if dtype is None else np.dtype(dtype)
    _check_type(given, wanted, name, error)
    if given.dtype == wanted and is_read_only(given):
        return frozen(np.ascontiguousarray(given))
    return frozen(np.array(given, wanted, order="C", copy=True))


def frozen(array: np.ndarray) -> np.ndarray:
    """The same array, made read-only in place: for arrays that the caller has just made."""
    array.setflags(write=False)
    return array


def is_read_only(array: np.ndarray) -> bool:
    """Whether neither the array nor any array that it is a view of can be written to."""
    owner: Any = array
    while isinstance(owner, np.ndarray) and not owner.flags.writeable:
        owner = owner.base
    return owner is None


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        n is None or n == m for m, n in zip(shape, expected, strict=True)
    )


def _check_type(given: np.ndarray, wanted: np.dtype, name: str, error: type[FriedelError]) -> None:
    """Raise `error` unless the numbers can be converted to the type without loss."""
    if given.dtype == wanted:
        return
    if wanted.kind == "b":
        raise error(f"{name} has numbers of type {given.dtype}, expected booleans")
    if given.dtype.kind == "c" and wanted.kind != "c":
        raise error(f"{name} has complex numbers, expected real ones")
    if wanted.kind == "i" and given.size:
        limits = np.iinfo(wanted)
        inside = (given >= limits.min) & (given <= limits.max)  # not true of NaN
        if given.dtype.kind == "f":
            inside &= np.rint(given) == given
        if not inside.all():
            first = given[~inside].flat[0]
            raise error(
                f"{name} has {first!s}, expected whole numbers from {limits.min} to {limits.max}"
            )


def as_keys(hkl: np.ndarray) -> np.ndarray:
    """One integer for each hkl, in the same order as (h, k, l)."""
    h, k, l = np.asarray(hkl, np.int64).T + LARGEST_INDEX
    return (h << 42) | (k << 21) | l


def at_origin(hkl: np.ndarray) -> np.ndarray:
    """(n,) bool: which of the indices (n, 3), integers, are (0, 0, 0)."""
    h, k, l = hkl.T  # ten times as fast as to look at each row
    return (h | k | l) == 0


def checked_hkl(hkl: object) -> np.ndarray:
    """Miller indices as an (n, 3) int32 array.

    Raises
    ------
    ReflectionsError
        When they are not integers in three columns, or too large.
    """
    try:
        array = np.asarray(hkl)
        if array.size == 0:
            return np.empty((0, 3), np.int32)
        if np.iscomplexobj(array):  # numpy would only warn
            raise TypeError
        numbers = np.atleast_2d(array if array.dtype.kind == "i" else array.astype(np.float64))
    except (TypeError, ValueError):
        raise ReflectionsError(f"got hkl {hkl!r}, expected an (n, 3) array of integers") from None
    if numbers.ndim != 2 or numbers.shape[1] != 3:
        raise ReflectionsError(f"hkl has shape {array.shape}, expected (n, 3)")
    small = numbers.min() > -LARGEST_INDEX and numbers.max() < LARGEST_INDEX  # not of NaN
    if not small or (numbers.dtype.kind == "f" and (np.rint(numbers) != numbers).any()):
        raise ReflectionsError("hkl must be integers below 2^20 in magnitude")
    return np.ascontiguousarray(numbers, np.int32)
