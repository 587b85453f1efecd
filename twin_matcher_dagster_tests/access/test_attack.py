"""A thousand requests of somebody who may at most look, put together by a seed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from twin_matcher_dagster.access.operations import mutations_of
from twin_matcher_dagster.access.people import Principal, Role
from twin_matcher_dagster.local.sign_in_token import program_pass
from twin_matcher_dagster_tests.access.site import HERE, MUTATION, QUERY, Inner, Site

REQUESTS = 1000

METHODS = ["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"]
PATHS = [
    *(
        "/graphql",
        "/graphql/",
        "//graphql",
        "/%67raphql",
        "/graphql;a",
        "/GRAPHQL",
        "/a/../graphql",
    ),
    *("/report_asset_materialization/user_faces", "/report_asset_check/a", "/logs/a.out", "/runs"),
    *("/review", "/review/accept", "/review/../graphql", "/reviewgraphql", "/sign-in", "/sign-out"),
    *("/sign-in/callback", "/sign-in/../graphql", "/healthz", "/healthz/../graphql", "/"),
]
HOSTS = ["127.0.0.1:3000", "localhost", "evil.example", "127.0.0.1.evil.example", "0.0.0.0", ""]  # noqa: S104
ORIGINS = [HERE, "null", "https://evil.example", "http://127.0.0.1:7860", "http://localhost"]
SITES = ["same-origin", "cross-site", "same-site", "none"]
KINDS = ["application/json", "text/plain", "application/graphql", "multipart/form-data"]
DOCUMENTS = [
    QUERY,
    MUTATION,
    f"{QUERY} {MUTATION}",
    "mutation { ...F } fragment F on Mutation { wipeAssets { __typename } }",
    "mutation { a: logTelemetry b: launchRun }",
    "mutation { launchRun: logTelemetry }",
    "subscription { capturedLogs }",
    "{",
]


def assert_harmless(handed: Any) -> None:
    """What is left of mutations is what Dagster's pages say of their own looks."""
    assert mutations_of(handed["query"]) in ((), ("logTelemetry",))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_changed_by_who_may_not(tmp_path: Path, seed: int) -> None:
    review = Inner()
    site = Site(tmp_path, {"/review": review})
    keeper = site.app._keeper
    sessions = keeper.sessions
    viewer = sessions.begin(Principal("eva@example.org", Role.VIEWER))
    admin = sessions.begin(Principal("ana@example.org", Role.ADMIN))
    gone = sessions.begin(Principal("ana@example.org", Role.ADMIN))
    sessions.end(gone)
    cookies = [sessions.cookie_of(one) for one in (viewer, gone)]
    forged = cookies[0].rsplit(".", 1)[0] + "." + sessions.cookie_of(admin).rsplit(".", 1)[1]
    draw = random.Random(seed)  # noqa: S311

    def mostly(right: str, others: list[str]) -> str:
        """A request that is wrong in everything would tell nothing of any one rule."""
        return right if draw.random() < 0.8 else draw.choice(others)

    reached = 0
    for _ in range(REQUESTS):
        client = site.client()
        headers = {"Host": mostly(HOSTS[0], HOSTS), "Content-Type": mostly(KINDS[0], KINDS)}
        if draw.random() < 0.7:
            headers["Origin"] = mostly(HERE, ORIGINS)
        if draw.random() < 0.7:
            headers["Sec-Fetch-Site"] = mostly(SITES[0], SITES)
        if draw.random() < 0.3:
            headers |= {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        if draw.random() < 0.2:
            headers |= {"X-Forwarded-Email": "ana@example.org", "X-Forwarded-For": "127.0.0.1"}
        if draw.random() < 0.1:
            wrong = ["guess", program_pass("another token"), "", forged]
            headers["Authorization"] = f"Bearer {draw.choice(wrong)}"
        by_cookie = draw.choice([*cookies[:1] * 4, *cookies, forged, "", None, None])
        if by_cookie is not None:
            client.cookies.set("twin-matcher-3000", by_cookie)
        elif draw.random() < 0.5:
            # The admin's browser, used by another page.
            client.cookies.set("twin-matcher-3000", sessions.cookie_of(admin))
            headers["Origin"] = draw.choice(ORIGINS[1:4])
        document = draw.choice(DOCUMENTS)
        asked = {"query": document}
        body = draw.choice([asked, asked, asked, [asked], document])
        params = {"query": draw.choice(DOCUMENTS), "token": draw.choice(["", "guess"])}
        kept = draw.sample(sorted(params), draw.randrange(3))
        client.request(
            mostly("POST", METHODS),
            mostly(PATHS[0], PATHS),
            params={name: params[name] for name in kept},
            content=json.dumps(body) if draw.random() < 0.9 else document,
            headers=headers,
        )
        reached += len(site.inner.seen) + len(review.seen)
        for method, path, handed in [*site.inner.seen, *review.seen]:
            assert method in ("GET", "HEAD") or path == "/graphql"
            if method == "POST":
                assert_harmless(handed)
        # Who was let through is the viewer, and nobody else.
        assert set(site.inner.people) | set(review.people) <= {viewer.person}
        site.inner.seen.clear()
        review.seen.clear()
    assert reached  # some of it is what a viewer may do
    assert site.deeds() == []
