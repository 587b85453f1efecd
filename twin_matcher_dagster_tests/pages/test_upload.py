"""What the upload page says when something goes wrong; without a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import EndpointConnectionError

from twin_matcher_dagster.erasure.request import erase_with_code
from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.media.video import MAX_FRAMES
from twin_matcher_dagster.pages.camera_guide import Guide
from twin_matcher_dagster.pages.upload import Session, send_faces
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.manifest import get_manifest, new_uploads
from twin_matcher_dagster_tests.clips import sample_frames

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
    assert list(new_uploads(store, None, Settings().retrain_within)) == []


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


def test_what_is_missing_is_said_without_a_code(store: ObjectStore) -> None:
    session = replace(Session(FACES))
    assert session.erasure_code not in sent(store, session, "", Consent.now())
    assert list(store.list("")) == []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The guide's clock: five frames a second."""
    times = [0.0]

    def tick() -> float:
        times[0] += 0.2
        return times[0]

    monkeypatch.setattr("twin_matcher_dagster.pages.camera_guide.time.monotonic", tick)
    return times


def test_the_guide_is_done_when_it_has_enough(clock: list[float]) -> None:
    guide = Guide()
    count = next(n for n, frame in enumerate(sample_frames("amara_1.mp4", 45)) if guide.add(frame))
    assert MIN_FACES < count < 45
    assert guide.finish().refused is None
    assert "Done" in guide.advice()


def test_the_guide_never_says_done_to_a_set_that_is_refused(clock: list[float]) -> None:
    """Some good faces, and then nothing but bad ones."""
    guide = Guide()
    good = sample_frames("amara_1.mp4", MIN_FACES - 4)
    dark = [frame // 8 for frame in good]
    frames = [*good, *dark * (MAX_FRAMES // len(dark))]
    count = next(n for n, frame in enumerate(frames, 1) if guide.add(frame))
    assert count == MAX_FRAMES
    report = guide.finish()
    assert report.refused is not None
    assert "did not work" in guide.advice()
    # None of the good ones was dropped on the way.
    assert len(report.faces) == len(good)


def test_whoever_stops_early_keeps_what_there_is(clock: list[float]) -> None:
    guide = Guide()
    for frame in sample_frames("amara_1.mp4", MIN_FACES + 3):
        guide.add(frame)
    assert not guide.done
    assert guide.finish().refused is None
    assert guide.done
