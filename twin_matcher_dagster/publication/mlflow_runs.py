"""Every training as a run of MLflow, where an operator has a tracking server.

The client is MLflow's own (the extra ``mlflow``); it reads the address, credentials and the name of
the experiment from its usual variables. Counts and figures are sent; nobody's name, id or face.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from twin_matcher_dagster.errors import TrackingError
from twin_matcher_dagster.storage.logs import leaderboards, models
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.leaderboard import MeasuredTraining

if TYPE_CHECKING:
    from collections.abc import Generator

    from mlflow import MlflowClient
    from mlflow.entities import Run

EXPERIMENT = "twin-matcher"
"""Where MLFLOW_EXPERIMENT_NAME says nothing."""
_MARK = "twin_matcher.fingerprint"
_OUTCOME = "twin_matcher.outcome"
# Of a request; mlflow tries seven times, with waits of up to two minutes.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}


def track_trainings(store: ObjectStore, uri: str) -> int:
    """Send the trainings that MLflow has not, and what became of the others.

    What was cut off is completed the next time.

    Args:
        store: the bucket.
        uri: of the tracking server.

    Returns:
        How many runs were begun or changed.

    Raises:
        TrackingError: MLflow is not installed, does not answer, or refuses.
    """
    rows = leaderboards(store).existing_head().record.trainings
    curves = {entry.fingerprint: entry.record.curve for entry in models(store).entries()}
    with _client(uri) as client:
        experiment = _experiment(client)
        known = _runs(client, experiment)
        changed = 0
        for row in rows:
            run = known.get(row.fingerprint)
            if run is None or not _is_complete(run, row):
                _send(client, experiment, run, row, curves.get(row.fingerprint, ()))
                changed += 1
    return changed


@contextmanager
def _client(uri: str) -> Generator[MlflowClient]:
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise TrackingError(
            "MLFLOW_TRACKING_URI is set, and MLflow is not installed: "
            "pip install 'twin-matcher-dagster[mlflow]'."
        ) from error
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    try:
        yield MlflowClient(tracking_uri=uri)
    except (MlflowException, OSError) as error:
        raise TrackingError(f"MLflow at MLFLOW_TRACKING_URI: {error}") from error


def _experiment(client: MlflowClient) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)


def _runs(client: MlflowClient, experiment: str) -> dict[str, Run]:
    """Runs of ours by the fingerprint of their model."""
    found: dict[str, Run] = {}
    token = None
    while True:
        page = client.search_runs([experiment], max_results=1000, page_token=token)
        found |= {run.data.tags[_MARK]: run for run in page if _MARK in run.data.tags}
        token = page.token
        if not token:
            return found


def _is_complete(run: Run, row: MeasuredTraining) -> bool:
    """Whether a run says all that is known of its training; it is finished last."""
    said = run.data.tags.get(_OUTCOME) == row.outcome and run.info.status == "FINISHED"
    return said and {_metric_name(name) for name in row.figures} <= set(run.data.metrics)


def _send(
    client: MlflowClient,
    experiment: str,
    run: Run | None,
    row: MeasuredTraining,
    curve: tuple[Mapping[str, Any], ...],
) -> None:
    from mlflow.entities import Metric, Param, RunTag

    at = int(row.trained_at.timestamp() * 1000) if row.trained_at else 0
    if run is None:
        name, tags = f"model {row.model}", {_MARK: row.fingerprint}
        run = client.create_run(experiment, start_time=at or None, tags=tags, run_name=name)
        curved = [Metric(*one, at, step) for step, one in _points(curve)]
    else:
        curved = []  # points would stand there twice
    figures = [Metric(_metric_name(name), value, at, 0) for name, value in row.figures.items()]
    tags = {_OUTCOME: row.outcome, **_tags(row.environment)}
    client.log_batch(
        run.info.run_id,
        [*curved, *figures],
        [Param(name, str(value)[:500]) for name, value in _params(row).items()],
        [RunTag(name, value) for name, value in tags.items()],
    )
    client.set_terminated(run.info.run_id, "FINISHED", at or None)


def _points(curve: tuple[Mapping[str, Any], ...]) -> list[tuple[int, tuple[str, float]]]:
    """What was measured after each epoch, as step, name and value."""
    return [
        (int(epoch["epoch"]), (name, float(value)))
        for epoch in curve
        for name, value in epoch.items()
        if name != "epoch" and isinstance(value, int | float)
    ]


def _params(row: MeasuredTraining) -> dict[str, object]:
    """What went into a training; a plan in the plan has its names after a dot."""
    params: dict[str, object] = {"backbone": row.backbone, "epochs_trained": row.epochs}
    if row.ancestor:
        params["ancestor"] = row.ancestor
    for name, value in row.plan.items():
        if isinstance(value, Mapping):
            params |= {f"plan.{name}.{part}": one for part, one in value.items()}
        else:
            params[f"plan.{name}"] = value
    if row.data:
        params |= {f"data.{name}": value for name, value in vars(row.data).items()}
    return params


def _tags(environment: Mapping[str, str]) -> dict[str, str]:
    tags = {f"environment.{name}": value for name, value in environment.items()}
    commit = environment.get("commit", "").removesuffix("-dirty")
    return {**tags, **({"mlflow.source.git.commit": commit} if commit else {})}


def _metric_name(name: str) -> str:
    """A name that every MLflow takes: letters, digits, underscores."""
    return re.sub(r"\W+", "_", name)
