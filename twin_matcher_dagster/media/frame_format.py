"""A decoded frame as bytes, without numpy: see :mod:`~.decoder_process`."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

SWAPPED, MIRRORED, UPSIDE_DOWN = 1, 2, 4
"""What makes a frame upright, in this order: rows become columns, left becomes right, top becomes
bottom."""

_MATRIX = struct.Struct("=9i")


class Packed(NamedTuple):
    """A frame to hand over.

    Attributes:
        time: seconds from the start of the clip.
        width, height: in pixels, as it lies in ``pixels``.
        turns: what makes it upright: ``SWAPPED``, ``MIRRORED`` and ``UPSIDE_DOWN``, added up.
        pixels: RGB, row by row from the top, without gaps.
    """

    time: float
    width: int
    height: int
    turns: int
    pixels: bytes


def packed(time: float, frame: Any, side: int, turns: int, reformatter: Any) -> Packed:
    """A decoded frame in RGB, shrunk to this longer side."""
    scale = min(1.0, side / max(frame.width, frame.height))
    width, height = (max(2, round(n * scale)) for n in (frame.width, frame.height))
    plane = reformatter.reformat(
        frame, width, height, "rgb24", interpolation="AREA", threads=1
    ).planes[0]
    rows, row = memoryview(plane), 3 * width
    # FFmpeg may leave a gap at the end of each row.
    starts = range(0, height * plane.line_size, plane.line_size)
    pixels = b"".join(rows[start : start + row] for start in starts)
    return Packed(time, width, height, turns, pixels)


def turns_of(frame: Any) -> int:
    """What a phone says of how it was held, and whether its front camera mirrored.

    To be asked of one frame of a clip: with its side data a frame refers to itself, and stays in
    memory until the garbage is collected.

    FFmpeg's own ``rotation`` cannot say that a picture is mirrored. Its display matrix leads from
    where a pixel lies, (x, y), to where it is shown, (a x + c y, b x + d y), y downwards.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 0
    a, b, _, c, d, *_ = _MATRIX.unpack(bytes(matrix)[: _MATRIX.size])
    swapped = abs(a) + abs(d) < abs(b) + abs(c)
    across, down = (c, b) if swapped else (a, d)
    return SWAPPED * swapped + MIRRORED * (across < 0) + UPSIDE_DOWN * (down < 0)
