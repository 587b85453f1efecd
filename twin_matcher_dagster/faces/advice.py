"""What to tell a person: what is wrong with a clip or a photo, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twin_matcher_dagster.faces.quality import Rejected
from twin_matcher_dagster.refusals import CLIP_REFUSED, FAULTS, PHOTOS_REFUSED


@dataclass(frozen=True)
class Hint:
    """What makes an answer about photos less sure; it refuses nothing.

    Attributes:
        reason: as of ``quality.Rejected``, or "no face".
        advice: what is seen and what to do, in two short sentences.
    """

    reason: str
    advice: str


def hints_of(photos: Sequence[Sequence[str]]) -> tuple[Hint, ...]:
    """Hints on the photos that were asked about: what half of them or more have.

    Args:
        photos: reasons of each photo, as of ``quality.Rejected``, or "no face".
    """
    counts = Counter(reason for reasons in photos for reason in set(reasons))
    return tuple(
        Hint(reason, fault.hint())
        for reason, fault in FAULTS.items()
        if 2 * counts[reason] >= max(1, len(photos))
    )


def sentence(refused: Rejected, left_out: Mapping[str, int], photos: bool = False) -> str:
    """The words for a refused clip, or for refused photos.

    Args:
        refused: why, as ``ClipReport.refused`` has it.
        left_out: how many faces were left out, by reason.
        photos: whether they are photos rather than a clip.
    """
    refusal = (PHOTOS_REFUSED if photos else CLIP_REFUSED)[refused.reason]
    count = round(refused.value)
    found = "1 good face was" if count == 1 else f"{count} good faces were"
    words = refusal(value=refused.value, threshold=refused.threshold, found=found)
    worst = max(left_out, key=lambda reason: left_out[reason], default="")
    # A few bad frames are not why a short clip is short.
    if refused.reason != "too few faces" or worst not in FAULTS or left_out[worst] <= count:
        return words
    fault = FAULTS[worst].photos if photos else FAULTS[worst].clip
    return f"{words.removesuffix(refusal.way_out)}{fault()}"
