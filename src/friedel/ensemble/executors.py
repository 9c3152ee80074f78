"""Who calculates the chunks: this process, processes of this machine, or an executor.

Chunks are handed out in order and come back in order; only some are waited for at a time, so that
memory does not grow with the number of frames.
"""

import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from friedel.ensemble.partial_sums import Span
from friedel.ensemble.work import SentWork, Work, chunk_in_process
from friedel.errors import FriedelError, OutputError, ParameterError

MOST_FAILURES = 3
"""Number of times that workers may end while the same chunk is waited for."""
CHUNKS_PER_WORKER = 2
"""Chunks that wait for each worker, so that none is idle."""
CHUNKS_OF_EXECUTOR = 64
"""Chunks handed to an executor at a time if it does not tell how many workers it has."""


class Pool(Protocol):
    """Takes chunks and gives back futures."""

    n_waiting: int

    def submit(self, first: int, last: int) -> Any:
        """A future with the result of the chunk."""
        ...

    def result(self, future: Any) -> Any:
        """The result that a future stands for."""
        ...

    def restart(self) -> None:
        """Start new workers after the loss of some."""
        ...


def checked_executor(executor: Any) -> Any:
    """None, a positive number of processes, or an object with a method `submit`.

    Raises
    ------
    ParameterError
        For anything else.
    """
    if isinstance(executor, int) and not isinstance(executor, bool) and executor >= 1:
        return executor
    if executor is None or callable(getattr(executor, "submit", None)):
        return executor
    raise ParameterError(
        f"got executor={executor!r}, expected a number of processes or an object with submit()"
    )


def results_of_chunks(work: Work, chunks: list[Span], executor: Any) -> Iterator[Any]:
    """The results of the chunks, in order.

    Parameters
    ----------
    executor
        None for this process, a number of processes, or an executor.

    Raises
    ------
    FriedelError
        When workers end again and again; and the errors of reading frames.
    """
    if executor is None or not chunks:
        for first, last in chunks:
            yield work.chunk(first, last)
        return
    with _pool(work, executor) as pool:
        yield from _in_order(pool, chunks)


def _in_order(pool: Pool, chunks: list[Span]) -> Iterator[Any]:
    rest = iter(chunks)
    waiting: deque[tuple[Span, Any]] = deque()
    failures = 0
    try:
        while True:
            while len(waiting) < pool.n_waiting and (span := next(rest, None)) is not None:
                waiting.append((span, None))
            if not waiting:
                return
            try:
                for i, (span, future) in enumerate(waiting):
                    if future is None:
                        waiting[i] = span, pool.submit(*span)
                found = pool.result(waiting[0][1])
            except BrokenExecutor:
                failures += 1
                if failures > MOST_FAILURES:
                    first, last = waiting[0][0]
                    raise FriedelError(
                        f"workers ended {failures} times while they calculated frames {first} to "
                        f"{last - 1} and those after them, perhaps for lack of memory"
                    ) from None
                pool.restart()
                waiting = deque((span, f if _is_good(f) else None) for span, f in waiting)
                continue
            failures = 0
            waiting.popleft()
            yield found
    finally:
        for _, future in waiting:
            if future is not None:
                with suppress(Exception):  # Dask cannot cancel what a lost scheduler had
                    future.cancel()


def _is_good(future: Future | None) -> bool:
    if future is None or not future.done():
        return False
    return not future.cancelled() and future.exception() is None


def _pool(work: Work, executor: Any) -> AbstractContextManager[Pool]:
    if isinstance(executor, int):
        return _processes(work, executor)
    return nullcontext(_Executor(work, executor))


@contextmanager
def _processes(work: Work, workers: int) -> Iterator[Pool]:
    pool = _Processes(work, workers)
    try:
        yield pool
    finally:
        pool.close()


_sent: list[SentWork] = []
"""The work that this process was started with."""


def _receive(path: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits
    _sent[:] = [SentWork.of_content(Path(path).read_bytes())]


def _chunk(first: int, last: int) -> Any:
    return chunk_in_process(_sent[0], first, last)


class _Processes:
    """Processes of this machine, each of which reads the work from a file when it starts.

    They are new ones, not copies of this process, whose threads a copy would lack. Sent through
    the pipe of the start, more than 64 kB would let them start one after the other, and wait for
    ever if one ends before it has read them.
    """

    def __init__(self, work: Work, workers: int) -> None:
        self.n_waiting = CHUNKS_PER_WORKER * workers
        self._workers, self._folder = workers, TemporaryDirectory()
        self._path = Path(self._folder.name) / "work"
        try:
            self._path.write_bytes(SentWork.of(work).content)
        except OSError as error:
            self._folder.cleanup()
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from None
        self._start()

    def _start(self) -> None:
        self._pool = ProcessPoolExecutor(
            self._workers, get_context("spawn"), initializer=_receive, initargs=(str(self._path),)
        )

    def submit(self, first: int, last: int) -> Future:
        """A future with the result of the chunk."""
        try:
            return self._pool.submit(_chunk, first, last)
        except OSError as error:
            # When a process is lost, Python closes its pipes before it marks the pool as broken
            raise BrokenExecutor(str(error)) from error

    def result(self, future: Future) -> Any:
        """The result that a future stands for."""
        return future.result()

    def restart(self) -> None:
        """Start new processes."""
        # Python ends those that it knew when one was lost, but waits for any that started then
        for process in list((getattr(self._pool, "_processes", None) or {}).values()):
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._start()

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._folder.cleanup()


class _Executor:
    """Any executor: one of concurrent.futures or mpi4py.futures, or a Dask client.

    On a Dask cluster the work is the result of a task: it goes to each worker once, and is made
    anew if the workers that have it are lost.
    """

    def __init__(self, work: Work, executor: Any) -> None:
        self.n_waiting = CHUNKS_OF_EXECUTOR
        self._executor = executor
        self._options: dict[str, Any] = {}
        self._work: Any = SentWork.of(work)
        if callable(getattr(executor, "ncores", None)):  # a Dask client
            self._options = {"pure": False}
            with _as_our_error():
                self._work = executor.submit(_same, self._work, **self._options)
                self.n_waiting = CHUNKS_PER_WORKER * max(1, sum(executor.ncores().values()))

    def submit(self, first: int, last: int) -> Any:
        """A future with the result of the chunk."""
        with _as_our_error():
            return self._executor.submit(chunk_in_process, self._work, first, last, **self._options)

    def result(self, future: Any) -> Any:
        """The result that a future stands for."""
        with _as_our_error():
            return future.result()

    def restart(self) -> None:
        """Raise an error: the executor belongs to the caller.

        Raises
        ------
        FriedelError
            Always.
        """
        raise FriedelError("the executor has lost its workers; start it anew") from None


def _same(work: SentWork) -> SentWork:
    return work


@contextmanager
def _as_our_error() -> Iterator[None]:
    """Change an error of Dask into one of friedel.

    Raises
    ------
    FriedelError
        When Dask has lost workers too often, or its scheduler.
    """
    try:
        yield
    except Exception as error:
        if type(error).__module__.split(".")[0] != "distributed":
            raise
        text = " ".join(str(error).split())
        raise FriedelError(f"the cluster failed: {type(error).__name__}: {text}") from None
