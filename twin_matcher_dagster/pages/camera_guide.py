"""The camera with hints: frames come in one by one, and the page says at once what is missing."""

from __future__ import annotations

import html
import time

import numpy as np

from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.faces.clip import MIN_FACES, ClipReport, report_on
from twin_matcher_dagster.faces.frame_collector import FaceCollector
from twin_matcher_dagster.media.video import MAX_FRAMES
from twin_matcher_dagster.refusals import FAULTS
from twin_matcher_dagster.settings import Settings

# A few more than are needed, because some may be left out when all are judged together.
ENOUGH = MIN_FACES + 12


class Guide:
    """What a person has shown to the camera so far."""

    def __init__(self) -> None:
        self._collector = FaceCollector()
        self._started: float | None = None
        self._advice = "Press the button of the camera, and look at it."
        self.done = self.abandoned = False
        self._good = self._frames = 0

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
            self._advice = FAULTS[problem].camera
        elif coverage.missing:
            self._advice = coverage.missing[0]
        else:
            self._advice = "Good. Keep turning slowly, and blink now and then."
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
        if report.refused:
            self._advice = "That did not work: see below why, and press Start again."
        else:
            self._advice = "Done. You can stop the camera."
        return report

    def advice(self) -> str:
        """What to do next, and how far it is, as HTML."""
        faces, coverage = self._good, self._collector.coverage
        share = min(1.0, faces / ENOUGH) / 2 + coverage.share / 2
        return (
            f'<div class="advice" role="status">{html.escape(self._advice)}'
            f'<div class="bar"><div style="width:{100 * share:.0f}%"></div></div>'
            f"<small>{faces} faces, left {coverage.left:.0f}°, right "
            f"{coverage.right:.0f}°</small></div>"
        )
