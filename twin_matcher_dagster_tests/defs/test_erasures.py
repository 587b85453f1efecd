"""Erasures in Dagster: its own history forgets too, and the graph follows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from twin_matcher_dagster.backup.erasing import erased_by_list
from twin_matcher_dagster.backup.place import FolderPlace
from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.erasure import assets
from twin_matcher_dagster.erasure import retention as retaining
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.storage.logs import balanced_versions
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.arrivals import announce
from twin_matcher_dagster_tests.graph import definitions, materialize, upload_story
from twin_matcher_dagster_tests.kit import Kit

DAY = timedelta(days=1)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "dagster"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def on_disk(home: Path) -> Iterator[dg.DagsterInstance]:
    """One with its history on disk, as in production."""
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as made:
        yield made


def files_with(folder: Path, text: str) -> list[str]:
    """Files under a folder that hold a text."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    ]


def version_of(result: dg.ExecuteInProcessResult, asset: str) -> str:
    (made,) = result.asset_materializations_for_node(asset)
    return str((made.tags or {})["dagster/data_version"])


def two_judged_uploads(
    store: ObjectStore, story: Story, instance: dg.DagsterInstance
) -> tuple[str, str]:
    Kit(store).celebrities()
    uploads = upload_story(store, story), upload_story(store, story)
    for upload_id in uploads:
        instance.add_dynamic_partitions(keys.UPLOADS_PARTITION, [upload_id])
        assert materialize(instance, [keys.USER_FACES], partition_key=upload_id).success
    return uploads


def test_dagsters_history_forgets_an_upload(
    store: ObjectStore,
    story: Story,
    on_disk: dg.DagsterInstance,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BACKUP_TO", str(tmp_path / "backups"))
    gone, stays = two_judged_uploads(store, story, on_disk)
    assert files_with(home, story.name)
    assert files_with(home, gone)
    erase(store, stays, DAY)
    erase(store, gone, DAY)
    result = materialize(on_disk, [keys.ERASURES])
    assert result.success
    (made,) = result.asset_materializations_for_node(keys.ERASURES)
    assert made.metadata["runs forgotten now"].value == 2
    # For restores from an older backup: both are noted in its place, by no more than a hash.
    assert made.metadata["noted beside the backups now"].value == 2
    place = FolderPlace(tmp_path / "backups")
    assert erased_by_list(place, [gone, stays, "another"]) == {gone, stays}
    assert files_with(tmp_path / "backups", gone) == []
    assert on_disk.get_dynamic_partitions(keys.UPLOADS_PARTITION) == []
    # Neither the name nor a picture: all of them were in the metadata of these runs.
    assert files_with(home, story.name) == []
    assert files_with(home, "data:image/") == []
    assert on_disk.fetch_materializations(dg.AssetKey(keys.USER_FACES), limit=1).records == []


def test_the_history_of_others_stays(
    store: ObjectStore, story: Story, on_disk: dg.DagsterInstance, home: Path
) -> None:
    stays, gone = two_judged_uploads(store, story, on_disk)
    erase(store, gone, DAY)
    assert materialize(on_disk, [keys.ERASURES]).success
    assert list(on_disk.get_dynamic_partitions(keys.UPLOADS_PARTITION)) == [stays]
    (record,) = on_disk.fetch_materializations(dg.AssetKey(keys.USER_FACES), limit=9).records
    assert record.partition_key == stays
    event = on_disk.get_latest_materialization_event(dg.AssetKey(keys.USER_FACES))
    assert event
    assert event.run_id == record.run_id
    assert files_with(home, "data:image/")
    assert verify(store, gone).left == []


def test_the_data_set_follows_an_erasure(store: ObjectStore, instance: dg.DagsterInstance) -> None:
    kit = Kit(store)
    kit.celebrities()
    first = materialize(instance, [keys.TWIN_DATASET])
    gone = kit.member()
    before = materialize(instance, [keys.TWIN_DATASET])
    erase(store, gone, DAY)
    assert materialize(instance, [keys.ERASURES]).success
    after = materialize(instance, [keys.TWIN_DATASET])
    versions = [version_of(result, keys.TWIN_DATASET) for result in (first, before, after)]
    assert versions[0] == versions[2] != versions[1]
    assert {member.upload_id for member in read_version(store).members} == set()


def test_a_version_says_what_it_was_made_from(
    store: ObjectStore, instance: dg.DagsterInstance
) -> None:
    """Dagster's provenance of the data set: the data version of each thing it was made from."""
    Kit(store).celebrities()
    assert materialize(instance, [keys.ERASURES]).success
    result = materialize(instance, [keys.TWIN_DATASET])
    (made,) = result.asset_materializations_for_node(keys.TWIN_DATASET)
    tags = made.tags or {}
    assert tags["dagster/code_version"] == "4"
    erased = materialize(instance, [keys.ERASURES])
    assert tags[f"dagster/input_data_version/{keys.ERASURES}"] == version_of(erased, keys.ERASURES)


def test_what_was_erased_while_nothing_ran_is_completed(
    store: ObjectStore, story: Story, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that was: what counts is when erasures were completed last."""
    Kit(store).celebrities()
    gone = upload_story(store, story)
    erase(store, gone, DAY)
    announce(store, gone)  # a page that was slow left something behind
    monkeypatch.setattr(assets, "SWEEP_FOR", timedelta(0))
    assert materialize(instance, [keys.ERASURES]).success
    assert verify(store, gone).left == []


def test_retention_runs_as_a_job(
    store: ObjectStore, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEP_VERSIONS", "2")
    monkeypatch.setenv("KEEP_REJECTED_DAYS", "0")
    monkeypatch.setattr(retaining, "GRACE", timedelta(0))
    kit = Kit(store)
    kit.celebrities()
    stays, goes = kit.member(), kit.upload()
    kit.judge(goes, state="rejected")
    for _ in range(4):
        kit.celebrities()
    job = definitions().resolve_job_def(keys.RETENTION_JOB)
    assert job.execute_in_process(instance=instance).success
    # The newest two, and the one that the data set stands on.
    assert list(balanced_versions(store).numbers()) == [5, 4, 1]
    # What was rejected is erased after a time: 0 days here.
    assert verify(store, goes).left == []
    assert {member.upload_id for member in read_version(store).members} == {stays}
