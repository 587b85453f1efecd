"""Starts runs as Dagster does on one machine, and can tell whether one still has its process."""

from __future__ import annotations

import json
import time

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import ConfigurableClassData, deserialize_value

SETTLED_SECONDS = 15.0
"""A code server has been there for so long before its word counts: until then Dagster's daemon may
still have the one before it, and would start a failed run again once, in vain."""


class WatchfulRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, with a health check for its run monitoring.

    A run is a child process of the code server, which notices when one is gone. When the code
    server goes, its runs go with it (whoever keeps it running sees to that), and nobody is left to
    notice: a run would be "started" for ever, and keep its place. The server that comes after it,
    at the same address, does not know the run, and that is how it is found.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        self._first_seen: dict[str, float] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes: this is what makes the run monitoring look at runs that go on."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the code server knows a run; while it is away, runs count as going on."""
        where = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
        if not where:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        client = DagsterGrpcClient(where.get("port"), where.get("socket"), where["host"])
        try:
            server = client.get_server_id()
            current = deserialize_value(client.get_current_runs(), GetCurrentRunsResult)
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        now = time.monotonic()
        settled = now - self._first_seen.setdefault(server, now) >= SETTLED_SECONDS
        if not settled or current.serializable_error_info or run.run_id in current.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND, "The process of this run is gone, with its code server."
        )
