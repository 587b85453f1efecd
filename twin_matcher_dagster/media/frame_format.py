"""A decoded frame as bytes, without numpy: see :mod:`~.decoder_process`."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

SWAPPED, MIRRORED, UPSIDE_DOWN = 1, 2, 4
"""What makes a frame upright, in this order: rows become columns, left becomes right, top becomes
bottom."""

_MATRIX = struct.Struct("=9i")
# A pixel of a film is at most so many times as wide as it is high; what says more is damaged.
_WIDEST_PIXEL = 4.0
# Colour matrices of ITU-T H.273 (as FFmpeg's AVCOL_SPC_UNSPECIFIED), and FFmpeg's SWS_CS_ITU709.
_UNSPECIFIED, _BT709 = 2, 1
# Who says nothing means BT.709 from this size on, and BT.601 below: what players assume.
_HD_PIXELS = 1280 * 720


class Packed(NamedTuple):
    """A frame to hand over.

    Attributes:
        time: seconds from the start of the clip.
        width, height: in pixels, as it lies in ``pixels``; pixels are square.
        turns: what makes it upright: ``SWAPPED``, ``MIRRORED`` and ``UPSIDE_DOWN``, added up.
        transfer, primaries: how levels and colours are meant, by the numbers of ITU-T H.273.
        pixels: RGB, row by row from the top, without gaps.
    """

    time: float
    width: int
    height: int
    turns: int
    transfer: int
    primaries: int
    pixels: bytes


class Packer:
    """Makes bytes of the frames of one clip.

    Args:
        side: longer side of what is handed over, in pixels; smaller frames stay as they are.
        pixel_aspect: width of a pixel by its height; 0 where nothing is said.
    """

    def __init__(self, side: int, pixel_aspect: float) -> None:
        from av.video.reformatter import VideoReformatter

        self._side = side
        known = 1 / _WIDEST_PIXEL <= pixel_aspect <= _WIDEST_PIXEL
        self._aspect = pixel_aspect if known else 1.0
        # One for all frames: each would start threads of its own, which takes longer than its work.
        self._reformatter = VideoReformatter()
        self._turns: int | None = None
        self._fields = _Fields()

    def __call__(self, time: float, frame: Any) -> Packed:
        """A decoded frame in RGB, with square pixels, shrunk."""
        if self._turns is None:
            self._turns = turns_of(frame)
        shown = frame.width * max(1.0, self._aspect), frame.height / min(1.0, self._aspect)
        scale = min(1.0, self._side / max(shown))
        width, height = (max(2, round(n * scale)) for n in shown)
        # Shrunk to half or less, the two fields of a frame become one picture anyway.
        one = frame
        if frame.interlaced_frame and 2 * height > frame.height:
            one = self._fields.first_of(frame)
        hd = frame.width * frame.height >= _HD_PIXELS
        plane = self._reformatter.reformat(
            one,
            width,
            height,
            "rgb24",
            src_colorspace=_BT709 if frame.colorspace == _UNSPECIFIED and hd else None,
            interpolation="AREA" if one is frame else "BICUBIC",
            threads=1,
        ).planes[0]
        rows, row = memoryview(plane), 3 * width
        # FFmpeg may leave a gap at the end of each row.
        starts = range(0, height * plane.line_size, plane.line_size)
        pixels = b"".join(rows[start : start + row] for start in starts)
        colour = int(frame.color_trc) & 0xFF, int(frame.color_primaries) & 0xFF
        return Packed(time, width, height, self._turns, *colour, pixels)


class _Fields:
    """Takes every other row: those of an interlaced frame were taken at another time."""

    def __init__(self) -> None:
        self._graph: Any = None
        self._kind: tuple[int, int, str] | None = None

    def first_of(self, frame: Any) -> Any:
        """The upper field, at half the height."""
        import av
        from av.filter import Graph

        kind = frame.width, frame.height, frame.format.name
        if kind != self._kind:
            self._graph = Graph()
            width, height, name = kind
            source = self._graph.add_buffer(
                width=width, height=height, format=name, time_base=frame.time_base
            )
            field = self._graph.add("field", "type=top")
            self._graph.link_nodes(source, field, self._graph.add("buffersink")).configure()
            self._kind = kind
        try:
            self._graph.push(frame)
            return self._graph.pull()
        except av.FFmpegError:
            return frame


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
