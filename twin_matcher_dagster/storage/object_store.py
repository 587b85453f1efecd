"""A bucket in which nothing is ever overwritten, but where a person is erased.

Works the same against AWS S3 and any server that speaks its protocol with conditional writes
(``If-None-Match: *`` and ``If-Match``,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from twin_matcher_dagster.errors import (
    ObjectChangedError,
    ObjectExistsError,
    ObjectMissingError,
    StorageError,
)
from twin_matcher_dagster.storage.answers import clock_of, code_of, explained, refuse_cut_answers
from twin_matcher_dagster.storage.old_versions import OldVersions
from twin_matcher_dagster.storage.patience import PromptClient, WaitingClient

# S3's answer to a conditional write during another one to the same key: try again.
_CONFLICT = {"ConditionalRequestConflict", "409"}
_CONFLICT_TRIES = 5

CLIENT_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 5},
    connect_timeout=5,
    read_timeout=60,
    # Path style addresses also resolve where there is no wildcard DNS (a local server).
    s3={"addressing_style": "path"},
)

IMPATIENT_CONFIG = CLIENT_CONFIG.merge(
    Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1})
)
"""For a question that wants an answer within 10 s or none: whether the store is there at all."""

PAGE_CONFIG = CLIENT_CONFIG.merge(
    Config(connect_timeout=3, read_timeout=8, retries={"max_attempts": 3})
)
"""For a page, which asks :meth:`ObjectStore.within` seconds: what it gave up ends soon after."""


@dataclass(frozen=True)
class Stored:
    """An object as it was read.

    Attributes:
        body: its bytes.
        etag: of this content; the condition under which it is replaced.
        modified: when it was written, by the store's clock.
        now: when it was read, by the store's clock.
    """

    body: bytes
    etag: str
    modified: datetime
    now: datetime


class ObjectStore:
    """One bucket, through a boto3 S3 client.

    Args:
        client: a boto3 S3 client; its endpoint and credentials say which S3 it is.
        bucket: name of an existing bucket.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self.client = client
        self.bucket = bucket
        self._old_versions = OldVersions(client, bucket)
        refuse_cut_answers(client)

    @classmethod
    def from_environment(cls, bucket: str, config: Config = CLIENT_CONFIG) -> ObjectStore:
        """Connect with the usual AWS variables (``AWS_ENDPOINT_URL_S3`` for another server).

        Args:
            bucket: its name.
            config: of the client, such as for how long it waits.

        Raises:
            StorageError: the variables do not go together.
        """
        try:
            return cls(boto3.client("s3", config=config), bucket)
        except (BotoCoreError, ValueError) as error:
            raise StorageError(
                f"The S3 settings cannot be used: {error}. Check the AWS variables in the "
                "environment."
            ) from error

    def within(self, seconds: float) -> ObjectStore:
        """The same bucket, for somebody who waits: all that is asked of it is answered within so
        many seconds from now, or raises ``StoreAwayError``."""
        return ObjectStore(PromptClient(self.client, seconds), self.bucket)

    def waited_for(self, tell: Callable[[str], None]) -> ObjectStore:
        """The same bucket, for work that has time: it goes on when S3 is back.

        Args:
            tell: is told what is waited for.
        """
        return ObjectStore(WaitingClient(self.client, tell), self.bucket)

    def renew(self) -> None:
        """Begin the time of :meth:`within` anew."""
        if isinstance(self.client, PromptClient):
            self.client.renew()

    def put_new(self, key: str, body: bytes, content_type: str = "application/octet-stream") -> str:
        """Write an object that does not exist yet, and return its ETag.

        Raises:
            ObjectExistsError: somebody, maybe an earlier try of the caller, wrote it before.
            StorageError: the store does not answer or refuses.
        """
        return self._put_if(key, body, content_type, {"IfNoneMatch": "*"})

    def replace(
        self, key: str, body: bytes, etag: str, content_type: str = "application/json"
    ) -> str:
        """Write over an object that is still the one that was read, and leave no old version.

        Args:
            key: which.
            body: what takes its place.
            etag: of what was read.
            content_type: of ``body``.

        Returns:
            The new ETag.

        Raises:
            ObjectChangedError: it is another one by now, or is gone.
        """
        try:
            written = self._put_if(key, body, content_type, {"IfMatch": etag})
        except (ObjectExistsError, ObjectMissingError) as error:
            written = self._replaced_before(key, body, error)
        with self._explained(key):
            self._old_versions.delete(key)
        return written

    def _replaced_before(self, key: str, body: bytes, error: StorageError) -> str:
        """The ETag, if an earlier try came through and only its answer was lost.

        Raises:
            ObjectChangedError: it did not.
        """
        with suppress(ObjectMissingError):
            found = self.read(key)
            if found.body == body:
                return found.etag
        raise ObjectChangedError(f"s3://{self.bucket}/{key} was changed. Try again.") from error

    def _put_if(
        self, key: str, body: bytes, content_type: str, condition: Mapping[str, str]
    ) -> str:
        """Write on a condition."""
        with self._explained(key):
            for tries_left in reversed(range(_CONFLICT_TRIES)):
                try:
                    answer = self.client.put_object(
                        Bucket=self.bucket,
                        Key=key,
                        Body=body,
                        ContentType=content_type,
                        **condition,
                    )
                except ClientError as error:
                    if code_of(error) not in _CONFLICT or not tries_left:
                        raise
                else:
                    break
        return answer["ETag"]

    def put_same(
        self, key: str, body: bytes, content_type: str = "application/octet-stream"
    ) -> None:
        """Write an object, or find the same bytes there already (a retry after a lost answer).

        Raises:
            ObjectExistsError: the key holds other bytes.
        """
        try:
            self.put_new(key, body, content_type)
        except ObjectExistsError:
            if self.get(key) != body:
                raise

    def put_content(
        self, key: str, body: bytes, content_type: str = "application/octet-stream"
    ) -> None:
        """Write an object whose key is made from its content, unless it is there already."""
        with suppress(ObjectExistsError):
            self.put_new(key, body, content_type)

    def get(self, key: str) -> bytes:
        """Read a whole object.

        Raises:
            ObjectMissingError: there is none.
        """
        with self._explained(key):
            return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def read(self, key: str) -> Stored:
        """Read a whole object, with what it is replaced by and the store's clock.

        Raises:
            ObjectMissingError: there is none.
        """
        with self._explained(key):
            answer = self.client.get_object(Bucket=self.bucket, Key=key)
            body, modified = answer["Body"].read(), answer["LastModified"]
        return Stored(body, answer["ETag"], modified, clock_of(answer))

    def list(
        self, prefix: str, start_after: str = "", page_size: int | None = None
    ) -> Iterator[str]:
        """Keys under a prefix in the store's order, page by page, from after ``start_after``."""
        for item in self.items(prefix, start_after, page_size):
            yield item["Key"]

    def items(
        self, prefix: str, start_after: str = "", page_size: int | None = None
    ) -> Iterator[dict[str, Any]]:
        """As :meth:`list`, with ``Size`` in bytes and ``LastModified`` beside each ``Key``."""
        with self._explained(prefix):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket,
                Prefix=prefix,
                StartAfter=start_after,
                PaginationConfig={"PageSize": page_size},
            )
            for page in pages:
                yield from page.get("Contents", [])

    def now(self) -> datetime:
        """The store's own clock (UTC, to the second), which ``LastModified`` is of as well.

        No two machines' clocks are compared with each other: whatever is asked of age in the bucket
        is asked with this one.
        """
        with self._explained(""):
            answer = self.client.head_bucket(Bucket=self.bucket)
        return clock_of(answer)

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """Key and content of every object of the bucket, old versions included.

        What is deleted after it was listed and before it was read is left out.
        """
        for key in self.list(""):
            with suppress(ObjectMissingError):
                yield key, self.get(key)
        for old in self._old_versions.of_all():
            with suppress(ObjectMissingError), self._explained(old["Key"]):
                answer = self.client.get_object(Bucket=self.bucket, **old)
                yield old["Key"], answer["Body"].read()

    def overwrite(
        self, key: str, body: bytes, content_type: str = "application/octet-stream"
    ) -> None:
        """Write an object over another one, and leave no old version. For erasures, and for what is
        derived of an object beside it."""
        with self._explained(key):
            self.client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)
            self._old_versions.delete(key)

    def delete(self, key: str, etag: str = "") -> None:
        """Delete an object, with its old versions where the bucket keeps them.

        Args:
            key: which.
            etag: delete it only if it is still this one; empty for whatever it is.
        """
        condition = {"IfMatch": etag} if etag else {}
        try:
            with self._explained(key):
                self.client.delete_object(Bucket=self.bucket, Key=key, **condition)
        except (ObjectExistsError, ObjectMissingError):
            return  # another one by now, or gone
        with self._explained(key):
            self._old_versions.delete(key)

    def _explained(self, key: str) -> AbstractContextManager[None]:
        """Turn botocore's errors into ours, which say what to do."""
        return explained(self.bucket, key)
