"""A backup is whole or none, and brings the same bucket back without those who were erased."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from twin_matcher_dagster.backup import copier
from twin_matcher_dagster.backup.contents import named_in, names_others
from twin_matcher_dagster.backup.copier import BackupResult, make_backup
from twin_matcher_dagster.backup.erasing import note_erased
from twin_matcher_dagster.backup.record import backup_names, read_backup
from twin_matcher_dagster.backup.restorer import RestoreResult, restore_backup
from twin_matcher_dagster.backup.stored_bucket import StoredBucket
from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.retention import collect_garbage
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.errors import BackupError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import logs_by_folder, models, releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster.storage.tombstones import erased_uploads, get_tombstone, tombstone_key
from twin_matcher_dagster.uploads.submission import new_upload_id
from twin_matcher_dagster_tests.backup.conftest import DAY, copy_of
from twin_matcher_dagster_tests.kit import Kit, contents
from twin_matcher_dagster_tests.memory import MemoryPlace, memory_bucket


class KilledHereError(BaseException):
    """The process ends here: no code of ours sees it."""


def back_up(store: ObjectStore, place: MemoryPlace, keep: int = 7) -> BackupResult:
    return make_backup(store, place, keep, DAY)


def bring_back(
    store: ObjectStore, place: MemoryPlace, name: str | None = None, *, replace: bool = False
) -> RestoreResult:
    return restore_backup(store, place, name, DAY, replace=replace)


def pieces_of(bucket: StoredBucket, upload_id: str) -> list[bytes]:
    """Bytes that only this upload has: its id, its crops, its faces in the shard."""
    kit = Kit(bucket)
    crops = [bucket.get(key)[-60:-20] for key in bucket.list(layout.face_folder(upload_id))]
    return [upload_id.encode(), *crops, *kit.pieces(upload_id)]


def holders(objects: dict[str, bytes], pieces: list[bytes]) -> set[str]:
    return {
        key
        for key, data in objects.items()
        if any(piece in data or piece in key.encode() for piece in pieces)
    }


def is_whole(bucket: ObjectStore) -> None:
    """Every record can be read, and all files that it names are there."""
    objects = contents(bucket)
    for key, data in objects.items():
        if names_others(key):
            assert named_in(data) <= objects.keys(), key
    for log in logs_by_folder(bucket).values():
        for entry in log.entries():
            for folder, number in entry.record.stands_on().items():
                assert logs_by_folder(bucket)[folder].read(number)


def test_what_is_restored_is_what_was_there(full: StoredBucket, place: MemoryPlace) -> None:
    full.put_new("somebody-else/notes.txt", b"not ours")
    assert layout.DATASET_LEASE in contents(full)
    full.put_new(layout.face(new_upload_id(), 0), b"never finished")
    full.put_new(f"{layout.ERASURE_TRIES}/{new_upload_id()}/a", b"")
    made = back_up(full, place)
    assert made.damaged == ()
    assert made.copied == len({one.sha256 for one in made.backup.objects.values()})
    # The list completes the backup: it is written last.
    assert place.writes[-1] == f"backups/{made.backup.name}.json"
    restored = memory_bucket()
    done = bring_back(restored, place)
    there = contents(full)
    left_out = set(there) - set(contents(restored))
    assert contents(restored).items() <= there.items()
    assert len(left_out) == 4
    assert done.objects == len(there) - 4
    assert done.erased == 0
    is_whole(restored)


def test_the_next_backup_copies_what_is_new(full: StoredBucket, place: MemoryPlace) -> None:
    back_up(full, place)
    assert back_up(full, place).copied == 0
    kit = Kit(full, seed=1)
    kit.member()
    assert 0 < back_up(full, place).copied < 12
    # What changed in its place is copied again: an erasure rewrites.
    key = next(iter(full.list(f"{layout.DATASETS}/versions/")))
    full.overwrite(key, full.get(key) + b" ")
    assert back_up(full, place).copied == 1
    assert len(backup_names(place)) == 4


def test_so_many_backups_stay_and_what_only_the_others_named_goes(
    full: StoredBucket, place: MemoryPlace
) -> None:
    first = back_up(full, place).backup
    kit = Kit(full, seed=1)
    for _ in range(2):
        kit.release(kit.train())
        for key in list(full.list(f"{layout.MODELS}/files/"))[:1]:
            full.overwrite(key, b"another content")
        last = back_up(full, place, keep=2)
    assert last.removed == (first.name,)
    assert len(backup_names(place)) == 2
    backups = [read_backup(place, name) for name in backup_names(place)]
    named = {one.sha256 for backup in backups for one in backup.objects.values()}
    assert {name.removeprefix("objects/") for name in place.names("objects")} == named


def test_the_erased_stay_erased_after_a_restore_over_the_bucket(
    full: StoredBucket, leaving: str, place: MemoryPlace
) -> None:
    pieces = pieces_of(full, leaving)
    back_up(full, place)
    stone = erase(full, leaving, DAY).tombstone
    full.put_new("somebody-else/notes.txt", b"not ours")
    assert holders(place.files, pieces)
    done = bring_back(full, place, replace=True)
    assert done.erased == 1
    assert get_tombstone(full, leaving) == stone
    assert full.get("somebody-else/notes.txt") == b"not ours"
    found = verify(full, leaving)
    assert found.left == []
    # Only the model that learnt from the upload: until it is trained again, or the deadline.
    assert found.pending
    assert holders(contents(full), pieces) == {*found.pending, tombstone_key(leaving)}
    head = releases(full).existing_head().record
    assert isinstance(head, Release)
    assert not head.names(leaving)
    is_whole(full)


def test_the_erased_stay_erased_where_the_bucket_is_lost(
    full: StoredBucket, leaving: str, place: MemoryPlace
) -> None:
    pieces = pieces_of(full, leaving)
    back_up(full, place)
    # Of the erasure nothing is known but this: what `erasures` notes in the place.
    assert note_erased(place, [leaving, new_upload_id()]) == 2
    assert note_erased(place, [leaving]) == 0
    noted = [name for name in place.files if name.startswith("erased/")]
    assert all(place.files[name] == b"" and leaving not in name for name in noted)
    restored = memory_bucket()
    assert bring_back(restored, place).erased == 1
    assert erased_uploads(restored) == [leaving]
    found = verify(restored, leaving)
    assert found.left == []
    assert holders(contents(restored), pieces) == {*found.pending, tombstone_key(leaving)}
    is_whole(restored)


def test_a_backup_erases_in_the_older_ones(
    full: StoredBucket, leaving: str, place: MemoryPlace
) -> None:
    pieces = pieces_of(full, leaving)
    old = back_up(full, place).backup
    erase(full, leaving, DAY)
    # Trained again without them: then no model of the bucket knows the upload.
    kit = Kit(full, seed=1)
    kit.version()
    kit.release(kit.train())
    erase(full, leaving, DAY)
    assert verify(full, leaving).pending == []
    made = back_up(full, place)
    assert made.erased == 1
    pending = {
        f"objects/{read_backup(place, old.name).objects[key].sha256}"
        for key in read_backup(place, old.name).objects
        if key.startswith(f"{layout.MODELS}/versions/")
    }
    lists = {name for name in place.files if name.startswith("backups/")}
    assert holders(place.files, pieces[1:]) == set()
    # The id is in the record of the old model, which has its deadline, and in tombstones' keys.
    assert holders(place.files, pieces) <= pending | lists
    restored = memory_bucket()
    bring_back(restored, place, old.name)
    assert verify(restored, leaving).left == []
    is_whole(restored)


def test_a_model_that_is_overdue_goes_from_older_backups_too(
    full: StoredBucket, leaving: str, place: MemoryPlace
) -> None:
    old = back_up(full, place).backup
    erase(full, leaving, -DAY)  # the deadline was yesterday
    back_up(full, place)
    restored = memory_bucket()
    bring_back(restored, place, old.name)
    assert verify(restored, leaving).pending == []
    assert all(leaving not in one.record.uploads for one in models(restored).entries())


def test_a_bucket_that_is_not_empty_is_not_overwritten(
    full: StoredBucket, place: MemoryPlace
) -> None:
    back_up(full, place)
    before = contents(full)
    with pytest.raises(BackupError, match=r"not empty\. Give --replace"):
        bring_back(full, place)
    assert contents(full) == before
    # Somebody else's objects, tombstones and what the check of the server writes are no content.
    other = memory_bucket()
    other.put_new("ready", b"ready")
    other.put_new("somebody-else/notes.txt", b"not ours")
    bring_back(other, place)


def test_a_restore_that_was_cut_off_left_nothing_half_and_is_done_again(
    full: StoredBucket, place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(full, place)
    for count in (1, 20, 60, 10_000):
        restored, written = memory_bucket(), 0

        def cut_off(
            key: str,
            body: bytes,
            content_type: str = "",
            limit: int = count,
            put: Callable[[str, bytes], str] = restored.put_new,
        ) -> str:
            nonlocal written
            written += 1
            if written > limit:
                raise KilledHereError
            return put(key, body)

        with monkeypatch.context() as patch:
            patch.setattr(restored, "put_new", cut_off)
            try:
                bring_back(restored, place)
            except KilledHereError:
                is_whole(restored)
        bring_back(restored, place, replace=True)
        assert contents(restored) == {
            key: data for key, data in contents(full).items() if key not in layout.LEASES
        }


def damaged(place: MemoryPlace, how: str) -> str:
    """Damage a backup; what is said of it."""
    (name,) = place.names("backups")
    body: dict[str, Any] = json.loads(place.files[name])
    victim = next(one for one in place.names("objects") if len(place.files[one]) > 100)
    match how:
        case "a bit":
            place.files[victim] = bytes([place.files[victim][0] ^ 1]) + place.files[victim][1:]
            return "was altered"
        case "an object":
            del place.files[victim]
            return "is missing"
        case "half an object":
            place.files[victim] = place.files[victim][:50]
            return "was altered"
        case "half the list":
            place.files[name] = place.files[name][: len(place.files[name]) // 2]
            return "its list cannot be read"
        case "an entry":
            body["objects"].popitem()
        case "a checksum":
            body["objects"][next(iter(body["objects"]))][0] = "0" * 64
        case "a newer one":
            place.files[name] = json.dumps({**body, "schema": 99}).encode()
            return "A newer version"
    place.files[name] = json.dumps(body).encode()
    return "its list is not what was written"


@pytest.mark.parametrize(
    "how",
    [
        "a bit",
        "an object",
        "half an object",
        "half the list",
        "an entry",
        "a checksum",
        "a newer one",
    ],
)
def test_a_damaged_backup_is_refused_in_one_sentence(
    full: StoredBucket, place: MemoryPlace, how: str
) -> None:
    back_up(full, place)
    said = damaged(place, how)
    before = contents(full)
    with pytest.raises(BackupError, match=said):
        bring_back(full, place, replace=True)
    assert contents(full) == before


def test_there_is_no_backup_until_its_list_is_there(
    full: StoredBucket, place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BackupError, match="no complete backup"):
        bring_back(memory_bucket(), place)
    write = place.write

    def cut_off(name: str, data: bytes) -> None:
        if name.startswith("backups/"):
            raise KilledHereError
        write(name, data)

    with monkeypatch.context() as patch:
        patch.setattr(place, "write", cut_off)
        with pytest.raises(KilledHereError):
            back_up(full, place)
    with pytest.raises(BackupError, match="no complete backup"):
        bring_back(memory_bucket(), place)
    # What it left is made use of, or goes.
    place.files["objects/" + "0" * 64] = b"of a backup that was cut off"
    assert back_up(full, place).copied == 0
    assert "objects/" + "0" * 64 not in place.files


def test_names_are_in_order_whatever_the_clock_says(full: StoredBucket, place: MemoryPlace) -> None:
    made = back_up(full, place).backup
    future = f"2999{made.name[4:]}"
    place.files[f"backups/{future}.json"] = place.files[f"backups/{made.name}.json"]
    newest = back_up(full, place).backup
    assert newest.name > future
    assert read_backup(place).name == newest.name


def test_what_is_missing_in_the_bucket_itself_is_told_and_holds_up_nobody(
    full: StoredBucket, place: MemoryPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copier, "_PAUSE_SECONDS", 0)
    lost = next(iter(full.list(f"{layout.MODELS}/files/")))
    full.delete(lost)
    assert back_up(full, place).damaged == (lost,)


class BusyBucket(StoredBucket):
    """A bucket in which something happens at one of its reads."""

    def __init__(self, bucket: StoredBucket, at: int, happens: Any) -> None:
        super().__init__(MemoryPlace(), bucket.backup)
        self._written = bucket._written
        self._left, self._happens = at, happens

    def get(self, key: str) -> bytes:
        self._count()
        return super().get(key)

    def items(self, prefix: str, start_after: str = "", page_size: int | None = None) -> Any:
        self._count()
        return super().items(prefix, start_after, page_size)

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._happens(self)


# A backup of it lists and reads some 90 times.
QUICK = (2, 9, 16, 23, 45, 70)
MOMENTS = [pytest.param(at, marks=pytest.mark.slow) for at in range(1, 100) if at not in QUICK]


@pytest.mark.parametrize("at", [*QUICK, *MOMENTS])
def test_a_backup_is_consistent_whatever_happens_meanwhile(
    full: StoredBucket, leaving: str, place: MemoryPlace, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure, a newcomer up to a release, and the retention, at one moment of the copying."""
    monkeypatch.setattr(copier, "_PAUSE_SECONDS", 0)
    monkeypatch.setattr(copier, "_AT_ONCE", 1)
    pieces = pieces_of(full, leaving)
    happened = []

    def everything(bucket: ObjectStore) -> None:
        kit = Kit(bucket, seed=7)
        erase(bucket, leaving, DAY)
        kit.member()
        kit.release(kit.train())
        erase(bucket, leaving, DAY)
        collect_garbage(bucket, keep=1)
        happened.append(at)

    busy = BusyBucket(full, at, everything)
    made = back_up(busy, place)
    assert made.damaged == ()
    restored = memory_bucket()
    bring_back(restored, place)
    is_whole(restored)
    assert releases(restored).head_number()
    if happened:
        assert verify(restored, leaving).left == []
        assert holders(contents(restored), pieces[1:]) == set()


def test_an_erasure_that_was_cut_off_is_completed_in_the_backup(
    full: StoredBucket, leaving: str, place: MemoryPlace
) -> None:
    pieces = pieces_of(full, leaving)
    bucket, left = copy_of(full), 3
    delete = bucket.delete

    def cut_off(key: str, etag: str = "") -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KilledHereError
        delete(key, etag)

    bucket.delete = cut_off
    with pytest.raises(KilledHereError):
        erase(bucket, leaving, DAY)
    made = back_up(bucket, place)
    assert made.damaged == ()
    restored = memory_bucket()
    bring_back(restored, place)
    assert verify(restored, leaving).left == []
    assert holders(place.files, pieces[1:]) == set()
    is_whole(restored)
