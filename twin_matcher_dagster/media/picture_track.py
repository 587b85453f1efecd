"""Which of a file's tracks is the film: the others are covers, thumbnails, stills and depth maps.

It does without numpy: see :mod:`~.decoder_process`.
"""

from __future__ import annotations

from typing import Any

from twin_matcher_dagster import clip_refusals
from twin_matcher_dagster.errors import MediaError

# Two greys of a depth map differ by less than this in colour, which noise and rounding leave.
_COLOURED_FROM = 16
# In pixels; enough to see whether there is colour.
_LOOK_SIDE = 32


def picture_track(container: Any) -> Any:
    """The track that a player would show.

    One of several is chosen in this order: it moves; it is not much smaller than the largest; it
    has colours, which a map of depths has not; the file calls it the default; it comes first.
    FFmpeg's own choice, by the default alone, is the depth track where a file's writer marked it.

    Args:
        container: an open file of PyAV; it is left at its start, and is not to be decoded from.

    Raises:
        MediaError: there is none.
    """
    films = [stream for stream in container.streams.video if not _is_still(stream)]
    if not films:
        raise MediaError(clip_refusals.CLIP_WITHOUT_VIDEO())
    if len(films) == 1:
        return films[0]
    largest = max(_pixels(stream) for stream in films)
    coloured = _coloured(container, films)

    def rank(stream: Any) -> tuple[bool, ...]:
        return (
            stream.frames != 1,
            2 * _pixels(stream) >= largest,
            stream.index in coloured,
            bool(stream.disposition & stream.disposition.default),
        )

    return max(films, key=rank)


def _is_still(stream: Any) -> bool:
    """The picture on the cover of a song, a chapter's thumbnail, or a part of another track."""
    flags = stream.disposition
    others = flags.attached_pic | flags.timed_thumbnails | flags.still_image | flags.dependent
    return bool(flags & others)


def _pixels(stream: Any) -> int:
    return (stream.width or 0) * (stream.height or 0)


def _coloured(container: Any, films: list[Any]) -> set[int]:
    """The tracks, by index, whose first frame has colours."""
    import av

    first: dict[int, Any] = {}
    try:
        for packet in container.demux(films):
            for frame in packet.decode() if packet.stream_index not in first else ():
                first.setdefault(packet.stream_index, frame)
            if len(first) == len(films):
                break
        container.seek(0)
    except av.FFmpegError:
        pass
    for stream in films:
        stream.codec_context.flush_buffers()
    return {index for index, frame in first.items() if _has_colours(frame)}


def _has_colours(frame: Any) -> bool:
    small = frame.reformat(_LOOK_SIDE, _LOOK_SIDE, "yuv444p", interpolation="AREA")
    planes = [bytes(plane) for plane in small.planes[1:]]
    return any(max(plane) - min(plane) >= _COLOURED_FROM for plane in planes)
