"""What to tell a person whose clip is refused: what is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Mapping

from twin_matcher_dagster.faces.quality import Rejected


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
