"""Collections of few people with few photos: the whole graph ends with a release, or says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg
import pytest

from twin_matcher_dagster.dataset.schema import RawFace, write_raw_shard
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster_tests.graph import run_graph
from twin_matcher_dagster_tests.people import read_raw_sample

# Each is a training, and a release.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SECOND_NAME = "Second Name"


def source_of(folder: Path, photos: Sequence[int], twice: Mapping[int, str]) -> Path:
    """So many photos of each of some people; as many more of some, under another name."""
    by_label: dict[str, list[RawFace]] = {}
    for row in read_raw_sample():
        by_label.setdefault(row.label, []).append(row)
    people = sorted(by_label, key=lambda label: -len(by_label[label]))
    rows = [
        row for who, count in zip(people, photos, strict=False) for row in by_label[who][:count]
    ]
    for number, name in twice.items():
        more = by_label[people[number]][photos[number] : 2 * photos[number]]
        rows += [RawFace(row.image, name, row.split) for row in more]
    file = folder / "faces.parquet"
    file.write_bytes(write_raw_shard(rows).data)
    return file


def run(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    photos: Sequence[int],
    min_faces: int,
    twice: Mapping[int, str] | None = None,
) -> dg.ExecuteInProcessResult:
    """The whole graph on a source."""
    monkeypatch.setenv("RAW_FACES", str(source_of(folder, photos, twice or {})))
    monkeypatch.setenv("MIN_FACES", str(min_faces))
    monkeypatch.setenv("EPOCHS", "3")
    return run_graph([])


@pytest.mark.parametrize(
    ("photos", "min_faces", "twice", "held_out", "opened"),
    [
        ([12] * 3, 8, {}, 3, "Whether faces find their own identity by more than luck: 3 held-out"),
        ([1] * 2, 1, {}, 0, "Whether faces find their own identity: no face is held out."),
        ([3] * 24, 2, {}, 24, "Whether the training learnt by more than luck: 0 faces"),
        ([1, 2, 4, 8, 12], 1, {}, 3, "Whether a later model is worse: faces of 3 people"),
        ([12] * 2, 8, {0: SECOND_NAME}, 3, "Whether a later model is worse"),
    ],
)
def test_it_ends_with_a_release_that_says_what_was_not_judged(
    store: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    photos: list[int],
    min_faces: int,
    twice: dict[int, str],
    held_out: int,
    opened: str,
) -> None:
    result = run(monkeypatch, tmp_path, photos, min_faces, twice)
    assert result.success
    release = releases(store).existing_head().record
    assert isinstance(release, Release)
    assert (release.figures.fused.faces if release.figures else 0) == held_out
    assert any(sentence.startswith(opened) for sentence in release.unjudged)
    known = {one.label for one in release.identities}
    asked = next(row for row in read_raw_sample() if row.label in known)
    answer = Production(store).finder().find(read_image(asked.image))
    assert len(answer.twins) >= min(3, len(release.identities) - 1)


@pytest.mark.parametrize(
    ("photos", "twice", "told"),
    [
        ([3] * 24, {}, "With MIN_FACES=3 24 of them come in"),
        ([12], {}, "1 of 1 names are left, and training needs 2 people. Set RAW_FACES"),
        (
            [12],
            {0: SECOND_NAME},
            f"One person under two names, by a sameness from 0.65 on? {SECOND_NAME}",
        ),
    ],
)
def test_it_says_what_is_missing_and_the_setting_that_changes_it(
    store: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    photos: list[int],
    twice: dict[int, str],
    told: str,
) -> None:
    result = run(monkeypatch, tmp_path, photos, 8, twice)
    (failed,) = (one for one in result.get_asset_check_evaluations() if not one.passed)
    assert failed.check_name == "enough_identities"
    assert told in str(failed.description)
    assert releases(store).head() is None
