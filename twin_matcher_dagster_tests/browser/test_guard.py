"""Real Chromium, signed in to the real Dagster, and pages of others that try to use it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from twin_matcher_dagster.access.people import Principal, Role, put_principal
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.webserver.server import server_of
from twin_matcher_dagster_tests.access.listening import listening
from twin_matcher_dagster_tests.access.provider import CLIENT, SECRET, LocalProvider, serving
from twin_matcher_dagster_tests.access.real_dagster import Served, limit, served_dagster
from twin_matcher_dagster_tests.access.site import Site
from twin_matcher_dagster_tests.browser.conftest import FLAGS, chromium

pytestmark = pytest.mark.browser

# Every name that ends so is this machine: the attacker's, and one that was rebound to us.
NAMES = "--host-resolver-rules=MAP *.example 127.0.0.1"
# Newer browsers keep pages of the Internet from this machine by themselves. Older ones do not.
OLDER = "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests"
SETTLE_MS = 700


class Evil:
    """A web server with the pages that a test gives it, by their path."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        evil = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                page = evil.pages.get(self.path[1:], "")
                self.wfile.write(f"<!doctype html><title>evil</title>{page}".encode())

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def shown(self, context: BrowserContext | Browser, host: str, page: str) -> Page:
        """A tab with a page, from a host that is the attacker's."""
        self.pages["page"] = page
        tab = context.new_page()
        tab.goto(self.url(host, "page"))
        return tab

    def url(self, host: str, path: str) -> str:
        return f"http://{host}:{self.server.server_port}/{path}"


@pytest.fixture(scope="module")
def dagster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_dagster(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="module")
def evil() -> Iterator[Evil]:
    made = Evil()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture(scope="module")
def browser(dagster: Served, evil: Evil) -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, NAMES, OLDER])
        yield browser
        browser.close()


