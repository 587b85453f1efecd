"""How much a visitor may ask for: counted in this process, over a window that moves along."""

from __future__ import annotations

import time
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from twin_matcher_dagster.settings.doors import DoorSettings

REQUESTS, MEGABYTES, UPLOADS, LOOKS = "requests", "megabytes", "uploads", "looks"
CAMERA, QUESTIONS, ERASURES = "camera", "questions", "erasures"

_UNIT = 100
"""Megabytes and seconds are counted in hundredths: a photo of 200 kB is not free."""


@dataclass(frozen=True)
class Spent:
    """That a visitor has used up what they may have.

    Attributes:
        what: of which, a name of :mod:`~.quotas`.
        again_s: in how many seconds there is some again.
    """

    what: str
    again_s: int


class Quotas:
    """What each visitor has used.

    Two counters a visitor and quota are kept, as of two windows that follow one another, and the
    older one counts for what is left of it: a list of all that was done would let whoever floods
    the page fill its memory.

    Args:
        settings: how much they may.
    """

    def __init__(self, settings: DoorSettings) -> None:
        self._counted = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._most: dict[str, tuple[RateLimitItem, int]] = {
            REQUESTS: (parse(f"{settings.visitor_requests}/minute"), 1),
            MEGABYTES: (parse(f"{settings.visitor_megabytes * _UNIT}/hour"), _UNIT),
            UPLOADS: (parse(f"{settings.visitor_uploads}/day"), 1),
            LOOKS: (parse(f"{settings.visitor_looks}/hour"), 1),
            CAMERA: (parse(f"{settings.visitor_camera_seconds * _UNIT}/hour"), _UNIT),
            QUESTIONS: (parse(f"{settings.visitor_questions}/hour"), 1),
            ERASURES: (parse(f"{settings.visitor_erasures}/hour"), 1),
        }

    def take(self, what: str, visitor: str, amount: float = 1.0) -> Spent | None:
        """Count something that a visitor does; why they may not, if they have used it up.

        Args:
            what: of which quota.
            visitor: as of :func:`~.visitors.visitor_of`.
            amount: how much of it.
        """
        item, unit = self._most[what]
        if self._counted.hit(item, what, visitor, cost=max(1, round(amount * unit))):
            return None
        again = self._counted.get_window_stats(item, what, visitor).reset_time - time.time()
        return Spent(what, max(1, min(round(again), item.get_expiry())))
