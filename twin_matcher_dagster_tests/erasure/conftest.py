"""A bucket with somebody who is in everything, and leaves.

It is in memory, as a backup is while somebody is erased in it. What S3 does to an erasure is asked
of S3: there a test is marked ``ON_S3``.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket

DAY = timedelta(days=1)
ON_S3 = pytest.mark.parametrize("bucket", ["S3"], indirect=True)


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> ObjectStore:
    """An empty bucket."""
    asked = getattr(request, "param", "memory") == "S3"
    return request.getfixturevalue("store") if asked else memory_bucket()


@pytest.fixture(scope="session")
def _two() -> Kit:  # read it only
    made = Kit(memory_bucket())
    made.celebrities()
    made.member()
    made.release(made.train())
    return made


@pytest.fixture(scope="session")
def _three(_two: Kit) -> tuple[Kit, str]:  # read it only
    made = _two.copied(memory_bucket())
    upload_id = made.member()
    made.release(made.train())
    other = made.upload(name="Somebody else")
    made.judge(other, state="rejected", flags=(f"looks like ({user_id(upload_id)}): 0.9",))
    made.member()
    return made, upload_id


@pytest.fixture
def kit(request: pytest.FixtureRequest, bucket: ObjectStore) -> Kit:
    """One user in the data set, the model, the index and the release; and who is ``leaving``."""
    if "leaving" in request.fixturenames:
        return request.getfixturevalue("_three")[0].copied(bucket)
    return request.getfixturevalue("_two").copied(bucket)


@pytest.fixture
def leaving(_three: tuple[Kit, str]) -> str:
    """A user who is in everything, whom somebody else resembles, and who will be erased."""
    return _three[1]
