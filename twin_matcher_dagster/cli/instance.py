"""Dagster's instance, for a command that is run by hand."""

from __future__ import annotations

import dagster as dg

from twin_matcher_dagster.local.dagster_storage import check_storage
from twin_matcher_dagster.settings import Settings


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of the environment of the services, to be closed by ``with``.

    Raises:
        ServicesError: its storage cannot be opened.
    """
    check_storage(settings)
    return dg.DagsterInstance.get()
