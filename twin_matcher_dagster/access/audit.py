"""What people did: one object a deed, written once, and deleted by nobody.

No code of the project replaces or deletes them: neither an erasure, nor retention, nor a restore.
So nothing of a visitor may be in them but the (random) id of an upload, which is nobody's data once
the upload is erased: its tombstone has it too.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone

from twin_matcher_dagster.access.people import Principal, Role
from twin_matcher_dagster.errors import RecordError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.encoding import encode, parse_json
from twin_matcher_dagster.storage.object_store import ObjectStore

SCHEMA = 1
"""Number of the form in which this version writes a deed."""

MOST_ABOUT = 50
"""A deed names at most so many things; a launch of thousands of partitions is still one deed."""

# One word, so that nobody writes a sentence, or a visitor's name, into it.
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,99}")
# S3 lists in the order of keys. Its clock is to the second; of one second the process knows the
# order of its own.
_TIME = "%Y-%m-%dT%H-%M-%SZ"
_NUMBERS = itertools.count()
_AT_ONCE = 8


@dataclass(frozen=True)
class Deed:
    """Something that somebody did.

    Attributes:
        when: by the store's clock (UTC, to the second).
        who: their name, as the guard knows it.
        role: what they might do then.
        what: a word for what they did: ``sign-in``, ``launchRun``, ``accept``.
        about: ids of what it was done to: uploads, runs, partitions, jobs.
    """

    when: datetime
    who: str
    role: Role
    what: str
    about: tuple[str, ...] = ()


class AuditLog:
    """The deeds of a bucket.

    Args:
        store: the bucket.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def add(self, who: Principal, what: str, about: Iterable[str] = ()) -> Deed:
        """Write down what somebody does, before they do it.

        Args:
            who: they.
            what: one word.
            about: ids, one word each; no name of a visitor, and no free text. Those after the
                first :data:`MOST_ABOUT` are counted only.

        Raises:
            ValueError: it is not one word.
            StorageError: it cannot be written; then it must not be done.
        """
        things = tuple(about)
        if wrong := [word for word in (what, *things) if not _WORD.fullmatch(word)]:
            raise ValueError(f"{wrong[0]!r} is no id: the audit log takes single words")
        if more := len(things) - MOST_ABOUT:
            things = (*things[:MOST_ABOUT], f"and:{more}:more") if more > 0 else things
        deed = Deed(self._store.now(), who.name, who.role, what, things)
        body = {
            "schema": SCHEMA,
            "when": deed.when.isoformat(),
            "who": deed.who,
            "role": deed.role.name.lower(),
            "what": deed.what,
            "about": list(deed.about),
        }
        number = next(_NUMBERS) % 1_000_000
        name = f"{deed.when.strftime(_TIME)}-{number:06d}-{secrets.token_hex(4)}.json"
        self._store.put_new(f"{layout.AUDIT}/{name}", encode(body), "application/json")
        return deed

    def deeds(self, since: datetime | None = None) -> Iterator[Deed]:
        """What was done, the oldest first.

        Args:
            since: leave out what was done before (with its zone).

        Raises:
            RecordError: an object of the log is damaged; what is before it was given by then.
        """
        prefix = f"{layout.AUDIT}/"
        after = prefix + since.astimezone(timezone.utc).strftime(_TIME) if since else ""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            keys = self._store.list(prefix, after)
            while page := list(itertools.islice(keys, 100)):
                yield from pool.map(self._read, page)

    def _read(self, key: str) -> Deed:
        try:
            body = parse_json(self._store.get(key))
            return Deed(
                datetime.fromisoformat(body["when"]),
                str(body["who"]),
                Role[body["role"].upper()],
                str(body["what"]),
                tuple(map(str, body["about"])),
            )
        except (RecordError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordError(f"{key} is no deed. Somebody else wrote it: look into it.") from error
