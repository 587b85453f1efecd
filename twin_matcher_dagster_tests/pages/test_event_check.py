"""What of Gradio is open: what our pages ask for, and nothing that names a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fastapi.testclient import TestClient
from gradio.utils import get_upload_folder

from twin_matcher_dagster.pages.site import Site, SitePage
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster_tests.pages.test_health import Store

SEEN: list[tuple[Any, ...]] = []
API = "/gradio_api"


def page(*, with_tool: bool = False) -> gr.Blocks:
    with gr.Blocks(analytics_enabled=False) as made:
        name, agreed, state = gr.Textbox(), gr.Checkbox(), gr.State("ours")
        shown = gr.HTML()

        def see(*given: Any) -> str:
            SEEN.append(given)
            return "seen"

        made.load(see, [name, agreed, state], shown, queue=False, api_visibility="private")
        if with_tool:

            def shout(word: str) -> str:
                """Say a word louder."""
                return word.upper()

            gr.api(shout)
    return made


@pytest.fixture(scope="module")
def client() -> TestClient:
    pages = [SitePage("/", page(with_tool=True), for_tools=True), SitePage("/upload", page())]
    app = Site(pages, Store()).app(Settings(visitor_requests=100_000))
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False)


def run(client: TestClient, root: str = "/upload", **said: Any) -> int:
    SEEN.clear()
    body = {"data": ["a", True, None], "fn_index": 0, "session_hash": "abc", **said}
    return client.post(f"{root}{API}/run/predict", json=body).status_code


def test_an_event_of_the_page_is_let_through(client: TestClient) -> None:
    assert run(client) == 200
    assert SEEN == [("a", True, "ours")]
    assert run(client, data=[None, None, {"forged": 1}], event_data={"a": 1}) == 200
    assert SEEN == [(None, None, "ours")]


FILE = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize(
    "said",
    [
        {"data": ["a", "false", None]},
        {"data": ["a", 1, None]},
        {"data": [["a"], True, None]},
        {"data": [5, True, None]},
        {"data": ["a", True]},
        {"data": ["a", True, None, None]},
        {"data": "abc"},
        {"data": None},
        {"fn_index": 99},
        {"fn_index": -1},
        {"fn_index": "0"},
        {"fn_index": True},
        {"fn_index": None},
        {"session_hash": "../../x"},
        {"session_hash": ["a"]},
        {"session_hash": "a" * 65},
        {"batched": True},
        {"event_data": [1]},
        {"data": [FILE, True, None]},
        {"data": ["a", True, FILE]},
        {"data": ["a", True, {"deep": [{"er": {**FILE, "url": "http://169.254.169.254/"}}]}]},
        {"event_data": {"a": FILE}},
    ],
    ids=str,
)
def test_a_forged_event_reaches_nothing(client: TestClient, said: dict[str, Any]) -> None:
    assert run(client, **said) == 422
    assert SEEN == []


def test_what_is_no_event_is_refused(client: TestClient) -> None:
    for body in (b"", b"[]", b"{", b"\xff", b'{"a":' * 5000, b"[" * 40_000, b"1" * 5000):
        assert client.post(f"/upload{API}/run/predict", content=body).status_code == 422, body[:9]
    assert client.post(f"/upload{API}/run/predict", content=bytes(70_000)).status_code == 413


CLOSED = [
    ("POST", "/upload"),
    ("POST", "/upload?upload_id=x"),
    ("GET", "/upload_progress?upload_id=x"),
    ("GET", "/file=/etc/passwd"),
    ("HEAD", "/file=/etc/passwd"),
    ("GET", "/file=http://169.254.169.254/"),
    ("GET", "/file/etc/passwd"),
    ("GET", "/proxy=http://169.254.169.254/"),
    ("GET", "/stream/a/b/1/playlist.m3u8"),
    ("GET", "/stream/a/b/1/playlist-file"),
    ("POST", "/stream/x"),
    ("POST", "/stream/x/close"),
    ("POST", "/component_server"),
    ("GET", "/custom_component/a/b/c/d.js"),
    ("GET", "/dev/reload"),
    ("GET", "/startup-events"),
    ("GET", "/runs"),
    ("POST", "/process_recording"),
    ("GET", "/vibe-code"),
    ("POST", "/vibe-edit"),
    ("GET", "/token"),
    ("GET", "/user"),
    ("GET", "/queue/status"),
    ("GET", "/openapi.json"),
]
OUTSIDE = [
    *("/login", "/monitoring", "/monitoring/summary", "/pwa_icon", "/gradio_api/deep_link"),
    *("/assets/../../../../etc/passwd", "/static/%2e%2e/%2e%2e/x", "/docs", "/openapi.json"),
]


@pytest.mark.parametrize("root", ["", "/upload"])
def test_the_rest_of_gradio_is_closed(client: TestClient, root: str) -> None:
    for method, path in CLOSED:
        assert client.request(method, f"{root}{API}{path}").status_code in {404, 422}, path
    for path in OUTSIDE:
        for method in ("GET", "POST"):
            assert client.request(method, f"{root}{path}").status_code in {404, 405, 422}, path


def test_the_queue_is_for_programs_alone(client: TestClient) -> None:
    body = {"data": ["a", True, None], "fn_index": 0, "session_hash": "abc"}
    assert client.post(f"/upload{API}/queue/join", json=body).status_code == 404
    assert client.get(f"/upload{API}/queue/data?session_hash=abc").status_code == 404
    for gone in ("queue/data?session_hash=abc", "queue/data", "call/shout/gone"):
        assert client.get(f"{API}/{gone}").status_code == 404
    # Programs ask as `api/test_served.py` does, with a queue that runs.
    assert client.post(f"{API}/call/shout", json={"data": ["hello"]}).status_code == 200
    assert client.post(f"{API}/call/nobody", json={"data": []}).status_code == 422
    assert client.post(f"{API}/call/shout", json={"data": [], "fn_index": 0}).status_code == 422
    assert client.post(f"{API}/run/shout", json={"data": ["hello"]}).status_code == 422


def test_no_file_of_a_visitor_is_taken(client: TestClient) -> None:
    folder = Path(get_upload_folder())
    before = set(folder.rglob("*"))
    client.post(f"/upload{API}/upload", files={"files": ("a.txt", b"secret")})
    assert set(folder.rglob("*")) == before


def test_refusals_are_in_the_visitors_language(client: TestClient) -> None:
    said = client.get(f"{API}/file=/etc/passwd", headers={"accept-language": "de"}).json()
    assert said["error"].startswith("Hier ist nichts.")
    api = client.post("/v1/x", headers={"origin": "https://evil.example"})
    assert (api.status_code, api.json()["type"]) == (403, "urn:twin-matcher:foreign-page")
    assert api.headers["content-type"] == "application/problem+json"


def test_scripts_of_the_page_are_named_to_the_browser(client: TestClient) -> None:
    for path in ("/", "/upload/"):
        answer = client.get(path)
        nonce = answer.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0]
        assert answer.text.count("<script") == answer.text.count(f'<script nonce="{nonce}"') >= 4
