"""Collections of few people with few photos each: the whole graph ends with a release, or says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg
import pytest

from twin_matcher_dagster.dataset.schema import RawFace, write_raw_shard
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster_tests.graph import run_graph
from twin_matcher_dagster_tests.people import read_raw_sample


def source_of(path: Path, photos: Sequence[int], names: Mapping[int, str] | None = None) -> Path:
    """So many photos of each of some people; two of them may be one person under two names."""
    by_label: dict[str, list[RawFace]] = {}
    for row in read_raw_sample():
        by_label.setdefault(row.label, []).append(row)
    people = sorted(by_label, key=lambda label: -len(by_label[label]))
    rows: list[RawFace] = []
    for number, count in enumerate(photos):
        rows += by_label[people[number]][:count]
    for number, name in (names or {}).items():
        count = photos[number]
        again = by_label[people[number]][count : 2 * count]
        rows += [RawFace(row.image, name, row.split) for row in again]
    file = path / "faces.parquet"
    file.write_bytes(write_raw_shard(rows).data)
    return file


def told_by(result: dg.ExecuteInProcessResult) -> str:
    """What a run that failed says."""
    checks = [
        one.description or "" for one in result.get_asset_check_evaluations() if not one.passed
    ]
    steps = [str(one.step_failure_data) for one in result.all_events if one.is_step_failure]
    return "\n".join([*checks, *steps])


@pytest.fixture
def run(store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def run(photos: Sequence[int], min_faces: int, names: Mapping[int, str] | None = None):
        monkeypatch.setenv("RAW_FACES", str(source_of(tmp_path, photos, names)))
        monkeypatch.setenv("MIN_FACES", str(min_faces))
        monkeypatch.setenv("EPOCHS", "2")
        result = run_graph([])
        for one in result.get_asset_check_evaluations():
            print(one.check_name, one.passed, one.description)
        if not result.success:
            print(told_by(result)[:3000])
        head = releases(store).head()
        if head:
            print(
                head.record.unjudged,
                head.record.identity_limit,
                head.record.figures and head.record.figures.fused,
                head.record.strangers,
            )
        return result

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("photos", "min_faces", "names"),
    [
        ([12] * 3, 8, None),
        ([1] * 2, 1, None),
        ([3] * 24, 8, None),
        ([3] * 24, 2, None),
        ([1, 2, 4, 8, 12], 1, None),
        ([12], 8, {0: "Second Name"}),
        ([12] * 2, 8, {0: "Second Name"}),
        ([5] * 20, 3, None),
        ([12], 8, None),
    ],
)
def test_try(run, photos, min_faces, names, store) -> None:
    result = run(photos, min_faces, names)
    print("SUCCESS", result.success)
    if result.success:
        print(
            [
                (t.label, t.likeness)
                for t in Production(store).finder().find(read_image(SAMPLE / "probe.jpg")).twins
            ]
        ) if (SAMPLE / "probe.jpg").exists() else None
