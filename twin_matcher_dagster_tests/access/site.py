"""A guarded site in memory: what stands behind the guard keeps what it was handed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from starlette.testclient import TestClient

from twin_matcher_dagster.access.audit import AuditLog, Deed
from twin_matcher_dagster.access.guard import App
from twin_matcher_dagster.access.installation import guarded
from twin_matcher_dagster.access.people import Principal, principal_of
from twin_matcher_dagster.errors import StoreAwayError
from twin_matcher_dagster.local.sign_in_token import keep_token, read_token
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster_tests.memory import memory_bucket

HERE = "http://127.0.0.1:3000"
MUTATION = 'mutation { terminateRun(runId: "0a1b2c3d-0000-4000-8000-000000000000") { __typename } }'
QUERY = "{ version }"
PAGE = {"Accept": "text/html,application/xhtml+xml"}
NAVIGATION = {**PAGE, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
OURS = {"Origin": HERE, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}


class Inner:
    """An application that says who asks, and keeps what it is asked.

    Attributes:
        seen: method, path, body of each request.
        people: who asked.
        told: messages of WebSockets.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Any]] = []
        self.people: list[Principal] = []
        self.told: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.people.append(principal_of(scope))
        if scope["type"] == "websocket":
            await self._talk(receive, send)
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        is_json = (b"content-type", b"application/json") in scope["headers"]
        handed = json.loads(body) if is_json and body else None
        self.seen.append((scope["method"], scope["path"], handed))
        headers = [(b"content-type", b"text/plain"), (b"cache-control", b"max-age=60")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": principal_of(scope).name.encode()})

    async def _talk(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept", "subprotocol": "graphql-ws"})
        while (message := await receive())["type"] == "websocket.receive":
            self.told.append(json.loads(message["text"]))
            await send({"type": "websocket.send", "text": '{"type": "data"}'})


class Site:
    """What is inside, the guard, and the log."""

    def __init__(self, home: Path, mounts: Mapping[str, App] | None = None, **values: Any) -> None:
        self.settings = Settings(twin_matcher_home=home, **values)
        self.inner = Inner()
        self.bucket = memory_bucket()
        self.away = False
        keep_token(home, self.settings.dagster_token)
        self.token = read_token(home)
        store: Any = SimpleNamespace(within=self._within)
        self.app = guarded(self.inner, mounts or {}, self.settings, home, store)

    def client(self, base_url: str = HERE, **headers: str) -> TestClient:
        """A browser, or a program, that keeps cookies; it follows no redirect by itself."""
        return TestClient(
            self.app,
            base_url=base_url,
            headers=headers,
            follow_redirects=False,
            client=("127.0.0.1", 50_000),
        )

    def signed_in(self) -> TestClient:
        """A browser after its sign-in by the token, in a page of ours."""
        client = self.client()
        assert client.get("/", params={"token": self.token}).status_code == 303
        client.headers.update(OURS)
        return client

    def program(self) -> TestClient:
        """A program with the token."""
        return self.client(Authorization=f"Bearer {self.token}")

    def deeds(self) -> list[Deed]:
        """All that was written down."""
        return list(AuditLog(self.bucket).deeds())

    def did(self) -> list[str]:
        """The words of it, but sign-ins."""
        return [deed.what for deed in self.deeds() if deed.what != "sign-in"]

    def _within(self, seconds: float) -> Any:
        if self.away:
            raise StoreAwayError("S3 does not answer.")
        return self.bucket
