"""What the upload page does with what it is told, and what it says; without a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from botocore.exceptions import EndpointConnectionError

from twin_matcher_dagster.erasure.request import erase_with_code
from twin_matcher_dagster.errors import UploadError
from twin_matcher_dagster.faces.clip import MIN_FACES, ClipFace, ClipReport, SkippedPhoto
from twin_matcher_dagster.faces.coverage import coverage_of
from twin_matcher_dagster.faces.pose import Pose
from twin_matcher_dagster.pages.catalogue import words_in
from twin_matcher_dagster.pages.found_faces import MAX_NAMED, faces_note, report_faces
from twin_matcher_dagster.pages.links import FROM_STATUS, FROM_UPLOAD, links_apart
from twin_matcher_dagster.pages.receipt import receipt, status_link
from twin_matcher_dagster.pages.session import Outcome, Session, missing_of, send_faces
from twin_matcher_dagster.pages.status import status_page
from twin_matcher_dagster.pages.upload import upload_page
from twin_matcher_dagster.pages.upload_parts import labels_of
from twin_matcher_dagster.pages.ways_in import WaysIn
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.arrivals import arrivals
from twin_matcher_dagster.uploads.consent import CONSENT_VERSION, Consent
from twin_matcher_dagster.uploads.manifest import get_faces, get_manifest
from twin_matcher_dagster.uploads.submission import submit
from twin_matcher_dagster_tests.kit import CODE
from twin_matcher_dagster_tests.memory import memory_bucket

FACES = tuple(np.full((160, 160, 3), 5 * n, np.uint8) for n in range(MIN_FACES + 3))
ENGLISH, GERMAN = words_in("en"), words_in("de")
NO_CONSENT: list[Any] = ["false", "true", "True", 1, [1], {"a": 1}, 1.0, "on"]
"""What a browser may say in place of True."""
STATUS = "https://twins.example/status/"


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


def sent(store: ObjectStore, session: Session | None, name: str, consent: Consent) -> Outcome:
    return send_faces(store, session, name, consent, ENGLISH, STATUS)


@pytest.fixture
def lost(store: ObjectStore) -> tuple[Session, Outcome]:
    """A session whose upload was committed, and what the page said."""
    session = Session(FACES)
    broken = ObjectStore(LostAnswer(store.client), store.bucket)
    return session, sent(broken, session, "Ana", Consent.now(publication=True))


def test_whoever_may_be_stored_can_take_it_out(
    store: ObjectStore, lost: tuple[Session, Outcome]
) -> None:
    session, outcome = lost
    assert "may have been stored" in outcome.message
    upload_id, code = re.findall(r"<code[^>]*>([^<]+)</code>", outcome.receipt)
    assert (upload_id, code) == (session.upload_id, session.erasure_code)
    assert get_manifest(store, upload_id).name == "Ana"
    erase_with_code(store, upload_id, code, Settings().retrain_within)
    assert list(arrivals(store)) == []


def test_a_visitor_is_not_told_about_our_machines(
    store: ObjectStore, lost: tuple[Session, Outcome]
) -> None:
    message = lost[1].message
    assert "on our side" in message
    for ours in (store.bucket, "s3://", "http", "AWS", "make up"):
        assert ours not in message


def test_sending_again_is_received(store: ObjectStore, lost: tuple[Session, Outcome]) -> None:
    session, _ = lost
    again = sent(store, session, "Ana", Consent.now(publication=True))
    assert "Received: it is being checked" in again.receipt
    assert again.message == ""
    assert again.session
    assert again.session.sent


@pytest.mark.parametrize(
    "other",
    [Consent.now(), Consent.now(publication=True, long_lost_twin=True)],
    ids=["less", "more"],
)
def test_an_answer_that_changed_is_not_passed_over(
    store: ObjectStore, lost: tuple[Session, Outcome], other: Consent
) -> None:
    session, _ = lost
    outcome = sent(store, session, "Ana", other)
    assert "it may be published, and you are not told" in outcome.message
    assert session.erasure_code in outcome.receipt
    assert get_manifest(store, session.upload_id).publication is True


def test_what_is_missing_is_said_without_a_code(store: ObjectStore) -> None:
    outcome = sent(store, Session(FACES), "", Consent.now())
    assert "Type a name" in outcome.message
    assert outcome.receipt == ""
    assert list(store.list("")) == []


def test_only_the_faces_that_were_not_left_out_are_sent(store: ObjectStore) -> None:
    session = Session(FACES).without([1, 2])
    assert sent(store, session, "Ana", Consent.now(long_lost_twin=True)).session
    manifest = get_manifest(store, session.upload_id)
    assert len(list(get_faces(store, manifest))) == len(FACES) - 2
    assert manifest.long_lost_twin
    assert not manifest.publication


def test_what_a_browser_says_of_faces_is_not_trusted() -> None:
    session = Session(FACES)
    assert session.without([0, 99, -1, "1", None]).left_out == {0}
    assert session.without("all") == session
    assert session.without(None) == session
    for closed in (replace(session, sent=True), replace(session, maybe_stored=True)):
        assert closed.without([1]) == closed


@pytest.mark.parametrize(
    ("session", "name", "agreed", "missing"),
    [
        (Session(FACES), "Ana", True, []),
        (None, "Ana", True, ["faces"]),
        (Session(FACES).without([0, 1, 2, 3]), "Ana", True, ["more_faces"]),
        (Session(FACES), " \u200b ", True, ["name"]),
        (Session(FACES), "Ana", False, ["consent"]),
        (None, "", False, ["faces", "name", "consent"]),
        *((Session(FACES), "Ana", word, ["consent"]) for word in NO_CONSENT),
    ],
    ids=["all", "faces", "more", "name", "consent", "nothing", *map(repr, NO_CONSENT)],
)
def test_send_can_be_pressed_when_it_can_work(
    session: Session | None, name: str, agreed: Any, missing: list[str]
) -> None:
    assert missing_of(session, name, agreed) == [f"upload.needs_{one}" for one in missing]


def test_too_few_faces_are_not_sent_whoever_asks() -> None:
    store = memory_bucket()
    store.within = lambda seconds: store  # type: ignore[method-assign]
    few = Session(FACES).without([0, 1, 2, 3])
    assert "no faces to store" in sent(store, few, "Ana", Consent.now()).message
    assert list(store.list("")) == []


def test_how_many_faces_are_sent_is_said() -> None:
    session = Session(FACES)
    assert f"All {len(FACES)} are sent" in faces_note(session, ENGLISH)
    assert f"{len(FACES) - 1} of {len(FACES)}" in faces_note(session.without([0]), ENGLISH)
    few = faces_note(session.without([0, 1, 2, 3]), ENGLISH)
    assert f"{MIN_FACES} are needed" in few
    assert faces_note(None, ENGLISH) == ""


def found(*, photos: bool, yaws: float = 30.0, skipped: int = 0) -> ClipReport:
    face = ClipFace(FACES[0], 0.0, Pose(0.0, 0.0, 0.0), np.zeros((5, 2), np.float32))
    return ClipReport(
        [face] * len(FACES),
        [],
        coverage_of([0.0, yaws]),
        None,
        [],
        photos,
        [SkippedPhoto(f"<b>{n}.jpg", "It is a drawing.") for n in range(skipped)],
    )


def test_messages_of_photos_speak_of_photos() -> None:
    clip = report_faces(lambda: found(photos=False), ENGLISH).message
    photos = report_faces(lambda: found(photos=True), ENGLISH).message
    assert "Turn your head slowly to the left" in clip
    assert "photos from both sides" in photos
    assert "Turn your head" not in photos


def test_what_a_file_is_called_is_escaped_and_there_is_an_end() -> None:
    shown = report_faces(lambda: found(photos=True, skipped=MAX_NAMED + 4), ENGLISH)
    assert "&lt;b&gt;0.jpg" in shown.message
    assert "<b>" not in shown.message
    assert "And 4 more photos are left out." in shown.message
    assert shown.faces.count("aria-pressed") == len(FACES)


def test_the_code_is_in_the_fragment_alone() -> None:
    link = status_link(f"{STATUS}?x=1#y", "01ARZ3NDEKTSV4RRFFQ69G5FAV", CODE)
    page, _, fragment = link.partition("#")
    assert page == STATUS
    assert CODE in fragment
    for odd in ("", "javascript:alert(1)", "data:text/html,x", "//elsewhere", "https://"):
        assert status_link(odd, "id", CODE) == ""


def test_a_receipt_without_an_address_has_no_link() -> None:
    whole = receipt("01ARZ3NDEKTSV4RRFFQ69G5FAV", CODE, "Received", ENGLISH, STATUS)
    assert "<svg" in whole
    assert whole.count("data-copy") == 2
    bare = receipt("01ARZ3NDEKTSV4RRFFQ69G5FAV", CODE, "Received", ENGLISH)
    assert "<svg" not in bare
    assert "href" not in bare
    assert CODE in bare


def test_where_the_status_page_is() -> None:
    assert FROM_UPLOAD.status_from("https://a.example/x/upload/") == "https://a.example/x/status/"
    apart = links_apart(Settings(upload_port=7860))
    assert apart.status_from("http://10.0.0.7:7860/") == "http://10.0.0.7:7860/status/"
    away = links_apart(Settings(upload_url="https://faces.example/"))
    assert away.status_from("http://10.0.0.7:7860/") == "https://faces.example/status/"


def test_consent_in_other_words_is_noted() -> None:
    assert Consent.now().version == CONSENT_VERSION
    assert Consent.now(language="de").version == f"{CONSENT_VERSION} de"


def test_no_part_of_the_page_takes_files() -> None:
    page = upload_page(memory_bucket(), FROM_UPLOAD, WaysIn.new())
    takers = (gr.File, gr.Video, gr.Image, gr.Audio, gr.UploadButton)
    assert not [one for one in page.blocks.values() if isinstance(one, takers)]


def test_nothing_waits_in_a_queue_that_others_fill() -> None:
    for page in (
        upload_page(memory_bucket(), FROM_UPLOAD, WaysIn.new()),
        status_page(memory_bucket(), FROM_STATUS),
    ):
        asked = [one for one in page.fns.values() if one.fn]
        ours = [one for one in asked if not any(event == "unload" for _, event in one.targets)]
        assert ours
        assert not [one.targets for one in ours if one.queue is not False]


@pytest.mark.parametrize("word", NO_CONSENT)
def test_consent_is_true_and_nothing_else(word: Any) -> None:
    store = memory_bucket()
    forged = Consent(CONSENT_VERSION, "2026-11-28T00:00:00+00:00", word)
    for given in (forged, replace(forged, publication=True, long_lost_twin=word), word):
        with pytest.raises(UploadError, match="consent box"):
            submit(store, FACES, "Ana", given)
    assert list(store.list("")) == []


def test_every_part_with_words_has_them_in_every_language() -> None:
    page = upload_page(memory_bucket(), FROM_UPLOAD, WaysIn.new())
    counts = {len(event.outputs) for event in page.fns.values()}
    assert len(labels_of(GERMAN)) in counts
    assert str(MIN_FACES) in ENGLISH("upload.photos_label")
    assert str(MIN_FACES) in GERMAN("upload.photos_label")
