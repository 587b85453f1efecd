"""What all records have in common: a schema, a fingerprint, and how they become JSON and back."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import PlainSerializer, TypeAdapter, ValidationError

from twin_matcher_dagster.errors import RecordError
from twin_matcher_dagster.storage.records.upgrades import upgrade

_R = TypeVar("_R", bound="Record")

Moment = Annotated[datetime, PlainSerializer(lambda moment: moment.isoformat(timespec="seconds"))]
"""A time with its zone, to the second."""

# The bucket may hold other people's objects too: only these are ours to delete.
CONTENT_KEY = re.compile(
    r"(celebrities/(raw|balanced)|users/[0-9A-Z]{26}|datasets|models|indexes)"
    r"/(shards|files|members|tables)/[0-9a-f]{64}\.\w+"
)
"""Keys of immutable files that are named by their content."""

REPAIR = "Restore it, or delete it and materialize its asset again."
"""What to do about an object that is damaged: the one before it counts again once it is gone."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """The body of a manifest.

    Attributes:
        schema: number of the form in which this version writes it.
        fingerprint: identity of the content it stands for; equal ones mean equal content.
    """

    schema: ClassVar[int] = 3
    fingerprint: str

    @classmethod
    def from_body(cls: type[_R], body: Mapping[str, Any]) -> _R:
        """Read a body, of this schema or an older one.

        Raises:
            RecordError: it is no such record, or a newer version wrote it.
        """
        written = body.get("schema", 1)
        if type(written) is int and written > cls.schema:
            raise RecordError(
                f"A newer version of Twin Matcher wrote this {cls.__name__} (schema {written}, "
                f"known up to {cls.schema}). Update Twin Matcher."
            )
        if type(written) is not int or written < 1:
            raise RecordError(f"This is no {cls.__name__}: its schema is no number. {REPAIR}")
        try:
            upgraded = upgrade(cls.__name__, body, written, cls.schema)
            return _adapter(cls).validate_python(upgraded)
        except (ValidationError, KeyError, TypeError, ValueError) as error:
            raise RecordError(f"This is no {cls.__name__}: {reason_of(error)}. {REPAIR}") from error

    def as_body(self) -> dict[str, Any]:
        """As plain values, to be stored as JSON."""
        return {"schema": self.schema, **_adapter(type(self)).dump_python(self, mode="json")}

    def content_keys(self) -> set[str]:
        """Keys of all content-addressed files that this record names."""
        return _content_keys(self.as_body())

    def stands_on(self) -> Mapping[str, int]:
        """Folder of another log -> number of its entry that this record is made from."""
        return {}


@lru_cache(maxsize=32)
def _adapter(kind: type[_R]) -> TypeAdapter[_R]:
    return TypeAdapter(kind)


def reason_of(error: Exception) -> str:
    """What is wrong, in a line that repeats nothing of the body: it may hold a person's name."""
    if not isinstance(error, ValidationError):
        return f"{type(error).__name__} {error}"
    # Below the field there may be keys of a mapping: names.
    first = error.errors()[0]
    return f"{first['loc'][0] if first['loc'] else 'it'}: {first['msg']}"


def _content_keys(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value} if CONTENT_KEY.fullmatch(value) else set()
    if isinstance(value, Mapping):
        value = value.values()
    if not isinstance(value, Collection):
        return set()
    return {key for part in value for key in _content_keys(part)}
