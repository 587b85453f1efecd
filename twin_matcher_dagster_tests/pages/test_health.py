"""`/healthz` of the pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from twin_matcher_dagster.errors import NoReleaseError, ObjectMissingError, StorageError
from twin_matcher_dagster.pages import health
from twin_matcher_dagster.pages.health import Health
from twin_matcher_dagster.storage.object_store import ObjectStore


class Store(ObjectStore):
    """Answers as it is told, and counts."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked = 0

    def within(self, seconds: float) -> ObjectStore:
        assert seconds < 10
        return self

    def get(self, key: str) -> bytes:
        self.asked += 1
        if self.error:
            raise self.error
        return b""


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def ask(store: Store) -> Callable[[], tuple[int, dict[str, str]]]:
    client = TestClient(Starlette(routes=Health(store).routes()))

    def get() -> tuple[int, dict[str, str]]:
        answer = client.get("/healthz")
        return answer.status_code, answer.json()

    return get


def test_a_page_says_that_it_answers_and_whether_the_store_does(
    store: Store,
    ask: Callable[[], tuple[int, dict[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(health, "_STORE_ASKED_EVERY_S", 0.0)
    assert ask() == (200, {"page": "ok", "store": "ok"})
    store.error = ObjectMissingError("a bucket of one's own has no such object")
    assert ask() == (200, {"page": "ok", "store": "ok"})
    store.error = StorageError("S3 does not answer")
    assert ask() == (503, {"page": "ok", "store": "away"})


def test_however_often_it_is_asked_the_store_is_not(
    store: Store, ask: Callable[[], tuple[int, dict[str, str]]]
) -> None:
    assert {ask()[0] for _ in range(20)} == {200}
    assert store.asked == 1


class Releases:
    """A production with this release, or none."""

    def __init__(self, number: int | None) -> None:
        self.number = number

    def finder(self) -> Releases:
        if self.number is None:
            raise NoReleaseError("There is no model yet.")
        return self


@pytest.mark.parametrize(
    ("number", "away", "expected"),
    [
        (7, False, (200, {"store": "ok", "release": 7})),
        (7, True, (200, {"store": "away", "release": 7})),
        (None, False, (503, {"store": "ok", "release": None})),
    ],
)
def test_a_site_is_ready_while_a_release_answers(
    store: Store, number: int | None, away: bool, expected: tuple[int, dict[str, object]]
) -> None:
    store.error = StorageError("S3 does not answer") if away else None
    health = Health(store, Releases(number))  # ty: ignore[invalid-argument-type]
    answer = TestClient(Starlette(routes=health.routes())).get("/readyz")
    assert (answer.status_code, answer.json()) == expected


def test_a_site_that_answers_no_questions_is_ready_with_its_store(store: Store) -> None:
    client = TestClient(Starlette(routes=Health(store).routes()))
    assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (
        200,
        {"store": "ok"},
    )


@pytest.mark.parametrize("kind", ["text/plain", "application/openmetrics-text"])
def test_figures_are_there_for_prometheus(store: Store, kind: str) -> None:
    client = TestClient(Starlette(routes=Health(store).routes()))
    answer = client.get("/metrics", headers={"Accept": kind})
    assert answer.headers["content-type"].startswith(kind)
    assert "twin_matcher_release " in answer.text
