"""Faces frame by frame: from a decoder, a set of photos, or a camera that is running."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from twin_matcher_dagster.faces.alignment import align
from twin_matcher_dagster.faces.coverage import Coverage, coverage_of
from twin_matcher_dagster.faces.detection import Detection, detect_faces
from twin_matcher_dagster.faces.pose import pose_of
from twin_matcher_dagster.faces.quality import Rejected, judge, measure
from twin_matcher_dagster.faces.single_face import rivals
from twin_matcher_dagster.faces.tracking import TrackedFace
from twin_matcher_dagster.media.frame_sampling import TimeGrid
from twin_matcher_dagster.media.video import MAX_FRAMES, SAMPLE_EVERY_S

# Detection works on frames of this many pixels: about 8 ms each on one core. Where the largest
# face is small there may be many: a second look at more pixels finds the ones further back.
_DETECTION_SIDE = 320
_SECOND_LOOK_SIDE = 640
_SMALL_FACE = 80
# From this height on, in pixels, landmarks are as near to those in full size (3% of the distance
# between the eyes) as larger ones are, and another face half as high is found beside: so once a
# large face is known, frames are shrunk until it is that high.
_ENOUGH_FACE = 96
_LEAST_SIDE = 128
# So often a frame is looked at as if nothing were known, to see who else is there.
_FULL_LOOK_EVERY_S = 1.0
# Faces of one frame that are followed; the smallest of a crowd do not matter.
_MAX_FOLLOWED = 4


class FaceCollector:
    """The faces of up to 100 frames, evenly spread over however many come.

    A frame is dropped as soon as its crops are cut: memory does not grow with a clip.

    Args:
        every_s: seconds between frames at least; doubled each time that there are too many.

    Attributes:
        frames: the faces of each frame, the largest first, in order of time.
        seconds: from the first frame to the last.
    """

    def __init__(self, every_s: float = SAMPLE_EVERY_S) -> None:
        self.frames: list[list[TrackedFace]] = []
        self.seconds = 0.0
        self._start: float | None = None
        self._grid = TimeGrid(every_s)
        self._full_looks = TimeGrid(_FULL_LOOK_EVERY_S)
        self._side = _DETECTION_SIDE
        self._count = 0

    def add(self, image: np.ndarray, time: float, known: Sequence[Detection] | None = None) -> None:
        """Look at one more frame.

        Args:
            image: uint8 RGB [height, width, 3].
            time: seconds from the start.
            known: its faces, the largest first, where somebody looked already.
        """
        if not self._grid.takes(time):
            return
        self._start = time if self._start is None else self._start
        self.seconds = time - self._start
        found = self._found(image, time) if known is None else list(known)
        size = image.shape[1], image.shape[0]
        count = max(len(found), self._count) if known is None else len(found)
        followed = ((face, align(image, face.landmarks)) for face in found[:_MAX_FOLLOWED])
        self.frames.append([TrackedFace(time, face, crop, size, count) for face, crop in followed])
        # Of the face that most likely counts: now, while the next frame is decoded.
        for one in self.frames[-1][:1]:
            one.measures = measure(one.crop, one.face, size)
        if len(self.frames) > MAX_FRAMES:
            self.frames = self.frames[::2]
            self._grid.thin_out()

    def _found(self, image: np.ndarray, time: float) -> list[Detection]:
        """The faces of a frame, the largest first; quickly where a large one was there just now."""
        full = self._full_looks.takes(time) or self._side == _DETECTION_SIDE
        found = [] if full else detect_faces(image, self._side)
        if not found:
            found = detect_faces(image, _DETECTION_SIDE)
            if not found or found[0].height < _SMALL_FACE:
                found = detect_faces(image, _SECOND_LOOK_SIDE) or found
            self._count = len(found)
        self._side = _side_for(found, max(image.shape[:2]))
        return found

    def trouble(self) -> str | None:
        """What is wrong with the last frame in a word or two, for hints; None if nothing is."""
        seen = self.frames[-1] if self.frames else []
        if not seen:
            return "no face"
        if rivals([one.face for one in seen]):
            return "somebody else beside"
        verdict = judge(seen[0].measures or measure(seen[0].crop, seen[0].face, seen[0].size))
        return verdict.reason if isinstance(verdict, Rejected) else None

    @property
    def faces(self) -> int:
        """How many frames show a face."""
        return sum(bool(frame) for frame in self.frames)

    @property
    def coverage(self) -> Coverage:
        """How far the largest faces turned so far."""
        return coverage_of([pose_of(frame[0].face.landmarks).yaw for frame in self.frames if frame])


def _side_for(found: list[Detection], side: int) -> int:
    """To how many pixels to shrink the next frame, of this longer side, after these faces."""
    if not found:
        return _DETECTION_SIDE
    wanted = ceil(side * _ENOUGH_FACE / max(1.0, found[0].height) / 32) * 32
    return min(_DETECTION_SIDE, max(_LEAST_SIDE, wanted))
