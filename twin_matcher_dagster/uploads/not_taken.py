"""Why an upload is not taken: for the operator, and in words for whoever handed it in."""

from __future__ import annotations

import re
from collections.abc import Mapping

from twin_matcher_dagster.refusals import FAULTS, Refusal
from twin_matcher_dagster.storage.records.uploads import Verdict

BY_A_PERSON = Refusal(
    "A person looked at your pictures, and did not take them.",
    "Ask whoever runs this page why, or hand other pictures in.",
)
TOO_FEW_CAN_BE_USED = Refusal(
    "Of your {total} pictures {good} can be used, {needed} are needed.",
    "Hand in a clip in good light, and turn the head slowly to both sides.",
)
NOT_WHOLE = Refusal(
    "Your pictures did not arrive whole.", "Hand them in again with a new clip or new photos."
)
_COUNTED = re.compile(r"(\d+) of (\d+) crops can be used, (\d+) are needed")


def too_few_crops(good: int, total: int, needed: int, left_out: Mapping[str, int]) -> str:
    """The reason of an upload with too few good crops.

    Args:
        good, total: how many can be used, and how many there are.
        needed: how many must be.
        left_out: how many of the others there are, by reason.
    """
    reason = f"{good} of {total} crops can be used, {needed} are needed"
    why = ", ".join(f"{count} {fault}" for fault, count in left_out.items())
    return f"{reason} ({why})" if why else reason


def why_not_taken(verdict: Verdict) -> tuple[str, ...]:
    """Why a rejected upload is, for its owner: nothing of the operator's note, and of nobody else.

    The fault that most of the crops have is said too, with what to do about it.
    """
    if verdict.review.decision == "reject":
        return (BY_A_PERSON(),)
    for reason in verdict.reasons:
        if counted := _COUNTED.match(reason):
            good, total, needed = counted.groups()
            said = TOO_FEW_CAN_BE_USED(good=good, total=total, needed=needed)
            found = re.findall(r"[(,] ?(\d+) ([^,)]+)", reason[counted.end() :])
            counts = {fault: int(count) for count, fault in found if fault in FAULTS}
            worst = max(counts, key=lambda fault: counts[fault], default=None)
            return (said, FAULTS[worst].photos()) if worst else (said,)
    return (NOT_WHOLE(),)
