"""The prediction page in Chromium, on a real release."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.browser.conftest import Serve
from twin_matcher_dagster_tests.graph import another_frame

pytestmark = pytest.mark.browser


def ask(page: Page, photo: Path) -> None:
    """Choose a photo, and wait for what the page says to it."""
    page.click('#photo button[aria-label="Upload file"]')
    page.set_input_files("#photo input[type=file]", photo)
    page.wait_for_selector("#twins .twin, #twins .problem", timeout=90_000)


@pytest.fixture
def probe(story: Story, tmp_path: Path) -> Path:
    """Another frame of the person's clip, as a photo."""
    path = tmp_path / "probe.png"
    Image.fromarray(another_frame(story)).save(path)
    return path


def test_a_photo_shows_three_twins(
    page: Page, serve: Serve, released: ObjectStore, story: Story, probe: Path
) -> None:
    page.goto(serve("predict", released))
    ask(page, probe)
    names = page.locator("#twins .name").all_inner_texts()
    assert len(names) == 3
    assert page.locator("#twins .identity").inner_text() == f"This is you: {story.name}."
    assert not [name for name in names if story.name in name]
    kinds = page.locator("#twins .kind").all_inner_texts()
    words = page.locator("#twins .likeness").all_inner_texts()
    assert all("more alike than" in text for text in words)
    told = page.locator("#twins .biography").all_inner_texts()
    assert len(told) == sum(kind.startswith("celebrity") for kind in kinds) == 3
    assert all(text.endswith(".") for text in told)
    pictures = page.locator("#twins .twin > img")
    assert pictures.count() == 3
    for index in range(3):
        assert pictures.nth(index).evaluate("image => image.naturalWidth") == 160


def test_the_webcam_works_too(
    page: Page, serve: Serve, released: ObjectStore, story: Story
) -> None:
    page.goto(serve("predict", released))
    page.get_by_text("Click to Access Webcam").click()
    page.wait_for_timeout(1500)
    page.click('#photo button[aria-label="capture photo"]')
    page.wait_for_selector("#twins .twin", timeout=90_000)
    assert page.locator("#twins .identity").inner_text() == f"This is you: {story.name}."


@pytest.mark.parametrize(
    ("photo", "words"),
    [("no_face.jpg", "No face was found"), ("two_people.jpg", "Several faces were found (2)")],
)
def test_a_photo_without_one_face_is_explained(
    page: Page, serve: Serve, released: ObjectStore, photo: str, words: str
) -> None:
    page.goto(serve("predict", released))
    ask(page, SAMPLE / "photos" / photo)
    assert words in page.inner_text("#twins .problem")
    assert page.locator("#twins .twin").count() == 0


def test_of_two_people_one_is_chosen(page: Page, serve: Serve, released: ObjectStore) -> None:
    page.goto(serve("predict", released))
    ask(page, SAMPLE / "photos" / "two_people.jpg")
    page.wait_for_selector("#choice .thumbnail-item img")
    assert page.locator("#choice .thumbnail-item").count() == 2
    page.locator("#choice .thumbnail-item").nth(1).click()
    page.wait_for_selector("#twins .twin", timeout=60_000)
    assert page.locator("#twins .twin").count() == 3
    # The other one is still there to choose.
    assert page.locator("#choice .thumbnail-item").count() == 2


@pytest.mark.slow  # a page of its own; pages/test_predict.py asks without one
def test_no_model_yet_is_explained(
    page: Page, serve: Serve, store: ObjectStore, story: Story
) -> None:
    page.goto(serve("predict", store))
    ask(page, story.photo)
    assert "There is no model yet" in page.inner_text("#twins .problem")


def test_a_phone_sees_everything(
    page: Page, serve: Serve, released: ObjectStore, probe: Path
) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(serve("predict", released))
    ask(page, probe)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
