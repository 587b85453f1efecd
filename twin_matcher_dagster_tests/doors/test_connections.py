"""Connections that say nothing are closed, and one client has so many."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from twin_matcher_dagster.doors import connections
from twin_matcher_dagster.doors.connections import guarded_protocol

MOST = 4
ASKED = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a server that waits for headers, and for the next request, for a moment."""
    monkeypatch.setattr(connections, "HEADERS_WITHIN_S", 0.3)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        answer, http=guarded_protocol(MOST, lambda one: False), ws="none", lifespan="off",
        log_config=None, timeout_keep_alive=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = server.force_exit = True
    thread.join(20)


def is_closed(one: socket.socket) -> bool:
    """Whether the server closes a connection, before it would take far too long."""
    one.settimeout(20)
    try:
        while one.recv(1000):
            continue
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost:", ASKED + b"ok" + ASKED[:9]])
def test_who_does_not_go_on_is_closed(port: int, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(said)
        assert is_closed(one)


def test_headers_that_trickle_are_not_waited_for(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as one, pytest.raises(OSError):
        for letter in ASKED * 50:
            one.sendall(bytes([letter]))
            time.sleep(0.02)


def test_a_body_may_take_longer_than_headers(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as one:
        one.sendall(ASKED)
        time.sleep(0.6)
        one.sendall(b"ok")
        assert one.recv(1000).startswith(b"HTTP/1.1 200")


def test_one_client_has_so_many(port: int) -> None:
    ours = [socket.create_connection(("127.0.0.1", port)) for _ in range(MOST)]
    with socket.create_connection(("127.0.0.1", port)) as one_more:
        assert is_closed(one_more)
    for one in ours:
        one.close()
    for _ in range(100):  # the server hears of it
        with socket.create_connection(("127.0.0.1", port)) as again:
            again.settimeout(5)
            try:
                again.sendall(ASKED + b"ok")
                if again.recv(1000).startswith(b"HTTP/1.1 200"):
                    return
            except OSError:
                time.sleep(0.05)
    pytest.fail("a client whose connections are closed gets no other")
