"""Who asks is who connected, or whom a trusted proxy names."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from twin_matcher_dagster.doors.visitors import Proxies, household, visitor_of
from twin_matcher_dagster.settings import Settings


def scope(client: str, *forwarded: str, proto: str = "") -> dict[str, Any]:
    headers = [(b"x-forwarded-for", one.encode()) for one in forwarded]
    headers += [(b"x-forwarded-proto", proto.encode())] if proto else []
    return {"type": "http", "scheme": "http", "client": (client, 5), "headers": headers}


@pytest.mark.parametrize(
    ("trusted", "client", "forwarded", "seen"),
    [
        ([], "127.0.0.1", ["1.2.3.4"], "127.0.0.1"),
        (["10.0.0.0/8"], "192.0.2.1", ["1.2.3.4"], "192.0.2.1"),
        (["10.0.0.0/8"], "10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        # What is left of the last stranger anybody may have written.
        (["10.0.0.0/8"], "10.0.0.1", ["6.6.6.6, 1.2.3.4, 10.0.0.2"], "1.2.3.4"),
        (["10.0.0.0/8"], "10.0.0.1", ["6.6.6.6", "1.2.3.4"], "1.2.3.4"),
        (["10.0.0.1"], "10.0.0.1", ["1.2.3.4:99"], "1.2.3.4"),
        (["10.0.0.1"], "10.0.0.1", ["[2001:db8::7]:99"], "2001:db8::7"),
        (["10.0.0.1"], "10.0.0.1", ["unknown"], "10.0.0.1"),
        (["10.0.0.1"], "10.0.0.1", [], "10.0.0.1"),
        (["10.0.0.1"], "::ffff:10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        (["2001:db8::/32"], "2001:db8::1", ["1.2.3.4"], "1.2.3.4"),
    ],
)
def test_a_proxy_is_believed_where_it_is_trusted(
    trusted: list[str], client: str, forwarded: list[str], seen: str
) -> None:
    found = Proxies(trusted).seen_from_outside(scope(client, *forwarded))
    assert found["client"][0] == seen


@pytest.mark.parametrize(
    ("trusted", "proto", "scheme"),
    [(["10.0.0.1"], "https", "https"), ([], "https", "http"), (["10.0.0.1"], "gopher", "http")],
)
def test_so_is_the_scheme(trusted: list[str], proto: str, scheme: str) -> None:
    asked = scope("10.0.0.1", "1.2.3.4", proto=proto)
    assert Proxies(trusted).seen_from_outside(asked)["scheme"] == scheme


def test_a_household_of_version_6_is_one_visitor() -> None:
    assert household("2001:db8:1:2:aaaa::1") == household("2001:db8:1:2:ffff::9")
    assert household("2001:db8:1:2::1") != household("2001:db8:1:3::1")
    assert household("::ffff:1.2.3.4") == household("1.2.3.4") == "1.2.3.4"
    assert visitor_of({"type": "http"}) == household("testclient") == ""


def test_what_is_no_address_is_no_proxy() -> None:
    assert Settings(trusted_proxies="10.0.0.1, 10.1.0.0/16").trusted_proxies
    with pytest.raises(ValidationError):
        Settings(trusted_proxies="example.org")
