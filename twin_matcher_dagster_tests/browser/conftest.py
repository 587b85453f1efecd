"""The two pages as processes of their own, and a real Chromium with a fake webcam."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import av
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.clips import sample_frames, write_clip
from twin_matcher_dagster_tests.conftest import new_bucket

# Quiet, and with the webcam answered by a file. No sandbox: tests may run as root.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]


def chromium() -> str:
    """Path of Chromium; without one these tests are skipped, or fail where they must run."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        path = shutil.which(name)
        if path:
            return path
    reason = "Chromium is not installed; the tests of the pages need it"
    if os.environ.get("REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def webcam(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's clip in the format that Chromium's fake webcam plays (motion JPEG)."""
    path = tmp_path_factory.mktemp("webcam") / "clip.mjpeg"
    with av.open(str(story.clip)) as source, av.open(str(path), "w", format="mjpeg") as target:
        stream = target.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuvj420p"
        for frame in source.decode(video=0):
            target.mux(stream.encode(frame.reformat(format="yuvj420p")))
        target.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hardly more frames of a person than are needed: read in half the time of a whole clip."""
    path = tmp_path_factory.mktemp("short") / "clip.mp4"
    write_clip(path, sample_frames("amara_1.mp4", 24))
    return path


@pytest.fixture(scope="module")
def browser(webcam: Path) -> Generator[Browser]:
    """Headless Chromium.

    While it runs this thread has an event loop, which Dagster's runs do not bear: what is made for
    the whole session is made before, and Chromium is stopped before the next file's tests.
    """
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*FLAGS, f"--use-file-for-fake-video-capture={webcam}"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Generator[Page]:
    """A fresh tab that fails the test on an error of the page or a call to another host."""
    context = browser.new_context(permissions=["camera"])
    page = context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(f"error in the page: {error}"))
    page.on("console", lambda said: troubles.extend(complaints(said)))
    page.on("request", lambda request: troubles.extend(elsewhere(request.url)))
    yield page
    context.close()
    assert troubles == []


def complaints(said: ConsoleMessage) -> list[str]:
    """What a browser complains of: of what a page may not do, too. What was not answered is for the
    tests to say."""
    is_answer = said.text.startswith("Failed to load resource")
    return [said.text] if said.type == "error" and not is_answer else []


def elsewhere(url: str) -> list[str]:
    """A complaint if an address is not on this machine."""
    local = url.startswith(("http://127.0.0.1", "http://localhost", "data:", "blob:"))
    return [] if local else [f"the page called {url}"]


Serve = Callable[..., str]


@dataclass
class Pages:
    """Pages that run, by name and bucket."""

    folder: Path
    running: dict[tuple[str, ...], tuple[subprocess.Popen[bytes], str]] = field(
        default_factory=dict
    )

    def start(self, name: str, store: ObjectStore, **more: str) -> str:
        """Address of a page on a bucket; it is started if it does not run."""
        page = name, store.bucket, *more
        if page not in self.running:
            held = HeldPorts(1)
            port = held.numbers[0]
            url = f"http://127.0.0.1:{port}"
            process = subprocess.Popen(
                [sys.executable, "-m", f"twin_matcher_dagster.pages.{name}"],
                cwd=PROJECT_ROOT,
                env={
                    **os.environ,
                    "TWIN_MATCHER_BUCKET": store.bucket,
                    f"{name.upper()}_PORT": str(port),
                    "GRADIO_TEMP_DIR": str(self.folder / "cache"),
                    "OMP_WAIT_POLICY": "PASSIVE",
                    **more,
                },
            )
            wait_for(url, process)
            held.release()  # the page listens by now
            self.running[page] = (process, url)
        return self.running[page][1]

    def stop(self) -> None:
        for process, _ in self.running.values():
            process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:  # a tab's connection may be open still
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def pages(_aws: None, tmp_path_factory: pytest.TempPathFactory) -> Generator[Pages]:
    """None at first; all are stopped at the end."""
    made = Pages(tmp_path_factory.mktemp("pages"))
    yield made
    made.stop()


@pytest.fixture(scope="package")
def uploads_bucket(_aws: None) -> ObjectStore:
    """The bucket of the upload page, which takes seconds to start: all its tests share one."""
    with pytest.MonkeyPatch.context() as patch:
        return new_bucket(patch)


@pytest.fixture
def store(uploads_bucket: ObjectStore) -> ObjectStore:
    """The upload page's bucket, emptied."""
    for key in list(uploads_bucket.list("")):
        uploads_bucket.delete(key)
    return uploads_bucket


@pytest.fixture
def serve(pages: Pages) -> Serve:
    """Start a page on a bucket: ``serve("upload", store)`` gives its address.

    Further arguments are variables of its environment.
    """
    return pages.start


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    """Wait until a page answers."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "the page's process ended"
        with suppress(urllib.error.URLError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.3)
    raise AssertionError(f"{url} does not answer")
