"""Who signed in, in a cookie that only we can write, until they sign out or their time is over."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from itsdangerous import BadSignature, URLSafeSerializer

from twin_matcher_dagster.access.people import Principal, Role
from twin_matcher_dagster.errors import ServicesError

# The cookie is written anew when it is older than this (seconds): not with every answer.
_RENEWED_AFTER = 60


@dataclass(frozen=True)
class BrowserSession:
    """One sign-in of somebody, in one browser.

    Attributes:
        id: random.
        person: who signed in.
        begun: when (seconds since 1970).
        seen: when they last did something, as the cookie has it.
    """

    id: str
    person: Principal
    begun: float
    seen: float


class Sessions:
    """All sign-ins of an installation.

    Args:
        key: secret; with another one nobody is signed in.
        signed_out: file of the sign-ins that were ended before their time.
        longest: seconds until everybody signs in again.
        idle: seconds without any request until they do.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        key: bytes,
        signed_out: Path,
        longest: float,
        idle: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._serializer = URLSafeSerializer(
            key, salt="session", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._longest = longest
        self._idle = idle
        self._clock = clock
        self._file = signed_out
        self._lock = threading.Lock()
        self._ended = self._read_ended()
        self._seen: dict[str, float] = {}

    def begin(self, person: Principal) -> BrowserSession:
        """Somebody signs in; the id is new, whatever the browser had before."""
        now = self._clock()
        return BrowserSession(secrets.token_urlsafe(16), person, now, now)

    def cookie_of(self, session: BrowserSession) -> str:
        """What the browser keeps."""
        person = session.person
        return str(
            self._serializer.dumps(
                [session.id, person.name, int(person.role), session.begun, session.seen]
            )
        )

    def read(self, cookie: str) -> BrowserSession | None:
        """The sign-in that a cookie is of, if it still counts; it is seen now."""
        try:
            one, name, role, begun, seen = self._serializer.loads(cookie)
            session = BrowserSession(one, Principal(name, Role(role)), begun, seen)
        except (BadSignature, ValueError, TypeError):
            return None
        if not self.counts(session):
            return None
        now = self._clock()
        with self._lock:
            self._seen[session.id] = now
            for old in [key for key, at in self._seen.items() if now - at > self._idle]:
                del self._seen[old]
        return session

    def counts(self, session: BrowserSession) -> bool:
        """Whether somebody is still signed in."""
        now = self._clock()
        with self._lock:
            seen = max(session.seen, self._seen.get(session.id, 0))
            ended = session.id in self._ended
        return not ended and now - session.begun < self._longest and now - seen < self._idle

    def renewed(self, session: BrowserSession) -> BrowserSession | None:
        """The same, seen now, if the cookie is to be written anew."""
        now = self._clock()
        return replace(session, seen=now) if now - session.seen > _RENEWED_AFTER else None

    def end(self, session: BrowserSession) -> None:
        """Somebody signs out: copies of the cookie count no more, after a restart neither."""
        with self._lock:
            self._ended[session.id] = session.begun + self._longest
            now = self._clock()
            self._ended = {key: until for key, until in self._ended.items() if until > now}
            partial = self._file.with_suffix(".partial")
            partial.write_text(json.dumps(self._ended))
            partial.chmod(0o600)
            partial.replace(self._file)

    def _read_ended(self) -> dict[str, float]:
        try:
            return {str(key): float(at) for key, at in json.loads(self._file.read_text()).items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError) as error:
            raise ServicesError(
                f"{self._file} is damaged. Delete it; who signed out is then signed in again where "
                "the browser kept the cookie, unless DAGSTER_TOKEN is another one."
            ) from error
