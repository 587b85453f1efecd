"""Model folders in the bucket."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from twin_matcher_dagster.errors import StorageError
from twin_matcher_dagster.storage.files import get_model, put_model
from twin_matcher_dagster.storage.object_store import ObjectStore

FILES = {"config.json": b"{}", "model.safetensors": b"weights", "README.md": b"# A model"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder, with things beside the model that are not to be kept."""
    folder = tmp_path / "model"
    (folder / "runs").mkdir(parents=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    for name in ("pytorch_model.bin", "training_args.pt", "optimizer.pkl", "code.py"):
        (folder / name).write_bytes(b"this would be run")
    return folder


def test_a_model_reads_back_without_what_is_unpickled(
    store: ObjectStore, folder: Path, tmp_path: Path
) -> None:
    files = put_model(store, folder)
    assert [file.name for file in files] == sorted(FILES)
    assert [file.bytes for file in files] == [len(FILES[name]) for name in sorted(FILES)]
    back = tmp_path / "back"
    back.mkdir()
    get_model(store, files, back)
    assert {path.name: path.read_bytes() for path in back.iterdir()} == FILES
    assert len(list(store.list(""))) == len(FILES)


def test_an_equal_model_is_stored_once(store: ObjectStore, folder: Path) -> None:
    first = put_model(store, folder)
    assert put_model(store, folder) == first
    (folder / "model.safetensors").write_bytes(b"other weights")
    second = put_model(store, folder)
    assert {f.key for f in first} & {f.key for f in second} == {
        f.key for f in first if f.name != "model.safetensors"
    }
    assert len(list(store.list(""))) == len(FILES) + 1


def test_an_altered_file_is_refused(store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    files = put_model(store, folder)
    key = next(file.key for file in files if file.name == "model.safetensors")
    store.client.put_object(Bucket=store.bucket, Key=key, Body=b"evil weights")
    with pytest.raises(StorageError, match="was altered"):
        get_model(store, files, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_a_file_cannot_leave_its_folder(store: ObjectStore, folder: Path, tmp_path: Path) -> None:
    files = put_model(store, folder)
    inner = tmp_path / "inner"
    inner.mkdir()
    get_model(store, [replace(files[0], name="../outside.json")], inner)
    assert [path.name for path in inner.iterdir()] == ["outside.json"]
    assert not (tmp_path / "outside.json").exists()
