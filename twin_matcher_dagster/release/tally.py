"""How many questions were answered, how, and how fast: for Prometheus, and for the log.

Nothing of a photo is in them, no vector, no name and no id of anybody.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY, Gauge, Histogram
from prometheus_client import Counter as CounterMetric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.release.answers import Answer, ChoiceAnswer, FaceChoice, PairAnswer
from twin_matcher_dagster.release.reasons import SEVERAL_FACES, refusal_reason

Given = Answer | FaceChoice | PairAnswer | ChoiceAnswer

# Of one photo on two cores: 0.1 s when nobody else asks, some seconds in a queue.
_SECONDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 4, 8, 16)
# Where the words change, see `likeness_in_words`, and what is beyond.
_LIKENESS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1)
_RANKS = 10

_ANSWERS = CounterMetric(
    "twin_matcher_answers", "Questions that were answered.", ["door", "question"]
)
_REFUSALS = CounterMetric(
    "twin_matcher_refusals", "Questions without an answer, by why.", ["door", "reason"]
)
_DURATION = Histogram(
    "twin_matcher_answer_seconds",
    "Time from the bytes of a photo to its answer or refusal.",
    ["door"],
    buckets=_SECONDS,
)
_IN_FLIGHT = Gauge("twin_matcher_in_flight", "Questions that are being answered.", ["door"])
_WAITING = Gauge("twin_matcher_waiting", "Questions that wait for their turn.", ["door"])
_RELEASE = Gauge("twin_matcher_release", "Number of the release that answered last.")
_BEST = Histogram(
    "twin_matcher_best_likeness",
    "Likeness of the first twin: share of pairs of people that are less alike.",
    buckets=_LIKENESS,
)
_HINTS = CounterMetric("twin_matcher_hints", "What made answers less sure.", ["reason"])

_LOG = logging.getLogger(__name__)


class TwinFrequencies(Collector):
    """How evenly twins are given: who it is that somebody gets often is not told, but how often.

    Of the newest release alone: with another one other people are in the gallery.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._release = 0
        self._counts: Counter[str] = Counter()

    def count(self, answer: Answer) -> None:
        """Count an answer's first twin."""
        if not answer.twins:
            return
        with self._lock:
            if answer.release > self._release:
                self._release, self._counts = answer.release, Counter()
            if answer.release == self._release:
                self._counts[answer.twins[0].identity_id] += 1

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The figures, as Prometheus asks for them."""
        with self._lock:
            often = [count for _, count in self._counts.most_common(_RANKS)]
            different, total = len(self._counts), self._counts.total()
        ranks = GaugeMetricFamily(
            "twin_matcher_twin_frequency",
            "Share of answers whose first twin is the commonest, the second commonest, ...",
            labels=["rank"],
        )
        for rank, count in enumerate(often, 1):
            ranks.add_metric([str(rank)], count / total)
        yield ranks
        yield GaugeMetricFamily(
            "twin_matcher_different_twins", "How many people were somebody's first twin.", different
        )


_FREQUENCIES = TwinFrequencies()
REGISTRY.register(_FREQUENCIES)


@contextmanager
def counting(door: str, question: str = "twins") -> Generator[Callable[[Given], None]]:
    """Count one question: ``with counting("page") as count: count(finder.ask(photo))``.

    An error that leaves the block is counted as a refusal.

    Args:
        door: where it was asked: page, api or python.
        question: which: twins, compare or choose.

    Yields:
        What takes the answer.
    """
    given: list[Given] = []
    began = time.perf_counter()
    with _IN_FLIGHT.labels(door).track_inprogress():
        try:
            yield given.append
        except BaseException as error:
            reason = refusal_reason(error) if isinstance(error, TwinMatcherError) else "bug"
            count_refusal(door, reason)
            _finish(door, question, reason, began)
            raise
    for answer in given:
        _count(door, question, answer)
        _finish(door, question, type(answer).__name__, began)


def _finish(door: str, question: str, said: str, began: float) -> None:
    seconds = time.perf_counter() - began
    _DURATION.labels(door).observe(seconds)
    more = {"door": door, "question": question, "said": said, "ms": round(1000 * seconds)}
    _LOG.info("asked", extra=more)


@contextmanager
def waiting(door: str) -> Generator[None]:
    """Count a question that waits for its turn, for as long as the block lasts."""
    with _WAITING.labels(door).track_inprogress():
        yield


def watch_waiting(door: str, count: Callable[[], int]) -> None:
    """Have somebody else say how many wait at a door, whenever the figures are asked for.

    Args:
        door: which.
        count: how many wait there.
    """
    _WAITING.labels(door).set_function(count)


def count_refusal(door: str, reason: str) -> None:
    """Count a question that was refused before it was looked at.

    Args:
        door: as of :func:`counting`.
        reason: a code, as of :func:`~.reasons.refusal_reason`.
    """
    _REFUSALS.labels(door, reason).inc()


def _count(door: str, question: str, answer: Given) -> None:
    if isinstance(answer, FaceChoice):
        count_refusal(door, SEVERAL_FACES)
        return
    _ANSWERS.labels(door, question).inc()
    if isinstance(answer, Answer):
        _RELEASE.set(answer.release)
        _FREQUENCIES.count(answer)
        for hint in answer.hints:
            _HINTS.labels(hint.reason).inc()
        if answer.twins and answer.twins[0].likeness is not None:
            _BEST.observe(answer.twins[0].likeness)
