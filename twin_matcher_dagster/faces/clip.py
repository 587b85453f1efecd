"""One person's faces out of one clip, and a reason for each that is left out.

The same code answers the upload page at once and is what the rest of the system can rely on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twin_matcher_dagster.errors import FaceError
from twin_matcher_dagster.faces.advice import sentence
from twin_matcher_dagster.faces.coverage import Coverage, coverage_of, looks_flat
from twin_matcher_dagster.faces.frame_collector import FaceCollector
from twin_matcher_dagster.faces.pose import Pose, pose_of
from twin_matcher_dagster.faces.quality import (
    Accepted,
    Duplicates,
    FaceVerdict,
    Rejected,
    count_rejected,
    judge,
    measure,
)
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.sameness import SAME_PERSON, load_sameness
from twin_matcher_dagster.faces.single_face import RIVAL_HEIGHT, rivals
from twin_matcher_dagster.faces.tracking import (
    MAX_GAP_S,
    SAME_IN_CLIP,
    Person,
    TrackedFace,
    people_of,
)
from twin_matcher_dagster.media.video import stream_frames
from twin_matcher_dagster.settings import BUNDLED_RECOGNISER

MIN_FACES = 20
"""Fewer crops than this do not show a person well enough."""

MAX_FACES = 85
# More faces than this in most frames are a crowd.
_MAX_FACES_A_FRAME = 2
# Above this share of frames with a second face of about the same size there are two people.
_MAX_SHARED = 0.3
# Somebody else alone, for longer than this, is a cut to another person and not a passer-by.
_MAX_OTHER_S = 0.35
# So many photos of somebody else are left out; more are no mistake.
_MAX_OTHER_PHOTOS = 2


@dataclass(frozen=True)
class ClipFace:
    """One face that was kept.

    Attributes:
        image: uint8 RGB [160, 160, 3], aligned.
        time: seconds from the start of the clip; the number of the photo in a set of photos.
        pose: which way the head looks.
        landmarks: float32 [5, 2] in pixels of the frame.
    """

    image: np.ndarray
    time: float
    pose: Pose
    landmarks: np.ndarray


@dataclass(frozen=True)
class FrameVerdict:
    """What was seen at one time of the clip: for the plot, and for whoever asks why."""

    time: float
    yaw: float
    verdict: FaceVerdict


@dataclass(frozen=True)
class SkippedPhoto:
    """A photo that is left out.

    Attributes:
        name: of its file, as the person knows it; free text.
        why: in a sentence or two.
    """

    name: str
    why: str


@dataclass(frozen=True)
class ClipReport:
    """All that a clip has to say.

    Attributes:
        faces: what was kept, 20 to 85 in order of time, unless refused.
        looks: verdict on every frame with a face of this person.
        coverage: how far the head turned, and what is missing.
        refused: why the clip cannot be used; None if it can.
        hints: what a person may want to look into; none of it refuses a clip.
        photos: whether these are photos rather than a clip.
        skipped: photos that are left out, one by one, in their order.
    """

    faces: Sequence[ClipFace]
    looks: Sequence[FrameVerdict]
    coverage: Coverage
    refused: Rejected | None
    hints: Sequence[str]
    photos: bool = False
    skipped: Sequence[SkippedPhoto] = ()

    def left_out(self) -> dict[str, int]:
        """How many frames were left out, by reason."""
        return count_rejected(look.verdict for look in self.looks)

    def raise_if_refused(self) -> None:
        """Raise FaceError with the sentence that says what to do."""
        if self.refused:
            raise FaceError(self.advice())

    def advice(self) -> str:
        """What is wrong and what to do, in a sentence or two; empty if nothing is."""
        return sentence(self.refused, self.left_out(), self.photos) if self.refused else ""


def extract_faces(
    path: Path,
    progress: Callable[[float], None] = lambda share: None,
    recogniser: str = BUNDLED_RECOGNISER,
) -> ClipReport:
    """Find the faces of the one person in a clip.

    Args:
        path: video file of 4 to 5 seconds.
        progress: called with the share that is done, 0 to 1.
        recogniser: as for :func:`~twin_matcher_dagster.faces.recogniser.load_recogniser`.

    Raises:
        MediaError: the file is not a readable video.
    """
    progress(0.0)
    collector = FaceCollector()
    for frame in stream_frames(path):
        collector.add(frame.image, frame.time)
        # Over the 4.5 seconds that are asked for; a longer clip waits at the end.
        progress(min(0.95, frame.time / 4.5))
    report = report_on(collector, recogniser)
    progress(1.0)
    return report


def report_on(
    collector: FaceCollector, recogniser: str = BUNDLED_RECOGNISER, moving: bool = True
) -> ClipReport:
    """Judge what was collected.

    Args:
        collector: the faces of all frames.
        recogniser: as for :func:`extract_faces`.
        moving: whether the frames are a film; photos are not asked to move.
    """
    frames = collector.frames
    # Photos of one person differ by years and light, frames of a clip do not.
    same = SAME_IN_CLIP if moving else SAME_PERSON
    people = people_of(frames, load_recogniser(recogniser), load_sameness(recogniser), same)
    if not people:
        return _nobody(photos=not moving)
    shared = _shared(people[0], frames)
    refused = _several(frames, people, shared, moving)
    faces, looks = _judged(people[0], shared)
    if refused is None and len(faces) < MIN_FACES:
        refused = Rejected("too few faces", len(faces), MIN_FACES)
    coverage = coverage_of([face.pose.yaw for face in faces])
    flat = moving and looks_flat([face.landmarks for face in faces])
    hints = ["The face moves like a flat picture: it may be a photo held to the camera."]
    # Spread over the whole clip, so that both sides of the head stay in.
    return ClipReport(
        [faces[index] for index in spread(len(faces), MAX_FACES)],
        looks,
        coverage,
        refused,
        hints if flat else [],
        photos=not moving,
    )


def spread(count: int, most: int) -> list[int]:
    """At most so many positions of ``count``, evenly from the first to the last."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()


