"""Who else is in a clip: reflections and pictures, which are left out, and other people."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from twin_matcher_dagster import clip_refusals
from twin_matcher_dagster.faces.coverage import looks_flat
from twin_matcher_dagster.faces.quality import Rejected
from twin_matcher_dagster.faces.single_face import RIVAL_HEIGHT, rivals
from twin_matcher_dagster.faces.tracking import MAX_GAP_S, Person, TrackedFace

# More faces than this in most frames are a crowd.
_MAX_FACES_A_FRAME = 2
# Above this share of frames with a second face of about the same size there are two people.
_MAX_SHARED = 0.3
# Somebody else alone, for longer than this, is a cut to another person and not a passer-by.
_MAX_OTHER_S = 0.35
# So many photos of somebody else are left out; more are no mistake.
_MAX_OTHER_PHOTOS = 2
# From this share of frames on, what is left out is said.
_WORTH_A_NOTE = 0.3


@dataclass(frozen=True)
class Scene:
    """The faces of a clip, and whose they are.

    Attributes:
        frames: the faces of each frame, the largest first, in order of time.
        people: who is in front most often first, as of ``tracking.people_of``.
        notes: what was left out, in a sentence each.
    """

    frames: Sequence[Sequence[TrackedFace]]
    people: Sequence[Person]
    notes: Sequence[str] = ()


def without_likenesses(scene: Scene, enough: int) -> Scene:
    """A clip's scene without reflections and pictures.

    A person who is in a frame twice is there by a mirror, or sees herself in a call. Somebody who
    never moves, beside somebody who does, is a picture.

    Args:
        scene: whatever was found.
        enough: so many faces tell whether somebody moves, and has to have who is left.
    """
    reflected = {one for person in scene.people for one in _reflections(person)}
    flat = [
        person
        for person in scene.people
        if len(person.seen) >= enough and looks_flat([one.face.landmarks for one in person.seen])
    ]
    moving = [person for person in scene.people if person not in flat]
    if not any(len(person.seen) >= enough for person in moving):
        flat, moving = [], list(scene.people)
    pictures = {one for person in flat for one in person.seen}
    if not reflected and not pictures:
        return replace(scene, notes=_smaller(scene))
    left = _without(replace(scene, people=moving), reflected | pictures)
    notes = [
        note
        for note, faces in (
            (clip_refusals.REFLECTION_LEFT_OUT(), reflected),
            (clip_refusals.PICTURE_LEFT_OUT(), pictures - reflected),
        )
        if len({one.time for one in faces}) >= _WORTH_A_NOTE * len(_with_face(scene))
    ]
    return replace(left, notes=(*notes, *_smaller(left)))


def _reflections(person: Person) -> list[TrackedFace]:
    """The smaller ones of a person's faces in one frame, and those like them in other frames."""
    at: defaultdict[float, list[TrackedFace]] = defaultdict(list)
    for one in person.seen:
        at[one.time].append(one)
    seconds = [
        one
        for faces in at.values()
        for one in sorted(faces, key=lambda face: -face.face.height)[1:]
    ]
    if not seconds:
        return []
    firsts = [one for one in person.seen if one not in set(seconds)]
    near, far = (np.log([one.face.height for one in faces]) for faces in (firsts, seconds))
    middle = (np.median(near) + np.median(far)) / 2
    alone = [one for one in firsts if len(at[one.time]) == 1 and np.log(one.face.height) < middle]
    return seconds + alone


def _without(scene: Scene, faces: set[TrackedFace]) -> Scene:
    """As if these were not there; what is left is counted anew."""
    gone = Counter(one.time for one in faces)
    kept = {
        one: replace(one, faces_in_frame=max(1, one.faces_in_frame - gone[one.time]))
        for frame in scene.frames
        for one in frame
        if one not in faces
    }
    frames = [[kept[one] for one in frame if one in kept] for frame in scene.frames]
    people = [Person([kept[one] for one in person.seen if one in kept]) for person in scene.people]
    return Scene(frames, [person for person in people if person.seen])


def _smaller(scene: Scene) -> tuple[str, ...]:
    """Whether somebody small is beside the person most of the time."""
    main = {one.time for one in scene.people[0].seen}
    beside = {one.time for person in scene.people[1:] for one in person.seen} & main
    is_often = len(beside) > _WORTH_A_NOTE * len(main)
    return (clip_refusals.SMALLER_LEFT_OUT(),) if is_often else ()


def _with_face(scene: Scene) -> list[Sequence[TrackedFace]]:
    return [seen for seen in scene.frames if seen]


def several_people(scene: Scene, times_shared: set[float], moving: bool) -> Rejected | None:
    """Whether more than one person is shown, in a way that cannot be told apart safely.

    Args:
        scene: whose faces there are; at least one.
        times_shared: as of :func:`shared_times`.
        moving: whether the frames are a film rather than photos.
    """
    people, with_face = scene.people, _with_face(scene)
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


def _step(frames: Sequence[Sequence[TrackedFace]]) -> float:
    """Seconds from one frame to the next, mostly."""
    return float(np.median(np.diff([seen[0].time for seen in frames]))) if len(frames) > 1 else 0.0


def shared_times(scene: Scene) -> set[float]:
    """The times at which a face beside the person's is about as large, or larger."""
    own = set(scene.people[0].seen)
    times = set()
    for seen in scene.frames:
        # The largest comes first: where that is not the person's own, somebody is in front.
        in_front = any(one in own for one in seen[1:])
        if seen and (in_front or rivals([one.face for one in seen])):
            times.add(seen[0].time)
    return times
