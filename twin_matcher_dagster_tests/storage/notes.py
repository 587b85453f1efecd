"""A log of anything, in a module of its own: a process that imports it starts fast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier
from typing import Any

from twin_matcher_dagster.storage.manifest_log import ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.record import Record

EACH = 4


@dataclass(frozen=True, kw_only=True)
class Note(Record):
    """A record of anything."""

    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


def log_in(store: ObjectStore, name: str) -> ManifestLog[Note]:
    return ManifestLog(store, name, Note.from_body, "notes")


def note(mark: str) -> Note:
    return Note(fingerprint=mark)


def append_some(bucket: str, writer: int, start: Barrier) -> None:
    """One process of several that append to the same log at once."""
    log = log_in(ObjectStore.from_environment(bucket), "shared/log")
    log.head_number()  # connected before the start
    start.wait(60)
    for turn in range(EACH):
        log.append(note(f"{writer}/{turn}"))
