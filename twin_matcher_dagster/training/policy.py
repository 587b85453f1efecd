"""When the model is trained again: a policy that an operator sees and can change.

A new person needs no training: they are imprinted into the index. Training again makes the network
know them well, and costs minutes; so it waits until it is worth it, or cannot wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from twin_matcher_dagster.dataset.schema import fingerprint
from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifest_log import Manifest, ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.tombstones import erased_uploads


@dataclass(frozen=True)
class Policy:
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
class Due:
    """Whether to train.

    Attributes:
        reasons: why; nothing is due without one.
        figures: name -> what it is now and the limit, for the operator.
        fingerprint: the same until the model is replaced, or a day has gone by.
    """

    reasons: Sequence[str]
    figures: dict[str, str]
    fingerprint: str


def due(store: ObjectStore, policy: Policy, now: datetime | None = None) -> Due:
    """Compare the newest data set with the newest model.

    Raises:
        TwinMatcherError: there is no data set yet.
    """
    dataset = read_version(store)
    model = ManifestLog(store, layout.log(layout.MODELS)).head()
    now = now or datetime.now(timezone.utc)
    celebrities = dataset.body["balanced"]["fingerprint"]
    # A training that was on its way when somebody in it was erased failed: it is due again. So is
    # one that failed for another reason, a day later.
    state = (celebrities, *sorted(erased_uploads(store)))
    if model is None:
        return Due(["there is no model yet"], {}, fingerprint(now.date().isoformat(), *state))
    if "trained_at" not in model.body:
        mark = fingerprint(model.number, now.date().isoformat(), *state)
        return Due(["an earlier version made the model"], {}, mark)
    learnt = set(model.body["uploads"])
    members = {member.upload_id: member for member in dataset.members}
    new = [member for upload_id, member in members.items() if upload_id not in learnt]
    faces, share = sum(m.shard.rows for m in new), len(new) / max(1, len(dataset.identities))
    age = (now - datetime.fromisoformat(model.body["trained_at"])).total_seconds() / 86400
    found = _found(store, model)
    left = learnt - set(members)
    other = model.body["celebrities"] != celebrities
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
    refused = model.body.get("refused", {})
    if reasons and not left and refused.get("dataset") == dataset.fingerprint:
        # The same data would give the same model.
        figures["refused"] = f"model {refused['model']}, which learnt all this, was worse"
        reasons = []
    return Due(reasons, figures, fingerprint(model.fingerprint, *state, int(age)))


def note(store: ObjectStore, found: Due) -> str:
    """Note that a training is due; the fingerprint of the last one that was.

    It changes when another training becomes due, and not when none is.
    """
    log = ManifestLog(store, layout.log(layout.RETRAINING))
    if found.reasons:
        body = {"fingerprint": found.fingerprint, "reasons": list(found.reasons)}
        return log.update(lambda head: body).fingerprint
    head = log.head()
    return head.fingerprint if head else "never"


def _found(store: ObjectStore, model: Manifest) -> float | None:
    """The share of new people's faces that are nearest to their own row, by the last index."""
    index = ManifestLog(store, layout.log(layout.INDEXES)).head()
    if index is None or index.body["model_fingerprint"] != model.fingerprint:
        return None
    return index.body["imprinted_found"]
