"""What has to hold of a flow that has come to rest, read by nothing that mends anything."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise

import dagster as dg
from dagster._core.execution.stats import StepEventStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import PARTITION_NAME_TAG

from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.recognition.gallery import Gallery
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import releases, verdicts
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster_tests.end_to_end.visitors import Visitor


def unfinished(instance: dg.DagsterInstance, store: ObjectStore) -> Iterator[str]:
    """Runs that have not ended, places in pools that are taken for no run, leases, notes."""
    runs = instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))
    yield from (f"run {run.run_id[:8]} is {run.status.value}" for run in runs)
    storage = instance.event_log_storage
    for pool in storage.get_concurrency_keys():
        taken = storage.get_concurrency_info(pool).active_slot_count
        if taken and not runs:
            yield f"{taken} places of the pool {pool} are taken"
    for lease in layout.LEASES:
        with suppress(ObjectMissingError):
            if json.loads(store.get(lease))["holder"]:
                yield f"{lease} is held"
    waiting = list(store.list(f"{layout.ARRIVALS}/"))
    if waiting:
        yield f"{len(waiting)} uploads are noted as waiting"


def broken(store: ObjectStore, visitors: Sequence[Visitor]) -> Iterator[str]:
    """What is not as it has to be of each upload, by the bucket alone."""
    head = releases(store).head()
    if head is None or not isinstance(head.record, Release):
        yield "there is no release"
        return
    release = head.record
    version = read_version(store, release.dataset)
    members = Counter(version.upload_ids)
    others = Counter(clip.upload_id for clip in version.other_clips)
    shown = Counter(one.identity_id for one in release.identities)
    rows = Counter(Gallery.from_bytes(store.get(release.index)).identities)
    for number, visitor in enumerate(visitors):
        upload_id, who = visitor.upload_id, user_id(visitor.upload_id)
        log = verdicts(store, upload_id)
        count = len(list(log.numbers()))
        times = (members[upload_id] + others[upload_id], shown[who], rows[who])
        if visitor.erased:
            if count or any(times) or release.names(upload_id):
                yield f"{number} is erased: {count} verdicts, {times} times in the release"
        elif count != 1:
            yield f"{number} has {count} verdicts"
        else:
            accepted = log.existing_head().record.accepted
            if times != (int(accepted), members[upload_id], members[upload_id]):
                yield f"{number} is {times} times in the release, accepted: {accepted}"
            if visitor.poison and accepted:
                yield f"{number} is {visitor.poison}, and accepted"


def traces(
    everything: Iterable[tuple[str, bytes]], erased: Sequence[Visitor], others: Collection[str]
) -> Iterator[str]:
    """Files and objects with the name or with bytes of a face of who was erased.

    Args:
        everything: what they are called, and their bytes.
        erased: who.
        others: names of who was not; they may share one.
    """
    names = {one.name for one in erased} - set(others)
    wanted = [*(name.encode() for name in names), *(p for one in erased for p in one.pieces())]
    for name, data in everything if wanted else ():
        if held := sum(piece in data for piece in wanted):
            yield f"{name} holds {held} traces of who was erased"


def twice_at_once(instance: dg.DagsterInstance) -> list[str]:
    """Steps that ended well while another one that made the same went on."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for run in instance.get_runs():
        for step in instance.get_run_step_stats(run.run_id):
            if step.status is StepEventStatus.SUCCESS and step.start_time and step.end_time:
                made = f"{step.step_key} {run.tags.get(PARTITION_NAME_TAG, '')}".strip()
                spans.setdefault(made, []).append((step.start_time, step.end_time))
    return [
        made
        for made, times in spans.items()
        if any(later[0] < earlier[1] for earlier, later in pairwise(sorted(times)))
    ]
