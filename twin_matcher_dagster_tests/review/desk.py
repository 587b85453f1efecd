"""The review page for a test: whoever asks is signed in as what the test says."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from twin_matcher_dagster.access.people import Principal, Role, put_principal
from twin_matcher_dagster.review.app import review_app
from twin_matcher_dagster.storage.object_store import ObjectStore

RITA = Principal("rita@example.com", Role.REVIEWER)
ROB = Principal("rob@example.com", Role.REVIEWER)
VERA = Principal("vera@example.com", Role.VIEWER)
HERE = "https://desk.example"


class SignedIn:
    """Stands where the guard does.

    Args:
        store: the bucket.
        person: who asks, whatever they send.
    """

    def __init__(self, store: ObjectStore, person: Principal | None) -> None:
        self._app = Starlette(routes=[Mount("/review", review_app(store))])
        self.person = person

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and self.person:
            put_principal(scope, self.person)
        await self._app(scope, receive, send)


def client_of(store: ObjectStore, person: Principal | None = RITA) -> TestClient:
    """A browser of somebody who is signed in; forms are sent from the page itself."""
    return TestClient(SignedIn(store, person), base_url=HERE, headers={"origin": HERE})
