"""Frames out of a clip, sampled by time.

PyAV (FFmpeg's own libraries) rather than OpenCV's reader: it gives each frame's presentation time
and rotation, which a browser's webcam recording (variable frame rate, no duration in the header)
and a phone's clip need.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twin_matcher_dagster.errors import MediaError

SAMPLE_EVERY_S = 0.1
MAX_FRAMES = 100
MAX_DURATION_S = 60.0
MAX_BYTES = 200 * 1024 * 1024
MAX_SIDE = 4096
# Playlists and lists of files name other files: what is handed in is read, and nothing else.
_ONLY_VIDEO_FILES = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,asf,flv",
    "protocol_whitelist": "file",
}
# Enough for a 160-pixel face crop, and a bound on memory: 100 frames of 640 x 480 are 92 MB.
WORKING_SIDE = 720


@dataclass(frozen=True)
class Frame:
    """One frame of a clip: ``time`` in seconds from its start, ``image`` uint8 RGB [h, w, 3]."""

    time: float
    image: np.ndarray


# Time in seconds from the start, and PyAV's decoded frame.
_Decoded = tuple[float, Any]


def read_frames(path: Path) -> list[Frame]:
    """Decode a clip and keep a frame every 100 ms, at most 100, spread over the whole clip.

    Args:
        path: a video file in any container that FFmpeg reads.

    Returns:
        Frames in order of time, shrunk to 720 pixels on the longer side.

    Raises:
        MediaError: not a video, damaged, without frames, or outside the limits.
    """
    import av

    if not path.is_file():
        raise MediaError("The clip is not there any more. Upload or record it again.")
    if path.stat().st_size > MAX_BYTES:
        raise MediaError(f"The clip is larger than {MAX_BYTES // 2**20} MB. Record 4 to 5 seconds.")
    try:
        with av.open(str(path), options=_ONLY_VIDEO_FILES) as container:
            if not container.streams.video:
                raise MediaError("The file has no video track. Upload or record a video.")
            frames = _spread(_decode(container))
    except MediaError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(
            "The clip cannot be read as a video. Record it again, or save it as MP4 or WebM."
        ) from error
    if not frames:
        raise MediaError("The clip has no frames. Record it again.")
    return frames


def _decode(container: Any) -> Iterator[_Decoded]:
    """All frames with their times, upright and shrunk."""
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    start: float | None = None
    for index, frame in enumerate(container.decode(stream)):
        if max(frame.width, frame.height) > MAX_SIDE:
            raise MediaError(
                f"The clip has {frame.width} x {frame.height} pixels. Use at most {MAX_SIDE} on a "
                "side."
            )
        # Some recordings carry no times: assume the usual 25 frames a second.
        time = frame.time if frame.time is not None else index / 25
        start = time if start is None else start
        if time - start > MAX_DURATION_S:
            raise MediaError(
                f"The clip is longer than {MAX_DURATION_S:.0f} seconds. Record 4 to 5 seconds."
            )
        yield time - start, frame


def _spread(frames: Iterator[_Decoded]) -> list[Frame]:
    """Keep one frame an interval; when there are too many, drop every second and double it."""
    every, kept = SAMPLE_EVERY_S, []
    for time, frame in frames:
        # Half a frame of tolerance: 25 frames a second are not at exact multiples of 100 ms.
        if kept and time - kept[-1].time < every - 0.02:
            continue
        kept.append(Frame(time, _upright(frame)))
        if len(kept) > MAX_FRAMES:
            kept, every = kept[::2], every * 2
    return kept


def _upright(frame: Any) -> np.ndarray:
    """A decoded frame as an RGB array, shrunk and turned the way it was filmed."""
    scale = min(1.0, WORKING_SIDE / max(frame.width, frame.height))
    width, height = (max(2, round(n * scale)) for n in (frame.width, frame.height))
    image = frame.to_ndarray(format="rgb24", width=width, height=height)
    # The rotation of FFmpeg's display matrix is counter-clockwise, as np.rot90 turns.
    return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90) % 4))
