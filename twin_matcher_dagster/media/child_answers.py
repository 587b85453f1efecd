"""What both children that decode answer alike: what is wrong with what they were handed.

b"E" length:u32 UTF-8 ...
"""

from __future__ import annotations

import struct
from typing import IO

REFUSED = b"E"
LENGTH = struct.Struct("<I")

_LONGEST_SENTENCE = 1000


def refusal_of(error: Exception) -> bytes:
    """The answer of a child that refuses."""
    words = str(error).encode()
    return REFUSED + LENGTH.pack(len(words)) + words


def read_sentence(pipe: IO[bytes]) -> str:
    """The words of a refusal, behind its first byte.

    Raises:
        EOFError: as :func:`read_exactly`.
    """
    (length,) = LENGTH.unpack(read_exactly(pipe, LENGTH.size))
    return read_exactly(pipe, min(length, _LONGEST_SENTENCE)).decode(errors="replace")


def read_exactly(pipe: IO[bytes], size: int) -> bytes:
    """So many bytes.

    Raises:
        EOFError: there are fewer: the child was killed, or crashed.
    """
    data = pipe.read(size)
    if len(data) != size:
        raise EOFError
    return data
