"""Biographies: what a source tells of its people, kept apart from their faces."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twin_matcher_dagster.celebrities.sources import read_source
from twin_matcher_dagster.dataset.biographies import About, read_people
from twin_matcher_dagster.dataset.identity import celebrity_id
from twin_matcher_dagster.errors import SourceError
from twin_matcher_dagster.settings import SAMPLE


def written(folder: Path, people: object) -> Path:
    (folder / "people.json").write_text(json.dumps(people))
    (folder / "faces.parquet").write_bytes(b"")
    return folder


def test_everybody_in_the_sample_has_a_biography() -> None:
    people = read_people(SAMPLE / "faces.parquet")
    who = {celebrity_id(row.label) for row in read_source("sample", SAMPLE / "faces.parquet")}
    assert set(people) == who
    for about in people.values():
        assert set(about) == {"age", "nationality", "occupation", "biography", "invented"}
        assert 25 <= about["age"] <= 90


def test_the_file_is_found_in_a_folder_and_beside_a_file(tmp_path: Path) -> None:
    written(tmp_path, {"Ana  LUZ": {"age": 41, "occupation": " diver ", "shoes": 42}})
    wanted = {celebrity_id("ana luz"): {"age": 41, "occupation": "diver"}}
    assert read_people(tmp_path) == read_people(tmp_path / "faces.parquet") == wanted


def test_no_file_is_no_biography(tmp_path: Path) -> None:
    assert read_people(tmp_path) == {}
    assert read_people(tmp_path / "lansinuote/simple_facenet") == {}


@pytest.mark.parametrize(
    ("people", "place"),
    [
        (["Ana"], "the file"),
        ({"Ana": {"age": "old"}}, "Ana > age"),
        ({"Ana": {"age": -1}}, "Ana > age"),
        ({"Ana": {"biography": "x" * 1001}}, "Ana > biography"),
        ({"Ana": "a diver"}, "Ana"),
    ],
)
def test_another_form_is_explained(tmp_path: Path, people: object, place: str) -> None:
    with pytest.raises(SourceError, match=place):
        read_people(written(tmp_path, people))


def test_a_damaged_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "people.json").write_bytes(b'{"Ana": \xff')
    with pytest.raises(SourceError, match="mend it, or take it away"):
        read_people(tmp_path)


def test_facts_leave_out_what_is_not_known() -> None:
    assert About(age=41, nationality="Chile", occupation="diver").facts() == "Chile, 41, diver"
    assert About(age=0).facts() == "0"
    assert About(biography="Dives.").facts() == ""
