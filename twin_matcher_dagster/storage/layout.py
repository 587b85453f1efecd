"""Where everything is in the bucket. No key ever holds a name or a path that a person typed.

::

    celebrities/raw/log/00000001.json        what raw_faces found          (manifest log)
    celebrities/raw/shards/<sha256>.parquet
    celebrities/balanced/log/...             what balanced_faces kept      (manifest log)
    celebrities/balanced/shards/...
    uploads/faces/<upload>/000.png ...       the crops of one clip
    uploads/manifests/<upload>.json          written last: its presence is the commit
    users/<upload>/log/...                   verdict of user_faces         (manifest log)
    users/<upload>/shards/...
    datasets/log/...                         twin_dataset                  (manifest log)
    models/files/<sha256>.safetensors        the files of a transformers model folder
    models/log/...                           twin_model                    (manifest log)
    indexes/files/<sha256>.safetensors       face_index
    indexes/log/...                                                        (manifest log)
    releases/log/...                         production_release            (manifest log)
"""

from __future__ import annotations

RAW = "celebrities/raw"
BALANCED = "celebrities/balanced"
UPLOAD_FACES = "uploads/faces"
UPLOAD_MANIFESTS = "uploads/manifests"
DATASETS = "datasets"
MODELS = "models"
INDEXES = "indexes"
RELEASES = "releases"


def user(upload_id: str) -> str:
    """Folder of what was made of one upload."""
    return f"users/{upload_id}"


def log(folder: str) -> str:
    """Name of a folder's manifest log."""
    return f"{folder}/log"


def shard(folder: str, sha256: str) -> str:
    """Key of one immutable Parquet file."""
    return f"{folder}/shards/{sha256}.parquet"


def file(folder: str, name: str) -> str:
    """Key of a file that a manifest of this folder names."""
    return f"{folder}/files/{name}"
