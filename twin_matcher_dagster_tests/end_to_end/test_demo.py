"""The demo, interrupted and killed, as a process of its own."""

from __future__ import annotations

import os
import random
import signal
import socket
import time

import dagster as dg
import pytest
from pydantic import SecretStr

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.local.dagster_storage import PG_URL, database_url
from twin_matcher_dagster_tests.end_to_end.conftest import PATIENCE, Installation
from twin_matcher_dagster_tests.end_to_end.flow import Flow
from twin_matcher_dagster_tests.end_to_end.promises import twice_at_once
from twin_matcher_dagster_tests.end_to_end.visitors import crowd
from twin_matcher_dagster_tests.postgres import postgres_server

# Each starts a whole installation: longer than a usual test on a busy machine.
pytestmark = pytest.mark.timeout(900)

INTERRUPTIONS = int(os.environ.get("INTERRUPTIONS", "2"))
AT_ONE = 4
"""So many interruptions of one installation, one after the other, before it may end."""
MOMENTS = (
    *("Services log to", "upload +running", "Dagster is at", "user_faces +running"),
    *("raw_faces +running", "balanced_faces +queued", "balanced_faces +running"),
    *("twin_dataset +running", "twin_model +running", "twin_model +done"),
    *("face_index +running", "production_release +(queued|running)"),
)


def test_an_interrupted_demo_leaves_nothing_running(installation: Installation) -> None:
    demo = installation.start("demo")
    # A run is on its way, in a process of its own.
    installation.wait_for(r"(user|raw|balanced)_faces +running", demo, 240)
    demo.send_signal(signal.SIGTERM)
    assert demo.wait(120) == 130
    assert installation.left_running() == []


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(max(1, INTERRUPTIONS // AT_ONE)))
def test_a_demo_that_was_interrupted_goes_on(installation: Installation, seed: int) -> None:
    """Ctrl-C and kill -9 at seeded moments: the retry of a cut run and a new launch are one."""
    draw = random.Random(seed)  # noqa: S311
    for _ in range(min(AT_ONE, INTERRUPTIONS)):
        demo = installation.start("demo")
        moment = draw.choice(MOMENTS)
        # Where that was made before, the demo may come to its end.
        installation.wait_for(f"{moment}|Done in", demo, PATIENCE)
        time.sleep(draw.uniform(0, 3))
        demo.send_signal(draw.choice([signal.SIGINT, signal.SIGKILL]))
        assert demo.wait(120) in (130, -signal.SIGKILL, 0)
    demo = installation.start("demo")
    installation.wait_for("Done in", demo, PATIENCE)
    assert demo.wait(120) == 0
    flow = Flow(installation, print)
    try:
        flow.upload(crowd(1, seed)[0])
        flow.settle()
        assert flow.states()["accepted"] == 1
        assert twice_at_once(flow.instance) == []
    finally:
        flow.close()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_demo_runs_whole_on_postgresql(installation: Installation) -> None:
    with postgres_server() as server:
        demo = installation.start("demo", DAGSTER_PG_URL=server.url)
        installation.wait_for("Done in", demo, 900)
        assert demo.wait(120) == 0
        # All that Dagster noted is in the database, and nothing is in SQLite.
        assert list(installation.home.rglob("*.db")) == []
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(PG_URL, database_url(SecretStr(server.url)))
            folder = str(installation.home / "postgres")
            with dg.DagsterInstance.from_config(folder) as instance:
                assert len(instance.get_dynamic_partitions(keys.UPLOADS_PARTITION)) == 1
                for asset in keys.ASSETS:
                    assert instance.get_latest_materialization_event(dg.AssetKey(asset)), asset
                runs = instance.get_runs()
                assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
        password = server.url.split(":")[2].split("@")[0]
        files = [path for path in installation.home.rglob("*") if path.is_file()]
        assert not [path for path in files if password.encode() in path.read_bytes()]
        assert password not in installation.output.read_text()


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
