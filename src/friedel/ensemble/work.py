"""Work that can be divided into chunks, and how it is sent to other processes."""

import hashlib
import pickle
import threading
from dataclasses import dataclass
from typing import Any, Protocol


class Work(Protocol):
    """What is calculated of each chunk. It can be pickled, and keeps what all chunks need."""

    def chunk(self, first: int, last: int) -> Any:
        """The result for the frames from `first` to before `last`."""
        ...


@dataclass(frozen=True)
class SentWork:
    """Work for other processes.

    Attributes
    ----------
    fingerprint
        A hash of the content.
    content
        The work as bytes, which a process makes into one object for all chunks.
    """

    fingerprint: str
    content: bytes

    @classmethod
    def of(cls, work: Work) -> "SentWork":
        """The work in a form that can be sent."""
        return cls.of_content(pickle.dumps(work, pickle.HIGHEST_PROTOCOL))

    @classmethod
    def of_content(cls, content: bytes) -> "SentWork":
        """The work with its fingerprint."""
        return cls(hashlib.sha256(content).hexdigest(), content)


_making = threading.Lock()
"""Held while work is made from bytes: threads of a process share one."""
_work: dict[str, Work] = {}
"""The work of this process, by its fingerprint: it keeps readers and grids."""


def chunk_in_process(sent: SentWork, first: int, last: int) -> Any:
    """The result of one chunk, in a process that was sent the work."""
    with _making:
        if sent.fingerprint not in _work:
            _work.clear()
            _work[sent.fingerprint] = pickle.loads(sent.content)
        work = _work[sent.fingerprint]
    return work.chunk(first, last)
