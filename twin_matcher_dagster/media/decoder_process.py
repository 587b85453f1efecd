"""The child process that decodes what strangers hand in: ``python -m ...media.decoder_process``.

A clip is decoded by FFmpeg's C code, which a crafted file may crash, hang or worse. So it happens
in a process of its own, with limits, for one file; it is not handed our environment (credentials),
and it can be killed. It runs as the same user: it is no sandbox. It opens no file: over its
standard input, a socket, it is handed its task as JSON together with the file, open. It writes
frames as they come:

    b"F" time:f64 width:u16 height:u16 turns:u8 transfer:u8 primaries:u8 RGB bytes ...   a frame
    b"D"                                          done
    b"E" length:u32 UTF-8 ...                     what is wrong with the file, in a sentence

It does without numpy: that would be half of the time that it takes to start.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

from twin_matcher_dagster import clip_refusals
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media.child_answers import refusal_of
from twin_matcher_dagster.media.file_kinds import HEAD_BYTES, kind_of
from twin_matcher_dagster.media.frame_format import Packed, Packer
from twin_matcher_dagster.media.frame_sampling import TimeGrid
from twin_matcher_dagster.media.picture_track import picture_track
from twin_matcher_dagster.media.process_limits import limit_this_process

FRAME, DONE = b"F", b"D"
FRAME_HEADER = struct.Struct("<dHHBBB")

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
# After so much work the rest of a clip is left, if what is asked for was seen: a minute of 4K takes
# 60 seconds of a core, 5 seconds of it take 5.
_ENOUGH_CPU_S = 11.0
_ENOUGH_CLIP_S = 4.0
_MAX_CPU_S = 14
# Memory that is written to. Clips in 4K, of HEVC in 10 bits and of H.264 with 16 frames that others
# are made from, took 410 MB.
_MAX_MEMORY = 950 * 2**20
# Address space: FFmpeg reserves some 100 MB a thread at 4K, and uses a part of it.
_MAX_ADDRESS_SPACE = 4 * 2**30
# At once from the file: FFmpeg asks for each part by way of Python.
_PART_BYTES = 2**18
_LONGEST_TASK = 4096
# Playlists and lists of files name other files: what is handed in is read, and nothing else, by no
# protocol that there is.
_ONLY_VIDEO_FILES = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,asf,flv,gif,"
    "apng",
    "protocol_whitelist": "none",
}


def decode(file: BinaryIO, every_s: float, side: int, most: int) -> Iterator[Packed]:
    """Frames of a clip, at least so many seconds apart, shrunk.

    Args:
        file: video file, open.
        every_s: time between frames.
        side: longer side of the frames that are given, in pixels; smaller ones stay as they are.
        most: so many frames at most, spread over the whole clip.

    Raises:
        MediaError: not a video, damaged, without frames, or outside the limits.
    """
    import av

    _refuse_other_kinds(file)
    try:
        with _opened(file) as container:
            track = picture_track(container)
            index, times = track.index, _times(container, track)
        with _opened(file) as container:
            stream = container.streams[index]
            _check(container, stream)
            while _span(times) > (most - 1) * every_s:
                every_s *= 2  # as FaceCollector thins out: frames stay evenly apart
            pack = Packer(side, float(stream.sample_aspect_ratio or 0))
            grid = TimeGrid(every_s)
            for at, frame in _frames(container, stream, _wanted(times, every_s), side):
                if grid.takes(at):
                    yield pack(at, frame)
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError(clip_refusals.CLIP_TOO_HEAVY()) from error
    except (av.FFmpegError, OSError, ValueError, OverflowError) as error:
        raise MediaError(_why_unreadable(file)) from error


def _opened(file: BinaryIO) -> Any:
    """The file as PyAV's container."""
    import av

    # Names and titles in other letters than Unicode are no fault of the clip.
    file.seek(0)
    return av.open(
        file, options=_ONLY_VIDEO_FILES, metadata_errors="ignore", buffer_size=_PART_BYTES
    )


