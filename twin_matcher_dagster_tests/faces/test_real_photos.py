"""Sets of photos of real people, years and lights apart, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from twin_matcher_dagster.faces.photo_set import extract_from_photos

PHOTOS = 24


@pytest.fixture(scope="module")
def albums(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Some photos of four people each, as files."""
    folder = tmp_path_factory.mktemp("albums")
    table = pq.read_table(shared_data / "celebs" / "train.parquet")
    found: dict[str, list[Path]] = {}
    for number, row in enumerate(table.to_pylist()):
        files = found.setdefault(row["label"], [])
        if len(files) < PHOTOS:
            files.append(folder / f"{number}.jpg")
            files[-1].write_bytes(row["image"]["bytes"])
    return dict([item for item in found.items() if len(item[1]) == PHOTOS][:4])


def test_photos_of_one_person_are_accepted(albums: dict[str, list[Path]]) -> None:
    for name, files in albums.items():
        report = extract_from_photos(files)
        assert report.refused is None, name
        assert len(report.faces) >= 0.95 * PHOTOS
        assert report.hints == []


def test_one_photo_of_somebody_else_is_left_out(albums: dict[str, list[Path]]) -> None:
    first, second, *_ = albums.values()
    report = extract_from_photos([*first[:12], second[0], *first[12:]])
    assert report.refused is None
    assert 12.0 not in [face.time for face in report.faces]


def test_photos_of_two_people_are_refused(albums: dict[str, list[Path]]) -> None:
    first, second, *_ = albums.values()
    report = extract_from_photos([*first, *second[:6]])
    assert report.refused
    assert report.refused.reason == "photos of another person"
