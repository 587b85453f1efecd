"""The prediction page's release while S3 fails."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress

import pytest

from twin_matcher_dagster.errors import StorageError, StoreAwayError
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.release.twin_finder import TwinFinder
from twin_matcher_dagster.storage.object_store import PAGE_CONFIG, ObjectStore
from twin_matcher_dagster_tests.faulty_store import KINDS, Fault, FaultyStore
from twin_matcher_dagster_tests.kit import Kit


@pytest.fixture
def production(kit: Kit, faulty: FaultyStore) -> Production:
    """As the page has it, by way of the proxy, for visitors who wait for seconds."""
    through = ObjectStore(faulty.client(PAGE_CONFIG), kit.store.bucket)
    return Production(through, patience_s=3.0)


def loaded(production: Production) -> TwinFinder:
    """The release, which is read on while nobody waits."""
    while True:
        with suppress(StoreAwayError):
            return production.finder()


def test_a_release_in_memory_answers_while_the_store_is_away(
    kit: Kit, production: Production, faulty: FaultyStore
) -> None:
    for kind in ("refused", "silent", "500"):
        with faulty.having(Fault(kind)), pytest.raises(StorageError):
            production.finder()  # a page that has just started has nothing to answer from
    old = loaded(production)
    kit.upload()
    for kind in KINDS:
        with faulty.having(Fault(kind, seconds=0.05)):
            began = time.monotonic()
            assert production.finder() is old, kind
            assert time.monotonic() - began < 10
    kit.user("Ana", publication=False)
    kit.version()
    kit.release(kit.train(real=True))
    with faulty.having(Fault("500", path="/files/")):
        assert production.finder() is old  # the newer one is known, and cannot be read
    assert loaded(production).number == 2


def test_a_release_that_comes_slowly_is_asked_for_once(
    production: Production, faulty: FaultyStore
) -> None:
    with faulty.having(Fault("slow", seconds=0.05, path="/files/")):
        for _ in range(2):
            with pytest.raises(StoreAwayError, match="not read yet"):
                production.finder()
    assert loaded(production).number == 1
    gets = [one.path for one in faulty.passed if "/files/" in one.path]
    # Of portraits first the list, then the pictures.
    assert len(set(gets)) > 3
    assert sorted(Counter(gets).values()) in ([1] * len(gets), [*[1] * (len(gets) - 2), 2])
