"""What several files of these tests begin with."""

from __future__ import annotations

import pytest

from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.kit import Kit


@pytest.fixture
def kit(store: ObjectStore) -> Kit:
    """A bucket with a release that can be loaded."""
    made = Kit(store)
    made.celebrities()
    made.version()
    made.release(made.train(real=True))
    return made
