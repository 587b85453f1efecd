"""A decoded frame as bytes, without numpy: see :mod:`~twin_matcher_dagster.faces.decoding`."""

from __future__ import annotations

from typing import Any, NamedTuple


class Packed(NamedTuple):
    """A frame to hand over.

    Attributes:
        time: seconds from the start of the clip.
        width, height: in pixels, as it lies in ``pixels``.
        turns: quarter turns counter-clockwise that make it upright.
        pixels: RGB, row by row from the top, without gaps.
    """

    time: float
    width: int
    height: int
    turns: int
    pixels: bytes


def packed(time: float, frame: Any, side: int, reformatter: Any) -> Packed:
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
    # The rotation of FFmpeg's display matrix is counter-clockwise, as np.rot90 turns.
    return Packed(time, width, height, round(frame.rotation / 90) % 4, pixels)
