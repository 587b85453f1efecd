"""Dagster's real webserver behind the guard, served on a port, with an instance of its own."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
from dagster._core.test_utils import instance_for_test
from dagster._core.workspace.load_target import EmptyWorkspaceTarget

from twin_matcher_dagster.access.audit import AuditLog, Deed
from twin_matcher_dagster.access.guard import Guard
from twin_matcher_dagster.access.installation import guarded
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.local.sign_in_token import keep_token, read_token
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.webserver.dagster_app import dagster_app, workspace_context
from twin_matcher_dagster.webserver.server import server_of
from twin_matcher_dagster_tests.access.listening import listening
from twin_matcher_dagster_tests.memory import memory_bucket


def limit(key: str) -> str:
    """A change that needs no definitions, and that can be seen in the instance."""
    return f'mutation {{ setConcurrencyLimit(concurrencyKey: "{key}", limit: 3) }}'


@dataclass
class Served:
    """What is served, and what was done.

    Attributes:
        url: of the guard.
        token: of the installation.
        dagster: the webserver's application, which nobody should reach without the guard.
        guard: in front of it.
        instance: of Dagster.
        bucket: with the audit log.
        home: the state folder.
    """

    url: str
    token: str
    dagster: Any
    guard: Guard
    instance: dg.DagsterInstance
    bucket: Any
    home: Path

    def limits(self) -> set[str]:
        """The keys of all that :func:`limit` changed."""
        return set(self.instance.event_log_storage.get_concurrency_keys())

    def deeds(self) -> list[Deed]:
        """What the audit log has."""
        return list(AuditLog(self.bucket).deeds())


@contextmanager
def served_dagster(home: Path, **values: Any) -> Generator[Served]:
    """Serve, for as long as the block lasts.

    Args:
        home: an empty folder.
        values: settings.
    """
    home.mkdir(exist_ok=True)
    held = HeldPorts(1)
    port = held.numbers[0]
    settings = Settings(twin_matcher_home=home, dagster_port=port, **values)
    keep_token(home, settings.dagster_token)
    bucket = memory_bucket()
    store: Any = SimpleNamespace(within=lambda seconds: bucket)
    with (
        instance_for_test(temp_dir=str(home), overrides={"telemetry": {"enabled": False}}) as made,
        workspace_context(made, EmptyWorkspaceTarget()) as context,
    ):
        inner = dagster_app(context)
        guard = guarded(inner, {}, settings, home, store)
        server = server_of(guard, settings)
        scheme = "https" if settings.tls_cert else "http"
        url = f"{scheme}://127.0.0.1:{port}"
        with listening(server):
            held.release()
            yield Served(url, read_token(home), inner, guard, made, bucket, home)
