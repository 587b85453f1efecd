"""Trainings as runs of a real MLflow server, by its own client, where both are installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from twin_matcher_dagster.errors import TrackingError
from twin_matcher_dagster.publication import mlflow_runs
from twin_matcher_dagster.publication.mlflow_runs import track_trainings
from twin_matcher_dagster.storage.logs import leaderboards, models
from twin_matcher_dagster.storage.records.leaderboard import Leaderboard
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket
from twin_matcher_dagster_tests.records import LEADERBOARD, MODEL


@pytest.fixture
def kit() -> Kit:
    """A bucket in memory with one training, measured."""
    made = Kit(memory_bucket())
    models(made.store).commit(replace(MODEL, curve=CURVE))
    leaderboards(made.store).commit(LEADERBOARD)
    return made


CURVE = ({"epoch": 1, "train_loss": 0.5}, {"epoch": 2, "train_loss": 0.25})


def test_without_the_client_it_is_said_what_to_install(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(TrackingError, match=r"pip install 'twin-matcher-dagster\[mlflow\]'"):
        track_trainings(kit.store, "http://127.0.0.1:1")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tracking server of its own process."""
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    program = shutil.which("mlflow", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("mlflow's server is not installed")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = f"sqlite:///{folder}/mlflow.db"
    command = [program, "server", "--port", str(port), "--backend-store-uri", store]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([*command, "--workers", "1"], cwd=folder) as process:
        try:
            while True:
                try:
                    if httpx.get(f"{url}/health").is_success:
                        break
                except httpx.HTTPError:
                    assert process.poll() is None
                    time.sleep(0.5)
            yield url
        finally:
            process.terminate()


def runs(url: str) -> list:
    from mlflow import MlflowClient

    client = MlflowClient(url)
    experiment = client.get_experiment_by_name(mlflow_runs.EXPERIMENT)
    assert experiment
    return client.search_runs([experiment.experiment_id])


@pytest.mark.slow
def test_a_training_is_one_run_however_often_it_is_sent(kit: Kit, server: str) -> None:
    from mlflow import MlflowClient

    assert track_trainings(kit.store, server) == 1
    assert track_trainings(kit.store, server) == 0
    (run,) = runs(server)
    assert (run.info.run_name, run.info.status) == ("model 7", "FINISHED")
    assert run.data.params["plan.seed"] == "0"
    assert run.data.params["data.faces"] == "50"
    assert run.data.tags["environment.torch"] == "2.13.0"
    assert run.data.tags["mlflow.source.git.commit"] == "0123abc"
    assert run.data.metrics["rank_1"] == 0.97
    losses = MlflowClient(server).get_metric_history(run.info.run_id, "train_loss")
    assert [(one.step, one.value) for one in losses] == [(1, 0.5), (2, 0.25)]
    # What became of it, and what was measured since, joins it.
    (row,) = LEADERBOARD.trainings
    later = replace(row, outcome="refused", figures={**row.figures, "rank-1 of newcomers": 0.5})
    leaderboards(kit.store).commit(Leaderboard.of((later,)))
    assert track_trainings(kit.store, server) == 1
    (run,) = runs(server)
    assert run.data.tags["twin_matcher.outcome"] == "refused"
    assert run.data.metrics["rank_1_of_newcomers"] == 0.5
    # One that was cut off is completed.
    MlflowClient(server).set_terminated(run.info.run_id, "FAILED")
    assert track_trainings(kit.store, server) == 1
    assert [one.info.status for one in runs(server)] == ["FINISHED"]


@pytest.mark.slow
def test_a_server_that_is_away_is_an_error_in_words(kit: Kit) -> None:
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    with pytest.raises(TrackingError, match="MLflow at MLFLOW_TRACKING_URI"):
        track_trainings(kit.store, "http://127.0.0.1:1")
