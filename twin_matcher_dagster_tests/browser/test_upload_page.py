"""The upload page and the status page in Chromium, on a real bucket."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.twins.agreement import agreeing
from twin_matcher_dagster.uploads.consent import CONSENT_VERSION
from twin_matcher_dagster.uploads.erasure_code import erasure_hash
from twin_matcher_dagster.uploads.manifest import get_faces, get_manifest
from twin_matcher_dagster_tests.browser.conftest import Serve
from twin_matcher_dagster_tests.browser.test_predict_page import OURS
from twin_matcher_dagster_tests.clips import CLIPS, sample_frames, write_clip
from twin_matcher_dagster_tests.kit import CODE, Kit

pytestmark = pytest.mark.browser

# A page takes seconds to start: all tests ask one that asks for all that a page can ask for.
PUBLISHES = {"HUB_DATASET": "somebody/twins"}
NASTY_NAME = '../../ Ådám "Тест" مرحبا 🙂 <img src=x onerror=alert(1)>'
SAID = "#found .success, #found .problem"


def choose(page: Page, clip: Path) -> None:
    """Hand a clip in that there is, and wait for what the page says to it."""
    page.get_by_role("tab", name="My clip").click()
    page.set_input_files("#clip input[type=file]", clip)
    page.wait_for_selector(SAID, timeout=90_000)


def fill(page: Page, name: str) -> None:
    """Say a name and agree, and wait until Send can be pressed."""
    page.fill("#name input, #name textarea", name)
    page.set_checked("#consent input", True)
    page.wait_for_selector("#send:not([disabled])")


def send(page: Page, name: str) -> list[str]:
    """Fill the form in and send it; the id and the code that the page shows."""
    fill(page, name)
    page.click("#send")
    page.wait_for_selector("#receipt .receipt", timeout=60_000)
    return page.locator("#receipt code").all_inner_texts()


def uploads(store: ObjectStore) -> list[str]:
    prefix = f"{layout.UPLOAD_MANIFESTS}/"
    return [key.removeprefix(prefix).removesuffix(".json") for key in store.list(prefix)]


def test_a_clip_is_received_once_its_person_agreed(
    page: Page, serve: Serve, store: ObjectStore, story: Story
) -> None:
    page.goto(serve("upload", store, **PUBLISHES))
    choose(page, story.clip)
    assert "faces found" in page.inner_text("#found .success")
    faces = page.locator("#faces button.face")
    count = faces.count()
    assert count >= MIN_FACES
    faces.nth(1).press("Space")
    page.wait_for_function(
        f"document.querySelector('#faces-note').innerText.includes('{count - 1} of')"
    )
    assert faces.nth(1).get_attribute("aria-pressed") == "false"
    assert "type a name, agree" in page.inner_text("#missing")
    assert page.is_disabled("#send")
    assert list(store.list("")) == []
    page.set_checked("#twin-consent input", True)
    upload_id, code = send(page, NASTY_NAME)
    assert page.evaluate("document.activeElement.className") == "receipt"
    assert "Received: it is being checked" in page.inner_text("#receipt h2")
    assert uploads(store) == [upload_id]
    manifest = get_manifest(store, upload_id)
    assert len(list(get_faces(store, manifest))) == count - 1
    assert manifest.consent_version == CONSENT_VERSION
    assert manifest.erasure_hash == erasure_hash(upload_id, code)
    assert not any(code.encode() in store.get(key) for key in store.list(""))
    assert (manifest.name, manifest.publication) == (NASTY_NAME, False)
    assert all(key.isascii() and ".." not in key for key in store.list(""))
    page.wait_for_selector('#progress .status[data-state="being checked"]', timeout=30_000)
    with page.expect_download() as saved:
        page.click("#receipt [data-save]")
    assert code in saved.value.path().read_text()
    link = page.get_attribute("#receipt a.press", "href") or ""
    assert link.endswith(f"/status/#id={upload_id}&code={code}")


def test_a_link_shows_the_status_and_the_twin_and_its_code_is_sent_to_nobody(
    page: Page, serve: Serve, store: ObjectStore
) -> None:
    kit = Kit(store)
    kit.celebrities()
    upload_id, other = kit.visitor(NASTY_NAME), kit.visitor("Zoë")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{serve('upload', store, **PUBLISHES)}/status/#id={upload_id}&code={CODE}")
    page.wait_for_selector("#status .status", timeout=30_000)
    # In no address that is asked for, and gone from the one that is shown.
    assert not any(CODE in url for url in [*asked, page.url])
    assert "Nobody who is very much like you" in page.inner_text("#twin")
    kit.version()
    kit.release()
    kit.pairs(upload_id, other)
    page.wait_for_selector("#twin .pair", timeout=30_000)
    assert page.locator("#twin figcaption").all_inner_texts() == [f"You, {NASTY_NAME}", "Zoë"]
    assert "in since release 1" in page.inner_text("#status")
    page.click("#no-twin")
    page.wait_for_selector("#status-message .success", timeout=30_000)
    assert page.locator("#twin .reunion").count() == 0
    assert agreeing(store, upload_id) is None
    page.get_by_text("Take everything out again").click()
    page.click("#erase")
    page.wait_for_selector('#status .status[data-state="erased"]', timeout=60_000)
    assert verify(store, upload_id).left == []


def test_what_is_not_a_video_is_explained_and_nothing_can_be_sent(
    page: Page, serve: Serve, store: ObjectStore, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"this is not a video" * 100)
    page.goto(serve("upload", store, **PUBLISHES))
    choose(page, clip)
    assert "cannot be read as a video" in page.inner_text("#found .problem")
    page.fill("#name input, #name textarea", "Nobody")
    page.set_checked("#consent input", True)
    page.wait_for_function("document.querySelector('#missing').innerText.endsWith('face.')")
    assert page.is_disabled("#send")


def test_the_recorder_counts_down_and_stops_by_itself(
    page: Page, serve: Serve, store: ObjectStore
) -> None:
    page.goto(serve("upload", store, **PUBLISHES))
    page.click("#recorder button")
    for state in ("counting", "recording", "done"):
        page.wait_for_selector(f'.recorder[data-state="{state}"]', timeout=60_000)
    # A busy browser leaves frames out: then the page says that the clip stutters.
    page.wait_for_selector(SAID, timeout=90_000)
    assert "Record again" in page.inner_text("#recorder button")
    page.click("#recorder button")
    page.wait_for_selector('.recorder[data-state="counting"]', timeout=60_000)
    page.click("#recorder button")
    assert page.locator('.recorder[data-state="idle"]').count() == 1
    assert "Nothing was kept" in page.inner_text(".recorder-says")


NO_CAMERA = {
    "refused": "throw new DOMException('no', 'NotAllowedError')",
    "missing": "throw new DOMException('none', 'NotFoundError')",
    "busy": "throw new DOMException('taken', 'NotReadableError')",
}


@pytest.mark.parametrize("why", [*NO_CAMERA, "insecure"])
def test_without_a_camera_there_is_a_sentence_and_another_way(
    page: Page, serve: Serve, store: ObjectStore, why: str, short_clip: Path
) -> None:
    if why == "insecure":
        page.add_init_script("Object.defineProperty(window, 'isSecureContext', {value: false})")
    else:
        refused = f"navigator.mediaDevices.getUserMedia = async () => {{{NO_CAMERA[why]}}}"
        page.add_init_script(refused)
    page.goto(serve("upload", store, **PUBLISHES))
    if why != "insecure":
        page.click("#recorder button")
    page.wait_for_selector('.recorder[data-state="failed"]', timeout=30_000)
    words = {"refused": "Allow it", "missing": "No camera", "busy": "another program"}
    assert words.get(why, "https") in page.inner_text(".recorder-says")
    assert page.get_attribute(".recorder input", "capture") == "user"
    if why == "refused":
        page.set_input_files(".recorder input", short_clip)
        page.wait_for_selector("#found .success", timeout=90_000)


def test_a_phone_sees_everything_and_so_does_who_sees_nothing(
    page: Page, serve: Serve, store: ObjectStore, short_clip: Path
) -> None:
    """Empty, with what was found, sent, and its status: never wider, and read out."""
    axe = Axe()
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(serve("upload", store, **PUBLISHES))
    page.wait_for_selector("#recorder button")
    states = []

    def look() -> None:
        page.wait_for_timeout(800)  # until colours have changed
        states.append(axe.run(page, options=OURS))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390

    look()
    choose(page, short_clip)
    page.wait_for_selector("#faces img")
    look()
    small = "[...document.querySelectorAll('button.face, .press, #send, summary')]"
    heights = page.evaluate(f"{small}.map((one) => one.offsetHeight).filter(Boolean)")
    assert min(heights) >= 44
    send(page, "Amara")
    look()
    page.goto(page.get_attribute("#receipt a.press", "href") or "")
    page.wait_for_selector("#status .status", timeout=30_000)
    look()
    broken = [one for state in states for one in state.response["violations"]]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in broken] == []


def test_a_clip_of_two_people_is_refused_with_the_reason(
    page: Page, serve: Serve, store: ObjectStore, tmp_path: Path
) -> None:
    both = zip(sample_frames("amara_1.mp4", 22), sample_frames("teodor_1.mp4", 22), strict=True)
    write_clip(tmp_path / "two.mp4", [np.hstack(pair) for pair in both])
    page.goto(serve("upload", store, **PUBLISHES))
    choose(page, tmp_path / "two.mp4")
    assert "more than one person" in page.inner_text("#found .problem")
    assert page.locator("button.face").count() == 0
    assert page.is_disabled("#send")


def test_photos_do_as_well(page: Page, serve: Serve, store: ObjectStore, tmp_path: Path) -> None:
    files = []
    for number, frame in enumerate(sample_frames("amara_1.mp4", 24)):
        path = tmp_path / f"{number:02d}.{'png' if number % 2 else 'webp'}"
        Image.fromarray(frame).save(path)
        files.append(path)
    page.goto(serve("upload", store, **PUBLISHES))
    page.get_by_role("tab", name="Photos").click()
    page.set_input_files("#photos input[type=file]", files)
    page.wait_for_selector(SAID, timeout=90_000)
    assert "24 faces found" in page.inner_text("#found")
    page.click(".plot summary")
    assert page.locator(".plot svg.yaw circle").count() == 24
    upload_id, _ = send(page, "Photos")
    assert len(get_manifest(store, upload_id).faces) == 24


def test_the_camera_with_a_guide_says_what_is_missing(
    page: Page, serve: Serve, store: ObjectStore
) -> None:
    page.goto(serve("upload", store, **PUBLISHES))
    page.get_by_role("tab", name="Guided").click()
    assert "Start the camera" in page.inner_text("#advice")
    page.click('#camera [data-do="start"]')
    page.wait_for_function(
        "document.querySelector('#advice').innerText.includes('of the picture')", timeout=120_000
    )
    page.wait_for_selector("#found .success", timeout=120_000)
    assert page.get_attribute(".guided", "data-state") == "idle"
    assert "faces found" in page.inner_text("#found")
    assert page.locator(".directions .lit").count() > 12
    page.click("#again")
    page.wait_for_function("!document.querySelector('#found .success, #faces button')")


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
    upload_id, code = send(page, "Amara")
    page.get_by_text("Take your faces out again").click()
    assert "do not belong together" in erase(page, upload_id, code[::-1], "problem")
    assert uploads(store) == [upload_id]
    assert "deleted" in erase(page, upload_id, f" {code.lower()} ", "success")
    assert uploads(store) == []
    proof = verify(store, upload_id)
    assert (proof.left, proof.pending, proof.proven) == ([], [], True)
    assert "Type the upload id" in erase(page, "", "", "problem")


@pytest.mark.slow
def test_a_clip_that_the_browser_cannot_show_is_no_error(
    page: Page, serve: Serve, store: ObjectStore, tmp_path: Path
) -> None:
    """HEVC, as iPhones film: read all the same, and a note in place of the preview."""
    write_clip(tmp_path / "clip.mov", sample_frames("amara_1.mp4", 24), None, "mov", "libx265")
    page.goto(serve("upload", store, **PUBLISHES))
    choose(page, tmp_path / "clip.mov")
    assert "24 faces found" in page.inner_text("#found .success")
    page.wait_for_selector("#clip video.unplayable", state="attached")
    assert "Your browser cannot show this clip" in page.inner_text("#clip .unplayable:visible")
    assert "not playable" not in page.inner_text("body")
    assert page.locator(".toast-body, #found .problem").count() == 0
    choose(page, CLIPS[0])
    page.wait_for_selector("#clip video:visible")
    assert not page.is_visible("#clip p.unplayable")
