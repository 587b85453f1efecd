"""A store whose clock is off: what it answers is moved before it is read."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import boto3

from twin_matcher_dagster.storage.object_store import ObjectStore

_LISTED = re.compile(rb"(?<=<LastModified>)[^<]+")


def with_clock(
    store: ObjectStore, ahead: timedelta, written: timedelta | None = None
) -> ObjectStore:
    """The same bucket, of a store whose clock goes ahead of this machine's (or behind).

    Args:
        store: the bucket.
        ahead: of the clock.
        written: how far it was ahead when the objects were written; as much by default.
    """
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"])
    before = ahead if written is None else written

    def move(response_dict: dict[str, Any], **_: object) -> None:
        headers = response_dict["headers"]
        for name, by in (("Date", ahead), ("Last-Modified", before)):
            if name in headers:
                moved = parsedate_to_datetime(headers[name]) + by
                headers[name] = format_datetime(moved.astimezone(timezone.utc), usegmt=True)
        if isinstance(response_dict["body"], bytes):
            response_dict["body"] = _LISTED.sub(
                lambda found: _moved(found[0], before), response_dict["body"]
            )

    client.meta.events.register("before-parse.s3", move)
    return ObjectStore(client, store.bucket)


def _moved(moment: bytes, by: timedelta) -> bytes:
    read = datetime.fromisoformat(moment.decode().replace("Z", "+00:00"))
    return (read + by).isoformat().encode()
