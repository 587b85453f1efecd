"""By a token, by a cookie, by a proxy's header: who is let in, as whom, and for how long."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from twin_matcher_dagster.access.people import Principal, Role
from twin_matcher_dagster.access.sessions import Sessions
from twin_matcher_dagster.access.sign_in import OPERATOR, PROGRAM, local_path
from twin_matcher_dagster.access.standing import Standing, check_sign_in
from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.local import sign_in_token
from twin_matcher_dagster.local.sign_in_token import (
    authorization,
    keep_token,
    program_pass,
    read_token,
    session_key,
)
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster_tests.access.site import HERE, NAVIGATION, OURS, PAGE, Site

PROXY: dict[str, Any] = {
    "sign_in": "proxy",
    "proxy_addresses": "127.0.0.1",
    "admins": "ana@example.org",
}


# -- the token in the address


def test_the_address_that_is_printed_signs_in(site: Site) -> None:
    client = site.client()
    answer = client.get(f"/runs?view=all&token={site.token}&b=", headers=NAVIGATION)
    assert answer.status_code == 303
    # The token is out of the address, and the rest is as it was.
    assert answer.headers["Location"] == "/runs?view=all&b="
    cookie = answer.headers["Set-Cookie"]
    assert re.fullmatch(
        r"twin-matcher-3000=[\w.-]+; Path=/; HttpOnly; SameSite=Strict", cookie, re.ASCII
    )
    assert site.token not in cookie
    assert client.get("/runs", headers=NAVIGATION).text == OPERATOR.name
    assert [(deed.what, deed.who, deed.about) for deed in site.deeds()] == [
        ("sign-in", "token", ("address",))
    ]


@pytest.mark.parametrize("token", ["", "guess", "é", "x" * 5000])
def test_another_token_does_not(site: Site, token: str) -> None:
    client = site.client()
    answer = client.get("/runs", params={"token": token}, headers=PAGE)
    assert answer.status_code == 401
    assert "not the token" in answer.text
    assert "Set-Cookie" not in answer.headers
    assert token not in answer.text or len(token) < 6
    assert site.deeds() == []


def test_the_form_signs_in(site: Site) -> None:
    client = site.client()
    asked = client.get("/runs?view=all", headers=NAVIGATION)
    assert 'value="/runs?view=all"' in asked.text
    form = {"token": f" {site.token} ", "next": "/runs?view=all"}
    answer = client.post("/sign-in", data=form, headers=OURS)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/runs?view=all")
    assert client.get("/").text == OPERATOR.name
    wrong = client.post("/sign-in", data={"token": "guess"}, headers=OURS)
    assert wrong.status_code == 401
    too_long = client.post("/sign-in", data={"token": "x" * 9000}, headers=OURS)
    assert too_long.status_code == 413
    assert client.get("/sign-in?next=/x").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "",
        "/a\r\nSet-Cookie: a=b",
        "/\t/evil.example",
        "/" + "a" * 3000,
    ],
)
def test_nobody_is_sent_elsewhere(site: Site, path: str) -> None:
    assert local_path(path) == "/"
    form = {"token": site.token, "next": path}
    assert site.client().post("/sign-in", data=form).headers["Location"] == "/"


def test_the_path_is_no_way_elsewhere_either(site: Site) -> None:
    answer = site.client().get(f"{HERE}//evil.example/x?token={site.token}")
    assert answer.headers["Location"] == "/"
    script = site.client().get('/"><script>alert(1)</script>', headers=NAVIGATION)
    assert "<script>" not in script.text


def test_whoever_guesses_has_to_wait(site: Site) -> None:
    client = site.client()
    for _ in range(10):
        assert client.get("/", params={"token": "guess"}).status_code == 401
    for request in (
        lambda: client.get("/", params={"token": site.token}),
        lambda: client.post("/sign-in", data={"token": site.token}),
        lambda: site.program().get("/"),
        lambda: site.program().get("/sign-out"),
    ):
        assert request().status_code == 429
    # Who is in stays in, and other addresses are other people's.
    keeper = site.app._keeper
    keeper.is_token({"client": ("10.0.0.9", 1)}, "guess")


def test_without_the_log_nobody_is_let_in(site: Site) -> None:
    site.away = True
    answer = site.client().get("/", params={"token": site.token})
    assert answer.status_code == 503
    assert "Set-Cookie" not in answer.headers


# -- programs


def test_a_program_shows_the_token_or_a_pass(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert site.program().get("/").text == OPERATOR.name
    shown = f"Bearer {program_pass(site.token)}"
    assert site.client(Authorization=shown).get("/").text == PROGRAM.name
    for wrong in (
        "Bearer ",
        "Bearer guess",
        f"Basic {site.token}",
        site.token,
        f"{shown}x",
        f"Bearer {program_pass('another token of others')}",
    ):
        assert site.client(Authorization=wrong).get("/").status_code == 401
    monkeypatch.setattr(sign_in_token, "PASS_SECONDS", -1)
    assert site.client(Authorization=shown).get("/").status_code == 401


def test_the_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    with pytest.raises(ServicesError, match="no token yet"):
        read_token(tmp_path)
    keep_token(tmp_path, None)
    made = read_token(tmp_path)
    keep_token(tmp_path, None)
    assert read_token(tmp_path) == made
    assert len(made) == 43
    chosen = Settings(dagster_token="a-token-of-the-operator").dagster_token
    key = session_key(tmp_path, "a")
    assert key == session_key(tmp_path, "a") != session_key(tmp_path, "b")
    keep_token(tmp_path, chosen)
    keep_token(tmp_path, chosen)
    assert read_token(tmp_path) == "a-token-of-the-operator"
    # Who was signed in with the one before is not.
    assert session_key(tmp_path, "a") != key
    assert "a-token-of-the-operator" not in authorization(tmp_path)["Authorization"]
    files = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
    assert files == {"dagster-token": "0o600", "session-key": "0o600"}


@pytest.mark.parametrize("token", ["short", "a" * 19, "with a space in the middle", "ü" * 30])
def test_a_token_that_could_be_guessed_is_refused(token: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(dagster_token=token)
    assert token not in str(refused.value)


# -- sessions


class Clock:
    """Seconds that a test counts."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def sessions(home: Path, clock: Clock, key: bytes = b"key") -> Sessions:
    return Sessions(key, home / "signed-out.json", 3600, 600, clock)


