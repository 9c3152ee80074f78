"""Sums over frames that can be merged: mean, covariances of parts, and what errors need.

Frames are taken in chunks of a fixed length and chunks are merged in a fixed binary tree, so that
the result has the same bits whoever calculates the chunks, and in whichever order. The formula of a
merge is that of Chan, Golub and LeVeque [Chan1983].

Each merge of two equal blocks compares them. The squared differences, summed over reflections of a
group, give the variance of the means of blocks of every length in powers of two, from which the
errors of correlated frames follow [Flyvbjerg1989].
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import combinations_with_replacement

import numpy as np

BLOCK = 4096
"""Reflections that are taken together: their temporary arrays fit into the processor's cache."""

Span = tuple[int, int]
"""The first frame of a chunk, and the first frame after it; numbered among the frames used."""


def pairs_of_parts(n_parts: int) -> list[tuple[int, int]]:
    """Pairs (p, q), p <= q, in the order of the rows of `spread`."""
    return list(combinations_with_replacement(range(n_parts), 2))


@dataclass(frozen=True)
class Skipped:
    """A frame that could not be read, by its number in the trajectory, and the reason."""

    frame: int
    reason: str


@dataclass(eq=False)
class PartialSum:
    """Sums over some frames.

    Attributes
    ----------
    count
        Number of frames.
    mean
        (n_parts, n) complex mean of F of each part.
    spread
        (n_pairs, n) sums over frames of Re (F_p - <F_p>) (F_q - <F_q>)*, for the pairs of parts of
        :func:`pairs_of_parts`.
    level
        k for a block of 2^k complete chunks; -1 for any other.
    n_pairs
        (n_levels,) number of pairs of blocks that were compared, by level.
    differences
        (n_levels, 2, n_groups) sums over these pairs, and over the reflections of a group, of
        the squared differences of <F> and of the diffuse intensity.
    skipped
        Frames that could not be read.
    """

    count: int
    mean: np.ndarray
    spread: np.ndarray
    level: int = -1
    n_pairs: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    differences: np.ndarray = field(default_factory=lambda: np.zeros((0, 2, 0)))
    skipped: tuple[Skipped, ...] = ()

    @property
    def total_spread(self) -> np.ndarray:
        """(n,) sum over frames of abs(F - <F>)^2 of all parts together."""
        return total_of_pairs(self.spread, len(self.mean))


