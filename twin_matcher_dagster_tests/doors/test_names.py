"""A site answers by its own names, and to its own pages."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from twin_matcher_dagster.doors.names import Names, is_read_elsewhere

OURS = Names("127.0.0.1", ["https://twins.example/", None], ["twins.lan"])


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("127.0.0.1:7860", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("localhost.", True),
        ("[::1]:7860", True),
        ("twins.example", True),
        ("twins.lan:7861", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("twins.example.evil.example:7860", False),
        ("192.168.1.5", False),
        ("", False),
        ("[::2]", False),
        ("[::1", False),
        ("127.0.0.1@evil.example", False),
    ],
)
def test_a_site_has_its_names(host: str, known: bool) -> None:
    assert OURS.knows(host) is known


@pytest.mark.parametrize("listening", ["0.0.0.0", "::"])  # noqa: S104
def test_of_every_address_a_number_will_do(listening: str) -> None:
    names = Names(listening, [], [])
    assert names.knows("192.168.1.5:7860")
    assert names.knows("[2001:db8::1]:7860")
    assert not names.knows("evil.example:7860")


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({}, False),  # a program
        ({"origin": "http://127.0.0.1:7860"}, False),
        ({"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}, False),
        ({"origin": "http://127.0.0.1:9999"}, True),
        ({"origin": "null"}, True),
        ({"origin": ""}, True),
        ({"origin": "http://[broken"}, True),
        ({"origin": "https://evil.example"}, True),
        ({"origin": "https://twins.example"}, False),  # a proxy asks by another name
        ({"origin": "http://twins.example"}, True),
        ({"origin": "https://twins.lan"}, False),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:7860"}, True),
    ],
)
def test_a_page_of_another_origin_is_foreign(headers: dict[str, str], foreign: bool) -> None:
    assert OURS.is_foreign(Headers({"host": "127.0.0.1:7860", **headers})) is foreign


@pytest.mark.parametrize(
    ("site", "mode", "dest", "elsewhere"),
    [
        ("", "", "", False),
        ("same-origin", "cors", "empty", False),
        ("none", "navigate", "document", False),
        ("cross-site", "navigate", "document", False),  # a link
        ("cross-site", "navigate", "iframe", True),
        ("cross-site", "no-cors", "image", True),
        ("cross-site", "cors", "empty", True),
        ("same-site", "no-cors", "script", True),
        ("cross-site", "navigate", "object", True),
    ],
)
def test_another_site_shows_nothing_of_ours(
    site: str, mode: str, dest: str, elsewhere: bool
) -> None:
    said = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
    headers = Headers({name: value for name, value in said.items() if value})
    assert is_read_elsewhere(headers) is elsewhere
