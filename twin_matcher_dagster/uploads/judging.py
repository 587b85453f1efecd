"""Judge an upload: one at a time, because a verdict depends on all others.

Of two uploads with one face, whichever is judged second has to see the verdict on the first. No
single object could be written on the condition that there is no other verdict, so this needs a
lease. The verdict is fenced: a process that was stopped between looking and writing writes nothing
once another one looks.
"""

from __future__ import annotations

from dataclasses import dataclass

from twin_matcher_dagster.dataset.versions import judged_uploads
from twin_matcher_dagster.errors import UploadError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.lease import leased
from twin_matcher_dagster.storage.logs import verdicts
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.uploads import Verdict
from twin_matcher_dagster.storage.tombstones import get_tombstone
from twin_matcher_dagster.uploads.decisions import get_decision
from twin_matcher_dagster.uploads.examination import Examination
from twin_matcher_dagster.uploads.known_people import KnownPeople
from twin_matcher_dagster.uploads.resemblance import ResemblanceReport, find_resemblance
from twin_matcher_dagster.uploads.verdict import (
    others_to_compare,
    review_now,
    verdict_on,
)


@dataclass(frozen=True)
class JudgedUpload:
    """A verdict, and what it was found by.

    Attributes:
        verdict: as it is stored.
        known: with whom the upload was compared.
        resemblance: whom it is like.
    """

    verdict: Manifest[Verdict]
    known: KnownPeople
    resemblance: ResemblanceReport


def judge_upload(
    store: ObjectStore,
    upload_id: str,
    examined: Examination,
    recogniser: str,
) -> JudgedUpload:
    """Compare an upload with everybody known, and store the verdict, with what a person decided.

    Args:
        store: the bucket.
        upload_id: which.
        examined: its faces.
        recogniser: name of the one whose vectors they are.

    Raises:
        UploadError: the upload was erased.
        LeaseLostError: this was stopped for so long that another process took over.
        StorageError: others judge for long, or the store does not answer.
    """
    with leased(store, layout.JUDGING_LEASE) as lease:
        found: list[tuple[KnownPeople, ResemblanceReport]] = []

        def next_verdict(head: Manifest[Verdict] | None) -> Verdict:
            # After the key was reserved: an erasure waits for it, or its tombstone is seen here.
            if get_tombstone(store, upload_id):
                raise UploadError("This upload was erased while it was judged.")
            before = head.record if head else None
            others = others_to_compare(judged_uploads(store), upload_id, before)
            known = KnownPeople(store, others, lease.renew)
            alike = ResemblanceReport()
            if examined.found and not examined.reasons:
                alike = find_resemblance(examined.found, examined.name, known, recogniser)
            found.append((known, alike))
            lease.renew()
            review = review_now(get_decision(store, upload_id), before)
            return verdict_on(store, upload_id, examined, alike, review, recogniser, before)

        verdict = verdicts(store, upload_id).update(next_verdict, lease.reserve)
        return JudgedUpload(verdict, *found[-1])
