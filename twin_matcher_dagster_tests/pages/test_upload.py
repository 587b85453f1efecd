"""What the upload page says when something goes wrong; without a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import EndpointConnectionError

from twin_matcher_dagster.erasure.request import erase_with_code
from twin_matcher_dagster.pages.session import Session, send_faces, whose_clip
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.arrivals import arrivals
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.manifest import get_manifest
from twin_matcher_dagster_tests.kit import Kit

FACES = tuple(np.full((160, 160, 3), 60 * n, np.uint8) for n in range(3))


class LostAnswer:
    """A client that does what it is asked to, and loses the answer to the manifest's put."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_object(self, **request: Any) -> Any:
        answer = self._client.put_object(**request)
        if "manifests" in request["Key"]:
            raise EndpointConnectionError(endpoint_url="http://gone")
        return answer


def sent(store: ObjectStore, session: Session | None, name: str, consent: Consent) -> str:
    return send_faces(store, session, name, consent, lambda share, desc: None)[1]


@pytest.fixture
def lost(store: ObjectStore) -> tuple[Session, str]:
    """A session whose upload was committed, and what the page said."""
    session = Session(FACES)
    broken = ObjectStore(LostAnswer(store.client), store.bucket)
    return session, sent(broken, session, "Ana", Consent.now(publication=True))


def test_whoever_may_be_stored_can_take_it_out(
    store: ObjectStore, lost: tuple[Session, str]
) -> None:
    session, message = lost
    assert "may have been stored" in message
    upload_id, code = re.findall(r"<code>([^<]+)</code>", message)
    assert (upload_id, code) == (session.upload_id, session.erasure_code)
    assert get_manifest(store, upload_id).name == "Ana"
    erase_with_code(store, upload_id, code, Settings().retrain_within)
    assert list(arrivals(store)) == []


def test_a_visitor_is_not_told_about_our_machines(
    store: ObjectStore, lost: tuple[Session, str]
) -> None:
    message = lost[1]
    assert "on our side" in message
    for ours in (store.bucket, "s3://", "http", "AWS", "make up"):
        assert ours not in message


def test_sending_again_is_thanked_for(store: ObjectStore, lost: tuple[Session, str]) -> None:
    session, _ = lost
    assert "Thank you" in sent(store, session, "Ana", Consent.now(publication=True))


def test_consent_taken_back_is_not_passed_over(
    store: ObjectStore, lost: tuple[Session, str]
) -> None:
    session, _ = lost
    message = sent(store, session, "Ana", Consent.now())
    assert "it may be published" in message
    assert session.erasure_code in message
    assert get_manifest(store, session.upload_id).publication is True


def test_a_visitor_is_told_that_the_clip_was_taken_as_another_one(store: ObjectStore) -> None:
    kit = Kit(store)
    first = Session(FACES, upload_id=kit.upload())
    assert whose_clip(store, first) is None  # not judged yet
    kit.judge(first.upload_id)
    assert whose_clip(store, first) == ""
    second = Session(FACES, upload_id=kit.upload())
    kit.judge(second.upload_id, another_of=first.upload_id)
    assert "another clip of the same person" in str(whose_clip(store, second))
    assert first.upload_id not in str(whose_clip(store, second))
    # What waits is the operator's to say.
    kit.judge(second.upload_id, state="flagged", another_of=first.upload_id)
    assert whose_clip(store, second) == ""


def test_what_is_missing_is_said_without_a_code(store: ObjectStore) -> None:
    session = replace(Session(FACES))
    assert session.erasure_code not in sent(store, session, "", Consent.now())
    assert list(store.list("")) == []
