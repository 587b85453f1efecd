"""Dagster's real webserver behind the guard."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from twin_matcher_dagster.access.people import Principal, Role, put_principal
from twin_matcher_dagster.cli.runs import launch_job
from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.local import health
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster_tests.access.real_dagster import Served, limit, served_dagster


@pytest.fixture(scope="module")
def dagster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_dagster(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="module")
def browser(dagster: Served) -> Iterator[httpx.Client]:
    """A browser of somebody who signed in."""
    headers = {"Origin": dagster.url, "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=dagster.url, headers=headers) as client:
        assert client.get("/", params={"token": dagster.token}).status_code == 303
        yield client


def signed_in_to(dagster: Served, role: Role) -> httpx.ASGITransport:
    """Dagster without the guard, for somebody with a role."""

    async def ask(scope: Any, receive: Any, send: Any) -> None:
        put_principal(scope, Principal("somebody", role))
        await dagster.dagster(scope, receive, send)

    return httpx.ASGITransport(ask)


def asked(dagster: Served, role: Role, method: str, **request: Any) -> httpx.Response:
    """What Dagster answers without the guard."""

    async def ask() -> httpx.Response:
        transport = signed_in_to(dagster, role)
        async with httpx.AsyncClient(transport=transport, base_url="http://rebound.evil") as client:
            return await client.request(method, "/graphql", **request)

    return asyncio.run(ask())


def test_without_the_guard_any_page_changes_dagster_and_with_it_none_does(dagster: Served) -> None:
    """Dagster runs a mutation by GET, whoever asks, by whatever name."""
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = asked(dagster, Role.ADMIN, "GET", params={"query": limit("bare")}, headers=foreign)
    assert answer.status_code == 200
    assert "bare" in dagster.limits()
    with httpx.Client(base_url=dagster.url) as stranger:
        for headers in ({}, foreign, {"Authorization": f"Bearer {dagster.token}"}):
            params = {"query": limit("guarded")}
            assert stranger.get("/graphql", params=params, headers=headers).is_error
    assert "guarded" not in dagster.limits()


def test_somebody_signed_in_changes_something(dagster: Served, browser: httpx.Client) -> None:
    answer = browser.post("/graphql", json={"query": limit("by-post")})
    assert answer.json() == {"data": {"setConcurrencyLimit": True}}
    assert "by-post" in dagster.limits()
    assert "setConcurrencyLimit" in [deed.what for deed in dagster.deeds()]
    assert browser.get("/graphql", params={"query": limit("by-get")}).status_code == 405
    assert "by-get" not in dagster.limits()


def test_dagster_itself_refuses_who_is_no_admin(dagster: Served) -> None:
    """The guard does before; this is for the day on which it errs. The pages grey out by this."""
    query = "{ permissions { permission value } }"

    for role, may in ((Role.VIEWER, False), (Role.REVIEWER, False), (Role.ADMIN, True)):
        told = asked(dagster, role, "POST", json={"query": query}).json()
        allowed = {one["permission"]: one["value"] for one in told["data"]["permissions"]}
        assert allowed["launch_pipeline_execution"] is may
        assert allowed["edit_dynamic_partitions"] is may


def test_dagsters_page_has_its_policy_and_ours(browser: httpx.Client) -> None:
    answer = browser.get("/runs", headers={"Accept": "text/html"})
    policies = answer.headers.get_list("Content-Security-Policy", split_commas=False)
    assert len(policies) == 2
    assert "script-src 'nonce-" in policies[0]
    assert "frame-ancestors 'none'" in policies[1]
    assert "uvicorn" not in answer.headers.get("Server", "")


def test_what_asks_for_the_installation_gets_its_answer(dagster: Served) -> None:
    """Health questions and launches: with a pass, on the loopback address."""
    with pytest.raises(health.SilentError, match="no heartbeat"):  # of daemons, which do not run
        health.daemon_question(dagster.url, dagster.home)(0)


def test_a_program_of_the_installation_launches(dagster: Served) -> None:
    (dagster.home / "twin-matcher-state").touch()
    settings = Settings(
        twin_matcher_home=dagster.home, dagster_port=int(dagster.url.rsplit(":", 1)[1])
    )
    with pytest.raises(ServicesError, match="celebrities") as refused:
        launch_job(settings, "celebrities")
    assert "not signed in" not in str(refused.value)
    assert dagster.token not in str(refused.value)


def test_a_subscription_goes_through(dagster: Served, browser: httpx.Client) -> None:
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    address = dagster.url.replace("http", "ws") + "/graphql"
    with connect(
        address,
        origin=dagster.url,  # ty: ignore[invalid-argument-type]
        additional_headers={"Cookie": cookie},
        subprotocols=["graphql-ws"],  # ty: ignore[invalid-argument-type]
    ) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(5)) == {"type": "connection_ack"}
        query = "subscription { locationStateChangeEvents { event { message } } }"
        socket.send(json.dumps({"type": "start", "id": "1", "payload": {"query": query}}))
        socket.send(json.dumps({"type": "start", "id": "2", "payload": {"query": limit("ws")}}))
        told = json.loads(socket.recv(5))
        assert (told["type"], told["id"]) == ("error", "2")
    for origin, sent in ((dagster.url, ""), ("https://evil.example", cookie), (None, cookie)):
        with pytest.raises(InvalidStatus, match="403"):
            connect(address, origin=origin, additional_headers={"Cookie": sent})  # ty: ignore[invalid-argument-type]
    assert "ws" not in dagster.limits()


@pytest.mark.slow
def test_it_is_served_by_https(tmp_path: Path) -> None:
    """With the pages' certificate; what asks for the installation asks by https as well."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=dagster.example.org", "-keyout", key, "-out", cert]
    subprocess.run([*made.split(), *names], check=True, capture_output=True)
    with served_dagster(tmp_path / "home", tls_cert=cert, tls_key=key) as served:
        with httpx.Client(base_url=served.url, verify=False) as browser:  # noqa: S501
            answer = browser.get("/", params={"token": served.token})
        assert answer.headers["Set-Cookie"].startswith("__Host-twin-matcher-")
        with pytest.raises(health.SilentError, match="no heartbeat"):
            health.daemon_question(served.url, served.home)(0)
        (served.home / "twin-matcher-state").touch()
        port = int(served.url.rsplit(":", 1)[1])
        settings = Settings(
            twin_matcher_home=served.home, dagster_port=port, tls_cert=cert, tls_key=key
        )
        with pytest.raises(ServicesError, match="celebrities"):
            launch_job(settings, "celebrities")