def test_a_session_ends_in_time(tmp_path: Path, clock: Clock) -> None:
    kept = sessions(tmp_path, clock)
    session = kept.begin(OPERATOR)
    cookie = kept.cookie_of(session)
    assert kept.read(cookie) == session
    for _ in range(6):  # whoever does something stays
        clock.now += 590
        assert kept.read(cookie) == session
    clock.now += 70
    assert kept.read(cookie) is None  # an hour is over
    idle = kept.begin(OPERATOR)
    clock.now += 601
    assert kept.read(kept.cookie_of(idle)) is None


def test_a_cookie_is_renewed_now_and_then(tmp_path: Path, clock: Clock) -> None:
    kept = sessions(tmp_path, clock)
    session = kept.begin(OPERATOR)
    assert kept.renewed(session) is None
    clock.now += 300
    newer = kept.renewed(session)
    assert newer
    assert (newer.id, newer.begun) == (session.id, session.begun)
    # After a restart nothing is known but the cookie.
    clock.now += 400
    again = sessions(tmp_path, clock)
    assert again.read(kept.cookie_of(session)) is None
    assert again.read(kept.cookie_of(newer)) == newer


def test_the_browser_is_handed_the_newer_cookie(site: Site, clock: Clock) -> None:
    sessions = site.app._keeper.sessions
    sessions._clock = clock
    client = site.signed_in()
    before = client.cookies["twin-matcher-3000"]
    assert "Set-Cookie" not in client.get("/").headers
    clock.now += 100
    cookie = client.get("/").headers["Set-Cookie"]
    assert cookie.startswith("twin-matcher-3000=")
    assert "HttpOnly; SameSite=Strict" in cookie
    assert client.cookies["twin-matcher-3000"] != before
    clock.now += 3600
    assert client.get("/").status_code == 401
    # What is known of who was seen goes with the time.
    site.signed_in().get("/")
    assert len(sessions._seen) == 1


def test_who_signed_out_stays_out(tmp_path: Path, clock: Clock) -> None:
    kept = sessions(tmp_path, clock)
    session, other = kept.begin(OPERATOR), kept.begin(OPERATOR)
    assert session.id != other.id
    copy = kept.cookie_of(session)
    kept.end(session)
    assert kept.read(copy) is None
    assert sessions(tmp_path, clock).read(copy) is None  # after a restart, too
    assert kept.read(kept.cookie_of(other)) == other
    assert (tmp_path / "signed-out.json").stat().st_mode & 0o077 == 0
    clock.now += 4000
    kept.end(other)
    assert session.id not in (tmp_path / "signed-out.json").read_text()
    (tmp_path / "signed-out.json").write_text("{")
    with pytest.raises(ServicesError, match="damaged"):
        sessions(tmp_path, clock)


