"""The upload page in Chromium, on a real bucket."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.consent import CONSENT_VERSION
from twin_matcher_dagster.uploads.erasure_code import erasure_hash
from twin_matcher_dagster.uploads.manifest import get_faces, get_manifest
from twin_matcher_dagster.uploads.submission import new_upload_id
from twin_matcher_dagster_tests.browser.conftest import Serve
from twin_matcher_dagster_tests.clips import CLIPS, sample_frames, write_clip
from twin_matcher_dagster_tests.kit import Kit

pytestmark = pytest.mark.browser

# A page takes seconds to start: all tests ask one that asks for all that a page can ask for.
PUBLISHES = {"HUB_DATASET": "somebody/twins"}
NASTY_NAME = '../../ Ådám "Тест" مرحبا 🙂 <img src=x onerror=alert(1)>'


def choose(page: Page, clip: Path) -> None:
    """Upload a clip, and wait for what the page says to it."""
    page.click('#clip button[aria-label="Upload file"]')
    page.set_input_files("#clip input[type=file]", clip)
    page.wait_for_selector("#found .success, #found .problem", timeout=90_000)


def send(page: Page, name: str, consent: bool) -> str:
    """Fill the form in and send it; what the page says."""
    page.fill("#name input, #name textarea", name)
    page.set_checked("#consent input", consent)
    page.click("#send")
    message = page.wait_for_selector("#outcome .success, #outcome .problem", timeout=60_000)
    assert message
    return message.inner_text()


def uploads(store: ObjectStore) -> list[str]:
    prefix = f"{layout.UPLOAD_MANIFESTS}/"
    return [key.removeprefix(prefix).removesuffix(".json") for key in store.list(prefix)]


def test_a_clip_is_stored_after_consent(
    page: Page, serve: Serve, store: ObjectStore, story: Story
) -> None:
    page.goto(serve("upload", store, **PUBLISHES))
    choose(page, story.clip)
    assert "faces found" in page.inner_text("#found .success")
    page.wait_for_selector("#faces img")
    assert page.locator("#faces img").count() >= MIN_FACES
    assert "tick the consent box" in send(page, NASTY_NAME, consent=False)
    assert list(store.list("")) == []
    assert "Thank you" in send_again(page)
    (upload_id,) = uploads(store)
    assert upload_id in page.inner_text("#outcome")
    manifest = get_manifest(store, upload_id)
    assert len(list(get_faces(store, manifest))) >= MIN_FACES
    assert manifest.consent_version == CONSENT_VERSION
    code = page.locator("#outcome code").nth(1).inner_text()
    assert manifest.erasure_hash == erasure_hash(upload_id, code)
    assert not any(code.encode() in store.get(key) for key in store.list(""))
    assert manifest.name == NASTY_NAME
    assert manifest.publication is False
    assert all(key.isascii() and ".." not in key for key in store.list(""))
    # Judged meanwhile, and taken as another clip of somebody.
    kit = Kit(store)
    kit.judge(upload_id, another_of=new_upload_id())
    page.wait_for_selector("#whose .success", timeout=30_000)
    assert "another clip of the same person" in page.inner_text("#whose")
    assert code in page.inner_text("#outcome")


def send_again(page: Page) -> str:
    """Consent after all."""
    page.set_checked("#consent input", True)
    page.click("#send")
    page.wait_for_selector("#outcome .success", timeout=60_000)
    return page.inner_text("#outcome")


def test_a_second_click_stores_nothing_twice(
    page: Page, serve: Serve, store: ObjectStore, short_clip: Path
) -> None:
    page.goto(serve("upload", store, **PUBLISHES))
    choose(page, short_clip)
    assert "Thank you" in send(page, "Twice", consent=True)
    code = page.locator("#outcome code").nth(1).inner_text()
    page.click("#send")
    page.wait_for_timeout(2000)
    assert page.locator("#outcome code").nth(1).inner_text() == code
    assert len(uploads(store)) == 1


def test_a_name_is_needed(page: Page, serve: Serve, store: ObjectStore, short_clip: Path) -> None:
    page.goto(serve("upload", store, **PUBLISHES))
    choose(page, short_clip)
    assert "Type a name" in send(page, " \u200b ", consent=True)
    assert list(store.list("")) == []


def test_what_is_not_a_video_is_explained(
    page: Page, serve: Serve, store: ObjectStore, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"this is not a video" * 100)
    page.goto(serve("upload", store, **PUBLISHES))
    choose(page, clip)
    assert "cannot be read as a video" in page.inner_text("#found .problem")
    assert "There are no faces to store" in send(page, "Nobody", consent=True)
    assert list(store.list("")) == []


def test_a_webcam_recording_is_accepted(page: Page, serve: Serve, store: ObjectStore) -> None:
    page.goto(serve("upload", store, **PUBLISHES))
    page.get_by_text("Click to Access Webcam").click()
    page.wait_for_timeout(1500)
    record = '#clip button[aria-label="start recording"]'  # keeps its label while it records
    page.click(record)
    # A busy browser leaves frames out: of 8 seconds 10 faces were left, 20 are needed.
    page.wait_for_timeout(20_000)
    page.click(record)
    page.wait_for_selector("#found .success, #found .problem", timeout=90_000)
    assert "faces found" in page.inner_text("#found")
    assert "Thank you" in send(page, "Webcam", consent=True)
    assert len(uploads(store)) == 1


def test_a_phone_sees_everything(
    page: Page, serve: Serve, store: ObjectStore, short_clip: Path
) -> None:
    """Empty, with what was found, and when it is sent: never wider than the screen."""
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(serve("upload", store, **PUBLISHES))
    page.wait_for_selector("#send")
    widths = [page.evaluate("document.documentElement.scrollWidth")]
    choose(page, short_clip)
    page.wait_for_selector("#faces img")
    widths.append(page.evaluate("document.documentElement.scrollWidth"))
    assert "Thank you" in send(page, "Amara", consent=True)
    widths.append(page.evaluate("document.documentElement.scrollWidth"))
    assert max(widths) <= 390
    box = page.locator("#outcome .keep").bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def test_where_the_head_looked_is_drawn(
    page: Page, serve: Serve, store: ObjectStore, story: Story
) -> None:
    page.goto(serve("upload", store, **PUBLISHES))
    choose(page, story.clip)
    page.wait_for_selector("#faces img")
    assert page.locator("#found svg.yaw circle").count() >= MIN_FACES
    captions = page.locator("#faces .caption-label").all_inner_texts()
    assert {"ahead"} < {caption.strip() for caption in captions}
    assert any("left" in caption for caption in captions)
    assert any("right" in caption for caption in captions)


def test_a_clip_of_two_people_is_refused_with_the_reason(
    page: Page, serve: Serve, store: ObjectStore, tmp_path: Path
) -> None:
    both = zip(sample_frames("amara_1.mp4", 22), sample_frames("teodor_1.mp4", 22), strict=True)
    write_clip(tmp_path / "two.mp4", [np.hstack(pair) for pair in both])
    page.goto(serve("upload", store, **PUBLISHES))
    choose(page, tmp_path / "two.mp4")
    assert "more than one person" in page.inner_text("#found .problem")
    assert "There are no faces to store" in send(page, "Both", consent=True)
    assert list(store.list("")) == []


def test_photos_do_as_well(page: Page, serve: Serve, store: ObjectStore, tmp_path: Path) -> None:
    files = []
    for number, frame in enumerate(sample_frames("amara_1.mp4", 24)):
        path = tmp_path / f"{number:02d}.{'png' if number % 2 else 'webp'}"
        Image.fromarray(frame).save(path)
        files.append(path)
    page.goto(serve("upload", store, **PUBLISHES))
    page.get_by_role("tab", name="Photos").click()
    page.set_input_files("#photos input[type=file]", files)
    page.wait_for_selector("#found .success, #found .problem", timeout=90_000)
    assert "24 faces found" in page.inner_text("#found")
    assert "Thank you" in send(page, "Photos", consent=True)
    (upload_id,) = uploads(store)
    assert len(get_manifest(store, upload_id).faces) == 24


def test_the_camera_says_what_is_missing(page: Page, serve: Serve, store: ObjectStore) -> None:
    page.goto(serve("upload", store, **PUBLISHES))
    page.get_by_role("tab", name="Camera with hints").click()
    assert "Press the button" in page.inner_text("#advice")
    page.locator("#camera").get_by_text("Click to Access Webcam").click()
    page.wait_for_timeout(1500)
    page.click('#camera button[aria-label="capture photo"]')
    page.wait_for_function(
        "document.querySelector('#advice').innerText.includes('of the picture')", timeout=120_000
    )
    page.wait_for_selector("#found .success", timeout=120_000)
    assert "Done" in page.inner_text("#advice")
    assert "faces found" in page.inner_text("#found")
    page.click("#again")
    page.wait_for_function("document.querySelector('#advice').innerText.includes('0 faces')")
    assert page.locator("#found .success").count() == 0


def erase(page: Page, upload_id: str, code: str, kind: str) -> str:
    """Ask for an erasure; what the page says, a problem or success."""
    page.fill("#erase-id input, #erase-id textarea", upload_id)
    page.fill("#erase-code input, #erase-code textarea", code)
    page.click("#erase")
    message = page.wait_for_selector(f"#erased .{kind}", timeout=60_000)
    assert message
    return message.inner_text()


def test_who_came_in_can_go_again(
    page: Page, serve: Serve, store: ObjectStore, short_clip: Path
) -> None:
    page.goto(serve("upload", store, **PUBLISHES))
    choose(page, short_clip)
    send(page, "Amara", consent=True)
    upload_id, code = page.locator("#outcome code").all_inner_texts()
    page.get_by_text("Take your faces out again").click()
    assert "do not belong together" in erase(page, upload_id, code[::-1], "problem")
    assert uploads(store) == [upload_id]
    assert "deleted" in erase(page, upload_id, f" {code.lower()} ", "success")
    assert uploads(store) == []
    proof = verify(store, upload_id)
    assert (proof.left, proof.pending, proof.proven) == ([], [], True)
    assert "Type the upload id" in erase(page, "", "", "problem")


def test_publication_is_a_choice_of_its_own(
    page: Page, serve: Serve, store: ObjectStore, short_clip: Path
) -> None:
    page.goto(serve("upload", store, **PUBLISHES))
    choose(page, short_clip)
    page.set_checked("#publish input", True)
    send(page, "Amara", consent=True)
    (upload_id,) = uploads(store)
    assert get_manifest(store, upload_id).publication is True


@pytest.mark.slow
def test_a_clip_that_the_browser_cannot_show_is_no_error(
    page: Page, serve: Serve, store: ObjectStore, tmp_path: Path
) -> None:
    """HEVC, as iPhones film: read all the same, and a note in place of the preview."""
    write_clip(tmp_path / "clip.mov", sample_frames("amara_1.mp4", 24), None, "mov", "libx265")
    page.goto(serve("upload", store, **PUBLISHES))
    assert not page.is_visible("#unplayable")
    choose(page, tmp_path / "clip.mov")
    assert "24 faces found" in page.inner_text("#found .success")
    page.wait_for_selector("#clip video.unplayable", state="attached")
    assert "Your browser cannot show this clip" in page.inner_text("#unplayable")
    assert "not playable" not in page.inner_text("body")
    assert page.locator(".toast-body, #found .problem").count() == 0
    page.click('#clip button[aria-label="Clear"]')
    choose(page, CLIPS[0])
    assert not page.is_visible("#unplayable")
