"""Every training side by side, for as long as the bucket is there: models come and go.

A row is made from the model, its data set, the index that measured it and the releases. Of what is
gone meanwhile the last leaderboard says how it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twin_matcher_dagster.errors import ObjectMissingError
from twin_matcher_dagster.storage.logs import (
    dataset_versions,
    indexes,
    leaderboards,
    models,
    releases,
)
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.index import Index
from twin_matcher_dagster.storage.records.leaderboard import (
    Leaderboard,
    LearntData,
    MeasuredTraining,
    TrainingOutcome,
)
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster.storage.records.training import Model

RANK1 = "rank-1"
RANK1_ALONE = "rank-1 of the network alone"
SAME_TWIN = "strangers: two photos, one twin"
AGREEMENT = "strangers: likeness as it truly is"
NEWCOMERS = "rank-1 of newcomers"


def update_leaderboard(store: ObjectStore) -> Manifest[Leaderboard]:
    """Take in the trainings that came, and what was measured since; nothing is written if none."""

    def next_version(head: Manifest[Leaderboard] | None) -> Leaderboard:
        return Leaderboard.of(trainings_in(store, head.record if head else None))

    return leaderboards(store).update(next_version)


def newest_trainings(store: ObjectStore) -> tuple[MeasuredTraining, ...]:
    """All trainings as of now, in their order; nothing is written."""
    head = leaderboards(store).head()
    return trainings_in(store, head.record if head else None)


def trainings_in(store: ObjectStore, before: Leaderboard | None) -> tuple[MeasuredTraining, ...]:
    """All trainings, in their order.

    Args:
        store: the bucket.
        before: the leaderboard so far: what it says stays, unless the bucket knows more.
    """
    known = {one.fingerprint: one for one in before.trainings} if before else {}
    kept = sorted(models(store).entries(), key=lambda entry: entry.number)
    released, refused, measured = _released(store), _refused(kept), _figures(store)
    # One that came back after a refusal, or a rollback, has another number: the first one stays.
    for model in kept:
        mark = model.fingerprint
        old = known.get(mark)
        outcome: TrainingOutcome = old.outcome if old else "waits"
        if mark in released:
            outcome = "released"
        elif outcome == "waits" and mark in refused:
            outcome = "refused"
        known[mark] = MeasuredTraining(
            model=old.model if old else model.number,
            fingerprint=mark,
            trained_at=model.record.trained_at,
            data=_data(store, model.record) or (old.data if old else None),
            plan=model.record.plan,
            backbone=model.record.backbone,
            ancestor=model.record.ancestor,
            epochs=len(model.record.curve),
            environment=model.record.environment,
            figures={
                **(old.figures if old else {}),
                **_learnt(model.record),
                **measured.get(mark, {}),
            },
            outcome=outcome,
        )
    return tuple(sorted(known.values(), key=_order))


def _order(one: MeasuredTraining) -> tuple[float, int]:
    """By time: numbers begin anew where an erasure took every model."""
    return one.trained_at.timestamp() if one.trained_at else 0.0, one.model


def _released(store: ObjectStore) -> set[str]:
    """Fingerprints of the models in the releases that are kept."""
    return {
        entry.record.model_fingerprint
        for entry in releases(store).entries()
        if isinstance(entry.record, Release)
    }


def _refused(kept: Sequence[Manifest[Model]]) -> set[str]:
    """Fingerprints of the models that gave way to another one."""
    marks = {entry.number: entry.fingerprint for entry in kept}
    gave_way = (entry.record.refused.model for entry in kept if entry.record.refused)
    return {marks[number] for number in gave_way if number in marks}


def _data(store: ObjectStore, model: Model) -> LearntData | None:
    try:
        version = dataset_versions(store).read(model.dataset)
    except ObjectMissingError:
        return None
    record = version.record
    return LearntData(
        number=version.number,
        fingerprint=version.fingerprint,
        celebrities=record.balanced.number,
        identities=record.identities,
        users=record.users,
        faces=record.rows,
    )


def _learnt(model: Model) -> dict[str, float]:
    """What the training itself measured."""
    if model.newcomers is None:
        return {}
    kept = {one.share: one for one in model.newcomers.tried}[model.newcomers.share]
    return {NEWCOMERS: kept.newcomers}


def _figures(store: ObjectStore) -> dict[str, Mapping[str, float]]:
    """What indexes measured, by fingerprint of the model: of each the first that is kept."""
    found: dict[str, Mapping[str, float]] = {}
    for entry in indexes(store).entries():  # the newest first
        found[entry.record.model_fingerprint] = _measured(entry.record)
    return found


def _measured(index: Index) -> dict[str, float]:
    figures: dict[str, float] = {}
    if index.figures:
        figures |= {
            RANK1: index.figures.fused.rank1,
            RANK1_ALONE: index.figures.resnet.rank1,
        }
    if index.strangers:
        figures |= {SAME_TWIN: index.strangers.same_twin, AGREEMENT: index.strangers.agreement}
    return figures


def in_order_of_merit(trainings: Sequence[MeasuredTraining]) -> list[MeasuredTraining]:
    """Those of the newest celebrities first, of these the best rank-1; then what was not measured.

    With other celebrities the held-out faces are others, and figures do not compare.
    """
    return sorted(
        trainings,
        key=lambda one: (
            one.data.celebrities if one.data else 0,
            one.figures.get(RANK1, -1.0),
            _order(one),
        ),
        reverse=True,
    )
