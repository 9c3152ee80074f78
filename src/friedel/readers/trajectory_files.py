"""Frames of trajectories before MDAnalysis reads them: XTC, TRR and DCD.

MDAnalysis reads as many frames as are whole and says nothing of a rest, as that of a run that was
stopped; and the library that it reads XTC and TRR with ends the process at some damaged frames.
"""

import math
import mmap
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from friedel.kernels.trajectory_frames import FEWEST_BITS, MOST_BITS, bytes_of_positions
from friedel.notes import Note
from friedel.runtime.paths import shown_name

XTC, TRR, DCD = ".xtc", ".trr", ".dcd"
XTC_MAGIC, XTC_MAGIC_LARGE, TRR_MAGIC = 1995, 2023, 1993
"""First numbers of frames: of XTC, of XTC with more than 2^31 bytes, and of TRR."""
MOST_UNCOMPRESSED = 9
"""Largest number of atoms whose positions XTC stores as they are."""
SHARE_OF_MEMORY = 1.2
"""Words per coordinate for which the library has memory."""
LARGEST_TOGETHER = 2**24
"""Smallest range of a coordinate at which coordinates are stored one by one."""
VERSION = b"GMX_trn_file"
"""Text in the header of frames of TRR files."""
IMPOSSIBLE = "the sizes in its header are impossible"
DCD_HEADER = 84
"""Bytes of the first record of a DCD file."""


@dataclass(frozen=True, eq=False)
class FrameFile:
    """Where the frames of a trajectory lie.

    Attributes
    ----------
    path
        The file.
    starts
        (n_frames,) int64 first bytes of the frames of an XTC or TRR file; empty for other formats,
        whose frames are not checked.
    notes
        A note on bytes after the last frame.
    """

    path: str
    starts: np.ndarray
    notes: tuple[Note, ...] = ()

    @classmethod
    def of(cls, path: str) -> "FrameFile":
        """The frames of a file, whose headers are checked.

        Raises
        ------
        ValueError
            When the header of one is damaged.
        OSError
            When the file cannot be read.
        """
        ending, starts = Path(path).suffix.lower(), np.empty(0, np.int64)
        if ending not in (XTC, TRR, DCD) or os.path.getsize(path) == 0:
            return cls(path, starts)
        with open(path, "rb") as file, _mapped(file) as content:
            if ending == DCD:
                with suppress(struct.error, StopIteration):  # MDAnalysis says what is wrong with it
                    return cls(path, starts, _about_rest(path, *_frames_of_dcd(content)))
                return cls(path, starts)
            starts, n_left_over = _frames_of_xdr(content)
        return cls(path, starts, _about_rest(path, len(starts), n_left_over))

    def check(self, index: int) -> None:
        """Check that the compressed positions of one frame end where its header says.

        Raises
        ------
        ValueError
            When they do not.
        OSError
            When the file cannot be read.
        """
        if Path(self.path).suffix.lower() != XTC or index >= len(self.starts):
            return
        with open(self.path, "rb") as file:
            file.seek(int(self.starts[index]))
            begin = file.read(96)
            magic, n_atoms = struct.unpack_from(">2i", begin)
            if n_atoms <= MOST_UNCOMPRESSED:
                return
            *limits, bits = struct.unpack_from(">7i", begin, 60)
            form, head = (">i", 92) if magic == XTC_MAGIC else (">q", 96)
            (n_bytes,) = struct.unpack_from(form, begin, 88)
            file.seek(int(self.starts[index]) + head)
            content = np.frombuffer(file.read(n_bytes), np.uint8)
        sizes = [high - low + 1 for low, high in zip(limits[:3], limits[3:], strict=True)]
        together = max(sizes) < LARGEST_TOGETHER
        of_position = (
            math.prod(sizes).bit_length() if together else sum(x.bit_length() for x in sizes)
        )
        if bytes_of_positions(content, n_atoms, of_position, bits) != n_bytes:
            raise ValueError("its compressed positions are damaged")


