"""What the entry of a site lets in, and what every answer says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Scope

from twin_matcher_dagster.doors import entry as entries
from twin_matcher_dagster.doors.entry import Entry, TurnedAway
from twin_matcher_dagster.settings import Settings

MOST = 1000


async def take(request: Request) -> Response:
    body = await request.body()
    client = request.client.host if request.client else ""
    return PlainTextResponse(f"{len(body)} bytes from {client}", headers={"access-control-x": "y"})


async def for_ever(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b"."
            await asyncio.sleep(0.01)

    return StreamingResponse(parts())


def say(scope: Scope, refused: TurnedAway) -> Response:
    return PlainTextResponse(refused.reason, refused.status)


def entry(**settings: Any) -> Entry:
    routes = [
        Route("/", take, methods=["GET", "POST"]),
        Route("/v1/portraits/x", take),
        Route("/assets/a.js", take),
        Route("/stream", for_ever),
    ]
    return Entry(Starlette(routes=routes), Settings(**settings), say, lambda scope: MOST)


def ask(
    made: Entry, method: str = "GET", path: str = "/", address: str = "192.0.2.7", **more: Any
) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(made, client=(address, 1))
        url = more.pop("base", "http://127.0.0.1:7860")
        async with httpx.AsyncClient(transport=transport, base_url=url) as client:
            return await client.request(method, path, **more)

    return asyncio.run(send())


def test_a_foreign_name_is_not_answered() -> None:
    assert ask(entry()).status_code == 200
    for host in ("evil.example", "192.168.3.4:7860", ""):
        refused = ask(entry(), headers={"host": host})
        assert (refused.status_code, refused.text) == (421, "unknown-host"), host
    assert ask(entry(page_hosts="a.org, b.org"), headers={"host": "b.org"}).status_code == 200
    predict = entry(predict_url="https://twins.example/x")
    assert ask(predict, headers={"host": "twins.example"}).status_code == 200


def test_two_names_are_none() -> None:
    hosts = [("host", "127.0.0.1"), ("host", "evil.example")]
    assert ask(entry(), headers=hosts).status_code == 421


def test_a_foreign_page_changes_nothing_and_shows_nothing() -> None:
    made = entry()
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            refused = ask(made, method, headers=headers)
            assert (refused.status_code, refused.text) == (403, "foreign-page")
    image = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert ask(made, headers=image).status_code == 403
    assert ask(made, path="/v1/portraits/x", headers=image).status_code == 200
    assert ask(made, "POST", content=b"a program").status_code == 200


def test_a_frame_is_shown_where_it_may_be() -> None:
    frame = {
        "sec-fetch-site": "cross-site",
        "sec-fetch-mode": "navigate",
        "sec-fetch-dest": "iframe",
    }
    assert ask(entry(), headers=frame).status_code == 403
    shown = ask(entry(embedding_sites="https://a.org"), headers=frame)
    assert shown.status_code == 200
    assert "frame-ancestors https://a.org" in shown.headers["content-security-policy"]
    assert "x-frame-options" not in shown.headers


def test_every_answer_says_what_a_browser_may_do() -> None:
    made = entry()
    for answer in (ask(made), ask(made, headers={"host": "evil.example"}), ask(made, path="/no")):
        said = answer.headers
        policy = said["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        script = policy.partition("script-src ")[2].partition(";")[0]
        assert "'unsafe-inline'" not in script
        assert "'nonce-" in script
        assert said["x-content-type-options"] == "nosniff"
        assert said["x-frame-options"] == "DENY"
        assert said["referrer-policy"] == "same-origin"
        assert said["permissions-policy"].startswith("camera=(self), microphone=()")
        assert said["cross-origin-opener-policy"] == "same-origin"
        assert said["cache-control"] == "no-store"
        assert "strict-transport-security" not in said
        assert not [name for name in said if name.startswith("access-control")]
    assert ask(made).headers["content-security-policy"] != policy  # of this answer alone


def test_by_https_a_browser_comes_back_by_https() -> None:
    assert "strict-transport-security" in ask(entry(), base="https://127.0.0.1").headers
    behind = entry(trusted_proxies="192.0.2.7")
    https = {"x-forwarded-proto": "https", "x-forwarded-for": "198.51.100.1"}
    answer = ask(behind, headers=https)
    assert "strict-transport-security" in answer.headers
    assert answer.text == "0 bytes from 198.51.100.1"
    assert ask(entry(), headers=https).text == "0 bytes from 192.0.2.7"


def test_who_asks_too_often_waits_and_nobody_else() -> None:
    made = entry(visitor_requests=3)
    assert [ask(made).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert ask(made, path="/assets/a.js").status_code == 200  # not counted
    assert ask(made, address="192.0.2.8").status_code == 200
    assert ask(made, address="192.0.2.7").status_code == 429
    # By a header that nobody trusts nobody becomes another one.
    assert ask(made, headers={"x-forwarded-for": "1.1.1.1"}).status_code == 429


def test_who_sends_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "_MEGABYTE", 1000)
    made = entry(visitor_megabytes=2)
    assert [ask(made, "POST", content=bytes(900)).status_code for _ in range(3)] == [200, 200, 429]

    def parts() -> Iterator[bytes]:
        yield bytes(900)

    async def unannounced() -> AsyncIterator[bytes]:
        for part in parts():
            yield part

    refused = ask(made, "POST", content=unannounced())
    assert (refused.status_code, refused.text) == (429, "too-many-megabytes")


def test_a_body_that_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    made = entry()
    assert ask(made, "POST", content=bytes(MOST)).status_code == 200
    assert ask(made, "POST", content=bytes(MOST + 1)).text == "too-large"
    read = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 100
            yield bytes(100)

    answer = ask(made, "POST", content=parts())
    assert (answer.status_code, answer.text) == (413, "too-large")
    assert read < 2 * MOST
    for length in ("-1", "1e9", "9" * 40, "²"):
        head = {"content-length": length.encode()}
        assert ask(made, "POST", headers=head).status_code == 400


def run(made: Entry, receive: Any) -> list[Message]:
    """What is answered to a POST whose body comes by a function."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"",
        "headers": [(b"host", b"localhost")], "client": ("192.0.2.7", 1), "scheme": "http",
        "root_path": "", "http_version": "1.1", "server": ("localhost", 1),
    }  # fmt: skip
    asyncio.run(made(scope, receive, send))
    return sent