@pytest.fixture
def operator(browser: Browser, dagster: Served) -> Iterator[BrowserContext]:
    """The browser of an operator who signed in to Dagster."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{dagster.url}/graphql?token={dagster.token}")
    page.close()
    yield context
    context.close()


ATTACKERS = [pytest.param("evil.example", marks=pytest.mark.slow), "127.0.0.1"]
"""Another site, and another port of the same host: there the browser brings the cookie along."""


def attacks(url: str, key: str) -> dict[str, str]:
    """Pages that try to change something, each by a key of its own."""
    socket = url.replace("http", "ws")

    def get(name: str) -> str:
        return f"{url}/graphql?query={quote(limit(f'{key}-{name}'))}"

    def body(name: str) -> str:
        return json.dumps({"query": limit(f"{key}-{name}")})

    start = json.dumps({"type": "start", "id": "1", "payload": {"query": limit(f"{key}-ws")}})
    return {
        "img": f'<img src="{get("img")}">',
        "script": f'<script src="{get("script")}"></script>',
        "iframe": f'<iframe src="{get("iframe")}"></iframe>',
        "navigation": f"<script>location = {json.dumps(get('navigation'))}</script>",
        "window": f"<script>open({json.dumps(get('window'))})</script>",
        "form": f'<form method=post action="{get("form")}"><input name=a></form>'
        "<script>document.forms[0].submit()</script>",
        "text-form": f'<form method=post enctype="text/plain" action="{get("text-form")}">'
        "<input name=a></form><script>document.forms[0].submit()</script>",
        "fetch": f"<script>fetch('{get('fetch')}', {{method: 'POST', mode: 'no-cors', "
        "credentials: 'include', headers: {'Content-Type': 'text/plain'}, body: 'a'})</script>",
        "json": f"<script>fetch('{url}/graphql', {{method: 'POST', credentials: 'include', "
        f"headers: {{'Content-Type': 'application/json'}}, body: {json.dumps(body('json'))}}})"
        "</script>",
        "beacon": f"<script>navigator.sendBeacon('{get('beacon')}', 'a')</script>",
        "ws": f"<script>s = new WebSocket('{socket}/graphql', 'graphql-ws'); "
        f"s.onopen = () => s.send({json.dumps(start)})</script>",
        "sign-out": f'<form method=post action="{url}/sign-out"></form>'
        "<script>document.forms[0].submit()</script>",
    }


@pytest.mark.parametrize("host", ATTACKERS)
def test_no_page_of_others_changes_anything(
    operator: BrowserContext, dagster: Served, evil: Evil, host: str
) -> None:
    before, deeds = dagster.limits(), len(dagster.deeds())
    evil.pages = attacks(dagster.url, host.partition(".")[0])
    tabs = [operator.new_page() for _ in evil.pages]
    for tab, path in zip(tabs, evil.pages, strict=True):
        tab.goto(evil.url(host, path), wait_until="commit")
    tabs[-1].wait_for_timeout(SETTLE_MS)
    for tab in tabs:
        tab.close()
    assert dagster.limits() == before
    assert len(dagster.deeds()) == deeds
    # The operator is still in, and changes something.
    page = operator.new_page()
    page.goto(f"{dagster.url}/graphql")
    assert sent_from(page, f"by-{host}") == 200
    assert f"by-{host}" in dagster.limits()


@pytest.mark.slow
def test_the_same_picture_changed_a_dagster_without_a_guard(
    browser: Browser, dagster: Served, evil: Evil
) -> None:
    """The attacks are real: the browser carries them out, and Dagster obeys."""

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            put_principal(scope, Principal("anybody", Role.ADMIN))
        await dagster.dagster(scope, receive, send)

    ports = HeldPorts(1)
    port = ports.numbers[0]
    evil.pages = attacks(f"http://127.0.0.1:{port}", "bare")
    # A frame and a tab that are led there see a page to write queries in instead.
    work = {"img", "script", "form", "text-form", "fetch", "beacon"}
    tabs = [browser.new_page() for _ in work]
    with listening(
        uvicorn.Server(uvicorn.Config(bare, port=port, lifespan="off", log_level="error"))
    ):
        for tab, path in zip(tabs, work, strict=True):
            tab.goto(evil.url("evil.example", path), wait_until="commit")
        tabs[-1].wait_for_timeout(SETTLE_MS)
        for tab in tabs:
            tab.close()
    ports.release()
    assert {f"bare-{path}" for path in work} <= dagster.limits()


def sent_from(page: Page, key: str) -> int:
    """The status of a change that a page sends to where it is from."""
    return page.evaluate(
        """(query) => fetch('/graphql', {method: 'POST', body: JSON.stringify({query}),
             headers: {'Content-Type': 'application/json'}}).then((answer) => answer.status)""",
        limit(key),
    )


@pytest.mark.slow
def test_a_name_that_was_rebound_to_us_is_not_answered(
    operator: BrowserContext, dagster: Served
) -> None:
    """For the browser the attacker's page is from the same origin as Dagster then."""
    port = urlsplit(dagster.url).port
    page = operator.new_page()
    answer = page.goto(f"http://rebound.example:{port}/?token={dagster.token}")
    assert answer
    assert answer.status == 400
    # What was loaded before, while the name was still the attacker's server.
    before = f"http://rebound.example:{port}/before"
    page.route(before, lambda route: route.fulfill(body="<p>hi", content_type="text/html"))
    page.goto(before)
    assert sent_from(page, "rebound") == 400
    closed = page.evaluate(
        """() => new Promise((tell) => {
             const socket = new WebSocket(`ws://${location.host}/graphql`, 'graphql-ws');
             socket.onopen = () => tell('open'); socket.onerror = () => tell('refused'); })"""
    )
    assert closed == "refused"
    assert "rebound" not in dagster.limits()
    assert operator.cookies(f"http://rebound.example:{port}") == []


@pytest.mark.slow
@pytest.mark.parametrize("host", ATTACKERS)
def test_no_page_of_others_frames_dagster(
    operator: BrowserContext, dagster: Served, evil: Evil, host: str
) -> None:
    page = evil.shown(operator, host, f'<iframe src="{dagster.url}/runs"></iframe>')
    page.wait_for_timeout(SETTLE_MS)
    (frame,) = page.main_frame.child_frames
    assert frame.url.startswith("chrome-error:")
    # Nor does a window that it opened tell it anything.
    page.evaluate(f"opened = open('{dagster.url}/runs')")
    page.wait_for_timeout(SETTLE_MS)
    assert page.evaluate("opened.closed") is True  # cut off, for all that this page can see


