"""The process: Dagster's webserver and what is mounted beside it, behind the guard."""

from __future__ import annotations

import logging
import os
from contextlib import suppress

import dagster as dg
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.interrupts import setup_interrupt_handlers
from dagster._utils.log import configure_loggers

from twin_matcher_dagster.access.guard import App
from twin_matcher_dagster.access.installation import guarded
from twin_matcher_dagster.local.environment import WORKSPACE, state_folder
from twin_matcher_dagster.review.app import review_app
from twin_matcher_dagster.review.waiting import REVIEW_PATH
from twin_matcher_dagster.settings import EMBEDDED_BUCKET, Settings
from twin_matcher_dagster.storage.object_store import PAGE_CONFIG, ObjectStore
from twin_matcher_dagster.webserver.dagster_app import dagster_app, workspace_context
from twin_matcher_dagster.webserver.server import server_of

# As dagster-webserver has them: a query that a person waits for.
_STATEMENT_MS, _RECYCLE_S, _OVERFLOW = 15_000, 3600, 20


def mounted(store: ObjectStore) -> dict[str, App]:
    """What is served beside Dagster, by the path that it begins with."""
    return {REVIEW_PATH: review_app(store)}


def main() -> None:
    """Serve until the process is told to end."""
    configure_loggers(log_level="INFO")
    logging.basicConfig(format="%(name)s: %(message)s")
    setup_interrupt_handlers()
    settings = Settings()
    store = ObjectStore.from_environment(
        settings.twin_matcher_bucket or EMBEDDED_BUCKET, PAGE_CONFIG
    )
    workspace = os.environ.get("TWIN_MATCHER_WORKSPACE", str(WORKSPACE))
    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(_STATEMENT_MS, _RECYCLE_S, _OVERFLOW)
        with workspace_context(instance, WorkspaceFileTarget([workspace])) as context:
            app = guarded(
                dagster_app(context),
                mounted(store),
                settings,
                state_folder(settings),
                store,
            )
            # How Dagster's handlers tell that the process is to end.
            with suppress(KeyboardInterrupt):
                server_of(app, settings).run()


if __name__ == "__main__":
    main()
