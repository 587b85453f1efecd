"""From what a stage made to what Dagster shows: data version, counts, progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, overload

import dagster as dg

from twin_matcher_dagster.errors import StoreAwayError, TwinMatcherError
from twin_matcher_dagster.storage.console import console_url
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.record import Record

TRIES, SECONDS_BETWEEN_TRIES = 3, 10
SECONDS_BETWEEN_LINES = 1.0
"""Each line of progress is a row in Dagster's event log: of an upload, which is judged in a second,
they took a tenth of the time."""


@contextmanager
def retried() -> Generator[None]:
    """Do a step again that an error ended. A store that is away was waited for by its client.

    Bad input is a Failure, which is not retried. Nor is a step that is stopped, as it would be by a
    ``RetryPolicy``: a run that an operator terminates would begin again.

    Raises:
        RetryRequested: instead of the error.
    """
    try:
        yield
    except (dg.Failure, StoreAwayError):
        raise
    except Exception as error:
        raise dg.RetryRequested(TRIES, SECONDS_BETWEEN_TRIES) from error


def materialized(
    store: ObjectStore, manifest: Manifest[Record], rows: int, metadata: Mapping[str, Any]
) -> dg.MaterializeResult:
    """The result of an asset: its data version is the fingerprint of its content.

    Args:
        store: the bucket that it is in.
        manifest: what says what was made.
        rows: faces, people or trainings in it.
        metadata: what else an operator sees.
    """
    console = console_url(store, manifest.key)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(manifest.fingerprint),
        metadata={
            "dagster/row_count": rows,
            "dagster/uri": f"s3://{store.bucket}/{manifest.key}",
            **({"in the console": dg.MetadataValue.url(console)} if console else {}),
            "version": manifest.number,
            **metadata,
        },
    )


@overload
def percent(share: float) -> float: ...
@overload
def percent(share: float | None) -> float | None: ...
def percent(share: float | None) -> float | None:
    """A share of 0 to 1 as Dagster is to show it, and to plot it over time: in percent, rounded."""
    return None if share is None else round(100 * share, 1)


def progress_of(
    context: dg.AssetExecutionContext, clock: Callable[[], float] = time.monotonic
) -> Callable[[float], None]:
    """A callback that logs the share that is done, 0 to 1: the first, the last, and every second.

    Args:
        context: of the run.
        clock: seconds.
    """
    shown, due = -1, clock()

    def report(share: float) -> None:
        nonlocal shown, due
        percent = int(100 * share)
        if percent > shown and (clock() >= due or percent == 100):
            shown, due = percent, clock() + SECONDS_BETWEEN_LINES
            context.log.info(f"progress {percent}%")

    return report


def refuse(error: TwinMatcherError, metadata: Mapping[str, Any] | None = None) -> dg.Failure:
    """An error that trying again does not mend."""
    return dg.Failure(description=str(error), metadata=metadata, allow_retries=False)
