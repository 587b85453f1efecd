"""A thousand forged requests at every door of both pages: nothing is stored, read or run.

The seed is printed where it fails. ATTACK_SEED=... draws the same ones again.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from gradio.utils import get_upload_folder

from twin_matcher_dagster.pages.both import both_site
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.pages.served_site import listening

pytestmark = pytest.mark.slow

REQUESTS = 1000
SECRET = "the-secret-of-this-machine"
METHODS = ("GET", "POST", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE")
PATHS = (
    *("/", "/config", "/theme.css", "/assets/x.js", "/static/../../x", "/manifest.json", "/login"),
    *("/logout", "/monitoring", "/monitoring/summary", "/pwa_icon", "/svelte/../../x", "/v1/twins"),
    *("/v1/compare", "/v1/docs", "/v1/releases/current", "/v1/portraits/x", "/healthz", "/readyz"),
    *("/metrics", "/photos", "/clips", "/frames", "/frames?guide=x", "/look/../site.py", "/%00"),
)
GRADIO = (
    *("upload", "upload?upload_id=1", "upload_progress?upload_id=1", "file={file}", "file/{file}"),
    *(
        "proxy={web}",
        "file={web}",
        "run/predict",
        "run/find_twins",
        "api/predict",
        "call/find_twins",
    ),
    *("call/v2/find_twins", "call/find_twins/x", "queue/join", "queue/status", "queue/data?a=b"),
    *("stream/x", "stream/x/close", "stream/a/b/1/playlist.m3u8", "stream/a/b/1/playlist-file"),
    *("component_server", "custom_component/a/b/c/d", "cancel", "reset", "dev/reload", "runs"),
    *("startup-events", "info", "openapi.json", "token", "user", "login_check", "deep_link"),
    *("process_recording", "vibe-edit", "vibe-code", "undo-vibe-edit", "profiling/clear", "app_id"),
    *("run-history/connect", "heartbeat/../x", "mcp/", "mcp/sse", "theme.css"),
)
ROOTS = ("", "/upload", "/status", "/v1", "/upload/upload")
ORIGINS = (None, None, "", "null", "https://evil.example", "http://127.0.0.1:1", "{own}")
HOSTS = ("{own}", "{own}", "{own}", "{own}", "evil.example", "", "127.0.0.1.evil.example", "[::1")


@dataclass
class Attack:
    """Forged requests, drawn from a seed.

    Attributes:
        draw: from it.
        url: of the site.
        secret: file that no answer may show.
        web: address that nobody may be sent to.
        pages: what each page says of its events, by its path.
        seen: how many answers of each status.
    """

    draw: random.Random
    url: str
    secret: Path
    web: str
    pages: dict[str, Any]
    seen: Counter[int] = field(default_factory=Counter)

    def _one(self, *of: Any) -> Any:
        return self.draw.choice(of)

    def _value(self) -> Any:
        """What an event may say of a component."""
        file = {"path": str(self.secret), "meta": {"_type": "gradio.FileData"}}
        web = {**file, "path": self.web, "url": self.web}
        return self._one(
            None, True, "true", "false", 1, -1, 10**30, "x" * 3000, [], {}, [file], file, web,
            {"value": file}, "../../../etc/passwd", str(self.secret), self.web, "\u0000",
            "<script>alert(1)</script>", {"__type__": "update", "visible": True}, [[[[[]]]]],
        )  # fmt: skip

    def _event(self) -> bytes:
        known = ("clip", "photos", "guide", "again", "tokens", "example", "face", "pair", "kind")
        said = {
            "data": [self._value() for _ in range(self.draw.randrange(9))],
            "fn_index": self._one(*range(40), None, -1, "0", 10**9, 1.5),
            "session_hash": self._one("abc", None, "../x", ["a"], "x" * 5000, "abc"),
            "event_data": self._one(
                None, {self._one(*known): self._value()}, {self._one(*known): [self._value()]},
                {"left_out": [self._value()]}, "x",
            ),
            "trigger_id": self._one(None, 1, -5),
            "batched": self._one(None, False, True),
            "event_id": self._one(None, "x"),
            "username": "admin",
            "request": {"headers": {"x-role": "admin"}},
        }  # fmt: skip
        return json.dumps(said).encode()

    def _body(self) -> bytes:
        boundary = (
            b'--x\r\nContent-Disposition: form-data; name="photo"; filename="../../x"\r\n\r\n'
        )
        return self._one(
            b"", b"{", b"null", b"[]", b"\xff" * 100, bytes(self.draw.randrange(200_000)),
            boundary + b"y\r\n--x--\r\n", b'{"data":' * 2000, self._event(), self._event(),
            self._event(), self._event(),
        )  # fmt: skip

    def _plausible(self) -> tuple[str, bytes]:
        """An event of a page with as many values as it has, each of its kind, and none as meant."""
        root, config = self._one(*self.pages.items())
        parts = {part["id"]: part["type"] for part in config["components"]}
        event = self._one(*config["dependencies"])
        words = (
            "",
            "x" * 60_000,
            "../../etc/passwd",
            str(self.secret),
            self.web,
            "\u0000\u202e",
            "1",
        )
        values = [
            {"textbox": self._one(*words, None), "checkbox": self._one(True, False, None)}.get(
                parts[one], self._one(None, {"value": "admin"}, "admin")
            )
            for one in event["inputs"]
        ]
        told = {
            self._one("clip", "photos", "guide", "again", "tokens", "example", "face", "pair"):
            self._one(*words, [], [[]], {}, -1, 10**20, [1, 2], [{"token": 1, "name": []}], None),
            "count": self._one(None, 1, 10**9, "x"),
        }  # fmt: skip
        said = {"data": values, "fn_index": event["id"], "event_data": self._one(None, told)}
        body = json.dumps({**said, "session_hash": self._one("abc", "abd", None)}).encode()
        return f"{root}/gradio_api/run/predict", body

    def request(self) -> None:
        """One of them; what is answered is neither an error of ours nor the secret."""
        place = urlsplit(self.url)
        method, kind, is_forged = self._one(*METHODS), "application/json", self.draw.random() < 0.3
        if self.draw.random() < 0.4:
            method = "POST"
            path, body = self._plausible()
        else:
            path = self._one(*PATHS, *(f"/gradio_api/{one}" for one in GRADIO))
            path = self._one("", *ROOTS) + path.format(file=self.secret, web=self.web)
            body = self._body()
            kind = self._one(kind, "multipart/form-data; boundary=x", "text/plain", "image/jpeg")
        headers = {
            "Host": place.netloc,
            "Content-Type": kind,
            "X-Forwarded-For": f"198.51.100.{self.draw.randrange(250)}",
            "X-Forwarded-Host": "evil.example",
            "X-Forwarded-Proto": self._one("http", "https", "x"),
            "X-Role": "admin",
            "Cookie": "access-token=x; access-token-unsecure=x",
            "Authorization": "Bearer x",
        }
        if is_forged:  # as a foreign page, or under a foreign name
            headers["Host"] = self._one(*HOSTS).format(own=place.netloc)
            if (origin := self._one(*ORIGINS)) is not None:
                headers["Origin"] = origin.format(own=self.url)
            if site := self._one(None, "cross-site", "same-origin"):
                headers["Sec-Fetch-Site"] = site
        said = f"{method} {path} {headers['Host']} {body[:300]!r}"
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        try:
            connection.request(method, path.replace(" ", "%20"), body, headers)
            answer = connection.getresponse()
            shown = answer.read(200_000)
        except (http.client.BadStatusLine, ConnectionError):
            shown = b""  # what is not HTTP has no answer
        else:
            self.seen[answer.status] += 1
            assert answer.status != 500, said
            if answer.status < 300 and not path.startswith(("/v1", "/metrics", "/healthz")):
                assert headers["Host"] == place.netloc, said
        finally:
            connection.close()
        assert SECRET.encode() not in shown, said


@pytest.fixture
def trap() -> Iterator[tuple[str, list[Any]]]:
    """An address that nobody may ask, and who did."""
    came: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def watch() -> None:
            while True:
                try:
                    connection, address = server.accept()
                except OSError:
                    return
                came.append(address)
                connection.close()

        threading.Thread(target=watch, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/metadata", came


def asked(url: str, path: str) -> Any:
    with urllib.request.urlopen(f"{url}{path}", timeout=60) as answer:
        return json.loads(answer.read())


def contents(store: ObjectStore) -> set[str]:
    return set(store.list(""))


def test_a_thousand_forged_requests_do_nothing(
    released: ObjectStore, tmp_path: Path, trap: tuple[str, list[Any]]
) -> None:
    seed = int(os.environ.get("ATTACK_SEED") or random.SystemRandom().randrange(10**6))
    print(f"ATTACK_SEED={seed}")  # noqa: T201
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    folder = Path(get_upload_folder())
    before, files = contents(released), set(folder.rglob("*"))
    with listening(both_site(Production(released))) as url:
        pages = {root: asked(url, f"{root}/config") for root in ("", "/upload", "/status")}
        attack = Attack(random.Random(seed), url, secret, trap[0], pages)  # noqa: S311
        for _ in range(REQUESTS):
            attack.request()
        # And still it answers.
        assert asked(url, "/readyz")["release"] == 1
    print(dict(sorted(attack.seen.items())))  # noqa: T201
    # Most are let in, as far as their names go.
    assert attack.seen[421] + attack.seen[403] < REQUESTS / 3
    assert contents(released) == before
    assert set(folder.rglob("*")) == files
    assert trap[1] == []
