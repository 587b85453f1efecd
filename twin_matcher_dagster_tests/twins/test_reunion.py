"""Who is shown to whom, at the moment of showing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from twin_matcher_dagster.dataset.schema import read_shard
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.tombstones import put_tombstone
from twin_matcher_dagster.twins.agreement import (
    agreeing,
    is_withdrawn,
    withdraw_agreement,
    withdrawn_uploads,
)
from twin_matcher_dagster.twins.reunion import Reunion, TwinNews, reunion_of
from twin_matcher_dagster.uploads.status import NewestEntries
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket
from twin_matcher_dagster_tests.records import WITHDRAWN

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def _two() -> tuple[Kit, str, str, str]:  # read it only
    kit = Kit(memory_bucket())
    kit.celebrities()
    ana, zoe = kit.visitor("Ana Luz"), kit.visitor("Zoë <b>")
    alone = kit.visitor("Nobody's", twin=False)
    kit.version()
    kit.release()
    kit.pairs(ana, zoe)
    return kit, ana, zoe, alone


@pytest.fixture
def two(_two: tuple[Kit, str, str, str]) -> tuple[Kit, str, str]:
    return _two[0].copied(memory_bucket()), _two[1], _two[2]


def shown(kit: Kit, upload_id: str) -> Reunion:
    return reunion_of(kit.store, upload_id, NewestEntries())


def test_both_are_shown_each_other(two: tuple[Kit, str, str]) -> None:
    kit, ana, zoe = two
    for one, other in ((ana, zoe), (zoe, ana)):
        found = shown(kit, one)
        assert found.news is TwinNews.found
        assert found.likeness == 0.995
        assert found.own
        assert found.twin
        assert found.own.label == ("Ana Luz" if one == ana else "Zoë <b>")
        faces = read_shard(kit.store.get(kit.shard_of(other).key))
        assert found.twin.portrait in {face.image for face in faces}


def test_whoever_did_not_ask_is_told_nothing(_two: tuple[Kit, str, str, str]) -> None:
    assert shown(_two[0], _two[3]).news is TwinNews.not_asked_for


Ending = Callable[[Kit, str], None]


def taken_back(kit: Kit, upload_id: str) -> None:
    withdraw_agreement(kit.store, upload_id)


def noted(kit: Kit, upload_id: str) -> None:
    put_tombstone(kit.store, upload_id, DAY, "")


def erased(kit: Kit, upload_id: str) -> None:
    erase(kit.store, upload_id, DAY)


def withdrawn_release(kit: Kit, upload_id: str) -> None:
    releases(kit.store).append(WITHDRAWN)


@pytest.mark.parametrize("end", [taken_back, noted, erased], ids=lambda one: one.__name__)
@pytest.mark.parametrize("first", [True, False])
def test_it_ends_at_once_on_both_sides(two: tuple[Kit, str, str], end: Ending, first: bool) -> None:
    kit, ana, zoe = two
    who, other = (ana, zoe) if first else (zoe, ana)
    newest = NewestEntries()
    assert reunion_of(kit.store, other, newest).news is TwinNews.found
    end(kit, who)
    assert reunion_of(kit.store, who, newest).news is TwinNews.not_asked_for
    assert reunion_of(kit.store, other, newest) == Reunion(TwinNews.nobody_yet)


def test_without_a_release_nobody_is_shown(two: tuple[Kit, str, str]) -> None:
    kit, ana, _ = two
    withdrawn_release(kit, ana)
    assert shown(kit, ana).news is TwinNews.nobody_yet


def test_nothing_of_an_erased_visitor_is_left(two: tuple[Kit, str, str]) -> None:
    kit, ana, zoe = two
    withdraw_agreement(kit.store, ana)
    assert withdrawn_uploads(kit.store) == {ana}
    erase(kit.store, ana, DAY)
    proof = verify(kit.store, ana)
    assert proof.left == []
    assert withdrawn_uploads(kit.store) == set()
    assert agreeing(kit.store, zoe)


def test_an_erased_visitor_leaves_no_withdrawal(two: tuple[Kit, str, str]) -> None:
    kit, ana, _ = two
    erase(kit.store, ana, DAY)
    withdraw_agreement(kit.store, ana)
    assert not is_withdrawn(kit.store, ana)
    assert verify(kit.store, ana).left == []


def test_taken_back_twice_is_taken_back(two: tuple[Kit, str, str]) -> None:
    kit, ana, _ = two
    withdraw_agreement(kit.store, ana)
    withdraw_agreement(kit.store, ana)
    assert agreeing(kit.store, ana) is None
