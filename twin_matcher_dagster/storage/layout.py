"""Where everything is in the bucket. No key ever holds a name or a path that a person typed.

::

    celebrities/raw/versions/99999998.json      what raw_faces found          (manifest log)
    celebrities/raw/shards/<sha256>.parquet
    celebrities/balanced/versions/...           what balanced_faces kept      (manifest log)
    celebrities/balanced/shards/...             one split each
    .../shards/<sha256>.vectors                 what the recogniser says of a shard's faces
    celebrities/balanced/tables/<sha256>.parquet  what was found wrong with raw_faces
    celebrities/reviews/versions/...            what a person decided of that (manifest log)
    uploads/faces/<upload>/000.png ...          the crops of one clip
    uploads/manifests/<upload>.json             written last: its presence is the commit
    uploads/arrivals/<upload>                   there until there is a verdict
    uploads/decisions/<upload>.json             what a person decided of it
    uploads/flagged/<upload>                    there while it waits for a person
    users/<upload>/versions/...                 verdict of user_faces         (manifest log)
    users/<upload>/shards/...
    datasets/changes/<upload>.<verdict>.json    verdicts that twin_dataset did not see yet
    datasets/members/<sha256>.json              who is in: one of 256 lists of uploads
    datasets/versions/...                       twin_dataset                  (manifest log)
    models/files/<sha256>.safetensors, .onnx    the files of a transformers model folder
    models/versions/...                         twin_model                    (manifest log)
    retraining/versions/...                     when a training became due     (manifest log)
    indexes/files/<sha256>.safetensors          face_index: the gallery
    indexes/files/<sha256>.safetensors, .json   its portraits, its answers about held-out faces
    indexes/versions/...                                                      (manifest log)
    releases/versions/...                       production_release            (manifest log)
    leaderboard/versions/...                    all trainings, measured       (manifest log)
    twins/versions/...                          twin_pairs: visitors alike    (manifest log)
    twins/withdrawn/<upload>.json               who wants to be told of nobody any more
    erasures/<upload>.json                      that an upload was erased: nobody's data
    erasure-tries/<upload>/...                  when a wrong code was tried
    leases/dataset                              who makes a version, or erases somebody
    leases/judging                              who judges an upload
    audit/<time>-<random>.json                  who did what: never replaced, never deleted
    alerts/told.json                            what matters, and who was told of it
    ready                                       what the check of the embedded server writes
"""

from __future__ import annotations

RAW = "celebrities/raw"
BALANCED = "celebrities/balanced"
REVIEWS = "celebrities/reviews"
UPLOAD_FACES = "uploads/faces"
UPLOAD_MANIFESTS = "uploads/manifests"
ARRIVALS = "uploads/arrivals"
FLAGGED = "uploads/flagged"
DECISIONS = "uploads/decisions"
DATASETS = "datasets"
CHANGES = "datasets/changes"
MEMBERS = "datasets/members"
MODELS = "models"
TRAININGS_DUE = "retraining"
INDEXES = "indexes"
RELEASES = "releases"
LEADERBOARDS = "leaderboard"
TWINS = "twins"
TWIN_WITHDRAWALS = "twins/withdrawn"
TOMBSTONES = "erasures"
ERASURE_TRIES = "erasure-tries"
ALERTS_TOLD = "alerts/told.json"
DATASET_LEASE = "leases/dataset"
JUDGING_LEASE = "leases/judging"
AUDIT = "audit"
LEASES = (DATASET_LEASE, JUDGING_LEASE)


def upload_manifest(upload_id: str) -> str:
    """Key of an upload's manifest."""
    return f"{UPLOAD_MANIFESTS}/{upload_id}.json"


def arrival(upload_id: str) -> str:
    """Key of the note that an upload waits for its verdict."""
    return f"{ARRIVALS}/{upload_id}"


def flagged(upload_id: str) -> str:
    """Key of the note that an upload waits for a person."""
    return f"{FLAGGED}/{upload_id}"


def decision(upload_id: str) -> str:
    """Key of what a person decided of an upload."""
    return f"{DECISIONS}/{upload_id}.json"


def face_folder(upload_id: str) -> str:
    """What the keys of an upload's crops begin with."""
    return f"{UPLOAD_FACES}/{upload_id}/"


def face(upload_id: str, index: int) -> str:
    """Key of one crop of an upload."""
    return f"{face_folder(upload_id)}{index:03d}.png"


def user(upload_id: str) -> str:
    """Folder of what was made of one upload."""
    return f"users/{upload_id}"


def twin_withdrawal(upload_id: str) -> str:
    """Key of the note that somebody wants to be told of no long-lost twin any more."""
    return f"{TWIN_WITHDRAWALS}/{upload_id}.json"


def change_prefix(upload_id: str) -> str:
    """What the keys of an upload's noted verdicts begin with. No folder each: empty ones stay."""
    return f"{CHANGES}/{upload_id}."


def log(folder: str) -> str:
    """Name of a folder's manifest log."""
    return f"{folder}/versions"


def shard(folder: str, sha256: str) -> str:
    """Key of one immutable Parquet file."""
    return f"{folder}/shards/{sha256}.parquet"


def file(folder: str, name: str) -> str:
    """Key of a file that a manifest of this folder names."""
    return f"{folder}/files/{name}"


def table(folder: str, sha256: str) -> str:
    """Key of an immutable Parquet table that is no shard: it holds no faces."""
    return f"{folder}/tables/{sha256}.parquet"
