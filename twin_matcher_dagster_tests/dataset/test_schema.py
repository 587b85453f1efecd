"""Shards: equal faces are equal bytes, and others read them as images."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from twin_matcher_dagster.dataset.schema import (
    SPLITS,
    Face,
    RawFace,
    Split,
    read_raw_shard,
    read_shard,
    write_raw_shard,
    write_shard,
)
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.records.parts import Kind

NUMBER = st.floats(width=32, allow_nan=False)
FACES = st.builds(
    Face,
    image=st.binary(max_size=50),
    label=st.text(max_size=20),
    identity_id=st.text(max_size=20),
    kind=st.sampled_from(get_args(Kind)),
    upload_id=st.text(max_size=26),
    split=st.sampled_from(get_args(Split)),
    yaw=NUMBER,
    pitch=NUMBER,
    roll=NUMBER,
    quality=NUMBER,
)


def png(grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (160, 160), (grey, 0, 255)).save(buffer, "PNG")
    return buffer.getvalue()


def some_faces(count: int) -> list[Face]:
    return [
        Face(png(n % 256), "Zoë 👩", f"c-{n % 3}", "celebrity", "", SPLITS[n % 3])
        for n in range(count)
    ]


@given(faces=st.lists(FACES, max_size=5))
def test_equal_faces_are_equal_bytes_and_read_back(faces: list[Face]) -> None:
    shard = write_shard(faces)
    assert write_shard([replace(face) for face in faces]) == shard
    assert list(read_shard(shard.data)) == faces
    assert shard.rows == len(faces)
    assert shard.sha256 == hashlib.sha256(shard.data).hexdigest()


def test_every_column_is_in_the_bytes() -> None:
    (face,) = some_faces(1)
    others = [
        replace(face, image=png(9)),
        replace(face, label="Ana"),
        replace(face, identity_id="c-9"),
        replace(face, kind="user"),
        replace(face, upload_id="x"),
        replace(face, split="test"),
        replace(face, yaw=1.5),
        replace(face, pitch=1.5),
        replace(face, roll=1.5),
        replace(face, quality=1.5),
    ]
    assert len({write_shard([one]).sha256 for one in [face, *others]}) == 1 + len(others)
    assert write_shard([face, others[0]]).sha256 != write_shard([others[0], face]).sha256


def test_rows_of_a_source_read_back() -> None:
    rows = [RawFace(png(1), " Mira_Okonkwo ", "train"), RawFace(b"", "", "test")]
    shard = write_raw_shard(rows)
    assert list(read_raw_shard(shard.data)) == rows
    assert write_raw_shard(rows).data == shard.data


def test_datasets_reads_a_shard_as_images(tmp_path: Path) -> None:
    faces = some_faces(5)
    (tmp_path / "train.parquet").write_bytes(write_shard(faces).data)
    data = load_dataset(
        "parquet",
        data_files=str(tmp_path / "train.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert data.column_names == list(vars(faces[0]))
    for row, face in zip(data, faces, strict=True):
        assert row["image"].size == (160, 160)
        assert row["image"].getpixel((80, 80)) == Image.open(io.BytesIO(face.image)).getpixel(
            (0, 0)
        )
        assert (row["label"], row["split"]) == (face.label, face.split)


def test_a_reader_can_stream_a_large_shard() -> None:
    faces = some_faces(600)
    data = write_shard(faces).data
    assert pq.ParquetFile(io.BytesIO(data)).metadata.num_row_groups == 3
    assert list(read_shard(data)) == faces


@pytest.mark.parametrize("other", [("ab", "c"), ("a", "bc", ""), ("bc", "a"), ("a",)])
def test_fingerprints_tell_parts_apart(other: tuple[str, ...]) -> None:
    assert fingerprint("a", "bc") == fingerprint("a", "bc")
    assert fingerprint(*other) != fingerprint("a", "bc")
