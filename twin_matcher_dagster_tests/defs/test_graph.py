"""The assets, materialized on a real object store."""

from __future__ import annotations

import io
import json
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from PIL import Image
from transformers import pipeline

from twin_matcher_dagster.celebrities.sources import read_source
from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.dataset.schema import RawFace, Shard, write_raw_shard, write_shard
from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.definitions import defs as load_definitions
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.release.leaderboard import newest_trainings
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.storage.files import get_model
from twin_matcher_dagster.storage.logs import dataset_versions, releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster_tests.graph import (
    another_frame,
    definitions,
    materialize,
    upload_story,
)

FEW = 12
"""So many faces of a person, of which some are held out."""


def release_in(store: ObjectStore) -> Release:
    record = releases(store).existing_head().record
    assert isinstance(record, Release)
    return record


def test_definitions_load() -> None:
    dg.Definitions.validate_loadable(definitions())


def test_every_asset_is_described() -> None:
    specs = {spec.key.to_user_string(): spec for spec in definitions().resolve_all_asset_specs()}
    assert set(specs) == {*keys.ASSETS, keys.ERASURES, keys.LEADERBOARD, keys.EXPIRED}
    for spec in specs.values():
        assert spec.description
        assert spec.kinds
        assert spec.owners == ["team:operators"]
        assert spec.code_version
        assert spec.group_name != "default"


@pytest.mark.parametrize(
    ("asset", "written"),
    [
        (keys.RAW_FACES, write_raw_shard([])),
        *((one, write_shard([])) for one in (keys.BALANCED_FACES, keys.USER_FACES)),
        (keys.TWIN_DATASET, write_shard([])),
    ],
    ids=[keys.RAW_FACES, keys.BALANCED_FACES, keys.USER_FACES, keys.TWIN_DATASET],
)
def test_the_columns_that_dagster_shows_are_those_that_are_written(
    asset: str, written: Shard
) -> None:
    (spec,) = (one for one in definitions().resolve_all_asset_specs() if one.key.path == [asset])
    shown = spec.metadata["dagster/column_schema"]
    stored = pq.read_schema(io.BytesIO(written.data))
    kinds = {"image": "struct<bytes: binary, path: string>", "float32": "float"}
    assert [(one.name, kinds.get(one.type, one.type)) for one in shown.columns] == [
        (one.name, str(one.type)) for one in stored
    ]
    assert all(one.description for one in shown.columns)


