"""One person's faces out of one clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twin_matcher_dagster.errors import FaceError
from twin_matcher_dagster.faces.alignment import align, yaw_of
from twin_matcher_dagster.faces.detection import detect_faces
from twin_matcher_dagster.faces.photo import rivals
from twin_matcher_dagster.faces.video import read_frames

MIN_FACES = 20
"""Fewer crops than this do not show a person well enough."""

MAX_FACES = 85
MIN_FACE_HEIGHT = 60
# Detection works on frames of this many pixels: about 10 ms each on two cores.
_DETECTION_SIDE = 480
# Above this share of frames with a second face of about the same size there are two people.
_MAX_SHARED = 0.3


@dataclass(frozen=True)
class ClipFace:
    """One face of a clip.

    Attributes:
        image: uint8 RGB [160, 160, 3], aligned.
        time: seconds from the start of the clip.
        yaw: rough head yaw in degrees, see :func:`~twin_matcher_dagster.faces.alignment.yaw_of`.
    """

    image: np.ndarray
    time: float
    yaw: float


def extract_faces(
    path: Path, progress: Callable[[float], None] = lambda share: None
) -> list[ClipFace]:
    """Find the faces of the one person in a clip.

    Args:
        path: video file of 4 to 5 seconds.
        progress: called with the share that is done, 0 to 1.

    Returns:
        20 to 85 faces in order of time.

    Raises:
        MediaError: the file is not a readable video.
        FaceError: no face, too few, or more than one person.
    """
    frames = read_frames(path)
    faces: list[ClipFace] = []
    shared = with_face = too_small = 0
    for index, frame in enumerate(frames):
        progress(index / len(frames))
        detected = detect_faces(frame.image, _DETECTION_SIDE)
        found = [face for face in detected if face.height >= MIN_FACE_HEIGHT]
        too_small += bool(detected) and not found
        with_face += bool(found)
        if found and rivals(found):
            shared += 1
        elif found:
            best = found[0]
            faces.append(
                ClipFace(align(frame.image, best.landmarks), frame.time, yaw_of(best.landmarks))
            )
    progress(1.0)
    if too_small > with_face:
        raise FaceError(
            "The faces in the clip are too small. Sit closer, so that one face fills about a third "
            "of the picture's height."
        )
    if not with_face:
        raise FaceError(
            "No face was found in the clip. Sit closer, face a light, and record 4 to 5 seconds."
        )
    if shared > _MAX_SHARED * with_face:
        raise FaceError(
            f"{shared} of {with_face} frames show more than one person. Record a clip of one "
            "person alone."
        )
    if len(faces) < MIN_FACES:
        raise FaceError(
            f"Only {len(faces)} good faces were found in the clip, {MIN_FACES} are needed. Record "
            "4 to 5 seconds in good light and turn the head slowly to both sides."
        )
    # Spread over the whole clip, so that both sides of the head stay in.
    chosen = np.linspace(0, len(faces) - 1, min(len(faces), MAX_FACES)).round().astype(int)
    return [faces[index] for index in chosen]
