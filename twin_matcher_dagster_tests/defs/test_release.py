"""A new person is found without a training; a worse model is not released; and back again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from twin_matcher_dagster.champion import compared, reason
from twin_matcher_dagster.dataset import read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.errors import ErasureError, NoReleaseError
from twin_matcher_dagster.faces.images import read_image
from twin_matcher_dagster.identities.names import user_id
from twin_matcher_dagster.local.demo import Story
from twin_matcher_dagster.production import Production
from twin_matcher_dagster.recognition.index import FaceIndex
from twin_matcher_dagster.retraining import Policy, due
from twin_matcher_dagster.rollback import roll_back
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifests import Manifest, ManifestLog
from twin_matcher_dagster.storage.models import put_file
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import put_tombstone
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


def index_of(world: World, release: Manifest) -> FaceIndex:
    return FaceIndex.from_bytes(world.store.get(release.body["index"]))


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
    store, never = world.store, Policy(10_000, 1.0, 30, 0.0)
    assert due(store, never).reasons == []
    faces = new_faces(world)
    assert due(store, replace(never, new_faces=faces)).reasons == [f"{faces} new faces"]
    assert due(store, replace(never, new_faces=faces + 1)).reasons == []
    assert due(store, replace(never, new_share=0.2)).reasons == ["20% of the identities are new"]
    (old,) = due(store, replace(never, days=0)).reasons
    assert old.endswith("somebody is new")
    (drift,) = due(store, replace(never, found=1.0)).reasons
    assert drift.endswith("of new faces fit")


def test_a_worse_model_is_refused_until_a_person_overrules(world: World) -> None:
    index, releases = (
        world.head(layout.INDEXES),
        ManifestLog(world.store, layout.log(layout.RELEASES)),
    )
    # The champion had everything right; this index, of another model, has nothing.
    answers = json.loads(world.store.get(index.body["answers"]))
    keys_ = {
        name: put_file(
            world.store,
            layout.INDEXES,
            json.dumps({digest: [who, right] for digest, (who, _) in answers.items()}).encode(),
            ".json",
        )
        for name, right in (("champion", True), ("challenger", False))
    }
    champion = releases.append(
        {**world.after.body, "answers": keys_["champion"], "model_fingerprint": "another"}
    )
    ManifestLog(world.store, layout.log(layout.INDEXES)).append(
        {**index.body, "answers": keys_["challenger"], "fingerprint": "worse"}
    )
    against = compared(world.store, world.head(layout.INDEXES).body)
    assert against["worse"]
    assert against["difference"] == -1
    assert f"worse than release {champion.number}" in reason(against)
    refused = materialize(world.instance, [keys.PRODUCTION_RELEASE])
    assert not refused.success
    (failure,) = [event for event in refused.all_events if event.is_step_failure]
    assert "To release it all the same: override" in str(failure.step_failure_data)
    assert releases.head_number() == champion.number
    config = {"ops": {keys.PRODUCTION_RELEASE: {"config": {"override": "looked at it"}}}}
    assert materialize(world.instance, [keys.PRODUCTION_RELEASE], run_config=config).success
    newest = world.head(layout.RELEASES).body
    assert newest["override"] == "looked at it"
    assert newest["against"]["release"] == champion.number


def test_back_to_an_earlier_release(world: World) -> None:
    model = world.head(layout.MODELS)
    again = roll_back(world.store, world.before.number)
    assert again.number == world.head(layout.RELEASES).number > world.after.number
    assert again.body["rolled_back_to"] == world.before.number
    assert again.body["index"] == world.before.body["index"]
    assert world.head(layout.MODELS).fingerprint == model.fingerprint
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