def test_an_operator_sees_where_it_is_and_figures_with_their_units(
    released: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_MATCHER_BUCKET", released.bucket)
    done = materialize(dg.DagsterInstance.ephemeral(), [keys.PRODUCTION_RELEASE])
    (event,) = done.get_asset_materialization_events()
    shown = event.materialization.metadata
    newest = releases(released).existing_head()
    assert shown["dagster/uri"].value == f"s3://{released.bucket}/{newest.key}"
    assert "in the console" not in shown  # it is no bucket of AWS
    figures = release_in(released).figures
    assert figures
    assert shown["held-out rank-1 (%)"].value == round(100 * figures.fused.rank1, 1)
    floats = {name: one.value for name, one in shown.items() if isinstance(one.value, float)}
    assert [name for name in floats if not name.endswith(")")] == []
    assert [name for name, one in floats.items() if one != round(one, 3)] == []


def test_who_looks_after_the_assets_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSET_OWNERS", "me@example.org, team:faces")
    owners = {tuple(one.owners) for one in load_definitions().resolve_all_asset_specs()}
    assert owners == {("me@example.org", "team:faces")}


def test_what_is_to_happen_by_itself_is_described_and_late_is_seen() -> None:
    loaded = definitions()
    assert [one.name for one in loaded.schedules or () if not one.description] == []
    assert [one.name for one in loaded.sensors or () if not one.description] == []
    watched = {
        spec.key.to_user_string()
        for spec in loaded.resolve_all_asset_specs()
        if spec.freshness_policy
    }
    assert watched == {keys.PRODUCTION_RELEASE, keys.EXPIRED, keys.ERASURES}


def test_a_clip_becomes_a_twin(released: ObjectStore, story: Story) -> None:
    release = release_in(released)
    assert release.figures
    assert release.figures.fused.rank1 > 2 * release.figures.fused.chance
    users = [person for person in release.identities if person.kind == "user"]
    assert [person.label for person in users] == [story.name]
    answer = Production(released).finder().find(another_frame(story))
    assert answer.identity
    assert (answer.identity.label, answer.identity.kind) == (story.name, "user")
    # Who it is is nobody's twin.
    assert story.name not in {twin.label for twin in answer.twins}
    assert all(twin.portraits for twin in answer.twins)
    likenesses = [twin.likeness or 0.0 for twin in answer.twins]
    assert likenesses == sorted(likenesses, reverse=True)


def test_every_training_is_on_the_leaderboard(
    released: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_MATCHER_BUCKET", released.bucket)
    done = materialize(dg.DagsterInstance.ephemeral(), [keys.LEADERBOARD])
    (event,) = done.get_asset_materialization_events()
    shown = event.materialization.metadata
    table = shown["trainings"]
    assert isinstance(table, dg.TableMetadataValue)
    (row,) = table.records
    assert row.data["outcome"] == "released"
    assert row.data["rank-1 %"] == shown["best rank-1 (%)"].value
    (training,) = newest_trainings(released)
    assert training.environment["torch"].startswith("2.")
    assert training.data
    assert training.data.identities == 5


def test_a_release_is_a_standard_model(released: ObjectStore, tmp_path: Path, story: Story) -> None:
    release = release_in(released)
    assert {Path(file.name).suffix for file in release.files} == {
        ".json",
        ".onnx",
        ".safetensors",
    }
    get_model(released, release.files, tmp_path)
    known = Production(released).finder().find(read_image(story.photo))
    (best, *_) = pipeline("image-classification", model=str(tmp_path))(Image.fromarray(known.face))
    assert known.identity
    assert best["label"] == known.identity.identity_id


def test_classes_are_people_not_rows(released: ObjectStore) -> None:
    """The system this one re-imagines had as many classes as images."""
    release = release_in(released)
    config = next(file for file in release.files if file.name == "config.json")
    classes = json.loads(released.get(config.key))["id2label"]
    assert sorted(classes.values()) == [person.identity_id for person in release.identities]
    assert len(classes) == 5


def test_running_again_appends_nothing(
    store: ObjectStore,
    small_source: Path,
    tmp_path: Path,
    story: Story,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The system this one re-imagines appended the same uploads at every run."""
    monkeypatch.setenv("RAW_FACES", str(of_two_people(small_source, tmp_path)))
    upload_id = upload_story(store, story)

    def run() -> None:
        instance = dg.DagsterInstance.ephemeral()
        instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [upload_id])
        assert materialize(instance, [keys.RAW_FACES, keys.BALANCED_FACES]).success
        assert materialize(instance, [keys.USER_FACES], partition_key=upload_id).success
        assert materialize(instance, [keys.TWIN_DATASET]).success

    run()
    before = dataset_versions(store).head()
    assert [member.upload_id for member in read_version(store).members] == [upload_id]
    objects = set(store.list(""))
    run()
    assert dataset_versions(store).head() == before
    assert set(store.list("")) == objects


def of_two_people(source: Path, folder: Path) -> Path:
    """A source with a few faces of the first two people of another one."""
    by_label: dict[str, list[RawFace]] = {}
    for row in read_source(str(source), folder):
        by_label.setdefault(row.label, []).append(row)
    path = folder / "two.parquet"
    two = [row for label in sorted(by_label)[:2] for row in by_label[label][:FEW]]
    path.write_bytes(write_raw_shard(two).data)
    return path


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
    passing = ("uploads/", "leases/")
    made = {key for key in set(store.list("")) - objects if not key.startswith(passing)}
    assert len(made) == 4  # the shard, the verdict, the list of uploads, the version's manifest


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
    assert dataset_versions(store).head() is None


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
