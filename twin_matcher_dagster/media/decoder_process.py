"""The child process that decodes what strangers hand in: ``python -m ...media.decoder_process``.

A clip is decoded by FFmpeg's C code, which a crafted file may crash, hang or worse. So it happens
in a process of its own, with limits, for one file; it is not handed our environment (credentials),
and it can be killed. It runs as the same user: it is no sandbox. It reads one
line of JSON, and writes frames as they come:

    b"F" time:f64 width:u16 height:u16 turns:u8 RGB bytes ...   a frame
    b"D"                                                        done
    b"E" length:u32 UTF-8 ...               what is wrong with the file, in a sentence

It does without numpy: that would be half of the time that it takes to start.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Container, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.frame_format import Packed, packed, turns_of
from twin_matcher_dagster.media.frame_sampling import TimeGrid
from twin_matcher_dagster.media.process_limits import limit_this_process

FRAME, DONE, ERROR = b"F", b"D", b"E"
FRAME_HEADER = struct.Struct("<dHHB")
ERROR_HEADER = struct.Struct("<I")

MAX_DURATION_S = 60.0
MAX_DECODED_FRAMES = int(MAX_DURATION_S * 240)
MAX_FRAME_PIXELS = 4096 * 2304
MAX_SIDE = 8192
# Up to so many pixels one thread keeps up with whoever looks at the frames; two take half as much
# again of the processor.
_ONE_THREAD_PIXELS = 1280 * 720
# Edges of blocks are smoothed, a quarter of the work, unless frames are shrunk to less than half:
# the edges are below a pixel then.
_DEBLOCKED_UP_TO = 2
# Address space, not memory: FFmpeg reserves some 100 MB a thread at 4K, and uses a part of it.
_MAX_ADDRESS_SPACE = 4 * 2**30
_MAX_CPU_S = 120
# Playlists and lists of files name other files: what is handed in is read, and nothing else.
_ONLY_VIDEO_FILES = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,asf,flv",
    "protocol_whitelist": "file",
}


def decode(path: str, every_s: float, side: int) -> Iterator[Packed]:
    """Frames of a clip, at least so many seconds apart, shrunk.

    Args:
        path: video file.
        every_s: time between frames.
        side: longer side of the frames that are given, in pixels; smaller ones stay as they are.

    Raises:
        MediaError: not a video, damaged, without frames, or outside the limits.
    """
    import av

    try:
        # Names and titles in other letters than Unicode are no fault of the clip.
        with av.open(path, options=_ONLY_VIDEO_FILES, metadata_errors="ignore") as container:
            stream = _stream(container)
            _check(container, stream)
            frames = _frames(container, stream, _wanted(path, every_s), side)
            yield from _thinned(frames, every_s, side)
    except MediaError:
        raise
    except (av.FFmpegError, OSError, ValueError, OverflowError, MemoryError) as error:
        raise MediaError(refusals.CLIP_DAMAGED()) from error


def _stream(container: Any) -> Any:
    """The video; the picture on the cover of a song is none."""
    for stream in container.streams.video:
        if not stream.disposition & stream.disposition.attached_pic:
            return stream
    raise MediaError(refusals.CLIP_WITHOUT_VIDEO())


def _check(container: Any, stream: Any) -> None:
    """Refuse by the header what need not be decoded to be refused."""
    if container.duration and container.duration / 1e6 > MAX_DURATION_S + 1:
        raise _too_long()
    _check_size(stream.width or 0, stream.height or 0)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_FRAME_PIXELS or max(width, height) > MAX_SIDE:
        raise MediaError(refusals.CLIP_TOO_MANY_PIXELS(width=width, height=height))


def _too_long() -> MediaError:
    return MediaError(refusals.CLIP_TOO_LONG(limit=MAX_DURATION_S))


def _frames(
    container: Any, stream: Any, wanted: Container[int], side: int
) -> Iterator[tuple[float, Any]]:
    """Frames with seconds from the first one: those wanted, and those that come with them."""
    stream.thread_type = "AUTO"
    if max(stream.width or 0, stream.height or 0) > _DEBLOCKED_UP_TO * side:
        stream.codec_context.options = {"skip_loop_filter": "all"}
    large = (stream.width or 0) * (stream.height or 0) > _ONE_THREAD_PIXELS
    stream.codec_context.thread_count = 2 if large else 1
    start: float | None = None
    index = 0
    for packet in container.demux(stream):
        # What no other frame is made from can be left out: about half of most H.264 files.
        needless = packet.pts is not None and packet.pts not in wanted
        stream.codec_context.skip_frame = "NONREF" if needless else "DEFAULT"
        for frame in packet.decode():
            _check_size(frame.width, frame.height)
            # Some recordings carry no times: assume the usual 25 frames a second.
            time = frame.time if frame.time is not None else index / 25
            start = time if start is None else start
            index += 1
            if time - start > MAX_DURATION_S or index > MAX_DECODED_FRAMES:
                raise _too_long()
            yield time - start, frame


def _wanted(path: str, every_s: float) -> set[int]:
    """The times of the frames that will be taken, in the stream's own units, from its index."""
    import av

    with av.open(path, options=_ONLY_VIDEO_FILES, metadata_errors="ignore") as container:
        stream = _stream(container)
        packets = islice(container.demux(stream), MAX_DECODED_FRAMES)
        times = sorted(packet.pts for packet in packets if packet.pts is not None)
        second = float(1 / stream.time_base) if stream.time_base else 1.0
    grid = TimeGrid(every_s)
    return {time for time in times if grid.takes((time - times[0]) / second)}


def _thinned(frames: Iterator[tuple[float, Any]], every_s: float, side: int) -> Iterator[Packed]:
    from av.video.reformatter import VideoReformatter

    grid = TimeGrid(every_s)
    # One for all frames: each would start threads of its own, which takes longer than its work.
    reformatter = VideoReformatter()
    turns: int | None = None
    for time, frame in frames:
        if grid.takes(time):
            turns = turns_of(frame) if turns is None else turns
            yield packed(time, frame, side, turns, reformatter)


def _write(out: BinaryIO, task: dict[str, Any]) -> None:
    try:
        for *header, pixels in decode(task["path"], task["every_s"], task["side"]):
            out.write(FRAME + FRAME_HEADER.pack(*header))
            out.write(pixels)
            out.flush()
        out.write(DONE)
    except MediaError as error:
        text = str(error).encode()
        out.write(ERROR + ERROR_HEADER.pack(len(text)) + text)
        # At once: taking the decoder down may take long.
        out.flush()
    out.flush()


def main() -> None:
    """Wait for a task, do it, end."""
    import av

    # No messages, and none through Python: a thread of FFmpeg that waits for the interpreter, while
    # the interpreter waits for the thread to end, hangs for ever.
    av.logging.set_level(None)
    line = sys.stdin.buffer.readline()
    if line:
        limit_this_process(_MAX_ADDRESS_SPACE, _MAX_CPU_S)
        task = json.loads(line)
        if not Path(task["path"]).is_file():
            raise SystemExit(2)
        _write(sys.stdout.buffer, task)


if __name__ == "__main__":
    main()
