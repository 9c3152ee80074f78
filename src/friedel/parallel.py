"""Work divided among threads, each with a stretch of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np


def in_stretches(work: Callable[[int, int], None], n: int, threads: int) -> None:
    """Call work(first, last) for stretches that cover range(n), each in a thread of its own.

    The kernels let other threads run; what each writes must be its own.
    """
    edges = np.linspace(0, n, max(1, min(threads, n)) + 1).astype(int).tolist()
    pairs = list(pairwise(edges))
    if len(pairs) == 1:
        work(*pairs[0])
        return
    with ThreadPoolExecutor(len(pairs)) as pool:
        for done in [pool.submit(work, *pair) for pair in pairs]:
            done.result()
