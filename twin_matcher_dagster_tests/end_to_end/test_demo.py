"""The demo, interrupted and killed, as a process of its own."""

from __future__ import annotations

import signal
import socket
import time

import pytest

from twin_matcher_dagster_tests.end_to_end.conftest import Installation

# Each starts a whole installation: longer than a usual test on a busy machine.
pytestmark = pytest.mark.timeout(900)


def test_an_interrupted_demo_leaves_nothing_running(installation: Installation) -> None:
    demo = installation.start("demo")
    installation.wait_for(r"balanced_faces +running", demo, 240)
    demo.send_signal(signal.SIGTERM)
    assert demo.wait(120) == 130
    assert installation.left_running() == []


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
