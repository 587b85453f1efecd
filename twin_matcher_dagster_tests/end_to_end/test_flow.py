"""The running flow: parts of it are killed, and many visitors come at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster_tests.end_to_end.conftest import Installation
from twin_matcher_dagster_tests.end_to_end.flow import Flow, storm
from twin_matcher_dagster_tests.end_to_end.promises import twice_at_once
from twin_matcher_dagster_tests.end_to_end.visitors import crowd

# As long as there is progress; `Flow.settle` fails where there is none.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]

SEED = int(os.environ.get("SEED", "1"))
"""`benchmarks/prove_flow.py` takes sizes too."""


@pytest.fixture
def flow(installation: Installation, first_release: Path) -> Iterator[Flow]:
    """An installation with a release."""
    installation.begin_as(first_release)
    made = Flow(installation, print)
    yield made
    made.close()


def test_whatever_is_killed_nothing_is_lost(flow: Flow) -> None:
    """``settle`` says what has to hold: nothing is left waiting, hanging, doubled or unerased."""
    visitors = crowd(8, SEED, poisoned=1, impostors=1)
    storm(flow, visitors, erasures=2, kills=10, seed=SEED, pause_s=8)
    flow.settle()
    assert twice_at_once(flow.instance) == []
    assert flow.states()["erased"] == 2


def test_many_at_once_are_released_together(flow: Flow) -> None:
    before = flow.made(keys.PRODUCTION_RELEASE), flow.made(keys.TWIN_MODEL)
    storm(flow, crowd(20, SEED, poisoned=3), erasures=0, kills=0, seed=SEED, pause_s=1)
    flow.settle()
    assert flow.states()["rejected"] == 3
    assert flow.made(keys.PRODUCTION_RELEASE) - before[0] <= 3
    assert flow.made(keys.TWIN_MODEL) - before[1] <= 1
