"""Whatever one visitor does, another one erases, sends and is told what became of it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.media.cancellation import Cancellation
from twin_matcher_dagster.pages import guided_camera
from twin_matcher_dagster.pages.catalogue import Words
from twin_matcher_dagster.pages.found_faces import Found
from twin_matcher_dagster.pages.links import FROM_UPLOAD
from twin_matcher_dagster.pages.session import Session
from twin_matcher_dagster.pages.site import Site, SitePage
from twin_matcher_dagster.pages.upload import upload_page
from twin_matcher_dagster.pages.ways_in import WaysIn
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.manifest import get_manifest
from twin_matcher_dagster_tests.kit import CODE, Kit
from twin_matcher_dagster_tests.pages.served_site import Visitor, event_of, listening

IDLE = 54
"""So many idle requests of one client shut the page before."""
GREEDY, OTHER = "198.51.100.1", "198.51.100.2"
FACES = tuple(np.full((160, 160, 3), 5 * n, np.uint8) for n in range(MIN_FACES))


@pytest.fixture
def hold() -> Iterator[threading.Event]:
    """Set, whatever the page works at ends."""
    event = threading.Event()
    yield event
    event.set()


class _Ways(WaysIn):
    """Finds faces at once for whoever says ``known``; for others it takes until it may end."""

    hold: threading.Event

    def found(self, said: Mapping[str, Any], words: Words, cancellation: Cancellation) -> Found:
        if said.get("clip") == "known":
            return Found(Session(FACES))
        self.hold.wait(120)
        return Found()


def idle_requests(url: str, address: str, count: int) -> list[socket.socket]:
    """Frames of cameras that are announced, and do not come."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    head = (
        f"POST /frames HTTP/1.1\r\nHost: {host}:{port}\r\nX-Forwarded-For: {address}\r\n"
        "Content-Length: 1000\r\n\r\n"
    )
    opened = [socket.create_connection((host or "", port or 0)) for _ in range(count)]
    for one in opened:
        one.sendall(head.encode())
    return opened


def test_one_visitor_keeps_no_other_from_sending_and_erasing(
    store: ObjectStore, hold: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guided_camera, "_look", lambda *given: {"waited": hold.wait(120)})
    ways = _Ways.new()
    assert isinstance(ways, _Ways)
    ways.hold = hold
    page = upload_page(store, FROM_UPLOAD, ways)
    look, send, erase = (
        event_of(page, "recorder", "submit"), event_of(page, "send"), event_of(page, "erase"),
    )  # fmt: skip
    theirs = Kit(store).upload()
    site = Site([SitePage("/", page)], store, routes=ways.routes())
    with listening(site) as url, ThreadPoolExecutor(2 * IDLE) as crowd, ExitStack() as idle:
        greedy, other = Visitor.at(url, GREEDY), Visitor.at(url, OTHER)
        status, found = other.event(look, "", False, event_data={"clip": "known"})
        assert status == 200, found
        for one in idle_requests(url, GREEDY, IDLE):
            idle.enter_context(one)
        many = [crowd.submit(greedy.ask, "/frames", b"x") for _ in range(IDLE)]
        clip = {"event_data": {"clip": "x"}}
        many += [crowd.submit(greedy.event, look, "", False, **clip) for _ in range(IDLE)]
        # They have more under way than a visitor may, and the rest is told so.
        refused = [one.result()[0] for one in _until(many, IDLE)]
        assert set(refused) <= {429, 503}
        status, sent = other.event(send, None, "Ana", True, False, None, "http://a/")
        assert (status, "Received" in sent) == (200, True), sent
        status, erased = other.event(erase, theirs, CODE)
        assert (status, "deleted" in erased) == (200, True), erased
        hold.set()
    assert verify(store, theirs).left == []
    (upload_id,) = [key for key in store.list("uploads/manifests/") if theirs not in key]
    assert get_manifest(store, upload_id.rpartition("/")[2].removesuffix(".json")).name == "Ana"


def _until(many: list[Any], count: int) -> list[Any]:
    """Those that were answered, once there are so many."""
    done: list[Any] = []
    while len(done) < count:
        time.sleep(0.02)
        done = [one for one in many if one.done()]
    return done
