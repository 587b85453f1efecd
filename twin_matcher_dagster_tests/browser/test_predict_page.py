"""The prediction page in Chromium, on a real release."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.browser.conftest import Pages, Serve
from twin_matcher_dagster_tests.graph import another_frame

pytestmark = pytest.mark.browser

OURS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
"""The rules of accessibility that a page has to keep."""


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


ANSWERED = "#answer .answered, #answer .problem, #scene .scene"


def ask(page: Page, photo: Path) -> None:
    """Choose a photo, and wait for what the page says to it."""
    page.set_input_files(".ways input[type=file]", photo)
    page.wait_for_selector(ANSWERED, timeout=90_000)


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
    page.wait_for_selector("#header .lead:has-text('among')")
    ask(page, probe)
    names = page.locator("#twins .name, #others .name").all_inner_texts()
    assert len(names) == 3
    assert page.locator("#answer .identity").inner_text() == f"This is you: {story.name}."
    assert not [name for name in names if story.name in name]
    assert page.get_by_role("img", name="More alike than").count() == 1
    assert page.locator("#others .likeness").count() == 2
    assert page.locator("#about .biography").inner_text().endswith(".")
    assert page.locator("#about .kind").inner_text() == "celebrity (invented)"
    for place in ("img.face", "img.twin"):
        width = page.locator(f"#answer {place}").evaluate("image => image.naturalWidth")
        assert width == 160
    # Read out and scrolled to, and nothing is left of the waiting.
    assert page.evaluate("document.activeElement.className") == "answered"
    assert page.locator(".waiting .said").inner_text() == ""
    page.wait_for_selector("#why .chip", timeout=60_000)
    plain = page.locator("#answer img.face").get_attribute("src")
    page.check("#why input")
    assert page.locator("#answer img.face").get_attribute("src") != plain
    page.uncheck("#why input")
    assert page.locator("#answer img.face").get_attribute("src") == plain


def test_others_are_asked_for_by_kind_and_by_number(
    page: Page, serve: Serve, released: ObjectStore, story: Story
) -> None:
    page.goto(serve("predict", released))
    page.click('[data-example="1"]')
    page.wait_for_selector("#answer .answered", timeout=90_000)
    page.click('#others [data-do="more"]')
    page.wait_for_function("document.querySelectorAll('#others .other').length > 2")
    page.click('#others [data-kind="user"]')
    page.wait_for_selector('#others [data-kind="user"][aria-pressed="true"]')
    assert page.locator("#about .kind").inner_text() == "another visitor"
    assert page.locator("#answer figcaption.name").inner_text() == story.name


def test_the_picture_to_take_home_is_a_file_of_the_browser(
    page: Page, serve: Serve, released: ObjectStore
) -> None:
    page.goto(serve("predict", released))
    page.click('[data-example="1"]')
    page.wait_for_selector("#answer .answered", timeout=90_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_download() as download:
        page.click('#about [data-do="save"]')
    with Image.open(download.value.path()) as picture:
        assert picture.size == (1200, 800)
        colours = picture.convert("RGB").getcolors(1_000_000) or []
    assert len(colours) > 1000  # two faces, not a blank
    assert not [url for url in asked if not url.startswith(("blob:", "data:"))]


def test_the_camera_works_too(
    page: Page, serve: Serve, released: ObjectStore, story: Story
) -> None:
    page.goto(serve("predict", released))
    page.click('[data-do="camera"]')
    page.wait_for_function("document.querySelector('.camera video').videoWidth > 0")
    page.click('[data-do="shoot"]')
    page.wait_for_selector("#answer .answered", timeout=90_000)
    assert page.locator("#answer .identity").inner_text() == f"This is you: {story.name}."
    assert page.locator(".camera").is_hidden()


@pytest.mark.parametrize(
    ("error", "words"),
    [("NotAllowedError", "may not use"), ("NotFoundError", "No camera"), ("", "https")],
)
def test_a_camera_that_is_refused_is_explained(
    page: Page, serve: Serve, released: ObjectStore, error: str, words: str
) -> None:
    page.goto(serve("predict", released))
    page.wait_for_selector('[data-do="camera"]')
    page.evaluate(
        """error => Object.defineProperty(navigator, "mediaDevices", {value: error && {
          getUserMedia: () => Promise.reject(new DOMException("", error))}})""",
        error,
    )
    page.click('[data-do="camera"]')
    page.wait_for_selector(".trouble:not([hidden])")
    assert words in page.locator(".trouble p").inner_text()
    assert page.locator('.trouble input[capture="user"]').count() == 1


def test_a_photo_is_pasted_or_dropped_anywhere(
    page: Page, serve: Serve, released: ObjectStore
) -> None:
    page.goto(serve("predict", released))
    page.wait_for_selector(".drop")
    photo = base64.b64encode((SAMPLE / "photos" / "keiko.jpg").read_bytes()).decode()
    for event in ("paste", "drop"):
        page.evaluate(
            """([photo, name]) => {
              const bytes = Uint8Array.from(atob(photo), (one) => one.charCodeAt(0));
              const given = new DataTransfer();
              given.items.add(new File([bytes], "a.jpg", {type: "image/jpeg"}));
              const init = {bubbles: true, cancelable: true};
              document.querySelector("h1").dispatchEvent(name === "paste"
                ? new ClipboardEvent(name, {...init, clipboardData: given})
                : new DragEvent(name, {...init, dataTransfer: given}));
            }""",
            [photo, event],
        )
        page.wait_for_selector("#answer .answered", timeout=90_000)
        page.reload()
        page.wait_for_selector(".drop")


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No face was found"), (b"words", "it is text"), (bytes(27 * 2**20), "more than 25")],
)
def test_a_photo_that_cannot_be_used_is_explained(
    page: Page,
    serve: Serve,
    released: ObjectStore,
    tmp_path: Path,
    content: bytes | None,
    words: str,
) -> None:
    page.goto(serve("predict", released))
    photo = SAMPLE / "photos" / "no_face.jpg"
    if content:
        photo = tmp_path / "photo.jpg"
        photo.write_bytes(content)
    page.set_input_files(".ways input[type=file]", photo)
    page.wait_for_selector("#answer .problem, .trouble:not([hidden])", timeout=90_000)
    assert words in page.inner_text("#answer") + page.inner_text(".trouble")
    assert page.locator("#answer .answered").count() == 0


def test_too_much_to_do_is_said_and_can_be_tried_again(
    page: Page, serve: Serve, released: ObjectStore
) -> None:
    page.goto(serve("predict", released))
    page.wait_for_selector(".drop")
    page.route(
        "**/gradio_api/run/*", lambda route: route.fulfill(status=503, json={"error": "full"})
    )
    page.click('[data-example="1"]')
    page.wait_for_selector(".toast-body")
    page.wait_for_function("document.querySelector('.waiting .said').textContent === ''")
    page.unroute("**/gradio_api/run/*")
    page.click('[data-example="1"]')
    page.wait_for_selector("#answer .answered", timeout=90_000)


def test_of_two_people_one_is_chosen_or_both_are_compared(
    page: Page, serve: Serve, released: ObjectStore
) -> None:
    page.goto(serve("predict", released))
    ask(page, SAMPLE / "photos" / "two_people.jpg")
    assert "Several faces were found (2)" in page.inner_text("#scene")
    assert page.locator("#scene .box").count() == 2
    page.locator("#scene .box").nth(1).click()
    page.wait_for_selector("#answer .answered", timeout=60_000)
    assert page.locator("#scene .box").nth(1).get_attribute("aria-pressed") == "true"
    page.click('#scene [data-do="two"]')
    page.wait_for_selector("#answer .compared", timeout=60_000)
    assert page.locator("#answer img").count() == 2
    assert page.locator("#scene .box").count() == 2
    assert page.inner_text("#others") == ""


@pytest.mark.slow  # a page of its own
@pytest.mark.parametrize("killed", [False, True])
def test_nothing_of_a_photo_is_on_the_disk(
    page: Page, pages: Pages, released: ObjectStore, probe: Path, tmp_path: Path, killed: bool
) -> None:
    folder = tmp_path / "page"
    folder.mkdir()
    before = set(released.list(""))
    own = {"GRADIO_TEMP_DIR": str(folder / "gradio"), "TMPDIR": str(folder), "HOME": str(folder)}
    page.goto(pages.start("predict", released, **own))
    process = pages.running[("predict", released.bucket, *own)][0]
    page.wait_for_selector("#header .tag")
    there = files_in(folder)  # what libraries keep for themselves: lists of fonts
    if killed:
        page.set_input_files(".ways input[type=file]", probe)
        process.kill()
        process.wait()
    else:
        ask(page, probe)
        page.wait_for_selector("#why .chip", timeout=60_000)
        assert page.locator("#answer .identity").count() == 1
    assert files_in(folder) <= there
    assert set(released.list("")) == before


@pytest.mark.slow  # a page of its own; pages/test_predict.py asks without one
def test_no_model_yet_is_explained(
    page: Page, serve: Serve, store: ObjectStore, story: Story
) -> None:
    page.goto(serve("predict", store))
    ask(page, story.photo)
    assert "There is no model yet" in page.inner_text("#answer .problem")


def test_a_phone_sees_everything_in_its_own_language(
    browser: Browser, serve: Serve, released: ObjectStore, probe: Path
) -> None:
    with browser.new_context(
        locale="de-DE", color_scheme="dark", viewport={"width": 390, "height": 800}
    ) as context:
        page = context.new_page()
        page.goto(serve("predict", released))
        page.wait_for_function("document.querySelector('h1')?.innerText.startsWith('Wer')")
        ask(page, probe)
        assert "Das bist du" in page.inner_text("#answer")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        small = page.evaluate(
            """() => [...document.querySelectorAll("button, a, label.press, summary")]
              .filter((one) => one.offsetParent && one.getBoundingClientRect().height < 43.5)
              .map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert small == []


def test_nobody_is_kept_out(page: Page, serve: Serve, released: ObjectStore) -> None:
    axe = Axe()
    page.goto(serve("predict", released))
    page.wait_for_selector(".drop")
    states = [axe.run(page, options=OURS)]
    ask(page, SAMPLE / "photos" / "two_people.jpg")
    states.append(axe.run(page, options=OURS))
    page.locator("#scene .box").first.click()
    page.wait_for_selector("#why .chip", timeout=60_000)
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("body.dark")
    page.wait_for_timeout(500)  # colours fade over
    states.append(axe.run(page, options=OURS))
    assert [state.generate_report() for state in states if state.violations_count] == []
