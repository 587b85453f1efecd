"""The audit log: in order, written once, in the way of nobody who is erased, gone with nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from twin_matcher_dagster.access.audit import MOST_ABOUT, AuditLog
from twin_matcher_dagster.access.people import Principal, Role, principal_of, put_principal
from twin_matcher_dagster.backup.copier import make_backup
from twin_matcher_dagster.backup.restorer import restore_backup
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.retention import collect_garbage
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.errors import ObjectExistsError, RecordError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import MemoryPlace, memory_bucket

ANA = Principal("ana@example.org", Role.ADMIN)
RUI = Principal("rui@example.org", Role.REVIEWER)
DAY = timedelta(days=1)


def test_deeds_are_read_in_the_order_in_which_they_were_done(store: ObjectStore) -> None:
    log = AuditLog(store)
    upload_id = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    done = [
        log.add(ANA, "sign-in"),
        log.add(RUI, "accept", [upload_id]),
        *(log.add(ANA, "launchRun", [f"run-{number}"]) for number in range(12)),
    ]
    assert list(log.deeds()) == done
    assert (done[1].who, done[1].role, done[1].about) == (RUI.name, Role.REVIEWER, (upload_id,))
    # By the store's clock.
    assert abs(done[-1].when - store.now()) < timedelta(seconds=5)
    assert list(log.deeds(done[0].when)) == done
    assert list(log.deeds(store.now() + DAY)) == []


def test_a_deed_is_never_written_over(store: ObjectStore) -> None:
    AuditLog(store).add(ANA, "sign-in")
    (key,) = store.list(f"{layout.AUDIT}/")
    with pytest.raises(ObjectExistsError):
        store.put_new(key, b"nothing happened")


@pytest.mark.parametrize("word", ["", "Amara Okafor", "a\nb", "-x", "ü", "a" * 101])
def test_sentences_and_names_stay_out(word: str) -> None:
    log = AuditLog(memory_bucket())
    with pytest.raises(ValueError, match="single words"):
        log.add(ANA, word)
    with pytest.raises(ValueError, match="single words"):
        log.add(ANA, "accept", [word])
    assert list(log.deeds()) == []


def test_of_many_things_the_rest_is_counted() -> None:
    deed = AuditLog(memory_bucket()).add(ANA, "launchRun", map(str, range(MOST_ABOUT + 7)))
    assert len(deed.about) == MOST_ABOUT + 1
    assert deed.about[-1] == "and:7:more"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"when": 1}', b'{"role": "GOD"}'])
def test_a_damaged_deed_is_named(body: bytes) -> None:
    bucket = memory_bucket()
    bucket.put_new(f"{layout.AUDIT}/2026-01-01T00-00-00Z-000000-00000000.json", body)
    with pytest.raises(RecordError, match="audit/2026-01-01"):
        list(AuditLog(bucket).deeds())


def test_neither_erasure_nor_retention_nor_restore_takes_a_deed_away() -> None:
    kit = Kit(memory_bucket())
    kit.celebrities()
    upload_id = kit.member()
    log = AuditLog(kit.store)
    before = log.add(RUI, "accept", [upload_id])
    assert verify(kit.store, upload_id).left  # it was not erased
    erase(kit.store, upload_id, DAY)
    # The id of an erased upload is nobody's: the log stands in the way of no proof.
    assert verify(kit.store, upload_id).proven
    collect_garbage(kit.store, keep=1, now=kit.store.now() + timedelta(days=10_000))
    assert list(log.deeds()) == [before]
    place = MemoryPlace()
    make_backup(kit.store, place, 1, DAY)
    after = log.add(ANA, "restore")
    restore_backup(kit.store, place, None, DAY, replace=True)
    assert list(log.deeds()) == [before, after]
    elsewhere = memory_bucket()
    restore_backup(elsewhere, place, None, DAY, replace=False)
    assert list(AuditLog(elsewhere).deeds()) == [before]


def test_who_asks_is_known_behind_the_guard_only() -> None:
    scope: dict[str, object] = {"type": "http"}
    with pytest.raises(LookupError, match="without the guard"):
        principal_of(scope)
    put_principal(scope, RUI)
    assert principal_of(scope) == RUI
    assert RUI.may(Role.VIEWER)
    assert not RUI.may(Role.ADMIN)
