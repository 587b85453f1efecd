"""Foreign pages in a real Chromium: none of them shows ours, or does something in its name."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Generator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.browser.conftest import FLAGS, Pages, Serve, chromium
from twin_matcher_dagster_tests.browser.test_predict_page import files_in
from twin_matcher_dagster_tests.browser.test_upload_page import PUBLISHES, choose, send, uploads

pytestmark = pytest.mark.browser

EVIL = "evil.example"
"""A name that leads to this machine, as its owner may have any name lead anywhere."""


@pytest.fixture(scope="module")
def browser(webcam: Path) -> Generator[Browser]:
    with sync_playwright() as playwright:
        flags = [*FLAGS, f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"]
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            args=[*flags, f"--use-file-for-fake-video-capture={webcam}"],
        )
        yield browser
        browser.close()


@pytest.fixture
def tab(browser: Browser) -> Generator[Page]:
    """A tab of a visitor who is on a foreign page."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def foreign(tmp_path: Path) -> Generator[str]:
    """The address of a foreign page, by its own name."""
    (tmp_path / "index.html").write_text("<title>foreign</title><p>Nice kittens.</p>")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{EVIL}:{server.server_port}/"
    server.shutdown()


def test_a_foreign_name_that_leads_here_shows_nothing(
    tab: Page, serve: Serve, store: ObjectStore
) -> None:
    """DNS rebinding: for the browser, what is under that name is the foreign page's own."""
    port = urlsplit(serve("upload", store, **PUBLISHES)).port
    answer = tab.goto(f"http://{EVIL}:{port}/")
    assert answer
    assert answer.status == 421
    assert "not known by the name" in tab.inner_text("body")
    asked = "fetch('/gradio_api/run/predict', {method: 'POST', body: '{}'}).then((a) => a.status)"
    assert tab.evaluate(asked) == 421


def test_a_foreign_page_cannot_show_ours_in_a_frame(
    tab: Page, serve: Serve, store: ObjectStore, foreign: str
) -> None:
    url = serve("upload", store, **PUBLISHES)
    tab.goto(foreign)
    tab.evaluate(
        """url => new Promise((resolve) => {
          const frame = document.createElement("iframe");
          frame.onload = resolve;
          frame.src = url;
          document.body.append(frame);
        })""",
        url,
    )
    assert [frame.query_selector("gradio-app") for frame in tab.frames[1:]] == [None]


REQUESTS = {
    "clips": "fetch(url + '/clips', {method: 'POST', body: 'a clip', mode: 'no-cors'})",
    "photos": "fetch(url + '/photos', {method: 'POST', body: 'a photo', mode: 'no-cors'})",
    "frames": "fetch(url + '/frames', {method: 'POST', body: 'a frame', mode: 'no-cors'})",
    "predict": "fetch(url + '/gradio_api/run/predict', {method: 'POST', mode: 'no-cors',"
    " body: JSON.stringify({data: [], fn_index: 0})})",
    "upload": "(() => {const form = new FormData(); form.append('files', new File(['x'], 'x'));"
    "return fetch(url + '/gradio_api/upload', {method: 'POST', body: form, mode: 'no-cors'})})()",
    "image": "new Promise((done) => {const image = new Image(); image.onerror = image.onload ="
    " done; image.src = url + '/config'})",
}


def test_a_foreign_page_does_nothing_in_a_visitors_name(
    tab: Page, serve: Serve, store: ObjectStore, foreign: str
) -> None:
    url = serve("upload", store, **PUBLISHES)
    tab.goto(foreign)
    answers: dict[str, int] = {}
    tab.on("response", lambda one: answers.update({one.url.rpartition("/")[2]: one.status}))
    for request in REQUESTS.values():
        tab.evaluate(f"url => {request}.catch(() => null)", url)
    # A form that is sent by itself leads the whole tab here.
    with tab.expect_navigation():
        tab.evaluate(
            """url => {
              const form = document.createElement("form");
              Object.assign(form, {method: "post", action: url + "/frames", enctype: "text/plain"});
              document.body.append(form);
              form.submit();
            }""",
            url,
        )
    ours = {name: status for name, status in answers.items() if name in {*REQUESTS, "config"}}
    assert ours
    assert set(ours.values()) == {403}
    assert "Another site asked" in tab.inner_text("body")
    assert list(store.list("")) == []


def test_a_script_that_is_not_the_pages_own_does_not_run(
    tab: Page, serve: Serve, store: ObjectStore
) -> None:
    tab.goto(serve("upload", store, **PUBLISHES))
    tab.wait_for_selector("#recorder button")
    ran = tab.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
          document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.ran = true'>");
          return new Promise((resolve) => setTimeout(() => resolve(window.ran), 500));
        }"""
    )
    assert not ran


@pytest.mark.slow  # a page of its own
def test_nothing_of_a_visitor_is_on_the_disk_when_the_page_is_killed(
    page: Page, pages: Pages, store: ObjectStore, short_clip: Path, tmp_path: Path
) -> None:
    folder, shared = tmp_path / "page", Path("/dev/shm")  # noqa: S108
    folder.mkdir()
    own = {"GRADIO_TEMP_DIR": str(folder / "gradio"), "TMPDIR": str(folder), "HOME": str(folder)}
    page.goto(pages.start("upload", store, **own))
    process = pages.running[("upload", store.bucket, *own)][0]
    page.wait_for_selector("#recorder button")
    before, shared_before = files_in(folder), set(shared.rglob("*")) if shared.exists() else set()
    page.click("#recorder button")
    page.wait_for_selector("#found .success, #found .problem", timeout=120_000)
    page.reload()
    choose(page, short_clip)
    page.wait_for_selector("#found .success", timeout=90_000)
    send(page, "Amara")
    page.reload()
    page.get_by_role("tab", name="My clip").click()
    page.set_input_files("#clip input[type=file]", short_clip)
    process.kill()
    process.wait()
    assert len(uploads(store)) == 1
    left = files_in(folder) - before
    # What libraries keep for themselves: lists of fonts.
    assert not [path for path in left if ".cache" not in path.parts]
    assert not [path for path in folder.rglob("*") if len(path.name) == 64]  # named by a hash
    new = (set(shared.rglob("*")) if shared.exists() else set()) - shared_before
    assert not [path for path in new if not path.name.startswith(".org.chromium")]
