"""The demo, interrupted and killed, as a process of its own."""

from __future__ import annotations

import signal
import socket
import time

import dagster as dg
import pytest

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster_tests.end_to_end.conftest import Installation

# Each starts a whole installation: longer than a usual test on a busy machine.
pytestmark = pytest.mark.timeout(900)


def test_an_interrupted_demo_leaves_nothing_running(installation: Installation) -> None:
    demo = installation.start("demo")
    installation.wait_for(r"balanced_faces +running", demo, 240)
    demo.send_signal(signal.SIGTERM)
    assert demo.wait(120) == 130
    assert installation.left_running() == []


@pytest.mark.slow
def test_a_demo_that_was_interrupted_makes_nothing_twice(installation: Installation) -> None:
    """The retry of the cut run and the job that is launched anew are one."""
    demo = installation.start("demo")
    installation.wait_for(r"balanced_faces +running", demo, 240)
    demo.send_signal(signal.SIGINT)
    assert demo.wait(120) == 130
    demo = installation.start("demo")
    installation.wait_for("Done in", demo, 240)
    assert demo.wait(120) == 0
    folder = str(installation.home / "dagster")
    with dg.DagsterInstance.from_config(folder) as instance:
        for asset in (keys.RAW_FACES, keys.BALANCED_FACES, keys.TWIN_DATASET, keys.FACE_INDEX):
            made = instance.fetch_materializations(dg.AssetKey(asset), limit=9).records
            assert len(made) == 1, asset


def test_a_killed_demo_leaves_nothing_running(installation: Installation) -> None:
    demo = installation.start("demo")
    installation.wait_for(r"Dagster is at", demo, 120)
    demo.kill()
    demo.wait()
    deadline = time.monotonic() + 120
    while installation.left_running() and time.monotonic() < deadline:
        time.sleep(1)
    assert installation.left_running() == []


def test_a_taken_port_is_a_clear_error(installation: Installation) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(installation.variables["PREDICT_PORT"])))
        taken.listen()
        up = installation.start("up")
        assert up.wait(120) == 1
    printed = installation.output.read_text()
    assert f"Port {installation.variables['PREDICT_PORT']}, wanted for predict, is taken" in printed
    assert "PREDICT_PORT=" in printed
