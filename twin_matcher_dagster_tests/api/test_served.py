"""Both pages and the answers for programs as one process, with https; and what it leaves behind."""

from __future__ import annotations

import base64
import io
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.local.health import page_question
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.pages.test_site import write_certificate

pytestmark = pytest.mark.slow  # a process that loads all that both pages do

UNCHECKED = ssl.create_default_context()
UNCHECKED.check_hostname, UNCHECKED.verify_mode = False, ssl.CERT_NONE


@dataclass(frozen=True)
class Served:
    """A site that runs."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    def ask(self, path: str, body: bytes | None = None, kind: str = "image/jpeg") -> bytes:
        request = urllib.request.Request(f"{self.url}{path}", body, {"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=60, context=UNCHECKED) as answer:
            return answer.read()

    def files(self) -> set[str]:
        """What lies in its temporary folder."""
        return {path.name for path in (self.folder / "tmp").rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def served(released: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "tmp").mkdir()
    settings, held = write_certificate(folder), HeldPorts(1)
    variables = {
        "TWIN_MATCHER_BUCKET": released.bucket,
        "PREDICT_PORT": str(held.numbers[0]),
        "TLS_CERT": str(settings.tls_cert),
        "TLS_KEY": str(settings.tls_key),
        "TMPDIR": str(folder / "tmp"),
        "GRADIO_TEMP_DIR": str(folder / "tmp" / "pages"),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "twin_matcher_dagster.pages.both"],
            cwd=PROJECT_ROOT,
            env={**os.environ, **variables},
            stderr=log,
        )
        site = Served(f"https://127.0.0.1:{held.numbers[0]}", folder, process)
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(urllib.error.URLError):
                site.ask("/readyz")
                break
            time.sleep(0.5)
        held.release()
        yield site
        process.kill()
        process.wait()


def large(photo: Path) -> bytes:
    """A photo of several megabytes: such a one would not stay in memory by itself."""
    image = Image.open(photo).resize((1600, 1600))
    noise = np.random.default_rng(0).integers(0, 8, (1600, 1600, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(image) // 8 * 8 + noise).save(buffer, "PNG")
    return buffer.getvalue()


def form(photo: bytes) -> tuple[bytes, str]:
    head = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="Ada.png"\r\n\r\n'
    return head + photo + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"


def test_one_port_has_all(served: Served) -> None:
    assert json.loads(served.ask("/readyz")) == {"store": "ok", "release": 1}
    assert b"<html" in served.ask("/")
    assert b"<html" in served.ask("/upload/")
    assert b"POST" in served.ask("/v1/docs")
    assert b"twin_matcher_release" in served.ask("/metrics")
    page_question(served.url)(0)  # as whoever keeps it running asks, with a certificate of anybody


def test_a_photo_is_on_no_disk_and_in_no_log(served: Served, story: Story) -> None:
    photo = large(story.photo)
    assert len(photo) > 2**21
    before = served.files()
    said: dict[str, Any] = json.loads(served.ask("/v1/twins", *form(photo)))
    assert said["identity"]["name"] == story.name
    assert served.files() == before
    lines = [json.loads(line) for line in (served.folder / "log").read_text().splitlines()]
    asked = next(line for line in lines if line["message"] == "asked")
    assert {name: asked[name] for name in ("door", "question", "said")} == {
        "door": "api",
        "question": "twins",
        "said": "Answer",
    }
    log = (served.folder / "log").read_text()
    for private in ("Ada.png", story.name, "127.0.0.1", said["twins"][0]["name"]):
        assert private not in log


def test_gradios_own_client_is_given_json(served: Served, story: Story) -> None:
    client = Client(served.url, ssl_verify=False, verbose=False)
    photo = base64.b64encode(story.photo.read_bytes()).decode()
    said = client.predict(photo=photo, top=2, face=-1, api_name="/find_twins")
    assert said["identity"]["name"] == story.name
    assert len(said["twins"]) == 2


def test_what_is_too_large_is_refused_before_it_is_sent(served: Served) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        served.ask("/v1/twins", bytes(40 * 2**20))
    assert error.value.code == 413


def test_it_stops_at_once_when_it_is_told_to(served: Served) -> None:
    served.process.terminate()
    assert served.process.wait(15) != 0
    assert served.files() == set()
