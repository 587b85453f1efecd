"""Folders and parts of buckets, in which files are whole or not there."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from twin_matcher_dagster.backup.copier import make_backup
from twin_matcher_dagster.backup.place import FolderPlace, Place, open_place
from twin_matcher_dagster.backup.restorer import restore_backup
from twin_matcher_dagster.backup.stored_bucket import StoredBucket
from twin_matcher_dagster.errors import BackupError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.backup.conftest import DAY
from twin_matcher_dagster_tests.kit import contents
from twin_matcher_dagster_tests.memory import memory_bucket


@pytest.fixture
def elsewhere(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> str:
    """Another bucket, which the variables of backups lead to."""
    name = f"backups-{secrets.token_hex(6)}"
    store.client.create_bucket(Bucket=name)
    for variable in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "REGION", "ENDPOINT_URL_S3"):
        monkeypatch.setenv(f"BACKUP_AWS_{variable}", os.environ[f"AWS_{variable}"])
    return f"s3://{name}/twins"


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return FolderPlace(tmp_path / "backups")
    return open_place(request.getfixturevalue("elsewhere"))


def test_files_are_listed_read_written_and_deleted(place: Place) -> None:
    with place.alone() as alive:
        assert list(place.names("objects")) == []
        place.write("objects/b", b"1")
        place.write("objects/a", b"")
        place.write("objects/b", b"2")
        place.write("erased/c", b"3")
        alive()
        assert list(place.names("objects")) == ["objects/a", "objects/b"]
        assert (place.read("objects/a"), place.read("objects/b")) == (b"", b"2")
        place.delete("objects/b")
        place.delete("objects/b")
        with pytest.raises(BackupError, match="missing"):
            place.read("objects/b")
    assert list(place.names("objects")) == ["objects/a"]


def test_a_bucket_goes_there_and_comes_back(
    place: Place, full: StoredBucket, request: pytest.FixtureRequest
) -> None:
    in_folder = isinstance(place, FolderPlace)
    store = memory_bucket() if in_folder else request.getfixturevalue("store")
    for key, data in contents(full).items():
        store.put_new(key, data)
    assert make_backup(store, place, 7, DAY).damaged == ()
    assert make_backup(store, place, 7, DAY).copied == 0
    restore_backup(store, place, None, DAY, replace=True)
    for lease in layout.LEASES:  # who held one is not in a backup
        full.delete(lease)
    assert {key: data for key, data in contents(store).items() if key not in layout.LEASES} == (
        contents(full)
    )


def test_a_folder_is_for_its_owner_and_what_a_killed_backup_left_goes(tmp_path: Path) -> None:
    place = FolderPlace(tmp_path / "backups")
    place.write("objects/a", b"a face")
    left = tmp_path / "backups/objects/.partial-0"
    left.write_bytes(b"half")
    assert list(place.names("objects")) == ["objects/a"]
    for folder in (tmp_path / "backups", tmp_path / "backups/objects"):
        assert folder.stat().st_mode & 0o077 == 0
    assert (tmp_path / "backups/objects/a").stat().st_mode & 0o077 == 0
    with place.alone():
        assert not left.exists()
        with pytest.raises(BackupError, match="Another backup"), place.alone():
            pass


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BackupError, match=r"cannot be written to: .*\. Choose another folder"):
        FolderPlace(tmp_path / "file").write("objects/a", b"")
    with (
        pytest.raises(BackupError, match="Choose another folder"),
        FolderPlace(tmp_path / "file").alone(),
    ):
        pass


def test_a_bucket_is_no_place_for_its_own_backup(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BackupError, match="lost together"):
        open_place(f"s3://{store.bucket}/backups", store)
    open_place("s3://another/backups", store)
    monkeypatch.setenv("TWIN_MATCHER_EMBEDDED_S3", "1")
    with pytest.raises(BackupError, match="BACKUP_AWS_"):
        open_place("s3://another/backups", store)
    with pytest.raises(BackupError, match="names no bucket"):
        open_place("s3://", store)


def test_the_variables_of_backups_take_the_place_of_the_usual_ones(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("BACKUP_AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("BACKUP_AWS_REGION", "eu-north-1")
    place = open_place("s3://another/backups", store)
    client = place._store.client  # ty: ignore[missing-attribute]
    assert client.meta.endpoint_url == "https://s3.eu-north-1.amazonaws.com"
    assert client._request_signer._credentials.access_key == "mine"
