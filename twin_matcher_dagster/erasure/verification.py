"""Prove an erasure: read every object of the bucket, and look for the upload in it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone

import pyarrow.parquet as pq

from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import get_tombstone, tombstone_key, upload_id_of


@dataclass
class ErasureProof:
    """What is left of an upload in a bucket.

    Attributes:
        objects: how many were read.
        left: keys that hold something of it, and must not.
        pending: keys of the model in production, where it learned from the upload.
        retrain_by: when these must be gone; None for an upload that was not erased.
    """

    objects: int = 0
    left: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    retrain_by: datetime | None = None

    @property
    def proven(self) -> bool:
        """Whether it was erased, and nothing is left that must not be."""
        if self.retrain_by is None or self.left:
            return False
        return not self.pending or self.retrain_by > datetime.now(timezone.utc)


def verify(
    store: ObjectStore, upload_id: str, progress: Callable[[int], None] = lambda objects: None
) -> ErasureProof:
    """Look for an upload in the key and the content of every object, old versions included.

    JSON, safetensors headers and everything else are searched as they are, the columns of Parquet
    files decoded.

    Args:
        store: the bucket.
        upload_id: which; its identity id contains it.
        progress: called with the number of objects that were read.

    Raises:
        ErasureError: it is no upload id.
    """
    upload_id = upload_id_of(upload_id)
    tombstone = get_tombstone(store, upload_id)
    found = ErasureProof(retrain_by=tombstone.retrain_by if tombstone else None)
    for key, data in store.everything():
        found.objects += 1
        progress(found.objects)
        # The id of an erased upload is nobody's data: in its tombstone, and in what was done to it.
        of_nobody = key == tombstone_key(upload_id) or key.startswith(f"{layout.AUDIT}/")
        if tombstone and of_nobody:
            continue
        if upload_id in key or _holds(key, data, upload_id):
            model = key.startswith(f"{layout.MODELS}/")
            (found.pending if model else found.left).append(key)
    return found


def _holds(key: str, data: bytes, upload_id: str) -> bool:
    if upload_id.encode() in data:
        return True
    if not key.endswith(".parquet"):
        return False
    table = pq.ParquetFile(io.BytesIO(data))
    texts = [name for name in table.schema_arrow.names if name != "image"]
    return any(
        upload_id in str(value)
        for batch in table.iter_batches(columns=texts)
        for column in batch.columns
        for value in column.unique().to_pylist()
    )
