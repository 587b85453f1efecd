"""Which way up a picture is, by the faces in it: not every phone writes down how it was held.

The detector also finds faces that lie on their side, with landmarks that are not where they seem.
So a face counts as upright only if it is sure, leans little and has the shape of a face. In 70
frames of 12 clips, turned to the four sides, all upright ones passed, and none of the 210 others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from twin_matcher_dagster.faces.alignment import shape_error
from twin_matcher_dagster.faces.detection import Detection, detect_faces
from twin_matcher_dagster.faces.pose import pose_of
from twin_matcher_dagster.media.frame_sampling import TimeGrid
from twin_matcher_dagster.media.video import Frame

_SURE_SCORE = 0.95
_MOST_ROLL = 35.0
_MOST_SHAPE_ERROR = 0.12
# Longer sides, in pixels, that a picture is looked at in: as FaceCollector does.
_LOOK_SIDES = (320, 640)
# A clip is looked at so often, until it is known; after so many times it is taken as it is.
_LOOK_EVERY_S = 0.3
_MOST_LOOKS = 12
# So many looks have to agree before a clip is turned; one is enough to leave it as it is.
_AGREEING = 2
# Frames that wait meanwhile: a second of a clip.
_MOST_WAITING = 10


def upright_turns(image: np.ndarray) -> int | None:
    """How to turn a picture so that its faces are upright.

    Args:
        image: uint8 RGB [height, width, 3].

    Returns:
        Quarter turns against the clock, 0 to 3, as of ``np.rot90``; 0 at once where a face is
        upright as it is. None where no direction shows an upright face.
    """
    for side in _LOOK_SIDES:
        best: tuple[float, int] | None = None
        for turns in range(4):
            faces = detect_faces(turned(image, turns), side)
            score = max((face.score for face in faces if _is_upright(face)), default=0.0)
            if score and turns == 0:
                return 0
            if score and (best is None or score > best[0]):
                best = score, turns
        if best:
            return best[1]
    return None


def turned(image: np.ndarray, turns: int) -> np.ndarray:
    """A picture after so many quarter turns against the clock."""
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _is_upright(face: Detection) -> bool:
    return (
        face.score >= _SURE_SCORE
        and abs(pose_of(face.landmarks).roll) <= _MOST_ROLL
        and shape_error(face.landmarks) <= _MOST_SHAPE_ERROR
    )


def upright(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The frames of a clip, all turned alike: by what its first frames with a face in them say.

    Frames wait until that is known, which is mostly at the first one.
    """
    waiting: list[Frame] = []
    votes: Counter[int] = Counter()
    looks = TimeGrid(_LOOK_EVERY_S)
    looked = 0
    turns: int | None = None
    for frame in frames:
        if turns is None:
            waiting.append(frame)
            if looks.takes(frame.time):
                looked += 1
                turns = _settled(votes, upright_turns(frame.image), looked)
            if turns is None and len(waiting) <= _MOST_WAITING:
                continue
            # Nobody was there yet: what has waited is let go, and looking goes on.
            known = turns if turns is not None else _leading(votes)
            yield from (_as_turned(one, known) for one in waiting)
            waiting = []
        else:
            yield _as_turned(frame, turns)
    yield from (_as_turned(one, _leading(votes)) for one in waiting)


def _settled(votes: Counter[int], vote: int | None, looked: int) -> int | None:
    """The direction, once it is known; counts the vote."""
    if vote is not None:
        votes[vote] += 1
        if votes[vote] >= (1 if vote == 0 else _AGREEING):
            return vote
    return _leading(votes) if looked >= _MOST_LOOKS else None


def _leading(votes: Counter[int]) -> int:
    return votes.most_common(1)[0][0] if votes else 0


def _as_turned(frame: Frame, turns: int) -> Frame:
    return replace(frame, image=turned(frame.image, turns)) if turns else frame
