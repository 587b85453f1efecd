"""Places, and buckets in memory: what moves between them is the same everywhere."""

from __future__ import annotations

from datetime import timedelta

import pytest

from twin_matcher_dagster.backup.stored_bucket import StoredBucket
from twin_matcher_dagster.twins.agreement import withdraw_agreement
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import MemoryPlace, memory_bucket

DAY = timedelta(days=1)


def copy_of(bucket: StoredBucket) -> StoredBucket:
    """Another bucket with the same objects."""
    made = memory_bucket()
    for key in bucket.list(""):
        made.put_new(key, bucket.get(key))
    return made


@pytest.fixture(scope="session")
def _full(  # read it only
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[StoredBucket, str]:
    bucket = memory_bucket()
    kit = Kit(bucket)
    kit.celebrities()
    first = kit.member()
    kit.release(kit.train())
    leaving = kit.member()
    kit.release(kit.train())
    kit.pairs(first, leaving)
    withdraw_agreement(bucket, leaving)
    kit.judge(kit.upload(), state="rejected", flags=(f"looks like (u-{leaving}): 0.9",))
    kit.member()
    kit.upload()  # waits for its verdict
    return bucket, leaving


@pytest.fixture
def full(_full: tuple[StoredBucket, str]) -> StoredBucket:
    """A bucket with four uploads, releases, and somebody who waits."""
    return copy_of(_full[0])


@pytest.fixture
def leaving(_full: tuple[StoredBucket, str]) -> str:
    """The upload in it that is in everything, and that a test may erase."""
    return _full[1]


@pytest.fixture
def place() -> MemoryPlace:
    return MemoryPlace()
