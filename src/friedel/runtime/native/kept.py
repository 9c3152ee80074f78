"""One file with the machine code of a kernel for one combination of types."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

try:
    from _blake2 import blake2b as blake2b  # as hashlib has it, which loads OpenSSL in 10 ms
except ImportError:
    from hashlib import blake2b as blake2b

DIGEST_SIZE = 10


class Kept(NamedTuple):
    """The machine code of a kernel for one combination of types.

    Attributes
    ----------
    symbol
        Name of the function in the code.
    result
        What it returns: layout as for :mod:`struct`; for each element None if it is a number, or
        dtype and dimensions of an array; whether it is a tuple. None if it returns nothing.
    symbols
        Functions of other libraries that it calls.
    code
        An object file.
    """

    symbol: str
    result: tuple[str, list[Any], bool] | None
    symbols: list[str]
    code: bytes

    def as_bytes(self, key: str) -> bytes:
        """A checksum, what the code was compiled for, and the code."""
        head = json.dumps([key, *self[:-1]]).encode()
        content = head + b"\n" + self.code
        return digest(content).encode() + b"\n" + content


def from_bytes(data: bytes, key: str) -> Kept | None:
    """What :meth:`Kept.as_bytes` made; None if it is damaged, or was made for another key."""
    checksum, _, content = data.partition(b"\n")
    if checksum != digest(content).encode():
        return None
    head, _, code = content.partition(b"\n")
    kept_for, symbol, result, symbols = json.loads(head)
    return Kept(symbol, result, symbols, code) if kept_for == key else None


def file_name(name: str, key: str) -> str:
    """The name of the file for a kernel; it contains a hash of everything in the key."""
    short = ".".join(name.split(".")[2:])
    return f"{short}-{digest(key.encode())}.kernel"


def digest(data: bytes) -> str:
    """A short hash."""
    return blake2b(data, digest_size=DIGEST_SIZE).hexdigest()


def is_trusted(folder: Path) -> bool:
    """Whether nobody but this user and root can have written the code in a folder."""
    status = folder.stat()
    return os.name == "nt" or (status.st_uid in (0, user_number()) and not status.st_mode & 0o022)


def user_number() -> int:
    """The number of this user; 0 where users have none."""
    return os.getuid() if hasattr(os, "getuid") else 0
