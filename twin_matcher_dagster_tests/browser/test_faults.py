"""What a person sees in Chromium while there is no room, too much to do, or no store."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.refusals import DISK_FULL
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.browser.conftest import Serve
from twin_matcher_dagster_tests.browser.test_predict_page import ask
from twin_matcher_dagster_tests.browser.test_upload_page import choose, erase, fill, uploads
from twin_matcher_dagster_tests.faulty_store import Fault, FaultyStore
from twin_matcher_dagster_tests.kit import CODE, Kit

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def full(route: Route) -> None:
    """What ``RoomForFiles`` answers."""
    route.fulfill(status=507, content_type="text/plain; charset=utf-8", body=DISK_FULL())


def busy(route: Route) -> None:
    """What Gradio answers when its queue is full."""
    route.fulfill(status=503, json={"detail": "Queue is full. Max size is 50."})


def toast(page: Page) -> str:
    """The message that pops up."""
    message = page.wait_for_selector(".toast-body", timeout=30_000)
    assert message
    return message.inner_text()


def test_a_full_disk_and_a_full_queue_are_said(
    page: Page, serve: Serve, store: ObjectStore, story: Story
) -> None:
    page.goto(serve("upload", store))
    page.route("**/upload*", full)
    page.get_by_role("tab", name="My clip").click()
    page.set_input_files("#clip input[type=file]", story.clip)
    assert DISK_FULL() in toast(page)
    page.reload()
    page.get_by_role("tab", name="Photos").click()
    page.set_input_files("#photos input[type=file]", [story.photo])
    assert DISK_FULL() in toast(page)
    page.unroute("**/upload*")
    page.reload()
    page.route("**/queue/join*", busy)
    page.get_by_role("tab", name="My clip").click()
    page.set_input_files("#clip input[type=file]", story.clip)
    assert "currently busy. Please try again" in toast(page)
    # Who says a name does not wait.
    page.fill("#name input, #name textarea", "Ana")
    page.wait_for_function("document.querySelector('#missing').innerText.includes('agree')")
    page.unroute("**/queue/join*")
    page.click('#clip button[aria-label="Clear"]')
    choose(page, story.clip)
    assert "faces found" in page.inner_text("#found .success")


def test_a_store_that_is_away_is_said_and_nothing_is_lost(
    page: Page, serve: Serve, store: ObjectStore, story: Story, faulty: FaultyStore
) -> None:
    upload_id = Kit(store).upload()
    page.goto(serve("upload", store, AWS_ENDPOINT_URL_S3=faulty.url))
    choose(page, story.clip)
    fill(page, story.name)
    faulty.set(Fault("slow", seconds=2.0))
    page.click("#send")
    page.wait_for_selector("#outcome .problem", timeout=60_000)
    assert "Nothing was taken" in page.inner_text("#outcome")
    faulty.set(Fault("refused"))
    page.get_by_text("Take your faces out again").click()
    assert "does not answer" in erase(page, upload_id, CODE, "problem")
    assert uploads(store) == [upload_id]
    faulty.heal()
    page.click("#send")
    page.wait_for_selector("#receipt .receipt", timeout=60_000)
    assert len(uploads(store)) == 2
    assert "deleted" in erase(page, upload_id, CODE, "success")
    assert len(uploads(store)) == 1


def test_the_prediction_page_starts_without_a_store(
    page: Page, serve: Serve, store: ObjectStore, story: Story, faulty: FaultyStore
) -> None:
    faulty.set(Fault("silent"))
    page.goto(serve("predict", store, AWS_ENDPOINT_URL_S3=faulty.url))
    ask(page, story.photo)
    assert "Our storage does not answer" in page.inner_text("#answer .problem")
    faulty.heal()
    page.reload()
    ask(page, story.photo)
    assert "There is no model yet" in page.inner_text("#answer .problem")
