"""What a person sees in Chromium while there is no room, too much to do, or no store."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.door_refusals import TOO_BUSY
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.browser.conftest import Serve
from twin_matcher_dagster_tests.browser.test_predict_page import ask
from twin_matcher_dagster_tests.browser.test_upload_page import choose, erase, fill, uploads
from twin_matcher_dagster_tests.faulty_store import Fault, FaultyStore
from twin_matcher_dagster_tests.kit import CODE, Kit

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def full(route: Route) -> None:
    """What the page answers when no more clips and photos fit into its memory."""
    route.fulfill(status=503, content_type="text/plain; charset=utf-8", body=TOO_BUSY())


def busy(route: Route) -> None:
    """What the page answers when too many wait for it to look at their clips."""
    route.fulfill(status=503, json={"error": TOO_BUSY()})


def toast(page: Page) -> str:
    """The message that pops up."""
    message = page.wait_for_selector(".toast-body", timeout=30_000)
    assert message
    return message.inner_text()


def test_too_many_visitors_are_said(
    page: Page, serve: Serve, store: ObjectStore, story: Story
) -> None:
    page.goto(serve("upload", store))
    for kind, name, file in (("clip", "My clip", story.clip), ("photos", "Photos", story.photo)):
        page.route(f"**/{kind.rstrip('s')}s", full)
        page.get_by_role("tab", name=name).click()
        page.set_input_files(f"#{kind} input[type=file]", [file])
        page.wait_for_selector(f"#{kind} .trouble:visible")
        assert page.inner_text(f"#{kind} .trouble") == TOO_BUSY()
    page.unroute_all()
    page.reload()
    page.wait_for_selector("#recorder button")
    page.route("**/gradio_api/run/*", busy)
    page.get_by_role("tab", name="My clip").click()
    page.set_input_files("#clip input[type=file]", story.clip)
    assert toast(page) == TOO_BUSY()
    page.unroute_all()
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
