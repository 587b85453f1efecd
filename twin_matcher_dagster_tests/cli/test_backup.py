"""The commands on a real S3 server: a release is copied, lost, and answers as it did."""

from __future__ import annotations

import io
import os
import secrets
from pathlib import Path

import dagster as dg
import pytest
from rich.console import Console

from twin_matcher_dagster.cli import backup
from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.errors import BackupError, RunsAlreadyError
from twin_matcher_dagster.local import services
from twin_matcher_dagster.local.dagster_storage import instance_folder
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.kit import contents


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment, which a command completes for its process: that of this test alone."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    return monkeypatch


def settings_for(store: ObjectStore, home: Path) -> Settings:
    os.environ["TWIN_MATCHER_BUCKET"] = store.bucket
    os.environ["TWIN_MATCHER_HOME"] = str(home)
    return Settings(twin_matcher_bucket=store.bucket, twin_matcher_home=home)


def restored_bucket(store: ObjectStore) -> ObjectStore:
    """An empty bucket beside another one."""
    made = ObjectStore(store.client, f"restored-{secrets.token_hex(6)}")
    store.client.create_bucket(Bucket=made.bucket)
    return made


def test_a_release_that_was_lost_answers_as_it_did(
    released: ObjectStore,
    story: Story,
    console: Console,
    tmp_path: Path,
    environ: pytest.MonkeyPatch,
) -> None:
    place = str(tmp_path / "backups")
    backup.back_up(settings_for(released, tmp_path / "home"), place, None, console)
    backup.read_whole(settings_for(released, tmp_path / "home"), place, console)
    assert "were copied now" in said(console)
    assert "is whole" in said(console)

    store, home = restored_bucket(released), tmp_path / "another"
    settings = settings_for(store, home)
    backup.bring_back(settings, place, None, console, replace=False)
    assert contents(store).items() <= contents(released).items()
    there = Production(released).finder().find(read_image(story.photo))
    here = Production(store).finder().find(read_image(story.photo))
    assert (here.release, here.identity, here.twins) == (there.release, there.identity, there.twins)

    with pytest.raises(BackupError, match="not empty"):
        backup.bring_back(settings, place, None, console, replace=False)
    # A history of another time is no empty installation either, and goes.
    folder = str(instance_folder(home, settings))
    with dg.DagsterInstance.from_config(folder) as instance:
        instance.add_run(dg.DagsterRun(job_name="of another time"))
    for key in contents(store):
        store.delete(key)
    with pytest.raises(BackupError, match="history of another time"):
        backup.bring_back(settings, place, None, console, replace=False)
    backup.bring_back(settings, place, None, console, replace=True)
    instance_folder(home, settings)
    with dg.DagsterInstance.from_config(folder) as instance:
        assert instance.get_runs_count() == 0
    assert Production(store).finder().number == there.release


def test_nothing_may_run_while_a_backup_is_brought_back(
    store: ObjectStore, console: Console, tmp_path: Path, environ: pytest.MonkeyPatch
) -> None:
    settings = settings_for(store, tmp_path / "home")
    with services.exclusive_home(settings), pytest.raises(RunsAlreadyError):
        backup.bring_back(settings, str(tmp_path), None, console, replace=False)


def test_a_place_has_to_be_named_and_is_not_in_the_state_folder(
    store: ObjectStore, console: Console, tmp_path: Path, environ: pytest.MonkeyPatch
) -> None:
    settings = settings_for(store, tmp_path / "home")
    with pytest.raises(BackupError, match="or set BACKUP_TO"):
        backup.back_up(settings, None, None, console)
    with pytest.raises(BackupError, match="is in the state folder"):
        backup.back_up(settings, str(tmp_path / "home/backups"), None, console)
