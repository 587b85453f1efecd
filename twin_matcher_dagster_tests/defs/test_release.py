"""A new person is found without a training; a worse model is not released; and back again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.training.assets import TrainingConfig
from twin_matcher_dagster.errors import ErasureError, NoReleaseError
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.release.rollback import roll_back
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.settings import SAMPLE, Settings
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.files import put_file
from twin_matcher_dagster.storage.manifest_log import Manifest, ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.storage.tombstones import put_tombstone
from twin_matcher_dagster.training.backbone import identity_of
from twin_matcher_dagster.training.policy import RetrainingPolicy, training_due
from twin_matcher_dagster.training.start import ancestor_of
from twin_matcher_dagster_tests.conftest import new_bucket
from twin_matcher_dagster_tests.graph import materialize, run_graph, upload_story

KEIKO = Story("Keiko", SAMPLE / "clips" / "keiko_1.mp4", SAMPLE / "photos" / "keiko.jpg")
AFTER_THE_DATA_SET = [keys.RETRAINING, keys.FACE_INDEX, keys.PRODUCTION_RELEASE]


@dataclass(frozen=True)
class World:
    """A release, and then one person more: what there was before and after."""

    store: ObjectStore
    instance: dg.DagsterInstance
    upload_id: str
    before: Manifest
    after: Manifest

    def head(self, folder: str) -> Manifest:
        head = ManifestLog(self.store, layout.log(folder)).head()
        assert head is not None
        return head

    def shown(self, asset: str) -> dict[str, object]:
        """What the last materialization of an asset shows."""
        event = self.instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert event is not None
        assert event.asset_materialization is not None
        return {k: v.value for k, v in event.asset_materialization.metadata.items()}


@pytest.fixture(scope="module")
def world(_aws: None, small_source: Path) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        store = new_bucket(patch)
        patch.setenv("RAW_FACES", str(small_source))
        patch.setenv("EPOCHS", "3")
        instance = dg.DagsterInstance.ephemeral()
        assert run_graph([], instance).success
        before = ManifestLog(store, layout.log(layout.RELEASES)).head()
        upload_id = upload_story(store, KEIKO)
        instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [upload_id])
        assert materialize(instance, [keys.USER_FACES], partition_key=upload_id).success
        assert materialize(instance, [keys.TWIN_DATASET, *AFTER_THE_DATA_SET]).success
        after = ManifestLog(store, layout.log(layout.RELEASES)).head()
        assert before is not None
        assert after is not None
        yield World(store, instance, upload_id, before, after)


def index_of(world: World, release: Manifest) -> Gallery:
    return Gallery.from_bytes(world.store.get(release.body["index"]))


def test_a_new_person_is_found_without_a_training(world: World) -> None:
    assert world.after.body["model"] == world.before.body["model"] == 1
    assert world.after.body["imprinted"] == [user_id(world.upload_id)]
    answer = Production(world.store).finder().find(read_image(KEIKO.photo))
    assert answer.twins[0].identity_id == user_id(world.upload_id)
    assert answer.twins[0].portraits


def test_nobody_else_is_touched_by_a_new_person(world: World) -> None:
    before, after = index_of(world, world.before), index_of(world, world.after)
    assert set(after.identities) - set(before.identities) == {user_id(world.upload_id)}
    same = after.of(before.identities)
    assert np.array_equal(same.rows, before.rows)
    assert np.array_equal(same.templates, before.templates)
    assert same.fusion == before.fusion
    # What was measured is of the model, and is not measured again.
    assert world.after.body["figures"] == world.before.body["figures"]
    assert world.after.body["answers"] == world.before.body["answers"]


def test_each_network_is_measured_alone_and_both_together(world: World) -> None:
    figures = world.after.body["figures"]
    assert set(figures) == {"resnet", "recogniser", "fused"}
    faces = {one["faces"] for one in figures.values()}
    assert len(faces) == 1
    assert faces.pop() == len(json.loads(world.store.get(world.after.body["answers"])))
    # The recogniser knows these rendered people; five epochs teach little.
    assert figures["fused"]["rank1"] >= figures["recogniser"]["rank1"] - 0.05
    assert figures["fused"]["calibration_error"] < 0.5


def test_the_operator_sees_the_pictures_and_the_policy(world: World) -> None:
    index = world.shown(keys.FACE_INDEX)
    assert index["imprinted, until the next training"] == 1
    assert float(str(index["weight of the resnet"])) >= 0
    policy = world.shown(keys.RETRAINING)
    assert policy["new faces"].startswith(str(new_faces(world)))  # ty: ignore[missing-attribute]
    assert "20% of the identities are new" in str(policy["due"])


def new_faces(world: World) -> int:
    (member,) = read_version(world.store).members
    return member.shard.rows


def test_the_policy_has_every_reason(world: World) -> None:
    store, never = world.store, RetrainingPolicy(10_000, 1.0, 30, 0.0)
    assert training_due(store, never).reasons == []
    faces = new_faces(world)
    assert training_due(store, replace(never, new_faces=faces)).reasons == [f"{faces} new faces"]
    assert training_due(store, replace(never, new_faces=faces + 1)).reasons == []
    assert training_due(store, replace(never, new_share=0.2)).reasons == [
        "20% of the identities are new"
    ]
    (old,) = training_due(store, replace(never, days=0)).reasons
    assert old.endswith("somebody is new")
    (drift,) = training_due(store, replace(never, found=1.01)).reasons
    assert drift.endswith("of new faces fit")


def test_whoever_has_other_faces_by_now_is_enrolled_anew(world: World) -> None:
    """As after a second look at an upload, which left some of its crops out."""
    index, who = world.head(layout.INDEXES), user_id(world.upload_id)
    gallery = Gallery.from_bytes(world.store.get(index.body["index"]))
    place = gallery.identities.index(who)
    rows, templates = gallery.rows.copy(), gallery.templates.copy()
    rows[place], templates[place] = -rows[place], -templates[place]
    stale = put_file(
        world.store,
        layout.INDEXES,
        replace(gallery, rows=rows, templates=templates).to_bytes(),
        ".safetensors",
    )
    ManifestLog(world.store, layout.log(layout.INDEXES)).append(
        {
            **index.body,
            "index": stale,
            "shards": {world.upload_id: "another"},
            "fingerprint": "stale",
        }
    )
    assert materialize(world.instance, [keys.FACE_INDEX]).success
    again = Gallery.from_bytes(world.store.get(world.head(layout.INDEXES).body["index"]))
    assert np.allclose(again.rows, gallery.rows, atol=1e-5)
    assert np.allclose(again.templates, gallery.templates, atol=1e-5)


@pytest.fixture
def challenger(world: World) -> Manifest:
    """A newer model, whose network takes everybody for somebody else."""
    model = world.head(layout.MODELS)
    files = list(model.body["files"])
    place = next(n for n, file in enumerate(files) if file["name"] == "config.json")
    config = json.loads(world.store.get(files[place]["key"]))
    names = list(config["id2label"].values())
    config["id2label"] = dict(zip(config["id2label"], [*names[1:], names[0]], strict=True))
    config["label2id"] = {name: int(n) for n, name in config["id2label"].items()}
    data = json.dumps(config).encode()
    files[place] = {
        "name": "config.json",
        "key": put_file(world.store, layout.MODELS, data, ".json"),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    body = {**model.body, "files": files, "fingerprint": "worse"}
    return ManifestLog(world.store, layout.log(layout.MODELS)).append(body)


def test_a_worse_model_gives_way_until_a_person_overrules(
    world: World, challenger: Manifest
) -> None:
    champion = world.head(layout.RELEASES)
    result = materialize(world.instance, [keys.FACE_INDEX, keys.PRODUCTION_RELEASE])
    assert result.success
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    refusal = checks["not_worse_than_the_release"]
    assert not refusal.passed
    # The recogniser finds them all the same: the network alone shows what it is worth.
    assert f"worse than release {champion.number}: rank-1 +0.0" in str(refusal.description)

    # The one in production is the newest again: whoever comes is enrolled, and it is trained on.
    newest = world.head(layout.MODELS)
    assert newest.fingerprint == champion.body["model_fingerprint"]
    assert world.head(layout.INDEXES).body["model_fingerprint"] == newest.fingerprint
    assert world.head(layout.RELEASES).body["model_fingerprint"] == newest.fingerprint
    found = training_due(world.store, RetrainingPolicy(10_000, 0.1, 30, 0.0))
    assert found.reasons == []
    assert "was worse" in found.figures["refused"]
    index = world.head(layout.INDEXES)
    assert materialize(world.instance, [keys.FACE_INDEX, keys.PRODUCTION_RELEASE]).success
    assert world.head(layout.INDEXES).number == index.number  # nothing is new

    # A person wants it all the same, though the newest index is of the other one by now.
    config = {"ops": {keys.PRODUCTION_RELEASE: {"config": {"override": "looked at it"}}}}
    assert materialize(world.instance, [keys.PRODUCTION_RELEASE], run_config=config).success
    release = world.head(layout.RELEASES).body
    assert release["override"] == "looked at it"
    assert release["against"]["worse"]
    assert release["model_fingerprint"] == challenger.fingerprint
    newest = world.head(layout.MODELS)
    assert (newest.fingerprint, "refused" in newest.body) == (challenger.fingerprint, False)
    # And it stays: the next index is of it, with whoever came meanwhile.
    assert materialize(world.instance, [keys.FACE_INDEX, keys.PRODUCTION_RELEASE]).success
    assert world.head(layout.INDEXES).body["model_fingerprint"] == challenger.fingerprint
    assert world.head(layout.RELEASES).body["model_fingerprint"] == challenger.fingerprint


def test_other_celebrities_wait_for_another_model(world: World) -> None:
    """What is held out by now may be what the model learnt: nothing is measured with it."""
    models = ManifestLog(world.store, layout.log(layout.MODELS))
    models.append(
        {**world.head(layout.MODELS).body, "celebrities": "others", "fingerprint": "of others"}
    )
    index = world.head(layout.INDEXES).number
    result = materialize(world.instance, [keys.FACE_INDEX])
    assert result.success
    assert not result.asset_materializations_for_node(keys.FACE_INDEX)
    assert world.head(layout.INDEXES).number == index
    assert "the celebrities are others" in training_due(world.store, RetrainingPolicy()).reasons
    # And the next one begins anew.
    newest = models.head()
    assert newest is not None
    plan = TrainingConfig().plan(Settings())
    version = read_version(world.store)
    backbone = newest.body["backbone"]
    assert backbone == identity_of(plan.backbone)
    assert ancestor_of(world.store, plan, backbone, version) is None
    ours = version.body["balanced"]["fingerprint"]
    models.append({**newest.body, "celebrities": ours})
    assert ancestor_of(world.store, plan, backbone, version) is not None
    # So it does when another backbone ships under the same name.
    assert ancestor_of(world.store, plan, "bundled 0123456789ab", version) is None


def test_what_did_not_learn_is_not_kept(world: World) -> None:
    models = world.head(layout.MODELS).number
    config = {"backbone": "small", "epochs": 1, "learning_rate": 1e-9, "from_scratch": True}
    run = materialize(
        world.instance,
        [keys.TWIN_MODEL],
        run_config={"ops": {keys.TWIN_MODEL: {"config": config}}},
    )
    assert not run.success
    (failure,) = [event for event in run.all_events if event.is_step_failure]
    assert "It did not learn, and is not kept" in str(failure.step_failure_data)
    assert world.head(layout.MODELS).number == models


def test_back_to_an_earlier_release(world: World) -> None:
    again = roll_back(world.store, world.before.number)
    assert again.number == world.head(layout.RELEASES).number > world.after.number
    assert again.body["rolled_back_to"] == world.before.number
    assert again.body["index"] == world.before.body["index"]
    model = world.head(layout.MODELS)
    assert model.fingerprint == world.before.body["model_fingerprint"]
    found = Production(world.store).finder().find(read_image(KEIKO.photo)).twins
    assert user_id(world.upload_id) not in {twin.identity_id for twin in found}


def test_a_release_that_is_not_there_says_what_to_do(world: World) -> None:
    with pytest.raises(NoReleaseError, match="twin-matcher release list"):
        roll_back(world.store, 99)


def test_no_way_back_to_somebody_who_was_erased(world: World) -> None:
    put_tombstone(world.store, world.upload_id, timedelta(days=1))
    newest = world.head(layout.RELEASES).number
    with pytest.raises(ErasureError, match="1 uploads were erased"):
        roll_back(world.store, world.after.number)
    assert world.head(layout.RELEASES).number == newest


def test_an_index_of_somebody_who_was_erased_waits_for_the_next(world: World) -> None:
    """It is no failure: whoever erases does not have to look into red runs."""
    put_tombstone(world.store, world.upload_id, timedelta(days=1))
    assert world.upload_id in world.head(layout.INDEXES).body["uploads"]
    newest = world.head(layout.RELEASES).number
    result = materialize(world.instance, [keys.PRODUCTION_RELEASE])
    assert result.success
    assert not result.asset_materializations_for_node(keys.PRODUCTION_RELEASE)
    assert world.head(layout.RELEASES).number == newest
