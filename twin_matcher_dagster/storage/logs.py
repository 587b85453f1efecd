"""The logs of a bucket, each with the record that its entries are."""

from __future__ import annotations

from typing import Any

from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifest_log import ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.celebrities import BalancedVersion, RawVersion, Review
from twin_matcher_dagster.storage.records.dataset import DatasetVersion
from twin_matcher_dagster.storage.records.index import Index
from twin_matcher_dagster.storage.records.leaderboard import Leaderboard
from twin_matcher_dagster.storage.records.release import Release, Withdrawn, read_release
from twin_matcher_dagster.storage.records.training import Model, TrainingDue
from twin_matcher_dagster.storage.records.twins import TwinPairs
from twin_matcher_dagster.storage.records.uploads import Verdict


def raw_versions(store: ObjectStore) -> ManifestLog[RawVersion]:
    """What ``raw_faces`` read."""
    return ManifestLog(store, layout.log(layout.RAW), RawVersion.from_body, "raw_faces")


def balanced_versions(store: ObjectStore) -> ManifestLog[BalancedVersion]:
    """What ``balanced_faces`` kept."""
    name = layout.log(layout.BALANCED)
    return ManifestLog(store, name, BalancedVersion.from_body, "balanced_faces")


def reviews(store: ObjectStore) -> ManifestLog[Review]:
    """What a person decided of celebrity faces."""
    return ManifestLog(store, layout.log(layout.REVIEWS), Review.from_body, "review")


def verdicts(store: ObjectStore, upload_id: str) -> ManifestLog[Verdict]:
    """The verdicts of ``user_faces`` on one upload."""
    name = layout.log(layout.user(upload_id))
    return ManifestLog(store, name, Verdict.from_body, "user_faces")


def dataset_versions(store: ObjectStore) -> ManifestLog[DatasetVersion]:
    """The versions of ``twin_dataset``."""
    name = layout.log(layout.DATASETS)
    return ManifestLog(store, name, DatasetVersion.from_body, "twin_dataset")


def trainings_due(store: ObjectStore) -> ManifestLog[TrainingDue]:
    """When ``retraining`` found that a training is due."""
    return ManifestLog(store, layout.log(layout.TRAININGS_DUE), TrainingDue.from_body, "retraining")


def models(store: ObjectStore) -> ManifestLog[Model]:
    """The models of ``twin_model``."""
    return ManifestLog(store, layout.log(layout.MODELS), Model.from_body, "twin_model")


def indexes(store: ObjectStore) -> ManifestLog[Index]:
    """The indexes of ``face_index``."""
    return ManifestLog(store, layout.log(layout.INDEXES), Index.from_body, "face_index")


def releases(store: ObjectStore) -> ManifestLog[Release | Withdrawn]:
    """What ``production_release`` put into production, and what was withdrawn."""
    return ManifestLog(store, layout.log(layout.RELEASES), read_release, "production_release")


def leaderboards(store: ObjectStore) -> ManifestLog[Leaderboard]:
    """The versions of ``leaderboard``."""
    name = layout.log(layout.LEADERBOARDS)
    return ManifestLog(store, name, Leaderboard.from_body, "leaderboard")


def pairings(store: ObjectStore) -> ManifestLog[TwinPairs]:
    """Whom ``twin_pairs`` found alike among the visitors of a release."""
    return ManifestLog(store, layout.log(layout.TWINS), TwinPairs.from_body, "twin_pairs")


def logs_by_folder(store: ObjectStore) -> dict[str, ManifestLog[Any]]:
    """The logs of the graph; what an entry stands on is in a later one."""
    return {
        layout.TWINS: pairings(store),
        layout.RELEASES: releases(store),
        layout.INDEXES: indexes(store),
        layout.MODELS: models(store),
        layout.DATASETS: dataset_versions(store),
        layout.BALANCED: balanced_versions(store),
        layout.RAW: raw_versions(store),
        layout.TRAININGS_DUE: trainings_due(store),
    }
