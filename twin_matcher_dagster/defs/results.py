"""From what a stage made to what Dagster shows: data version, counts, progress."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg

from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifest_log import Manifest, ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore

TRIES, SECONDS_BETWEEN_TRIES = 3, 10


@contextmanager
def retried() -> Generator[None]:
    """Do a step again that an error ended: the object store may be away for a moment.

    Bad input is a Failure, which is not retried. Nor is a step that is stopped, as it would be by a
    ``RetryPolicy``: a run that an operator terminates would begin again.

    Raises:
        RetryRequested: instead of the error.
    """
    try:
        yield
    except dg.Failure:
        raise
    except Exception as error:
        raise dg.RetryRequested(TRIES, SECONDS_BETWEEN_TRIES) from error


def commit(store: ObjectStore, folder: str, body: Mapping[str, Any]) -> Manifest:
    """Add a manifest to a folder's log, unless the newest one stands for the same content."""
    return ManifestLog(store, layout.log(folder)).update(lambda head: body)


def head_of(store: ObjectStore, folder: str, asset: str) -> Manifest:
    """The newest manifest of a folder.

    Raises:
        TwinMatcherError: there is none yet.
    """
    head = ManifestLog(store, layout.log(folder)).head()
    if head is None:
        raise TwinMatcherError(f"There is no {asset} in this bucket yet: materialize it first.")
    return head


def materialized(
    manifest: Manifest, rows: int, metadata: Mapping[str, Any]
) -> dg.MaterializeResult:
    """The result of an asset: its data version is the fingerprint of its content."""
    return dg.MaterializeResult(
        data_version=dg.DataVersion(manifest.fingerprint),
        metadata={
            "dagster/row_count": rows,
            "manifest": manifest.key,
            "version": manifest.number,
            **metadata,
        },
    )


def beyond_guessing(chance: float, faces: int) -> float:
    """The accuracy that guessing does not reach: three standard errors above it.

    Args:
        chance: how often always naming the largest class is right, 0 to 1.
        faces: how many faces were measured. Luck goes beyond this in one of 700 cases.
    """
    return chance + 3 * math.sqrt(chance * (1 - chance) / faces)


def progress_of(context: dg.AssetExecutionContext) -> Callable[[float], None]:
    """A callback that logs the share that is done, 0 to 1, in steps of 2%."""
    shown = -1

    def report(share: float) -> None:
        nonlocal shown
        step = int(share * 50)
        if step > shown:
            shown = step
            context.log.info(f"progress {2 * step}%")

    return report


def refuse(error: TwinMatcherError, metadata: Mapping[str, Any] | None = None) -> dg.Failure:
    """An error that trying again does not mend."""
    return dg.Failure(description=str(error), metadata=metadata, allow_retries=False)
