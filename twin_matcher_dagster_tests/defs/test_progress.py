"""What an asset logs of how far it is, and how often."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from twin_matcher_dagster.defs.results import progress_of


def logged(took_s: float, steps: int = 100) -> list[str]:
    """What is logged of work that goes on evenly for so long; each step is reported twice."""
    said: list[str] = []
    now = 50.0
    context: Any = SimpleNamespace(log=SimpleNamespace(info=said.append))
    report = progress_of(context, lambda: now)
    for step in range(steps + 1):
        now = 50.0 + took_s * step / steps
        report(step / steps)
        report(step / steps)
    return said


def lines(percent: Iterable[int]) -> list[str]:
    return [f"progress {one}%" for one in percent]


def test_quick_work_logs_its_beginning_and_its_end() -> None:
    assert logged(0.5) == lines([0, 100])


def test_longer_work_logs_every_second() -> None:
    assert logged(4) == lines([0, 25, 50, 75, 100])


def test_long_work_logs_no_share_twice() -> None:
    assert logged(1000, 10_000) == lines(range(101))