def test_a_body_that_stops_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "_IDLE_S", 0.05)
    told = False

    async def receive() -> Message:
        nonlocal told
        if told:
            await asyncio.sleep(60)
        told = True
        return {"type": "http.request", "body": b"x", "more_body": True}

    assert run(entry(), receive)[0]["status"] == 408


def test_a_body_that_trickles_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "_PATIENCE_S", 0.05)

    async def receive() -> Message:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    assert run(entry(), receive)[0]["status"] == 408


def test_open_requests_of_a_visitor_have_an_end() -> None:
    made = entry(visitor_connections=3)

    async def hold() -> None:
        gone = asyncio.Event()
        begun = asyncio.Semaphore(0)
        answers: list[int] = []

        async def stream(address: str) -> None:
            async def receive() -> Message:
                await gone.wait()
                return {"type": "http.disconnect"}

            async def send(message: Message) -> None:
                if message["type"] == "http.response.start":
                    answers.append(message["status"])
                    begun.release()

            scope = {
                "type": "http", "method": "GET", "path": "/stream", "raw_path": b"/stream",
                "query_string": b"", "headers": [(b"host", b"localhost")], "root_path": "",
                "client": (address, 1), "scheme": "http", "http_version": "1.1",
                "server": ("localhost", 1),
            }  # fmt: skip
            await made(scope, receive, send)

        tasks = [asyncio.create_task(stream("192.0.2.7")) for _ in range(5)]
        tasks.append(asyncio.create_task(stream("192.0.2.8")))
        for _ in tasks:
            await begun.acquire()
        assert sorted(answers) == [200, 200, 200, 200, 429, 429]
        gone.set()
        await asyncio.gather(*tasks)

    asyncio.run(hold())
    assert not made._open


def test_nothing_speaks_websocket() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    asyncio.run(entry()({"type": "websocket", "path": "/", "headers": []}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
