"""The logs of a bucket: where each stands, and in which order they hang together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twin_matcher_dagster.errors import TwinMatcherError
from twin_matcher_dagster.storage.logs import (
    balanced_versions,
    dataset_versions,
    indexes,
    leaderboards,
    logs_by_folder,
    models,
    pairings,
    raw_versions,
    releases,
    reviews,
    trainings_due,
    verdicts,
)
from twin_matcher_dagster.storage.manifest_log import ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests.records import EVERY, RELEASE, UPLOAD, VERDICT, WITHDRAWN

# Function, asset, folder: a bucket that is in use has its entries there.
LOGS: list[tuple[Callable[[ObjectStore], ManifestLog[Any]], str, str]] = [
    (raw_versions, "raw_faces", "celebrities/raw"),
    (balanced_versions, "balanced_faces", "celebrities/balanced"),
    (reviews, "review", "celebrities/reviews"),
    (dataset_versions, "twin_dataset", "datasets"),
    (trainings_due, "retraining", "retraining"),
    (models, "twin_model", "models"),
    (indexes, "face_index", "indexes"),
    (releases, "production_release", "releases"),
    (leaderboards, "leaderboard", "leaderboard"),
    (pairings, "twin_pairs", "twins"),
]


@pytest.mark.parametrize(("log", "asset", "folder"), LOGS, ids=[asset for _, asset, _ in LOGS])
def test_a_log_stands_where_it_stood_and_says_what_makes_its_entries(
    store: ObjectStore, log: Callable[[ObjectStore], ManifestLog[Any]], asset: str, folder: str
) -> None:
    assert log(store).key(1) == f"{folder}/versions/99999998.json"
    with pytest.raises(TwinMatcherError, match=f"There is no {asset} in this bucket yet"):
        log(store).existing_head()


def test_every_upload_has_a_log_of_its_own(store: ObjectStore) -> None:
    log = verdicts(store, UPLOAD)
    assert log.key(2) == f"users/{UPLOAD}/versions/99999997.json"
    assert log.append(VERDICT).record == VERDICT


def test_releases_and_their_withdrawals_are_in_one_log(store: ObjectStore) -> None:
    log = releases(store)
    log.append(RELEASE)
    log.append(WITHDRAWN)
    assert [one.record for one in log.entries()] == [WITHDRAWN, RELEASE]


def test_what_an_entry_stands_on_is_in_a_later_log(store: ObjectStore) -> None:
    """So that retention looks at each once, from the releases down."""
    folders = list(logs_by_folder(store))
    known = {folder: place for place, folder in enumerate(folders)}
    kinds = {"Release": "releases", "Index": "indexes", "Model": "models"}
    kinds |= {"DatasetVersion": "datasets", "BalancedVersion": "celebrities/balanced"}
    for record in EVERY:
        for below in record.stands_on():
            assert known[below] > known[kinds[type(record).__name__]]
