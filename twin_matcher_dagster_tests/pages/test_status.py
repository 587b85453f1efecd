"""The status page: what each state looks like, and that a code is needed for all of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from twin_matcher_dagster.errors import CodeError
from twin_matcher_dagster.pages import status as page
from twin_matcher_dagster.pages.catalogue import languages, words_in
from twin_matcher_dagster.pages.status import StatusActions
from twin_matcher_dagster.pages.status_desk import LATER_S, SOON_S, StatusDesk
from twin_matcher_dagster.pages.status_view import reunion_view, status_view
from twin_matcher_dagster.storage.tombstones import erased_uploads
from twin_matcher_dagster.twins.reunion import Reunion, TwinNews, VisitorShown
from twin_matcher_dagster.uploads import not_taken
from twin_matcher_dagster.uploads.consent import (
    CONSENT_DETAILS,
    CONSENT_TEXT,
    PUBLICATION_TEXT,
    TWIN_TEXT,
)
from twin_matcher_dagster.uploads.ownership import TRIES_AN_HOUR
from twin_matcher_dagster.uploads.status import UploadState, UploadStatus
from twin_matcher_dagster.uploads.status_words import SENTENCES, TITLES, status_in_words
from twin_matcher_dagster.uploads.submission import new_upload_id
from twin_matcher_dagster_tests.kit import CODE, Kit
from twin_matcher_dagster_tests.memory import memory_bucket

ENGLISH = words_in("en")
NOW = datetime(2026, 11, 28, 3, tzinfo=timezone.utc)
STATUSES = [
    *(UploadStatus(state) for state in UploadState),
    UploadStatus(UploadState.received, 3),
    UploadStatus(UploadState.received, None),
    UploadStatus(UploadState.in_release, release=7, since=5),
    UploadStatus(UploadState.in_release, release=7),
    UploadStatus(UploadState.not_taken, why=(not_taken.BY_A_PERSON(),)),
    UploadStatus(UploadState.erased, retrain_by=NOW + timedelta(days=1)),
]


@pytest.fixture
def kit() -> Kit:
    store = memory_bucket()
    store.within = lambda seconds: store  # type: ignore[method-assign]
    return Kit(store)


def test_every_state_has_its_words() -> None:
    assert set(TITLES) == set(SENTENCES) == set(UploadState)


@pytest.mark.parametrize("status", STATUSES, ids=[f"{n}" for n in range(len(STATUSES))])
def test_every_state_is_shown(status: UploadStatus) -> None:
    shown = status_view(status, ENGLISH)
    assert TITLES[status.state] in shown
    assert f'data-state="{status.state.value}"' in shown


def test_what_is_counted_is_said() -> None:
    said = [" ".join(status_in_words(one, NOW)) for one in STATUSES[-6:]]
    assert "3 came before it." in said[0]
    assert "Many uploads are before it." in said[1]
    assert "since release 5" in said[2]
    assert "in release 7" in said[3]
    assert "did not take them" in said[4]
    assert "may be in use until" in said[5]


def all_said() -> Iterator[str]:
    """Every sentence that is ours and not a text of the pages."""
    for status in STATUSES:
        yield TITLES[status.state]
        yield from status_in_words(status, NOW)
    for refusal in (not_taken.BY_A_PERSON, not_taken.NOT_WHOLE, not_taken.TOO_FEW_CAN_BE_USED):
        yield refusal(good=3, total=9, needed=20)
    yield from (CONSENT_TEXT, *CONSENT_DETAILS, TWIN_TEXT, PUBLICATION_TEXT)


@pytest.mark.parametrize("language", languages()[1:])
def test_every_sentence_is_said_in_every_language(language: str) -> None:
    words = words_in(language)
    assert [one for one in all_said() if words.said(one) == one] == []


def test_a_twin_is_shown_with_what_they_typed_escaped() -> None:
    own, twin = VisitorShown("Ana", b"\x89PNG own"), VisitorShown("Zoë <b>", b"\x89PNG twin")
    shown = reunion_view(Reunion(TwinNews.found, own, twin, 0.9984), ENGLISH)
    assert "Zoë &lt;b&gt;" in shown
    assert "<b>" not in shown
    assert shown.count("data:image/png") == 2
    assert "more alike than 99 of 100" in shown
    assert "Nobody who is very much like you" in reunion_view(Reunion(TwinNews.nobody_yet), ENGLISH)
    assert reunion_view(Reunion(TwinNews.not_asked_for), ENGLISH) == ""


def test_without_the_code_nothing_is_said(kit: Kit) -> None:
    upload_id, desk = kit.upload(), StatusDesk(kit.store)
    said = set()
    for who, code in ((upload_id, "wrong"), (new_upload_id(), CODE), ("../x", CODE)):
        with pytest.raises(CodeError) as refused:
            desk.asked(who, code, ENGLISH)
        said.add(str(refused.value))
    assert len(said) == 1
    for _ in range(TRIES_AN_HOUR - 1):
        with pytest.raises(CodeError):
            desk.asked(upload_id, "wrong", ENGLISH)
    with pytest.raises(CodeError, match="Too many"):
        desk.asked(upload_id, "wrong", ENGLISH)
    assert "Being checked" in desk.asked(f" {upload_id.lower()} ", CODE.lower(), ENGLISH).status


def test_an_open_page_looks_again_while_something_is_to_come(kit: Kit) -> None:
    desk, upload_id = StatusDesk(kit.store), kit.upload()
    assert desk.look(upload_id, ENGLISH).again_s == SOON_S
    kit.judge(upload_id, state="rejected")
    assert desk.look(upload_id, ENGLISH).again_s is None
    kit.celebrities()
    kit.judge(upload_id)
    kit.version()
    kit.release()
    assert desk.look(upload_id, ENGLISH).again_s == LATER_S


def filled(what: list[Any]) -> dict[str, Any]:
    names = ("shown", "message", "status", "twin", "nobody", "forget", "timer")
    return dict(zip(names, what, strict=True))


def test_a_twin_is_taken_back_with_a_click(kit: Kit) -> None:
    act = StatusActions(kit.store)
    kit.celebrities()
    ana, zoe = kit.visitor("Ana"), kit.visitor("Zoë")
    kit.version()
    kit.release()
    kit.pairs(ana, zoe)
    before = filled(act.show(ana, CODE, None))
    assert "Zoë" in before["twin"]
    assert before["nobody"].visible
    after = filled(act.tell_of_nobody(before["shown"], None))
    assert after["twin"] == ""
    assert not after["nobody"].visible
    assert "told of nobody any more" in after["message"]
    assert "Nobody who is very much like you" in filled(act.show(zoe, CODE, None))["twin"]


def test_what_is_the_same_is_not_said_again(kit: Kit) -> None:
    act, upload_id = StatusActions(kit.store), kit.upload()
    shown = filled(act.show(upload_id, CODE, None))["shown"]
    assert act.look(shown, None) == page._SAME
    kit.judge(upload_id, state="flagged")
    assert "Waits for a person" in filled(act.look(shown, None))["status"]


def test_a_wrong_code_takes_away_what_was_shown(kit: Kit) -> None:
    act, upload_id = StatusActions(kit.store), kit.upload()
    wrong = filled(act.show(upload_id, "wrong", None))
    assert (wrong["shown"], wrong["status"], wrong["twin"]) == (None, "", "")
    assert "do not belong together" in wrong["message"]
    assert not wrong["timer"].active
    assert "Type the upload id" in filled(act.show("", "", None))["message"]
    assert act.follow("", "", None) == page._SAME


def test_everything_is_erased_with_a_click(kit: Kit) -> None:
    act, upload_id = StatusActions(kit.store), kit.upload()
    done = filled(act.erase(upload_id, CODE, None))
    assert "deleted" in done["message"]
    assert 'data-state="erased"' in done["status"]
    assert not done["forget"].visible
    assert erased_uploads(kit.store) == [upload_id]
