"""A bucket with everything in it, made in a second: real records and files, pixels of noise.

Every record is made by the constructor that production uses, so that none can lack a field.
"""

from __future__ import annotations

import copy
import hashlib
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from twin_matcher_dagster.dataset.cached_vectors import read_with_vectors
from twin_matcher_dagster.dataset.identity import celebrity_id, is_celebrity
from twin_matcher_dagster.dataset.portrait_file import PORTRAITS_SUFFIX, Portrait, write_portraits
from twin_matcher_dagster.dataset.schema import Face, Split, read_shard
from twin_matcher_dagster.dataset.shards import put_faces
from twin_matcher_dagster.dataset.versions import (
    Version,
    note_verdict,
    read_version,
    update_dataset,
)
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.media.images import encode_jpeg
from twin_matcher_dagster.recognition.fusion import Fusion
from twin_matcher_dagster.recognition.gallery import COMPONENTS, Gallery
from twin_matcher_dagster.recognition.likeness import LikenessSpace, make_space
from twin_matcher_dagster.recognition.likeness_metric import fit_metric
from twin_matcher_dagster.recognition.network import TwinNet
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import SMALL_BACKBONE
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.files import put_file, put_model
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.logs import (
    balanced_versions,
    indexes,
    models,
    pairings,
    raw_versions,
    releases,
    verdicts,
)
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.celebrities import BalancedVersion, RawVersion
from twin_matcher_dagster.storage.records.index import (
    HeldOutAnswer,
    Index,
    Scorers,
    encode_answers,
)
from twin_matcher_dagster.storage.records.parts import ShardEntry, people_in, person_of, user_id
from twin_matcher_dagster.storage.records.release import Against, Release
from twin_matcher_dagster.storage.records.training import Model
from twin_matcher_dagster.storage.records.twins import TwinPairs, Visitor
from twin_matcher_dagster.storage.records.uploads import Reviewed, State, Verdict
from twin_matcher_dagster.training.backbone import image_processor, load_backbone
from twin_matcher_dagster.training.plan import TrainingPlan
from twin_matcher_dagster.twins.agreement import agreeing
from twin_matcher_dagster.twins.pairing import LEAST_LIKENESS
from twin_matcher_dagster.uploads.arrivals import settle
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.flagged import note_flag
from twin_matcher_dagster.uploads.submission import submit
from twin_matcher_dagster_tests.records import FIGURES, STRANGERS

RECOGNISER = "bundled"
CODE = "ABCDE-FGHJK-MNPQR-STVWX"


def contents(store: ObjectStore) -> dict[str, bytes]:
    """All objects of a bucket."""
    return {key: store.get(key) for key in store.list("")}


