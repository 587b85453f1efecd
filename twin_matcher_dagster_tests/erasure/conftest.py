"""A bucket with somebody who is in everything, and leaves."""

from __future__ import annotations

from datetime import timedelta

import pytest

from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster_tests.kit import Kit

DAY = timedelta(days=1)


@pytest.fixture
def kit(store: ObjectStore) -> Kit:
    """Two users in the data set, the model, the index and the release."""
    made = Kit(store)
    made.celebrities()
    made.member()
    made.release(made.train())
    return made


@pytest.fixture
def leaving(kit: Kit) -> str:
    """A user who is in everything, whom somebody else resembles, and who will be erased."""
    upload_id = kit.member()
    kit.release(kit.train())
    other = kit.upload(name="Somebody else")
    kit.judge(other, state="rejected", flags=(f"looks like ({user_id(upload_id)}): 0.9",))
    kit.member()
    return upload_id
