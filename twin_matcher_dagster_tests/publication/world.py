"""A bucket with a small data set and a model, made with the functions that the assets use."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from twin_matcher_dagster.dataset.identity import celebrity_id
from twin_matcher_dagster.dataset.schema import SPLITS, Face, Split, read_shard, write_shard
from twin_matcher_dagster.dataset.versions import (
    Version,
    note_verdict,
    read_version,
    update_dataset,
)
from twin_matcher_dagster.media.images import encode_jpeg
from twin_matcher_dagster.recognition.network import TwinNet
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import SMALL_BACKBONE
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.files import put_model
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.manifest_log import Manifest, ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import ShardEntry, user_id
from twin_matcher_dagster.training.backbone import image_processor, load_backbone
from twin_matcher_dagster.uploads.submission import new_upload_id

HELD_OUT = {
    "faces": 189,
    "rank1": 0.989,
    "rank5": 0.995,
    "rank1_lowest": 0.979,
    "chance": 0.053,
}


class World:
    """What is in a bucket before it is published."""

    def __init__(self, store: ObjectStore, seed: int) -> None:
        self.store = store
        self._random = np.random.default_rng(seed)

    def image(self) -> bytes:
        """A JPEG of noise: no two are alike."""
        pixels = self._random.integers(0, 255, (20, 20, 3), np.uint8)
        return encode_jpeg(pixels.repeat(8, 0).repeat(8, 1), 80)

    def faces(self, label: str, split: Split, count: int, upload: str = "") -> list[Face]:
        kind, who = ("user", user_id(upload)) if upload else ("celebrity", celebrity_id(label))
        return [Face(self.image(), label, who, kind, upload, split) for _ in range(count)]

    def put(self, folder: str, faces: list[Face]) -> ShardEntry:
        shard = write_shard(faces)
        key = layout.shard(folder, shard.sha256)
        self.store.put_content(key, shard.data)
        return ShardEntry.of(key, shard.sha256, faces)

    def celebrities(self, *labels: str, faces: int = 6) -> None:
        """A version of the balanced celebrities, a shard a split, from the bundled sample."""
        raw = ManifestLog(self.store, layout.log(layout.RAW))
        source = raw.append({"fingerprint": fingerprint("raw", *labels), "source": "sample"})
        shards = [
            self.put(
                layout.BALANCED,
                [face for label in labels for face in self.faces(label, split, faces)],
            )
            for split in SPLITS
        ]
        body = {
            "fingerprint": fingerprint(*(shard.sha256 for shard in shards)),
            "raw": source.key,
            "rows": sum(shard.rows for shard in shards),
            "shards": [shard.as_dict() for shard in shards],
        }
        ManifestLog(self.store, layout.log(layout.BALANCED)).append(body)

    def user(self, label: str, publication: bool, noted: bool = True) -> str:
        """An accepted upload; its id."""
        upload = new_upload_id()
        shard = self.put(layout.user(upload), self.faces(label, "train", 25, upload))
        self.verdict(upload, shard, publication, noted)
        return upload

    def verdict(
        self, upload: str, shard: ShardEntry | None, publication: bool, noted: bool = True
    ) -> None:
        """What user_faces says of an upload; no shard: it is not accepted."""
        body = {
            "fingerprint": fingerprint(upload, shard, publication),
            "upload_id": upload,
            "accepted": shard is not None,
            "publication": publication,
            "shards": [shard.as_dict()] if shard else [],
        }
        number = ManifestLog(self.store, layout.log(layout.user(upload))).append(body).number
        if noted:
            note_verdict(self.store, upload, number)

    def version(self) -> Version:
        """Take in what is new."""
        update_dataset(self.store)
        return read_version(self.store)

    def shard_of(self, upload: str) -> ShardEntry:
        (found,) = (
            one.shard for one in read_version(self.store).members if one.upload_id == upload
        )
        return found

    def pieces(self, upload: str) -> list[bytes]:
        """Bytes of each face of an upload as they stand in its shard, and in nobody else's."""
        shard = self.store.get(self.shard_of(upload).key)
        found = []
        for face in read_shard(shard):
            middle = len(face.image) // 2  # beyond the headers, which all pictures share
            parts = (face.image[at : at + 16] for at in range(middle, len(face.image)))
            found.append(next(part for part in parts if part in shard))
        return found

    def release(self) -> Manifest:
        """A release of an untrained model of everybody who is in."""
        version = self.version()
        labels = {person.identity_id: person.label for person in version.identities}
        uploads = [member.upload_id for member in version.members]
        with tempfile.TemporaryDirectory() as folder:
            processor = image_processor(SMALL_BACKBONE)
            net = TwinNet(load_backbone(SMALL_BACKBONE, labels)[0], Preprocessing.of(processor))
            net.export(Path(folder), 16.0, processor)
            files = put_model(self.store, Path(folder))
        model = ManifestLog(self.store, layout.log(layout.MODELS)).append(
            {
                "fingerprint": fingerprint(json.dumps(files)),
                "files": files,
                "dataset": version.number,
                "uploads": uploads,
                "plan": {"backbone": SMALL_BACKBONE},
            }
        )
        return ManifestLog(self.store, layout.log(layout.RELEASES)).append(
            {
                "fingerprint": fingerprint(model.fingerprint),
                "dataset": version.number,
                "model": model.number,
                "files": files,
                "identities": [asdict(person) for person in version.identities],
                "uploads": uploads,
                "imprinted": [],
                "figures": {"resnet": HELD_OUT},
            }
        )
