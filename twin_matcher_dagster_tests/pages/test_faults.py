"""A page says what is wrong with the store while a visitor waits, and half of nothing is seen."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import pytest

from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.errors import StorageError
from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.pages import erasure_form, status_desk
from twin_matcher_dagster.pages import session as sessions
from twin_matcher_dagster.pages.catalogue import words_in
from twin_matcher_dagster.pages.erasure_form import erase_for_visitor
from twin_matcher_dagster.pages.session import Session, send_faces
from twin_matcher_dagster.pages.status_desk import StatusDesk
from twin_matcher_dagster.storage.object_store import PAGE_CONFIG, ObjectStore
from twin_matcher_dagster.storage.tombstones import erased_uploads
from twin_matcher_dagster.uploads.arrivals import arrivals, is_committed
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.manifest import get_faces, get_manifest
from twin_matcher_dagster_tests.faulty_store import KINDS, Fault, FaultyStore, Kind
from twin_matcher_dagster_tests.kit import CODE, Kit

FACES = tuple(np.full((160, 160, 3), 10 * n, np.uint8) for n in range(MIN_FACES))
ENGLISH = words_in("en")
# Refused is everything or nothing; what was cut may be an answer all the same.
ELSE = {"refused", "clock", "full", "cut"}
AWAY: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind not in ELSE)
REFUSED: Kind = "refused"
FULL: Kind = "full"


@contextmanager
def trouble(faulty: FaultyStore, kind: Kind, path: str = "", limit: float = 0.5) -> Generator[None]:
    """The store fails, and visitors wait for it for a shorter time than they do.

    A machine that has much else to do is given time for what does not fail.
    """
    limit = limit if kind in ("silent", "slow") else 60.0
    with pytest.MonkeyPatch.context() as patch, faulty.having(Fault(kind, 0.05, path=path)):
        for module in (sessions, erasure_form, status_desk):
            patch.setattr(module, "VISITOR_WAITS_S", limit)
        yield


@pytest.fixture
def through(store: ObjectStore, faulty: FaultyStore) -> ObjectStore:
    """The page's bucket, by way of the proxy."""
    return ObjectStore(faulty.client(PAGE_CONFIG), store.bucket)


def sent(store: ObjectStore, session: Session) -> tuple[Session, str]:
    began = time.monotonic()
    done = send_faces(store, session, "Ana", Consent.now(), ENGLISH)
    assert time.monotonic() - began < 10
    assert done.session
    return done.session, done.message + done.receipt


def test_nothing_is_taken_while_the_store_is_away_and_sent_again_it_is(
    store: ObjectStore, through: ObjectStore, faulty: FaultyStore
) -> None:
    for kind in (*AWAY, REFUSED, FULL):
        session = Session(FACES)
        # From the second crop on: the visitor has seen that something is done.
        with trouble(faulty, kind, f"{session.upload_id}/001"):
            session, message = sent(through, session)
        assert "Nothing was taken." in message, kind
        assert "send them again" in message
        assert ("storage is full" if kind == "full" else "does not answer") in message
        assert session.erasure_code not in message
        assert not is_committed(store, session.upload_id)
        assert session.upload_id not in arrivals(store)
        session, message = sent(through, session)
        assert "Received" in message, kind
        manifest = get_manifest(store, session.upload_id)
        assert len(list(get_faces(store, manifest))) == len(FACES)


def test_what_may_be_stored_is_said_to_be_until_it_is_known(
    store: ObjectStore, through: ObjectStore, faulty: FaultyStore
) -> None:
    """The store goes away at the commit: whether it was done, nobody can tell the visitor."""
    for kind in AWAY:
        session = Session(FACES)
        with trouble(faulty, kind, "/manifests/", limit=6.0):
            session, message = sent(through, session)
        assert "may have been stored" in message, kind
        assert session.erasure_code in message
        assert is_committed(store, session.upload_id) is (kind in ("lost", "slow"))
        with trouble(faulty, "refused"):
            session, message = sent(through, session)
        assert "may have been stored" in message
        session, message = sent(through, session)
        assert "Received" in message
        assert session.upload_id in arrivals(store)


def test_an_erasure_is_asked_for_again_or_it_is_noted(
    store: ObjectStore, through: ObjectStore, faulty: FaultyStore
) -> None:
    kit = Kit(store)
    for kind in (*AWAY, REFUSED, FULL):
        upload_id = kit.upload()
        with trouble(faulty, kind):
            said = erase_for_visitor(through, upload_id, CODE, ENGLISH)
        assert 'class="problem"' in said, kind
        assert "on our side" in said
        assert "deleted" not in said
        assert "deleted" in erase_for_visitor(through, upload_id, CODE, ENGLISH)
        wait_for_erasers()
        assert verify(store, upload_id).proven


def test_an_erasure_that_is_noted_is_promised(
    store: ObjectStore, through: ObjectStore, faulty: FaultyStore
) -> None:
    """The store goes away behind the tombstone. What is left is done by the asset ``erasures``."""
    for kind in ("lost", "silent", "500"):
        upload_id = Kit(store).upload()
        with trouble(faulty, kind, f"arrivals%2F{upload_id}", limit=6.0):
            said = erase_for_visitor(through, upload_id, CODE, ENGLISH)
            assert 'class="success"' in said, kind
            assert "will be done without you" in said
            assert upload_id in erased_uploads(store)
        wait_for_erasers()


def test_a_status_that_cannot_be_asked_for_is_asked_for_again(
    store: ObjectStore, through: ObjectStore, faulty: FaultyStore
) -> None:
    upload_id = Kit(store).upload()
    desk = StatusDesk(through)
    for kind in (*AWAY, REFUSED):
        with trouble(faulty, kind), pytest.raises(StorageError):
            desk.look(upload_id, ENGLISH)
        assert "Being checked" in desk.look(upload_id, ENGLISH).status


def wait_for_erasers() -> None:
    erasure_form._ERASERS.submit(lambda: None).result(60)