def _nobody(photos: bool) -> ClipReport:
    return ClipReport([], [], coverage_of([]), Rejected("no face", 0, MIN_FACES), [], photos)


def _several(
    frames: list[list[TrackedFace]], people: list[Person], times_shared: set[float], moving: bool
) -> Rejected | None:
    """Whether more than one person is shown, in a way that cannot be told apart safely."""
    with_face = [seen for seen in frames if seen]
    crowd = float(np.median([seen[0].faces_in_frame for seen in with_face]))
    if crowd > _MAX_FACES_A_FRAME:
        return Rejected("a crowd", crowd, _MAX_FACES_A_FRAME)
    shared = len(times_shared) / len(with_face)
    if shared > _MAX_SHARED:
        return Rejected("two people", shared, _MAX_SHARED)
    main_times = {one.time for one in people[0].seen}
    size = float(np.median([one.face.height for one in people[0].seen]))
    for other in people[1:]:
        alone = [
            one.time
            for one in other.seen
            if one.time not in main_times and one.face.height >= RIVAL_HEIGHT * size
        ]
        is_often = len(alone) > _MAX_SHARED * len(with_face)
        if not moving:
            if is_often or len(alone) > _MAX_OTHER_PHOTOS:
                return Rejected("photos of another person", len(alone), _MAX_OTHER_PHOTOS)
            continue
        # A face that cannot be recognised for a moment is no other person; one that stays is, and
        # so is one that comes again and again.
        stayed = _longest(alone)
        if is_often:
            stayed = max(stayed, len(alone) * _step(with_face))
        if stayed > _MAX_OTHER_S:
            return Rejected("another person", stayed, _MAX_OTHER_S)
    return None


def _longest(times: list[float]) -> float:
    """The longest time, in seconds, without a gap longer than a moment."""
    runs = np.split(np.array(times), np.flatnonzero(np.diff(times) > MAX_GAP_S) + 1)
    return max((float(run[-1] - run[0]) for run in runs if len(run)), default=0.0)


def _step(frames: list[list[TrackedFace]]) -> float:
    """Seconds from one frame to the next, mostly."""
    return float(np.median(np.diff([seen[0].time for seen in frames]))) if len(frames) > 1 else 0.0


def _shared(main: Person, frames: list[list[TrackedFace]]) -> set[float]:
    """The times at which a face beside the person's is about as large, or larger."""
    own = set(main.seen)
    times = set()
    for seen in frames:
        # The largest comes first: where that is not the person's own, somebody is in front.
        in_front = any(one in own for one in seen[1:])
        if seen and (in_front or rivals([one.face for one in seen])):
            times.add(seen[0].time)
    return times


def _judged(main: Person, shared: set[float]) -> tuple[list[ClipFace], list[FrameVerdict]]:
    """The person's good faces, and the verdict on every one."""
    duplicates = Duplicates()
    faces, looks = [], []
    for one in main.seen:
        pose = pose_of(one.face.landmarks)
        verdict: FaceVerdict
        if one.time in shared:
            verdict = Rejected("somebody else beside", 2, 1)
        else:
            verdict = judge(one.measures or measure(one.crop, one.face, one.size))
        if isinstance(verdict, Accepted):
            verdict = duplicates.judge(one.crop)
        looks.append(FrameVerdict(one.time, pose.yaw, verdict))
        if isinstance(verdict, Accepted):
            faces.append(ClipFace(one.crop, one.time, pose, one.face.landmarks))
    return faces, looks
