"""The run launcher: a run that the code server does not know has lost its process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import grpc
import pytest
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.__generated__ import dagster_api_pb2
from dagster._grpc.__generated__.dagster_api_pb2_grpc import (
    DagsterApiServicer,
    add_DagsterApiServicer_to_server,
)
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import serialize_value

from twin_matcher_dagster.defs import run_launcher
from twin_matcher_dagster.defs.run_launcher import WatchfulRunLauncher
from twin_matcher_dagster.local import environment


class CodeServer(DagsterApiServicer):
    """Knows one run."""

    def GetCurrentRuns(self, request: object, context: object) -> object:  # noqa: N802
        known = GetCurrentRunsResult(current_runs=["known"], serializable_error_info=None)
        return dagster_api_pb2.GetCurrentRunsReply(serialized_current_runs=serialize_value(known))

    def GetServerId(self, request: object, context: object) -> object:  # noqa: N802
        return dagster_api_pb2.GetServerIdReply(server_id="this one")


@pytest.fixture
def socket(tmp_path: Path) -> Iterator[Path]:
    server = grpc.server(ThreadPoolExecutor(2))
    add_DagsterApiServicer_to_server(CodeServer(), server)
    server.add_insecure_port(f"unix:{tmp_path / 'code.sock'}")
    server.start()
    yield tmp_path / "code.sock"
    server.stop(None).wait()


@pytest.fixture
def launcher(monkeypatch: pytest.MonkeyPatch) -> WatchfulRunLauncher:
    monkeypatch.setattr(run_launcher, "SETTLED_SECONDS", 0.0)
    return WatchfulRunLauncher()


def health_of(launcher: WatchfulRunLauncher, run_id: str, socket: Path) -> WorkerStatus:
    tags = {GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": str(socket)})}
    run = dg.DagsterRun("job", run_id=run_id, tags=tags)
    return launcher.check_run_worker_health(run).status


def test_a_run_that_the_code_server_does_not_know_is_gone(
    launcher: WatchfulRunLauncher, socket: Path
) -> None:
    assert health_of(launcher, "known", socket) is WorkerStatus.RUNNING
    assert health_of(launcher, "of the server before", socket) is WorkerStatus.NOT_FOUND


def test_the_word_of_a_new_code_server_counts_after_a_moment(
    launcher: WatchfulRunLauncher, socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then a failed run would be started again in vain."""
    monkeypatch.setattr(run_launcher, "SETTLED_SECONDS", 0.5)
    assert health_of(launcher, "of the server before", socket) is WorkerStatus.RUNNING
    time.sleep(0.6)
    assert health_of(launcher, "of the server before", socket) is WorkerStatus.NOT_FOUND


def test_while_the_code_server_is_away_nobody_can_tell(
    launcher: WatchfulRunLauncher, tmp_path: Path
) -> None:
    assert health_of(launcher, "known", tmp_path / "nobody.sock") is WorkerStatus.RUNNING


def test_a_server_that_cannot_be_asked_tells_nothing(
    launcher: WatchfulRunLauncher, tmp_path: Path
) -> None:
    """`dagster code-server start` stands before the server, and does not pass the question on."""
    server = grpc.server(ThreadPoolExecutor(2))
    add_DagsterApiServicer_to_server(DagsterApiServicer(), server)
    server.add_insecure_port(f"unix:{tmp_path / 'proxy.sock'}")
    server.start()
    assert health_of(launcher, "known", tmp_path / "proxy.sock") is WorkerStatus.RUNNING
    server.stop(None).wait()


def test_the_instance_of_one_machine_is_set_up_for_cut_off_runs(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").symlink_to(environment.WORKSPACE.with_name("dagster.yaml"))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.run_launcher, WatchfulRunLauncher)
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_poll_interval_seconds <= 10
        queue = instance.get_concurrency_config().run_queue_config
        assert queue
        assert queue.max_user_code_failure_retries * queue.user_code_failure_retry_delay > 86_400
