"""The review page in Chromium, behind the guard: from a flagged upload to an accepted one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from twin_matcher_dagster.access.installation import guarded
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.local.sign_in_token import keep_token, read_token
from twin_matcher_dagster.review.app import review_app
from twin_matcher_dagster.review.waiting import REVIEW_PATH
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.logs import balanced_versions
from twin_matcher_dagster.storage.object_store import PAGE_CONFIG, ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.uploads.arrivals import arrivals
from twin_matcher_dagster.uploads.decisions import get_decision
from twin_matcher_dagster.uploads.flagged import flagged_uploads
from twin_matcher_dagster_tests.browser.test_predict_page import OURS
from twin_matcher_dagster_tests.kit import Kit

pytestmark = pytest.mark.browser

NAME = "Somebody Else"


async def dagster(scope: Any, receive: Any, send: Any) -> None:
    """Stands where the webserver does."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"Dagster"})


@dataclass(frozen=True)
class Desk:
    """The review page of a bucket.

    Attributes:
        store: the bucket.
        url: of the guard.
        token: that signs an operator in.
    """

    store: ObjectStore
    url: str
    token: str


@pytest.fixture(scope="module")
def desk(
    _aws: None,
    uploads_bucket: ObjectStore,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Desk]:
    """One that runs, over a bucket with two celebrities."""
    store = ObjectStore.from_environment(uploads_bucket.bucket, PAGE_CONFIG)
    for key in list(store.list("")):
        store.delete(key)
    Kit(store).celebrities()
    held, home = HeldPorts(1), tmp_path_factory.mktemp("home")
    settings = Settings(twin_matcher_home=home, dagster_port=held.numbers[0])
    keep_token(home, None)
    app = guarded(dagster, {REVIEW_PATH: review_app(store)}, settings, home, store)
    port = settings.dagster_port
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="warning", access_log=False, lifespan="off")
    )
    held.release()
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.05)
    yield Desk(store, f"http://127.0.0.1:{port}", read_token(home))
    server.should_exit = True
    thread.join()


@pytest.fixture
def store(desk: Desk) -> ObjectStore:
    return desk.store


@pytest.fixture(scope="module")
def flagged(desk: Desk) -> tuple[str, str]:
    """Flagged for an earlier upload, and for a celebrity and what names nobody."""
    kit = Kit(desk.store)
    first, impostor, other = (kit.upload(name=name) for name in ("Amara Tessemaye", NAME, "Teo"))
    kit.judge(first)
    who = user_id(first)
    flag = f"the face looks like an earlier upload ({who}): similarity 0.91, limit 0.50"
    kit.judge(impostor, state="flagged", flags=(flag,), resembles=(who,))
    celebrity = balanced_versions(desk.store).existing_head().record.shards[0].identities[0]
    who = celebrity.identity_id
    flag = f"the face looks like {celebrity.label} ({who}): similarity 0.58, limit 0.50"
    more = "9 of 24 pictures are nearer to somebody else than to the rest"
    kit.judge(other, state="flagged", flags=(flag, more), resembles=(who,))
    return impostor, other


def sign_in(page: Page, desk: Desk) -> None:
    page.goto(f"{desk.url}{REVIEW_PATH}/?token={desk.token}")
    page.get_by_role("heading", name="What waits for a person").wait_for()
    assert desk.token not in page.url


def test_from_a_flagged_upload_to_an_accepted_one(
    page: Page, desk: Desk, flagged: tuple[str, str]
) -> None:
    upload_id, _ = flagged
    sign_in(page, desk)
    page.locator(f'a[href$="{upload_id}"]').click()
    page.get_by_role("heading", name=NAME, exact=True).wait_for()
    assert page.get_by_text("An earlier upload").is_visible()
    page.wait_for_function(
        """() => {
          const all = [...document.querySelectorAll(".faces img")];
          return all.length == 6 && all.every((one) => one.naturalWidth == 160);
        }"""
    )
    # By keys alone: from the note to the button.
    page.get_by_label("Note, for other reviewers").fill("a twin sister, checked by phone")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("It is being carried out").wait_for()
    decided = get_decision(desk.store, upload_id)
    assert decided
    assert decided.note == "a twin sister, checked by phone"
    # As the run does that the reconciliation launches: see defs/test_review.py.
    assert upload_id in arrivals(desk.store)
    Kit(desk.store).judge(upload_id, review=decided.reviewed)
    assert upload_id not in flagged_uploads(desk.store)
    page.reload()
    page.get_by_text("Accepted by").wait_for()
    assert page.locator(".state-accepted").is_visible()
    assert page.get_by_text("It is being carried out").count() == 0


def test_two_tabs_decide_and_the_second_is_told(
    page: Page, desk: Desk, flagged: tuple[str, str]
) -> None:
    _, upload_id = flagged
    sign_in(page, desk)
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto(f"{desk.url}{REVIEW_PATH}/uploads/{upload_id}")
    other.get_by_role("button", name="Reject").click()
    other.get_by_text("Rejected by").wait_for()
    page.get_by_label("Note, for other reviewers").fill("mine")
    page.get_by_label("Why other pictures are needed").select_option("light")
    page.get_by_role("button", name="Ask again").click()
    page.get_by_role("alert").wait_for()
    assert "decided meanwhile (reject" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Note, for other reviewers").input_value() == "mine"
    page.get_by_label("Why other pictures are needed").select_option("light")
    page.get_by_role("button", name="Ask again").click()
    page.get_by_text("Its owner reads: Your face is too dark").wait_for()


def test_another_page_decides_nothing(page: Page, desk: Desk, flagged: tuple[str, str]) -> None:
    """Of the same host at another port, where the browser sends the cookie along."""
    _, upload_id = flagged
    sign_in(page, desk)
    before = get_decision(desk.store, upload_id)
    target = f"{desk.url}{REVIEW_PATH}/uploads/{upload_id}"
    form = (
        f'<form method="post" action="{target}"><input name="decision" value="accept">'
        '<input name="seen" value=""></form>'
    )
    page.route("**/elsewhere", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto("http://127.0.0.1:8099/elsewhere")
    with page.expect_navigation():
        page.evaluate("document.forms[0].submit()")
    assert get_decision(desk.store, upload_id) == before


@pytest.mark.parametrize(("scheme", "width"), [("dark", 390), ("light", 1280)])
def test_it_is_accessible_and_fits(
    page: Page, desk: Desk, flagged: tuple[str, str], scheme: Any, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    sign_in(page, desk)
    axe = Axe()
    _, upload_id = flagged
    for path in ("/", f"/uploads/{upload_id}", "/uploads/nobody"):
        page.goto(f"{desk.url}{REVIEW_PATH}{path}")
        found = axe.run(page, options=OURS)
        assert found.violations_count == 0, found.generate_report()
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not wide, path
