"""The one row format of faces: Parquet that `datasets` and the Hub's viewer read as images."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from twin_matcher_dagster.storage.records.parts import Kind

if TYPE_CHECKING:
    import pyarrow as pa

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
HELD_OUT: frozenset[str] = frozenset(SPLITS[1:])
"""What a source holds out is never learnt from, whatever it is called there."""


@dataclass(frozen=True)
class Face:
    """One row of the data set.

    Attributes:
        image: JPEG or PNG bytes of a 160 x 160 RGB crop.
        label: the person's name, for display only.
        identity_id: who it is; the class to learn.
        kind: a celebrity, or a user of the upload page.
        upload_id: the upload that a user's face came with, empty for celebrities.
        split: what the face is used for; whole photos and uploads go to one split.
        yaw, pitch, roll: which way the head looks, in degrees, see ``faces.pose.Pose``.
        quality: how sharp the face is, see ``faces.quality.Measures.sharpness``; 0 is blurred.
    """

    image: bytes
    label: str
    identity_id: str
    kind: Kind
    upload_id: str
    split: Split
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    quality: float = 0.0


_NUMBERS = ("yaw", "pitch", "roll", "quality")
_FACE_COLUMNS = ("image", "label", "identity_id", "kind", "upload_id", "split", *_NUMBERS)
_RAW_COLUMNS = ("image", "label", "split")


@lru_cache(maxsize=2)
def _schema(columns: tuple[str, ...]) -> pa.Schema:
    """Arrow schema with the Hugging Face features that make ``image`` an image."""
    from datasets import Features, Image, Value

    types = {name: Value("float32") for name in _NUMBERS} | {"image": Image()}
    return Features({name: types.get(name, Value("string")) for name in columns}).arrow_schema


@dataclass(frozen=True)
class RawFace:
    """One row of a source.

    Attributes:
        image: the encoded image.
        label: the name as it stands there.
        split: the source's split.
        file: where the image was, for messages: a path below the source, or a row of a table.
    """

    image: bytes
    label: str
    split: str
    file: str = field(default="", compare=False)


@dataclass(frozen=True)
class Shard:
    """An immutable Parquet file: its bytes and their SHA-256."""

    data: bytes
    sha256: str
    rows: int


def write_shard(faces: Sequence[Face]) -> Shard:
    """Encode faces as one Parquet file; equal faces give equal bytes."""
    return _encode(faces, _FACE_COLUMNS)


def read_shard(data: bytes) -> Iterator[Face]:
    """Decode a shard row by row."""
    for row in _decode(data):
        yield Face(**{**row, "image": row["image"]["bytes"]})


def write_raw_shard(rows: Sequence[RawFace]) -> Shard:
    """Encode rows of a source as they are; equal rows give equal bytes."""
    return _encode(rows, _RAW_COLUMNS)


def read_raw_shard(data: bytes) -> Iterator[RawFace]:
    """Decode what :func:`write_raw_shard` made."""
    for row in _decode(data):
        image = row.pop("image")
        yield RawFace(image["bytes"], file=image["path"] or "", **row)


def _encode(rows: Sequence[Any], columns: tuple[str, ...]) -> Shard:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            name: [
                {"bytes": row.image, "path": getattr(row, "file", "") or None}
                if name == "image"
                else getattr(row, name)
                for row in rows
            ]
            for name in columns
        },
        schema=_schema(columns),
    )
    buffer = io.BytesIO()
    # Small row groups, so that a reader streams and the Hub's viewer pages.
    pq.write_table(table, buffer, row_group_size=256)
    data = buffer.getvalue()
    return Shard(data, hashlib.sha256(data).hexdigest(), table.num_rows)


def _decode(data: bytes) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(io.BytesIO(data)).iter_batches(batch_size=256):
        yield from batch.to_pylist()
