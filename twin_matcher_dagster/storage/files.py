"""A model folder in the bucket: its files by content, named by a manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twin_matcher_dagster.errors import StorageError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore

# What a model folder may hold; above all, nothing that is unpickled.
_ALLOWED = {".json", ".safetensors", ".md"}


def put_model(store: ObjectStore, folder: Path) -> list[dict[str, Any]]:
    """Store the files of a model folder.

    Returns:
        ``name``, ``key``, ``sha256`` and ``bytes`` of each, in order of name.
    """
    files = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in _ALLOWED:
            data = path.read_bytes()
            key = put_file(store, layout.MODELS, data, path.suffix)
            sha256 = hashlib.sha256(data).hexdigest()
            files.append({"name": path.name, "key": key, "sha256": sha256, "bytes": len(data)})
    return files


def put_file(store: ObjectStore, folder: str, data: bytes, suffix: str) -> str:
    """Store a file of a folder under its content; its key."""
    key = layout.file(folder, f"{hashlib.sha256(data).hexdigest()}{suffix}")
    store.put_content(key, data)
    return key


def get_model(store: ObjectStore, files: Sequence[dict[str, Any]], folder: Path) -> None:
    """Read a model folder back, verified.

    Raises:
        StorageError: a file is not what the manifest says.
    """
    for file in files:
        data = store.get(file["key"])
        if hashlib.sha256(data).hexdigest() != file["sha256"]:
            raise StorageError(f"{file['key']} was altered. Materialize twin_model again.")
        (folder / Path(file["name"]).name).write_bytes(data)
