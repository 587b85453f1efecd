"""The review page, by requests: who sees what, what a form may do, and what stays nowhere."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from twin_matcher_dagster.dataset.identity import celebrity_id
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.decisions import UploadDecision, get_decision
from twin_matcher_dagster_tests.alerts.receivers import closed_port
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.review.desk import HERE, RITA, ROB, VERA, client_of

ANA = celebrity_id("Ana Aranda")
FLAG = f"the face looks like Ana Aranda ({ANA}): similarity 0.91, limit 0.50"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def kit(store: ObjectStore) -> Kit:
    made = Kit(store)
    made.celebrities()
    return made


@pytest.fixture
def flagged(kit: Kit) -> str:
    """Flagged for a celebrity, under a name that would like to be HTML."""
    upload_id = kit.upload(name=f"Zoë {SCRIPT}")
    kit.judge(upload_id, state="flagged", flags=(FLAG,), resembles=(ANA,))
    return upload_id


@pytest.fixture
def browser(kit: Kit) -> TestClient:
    return client_of(kit.store)


def address(upload_id: str) -> str:
    return f"/review/uploads/{upload_id}"


def seen_in(page: str) -> str:
    found = re.search(r'name="seen" value="([^"]+)"', page)
    assert found
    return found[1]


def test_from_what_waits_to_a_decision(kit: Kit, flagged: str, browser: TestClient) -> None:
    page = browser.get("/review")
    assert page.status_code == 200
    assert address(flagged) in page.text
    assert "1 flagged upload" in page.text
    page = browser.get(address(flagged))
    assert "As alike as photos of one person are." in page.text
    assert "Similarity <b>0.91</b>, limit 0.50" in page.text
    assert SCRIPT not in page.text
    form = {"seen": seen_in(page.text), "decision": "accept", "note": "a twin, phoned"}
    done = browser.post(address(flagged), data=form, follow_redirects=False)
    assert (done.status_code, done.headers["location"]) == (303, address(flagged))
    decided = get_decision(kit.store, flagged)
    assert decided
    assert (decided.decision, decided.by) == (UploadDecision.accept, RITA.name)
    page = browser.get(address(flagged)).text
    assert "a twin, phoned" in page
    assert "It is being carried out" in page
    assert "Decided, being carried out" in browser.get("/review/").text


def test_both_faces_are_shown(flagged: str, browser: TestClient, kit: Kit) -> None:
    page = browser.get(address(flagged)).text
    pictures = re.findall(r'<img src="([^"]+)"', page)
    assert len(pictures) == 6
    for picture in pictures:
        answer = browser.get(picture)
        assert answer.status_code == 200, picture
        assert answer.headers["content-type"].startswith("image/")
        assert answer.headers["cache-control"] == "no-store"
    # Of a release its portraits.
    kit.version()
    kit.release()
    assert browser.get(f"/review/people/{ANA}/0").status_code == 200


def test_of_two_reviewers_the_second_is_told_and_keeps_the_note(
    kit: Kit, flagged: str, browser: TestClient
) -> None:
    seen = seen_in(browser.get(address(flagged)).text)
    other = client_of(kit.store, ROB)
    for one, decision, status in ((other, "reject", 200), (browser, "accept", 409)):
        form = {"seen": seen, "decision": decision, "note": "my own note"}
        answer = one.post(address(flagged), data=form)
        assert answer.status_code == status
    assert "rob@example.com decided meanwhile (reject" in answer.text
    assert ">my own note</textarea>" in answer.text
    assert seen_in(answer.text) != seen  # and now it can be decided anew
    decided = get_decision(kit.store, flagged)
    assert decided
    assert decided.by == ROB.name


def test_what_is_no_decision_is_said(flagged: str, browser: TestClient, kit: Kit) -> None:
    seen = seen_in(browser.get(address(flagged)).text)
    for form in (
        {"decision": "ask_again"},
        {"decision": "ask_again", "reason": "because"},
        {"decision": "perhaps"},
        {"decision": "reject", "note": "x" * 501},
        {},
    ):
        answer = browser.post(address(flagged), data={"seen": seen, **form})
        assert answer.status_code == 400, form
        assert 'role="alert"' in answer.text
    assert get_decision(kit.store, flagged) is None
    form = {"seen": seen, "decision": "ask_again", "reason": "live"}
    answer = browser.post(address(flagged), data=form)
    assert "Its owner reads: Your pictures look as if they were taken of a photo" in answer.text


def test_a_form_of_another_page_does_nothing(flagged: str, browser: TestClient, kit: Kit) -> None:
    seen = seen_in(browser.get(address(flagged)).text)
    form = {"seen": seen, "decision": "accept"}
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "http://desk.example:81"},
        {"origin": "null"},
        {"origin": ""},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
    ):
        assert browser.post(address(flagged), data=form, headers=headers).status_code == 403
    assert get_decision(kit.store, flagged) is None


def test_no_other_form_and_no_long_one_is_read(flagged: str, browser: TestClient) -> None:
    assert browser.post(address(flagged), json={"decision": "accept"}).status_code == 413
    assert browser.post(address(flagged), data={"note": "x" * 30_000}).status_code == 413
    files = {"decision": ("a", b"accept")}
    assert browser.post(address(flagged), files=files).status_code == 413
    assert browser.get(f"{address(flagged)}?decision=accept").status_code == 200
    assert browser.put(address(flagged)).status_code == 405


def test_viewers_are_told_how_much_and_see_nobody(kit: Kit, flagged: str) -> None:
    viewer = client_of(kit.store, VERA)
    page = viewer.get("/review/")
    assert "1 flagged upload" in page.text
    assert flagged not in page.text
    for path in (
        address(flagged),
        f"{address(flagged)}/faces/0",
        f"/review/people/{ANA}/0",
    ):
        answer = viewer.get(path)
        assert answer.status_code == 403, path
        assert "Zoë" not in answer.text
    form = {"decision": "accept", "seen": ""}
    assert viewer.post(address(flagged), data=form).status_code == 403
    assert get_decision(kit.store, flagged) is None


def test_without_the_guard_nobody_is_served(kit: Kit, flagged: str) -> None:
    nobody = client_of(kit.store, None)
    for path in ("/review/", address(flagged), f"{address(flagged)}/faces/0"):
        with pytest.raises(LookupError, match="Nobody is signed in"):
            nobody.get(path)


def test_nothing_is_kept_framed_or_run(flagged: str, browser: TestClient) -> None:
    for path in ("/review/", address(flagged), f"{address(flagged)}/faces/0", address("nobody")):
        headers = browser.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "script-src" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
    page = browser.get(address(flagged)).text
    assert "<script" not in page
    assert "style=" not in page
    for name in re.findall(r'href="(/review/static/[^"]+)"', page):
        assert browser.get(name).status_code == 200


def test_what_is_gone_or_never_was_is_said(kit: Kit, flagged: str, browser: TestClient) -> None:
    for path in (
        address("nobody"),
        address("01KB0000000000000000000000"),
        f"{address(flagged)}/faces/99",
        f"{address(flagged)}/faces/-1",
        "/review/people/u-01KB0000000000000000000000/0",
        "/review/people/c-0000000000000000/0",
        f"/review/people/{ANA}/9",
        "/review/people/..%2f..%2fready/0",
    ):
        assert browser.get(path).status_code == 404, path
    erase(kit.store, flagged, timedelta(days=1))
    answer = browser.get(address(flagged))
    assert "was erased" in answer.text
    assert browser.get(f"{address(flagged)}/faces/0").status_code == 404


def test_what_is_no_crop_is_handed_to_no_browser(
    kit: Kit, flagged: str, browser: TestClient
) -> None:
    """Whoever may write to the bucket's uploads is no reviewer."""
    real = kit.store.get(layout.face(flagged, 0))
    huge = real[:16] + (50_000).to_bytes(4, "big") * 2 + real[24:]
    for data in (b"<html>", huge, real[:8], b"", real + bytes(1_000_000)):
        kit.store.overwrite(layout.face(flagged, 0), data)
        assert browser.get(f"{address(flagged)}/faces/0").status_code == 404


