"""Runs of Dagster: launched as a click does, and marked as failed where a stop cut them off."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import dagster as dg

from twin_matcher_dagster.cli.instance import open_instance
from twin_matcher_dagster.defs.keys import JOB_ASSETS
from twin_matcher_dagster.defs.live_work import live_work
from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.local import services
from twin_matcher_dagster.local.environment import state_folder
from twin_matcher_dagster.local.sign_in_token import authorization
from twin_matcher_dagster.reconciliation.facts import Work
from twin_matcher_dagster.settings import Settings

_ANSWER_SECONDS = 300


def fail_interrupted_runs(settings: Settings) -> int:
    """Mark Dagster runs that a stopped machine or service cut off as failed.

    The run-retry daemon then starts them again; without this they would be "running" for ever.

    Returns:
        How many there were.

    Raises:
        ServicesError: Dagster's storage cannot be opened.
    """
    cut_off = [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    with open_instance(settings) as instance:
        runs = instance.get_runs(dg.RunsFilter(statuses=cut_off))
        for run in runs:
            instance.report_run_failed(run, "The services were stopped while this run went on.")
        return len(runs)


def is_on_its_way(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether what a job makes is queued, is being made, or is tried again at once."""
    return not live_work(instance).isdisjoint(Work("make", asset) for asset in JOB_ASSETS[job])


def launch_job(settings: Settings, job: str, config: Mapping[str, Any] | None = None) -> str:
    """Launch a job of the graph, as a click in the Dagster UI does.

    Args:
        settings: of the installation.
        job: its name.
        config: of single assets, by their name.

    Returns:
        The run's id.

    Raises:
        ServicesError: Dagster refuses.
    """
    from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError
    from gql.transport.requests import RequestsHTTPTransport

    # Named one by one, as the UI does: the automation then knows what the run makes.
    ops = {asset: {"config": values} for asset, values in (config or {}).items()}
    url = urlsplit(services.urls(settings)[services.DAGSTER])
    transport = RequestsHTTPTransport(
        f"{url.geturl()}/graphql",
        headers=authorization(state_folder(settings)),
        # A certificate is of the name that people know, and this is our own machine.
        verify=False,
        timeout=_ANSWER_SECONDS,
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of urllib3, about that
            client = DagsterGraphQLClient(url.netloc, transport=transport)
            return client.submit_job_execution(
                job, run_config={"ops": ops} if ops else None, asset_selection=JOB_ASSETS[job]
            )
    except DagsterGraphQLClientError as error:
        raise ServicesError(f"Dagster would not launch the job {job}: {error}") from error
