"""Calls of kernels, shared among threads where that pays."""

from collections.abc import Callable, Sequence
from typing import Any

from friedel.runtime.threads import in_stretches

SECONDS_OF_THREADS = 1e-3
"""Work that takes less is not shared among threads."""


def in_pieces(
    kernel: Callable[..., None],
    arguments: tuple[Any, ...],
    edges: Sequence[int],
    seconds: float,
    threads: int,
) -> None:
    """Call kernel(first, last, *arguments) for stretches that begin and end at edges.

    The pieces between edges take about the same time, and all of them perhaps so many seconds.
    """
    if threads == 1 or seconds < SECONDS_OF_THREADS:
        kernel(edges[0], edges[-1], *arguments)
        return

    def work(first: int, last: int) -> None:
        kernel(edges[first], edges[last], *arguments)

    in_stretches(work, len(edges) - 1, threads)
