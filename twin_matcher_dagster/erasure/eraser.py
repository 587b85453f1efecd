"""Take an upload out of everything.

A tombstone comes first: it holds nobody's data and keeps a late retry from bringing the upload
back. Then everything that was made of the upload goes, the history included. Every step can be done
again, so an erasure that was cut off is completed by the next try, and Dagster tries by itself.

One thing stays for a while: the weights of the model in production, where they learned from the
upload too. The index no longer holds it, so nobody is shown it; a retraining is on its way, and at
the time in the tombstone the release is withdrawn if that has not come.

One erasure at a time, and none while a version of the data set is made. One that was stopped and
goes on after another process took over does no harm: entries are replaced and deleted only as they
were read, and what is added follows from the newest entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from twin_matcher_dagster.dataset.member_lists import lists_naming, lists_without
from twin_matcher_dagster.dataset.portrait_file import (
    PORTRAITS_SUFFIX,
    read_portraits,
    write_portraits,
)
from twin_matcher_dagster.erasure.retention import (
    delete_entries,
    purge_models,
    trained_on,
    verdict_numbers,
)
from twin_matcher_dagster.errors import (
    ErasureError,
    ObjectChangedError,
    ObjectMissingError,
    RecordError,
    TrainingError,
    UploadError,
)
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.recognition.likeness import LikenessSpace
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.files import put_file
from twin_matcher_dagster.storage.lease import Lease, leased, wait_for_write
from twin_matcher_dagster.storage.logs import (
    dataset_versions,
    indexes,
    models,
    pairings,
    releases,
    verdicts,
)
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.dataset import DatasetVersion
from twin_matcher_dagster.storage.records.index import Index
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.storage.records.release import Release, Withdrawn
from twin_matcher_dagster.storage.records.twins import TwinPairs
from twin_matcher_dagster.storage.records.uploads import ERASED, Verdict
from twin_matcher_dagster.storage.tombstones import (
    Tombstone,
    get_tombstone,
    put_tombstone,
    upload_id_of,
)
from twin_matcher_dagster.uploads.manifest import get_manifest


@dataclass
class ErasureResult:
    """What an erasure did.

    Attributes:
        tombstone: that stays.
        deleted: how many objects are gone.
        rewritten: how many versions of the data set were written without the upload.
        pending: whether the model in production learned from it: until when it must be replaced.
    """

    tombstone: Tombstone
    deleted: int = 0
    rewritten: int = 0
    pending: datetime | None = None


def erase(store: ObjectStore, upload_id: str, retrain_within: timedelta) -> ErasureResult:
    """Take an upload out; done again, it completes what an earlier try left.

    Args:
        store: the bucket.
        upload_id: which; whoever calls has seen to it that this is wanted.
        retrain_within: after this time no model that learned from it may be in production.

    Raises:
        ErasureError: there never was such an upload.
        StorageError: the store does not answer, or others erase for long.
    """
    upload_id = upload_id_of(upload_id)
    done = ErasureResult(note_erasure(store, upload_id, retrain_within))
    # Whoever judges it saw the tombstone, or is waited for.
    wait_for_write(store, layout.JUDGING_LEASE, f"{layout.user(upload_id)}/")
    with leased(store, layout.DATASET_LEASE) as lease:
        for prefix in (
            layout.upload_manifest(upload_id),
            layout.face_folder(upload_id),
            layout.arrival(upload_id),
            layout.flagged(upload_id),
            layout.decision(upload_id),
            layout.change_prefix(upload_id),
            f"{layout.user(upload_id)}/",
            f"{layout.ERASURE_TRIES}/{upload_id}/",
            layout.twin_withdrawal(upload_id),
        ):
            for key in list(store.list(prefix)):
                store.delete(key)
                done.deleted += 1
        lease.renew()
        # First what answers: whatever goes wrong behind it, nobody is shown this person again.
        done.deleted += _erase_from_release(store, upload_id)
        lease.renew()
        _erase_from_datasets(store, upload_id, done, lease)
        _erase_from_verdicts(store, upload_id, lease)
        _erase_from_decisions(store, upload_id, lease)
        _erase_from_pairs(store, upload_id, lease)
        done.deleted += purge_models(store)
    if trained_on(models(store).entries(), {upload_id}):
        done.pending = done.tombstone.retrain_by
    return done


def erase_again(store: ObjectStore, uploads: Iterable[str]) -> None:
    """Erase again whoever of these was erased: something was made of them meanwhile."""
    for upload_id in set(uploads):
        if stone := get_tombstone(store, upload_id):
            erase(store, upload_id, stone.retrain_by - stone.erased_at)


def note_erasure(store: ObjectStore, upload_id: str, retrain_within: timedelta) -> Tombstone:
    """Say that an upload is erased: from then on it will be, whoever does it.

    Args:
        store, retrain_within: as for :func:`erase`.
        upload_id: in the spelling that keys have.

    Raises:
        ErasureError: there never was such an upload.
    """
    if stone := get_tombstone(store, upload_id):
        return stone
    traces = (
        layout.upload_manifest(upload_id),
        layout.face_folder(upload_id),
        f"{layout.user(upload_id)}/",
    )
    if not any(True for prefix in traces for _ in store.list(prefix, page_size=1)):
        raise ErasureError(f"There is no upload {upload_id!r}. Check the id.")
    try:
        code_hash = get_manifest(store, upload_id).erasure_hash
    except UploadError:
        code_hash = ""  # without a manifest that can be read there is no code to compare
    return put_tombstone(store, upload_id, retrain_within, code_hash)


def _erase_from_datasets(
    store: ObjectStore, upload_id: str, done: ErasureResult, lease: Lease
) -> None:
    """Write every version that names an upload without it; the list that named it goes."""
    log = dataset_versions(store)
    # Again where an erasure that was stopped for long wrote another list meanwhile.
    while naming := lists_naming(store, upload_id):

        def without(version: DatasetVersion, naming: set[str] = naming) -> DatasetVersion | None:
            if naming.isdisjoint(one.key for one in version.members.values()):
                return None
            lists = lists_without(store, version.members, upload_id, naming)
            return DatasetVersion.of(version.balanced, lists)

        if newest := log.head():
            log.update(_following(newest.record, without))
        for number in list(log.numbers()):
            lease.renew()
            done.rewritten += log.rewrite(number, without)
        for key in naming:
            store.delete(key)
            done.deleted += 1


def _following(
    record: DatasetVersion, change: Callable[[DatasetVersion], DatasetVersion | None]
) -> Callable[[Manifest[DatasetVersion] | None], DatasetVersion]:
    """What a log is updated with: its newest entry, changed."""

    def make(head: Manifest[DatasetVersion] | None) -> DatasetVersion:
        newest = head.record if head else record
        return change(newest) or newest

    return make


def _erase_from_verdicts(store: ObjectStore, upload_id: str, lease: Lease) -> None:
    """Take an upload's id out of the verdicts on others: flags, and a person's note."""

    def without(verdict: Verdict) -> Verdict | None:
        return verdict.without(upload_id) if verdict.names(upload_id) else None

    for judged, numbers in verdict_numbers(store).items():
        for number in numbers:
            lease.renew()
            verdicts(store, judged).rewrite(number, without)


def _erase_from_decisions(store: ObjectStore, upload_id: str, lease: Lease) -> None:
    """Take an upload's id out of the notes of decisions on others."""
    name = upload_id.encode()
    for key in list(store.list(f"{layout.DECISIONS}/")):
        lease.renew()
        with suppress(ObjectMissingError):
            # Again where somebody decides at this moment.
            while name in (found := store.read(key)).body:
                with suppress(ObjectChangedError):
                    store.replace(key, found.body.replace(name, ERASED.encode()), found.etag)


