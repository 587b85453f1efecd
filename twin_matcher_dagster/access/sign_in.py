"""Who asks: by a token, the cookie of an earlier sign-in, or the header of a proxy."""

from __future__ import annotations

import hmac
import ipaddress
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from limits import parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.requests import HTTPConnection

from twin_matcher_dagster.access.addresses import Addresses, Scope, values_of
from twin_matcher_dagster.access.people import Principal, Role
from twin_matcher_dagster.access.sessions import BrowserSession, Sessions
from twin_matcher_dagster.access.standing import Standing
from twin_matcher_dagster.settings import Settings, listed_words

OPERATOR = Principal("token", Role.ADMIN)
"""Whoever holds the token."""
PROGRAM = Principal("twin-matcher", Role.ADMIN)
"""The installation's own programs."""

WRONG_TRIES = "10/minute; 100/hour"
"""So often an address may be wrong about the token. The token has 256 bits, so this is for those
that a person chose. A hundred in an hour is the limit of OWASP ASVS 4.0.3, 2.2.1."""

_log = logging.getLogger("twin_matcher.access")


@dataclass(frozen=True)
class Caller:
    """Who asks, and how they are known.

    Attributes:
        person: who.
        session: their sign-in, if a cookie told.
        by_browser: whether the browser tells by itself, whichever page had it ask.
    """

    person: Principal
    session: BrowserSession | None = None
    by_browser: bool = True


class TooManyTriesError(Exception):
    """An address was wrong about the token too often."""


class Doorkeeper:
    """Knows who asks.

    Args:
        settings: how people sign in, and what they may do.
        token: the installation's.
        is_pass: whether something is a pass of one of its programs.
        sessions: who signed in before.
        addresses: ours.
    """

    def __init__(
        self,
        settings: Settings,
        token: str,
        is_pass: Callable[[str], bool],
        sessions: Sessions,
        addresses: Addresses,
    ) -> None:
        self.kind = settings.sign_in
        self.sessions = sessions
        self.standing = Standing(settings)
        self._token = token.encode()
        self._is_pass = is_pass
        self._addresses = addresses
        self._port = settings.dagster_port
        self._proxies = [
            ipaddress.ip_network(one) for one in listed_words(settings.proxy_addresses)
        ]
        self._proxy_header = settings.proxy_header.lower()
        self._noted: dict[Principal, float] = {}
        self._note_every = settings.session_hours * 3600
        self._limits = parse_many(WRONG_TRIES)
        self._tries = MovingWindowRateLimiter(MemoryStorage())

    def caller(self, scope: Scope) -> Caller | None:
        """Who asks; None if nobody knows.

        Raises:
            TooManyTriesError: the address was wrong about the token too often.
        """
        shown = values_of(scope, "authorization")
        if shown:
            kind, _, value = shown[0].partition(" ")
            if len(shown) > 1 or kind.lower() != "bearer":
                return None
            if self._is_pass(value):
                return Caller(PROGRAM, by_browser=False)
            return Caller(OPERATOR, by_browser=False) if self.is_token(scope, value) else None
        if self.kind == "proxy":
            return self._by_proxy(scope)
        cookie = HTTPConnection(scope).cookies.get(self.cookie_name(scope), "")
        session = self.sessions.read(cookie) if cookie else None
        return Caller(session.person, session) if session else None

    def comes_anew(self, caller: Caller) -> bool:
        """Whether a proxy names somebody whose sign-in is not noted yet, or was so long ago that a
        session would have ended."""
        if caller.session or not caller.by_browser:
            return False
        now = time.monotonic()
        noted = self._noted.get(caller.person)
        return noted is None or now - noted > self._note_every

    def note(self, caller: Caller) -> None:
        """The sign-in is in the audit log now."""
        self._noted[caller.person] = time.monotonic()

    def is_token(self, scope: Scope, shown: str) -> bool:
        """Whether what was shown is the token, in a time that says nothing about it.

        Raises:
            TooManyTriesError: the address was wrong too often.
        """
        address = (scope.get("client") or ["?"])[0]
        if not all(self._tries.test(limit, address) for limit in self._limits):
            raise TooManyTriesError
        if hmac.compare_digest(shown.encode(), self._token):
            return True
        for limit in self._limits:
            self._tries.hit(limit, address)
        _log.warning("a wrong token came from %s", address)
        return False

    def cookie_name(self, scope: Scope) -> str:
        """One a port: browsers hand a cookie to every port of a host. ``__Host-`` has them take it
        over https only, and from this host alone."""
        name = f"twin-matcher-{self._port}"
        return f"__Host-{name}" if self._addresses.is_secure(scope) else name

    def cookie(self, scope: Scope, session: BrowserSession | None) -> str:
        """The value of ``Set-Cookie`` for a sign-in; None takes it away."""
        value = self.sessions.cookie_of(session) if session else ""
        end = "" if session else "; Max-Age=0"
        secure = "; Secure" if self._addresses.is_secure(scope) else ""
        return f"{self.cookie_name(scope)}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{end}"

    def _by_proxy(self, scope: Scope) -> Caller | None:
        names = values_of(scope, self._proxy_header)
        try:
            address = ipaddress.ip_address((scope.get("client") or [""])[0])
        except ValueError:
            return None
        if len(names) != 1 or not any(address in network for network in self._proxies):
            return None
        person = self.standing.of_name(names[0])
        return Caller(person) if person else None


def token_in(scope: Scope) -> str | None:
    """The token in an address, where there is one."""
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return next((value for name, value in query if name == "token"), None)


def way_back(scope: Scope) -> str:
    """What was asked for, as a path of ours to come back to, without the token."""
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name != "token"]
    # As it was sent: with percent signs. Two slashes would be another host.
    path = scope.get("raw_path", scope["path"].encode()).split(b"?")[0].decode("latin-1")
    return local_path(path + (f"?{urlencode(kept)}" if kept else ""))


def local_path(text: str) -> str:
    """A path of ours; the front page in place of anything else."""
    is_ours = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_ours and len(text) < 2000 and "\\" not in text else "/"
