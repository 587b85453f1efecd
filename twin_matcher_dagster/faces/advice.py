"""What to tell a person: what is wrong with a clip or a photo, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twin_matcher_dagster.faces.quality import Rejected


@dataclass(frozen=True)
class Hint:
    """What makes an answer about photos less sure; it refuses nothing.

    Attributes:
        reason: as of ``quality.Rejected``, or "no face".
        advice: what is seen and what to do, in two short sentences.
    """

    reason: str
    advice: str


# What is seen, and what to do, for one photo.
_HINTS = {
    "no face": ("In some of the photos no face is found", "Use photos with the face in good light"),
    "unsure": ("The face is hard to make out", "Uncover it, and face a light"),
    "too small": ("The face is small", "Come closer, or use a larger photo"),
    "cut off": ("The face is cut off by the edge", "Move to the middle of the picture"),
    "too dark": ("The photo is dark", "Face a window or a lamp"),
    "too bright": ("The photo is bright", "Turn away from the light a little"),
    "no contrast": ("The face is flat and grey", "Clean the camera, or turn to the light"),
    "blurred": ("The photo is blurred", "Hold still, and give the camera more light"),
    "turned away": ("The head is turned far", "Look at the camera"),
    "tilted": ("The head is tilted up or down", "Hold the camera at the height of the eyes"),
    "leaning": ("The head leans to one side", "Hold it, or the camera, upright"),
}


def hints_of(photos: Sequence[Sequence[str]]) -> tuple[Hint, ...]:
    """Hints on the photos that were asked about: what half of them or more have.

    Args:
        photos: reasons of each photo, as of ``quality.Rejected``, or "no face".
    """
    counts = Counter(reason for reasons in photos for reason in set(reasons))
    return tuple(
        Hint(reason, "{}. {}.".format(*_HINTS[reason]))
        for reason in _HINTS
        if 2 * counts[reason] >= max(1, len(photos))
    )


def sentence(refused: Rejected, left_out: Mapping[str, int], photos: bool = False) -> str:
    """The words for a refused clip.

    Args:
        refused: why, as ``ClipReport.refused`` has it.
        left_out: how many faces were left out, by reason.
        photos: whether they are photos rather than a clip.
    """
    if photos and refused.reason == "no face":
        return "No face was found in the photos. Choose photos of you alone, in good light."
    if photos and refused.reason == "too few faces":
        return (
            f"Only {refused.value:.0f} of the photos can be used, {refused.threshold:.0f} are "
            "needed. Add photos in good light, from the front and from both sides."
        )
    sentences = {
        "no face": "No face was found in the clip. Sit closer, face a light, and record 4 to 5 "
        "seconds.",
        "a crowd": f"The clip shows a crowd: about {refused.value:.0f} faces at a time. Record a "
        "clip of one person alone.",
        "two people": f"In {refused.value:.0%} of the frames there is more than one person. Record "
        "a clip of one person alone.",
        "another person": f"The clip changes to another person, for {refused.value:.1f} seconds. "
        "Record one person in one go.",
        "photos of another person": f"In {refused.value:.0f} photos there is somebody else. "
        "Choose photos of one person.",
    }
    if refused.reason in sentences:
        return sentences[refused.reason]
    worst = max(left_out, key=lambda reason: left_out[reason], default="")
    advice = {
        "too small": "The faces in the clip are too small. Sit closer, so that one face fills "
        "about a third of the picture's height.",
        "too dark": "The clip is too dark. Face a window or a lamp.",
        "no contrast": "The face is flat and grey. Clean the camera, and let the light come from "
        "the side.",
        "unsure": "The face is hard to make out. Uncover it, and face a light.",
        "tilted": "The head is tilted too far up or down. Hold the camera at the height of the "
        "eyes.",
        "leaning": "The head leans too far to one side. Hold it, or the camera, upright.",
        "too bright": "The clip is too bright. Turn away from the light a little.",
        "blurred": "The clip is blurred. Turn your head more slowly, and give the camera more "
        "light.",
        "cut off": "The face is cut off by the edge of the picture. Move to its middle.",
        "turned away": "The head is turned too far. Turn it until about one ear is hidden.",
        "the same picture again": "The clip shows the same picture over and over. Record yourself, "
        "and move a little.",
        "somebody else beside": "Somebody else is in the picture. Record a clip of one person "
        "alone.",
    }.get(worst)
    found = "1 good face was" if refused.value == 1 else f"{refused.value:.0f} good faces were"
    count = f"Only {found} found, {refused.threshold:.0f} are needed."
    if advice and left_out[worst] > refused.value:
        return f"{count} {advice}"
    return f"{count} Record 4 to 5 seconds in good light and turn the head slowly to both sides."
