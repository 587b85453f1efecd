"""Sources of celebrity faces: what is read, and what is said when it cannot be."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features
from datasets import Image as ImageFeature
from PIL import Image

from twin_matcher_dagster.celebrities.sources import read_source
from twin_matcher_dagster.dataset.schema import RawFace, write_raw_shard
from twin_matcher_dagster.errors import SourceError
from twin_matcher_dagster.settings import SAMPLE

NO_SAMPLE = Path("/nowhere/sample.parquet")


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def read(source: str | Path) -> list[RawFace]:
    return list(read_source(str(source), NO_SAMPLE))


def jpeg(grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (16, 16), grey).save(buffer, "JPEG")
    return buffer.getvalue()


def rows(*labels: str) -> list[RawFace]:
    return [RawFace(jpeg(number), label, "train") for number, label in enumerate(labels)]


def test_the_sample_has_messy_labels_and_real_images() -> None:
    found = list(read_source("sample", SAMPLE / "faces.parquet"))
    assert len(found) == 1796
    labels = Counter(row.label for row in found)
    assert labels["Mira Okonkwari"] == 103
    assert labels["sunhee_baekmun"] == 1
    assert all(Image.open(io.BytesIO(row.image)).size == (160, 160) for row in found[::40])


def test_a_parquet_file(tmp_path: Path) -> None:
    wanted = rows("Ana", "Bob", "Zoë_Ñandú")
    (tmp_path / "faces.parquet").write_bytes(write_raw_shard(wanted).data)
    assert read(tmp_path / "faces.parquet") == wanted


def test_a_folder_of_parquet_files_keeps_the_splits(tmp_path: Path) -> None:
    for name, labels in {
        "train-00000-of-00002.parquet": ("Ana",),
        "train-00001-of-00002.parquet": ("Bob", "Cleo"),
        "test.parquet": ("Ana", "Dora"),
    }.items():
        (tmp_path / name).write_bytes(write_raw_shard(rows(*labels)).data)
    found = Counter((row.split, row.label) for row in read(tmp_path))
    assert found == Counter(
        [("train", "Ana"), ("train", "Bob"), ("train", "Cleo"), ("test", "Ana"), ("test", "Dora")]
    )


def test_a_folder_of_images_a_person(tmp_path: Path) -> None:
    wanted = {"Ana Luz": [jpeg(1), jpeg(2)], "Bob": [jpeg(3)]}
    for person, images in wanted.items():
        (tmp_path / person).mkdir()
        for number, image in enumerate(images):
            (tmp_path / person / f"{number}.jpg").write_bytes(image)
    found = read(tmp_path)
    assert sorted((row.label, row.image) for row in found) == sorted(
        (person, image) for person, images in wanted.items() for image in images
    )


def test_class_numbers_become_names(tmp_path: Path) -> None:
    features = Features({"image": ImageFeature(), "label": ClassLabel(names=["Ana", "Bob"])})
    images = [{"bytes": jpeg(number), "path": None} for number in range(3)]
    data = Dataset.from_dict({"image": images, "label": [1, 0, 1]}, features=features)
    data.to_parquet(str(tmp_path / "faces.parquet"))
    assert [row.label for row in read(tmp_path / "faces.parquet")] == ["Bob", "Ana", "Bob"]


@pytest.mark.parametrize("source", ["/nowhere/faces.parquet", "../nowhere", "a/b/c", "", "faces"])
def test_a_missing_path_says_what_to_set(source: str) -> None:
    with pytest.raises(SourceError, match=r"no file or folder .*Set RAW_FACES to"):
        read(source)


def test_a_hub_id_out_of_reach_says_what_to_check() -> None:
    with pytest.raises(SourceError, match=r"'no-one/nothing' could not be opened on the Hub.*HF_"):
        read("no-one/nothing")


@pytest.mark.parametrize("column", ["image", "label"])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    columns = {"image": [jpeg(1)], "label": ["Ana"], "other": ["x"]}
    columns.pop(column)
    pq.write_table(pa.table(columns), tmp_path / "faces.parquet")
    with pytest.raises(SourceError, match=f"no column {column}"):
        read(tmp_path / "faces.parquet")


def empty_table() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(
        pa.table({"image": pa.array([], pa.binary()), "label": pa.array([], pa.string())}), buffer
    )
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"", b"these are not faces", empty_table(), write_raw_shard(rows(*"abcdef")).data[:900]],
    ids=["no bytes", "text", "no rows", "truncated"],
)
def test_a_file_without_faces_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "faces.parquet").write_bytes(data)
    with pytest.raises(SourceError, match=r"faces.parquet"):
        read(tmp_path / "faces.parquet")


def test_an_image_that_is_only_named_must_be_there(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"image": ["/nowhere/a.jpg"], "label": ["Ana"]}), tmp_path / "faces.parquet"
    )
    with pytest.raises(SourceError):
        read(tmp_path / "faces.parquet")


def test_folders_without_faces_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="neither Parquet files nor"):
        read(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("nothing here")
    with pytest.raises(SourceError):
        read(tmp_path)


def test_a_parquet_row_cannot_name_a_file_of_this_machine(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"not for the data set")
    rows = [{"image": {"bytes": None, "path": str(secret)}, "label": "Eve"}]
    path = tmp_path / "faces.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    with pytest.raises(SourceError, match="instead of carrying an image"):
        list(read_source(str(path), path))


def test_number_zero_is_a_label_and_minus_one_is_none(tmp_path: Path) -> None:
    image = {"bytes": jpeg(1), "path": None}
    numbers = tmp_path / "numbers.parquet"
    pq.write_table(pa.Table.from_pylist([{"image": image, "label": n} for n in (0, 1)]), numbers)
    assert [row.label for row in read_source(str(numbers), numbers)] == ["0", "1"]
    named = tmp_path / "named.parquet"
    features = Features({"image": ImageFeature(), "label": ClassLabel(names=["Ana", "Bob"])})
    rows = {"image": [image] * 3, "label": [0, 1, -1]}
    Dataset.from_dict(rows, features=features).to_parquet(named)
    assert [row.label for row in read_source(str(named), named)] == ["Ana", "Bob"]
