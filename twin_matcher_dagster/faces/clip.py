"""One person's faces out of one clip, and a reason for each that is left out.

The same code answers the upload page at once and is what the rest of the system can rely on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from twin_matcher_dagster import clip_refusals
from twin_matcher_dagster.errors import FaceError, MediaError
from twin_matcher_dagster.faces.advice import sentence
from twin_matcher_dagster.faces.bystanders import (
    Scene,
    several_people,
    shared_times,
    without_likenesses,
)
from twin_matcher_dagster.faces.coverage import Coverage, coverage_of, looks_flat
from twin_matcher_dagster.faces.direction import upright
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
from twin_matcher_dagster.faces.tracking import SAME_IN_CLIP, Person, people_of
from twin_matcher_dagster.media.cancellation import Cancellation
from twin_matcher_dagster.media.video import Clip, stream_frames
from twin_matcher_dagster.settings import BUNDLED_RECOGNISER

MIN_FACES = 20
"""Fewer crops than this do not show a person well enough."""

MAX_FACES = 85
# A clip that goes on for so long has enough pictures, if it has this many a second.
_LONG_ENOUGH_S = 3.0
_PICTURES_A_SECOND = 5.0
# Of a clip that is long enough, so many frames show a face.
_LEAST_WITH_FACE = 0.5


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
        notes: what was left out beside the person, in a sentence each.
    """

    faces: Sequence[ClipFace]
    looks: Sequence[FrameVerdict]
    coverage: Coverage
    refused: Rejected | None
    hints: Sequence[str]
    photos: bool = False
    skipped: Sequence[SkippedPhoto] = ()
    notes: Sequence[str] = ()

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
    clip: Clip,
    progress: Callable[[float], None] = lambda share: None,
    recogniser: str = BUNDLED_RECOGNISER,
    cancellation: Cancellation | None = None,
) -> ClipReport:
    """Find the faces of the one person in a clip.

    Args:
        clip: video file of 4 to 5 seconds, by its path or open.
        progress: called with the share that is done, 0 to 1.
        recogniser: as for :func:`~twin_matcher_dagster.faces.recogniser.load_recogniser`.
        cancellation: of the request.

    Raises:
        MediaError: the file is not a readable video, or nobody waits any more.
    """
    progress(0.0)
    collector = FaceCollector()
    for frame in upright(stream_frames(clip)):
        if cancellation:
            raise MediaError(clip_refusals.CLIP_GONE())
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
    scene = Scene(frames, people)
    if moving:
        scene = without_likenesses(scene, MIN_FACES)
    shared = shared_times(scene)
    refused = several_people(scene, shared, moving)
    faces, looks = _judged(scene.people[0], shared)
    if refused is None and len(faces) < MIN_FACES:
        refused = _too_few(collector, len(faces), moving)
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
        notes=scene.notes,
    )


def _too_few(collector: FaceCollector, found: int, moving: bool) -> Rejected:
    """Why there are too few faces, where it is not the faces that were found."""
    count = len(collector.frames)
    if moving and count == 1:
        return Rejected("one picture", count, MIN_FACES)
    if moving and collector.seconds >= _LONG_ENOUGH_S:
        rate = (count - 1) / collector.seconds
        if count < MIN_FACES and rate < _PICTURES_A_SECOND:
            return Rejected("few pictures", rate, _PICTURES_A_SECOND)
        with_face = collector.faces / count
        if with_face < _LEAST_WITH_FACE:
            return Rejected("seldom a face", with_face, _LEAST_WITH_FACE)
    return Rejected("too few faces", found, MIN_FACES)


def spread(count: int, most: int) -> list[int]:
    """At most so many positions of ``count``, evenly from the first to the last."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()


def _nobody(photos: bool) -> ClipReport:
    return ClipReport([], [], coverage_of([]), Rejected("no face", 0, MIN_FACES), [], photos)


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
