"""What a bucket with versioning keeps of objects that were replaced or deleted."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any


class OldVersions:
    """The old versions in one bucket; errors are boto3's.

    Args:
        client: a boto3 S3 client.
        bucket: its name.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def of_all(self) -> Iterator[dict[str, str]]:
        """``Key`` and ``VersionId`` of every old version of every object."""
        for page in self._pages(""):
            for item in page.get("Versions", []):
                if not item["IsLatest"]:
                    yield {"Key": item["Key"], "VersionId": item["VersionId"]}

    def delete(self, key: str) -> None:
        """Delete the old versions of an object, marks of deletion included."""
        for page in self._pages(key):
            old = [item for item in page.get("Versions", []) if not item["IsLatest"]]
            for item in [*old, *page.get("DeleteMarkers", [])]:
                if item["Key"] == key:
                    self._client.delete_object(
                        Bucket=self._bucket, Key=key, VersionId=item["VersionId"]
                    )

    def _pages(self, prefix: str) -> Iterator[dict[str, Any]]:
        if not self._kept:
            return
        listing = self._client.get_paginator("list_object_versions")
        yield from listing.paginate(Bucket=self._bucket, Prefix=prefix)

    @cached_property
    def _kept(self) -> bool:
        """Whether the bucket keeps, or kept once, old versions of its objects."""
        return "Status" in self._client.get_bucket_versioning(Bucket=self._bucket)
