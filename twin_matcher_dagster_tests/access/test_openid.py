"""Sign-in by OpenID Connect, through the real client, at a real provider that also lies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey
from starlette.testclient import TestClient

from twin_matcher_dagster.access.people import Principal, Role
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster_tests.access.provider import CLIENT, SECRET, LocalProvider, serving
from twin_matcher_dagster_tests.access.site import HERE, NAVIGATION, OURS, PAGE, Site

ANA = {"email": "ana@example.org", "email_verified": True}


@pytest.fixture(scope="module")
def running() -> Iterator[LocalProvider]:
    ports = HeldPorts(1)
    with serving(LocalProvider(), ports.numbers[0]) as provider:
        yield provider
    ports.release()


@pytest.fixture
def provider(running: LocalProvider) -> LocalProvider:
    """One that tells the truth about Ana."""
    running.claims, running.lies = dict(ANA), {}
    return running


def site_of(home: Path, url: str, **values: Any) -> Site:
    """A site where Ana is admin, and signs in at a provider."""
    return Site(
        home,
        sign_in="openid",
        openid_url=url,
        openid_client_id=CLIENT,
        openid_client_secret=SECRET,
        admins="ana@example.org",
        **values,
    )


@pytest.fixture
def site(provider: LocalProvider, tmp_path: Path) -> Site:
    return site_of(tmp_path, provider.url)


def to_the_provider(client: TestClient, path: str = "/runs?a=b") -> str:
    """The address at the provider that somebody who wants to see a page is sent to."""
    asked = client.get(path, headers=NAVIGATION)
    assert asked.status_code == 303
    sent = client.get(asked.headers["Location"], headers=NAVIGATION)
    assert sent.status_code == 302
    return sent.headers["Location"]


def and_back(address: str) -> str:
    """The address that the provider sends them back to."""
    return httpx.get(address).headers["Location"]


def come_back(client: TestClient, address: str) -> Any:
    there = {**NAVIGATION, "Sec-Fetch-Site": "cross-site"}
    return client.get(address, headers=there)


def test_who_the_provider_knows_signs_in(site: Site, provider: LocalProvider) -> None:
    client = site.client()
    address = to_the_provider(client)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["redirect_uri"] == f"{HERE}/sign-in/callback"
    assert asked["code_challenge_method"] == "S256"
    assert {"state", "nonce"} <= asked.keys()
    assert SECRET not in address
    answer = come_back(client, and_back(address))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/runs?a=b")
    session = next(
        one for one in answer.headers.get_list("set-cookie") if one.startswith("twin-matcher-3000=")
    )
    assert "HttpOnly; SameSite=Strict" in session
    assert client.get("/runs", headers=OURS).text == "ana@example.org"
    assert site.inner.people[-1] == Principal("ana@example.org", Role.ADMIN)
    (deed,) = site.deeds()
    assert (deed.what, deed.who, deed.about) == ("sign-in", "ana@example.org", ("openid",))


def test_what_is_kept_meanwhile_is_short_and_for_the_way_in(site: Site) -> None:
    client = site.client()
    asked = client.get("/", headers=NAVIGATION)
    cookie = client.get(asked.headers["Location"]).headers["Set-Cookie"].lower()
    for word in ("path=/sign-in", "max-age=600", "httponly", "samesite=lax"):
        assert word in cookie


LIES: list[dict[str, Any]] = [
    {"signed_by": RSAKey.generate_key(2048, {"kid": "first"})},
    {"signed_by": OctKey.import_key(SECRET), "algorithm": "HS256"},
    {"signed_by": OctKey.import_key("a" * 32), "algorithm": "none"},
    {"iss": "https://other.example"},
    {"aud": "another client"},
    {"nonce": "of another sign-in"},
    {"nonce": None},
    {"exp": 1_700_000_000},
    {"exp": None},
    {"iat": 4_000_000_000},
    {"sub": None},
    {"no_token": True},
    {"email_verified": False},
    {"email": "eva@example.org"},
]


@pytest.mark.parametrize("lies", LIES, ids=lambda lies: str(lies)[:40])
def test_what_is_not_vouched_for_signs_nobody_in(
    site: Site, provider: LocalProvider, lies: dict[str, Any]
) -> None:
    provider.lies = lies
    client = site.client()
    answer = come_back(client, and_back(to_the_provider(client)))
    assert answer.status_code == 403
    assert "Not signed in" in answer.text
    assert not client.cookies.get("twin-matcher-3000")
    assert client.get("/runs").status_code == 401
    assert site.deeds() == []


def test_somebody_elses_sign_in_is_not_taken(site: Site) -> None:
    """Forged callbacks: no state, another browser's state, an address that was used before."""
    eve, client = site.client(), site.client()
    of_eve = and_back(to_the_provider(eve))
    to_the_provider(client)
    assert come_back(client, of_eve).status_code == 403
    for path in ("", "?code=a", "?code=a&state=b", "?state=b", "?error=access_denied&state=b"):
        assert come_back(client, f"/sign-in/callback{path}").status_code == 403
    mine = and_back(to_the_provider(client))
    assert come_back(client, mine).status_code == 303
    assert come_back(client, mine).status_code == 403
    assert len(site.deeds()) == 1


def test_the_way_back_is_ours(site: Site) -> None:
    client = site.client()
    sent = client.get("/sign-in?next=https://evil.example/", headers=NAVIGATION)
    answer = come_back(client, and_back(sent.headers["Location"]))
    assert answer.headers["Location"] == "/"


def test_a_token_signs_no_person_in(site: Site) -> None:
    """With a provider everybody is somebody; programs still come with the token."""
    client = site.client()
    assert client.get("/", params={"token": site.token}).headers["Location"] == "/"
    assert client.post("/sign-in", data={"token": site.token}).status_code == 403
    assert client.get("/").status_code == 401
    assert site.program().get("/").is_success


def test_a_provider_that_is_away_is_told(tmp_path: Path) -> None:
    site = site_of(tmp_path, "http://127.0.0.1:9/.well-known/openid-configuration")
    answer = site.client().get("/sign-in", headers=PAGE)
    assert answer.status_code == 502
    assert "does not answer" in answer.text


def test_behind_a_proxy_people_come_back_to_its_address(
    provider: LocalProvider, tmp_path: Path
) -> None:
    site = site_of(tmp_path, provider.url, dagster_url="https://dagster.example.org")
    client = site.client("http://dagster.example.org")
    address = to_the_provider(client)
    callback = parse_qs(urlsplit(address).query)["redirect_uri"]
    assert callback == ["https://dagster.example.org/sign-in/callback"]
