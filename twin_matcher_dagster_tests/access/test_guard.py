"""What passes the guard, and what does not: hosts, origins, operations, roles, the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from twin_matcher_dagster.access.graphql_body import LARGEST_BODY
from twin_matcher_dagster.access.people import Principal, Role
from twin_matcher_dagster.access.sign_in import OPERATOR
from twin_matcher_dagster_tests.access.site import (
    HERE,
    MUTATION,
    NAVIGATION,
    OURS,
    PAGE,
    QUERY,
    Inner,
    Site,
)

BY_GET = [
    MUTATION,
    f"query Harmless {QUERY} {MUTATION}",
    "mutation { ...Hidden } fragment Hidden on Mutation { terminateRun(runId: 1) { __typename } }",
    "mutation { __typename }",
    "#a comment\nmutation{a:logTelemetry{__typename}}",
]


def post(client: TestClient, query: object, **more: Any) -> Any:
    return client.post("/graphql", json={"query": query}, **more)


# -- who is not signed in


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/graphql?query={version}",
        "/server_info",
        "/dagit_info",
        "/logs/a/b.err",
        "/download_debug/run",
        "/notebook?path=a.ipynb",
        "/favicon.png",
        "/_next/static/a.js",
        "/sign-inx",
        "//evil.example/a",
    ],
)
def test_nothing_is_seen_without_a_sign_in(site: Site, path: str) -> None:
    client = site.client()
    page, program = client.get(path, headers=NAVIGATION), client.get(path)
    assert (page.status_code, program.status_code) == (401, 401)
    assert 'name="token"' in page.text
    assert program.headers["WWW-Authenticate"] == "Bearer"
    assert "not signed in" in program.json()["errors"][0]["message"]
    assert site.inner.seen == []


def test_nothing_is_done_without_a_sign_in(site: Site) -> None:
    client = site.client()
    assert post(client, MUTATION).status_code == 401
    assert post(client, QUERY, headers=OURS).status_code == 401
    assert client.post("/report_asset_materialization/user_faces").status_code == 401
    assert site.inner.seen == []
    assert site.deeds() == []


def test_anybody_may_ask_whether_it_runs(site: Site) -> None:
    """For systemd and Docker: nothing about the installation."""
    assert site.client().get("/healthz").json() == {"guard": "ok"}


# -- whoever is signed in


def test_somebody_signed_in_uses_dagster(site: Site) -> None:
    client = site.signed_in()
    assert client.get("/runs").text == OPERATOR.name
    assert post(client, QUERY).status_code == 200
    assert client.get("/graphql", params={"query": QUERY}).status_code == 200
    assert post(client, MUTATION).status_code == 200
    assert site.inner.people[-1] == OPERATOR
    sent = {"query": MUTATION, "variables": None, "operationName": None}
    assert site.inner.seen[-1] == ("POST", "/graphql", sent)


def test_what_is_changed_is_in_the_log_before_it_is_done(site: Site) -> None:
    client = site.signed_in()
    variables = {
        "partition": {"value": "01ARZ3NDEKTSV4RRFFQ69G5FAV"},
        "jobName": "celebrities",
        "note": "Amara Okafor is an impersonator",
        "runConfigData": {"ops": {"x": {"config": {"note": "free text"}}}},
    }
    query = "mutation Go($jobName: String) { launchRun(a: $jobName) { __typename } }"
    body = {"query": query, "variables": variables}
    assert client.post("/graphql", json=body).status_code == 200
    assert client.post("/graphql", json=body | {"variables": json.dumps(variables)}).is_success
    first, second = (deed for deed in site.deeds() if deed.what == "launchRun")
    assert (first.who, first.role) == (OPERATOR.name, Role.ADMIN)
    # Ids, and names of ours; nothing that a person typed.
    assert first.about == second.about == ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "celebrities")
    assert client.post("/report_asset_materialization/user_faces").status_code == 200
    assert site.deeds()[-1].about == ("user_faces",)


def test_without_the_log_nothing_is_changed(site: Site) -> None:
    client = site.signed_in()
    seen = len(site.inner.seen)
    site.away = True
    answer = post(client, MUTATION)
    assert answer.status_code == 503
    assert "audit log" in answer.json()["errors"][0]["message"]
    assert client.post("/report_asset_check/user_faces").status_code == 503
    assert len(site.inner.seen) == seen
    # To look is possible, and so is what keeps the services running.
    assert post(client, QUERY).status_code == 200
    reload = "mutation { reloadRepositoryLocation(repositoryLocationName: 1) { __typename } }"
    assert post(client, reload).status_code == 200


def test_every_mutation_of_a_document_is_in_the_log(site: Site) -> None:
    document = """
      mutation A { a: launchRun { x } b: launchRun { x } ... on Mutation { wipeAssets { x } } }
      mutation B { ...Deep }
      fragment Deep on Mutation { ...Deep deleteRun { x } logTelemetry { x } }
      query C { version }"""
    body = {"query": document, "operationName": "C"}
    assert site.signed_in().post("/graphql", json=body).status_code == 200
    assert site.did() == ["launchRun", "wipeAssets", "deleteRun"]


# -- the browser of somebody who is signed in, used by another page


@pytest.mark.parametrize("query", BY_GET)
def test_by_get_nothing_is_changed(site: Site, query: str) -> None:
    for client in (site.signed_in(), site.program()):
        for method in ("GET", "HEAD"):
            answer = client.request(method, "/graphql", params={"query": query})
            assert answer.status_code == 405
        named = {"query": query, "operationName": "Harmless"}
        assert client.get("/graphql", params=named).status_code == 405
        twice = client.get("/graphql", params=[("query", query), ("query", QUERY)])
        assert twice.status_code == 405
        with_page = client.get("/graphql", params={"query": query}, headers=PAGE)
        assert with_page.status_code == 405
    assert site.inner.seen == []
    assert site.did() == []


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:7860"},
    {"Origin": "https://127.0.0.1:3000"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": f"{HERE}.evil.example"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_another_page_asks_in_vain(site: Site, headers: dict[str, str]) -> None:
    client = site.signed_in()
    for name in OURS:
        del client.headers[name]
    assert client.get("/graphql", params={"query": QUERY}, headers=headers).status_code == 403
    assert client.get("/", headers=headers).status_code == 403
    assert post(client, QUERY, headers=headers).status_code == 403
    # Nor with the token, should the page know it.
    assert post(site.program(), QUERY, headers=headers).status_code == 403
    assert client.get("/?token=guess", headers=headers).status_code == 403
    assert client.post("/sign-out", headers=headers).status_code == 403
    assert site.inner.seen == []


def test_another_page_cannot_navigate_to_a_change(site: Site) -> None:
    """A form that posts into a new tab is a navigation too."""
    client = site.signed_in()
    for name in OURS:
        del client.headers[name]
    from_there = {**NAVIGATION, "Sec-Fetch-Site": "cross-site"}
    assert client.post("/graphql", content="query=x", headers=from_there).status_code == 403
    # To come by a link is to look.
    assert client.get("/runs", headers=from_there).status_code == 200


def test_the_cookie_alone_moves_nothing(site: Site) -> None:
    """A browser that says nothing of where a request comes from is none that is supported."""
    client = site.signed_in()
    for name in OURS:
        del client.headers[name]
    assert post(client, QUERY).status_code == 403
    assert post(site.program(), QUERY).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded"])
def test_what_a_form_can_send_is_not_taken(site: Site, kind: str) -> None:
    body = json.dumps({"query": MUTATION})
    for tricky in (kind, f"{kind}; application/json", "multipart/form-data; boundary=x"):
        answer = site.signed_in().post(
            "/graphql", params={"query": MUTATION}, content=body, headers={"Content-Type": tricky}
        )
        assert answer.status_code == 415
    assert site.inner.seen == []


HOSTS = ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", "", "[::1", "localhost."]


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_that_is_not_ours_is_not_answered(site: Site, host: str) -> None:
    for path in ("/", "/healthz", "/sign-in", f"/?token={site.token}", "/graphql"):
        answer = site.program().get(path, headers={"Host": host})
        assert answer.status_code == 400
        assert "Set-Cookie" not in answer.headers
    assert site.inner.seen == []


def test_the_names_that_are_ours(tmp_path: Path) -> None:
    site = Site(tmp_path, host="10.0.0.7", dagster_hosts="twins.lan, Other.Lan")
    hosts = ["127.0.0.1", "localhost:1", "[::1]:3000", "10.0.0.7:80", "twins.lan", "OTHER.lan"]
    for host in hosts:
        assert site.program().get("/", headers={"Host": host}).status_code == 200, host
    open_to_all = Site(tmp_path, host="0.0.0.0")  # noqa: S104
    assert open_to_all.program().get("/", headers={"Host": "0.0.0.0"}).status_code == 400  # noqa: S104


# -- what is no operation


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        json.dumps([{"query": QUERY}]).encode(),
        json.dumps([{"query": MUTATION}]).encode(),
        b'{"query": null}',
        b'{"query": 7}',
        b'{"query": "{"}',
        b'{"id": "persisted"}',
        b'{"query": "{ version }", "variables": "{"}',
        json.dumps({"query": "{a" * 5000}).encode(),
        json.dumps({"query": "{a" * 4000 + "}" * 4000}).encode(),
        json.dumps({"query": "mutation { ...Gone }"}).encode(),
        json.dumps({"query": "type Mutation { a: Int }"}).encode(),
        json.dumps({"query": "#" * 300_000}).encode(),
        json.dumps({"query": f"mutation {{ {'a' * 99} }}"}).encode(),
        json.dumps({"query": f"mutation {{ {' '.join(f'a{n}' for n in range(30))} }}"}).encode(),
        b"[" * 100_000,
    ],
    ids=lambda body: body[:30],
)
def test_what_is_no_operation_is_not_handed_on(site: Site, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = site.signed_in().post("/graphql", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"]
    assert site.inner.seen == []
    assert site.did() == []


def test_what_was_judged_is_what_is_handed_on(site: Site) -> None:
    """Of a field that comes twice, or of an address that says something else, nothing is left."""
    body = json.dumps({"query": QUERY})[:-1] + f', "query": {json.dumps(QUERY)}, "extra": 1}}'
    client = site.signed_in()
    kind = {"Content-Type": "application/json; charset=utf-8"}
    address = {"query": MUTATION}
    assert client.post("/graphql", params=address, content=body, headers=kind).is_success
    plain = {"Content-Type": "application/graphql"}
    assert client.post("/graphql", content=QUERY, headers=plain).is_success
    handed_on = {"query": QUERY, "variables": None, "operationName": None}
    assert [seen[2] for seen in site.inner.seen] == [handed_on, handed_on]


def test_a_body_has_an_end(site: Site) -> None:
    body = b" " * (LARGEST_BODY + 1)
    headers = {"Content-Type": "application/json"}
    assert site.signed_in().post("/graphql", content=body, headers=headers).status_code == 413


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_none(site: Site, method: str) -> None:
    assert site.signed_in().request(method, "/graphql").status_code == 405
    assert site.inner.seen == []


# -- roles


def as_role(site: Site, role: Role) -> TestClient:
    """Somebody with a role, signed in."""
    keeper = site.app._keeper
    session = keeper.sessions.begin(Principal(f"{role.name.lower()}@example.org", role))
    client = site.client(**OURS)
    client.cookies.set("twin-matcher-3000", keeper.sessions.cookie_of(session))
    return client


@pytest.mark.parametrize("role", [Role.VIEWER, Role.REVIEWER])
def test_only_admins_change_anything_in_dagster(
    site: Site, role: Role, caplog: pytest.LogCaptureFixture
) -> None:
    client = as_role(site, role)
    assert client.get("/runs").is_success
    assert post(client, QUERY).is_success
    seen = len(site.inner.seen)
    for query in (MUTATION, f"mutation {{ logTelemetry(a: 1) {{ x }} }} {MUTATION}"):
        answer = post(client, query)
        assert answer.status_code == 403
        assert role.name.lower() in answer.json()["errors"][0]["message"]
    assert client.post("/report_asset_materialization/user_faces").status_code == 403
    assert client.post("/anything").status_code == 403
    assert len(site.inner.seen) == seen
    assert site.deeds() == []
    assert f"refused to 127.0.0.1 ({role.name.lower()}@example.org): 403" in caplog.text
    # What Dagster's pages send by themselves, and what changes nothing.
    assert post(client, "mutation { logTelemetry(action: 1) { __typename } }").is_success
    assert site.deeds() == []


def test_what_is_mounted_is_for_reviewers(tmp_path: Path) -> None:
    review = Inner()
    site = Site(tmp_path, {"/review": review})
    viewer, reviewer = as_role(site, Role.VIEWER), as_role(site, Role.REVIEWER)
    assert viewer.get("/review").is_success
    assert viewer.post("/review/accept", json={}).status_code == 403
    assert reviewer.post("/review/accept", json={}).is_success
    assert [seen[:2] for seen in review.seen] == [("GET", "/review"), ("POST", "/review/accept")]
    assert review.people[-1] == Principal("reviewer@example.org", Role.REVIEWER)
    assert site.client().get("/review").status_code == 401
    assert viewer.get("/reviewer").is_success
    assert site.inner.seen == [("GET", "/reviewer", None)]
    foreign = {"Origin": "https://evil.example"}
    assert reviewer.post("/review/accept", json={}, headers=foreign).status_code == 403


# -- WebSockets


SOCKET = "ws://127.0.0.1:3000/graphql"


def start(query: str) -> dict[str, Any]:
    return {"type": "start", "id": "1", "payload": {"query": query}}


def test_pages_follow_runs_over_a_websocket(site: Site) -> None:
    with site.signed_in().websocket_connect(SOCKET, ["graphql-ws"]) as socket:
        socket.send_json({"type": "connection_init"})
        socket.receive_json()
        socket.send_json(start("subscription { capturedLogs(logKey: []) { cursor } }"))
        assert socket.receive_json() == {"type": "data"}
        # A change is not made that way, and the connection goes on.
        socket.send_json(start(MUTATION))
        assert socket.receive_json()["type"] == "error"
        socket.send_json(start("{"))
        assert socket.receive_json()["type"] == "error"
        socket.send_json({"type": "stop", "id": "1"})
        assert socket.receive_json() == {"type": "data"}
    assert [one["type"] for one in site.inner.told] == ["connection_init", "start", "stop"]
    assert site.inner.people == [OPERATOR]


@pytest.mark.parametrize(
    "headers",
    [
        *FOREIGN[:6],
        {"Origin": ""},
        {"Host": "evil.example:3000", "Origin": "http://evil.example:3000"},
    ],
    ids=str,
)
def test_another_page_opens_no_websocket(site: Site, headers: dict[str, str]) -> None:
    client = site.signed_in()
    for name in OURS:
        del client.headers[name]
    refused = client.websocket_connect(SOCKET, headers=headers)
    with pytest.raises(WebSocketDisconnect), refused:
        pass
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(SOCKET):
        pass
    assert site.inner.people == []


def test_a_websocket_needs_a_sign_in(site: Site) -> None:
    stranger, program = site.client(**OURS), site.program()
    with pytest.raises(WebSocketDisconnect), stranger.websocket_connect(SOCKET):
        pass
    with (
        pytest.raises(WebSocketDisconnect),
        site.signed_in().websocket_connect("ws://127.0.0.1:3000/elsewhere"),
    ):
        pass
    with program.websocket_connect(SOCKET):
        pass
    guessing = site.client(Authorization="Bearer guess")
    for _ in range(11):
        with pytest.raises(WebSocketDisconnect), guessing.websocket_connect(SOCKET):
            pass


def test_a_websocket_ends_with_the_session(site: Site) -> None:
    client = site.signed_in()
    with client.websocket_connect(SOCKET) as socket:
        socket.send_json({"type": "connection_init"})
        socket.receive_json()
        assert client.post("/sign-out").is_success
        socket.send_json(start("subscription { a }"))
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()
    assert len(site.inner.told) == 1


OTHER_PROTOCOL = json.dumps({"type": "subscribe", "id": "1", "payload": {"query": MUTATION}})


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "{}", '{"type": []}', OTHER_PROTOCOL, "[" * 100_000, "x" * 1_000_001],
    ids=lambda text: text[:20],
)
def test_what_is_no_message_ends_a_websocket(site: Site, text: str) -> None:
    with site.signed_in().websocket_connect(SOCKET) as socket:
        socket.send_text(text)
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()
    with site.signed_in().websocket_connect(SOCKET) as socket:
        socket.send_bytes(b"{}")
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()
    assert site.inner.told == []


# -- headers


def test_browsers_are_told_what_may_be_done_with_an_answer(site: Site) -> None:
    client = site.signed_in()
    for answer in (client.get("/"), site.client().get("/", headers=PAGE), client.get("/healthz")):
        told = answer.headers
        assert "frame-ancestors 'none'" in told["Content-Security-Policy"]
        assert told["X-Frame-Options"] == "DENY"
        assert told["X-Content-Type-Options"] == "nosniff"
        assert told["Referrer-Policy"] == "same-origin"
        assert told["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in told
        assert "Strict-Transport-Security" not in told
    # What has its content's name may be kept.
    assert client.get("/_next/static/a.js").headers["Cache-Control"] == "max-age=60"


def test_https_is_asked_for_where_there_is_https(tmp_path: Path) -> None:
    site = Site(tmp_path, dagster_url="https://dagster.example.org")
    there = site.client("http://dagster.example.org", Authorization=f"Bearer {site.token}")
    assert there.get("/").headers["Strict-Transport-Security"] == "max-age=31536000"
    # Other programs of this machine have no certificate.
    assert "Strict-Transport-Security" not in site.program().get("/").headers
    # Behind the proxy a page has its address, and no other.
    assert post(there, QUERY, headers={"Origin": "https://dagster.example.org"}).is_success
    assert post(there, QUERY, headers={"Origin": "http://dagster.example.org"}).status_code == 403
    assert post(there, QUERY, headers={"Origin": HERE}).status_code == 403
