"""A retry and a new launch of the same work are one."""

from __future__ import annotations

from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, WILL_RETRY_TAG

from twin_matcher_dagster.cli.runs import is_on_its_way
from twin_matcher_dagster.defs import keys

STARTED, FAILED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize(
    ("job", "asset", "status", "tags", "expected"),
    [
        (keys.CELEBRITIES_JOB, None, STARTED, {}, True),
        (keys.CELEBRITIES_JOB, keys.BALANCED_FACES, STARTED, {}, True),
        ("of the automation", keys.BALANCED_FACES, STARTED, {}, True),
        ("of the automation", keys.TWIN_DATASET, STARTED, {}, False),
        (keys.RETENTION_JOB, None, STARTED, {}, False),
        # Cut off by Ctrl-C, and to be started again by Dagster; or it was started already.
        (keys.CELEBRITIES_JOB, None, FAILED, {WILL_RETRY_TAG: "true"}, True),
        (keys.CELEBRITIES_JOB, None, FAILED, {WILL_RETRY_TAG: "false"}, False),
        (
            keys.CELEBRITIES_JOB,
            None,
            FAILED,
            {WILL_RETRY_TAG: "true", AUTO_RETRY_RUN_ID_TAG: "another"},
            False,
        ),
    ],
)
def test_what_is_on_its_way_is_not_launched(
    job: str,
    asset: str | None,
    status: dg.DagsterRunStatus,
    tags: dict[str, str],
    *,
    expected: bool,
) -> None:
    instance = dg.DagsterInstance.ephemeral()
    selection = frozenset([dg.AssetKey(asset)]) if asset else None
    instance.add_run(
        dg.DagsterRun(
            job_name=job,
            run_id=str(uuid4()),
            status=status,
            tags=tags,
            asset_selection=selection,
        )
    )
    assert is_on_its_way(instance, keys.CELEBRITIES_JOB) is expected
