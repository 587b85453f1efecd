"""The assets, materialized on a real object store."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from PIL import Image
from transformers import pipeline

from twin_matcher_dagster.celebrities.sources import read_source
from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.dataset.schema import write_raw_shard
from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.files import get_model
from twin_matcher_dagster.storage.manifest_log import ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.uploads.consent import Consent
from twin_matcher_dagster.uploads.manifest import get_manifest
from twin_matcher_dagster.uploads.submission import submit
from twin_matcher_dagster_tests.graph import (
    another_frame,
    definitions,
    materialize,
    upload_story,
)


def body(store: ObjectStore, folder: str) -> dict:
    head = ManifestLog(store, layout.log(folder)).head()
    assert head is not None
    return dict(head.body)


def test_definitions_load() -> None:
    dg.Definitions.validate_loadable(definitions())


def test_every_asset_is_described() -> None:
    specs = {spec.key.to_user_string(): spec for spec in definitions().resolve_all_asset_specs()}
    assert set(specs) == {*keys.ASSETS, keys.ERASURES}
    for spec in specs.values():
        assert spec.description
        assert spec.kinds
        assert spec.owners == [keys.OWNER]
        assert spec.code_version
        assert spec.group_name != "default"


def test_a_clip_becomes_a_twin(released: ObjectStore, story: Story) -> None:
    release = body(released, layout.RELEASES)
    assert release["figures"]["fused"]["rank1"] > 2 * release["figures"]["fused"]["chance"]
    users = [person for person in release["identities"] if person["kind"] == "user"]
    assert [person["label"] for person in users] == [story.name]
    answer = Production(released).finder().find(another_frame(story))
    assert answer.twins[0].label == story.name
    assert answer.twins[0].kind == "user"
    assert answer.twins[0].portraits
    similarities = [twin.similarity for twin in answer.twins]
    assert similarities == sorted(similarities, reverse=True)


def test_a_release_is_a_standard_model(released: ObjectStore, tmp_path: Path, story: Story) -> None:
    release = body(released, layout.RELEASES)
    assert {Path(file["name"]).suffix for file in release["files"]} == {".json", ".safetensors"}
    get_model(released, release["files"], tmp_path)
    known = Production(released).finder().find(read_image(story.photo))
    (best, *_) = pipeline("image-classification", model=str(tmp_path))(Image.fromarray(known.face))
    assert best["label"] == known.twins[0].identity_id


def test_classes_are_people_not_rows(released: ObjectStore) -> None:
    """The system this one re-imagines had as many classes as images."""
    release = body(released, layout.RELEASES)
    config = next(file for file in release["files"] if file["name"] == "config.json")
    classes = json.loads(released.get(config["key"]))["id2label"]
    assert sorted(classes.values()) == [p["identity_id"] for p in release["identities"]]
    assert len(classes) == 5


def test_running_again_appends_nothing(
    released: ObjectStore, small_source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system this one re-imagines appended the same uploads at every run."""
    monkeypatch.setenv("TWIN_MATCHER_BUCKET", released.bucket)
    monkeypatch.setenv("RAW_FACES", str(small_source))
    before = body(released, layout.DATASETS)
    uploads = [
        key.split("/")[-1].removesuffix(".json") for key in released.list("uploads/manifests/")
    ]
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, uploads)
    objects = set(released.list(""))
    assert materialize(instance, [keys.RAW_FACES, keys.BALANCED_FACES]).success
    assert materialize(instance, [keys.USER_FACES], partition_key=uploads[0]).success
    assert materialize(instance, [keys.TWIN_DATASET]).success
    assert body(released, layout.DATASETS) == before
    assert set(released.list("")) == objects


def test_adding_a_person_rewrites_nothing(celebrities: ObjectStore, story: Story) -> None:
    """The system this one re-imagines rewrote the whole data set for every new person."""
    store, instance = celebrities, dg.DagsterInstance.ephemeral()
    assert materialize(instance, [keys.TWIN_DATASET]).success
    old = read_version(store)
    objects = set(store.list(""))
    upload_id = upload_story(store, story)
    instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [upload_id])
    assert materialize(instance, [keys.USER_FACES], partition_key=upload_id).success
    assert materialize(instance, [keys.TWIN_DATASET]).success
    new = read_version(store)
    before, after = ({shard.key for shard in version.shards} for version in (old, new))
    assert after - before == {member.shard.key for member in new.members}
    assert after > before
    assert objects < set(store.list(""))
    made = {key for key in set(store.list("")) - objects if not key.startswith("uploads/")}
    assert len(made) == 4  # the shard, the verdict, the list of uploads, the version's manifest


