"""The camera with a guide: frames come in one by one, and the page says at once what is missing."""

from __future__ import annotations

import time

import numpy as np

from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.faces.clip import MIN_FACES, ClipReport, report_on
from twin_matcher_dagster.faces.coverage import WANTED_YAW
from twin_matcher_dagster.faces.frame_collector import FaceCollector
from twin_matcher_dagster.media.video import MAX_FRAMES
from twin_matcher_dagster.pages.catalogue import Words
from twin_matcher_dagster.refusals import FAULTS
from twin_matcher_dagster.settings import Settings

# A few more than are needed, because some may be left out when all are judged together.
ENOUGH = MIN_FACES + 12
TURN_WITHIN_S = 8.0
"""Who turned to neither side for so long, and has enough pictures, is told that these do."""
# On each half of the ring.
_TICKS = 12


class Guide:
    """What a person has shown to the camera so far."""

    def __init__(self) -> None:
        self._collector = FaceCollector()
        self._started: float | None = None
        self._advice, self._known_text = "guide.press", True
        self.done = False
        self._good = 0

    def add(self, frame: np.ndarray) -> bool:
        """Look at one more frame; whether the set is complete now, or as large as it may become.

        Args:
            frame: uint8 RGB [height, width, 3].
        """
        if self.done:
            return False
        now = time.monotonic()
        self._started = now if self._started is None else self._started
        self._collector.add(frame, now - self._started)
        problem = self._collector.trouble()
        self._good += problem is None
        coverage = self._collector.coverage
        if problem:
            self._say(FAULTS[problem].camera)
        elif coverage.missing and self._good >= ENOUGH and now - self._started > TURN_WITHIN_S:
            self._say_text("guide.enough")
        elif coverage.missing:
            self._say(coverage.missing[0])
        else:
            self._say_text("guide.good")
        enough = self._good >= ENOUGH and not coverage.missing
        # One more, and every other frame would be dropped, good ones too.
        return enough or len(self._collector.frames) >= MAX_FRAMES

    def finish(self) -> ClipReport:
        """End, and judge the faces as those of a clip are judged."""
        self.done = True
        try:
            report = report_on(self._collector, Settings().recogniser)
        except TwinMatcherError:
            self.done = False  # it may work another time
            raise
        self._say_text("guide.failed" if report.refused else "guide.done")
        return report

    def advice(self, words: Words) -> str:
        """What to do next, in a sentence."""
        return words(self._advice) if self._known_text else words.said(self._advice)

    def ring(self, words: Words) -> str:
        """How far it is, as HTML: a ring of directions around the number of good pictures."""
        coverage = self._collector.coverage
        left, right = (min(1.0, one / WANTED_YAW) for one in (coverage.left, coverage.right))
        return words.render(
            "guide.html",
            good=self._good,
            share=round(100 * min(1.0, self._good / ENOUGH)),
            left=round(coverage.left),
            right=round(coverage.right),
            ticks=[*_half(left, -1), *_half(right, 1), {"turn": 0, "lit": self._good > 0}],
        )

    def _say(self, sentence: str) -> None:
        self._advice, self._known_text = sentence, False

    def _say_text(self, key: str) -> None:
        self._advice, self._known_text = key, True


def _half(share: float, side: int) -> list[dict[str, float | bool]]:
    """One half of the ring, from ahead at the top to the bottom; lit as far as the head turned."""
    lit = round(share * _TICKS)
    step = 180 / (_TICKS + 1)
    return [{"turn": side * step * n, "lit": n <= lit} for n in range(1, _TICKS + 1)]