def products(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(..., n) Re x y* of complex numbers whose parts are the elements of x, y (..., 2 n)."""
    both = x * y
    return both[..., 0::2] + both[..., 1::2]


def _as_real(values: np.ndarray) -> np.ndarray:
    """(..., 2 n) real and imaginary parts of (..., n), in the same memory if it is contiguous.

    NumPy calculates with them several times faster than with complex numbers.
    """
    return np.ascontiguousarray(values).view(np.float64)


def total_of_pairs(values: np.ndarray, n_parts: int) -> np.ndarray:
    """(n,) sum over all parts of values (n_pairs, n); pairs of different parts count twice."""
    total = np.zeros(values.shape[1])
    for (p, q), row in zip(pairs_of_parts(n_parts), values, strict=True):
        total += row if p == q else 2.0 * row
    return total


def sum_of_frames(
    frames: Iterable[list[np.ndarray] | Skipped], n_parts: int, n: int, chunk: int
) -> PartialSum:
    """The sums over the frames of one chunk.

    Parameters
    ----------
    frames
        F (n,) of each part, for each frame in order; or why a frame is left out.
    chunk
        Number of frames of a complete chunk.
    """
    mean = np.zeros((n_parts, n), np.complex128)
    spread = np.zeros((len(pairs_of_parts(n_parts)), n))
    count, skipped = 0, []
    for parts in frames:
        if isinstance(parts, Skipped):
            skipped.append(parts)
            continue
        count += 1
        _add_frame([_as_real(f) for f in parts], count, mean.view(np.float64), spread)
    level = 0 if count == chunk and count > 1 else -1
    return PartialSum(count, mean, spread, level, skipped=tuple(skipped))


def _add_frame(parts: list[np.ndarray], count: int, mean: np.ndarray, spread: np.ndarray) -> None:
    """Add F (2 n,) of the parts in one frame, the `count`-th, to their mean and spread."""
    pairs = pairs_of_parts(len(parts))
    for first in range(0, spread.shape[1], BLOCK):
        real = slice(2 * first, 2 * (first + BLOCK))
        before, after = [], []
        for f, m in zip(parts, mean[:, real], strict=True):
            before.append(f[real] - m)
            m += before[-1] * (1.0 / count)
            after.append(f[real] - m)
        for row, (p, q) in zip(spread[:, first : first + BLOCK], pairs, strict=True):
            row += products(before[p], after[q])


def merged(a: PartialSum, b: PartialSum, groups: np.ndarray) -> PartialSum:
    """The sums over the frames of both, of which `a` has the earlier ones.

    Parameters
    ----------
    groups
        (n,) group of each reflection, for the differences between blocks.
    """
    skipped = (*a.skipped, *b.skipped)
    if not a.count or not b.count:
        one = a if a.count else b
        n_pairs, differences = one.n_pairs, one.differences
        return PartialSum(one.count, one.mean, one.spread, -1, n_pairs, differences, skipped)
    count = a.count + b.count
    change = b.mean - a.mean
    mean = a.mean + change * (b.count / count)
    spread = a.spread + b.spread
    weight = a.count * (b.count / count)
    real = _as_real(change)
    for row, (p, q) in zip(spread, pairs_of_parts(len(mean)), strict=True):
        row += weight * products(real[p], real[q])
    n_pairs, differences = _added(a, b, groups)
    level = -1
    if a.level >= 0 and a.level == b.level:
        level = a.level + 1
        n_pairs[a.level] += 1
        total = real.sum(axis=0)
        of_mean = products(total, total)
        of_diffuse = (a.total_spread / (a.count - 1) - b.total_spread / (b.count - 1)) ** 2
        n_groups = differences.shape[2]
        differences[a.level, 0] += np.bincount(groups, of_mean, n_groups)
        differences[a.level, 1] += np.bincount(groups, of_diffuse, n_groups)
    return PartialSum(count, mean, spread, level, n_pairs, differences, skipped)


def _added(a: PartialSum, b: PartialSum, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of pairs and sums of differences of both, with space for one more level."""
    n_levels = max(len(a.n_pairs), len(b.n_pairs), a.level + 1, b.level + 1)
    n_groups = int(groups.max(initial=-1)) + 1
    n_pairs, differences = np.zeros(n_levels, np.int64), np.zeros((n_levels, 2, n_groups))
    for part in (a, b):
        n_pairs[: len(part.n_pairs)] += part.n_pairs
        if len(part.n_pairs):
            differences[: len(part.n_pairs)] += part.differences
    return n_pairs, differences


def chunks_of(n_frames: int, chunk: int) -> list[Span]:
    """The chunks of `n_frames` frames; the last may be shorter."""
    return [(first, min(first + chunk, n_frames)) for first in range(0, n_frames, chunk)]


@dataclass(eq=False)
class Node:
    """A node of the tree: the sum over the chunks from `first` to before `last`."""

    first: int
    last: int
    value: PartialSum

    @property
    def size(self) -> int:
        """Number of chunks."""
        return self.last - self.first


class Tree:
    """The fixed binary tree over chunks, built from left to right.

    At any time there are at most as many nodes as the number of chunks has binary digits.

    Parameters
    ----------
    merge
        Merges the values of two neighbouring nodes.
    nodes
        Nodes of an interrupted calculation, from the first chunk on, in order.
    """

    def __init__(
        self, merge: Callable[[PartialSum, PartialSum], PartialSum], nodes: Iterable[Node] = ()
    ) -> None:
        self._merge = merge
        self.nodes = list(nodes)
        self._short: list[Node] = []

    @property
    def n_chunks(self) -> int:
        """Number of complete chunks that were added."""
        return self.nodes[-1].last if self.nodes else 0

    def add(self, value: PartialSum, *, is_short: bool = False) -> None:
        """Add the next chunk, and merge neighbours of equal size.

        Parameters
        ----------
        is_short
            Whether it is a last chunk with fewer frames. It is merged by :meth:`result` only, so
            that the nodes can be used when the trajectory has become longer.
        """
        if is_short:
            self._short.append(Node(self.n_chunks, self.n_chunks + 1, value))
            return
        self.nodes.append(Node(self.n_chunks, self.n_chunks + 1, value))
        while len(self.nodes) > 1 and self.nodes[-1].size == self.nodes[-2].size:
            self._merge_last(self.nodes)

    def result(self) -> PartialSum:
        """The sum over all chunks; the remaining nodes are merged from the right."""
        rest = [*self.nodes, *self._short]
        while len(rest) > 1:
            self._merge_last(rest)
        return rest[0].value

    def _merge_last(self, nodes: list[Node]) -> None:
        b, a = nodes.pop(), nodes.pop()
        nodes.append(Node(a.first, b.last, self._merge(a.value, b.value)))


def binary_nodes(n_chunks: int) -> Iterator[Span]:
    """The chunks (first, last) of the nodes of a tree of `n_chunks` chunks, in order."""
    first = 0
    for bit in reversed(range(n_chunks.bit_length())):
        if n_chunks >> bit & 1:
            yield first, first + (1 << bit)
            first += 1 << bit