def rejected(store: ObjectStore, upload_id: str) -> str:
    """The reasons for which an upload was rejected; it must not get into the data set."""
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [upload_id])
    result = materialize(instance, [keys.USER_FACES], partition_key=upload_id)
    assert result.success  # the verdict is data; only the check is red
    verdict = body(store, layout.user(upload_id))
    assert verdict["accepted"] is False
    assert verdict["shards"] == []
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    return "; ".join(verdict["reasons"])


def test_an_altered_crop_is_rejected(store: ObjectStore, story: Story) -> None:
    upload_id = upload_story(store, story)
    other = layout.face(upload_id, 1)
    store.client.put_object(
        Bucket=store.bucket, Key=layout.face(upload_id, 0), Body=store.get(other)
    )
    assert "was altered" in rejected(store, upload_id)


def test_a_missing_crop_is_rejected(store: ObjectStore, story: Story) -> None:
    upload_id = upload_story(store, story)
    store.client.delete_object(Bucket=store.bucket, Key=layout.face(upload_id, 3))
    assert "is missing" in rejected(store, upload_id)


def test_an_upload_without_faces_is_rejected(store: ObjectStore) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (25, 160, 160, 3), np.uint8)
    upload_id = submit(store, list(noise), "Noise", Consent.now())
    reasons = rejected(store, upload_id)
    assert "0 of 25 crops can be used, 20 are needed (25 not one face)" in reasons


def change_manifest(store: ObjectStore, upload_id: str, **fields: str) -> None:
    """Write an upload's manifest anew, as somebody might who does not use our page."""
    manifest = replace(get_manifest(store, upload_id), **fields)
    store.client.put_object(
        Bucket=store.bucket,
        Key=layout.upload_manifest(upload_id),
        Body=json.dumps({**vars(manifest), "faces": list(manifest.faces)}).encode(),
    )


def test_an_upload_without_a_name_is_rejected(store: ObjectStore, story: Story) -> None:
    upload_id = upload_story(store, story)
    change_manifest(store, upload_id, name="\u200b \n")
    assert "Type a name" in rejected(store, upload_id)


def test_an_upload_without_consent_is_rejected(store: ObjectStore, story: Story) -> None:
    upload_id = upload_story(store, story)
    change_manifest(store, upload_id, consent_given_at="")
    assert "without consent" in rejected(store, upload_id)


def test_a_rejected_upload_is_left_out(celebrities: ObjectStore, story: Story) -> None:
    store = celebrities
    good = upload_story(store, story)
    bad = upload_story(store, story)
    store.client.delete_object(Bucket=store.bucket, Key=layout.face(bad, 3))
    instance = dg.DagsterInstance.ephemeral()
    instance.add_dynamic_partitions(
        keys.UPLOADS_PARTITION, [good, bad, "01J00000000000000000000000"]
    )
    for upload_id in (good, bad):
        assert materialize(instance, [keys.USER_FACES], partition_key=upload_id).success
    assert materialize(instance, [keys.TWIN_DATASET]).success
    people = {person.identity_id for person in read_version(store).identities}
    assert user_id(good) in people
    assert user_id(bad) not in people


def test_one_identity_is_refused_with_a_reason(
    store: ObjectStore, small_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(read_source(str(small_source), tmp_path))
    one = tmp_path / "one.parquet"
    one.write_bytes(write_raw_shard([row for row in rows if row.label == rows[0].label]).data)
    monkeypatch.setenv("RAW_FACES", str(one))
    instance = dg.DagsterInstance.ephemeral()
    result = materialize(instance, [keys.RAW_FACES, keys.BALANCED_FACES, keys.TWIN_DATASET])
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert [check.check_name for check in failed] == ["enough_identities"]
    # The blocking check stops what comes after it in the same run.
    assert ManifestLog(store, layout.log(layout.DATASETS)).head() is None


def test_a_missing_source_says_what_to_do(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAW_FACES", "/nowhere/faces.parquet")
    result = materialize(dg.DagsterInstance.ephemeral(), [keys.RAW_FACES])
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "Set RAW_FACES to" in str(failure.step_failure_data)


@pytest.mark.usefixtures("released")
def test_pictures_are_in_the_metadata(history: dg.DagsterInstance) -> None:
    for asset, name in {
        keys.RAW_FACES: "faces an identity",
        keys.BALANCED_FACES: "sample",
        keys.TWIN_MODEL: "learning curve",
        keys.FACE_INDEX: "hardest faces",
    }.items():
        event = history.get_latest_materialization_event(dg.AssetKey(asset))
        assert event is not None
        materialization = event.asset_materialization
        assert materialization is not None
        assert str(materialization.metadata[name].value).startswith("![")
        assert float(str(materialization.metadata["dagster/row_count"].value)) > 0
