"""From which page a request comes, and under which name it reaches us.

A browser sends what any page asks it to send. What protects is what a page cannot forge: the host
that was asked, the origin that asked, and how Fetch Metadata
(https://www.w3.org/TR/fetch-metadata/) calls the request.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Scope = Any
"""Of ASGI: what a server says of a request."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names of this machine for itself."""

_HOST = re.compile(r"([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")
_SAFE = ("GET", "HEAD")


@dataclass(frozen=True)
class Denial:
    """That a request is not answered.

    Attributes:
        status: of HTTP.
        reason: one or two sentences for whoever asked.
    """

    status: int
    reason: str


def values_of(scope: Scope, name: str) -> list[str]:
    """All values of a header, as they came.

    Args:
        scope: of a request or a WebSocket.
        name: in small letters.
    """
    wanted = name.encode()
    return [value.decode("latin-1") for key, value in scope["headers"] if key == wanted]


def is_navigation(scope: Scope) -> bool:
    """Whether a browser shows the answer as a page of its own: not in a frame, not to a script."""
    modes, places = values_of(scope, "sec-fetch-mode"), values_of(scope, "sec-fetch-dest")
    return scope.get("method") in _SAFE and modes == ["navigate"] and places == ["document"]


def is_from_elsewhere(scope: Scope) -> bool:
    """Whether another origin had the browser ask; another port of the same host is another one."""
    return bool({"cross-site", "same-site"} & set(values_of(scope, "sec-fetch-site")))


def is_from_here(scope: Scope) -> bool:
    """Whether a browser says that our own page asked; a program that is no browser says nothing."""
    return bool(values_of(scope, "origin") or values_of(scope, "sec-fetch-site"))


class Addresses:
    """The names and origins that are ours.

    Args:
        hosts: names under which we are reached, without port.
        public_url: what people type where a proxy stands before us, ``https://host[:port]``.
    """

    def __init__(self, hosts: Collection[str], public_url: str | None = None) -> None:
        self._public = public_url
        self._public_host = _name_of(urlsplit(public_url).netloc) if public_url else None
        self._hosts = {*LOOPBACK, *(one.lower() for one in hosts), self._public_host} - {None, ""}

    def denial_of(self, scope: Scope) -> Denial | None:
        """Why a request, or a WebSocket, is not for us or not of us; None if it may be answered."""
        hosts = values_of(scope, "host")
        name = _name_of(hosts[0].lower()) if len(hosts) == 1 else None
        if name not in self._hosts:
            return Denial(
                400,
                "Nobody is known here by this host name. The operator can add it to "
                "DAGSTER_HOSTS, or set DAGSTER_URL.",
            )
        origins = values_of(scope, "origin")
        if origins and (len(origins) > 1 or origins[0].lower() not in self._origins(scope)):
            return Denial(
                403,
                "Another web page asked for this. Behind a proxy the operator has to set "
                "DAGSTER_URL to the address that people type.",
            )
        if is_from_elsewhere(scope) and not is_navigation(scope):
            return Denial(403, "Another web page asked for this.")
        return None

    def is_secure(self, scope: Scope) -> bool:
        """Whether the browser talks https: to us, or to the proxy before us."""
        if scope["scheme"] in ("https", "wss"):
            return True
        return (self._public or "").startswith("https://") and self._is_public(scope)

    def is_loopback(self, scope: Scope) -> bool:
        """Whether this machine asks for itself by one of its own names."""
        return _name_of(values_of(scope, "host")[0].lower()) in LOOPBACK

    def origin_of(self, scope: Scope) -> str:
        """The address, without a path, that the browser shows."""
        if self._public and self._is_public(scope):
            return self._public
        scheme = "https" if scope["scheme"] in ("https", "wss") else "http"
        return f"{scheme}://{values_of(scope, 'host')[0].lower()}"

    def _origins(self, scope: Scope) -> set[str]:
        return {self.origin_of(scope), *filter(None, [self._public])}

    def _is_public(self, scope: Scope) -> bool:
        return _name_of(values_of(scope, "host")[0].lower()) == self._public_host


def _name_of(host: str) -> str | None:
    """A host without its port; None if it is none."""
    found = _HOST.fullmatch(host)
    return found[1] if found else None