def test_nobody_writes_a_cookie_but_us(tmp_path: Path, clock: Clock) -> None:
    kept = sessions(tmp_path, clock)
    viewer = kept.cookie_of(kept.begin(Principal("eva@example.org", Role.VIEWER)))
    admin = kept.cookie_of(kept.begin(Principal("eva@example.org", Role.ADMIN)))
    body, signature = viewer.rsplit(".", 1)
    for forged in (
        "",
        "a",
        body,
        f"{admin.rsplit('.', 1)[0]}.{signature}",
        f"{body}.{signature[::-1]}",
        sessions(tmp_path, clock, b"other").cookie_of(kept.begin(OPERATOR)),
    ):
        assert kept.read(forged) is None


def test_signing_out(site: Site) -> None:
    client = site.signed_in()
    copy = client.cookies["twin-matcher-3000"]
    assert "signed in as token" in client.get("/sign-out").text
    answer = client.post("/sign-out")
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert client.get("/").status_code == 401
    thief = site.client(**OURS)
    thief.cookies.set("twin-matcher-3000", copy)
    assert thief.get("/").status_code == 401
    assert "not signed in" in client.get("/sign-out").text


def test_other_terms_end_all_sessions(tmp_path: Path) -> None:
    """Whoever lost a role has to be out at once, and not when the cookie ends."""
    before = Site(tmp_path, admins="ana@example.org")
    cookie = before.signed_in().cookies["twin-matcher-3000"]
    after = Site(tmp_path)
    client = after.client(**OURS)
    client.cookies.set("twin-matcher-3000", cookie)
    assert client.get("/").status_code == 401


def test_over_https_the_cookie_is_for_https_and_this_host(tmp_path: Path) -> None:
    site = Site(tmp_path, dagster_url="https://dagster.example.org")
    for base in ("http://dagster.example.org", "https://127.0.0.1:3000"):
        answer = site.client(base).get("/", params={"token": site.token})
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-twin-matcher-3000=")
        assert "; Path=/; HttpOnly; SameSite=Strict; Secure" in cookie
        assert "Domain" not in cookie
    # Without https nobody's browser would keep such a cookie.
    assert "Secure" not in site.client().get(f"/?token={site.token}").headers["Set-Cookie"]


def test_a_link_from_another_site_finds_somebody_signed_in(site: Site) -> None:
    """The browser leaves the cookie at home. So it is asked once more, by a page of ours."""
    client = site.client()
    there = {**NAVIGATION, "Sec-Fetch-Site": "cross-site"}
    answer = client.get("/review?upload=1&token2=x", headers=there)
    assert answer.status_code == 200
    assert 'content="0;url=/review?upload=1&amp;token2=x"' in answer.text
    here = {**NAVIGATION, "Sec-Fetch-Site": "same-origin"}
    assert client.get("/review", headers=here).status_code == 401


# -- a proxy


def proxied(site: Site, address: str = "127.0.0.1", **headers: str) -> Any:
    from starlette.testclient import TestClient

    return TestClient(
        site.app, HERE, headers={**OURS, **headers}, client=(address, 1), follow_redirects=False
    )


def test_a_proxy_says_who_asks(tmp_path: Path) -> None:
    site = Site(tmp_path, **PROXY, reviewers="rui@example.org", viewers="*")
    for name, role in (
        ("Ana@Example.org", Role.ADMIN),
        ("rui@example.org", Role.REVIEWER),
        ("eva@example.org", Role.VIEWER),
    ):
        assert proxied(site, **{"X-Forwarded-Email": name}).get("/").text == name
        assert site.inner.people[-1] == Principal(name, role)
    proxied(site, **{"X-Forwarded-Email": "rui@example.org"}).get("/")
    assert [(deed.what, deed.who, deed.about) for deed in site.deeds()] == [
        ("sign-in", name, ("proxy",))
        for name in ("Ana@Example.org", "rui@example.org", "eva@example.org")
    ]
    site.away = True
    late = proxied(site, **{"X-Forwarded-Email": "late@example.org"})
    assert late.get("/").status_code == 503
    # A program of the installation asks without it.
    assert site.program().get("/").text == OPERATOR.name
    told = site.program().get("/sign-out").text
    assert "at the proxy" in told


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("10.0.0.9", {"X-Forwarded-Email": "ana@example.org"}),
        ("10.0.0.9", {"X-Forwarded-Email": "ana@example.org", "X-Forwarded-For": "127.0.0.1"}),
        ("testclient", {"X-Forwarded-Email": "ana@example.org"}),
        ("127.0.0.1", {}),
        ("127.0.0.1", {"X-Forwarded-Email": ""}),
        ("127.0.0.1", {"X-Forwarded-Email": "eva@example.org"}),
        ("127.0.0.1", {"X-Forwarded-Email": "ana@example.org, eva@example.org"}),
        ("127.0.0.1", {"X-Forwarded-User": "ana@example.org"}),
        ("127.0.0.1", {"X-Forwarded-Email": "a" * 300}),
    ],
)
def test_nobody_else_is_believed(tmp_path: Path, address: str, headers: dict[str, str]) -> None:
    site = Site(tmp_path, **PROXY)
    client = proxied(site, address, **headers)
    assert client.get("/").status_code == 401
    assert "through a proxy" in client.get("/", headers=PAGE).text
    assert site.inner.seen == []


