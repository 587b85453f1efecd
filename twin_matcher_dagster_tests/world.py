"""A bucket with everything in it, made in a second: real manifests and files, pixels of noise."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import numpy as np

from twin_matcher_dagster.dataset.cached_vectors import read_with_vectors
from twin_matcher_dagster.dataset.faces_io import put_faces
from twin_matcher_dagster.dataset.identity import user_id
from twin_matcher_dagster.dataset.schema import Face, Kind, Split, fingerprint, write_shard
from twin_matcher_dagster.dataset.versions import (
    Version,
    note_verdict,
    read_version,
    update_dataset,
)
from twin_matcher_dagster.defs.results import commit
from twin_matcher_dagster.media.images import encode_jpeg
from twin_matcher_dagster.recognition.fusion import Fusion
from twin_matcher_dagster.recognition.gallery import COMPONENTS, FaceIndex
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.files import put_file
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.submission import Consent, submit

RECOGNISER = "bundled"
CODE = "ABCDE-FGHJK-MNPQR-STVWX"


class World:
    """What the assets leave in a bucket.

    Args:
        store: an empty bucket.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self._random = np.random.default_rng(0)
        self.celebrities(1)

    def pictures(self, count: int) -> list[np.ndarray]:
        """Crops of noise."""
        small = self._random.integers(0, 255, (count, 20, 20, 3), np.uint8)
        return list(small.repeat(8, 1).repeat(8, 2))

    def faces(
        self, who: str, kind: Kind = "celebrity", split: Split = "train", count: int = 3
    ) -> list[Face]:
        """Faces of one identity."""
        upload_id = who.removeprefix("u-") if kind == "user" else ""
        return [
            Face(encode_jpeg(one), f"Name of {who}", who, kind, upload_id, split)
            for one in self.pictures(count)
        ]

    def celebrities(self, version: int, people: int = 2) -> Manifest:
        """Another version of the balanced celebrities."""
        raw = commit(self.store, layout.RAW, {"fingerprint": f"raw {version}", "shards": []})
        shards = [
            put_faces(
                self.store,
                layout.BALANCED,
                [face for n in range(people) for face in self.faces(f"c-{n}", split=split)],
            )
            for split in ("train", "test")
        ]
        body = {
            "fingerprint": fingerprint(version, *(shard.sha256 for shard in shards)),
            "raw": raw.key,
            "rows": sum(shard.rows for shard in shards),
            "shards": [shard.as_dict() for shard in shards],
        }
        return commit(self.store, layout.BALANCED, body)

    def upload(self, *, publication: bool = False, name: str = "Zoë Ödegård") -> str:
        """An upload as the page leaves it, not judged yet; its id."""
        consent = Consent.now(publication=publication)
        return submit(self.store, self.pictures(3), name, consent, erasure_code=CODE)

    def judge(
        self, upload_id: str, *, accepted: bool = True, flags: tuple[str, ...] = (), rows: int = 3
    ) -> None:
        """The verdict on an upload, noted for the data set."""
        faces = self.faces(user_id(upload_id), "user", count=rows)
        shards = [put_faces(self.store, layout.user(upload_id), faces)] if accepted else []
        body = {
            "fingerprint": fingerprint(accepted, *flags, *(shard.sha256 for shard in shards)),
            "upload_id": upload_id,
            "accepted": accepted,
            "state": "accepted" if accepted else "rejected",
            "publication": False,
            "flags": list(flags),
            "shards": [shard.as_dict() for shard in shards],
        }
        verdict = commit(self.store, layout.user(upload_id), body)
        note_verdict(self.store, upload_id, verdict.number)

    def member(self) -> str:
        """An upload that was accepted, and the data set with it; its id."""
        upload_id = self.upload()
        self.judge(upload_id)
        update_dataset(self.store)
        return upload_id

    def train(self) -> Manifest:
        """A model of the newest data set; its weights are a number."""
        dataset = read_version(self.store)
        weights = self._random.bytes(64)
        key = put_file(self.store, layout.MODELS, weights, ".safetensors")
        body = {
            "fingerprint": fingerprint(key),
            "files": [{"name": "model.safetensors", "key": key}],
            "dataset": dataset.number,
            "uploads": [member.upload_id for member in dataset.members],
        }
        return commit(self.store, layout.MODELS, body)

    def release(self, model: Manifest) -> Manifest:
        """Index and release of a model: whoever came since is imprinted."""
        dataset = read_version(self.store)
        faces: list[Face] = []
        told: list[np.ndarray] = []
        for shard in dataset.shards:
            rows, vectors = read_with_vectors(self.store, shard, RECOGNISER)
            faces += rows
            told += list(vectors)
        people = [person.identity_id for person in dataset.identities]
        templates = [
            sum(v for f, v in zip(faces, told, strict=True) if f.identity_id == who)
            for who in people
        ]
        index = FaceIndex(
            people,
            self._random.normal(size=(len(people), 8)).astype(np.float32),
            np.stack(templates),
            Fusion((1.0, 2.0), -1.0, COMPONENTS),
        )
        uploads = [member.upload_id for member in dataset.members]
        shards = {member.upload_id: member.shard.sha256 for member in dataset.members}
        held_out = {
            hashlib.sha256(face.image).hexdigest(): (face.identity_id, True)
            for face in faces
            if face.split == "test"
        }
        files = {
            "index": put_file(self.store, layout.INDEXES, index.to_bytes(), ".safetensors"),
            "portraits": put_file(
                self.store, layout.INDEXES, write_shard(faces[::2]).data, ".parquet"
            ),
            "answers": put_file(self.store, layout.INDEXES, json.dumps(held_out).encode(), ".json"),
        }
        imprinted = [user_id(one) for one in uploads if one not in model.body["uploads"]]
        body = {
            "fingerprint": fingerprint(*files.values()),
            "model": model.number,
            "model_fingerprint": model.fingerprint,
            "recogniser": RECOGNISER,
            "dataset": dataset.number,
            "rows": len(people),
            "uploads": uploads,
            "shards": shards,
            "imprinted": imprinted,
            **files,
        }
        entry = commit(self.store, layout.INDEXES, body)
        return commit(
            self.store,
            layout.RELEASES,
            {
                "fingerprint": fingerprint(entry.fingerprint),
                "dataset": dataset.number,
                "model": model.number,
                "model_fingerprint": model.fingerprint,
                "recogniser": RECOGNISER,
                "face_index": entry.number,
                "files": model.body["files"],
                "identities": [asdict(person) for person in dataset.identities],
                "uploads": uploads,
                "shards": shards,
                "imprinted": imprinted,
                **files,
            },
        )

    def version(self) -> Version:
        """The newest version of the data set."""
        return read_version(self.store)
