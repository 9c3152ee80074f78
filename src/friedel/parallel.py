"""Work divided among threads, each with a stretch of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise


def in_stretches(work: Callable[[int, int], None], n: int, threads: int) -> None:
    """Call work(first, last) for stretches that cover range(n), each in a thread of its own.

    The kernels let other threads run; what each writes must be its own.
    """
    threads = min(threads, n)
    if threads <= 1:
        work(0, n)
        return
    pairs = list(pairwise(n * i // threads for i in range(threads + 1)))
    with ThreadPoolExecutor(len(pairs)) as pool:
        for done in [pool.submit(work, *pair) for pair in pairs]:
            done.result()
