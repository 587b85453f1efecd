"""Visitors of a running installation: who they are, and that they hand in whatever breaks."""

from __future__ import annotations

import functools
import hashlib
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from twin_matcher_dagster.erasure.request import erase_with_code
from twin_matcher_dagster.errors import CodeError, ErasureError, ObjectExistsError, StorageError
from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.media.images import encode_png, read_image
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.arrivals import announce
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.erasure_code import erasure_hash, new_erasure_code
from twin_matcher_dagster.uploads.manifest import UploadManifest, put_manifest
from twin_matcher_dagster.uploads.submission import new_upload_id, submit
from twin_matcher_dagster_tests.people import CELEBRITIES, read_raw_sample

POISONS = ("unreadable", "truncated", "missing")
"""What can be wrong with the stored crops of an upload whose manifest is in order."""

_AGAIN_SECONDS = 2.0


@dataclass
class Visitor:
    """One clip, and who hands it in.

    Attributes:
        name: that it comes with.
        crops: PNG bytes of faces of 160 x 160.
        poison: of ``POISONS``; empty for a good upload.
        upload_id, code: of the upload, from when it is begun, and to erase it.
        committed: when the upload was committed, seconds since 1970; None before.
        erased: whether its owner was told that it is erased.
    """

    name: str
    crops: Sequence[bytes]
    poison: str = ""
    upload_id: str = ""
    code: str = field(default_factory=new_erasure_code)
    committed: float | None = None
    erased: bool = False

    def hand_in(self, store: ObjectStore) -> None:
        """Send until the store has said that it is there, as the page lets a visitor do."""
        self.upload_id = new_upload_id()
        _until_answered(self._spoiled if self.poison else self._sent, store)
        self.committed = time.time()

    def _sent(self, store: ObjectStore) -> None:
        faces = [read_image(crop) for crop in self.crops]
        submit(store, faces, self.name, Consent.now(), self.upload_id, self.code)

    def _spoiled(self, store: ObjectStore) -> None:
        """What no page sends: digests of bytes that are no pictures, or are not there."""
        broken = {"unreadable": b"no picture" * 99, "truncated": self.crops[0][:2000]}
        bodies = [broken.get(self.poison, self.crops[0]), *self.crops[1:]]
        if self.poison != "missing":
            bodies = bodies[:1] * len(bodies)
        for index, body in enumerate(bodies):
            if index or self.poison != "missing":
                store.put_same(layout.face(self.upload_id, index), body, "image/png")
        manifest = UploadManifest(
            upload_id=self.upload_id,
            name=self.name,
            faces=tuple(hashlib.sha256(body).hexdigest() for body in bodies),
            consent_version=Consent.now().version,
            consent_given_at=Consent.now().given_at,
            erasure_hash=erasure_hash(self.upload_id, self.code),
        )
        announce(store, self.upload_id)
        with suppress(ObjectExistsError):  # of an earlier try, a moment ago
            put_manifest(store, manifest)

    def erase(self, store: ObjectStore) -> None:
        """Take it out again, with the code, as often as it takes."""

        def erase(store: ObjectStore) -> None:
            erase_with_code(store, self.upload_id, self.code, timedelta(days=30))

        _until_answered(erase, store)
        self.erased = True

    def pieces(self) -> list[bytes]:
        """Bytes from the middle of each crop, as they stand wherever the crop is stored."""
        return [crop[len(crop) // 2 :][:48] for crop in self.crops]


def _until_answered(send: Callable[[ObjectStore], None], store: ObjectStore) -> None:
    while True:
        try:
            send(store)
            return
        # An erasure that another one cut short says so in words of its own.
        except (StorageError, ErasureError, CodeError):
            time.sleep(_AGAIN_SECONDS)


def crowd(count: int, seed: int, poisoned: int = 0, impostors: int = 0) -> list[Visitor]:
    """Visitors in a seeded order: twenty people, who come again and again once all have come.

    Args:
        count: how many.
        seed: of the order.
        poisoned: so many of them send what is no picture of theirs.
        impostors: so many others send the faces of somebody else of them, under their own name.
    """
    draw = random.Random(seed)  # noqa: S311
    clips = [(f"{name} {seed}", crops) for crops_of in _clips() for name, crops in crops_of.items()]
    found = [clips[number % len(clips)] for number in range(count)]
    visitors = [Visitor(name, crops) for name, crops in found]
    draw.shuffle(visitors)
    odd = draw.sample(visitors, poisoned + impostors)
    for number, one in enumerate(odd[:poisoned]):
        one.poison = POISONS[number % len(POISONS)]
    for number, one in enumerate(odd[poisoned:]):
        one.name = f"Impostor {number} {seed}"
    return visitors


@functools.cache
def _clips() -> Sequence[dict[str, Sequence[bytes]]]:
    """Rounds of clips: in each everybody who still has faces that were not taken."""
    by_name: dict[str, list[bytes]] = {}
    for row in read_raw_sample():
        by_name.setdefault(row.label, []).append(row.image)
    people = sorted(by_name)[CELEBRITIES:]
    faces = {name: [encode_png(read_image(one)) for one in by_name[name]] for name in people}
    size = MIN_FACES + 1
    rounds = range(max(map(len, faces.values())) // size)
    return [
        {
            name: faces[name][number * size : (number + 1) * size]
            for name in people
            if len(faces[name]) >= (number + 1) * size
        }
        for number in rounds
    ]
