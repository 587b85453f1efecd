"""A new person is found without a training; a worse model is not released; and back again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import dagster as dg
import numpy as np
import pytest

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.dataset.schema import SPLITS
from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.training.assets import TrainingConfig
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.release.rollback import roll_back
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.settings import SAMPLE, Settings
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.files import put_file
from twin_matcher_dagster.storage.logs import indexes, models, releases
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.index import Index
from twin_matcher_dagster.storage.records.parts import FileEntry, user_id
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster.storage.records.training import Model
from twin_matcher_dagster.storage.tombstones import put_tombstone
from twin_matcher_dagster.training.backbone import identity_of
from twin_matcher_dagster.training.policy import RetrainingPolicy, training_due
from twin_matcher_dagster.training.start import ancestor_of
from twin_matcher_dagster_tests.conftest import new_bucket
from twin_matcher_dagster_tests.graph import materialize, upload_story
from twin_matcher_dagster_tests.kit import Kit, contents

KEIKO = Story("Keiko", SAMPLE / "clips" / "keiko_1.mp4", SAMPLE / "photos" / "keiko.jpg")
AFTER_THE_DATA_SET = [keys.RETRAINING, keys.FACE_INDEX, keys.PRODUCTION_RELEASE]


@dataclass(frozen=True)
class OnePersonMore:
    """A release, and then one person more: what there was before and after."""

    store: ObjectStore
    instance: dg.DagsterInstance
    upload_id: str
    before: Manifest[Release]
    after: Manifest[Release]

    @property
    def index(self) -> Manifest[Index]:
        """The newest one."""
        return indexes(self.store).existing_head()

    @property
    def model(self) -> Manifest[Model]:
        """The newest one."""
        return models(self.store).existing_head()

    @property
    def release(self) -> Manifest[Release]:
        """The newest one."""
        return release_in(self.store)

    def shown(self, asset: str) -> dict[str, object]:
        """What the last materialization of an asset shows."""
        event = self.instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert event is not None
        assert event.asset_materialization is not None
        return {k: v.value for k, v in event.asset_materialization.metadata.items()}


def release_in(store: ObjectStore) -> Manifest[Release]:
    head = releases(store).existing_head()
    assert isinstance(head.record, Release)
    return Manifest(head.number, head.key, head.record)


@pytest.fixture(scope="module")
def grown(_aws: None, released: ObjectStore) -> Iterator[OnePersonMore]:
    """A bucket and what Dagster noted of it, which tests only read."""
    with pytest.MonkeyPatch.context() as patch:
        store = new_bucket(patch)
        for key, data in contents(released).items():
            store.put_new(key, data)
        instance = dg.DagsterInstance.ephemeral()
        before = release_in(store)
        upload_id = upload_story(store, KEIKO)
        instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [*before.record.uploads, upload_id])
        assert materialize(instance, [keys.USER_FACES], partition_key=upload_id).success
        assert materialize(instance, [keys.TWIN_DATASET, *AFTER_THE_DATA_SET]).success
        yield OnePersonMore(store, instance, upload_id, before, release_in(store))


@pytest.fixture
def copy(grown: OnePersonMore, store: ObjectStore) -> OnePersonMore:
    """The same in a bucket of its own, which a test may change and the environment names."""
    for key, data in contents(grown.store).items():
        store.put_new(key, data)
    return replace(grown, store=store, instance=dg.DagsterInstance.ephemeral())


def index_of(grown: OnePersonMore, release: Manifest[Release]) -> Gallery:
    return Gallery.from_bytes(grown.store.get(release.record.index))


def test_a_new_person_is_found_without_a_training(grown: OnePersonMore) -> None:
    assert grown.after.record.model == grown.before.record.model == 1
    assert grown.after.record.imprinted == (user_id(grown.upload_id),)
    answer = Production(grown.store).finder().find(read_image(KEIKO.photo))
    assert answer.identity
    assert answer.identity.identity_id == user_id(grown.upload_id)
    assert answer.identity.portraits


def test_nobody_else_is_touched_by_a_new_person(grown: OnePersonMore) -> None:
    before, after = index_of(grown, grown.before), index_of(grown, grown.after)
    assert set(after.identities) - set(before.identities) == {user_id(grown.upload_id)}
    same = after.of(before.identities)
    assert np.array_equal(same.rows, before.rows)
    assert np.array_equal(same.templates, before.templates)
    assert same.fusion == before.fusion
    # What was measured is of the model, and is not measured again.
    assert grown.after.record.figures == grown.before.record.figures
    assert grown.after.record.answers == grown.before.record.answers


def test_each_network_is_measured_alone_and_both_together(grown: OnePersonMore) -> None:
    figures = grown.after.record.figures
    assert figures
    faces = {one.faces for one in (figures.resnet, figures.recogniser, figures.fused)}
    assert len(faces) == 1
    assert faces.pop() == len(json.loads(grown.store.get(grown.after.record.answers)))
    # The recogniser knows these rendered people; five epochs teach little.
    assert figures.fused.rank1 >= figures.recogniser.rank1 - 0.05
    assert figures.fused.calibration_error is not None
    assert figures.fused.calibration_error < 0.5


def test_the_operator_sees_the_pictures_and_the_policy(grown: OnePersonMore) -> None:
    index = grown.shown(keys.FACE_INDEX)
    assert index["imprinted, until the next training"] == 1
    assert float(str(index["weight of the resnet (%)"])) >= 0
    policy = grown.shown(keys.RETRAINING)
    assert policy["new faces"].startswith(str(new_faces(grown)))  # ty: ignore[missing-attribute]
    assert "17% of the identities are new" in str(policy["due"])  # one of six


def new_faces(grown: OnePersonMore) -> int:
    members = {one.upload_id: one for one in read_version(grown.store).members}
    return members[grown.upload_id].shard.rows


def test_whoever_has_other_faces_by_now_is_enrolled_anew(copy: OnePersonMore) -> None:
    """As after a second look at an upload, which left some of its crops out."""
    index, who = copy.index, user_id(copy.upload_id)
    gallery = Gallery.from_bytes(copy.store.get(index.record.index))
    place = gallery.identities.index(who)
    rows, templates = gallery.rows.copy(), gallery.templates.copy()
    rows[place], templates[place] = -rows[place], -templates[place]
    stale = put_file(
        copy.store,
        layout.INDEXES,
        replace(gallery, rows=rows, templates=templates).to_bytes(),
        ".safetensors",
    )
    other = {copy.upload_id: "another"}
    indexes(copy.store).append(
        replace(index.record, index=stale, shards=other, fingerprint="stale")
    )
    assert materialize(copy.instance, [keys.FACE_INDEX]).success
    again = Gallery.from_bytes(copy.store.get(copy.index.record.index))
    assert np.allclose(again.rows, gallery.rows, atol=1e-5)
    assert np.allclose(again.templates, gallery.templates, atol=1e-5)


@pytest.fixture
def challenger(copy: OnePersonMore) -> Manifest[Model]:
    """A newer model, whose network takes everybody for somebody else."""
    model = copy.model
    files = list(model.record.files)
    place = next(n for n, file in enumerate(files) if file.name == "config.json")
    config = json.loads(copy.store.get(files[place].key))
    names = list(config["id2label"].values())
    config["id2label"] = dict(zip(config["id2label"], [*names[1:], names[0]], strict=True))
    config["label2id"] = {name: int(n) for n, name in config["id2label"].items()}
    data = json.dumps(config).encode()
    files[place] = FileEntry(
        "config.json",
        put_file(copy.store, layout.MODELS, data, ".json"),
        hashlib.sha256(data).hexdigest(),
        len(data),
    )
    worse = replace(model.record, files=tuple(files), fingerprint="worse")
    return models(copy.store).append(worse)


def test_a_worse_model_gives_way_until_a_person_overrules(
    copy: OnePersonMore, challenger: Manifest[Model]
) -> None:
    champion = copy.release
    result = materialize(copy.instance, [keys.FACE_INDEX, keys.PRODUCTION_RELEASE])
    assert result.success
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    refusal = checks["not_worse_than_the_release"]
    # Nothing is broken: the release goes on.
    assert (refusal.passed, refusal.severity) == (False, dg.AssetCheckSeverity.WARN)
    # The recogniser finds them all the same: the network alone shows what it is worth.
    assert f"worse than release {champion.number}: rank-1 +0.0" in str(refusal.description)

    # The one in production is the newest again: whoever comes is enrolled, and it is trained on.
    newest = copy.model
    assert newest.fingerprint == champion.record.model_fingerprint
    assert copy.index.record.model_fingerprint == newest.fingerprint
    assert copy.release.record.model_fingerprint == newest.fingerprint
    found = training_due(copy.store, RetrainingPolicy(10_000, 0.1, 30, 0.0))
    assert found.reasons == []
    assert "was worse" in found.figures["refused"]
    index = copy.index
    assert materialize(copy.instance, [keys.FACE_INDEX, keys.PRODUCTION_RELEASE]).success
    assert copy.index.number == index.number  # nothing is new

    # A person wants it all the same, though the newest index is of the other one by now.
    config = {"ops": {keys.PRODUCTION_RELEASE: {"config": {"override": "looked at it"}}}}
    assert materialize(copy.instance, [keys.PRODUCTION_RELEASE], run_config=config).success
    release = copy.release.record
    assert release.override == "looked at it"
    assert release.against.worse
    assert release.model_fingerprint == challenger.fingerprint
    newest = copy.model
    assert (newest.fingerprint, newest.record.refused) == (challenger.fingerprint, None)
    # And it stays: the next index is of it, with whoever came meanwhile.
    assert materialize(copy.instance, [keys.FACE_INDEX, keys.PRODUCTION_RELEASE]).success
    assert copy.index.record.model_fingerprint == challenger.fingerprint
    assert copy.release.record.model_fingerprint == challenger.fingerprint


def test_other_celebrities_wait_for_another_model(copy: OnePersonMore) -> None:
    """What is held out by now may be what the model learnt: nothing is measured with it."""
    others = replace(copy.model.record, celebrities="others", fingerprint="of others")
    models(copy.store).append(others)
    index = copy.index.number
    result = materialize(copy.instance, [keys.FACE_INDEX])
    assert result.success
    assert not result.asset_materializations_for_node(keys.FACE_INDEX)
    assert copy.index.number == index
    assert "the celebrities are others" in training_due(copy.store, RetrainingPolicy()).reasons
    # And the next one begins anew.
    newest = copy.model
    plan = TrainingConfig().plan(Settings())
    version = read_version(copy.store)
    backbone = newest.record.backbone
    assert backbone == identity_of(plan.backbone)
    assert ancestor_of(copy.store, plan, backbone, version) is None
    ours = version.record.balanced.fingerprint
    models(copy.store).append(replace(newest.record, celebrities=ours))
    assert ancestor_of(copy.store, plan, backbone, version) is not None
    # So it does when another backbone ships under the same name.
    assert ancestor_of(copy.store, plan, "bundled 0123456789ab", version) is None


def test_what_did_not_learn_is_not_kept(store: ObjectStore) -> None:
    """Pictures of noise, and steps of nothing."""
    kit = Kit(store)
    kit.celebrities(faces=12, splits=SPLITS)
    kit.version()
    before = kit.train().number
    config = {"backbone": "small", "epochs": 1, "learning_rate": 1e-9, "from_scratch": True}
    run = materialize(
        dg.DagsterInstance.ephemeral(),
        [keys.TWIN_MODEL],
        run_config={"ops": {keys.TWIN_MODEL: {"config": config}}},
    )
    assert not run.success
    (failure,) = [event for event in run.all_events if event.is_step_failure]
    assert "It did not learn, and is not kept" in str(failure.step_failure_data)
    assert models(store).existing_head().number == before


def test_back_to_an_earlier_release(copy: OnePersonMore) -> None:
    number = roll_back(copy.store, copy.before.number).number
    again = copy.release
    assert again.number == number > copy.after.number
    assert again.record.rolled_back_to == copy.before.number
    assert again.record.index == copy.before.record.index
    model = copy.model
    assert model.fingerprint == copy.before.record.model_fingerprint
    found = Production(copy.store).finder().find(read_image(KEIKO.photo), top=99)
    assert found.identity is None
    assert user_id(copy.upload_id) not in {twin.identity_id for twin in found.twins}


def test_an_index_of_somebody_who_was_erased_waits_for_the_next(copy: OnePersonMore) -> None:
    """It is no failure: whoever erases does not have to look into red runs."""
    put_tombstone(copy.store, copy.upload_id, timedelta(days=1), "")
    assert copy.upload_id in copy.index.record.uploads
    newest = copy.release.number
    result = materialize(copy.instance, [keys.PRODUCTION_RELEASE])
    assert result.success
    assert not result.asset_materializations_for_node(keys.PRODUCTION_RELEASE)
    assert copy.release.number == newest