def test_a_store_that_is_away_is_said(
    kit: Kit, flagged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setattr("twin_matcher_dagster.review.app.REVIEWER_WAITS_S", 0.5)
    away = client_of(ObjectStore.from_environment(kit.store.bucket))
    answer = away.get("/review/")
    assert answer.status_code == 503
    assert 'role="alert"' in answer.text


def test_an_upload_that_failed_its_checks_cannot_be_accepted(kit: Kit, browser: TestClient) -> None:
    upload_id = kit.upload()
    kit.judge(upload_id, state="rejected", reasons=("Crop 3 was altered.",))
    page = browser.get(address(upload_id)).text
    assert 'value="accept" disabled' in page
    form = {"seen": seen_in(page), "decision": "accept"}
    answer = browser.post(address(upload_id), data=form)
    assert answer.status_code == 400
    assert "failed its checks" in answer.text
    assert HERE.startswith("https")


def test_it_has_the_colours_of_the_other_pages() -> None:
    package = PROJECT_ROOT / "twin_matcher_dagster"
    ours, theirs = (
        set(re.findall(r"--[a-z-]+: #\w+", (package / name).read_text()))
        for name in ("review/static/review.css", "pages/static/look.css")
    )
    assert {one for one in ours - theirs if not one.startswith("--edge")} == set()
    icons = [package / folder / "static/icon.svg" for folder in ("review", "pages")]
    assert icons[0].read_bytes() == icons[1].read_bytes()