def _mapped(file: BinaryIO) -> mmap.mmap:
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _about_rest(path: str, n_frames: int, n_bytes: int) -> tuple[Note, ...]:
    if not n_bytes:
        return ()
    text = (
        f"{shown_name(path)} ends within a frame: the {n_frames} before it are used, and {n_bytes} "
        "bytes are not"
    )
    return (Note(text, "left out", n_bytes),)


def _frames_of_xdr(content: mmap.mmap) -> tuple[np.ndarray, int]:
    """First bytes of the frames of an XTC or TRR file, and number of bytes after the last one."""
    start = 0
    starts: list[int] = []
    while start < len(content):
        try:
            end = start + _bytes_of_frame(content, start)
        except struct.error:
            break
        except ValueError as error:
            raise ValueError(f"frame {len(starts)} is damaged: {error}") from None
        if end > len(content):
            break
        starts.append(start)
        start = end
    return np.array(starts, np.int64), len(content) - start


def _bytes_of_frame(content: mmap.mmap, at: int) -> int:
    """Bytes of the frame of an XTC or TRR file that begins at a byte.

    Raises
    ------
    ValueError
        When its header is damaged.
    struct.error
        When it is too short.
    """
    magic, n_atoms = struct.unpack_from(">2i", content, at)
    if magic == TRR_MAGIC:
        return _bytes_of_trr(content, at)
    if magic not in (XTC_MAGIC, XTC_MAGIC_LARGE):
        raise ValueError(f"it begins with {magic}, expected {XTC_MAGIC} or {TRR_MAGIC}")
    (n_stored,) = struct.unpack_from(">i", content, at + 52)
    if n_atoms != n_stored or n_atoms <= 0:
        raise ValueError(f"it has {n_stored} positions of {n_atoms} atoms")
    if n_atoms <= MOST_UNCOMPRESSED:
        return 56 + 12 * n_atoms
    precision, *numbers = struct.unpack_from(">f7i", content, at + 56)
    form, head = (">i", 92) if magic == XTC_MAGIC else (">q", 96)
    (n_bytes,) = struct.unpack_from(form, content, at + 88)
    if not (
        math.isfinite(precision)
        and precision > 0.0
        and all(low <= high for low, high in zip(numbers[:3], numbers[3:6], strict=True))
        and FEWEST_BITS <= numbers[6] <= MOST_BITS
        and 0 < n_bytes <= 4 * math.floor(SHARE_OF_MEMORY * 3 * n_atoms) - 12
    ):
        raise ValueError(IMPOSSIBLE)
    return head + -(-n_bytes // 4) * 4


def _bytes_of_trr(content: mmap.mmap, at: int) -> int:
    *sizes, n_atoms = struct.unpack_from(">11i", content, at + 24)
    box, vectors = sizes[2], sizes[7:]
    real = box // 9 if box else max(vectors) // (3 * n_atoms) if n_atoms > 0 else 0
    if (
        content[at + 12 : at + 24] != VERSION
        or real not in (4, 8)
        or n_atoms <= 0
        or not set(vectors) <= {0, 3 * n_atoms * real}
        or not set(sizes[2:5]) <= {0, 9 * real}
        or any((*sizes[:2], *sizes[5:7]))
    ):
        raise ValueError(IMPOSSIBLE)
    return 24 + 4 * 13 + 2 * real + sum(sizes)


def _frames_of_dcd(content: mmap.mmap) -> tuple[int, int]:
    """Number of frames of a DCD file, and of bytes after the last one; 0 if frames differ."""

    def number(at: int) -> int:
        return int(struct.unpack_from(f"{order}i", content, at)[0])

    order = next(x for x in "<>" if struct.unpack_from(f"{x}i", content)[0] == DCD_HEADER)
    control = struct.unpack_from(f"{order}20i", content, 8)
    if control[8]:  # fixed atoms, which only the first frame has
        return 0, 0
    titles = 8 + DCD_HEADER
    start = titles + number(titles) + 8
    n_atoms, start = number(start + 4), start + 12
    has_cell, has_fourth = bool(control[10]), bool(control[11])
    frame = 56 * has_cell + (3 + has_fourth) * (4 * n_atoms + 8)
    return divmod(len(content) - start, frame) if frame > 0 and start <= len(content) else (0, 0)