class Kit:
    """What the assets leave in a bucket.

    Args:
        store: an empty bucket.
        seed: of the noise that all pictures are.
    """

    def __init__(self, store: ObjectStore, seed: int = 0) -> None:
        self.store = store
        self._random = np.random.default_rng(seed)

    def copied(self, store: ObjectStore) -> Kit:
        """All that is in the bucket in an empty one too; what is made in it next is new as well."""
        for key, body in self.store.everything():
            store.put_new(key, body)
        made = Kit(store)
        made._random = copy.deepcopy(self._random)
        return made

    def pictures(self, count: int) -> list[np.ndarray]:
        """Crops of noise: no two are alike."""
        small = self._random.integers(0, 255, (count, 20, 20, 3), np.uint8)
        return list(small.repeat(8, 1).repeat(8, 2))

    def encoded(self, count: int) -> list[bytes]:
        """JPEGs of noise."""
        return [encode_jpeg(one, 80) for one in self.pictures(count)]

    def faces(
        self, who: str, split: Split = "train", count: int = 3, label: str = ""
    ) -> list[Face]:
        """Faces of one identity, a celebrity or, by its id, an upload."""
        celebrity = is_celebrity(who)
        return [
            Face(
                image=one,
                label=label or f"Name of {who}",
                identity_id=who,
                kind="celebrity" if celebrity else "user",
                upload_id="" if celebrity else who.removeprefix("u-"),
                split=split,
            )
            for one in self.encoded(count)
        ]

    def celebrities(
        self, *labels: str, faces: int = 3, splits: Sequence[Split] = ("train", "test")
    ) -> Manifest[BalancedVersion]:
        """Another version of the balanced celebrities, a shard a split; two people by default."""
        names = labels or ("Ana Aranda", "Bo Berg")
        shards = tuple(
            put_faces(
                self.store,
                layout.BALANCED,
                [
                    face
                    for name in names
                    for face in self.faces(celebrity_id(name), split, faces, name)
                ],
            )
            for split in splits
        )
        marks = [shard.sha256 for shard in shards]
        raw = raw_versions(self.store).commit(
            RawVersion(
                fingerprint=fingerprint("raw", *marks),
                source="sample",
                people={},
                rows=0,
                shards=(),
            )
        )
        return balanced_versions(self.store).commit(
            BalancedVersion(
                fingerprint=fingerprint(*marks),
                raw=raw.number,
                table="",
                images=Counter(one.identity_id for one in people_in(shards)),
                rows=sum(shard.rows for shard in shards),
                templates={},
                people={},
                shards=shards,
                uncleaned=(),
                min_faces=1,
                too_few={},
            )
        )

    def upload(
        self, *, publication: bool = False, name: str = "Zoë Ödegård", twin: bool = False
    ) -> str:
        """An upload as the page leaves it, not judged yet; its id."""
        consent = Consent.now(publication=publication, long_lost_twin=twin)
        return submit(self.store, self.pictures(3), name, consent, erasure_code=CODE)

    def judge(
        self,
        upload_id: str,
        *,
        state: State = "accepted",
        flags: tuple[str, ...] = (),
        reasons: tuple[str, ...] = (),
        resembles: tuple[str, ...] = (),
        rows: int = 3,
        label: str = "",
        publication: bool = False,
        another_of: str = "",
        review: Reviewed | None = None,
        noted: bool = True,
    ) -> Manifest[Verdict]:
        """The verdict on an upload, noted for the data set; on another clip of a person's first."""
        who = user_id(upload_id)
        faces = self.faces(who, count=rows, label=label)
        accepted = state == "accepted"
        shard = put_faces(self.store, layout.user(upload_id), faces) if accepted else None
        person = person_of(another_of or upload_id)
        return self._verdict(
            Verdict(
                fingerprint=fingerprint(
                    state, publication, *flags, *reasons, shard, person, review
                ),
                upload_id=upload_id,
                person=person,
                state=state,
                publication=publication,
                reasons=reasons,
                flags=flags,
                resembles=resembles,
                hints=(),
                review=review or Reviewed(),
                template=None,
                shard=shard,
            ),
            noted=noted,
        )

    def withdraw_consent(self, upload_id: str) -> Manifest[Verdict]:
        """The same verdict on an upload, which may not be published any more."""
        before = verdicts(self.store, upload_id).existing_head().record
        changed = fingerprint(before.fingerprint, "not published")
        return self._verdict(replace(before, publication=False, fingerprint=changed), noted=True)

    def _verdict(self, record: Verdict, *, noted: bool) -> Manifest[Verdict]:
        verdict = verdicts(self.store, record.upload_id).append(record)
        if noted:
            note_flag(self.store, record)
            note_verdict(self.store, record.upload_id, verdict.number)
            settle(self.store, record.upload_id)
        return verdict

    def visitor(self, name: str, *, twin: bool = True) -> str:
        """Somebody who is accepted, and by default wants to be told of a long-lost twin; the id."""
        upload_id = self.upload(name=name, twin=twin)
        self.judge(upload_id, label=name)
        return upload_id

    def pairs(self, *both: str, likeness: float = 0.995) -> Manifest[TwinPairs]:
        """The pairs of the newest release, in which two visitors, or none, are alike."""
        release = self.production()
        visitors = {
            who: Visitor(
                release.number, shard, agreeing(self.store, who) is not None, compared=True
            )
            for who, shard in release.record.shards.items()
        }
        for who, twin in (both, both[::-1]) if both else ():
            visitors[who] = replace(visitors[who], twin=twin, likeness=likeness)
        return pairings(self.store).commit(
            TwinPairs(
                fingerprint=TwinPairs.mark(release.number, visitors),
                release=release.number,
                space="noise",
                limit=LEAST_LIKENESS,
                visitors=visitors,
            )
        )

    def another_clip(self, first: str, *, publication: bool = False) -> str:
        """A second upload by somebody who is in, and the data set with it; its id."""
        upload_id = self.upload(publication=publication)
        self.judge(upload_id, publication=publication, another_of=first)
        update_dataset(self.store)
        return upload_id

    def user(self, name: str, *, publication: bool, noted: bool = True) -> str:
        """An accepted upload of 25 faces, which the data set has not looked at yet; its id."""
        upload_id = self.upload(publication=publication, name=name)
        self.judge(upload_id, rows=25, label=name, publication=publication, noted=noted)
        return upload_id

    def member(self) -> str:
        """An upload that was accepted, and the data set with it; its id."""
        upload_id = self.upload()
        self.judge(upload_id)
        update_dataset(self.store)
        return upload_id

    def version(self) -> Version:
        """The newest version of the data set, with all that is new."""
        update_dataset(self.store)
        return read_version(self.store)

    def shard_of(self, upload_id: str) -> ShardEntry:
        """The shard of an upload that is in."""
        members = read_version(self.store).members
        (found,) = (one.shard for one in members if one.upload_id == upload_id)
        return found

    def pieces(self, upload_id: str) -> list[bytes]:
        """Bytes of each face of an upload as they stand in its shard, and in nobody else's."""
        shard = self.store.get(self.shard_of(upload_id).key)
        found = []
        for face in read_shard(shard):
            middle = len(face.image) // 2  # beyond the headers, which all pictures share
            parts = (face.image[at : at + 16] for at in range(middle, len(face.image)))
            found.append(next(part for part in parts if part in shard))
        return found

    def train(self, *, real: bool = False) -> Manifest[Model]:
        """A model of the newest data set: its weights are noise, or an untrained network's."""
        dataset = read_version(self.store)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            if real:
                labels = {one.identity_id: one.label for one in dataset.identities}
                processor = image_processor(SMALL_BACKBONE)
                model = load_backbone(SMALL_BACKBONE, labels)[0]
                TwinNet(model, Preprocessing.of(processor)).export(folder, 16.0, processor)
            else:
                (folder / "model.safetensors").write_bytes(self._random.bytes(64))
            files = put_model(self.store, folder)
        return models(self.store).commit(
            Model(
                fingerprint=fingerprint(dataset.fingerprint, *(file.sha256 for file in files)),
                files=files,
                dataset=dataset.number,
                celebrities=dataset.record.balanced.fingerprint,
                trained_at=datetime.now(timezone.utc),
                uploads=dataset.upload_ids,
                plan=asdict(TrainingPlan()),
                backbone=SMALL_BACKBONE,
                ancestor=None,
                curve=(),
                newcomers=None,
                environment={"torch": "2.13.0"},
            )
        )

    def index(self, model: Manifest[Model]) -> Manifest[Index]:
        """The index of a model: whoever came since is imprinted, rows are noise."""
        dataset = read_version(self.store)
        faces: list[Face] = []
        vectors: list[np.ndarray] = []
        for shard in dataset.shards:
            rows, told = read_with_vectors(self.store, shard, RECOGNISER)
            faces += rows
            vectors += list(told)
        people = [person.identity_id for person in dataset.identities]
        owners = np.array([people.index(face.identity_id) for face in faces])
        gallery = Gallery(
            people,
            self._random.normal(size=(len(people), 8)).astype(np.float32),
            np.stack([template_of(np.stack(vectors)[owners == n]) for n in range(len(people))]),
            Fusion((1.0, 2.0), -1.0, COMPONENTS),
        )
        answers = {
            hashlib.sha256(face.image).hexdigest(): HeldOutAnswer(face.identity_id, True, True)
            for face in faces
            if face.split == "test"
        }
        shown = {
            who: [Portrait(face.image) for face in faces[::2] if face.identity_id == who]
            for who in people
        }
        files = (
            put_file(self.store, layout.INDEXES, gallery.to_bytes(), ".safetensors"),
            put_file(self.store, layout.INDEXES, write_portraits(shown), PORTRAITS_SUFFIX),
            put_file(self.store, layout.INDEXES, encode_answers(answers), ".json"),
            put_file(self.store, layout.INDEXES, self._space(people).to_bytes(), ".safetensors"),
        )
        basis = fingerprint(model.fingerprint, RECOGNISER)
        learnt = model.record.uploads
        return indexes(self.store).commit(
            Index(
                fingerprint=fingerprint(basis, *files),
                basis=basis,
                model=model.number,
                model_fingerprint=model.fingerprint,
                recogniser=RECOGNISER,
                dataset=dataset.number,
                rows=len(people),
                uploads=dataset.upload_ids,
                shards={one.upload_id: one.shard.sha256 for one in dataset.members},
                imprinted=tuple(user_id(one) for one in dataset.upload_ids if one not in learnt),
                imprinted_found=None,
                index=files[0],
                portraits=files[1],
                answers=files[2],
                likeness=files[3],
                identity_limit=4.0,
                strangers=STRANGERS,
                figures=Scorers(resnet=FIGURES, recogniser=FIGURES, fused=FIGURES),
                as_they_came=None,
                other_clips=None,
                fusion=gallery.fusion.as_dict(),
                unjudged=(),
            )
        )

    def _space(self, people: Sequence[str]) -> LikenessSpace:
        """A likeness space of noise."""
        cohort, places = (self._random.normal(size=(n, 8)) for n in (50, len(people)))
        metric = fit_metric(cohort)
        return make_space(metric, dict(zip(people, metric.place(places), strict=True)), cohort)

    def release(self, model: Manifest[Model] | None = None) -> Manifest[Release]:
        """Index and release of the newest data set and a model; by default of one that knows it."""
        dataset = read_version(self.store)
        model = model or self.train()
        record = Release.of(
            dataset.manifest,
            model,
            self.index(model),
            dataset.identities,
            dataset.people,
            Against(nothing="there is no release to compare with"),
        )
        made = releases(self.store).commit(record)
        return Manifest(made.number, made.key, record)

    def production(self) -> Manifest[Release]:
        """The newest release, which was not withdrawn."""
        head = releases(self.store).existing_head()
        assert isinstance(head.record, Release)
        return Manifest(head.number, head.key, head.record)