@pytest.mark.slow
def test_a_link_on_another_site_leads_to_dagster(
    operator: BrowserContext, dagster: Served, evil: Evil
) -> None:
    """In an alert, or from the provider: the browser leaves the cookie at home at first."""
    page = evil.shown(operator, "evil.example", f'<a href="{dagster.url}/runs">to Dagster</a>')
    page.click("a")
    page.wait_for_selector("text=No runs found")


@pytest.mark.slow
def test_dagsters_own_pages_work(browser: Browser, dagster: Served) -> None:
    """Signed in by the address that is printed, by its own form, and as somebody who only looks."""
    keeper = dagster.guard._keeper
    viewer = keeper.sessions.begin(Principal("eva@example.org", Role.VIEWER))
    for role in Role:
        context = browser.new_context()
        page = context.new_page()
        troubles: list[str] = []
        page.on("pageerror", lambda error, told=troubles: told.append(str(error)))
        page.on(
            "console",
            lambda said, told=troubles: told.append(said.text) if said.type == "error" else None,
        )
        page.on(
            "response",
            lambda answer, told=troubles: (
                told.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None
            ),
        )
        if role is Role.ADMIN:
            page.goto(f"{dagster.url}/runs?token={dagster.token}")
            assert page.url == f"{dagster.url}/runs"
        elif role is Role.VIEWER:
            name = f"twin-matcher-{urlsplit(dagster.url).port}"
            cookie = {"name": name, "value": keeper.sessions.cookie_of(viewer), "url": dagster.url}
            context.add_cookies([cookie])  # ty: ignore[invalid-argument-type]
            page.goto(f"{dagster.url}/runs")
        else:
            page.goto(f"{dagster.url}/runs")
            page.fill("input[name=token]", dagster.token)
            page.click("button")
            assert {one[:3] for one in troubles if "/runs" in one} == {"401"}
            assert all("401" in one for one in troubles)  # that nobody was signed in, and no more
            troubles.clear()
        page.wait_for_selector("text=No runs found")
        page.goto(f"{dagster.url}/deployment/daemons")
        page.wait_for_selector("text=Daemon statuses")
        page.wait_for_timeout(SETTLE_MS)
        assert troubles == []
        status = sent_from(page, f"as-{role.name.lower()}")
        assert status == (403 if role is Role.VIEWER else 200)
        context.close()
    assert "as-viewer" not in dagster.limits()
    assert "as-admin" in dagster.limits()


@pytest.mark.slow
def test_signing_out(operator: BrowserContext, dagster: Served) -> None:
    page = operator.new_page()
    page.goto(f"{dagster.url}/sign-out")
    page.click("button")
    page.wait_for_selector("text=You are signed out")
    answer = page.goto(f"{dagster.url}/runs")
    assert answer
    assert answer.status == 401
    body = {"query": limit("signed-out")}
    assert page.request.post(f"{dagster.url}/graphql", data=body).status == 401


@pytest.mark.slow
def test_a_provider_signs_somebody_in(browser: Browser, tmp_path: Path) -> None:
    """It is another site: the browser leaves our cookie at home on the way back, and is asked once
    more."""
    provider = LocalProvider()
    provider.claims = {"email": "ana@example.org", "email_verified": True}
    ports = HeldPorts(2)
    ours, theirs = ports.numbers
    provider.registered = f"http://127.0.0.1:{ours}/sign-in/callback"
    site = Site(
        tmp_path,
        dagster_port=ours,
        sign_in="openid",
        openid_url=f"http://localhost:{theirs}",
        openid_client_id=CLIENT,
        openid_client_secret=SECRET,
        admins="ana@example.org",
    )
    page = browser.new_page()
    asked = f"http://127.0.0.1:{ours}/hello?a=b"
    with serving(provider, theirs, "localhost"), listening(server_of(site.app, site.settings)):
        page.goto(asked)
        page.wait_for_selector("text=ana@example.org")
        assert page.url == asked
        page.close()
    ports.release()
