"""When the model is trained again: a policy that an operator sees and can change.

A new person needs no training: they are imprinted into the index. Training again makes the network
know them well, and costs minutes; so it waits until it is worth it, or cannot wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import islice

from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.logs import indexes, models, trainings_due
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.training import Model, TrainingDue
from twin_matcher_dagster.storage.tombstones import erased_uploads

# Two pages of a listing.
_MOST_COUNTED = 2000


@dataclass(frozen=True)
class RetrainingPolicy:
    """What makes a training due, besides people who left and other celebrities.

    Attributes:
        new_faces: so many faces that the model did not learn.
        new_share: such a share of identities that it did not learn, 0 to 1.
        days: so old a model, if anybody is new.
        found: below such a share of new people's faces, 0 to 1, that are nearest to their own
            imprinted row, the embedding does not fit who comes (drift). 0: never.
    """

    new_faces: int = 1000
    new_share: float = 0.1
    days: float = 30
    found: float = 0.8


@dataclass(frozen=True)
class TrainingDecision:
    """Whether to train.

    Attributes:
        reasons: why; nothing is due without one.
        figures: name -> what it is now and the limit, for the operator.
        fingerprint: the same until the model is replaced, or a day has gone by.
    """

    reasons: Sequence[str]
    figures: dict[str, str]
    fingerprint: str


def training_due(
    store: ObjectStore, policy: RetrainingPolicy, now: datetime | None = None
) -> TrainingDecision:
    """Compare the newest data set with the newest model.

    Raises:
        TwinMatcherError: there is no data set yet.
    """
    dataset = read_version(store)
    head = models(store).head()
    now = now or datetime.now(timezone.utc)
    celebrities = dataset.record.balanced.fingerprint
    # A training that was on its way when somebody in it was erased failed: it is due again. So is
    # one that failed for another reason, a day later.
    state = (celebrities, *sorted(erased_uploads(store)))
    if head is None:
        mark = fingerprint(now.date().isoformat(), *state)
        return TrainingDecision(["there is no model yet"], {}, mark)
    model = head.record
    learnt = set(model.uploads)
    members = {member.upload_id: member for member in dataset.members}
    new = [member for upload_id, member in members.items() if upload_id not in learnt]
    faces, share = sum(m.shard.rows for m in new), len(new) / max(1, len(dataset.identities))
    age = (now - (model.trained_at or now)).total_seconds() / 86400
    found = _found(store, head)
    left = learnt - set(members)
    other = model.celebrities != celebrities
    rules = (
        (bool(left), f"{len(left)} people whom it learnt are not in the data set any more"),
        (other, "the celebrities are others"),
        (faces >= policy.new_faces, f"{faces} new faces"),
        (share >= policy.new_share, f"{share:.0%} of the identities are new"),
        (bool(new) and age >= policy.days, f"it is {age:.0f} days old, and somebody is new"),
        (found is not None and found < policy.found, f"{found or 0:.0%} of new faces fit"),
    )
    reasons = [reason for holds, reason in rules if holds]
    figures = {
        "new faces": f"{faces} (from {policy.new_faces})",
        "share of new identities": f"{share:.1%} (from {policy.new_share:.1%})",
        "days since the last training": f"{age:.1f} (from {policy.days:g}, if anybody is new)",
        "new faces nearest to their own row": f"{'-' if found is None else f'{found:.0%}'} "
        f"(below {policy.found:.0%})",
        "people who left": str(len(left)),
        "other celebrities": "yes" if other else "no",
    }
    refused = model.refused
    waiting = _waiting(store)
    if reasons and not left and not other and waiting > len(new):
        # It would be out of date as soon as it is made; the data set with them asks again.
        figures["waits"] = f"for {waiting} uploads that are being judged, more than are new"
        reasons = []
    if reasons and not left and refused and refused.dataset == dataset.training_fingerprint:
        # The same data would give the same model.
        figures["refused"] = f"model {refused.model}, which learnt all this, was worse"
        reasons = []
    return TrainingDecision(reasons, figures, fingerprint(head.fingerprint, *state, int(age)))


def record_due(store: ObjectStore, decision: TrainingDecision) -> str:
    """Record that a training is due; the fingerprint of the last one that was.

    It changes when another training becomes due, and not when none is.
    """
    log = trainings_due(store)
    if decision.reasons:
        due = TrainingDue(fingerprint=decision.fingerprint, reasons=tuple(decision.reasons))
        return log.commit(due).fingerprint
    head = log.head()
    return head.fingerprint if head else "never"


def _waiting(store: ObjectStore) -> int:
    """How many uploads wait for a verdict; of a great many some are not counted."""
    return sum(1 for _ in islice(store.list(f"{layout.ARRIVALS}/"), _MOST_COUNTED))


def _found(store: ObjectStore, model: Manifest[Model]) -> float | None:
    """The share of new people's faces that are nearest to their own row, by the last index."""
    index = indexes(store).head()
    if index is None or index.record.model_fingerprint != model.fingerprint:
        return None
    return index.record.imprinted_found