def test_a_header_twice_is_nobody(tmp_path: Path) -> None:
    site = Site(tmp_path, **PROXY)
    twice = [("X-Forwarded-Email", "ana@example.org"), ("X-Forwarded-Email", "eva@example.org")]
    assert proxied(site).get("/", headers=twice).status_code == 401


def test_behind_a_proxy_the_token_is_for_programs_alone(tmp_path: Path) -> None:
    site = Site(tmp_path, **PROXY)
    client = proxied(site, "10.0.0.9")
    assert client.get("/", params={"token": site.token}).headers["Location"] == "/"
    assert client.post("/sign-in", data={"token": site.token}).status_code == 403
    assert client.get("/").status_code == 401
    assert client.get("/sign-in").status_code == 401


def test_without_a_proxy_its_header_says_nothing(site: Site) -> None:
    client = proxied(site, **{"X-Forwarded-Email": "ana@example.org"})
    assert client.get("/").status_code == 401


# -- roles


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"email": "ana@example.org", "email_verified": True}, Role.ADMIN),
        ({"email": "ANA@example.org", "email_verified": True}, Role.ADMIN),
        ({"email": "ana@example.org"}, None),
        ({"email": "ana@example.org", "email_verified": "true"}, None),
        ({"email": "ana@example.org", "email_verified": False, "sub": "Xy7"}, Role.REVIEWER),
        ({"sub": "xy7"}, None),
        ({"sub": "1", "roles": ["viewer", "admin", "root"]}, Role.ADMIN),
        ({"sub": "1", "roles": "reviewer"}, Role.REVIEWER),
        ({"sub": "1", "roles": {"admin": True}}, None),
        ({"sub": "1", "role": "admin"}, None),
        ({"sub": "1"}, None),
        ({"roles": ["admin"]}, None),
        # The Kelvin sign is a small k for str.lower().
        ({"email": "\u212aai@example.org", "email_verified": True}, None),
    ],
    ids=str,
)
def test_a_role_is_given_by_the_operator_alone(claims: Any, expected: Role | None) -> None:
    settings = Settings(
        admins="ana@example.org, kai@example.org", reviewers="Xy7", openid_role_claim="roles"
    )
    person = Standing(settings).of_claims(claims)
    assert (person and person.role) == expected


def test_the_star_is_for_looking() -> None:
    settings = Settings(admins="*", reviewers="*", viewers="*")
    person = Standing(settings).of_name("eva@example.org")
    assert person == Principal("eva@example.org", Role.VIEWER)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"sign_in": "openid", "admins": "a@b.c"}, "OPENID_URL, OPENID_CLIENT_ID"),
        ({"sign_in": "proxy", "admins": "a@b.c"}, "PROXY_ADDRESSES"),
        ({"sign_in": "proxy", "proxy_addresses": "10.0.0.1"}, "ADMINS"),
    ],
)
def test_settings_that_let_nobody_in_are_told(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ServicesError, match=named):
        check_sign_in(Settings(**values))


@pytest.mark.parametrize(
    "values",
    [
        {"dagster_url": "https://dagster.example.org/path"},
        {"dagster_url": "dagster.example.org"},
        {"dagster_url": "https://user:password@dagster.example.org"},
        {"dagster_hosts": "https://a.b"},
        {"dagster_hosts": "a.b:3000"},
        {"proxy_addresses": "proxy.example.org"},
        {"proxy_header": "X Forwarded"},
        {"sign_in": "password"},
        {"openid_url": "ftp://a.b"},
    ],
    ids=str,
)
def test_settings_that_are_none_are_told(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Settings(**values)
