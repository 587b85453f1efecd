"""Back to an earlier release, and no way back to somebody who was erased."""

from __future__ import annotations

from datetime import timedelta

import pytest

from twin_matcher_dagster.errors import ErasureError, NoReleaseError
from twin_matcher_dagster.release.rollback import roll_back
from twin_matcher_dagster.storage.logs import models, releases
from twin_matcher_dagster.storage.records.release import Withdrawn
from twin_matcher_dagster.storage.tombstones import put_tombstone
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket


@pytest.fixture(scope="module")
def _released() -> Kit:  # read it only
    made = Kit(memory_bucket())
    made.celebrities()
    made.version()
    made.release()
    made.member()
    made.release()
    return made


@pytest.fixture
def kit(_released: Kit) -> Kit:
    """Two releases: of celebrities alone, and of one person more, whom its model learnt."""
    return _released.copied(memory_bucket())


def test_it_is_released_again_and_its_model_is_the_newest(kit: Kit) -> None:
    first, second = (releases(kit.store).read(number).record for number in (1, 2))
    learnt = models(kit.store).read(1).record
    again = roll_back(kit.store, 1)
    assert again.number == 3
    now = kit.production().record
    assert now.rolled_back_to == 1
    assert now.fingerprint not in (first.fingerprint, second.fingerprint)
    newest = models(kit.store).existing_head()
    assert (newest.number, newest.record) == (now.model, learnt)
    assert newest.number == 3
    # Nothing is taken out of the history.
    assert [one.record for one in releases(kit.store).entries()][1:] == [second, first]


def test_back_and_forth(kit: Kit) -> None:
    roll_back(kit.store, 1)
    assert roll_back(kit.store, 2).number == 4
    assert kit.production().record.rolled_back_to == 2
    assert models(kit.store).existing_head().fingerprint == models(kit.store).read(2).fingerprint


def test_a_release_that_is_not_there_says_what_to_do(kit: Kit) -> None:
    with pytest.raises(NoReleaseError, match="twin-matcher release list"):
        roll_back(kit.store, 99)


def test_a_release_whose_model_is_gone_says_what_to_do(kit: Kit) -> None:
    models(kit.store).delete(1)
    with pytest.raises(NoReleaseError, match="its model is not kept any more"):
        roll_back(kit.store, 1)


def test_what_was_withdrawn_is_no_release(kit: Kit) -> None:
    releases(kit.store).append(Withdrawn.because("somebody left"))
    with pytest.raises(NoReleaseError, match="Release 3 was withdrawn"):
        roll_back(kit.store, 3)


def test_no_way_back_to_somebody_who_was_erased(kit: Kit) -> None:
    (upload_id,) = kit.production().record.uploads
    put_tombstone(kit.store, upload_id, timedelta(days=1), "")
    newest = releases(kit.store).head_number()
    with pytest.raises(ErasureError, match="1 uploads were erased"):
        roll_back(kit.store, 2)
    assert releases(kit.store).head_number() == newest