def _refuse_other_kinds(file: BinaryIO) -> None:
    """Photos, sounds and documents, by their first bytes."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head:
        raise MediaError(clip_refusals.CLIP_EMPTY())
    kind = kind_of(head)
    # What may move is for FFmpeg to say: it reads GIF, PNG and the sequences of HEIF.
    if kind is None or kind.group == "video" or _may_move(head):
        return
    if kind.group in ("photo", "raw"):
        refusal = clip_refusals.CLIP_IS_PHOTO
        if kind.name == "WebP" and head[12:16] == b"VP8X" and head[20] & 0b10:
            refusal = clip_refusals.CLIP_IS_ANIMATION
        raise MediaError(refusal(kind=kind.name))
    if kind.name == "a sound":
        raise MediaError(clip_refusals.CLIP_WITHOUT_VIDEO())
    if kind.name != "text":
        raise MediaError(clip_refusals.CLIP_OF_NO_KIND(kind=kind.name))


def _may_move(head: bytes) -> bool:
    animated_png = head.startswith(b"\x89PNG") and b"acTL" in head
    sequence = head[4:8] == b"ftyp" and head[8:12] in (b"avis", b"msf1", b"hevc", b"hevx")
    return head.startswith(b"GIF8") or animated_png or sequence


def _why_unreadable(file: BinaryIO) -> str:
    """Whether an MP4 file ends before its index does, which is last in a fresh recording."""
    whole = set()
    size = file.seek(0, os.SEEK_END)
    mp4, place = False, 0
    while place + 8 <= size and len(whole) < 100:
        file.seek(place)
        length, name = struct.unpack(">I4s", file.read(8))
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8).rjust(8, b"\xff"))
        place += length if length >= 8 else size
        mp4 = mp4 or name in (b"ftyp", b"wide", b"mdat")
        whole |= {name} if place <= size else set()
    cut_off = mp4 and b"moov" not in whole
    return (clip_refusals.CLIP_CUT_OFF if cut_off else clip_refusals.CLIP_DAMAGED)()


def _check(container: Any, stream: Any) -> None:
    """Refuse by the header what need not be decoded to be refused."""
    if container.duration and container.duration / 1e6 > MAX_DURATION_S + 1:
        raise _too_long()
    if stream.codec_context is None:
        raise MediaError(clip_refusals.CLIP_OF_UNKNOWN_CODEC())
    _check_size(stream.width or 0, stream.height or 0)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_FRAME_PIXELS or max(width, height) > MAX_SIDE:
        raise MediaError(clip_refusals.CLIP_TOO_MANY_PIXELS(width=width, height=height))


def _too_long() -> MediaError:
    return MediaError(clip_refusals.CLIP_TOO_LONG(limit=MAX_DURATION_S))


def _frames(
    container: Any, stream: Any, wanted: set[int], side: int
) -> Iterator[tuple[float, Any]]:
    """Frames with seconds from the first one: those wanted, and those that come with them."""
    stream.thread_type = "AUTO"
    if max(stream.width or 0, stream.height or 0) > _DEBLOCKED_UP_TO * side:
        stream.codec_context.options = {"skip_loop_filter": "all"}
    large = (stream.width or 0) * (stream.height or 0) > _ONE_THREAD_PIXELS
    stream.codec_context.thread_count = 2 if large else 1
    start: float | None = None
    index = 0
    enough = time.process_time() + _ENOUGH_CPU_S
    for packet in _packets(container, stream):
        # What no other frame is made from can be left out: about half of most H.264 files.
        needless = packet.pts is not None and packet.pts not in wanted
        stream.codec_context.skip_frame = "NONREF" if needless else "DEFAULT"
        for frame in _decoded(packet):
            _check_size(frame.width, frame.height)
            # Some recordings carry no times: assume the usual 25 frames a second.
            at = frame.time if frame.time is not None else index / 25
            start = at if start is None else start
            index += 1
            if at - start > MAX_DURATION_S or index > MAX_DECODED_FRAMES:
                raise _too_long()
            yield at - start, frame
            if time.process_time() > enough:
                if at - start < _ENOUGH_CLIP_S:
                    raise MediaError(clip_refusals.CLIP_TOO_SLOW())
                return
    if not index:
        raise ValueError("no frames")


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """What a file has of a track, up to where it is damaged; at the end what a decoder holds."""
    import av

    try:
        yield from container.demux(stream)
    except MemoryError:
        raise
    except av.FFmpegError:
        end = av.Packet()
        end.stream = stream
        yield end


def _decoded(packet: Any) -> list[Any]:
    """The frames that a packet completes; none where it is damaged."""
    import av

    try:
        return packet.decode()
    except MemoryError:
        raise
    except av.FFmpegError:
        return []


def _times(container: Any, stream: Any) -> list[tuple[float, int]]:
    """Seconds from the first frame, and the same in the track's own units, in order."""
    packets = islice(_packets(container, stream), MAX_DECODED_FRAMES)
    times = sorted(packet.pts for packet in packets if packet.pts is not None)
    second = float(1 / stream.time_base) if stream.time_base else 1.0
    return [((time - times[0]) / second, time) for time in times]


def _span(times: list[tuple[float, int]]) -> float:
    return times[-1][0] if times else 0.0


def _wanted(times: list[tuple[float, int]], every_s: float) -> set[int]:
    """The times of the frames that will be taken, in the track's own units."""
    grid = TimeGrid(every_s)
    return {units for seconds, units in times if grid.takes(seconds)}


def _write(out: BinaryIO, file: BinaryIO, task: dict[str, Any]) -> None:
    try:
        for *header, pixels in decode(file, **task):
            out.write(FRAME + FRAME_HEADER.pack(*header))
            out.write(pixels)
            out.flush()
        out.write(DONE)
    except MediaError as error:
        out.write(refusal_of(error))
        # At once: taking the decoder down may take long.
        out.flush()
    out.flush()


def main() -> None:
    """Wait for a task, do it, end."""
    import av

    # No messages, and none through Python: a thread of FFmpeg that waits for the interpreter, while
    # the interpreter waits for the thread to end, hangs for ever.
    av.logging.set_level(None)
    with socket.socket(fileno=0) as line:
        task, handed, _, _ = socket.recv_fds(line, _LONGEST_TASK, 1)
    if handed:
        limit_this_process(_MAX_ADDRESS_SPACE, _MAX_CPU_S, _MAX_MEMORY)
        with os.fdopen(handed[0], "rb") as file:
            _write(sys.stdout.buffer, file, json.loads(task))


if __name__ == "__main__":
    main()
