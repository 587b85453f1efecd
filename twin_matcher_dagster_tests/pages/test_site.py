"""Pages side by side on one port, and what the port is."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import gradio as gr
import pytest
from fastapi.testclient import TestClient
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from twin_matcher_dagster.errors import ServicesError
from twin_matcher_dagster.pages import site as sites
from twin_matcher_dagster.pages.links import FROM_PREDICT, FROM_UPLOAD, Links, links_apart
from twin_matcher_dagster.pages.site import Look, Site, SitePage
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster_tests.pages.test_health import Store


def blocks(title: str) -> gr.Blocks:
    with gr.Blocks(title=title, analytics_enabled=False) as made:
        gr.Markdown(title)
    return made


def preview(address: str) -> str:
    return f'<meta property="og:url" content="{address}">'


@pytest.fixture(scope="module")
def client() -> TestClient:
    pages = [
        SitePage("/", blocks("the first"), Look(head=preview), for_tools=True),
        SitePage("/upload", blocks("the second"), Look(head=preview)),
    ]
    icon = Route("/icon.svg", lambda request: PlainTextResponse("an icon"))
    app = Site(pages, Store(), routes=[icon]).app(Settings())
    return TestClient(app, base_url="http://127.0.0.1")


def test_each_page_is_at_its_place(client: TestClient) -> None:
    first, second = client.get("/").text, client.get("/upload/").text
    assert "the first" in first
    assert "the second" in second
    assert client.get("/upload/config").json()["root"].endswith("/upload")


@pytest.mark.parametrize(("path", "encoding"), [("/", "identity"), ("/upload/", "br")])
def test_a_link_is_previewed_as_ours_and_not_as_gradios(
    client: TestClient, path: str, encoding: str
) -> None:
    head = client.get(path, headers={"accept-encoding": encoding}).text.partition("</head>")[0]
    assert head.count('"og:url"') == 1
    assert f'<meta property="og:url" content="http://127.0.0.1{path}">' in head
    assert "gradio-app" not in head
    assert 'name="twitter:' not in head


def test_a_page_is_found_without_its_slash(client: TestClient) -> None:
    asked = client.get("/upload?a=b", follow_redirects=False)
    assert (asked.status_code, asked.headers["location"]) == (
        307,
        "http://127.0.0.1/upload/?a=b",
    )


def test_what_is_not_a_page_comes_before_the_pages(client: TestClient) -> None:
    assert client.get("/icon.svg").text == "an icon"
    assert client.get("/healthz").json() == {"page": "ok", "store": "ok"}
    figures = client.get("/metrics").text
    assert 'twin_matcher_waiting{door="tools"} 0.0' in figures


def test_a_page_keeps_nothing_in_the_browser(client: TestClient) -> None:
    config = client.get("/config").json()
    assert config["run_history"] is False
    assert config["footer_links"] == []


def test_tools_for_models_need_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "find_spec", lambda name: None)
    with pytest.raises(ServicesError, match=r"pip install 'mcp<2'"):
        Site([], Store()).app(Settings(mcp=True))


def asked(url: str) -> gr.Request:
    from starlette.requests import Request

    scheme, _, host = url.partition("://")
    headers = [(b"host", host.encode())]
    return gr.Request(Request({"type": "http", "scheme": scheme, "path": "/", "headers": headers}))


@pytest.mark.parametrize(
    ("url", "upload"),
    [
        ("http://127.0.0.1:7861", "http://127.0.0.1:7860"),
        ("https://twins.example", "https://twins.example:7860"),
        ("http://[::1]:7861", "http://[::1]:7860"),
    ],
)
def test_the_other_page_is_at_its_port_of_the_same_host(url: str, upload: str) -> None:
    links = links_apart(Settings(upload_port=7860, predict_url="https://find.example/"))
    assert links.seen_by(asked(url)) == Links(upload, "https://find.example/", f"{upload}/status/")


@pytest.mark.parametrize("links", [FROM_PREDICT, FROM_UPLOAD])
def test_pages_of_one_site_are_where_they_are_whatever_was_asked(links: Links) -> None:
    assert links.seen_by(asked("http://[::1]:7861")) == links


def test_a_host_of_another_machine_is_said() -> None:
    with pytest.raises(ServicesError, match=r"192\.0\.2\.1:7 cannot be listened on: .*Set HOST"):
        sites._bind("192.0.2.1", 7, "upload_port")


def test_a_host_may_be_an_address_of_version_6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with sites._bind("[::1]", 0, "upload_port") as bound:
        assert bound.family == socket.AF_INET6


def write_certificate(folder: Path) -> Settings:
    cert, key = folder / "cert.pem", folder / "key.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subprocess.run(
        [*made.split(), "-subj", "/CN=localhost", "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    return Settings(tls_cert=cert, tls_key=key)


def test_a_certificate_is_used(client: TestClient, tmp_path: Path) -> None:
    config = sites._config(client.app, write_certificate(tmp_path))  # ty: ignore[invalid-argument-type]
    assert config.is_ssl
    assert not sites._config(client.app, Settings()).is_ssl  # ty: ignore[invalid-argument-type]


def test_what_is_no_certificate_is_said(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate")
    settings = Settings(tls_cert=tmp_path / "cert.pem", tls_key=tmp_path / "cert.pem")
    with pytest.raises(ServicesError, match=r"The certificate cannot be used: .*Set TLS_CERT"):
        sites._config(client.app, settings)  # ty: ignore[invalid-argument-type]


def test_a_certificate_and_its_key_belong_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="belong together"):
        Settings(tls_cert=tmp_path / "cert.pem")