def _erase_from_pairs(store: ObjectStore, upload_id: str, lease: Lease) -> None:
    """Take an upload out of the pairs: its own twin, and whose twin it is."""

    def without(pairs: TwinPairs) -> TwinPairs | None:
        return pairs.without(upload_id) if pairs.names(upload_id) else None

    log = pairings(store)
    for number in list(log.numbers()):
        lease.renew()
        log.rewrite(number, without)


def _erase_from_release(store: ObjectStore, upload_id: str) -> int:
    """Release again without an upload, then delete all indexes and releases that name it."""
    log = releases(store)

    def next_release(head: Manifest[Release | Withdrawn] | None) -> Release | Withdrawn:
        if head is None:
            return Withdrawn.because("there is none")
        return _release_without(store, head.record, upload_id)

    if log.head_number():
        log.update(next_release)
    unwanted = {
        layout.RELEASES: {one.number for one in log.entries() if one.record.names(upload_id)},
        layout.INDEXES: {
            one.number for one in indexes(store).entries() if one.record.names(upload_id)
        },
    }
    return delete_entries(store, {**unwanted, layout.MODELS: ()})


def _release_without(
    store: ObjectStore, release: Release | Withdrawn, upload_id: str
) -> Release | Withdrawn:
    """What is released instead: the same, where an upload is not in it."""
    if isinstance(release, Withdrawn) or not release.names(upload_id):
        return release
    try:
        index = indexes(store).read(release.face_index)
        if index.record.names(upload_id):
            index = indexes(store).append(_index_without(store, index.record, upload_id))
        return release.without(upload_id, index)
    except (ObjectMissingError, RecordError, TrainingError):
        # Released from an index that an erasure took away at that moment, or that an earlier
        # version made: it cannot be read.
        entries = releases(store).entries()
        whole = (one.record for one in entries if not one.record.names(upload_id))
        return next(whole, None) or Withdrawn.because("it was made during an erasure")


def _index_without(store: ObjectStore, index: Index, upload_id: str) -> Index:
    """An index and its portraits, as they are without one person."""
    who = user_id(upload_id)
    gallery = Gallery.from_bytes(store.get(index.index)).without(who)
    shown = read_portraits(store, index.portraits)
    portraits = write_portraits({one: shown[one] for one in shown if one != who})
    likeness = ""
    if index.likeness:
        space = LikenessSpace.from_bytes(store.get(index.likeness)).without(who)
        likeness = put_file(store, layout.INDEXES, space.to_bytes(), ".safetensors")
    return index.without(
        upload_id,
        put_file(store, layout.INDEXES, gallery.to_bytes(), ".safetensors"),
        put_file(store, layout.INDEXES, portraits, PORTRAITS_SUFFIX),
        likeness,
    )
