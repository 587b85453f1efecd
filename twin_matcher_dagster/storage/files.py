"""A model folder in the bucket: its files by content, named by a manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from twin_matcher_dagster.errors import StorageError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import FileEntry

# What a model folder may hold; above all, nothing that is unpickled.
_ALLOWED = {".json", ".safetensors", ".onnx", ".md"}


def put_model(store: ObjectStore, folder: Path) -> tuple[FileEntry, ...]:
    """Store the files of a model folder; they come back in order of name."""
    files = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _ALLOWED:
            data = path.read_bytes()
            key = put_file(store, layout.MODELS, data, path.suffix)
            sha256 = hashlib.sha256(data).hexdigest()
            files.append(FileEntry(path.name, key, sha256, len(data)))
    return tuple(files)


def put_file(store: ObjectStore, folder: str, data: bytes, suffix: str) -> str:
    """Store a file of a folder under its content; its key."""
    key = layout.file(folder, f"{hashlib.sha256(data).hexdigest()}{suffix}")
    store.put_content(key, data)
    return key


def get_model(store: ObjectStore, files: Sequence[FileEntry], folder: Path) -> None:
    """Read a model folder back, verified.

    Raises:
        StorageError: a file is not what the manifest says.
    """
    for file in files:
        data = store.get(file.key)
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise StorageError(f"{file.key} was altered. Materialize twin_model again.")
        (folder / Path(file.name).name).write_bytes(data)
