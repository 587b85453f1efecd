"""A dry reading: everybody's fate before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin_matcher_dagster.celebrities import survey as surveying
from twin_matcher_dagster.celebrities.balancing import BalancePlan, BalanceReport, balance
from twin_matcher_dagster.celebrities.survey import survey
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster_tests.celebrities.sources.odd import NOWHERE, photo, written
from twin_matcher_dagster_tests.celebrities.test_balancing import candidate
from twin_matcher_dagster_tests.people import read_raw_sample


def folder(path: Path, photos: dict[str, int]) -> str:
    layout = {f"{name}/{i}.jpg": photo(i) for name, many in photos.items() for i in range(many)}
    return str(written(path, {**layout, "Nobody Yet/": b"", "Ana/a.txt": b"x"}))


@pytest.fixture
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked at: an image takes half a second."""
    monkeypatch.setattr(surveying, "_tried", lambda rows, recogniser: (len(rows), 0.5))


@pytest.mark.usefixtures("untried")
def test_everybody_has_a_fate_with_its_figures(tmp_path: Path) -> None:
    found = survey(folder(tmp_path, {"Ana": 30, "Bob": 8, "Cleo": 3}), NOWHERE, epochs=20)
    fates = {one.name: (one.photos, one.to_train, bool(one.left_out)) for one in found.prospects}
    assert fates == {
        "Ana": (30, 24, False),
        "Bob": (8, 8, False),
        "Cleo": (3, 3, True),
        "Nobody Yet": (0, 0, True),
    }
    (cleo,) = (one for one in found.prospects if one.name == "Cleo")
    assert cleo.left_out == "has 3 faces to train on at most, and MIN_FACES asks for 8"
    assert found.trouble == ""
    assert found.report.sentence().startswith("42 files, 41 images of 3 people read, 1 skipped")
    assert found.tried == 12
    reading, training = found.seconds
    assert reading == 41 * 0.5
    assert training == pytest.approx(32 * 20 / 300)


@pytest.mark.usefixtures("untried")
def test_too_few_people_are_a_trouble_with_its_reason(tmp_path: Path) -> None:
    found = survey(folder(tmp_path, {"Ana": 30, "Cleo": 3}), NOWHERE, epochs=20)
    assert "1 of 3 people would be in the data set" in found.trouble
    assert "fewer than MIN_FACES=8: Cleo (3). With MIN_FACES=3 1 of them" in found.trouble


@pytest.mark.usefixtures("untried")
def test_what_the_source_holds_out_is_not_trained_on(tmp_path: Path) -> None:
    layout = {f"train/Ana/{i}.jpg": photo(i) for i in range(9)}
    layout |= {f"test/Ana/{i}.jpg": photo(50 + i) for i in range(5)}
    layout |= {f"train/Bob/{i}.jpg": photo(i) for i in range(9)}
    ana, bob = survey(str(written(tmp_path, layout)), NOWHERE, epochs=20).prospects
    assert (ana.photos, ana.to_train) == (14, 8)
    assert (bob.photos, bob.to_train) == (9, 8)


@pytest.mark.parametrize("photos", [1, 7, 8, 9, 12, 20, 85, 110, 300])
@pytest.mark.parametrize("own_test", [0, 5])
def test_what_is_foretold_is_what_balancing_does(photos: int, own_test: int) -> None:
    plan, report = BalancePlan(min_faces=1), BalanceReport()
    some = [candidate("Ana", photo=n) for n in range(photos)]
    some += [candidate("Ana", photo=1000 + n, held_out=True) for n in range(own_test)]
    chosen = list(balance(some, plan, report))
    trained = sum(one.face.split == "train" for one in chosen)
    assert plan.faces_to_train(photos, has_own_test=own_test > 0) == trained


def test_some_photos_are_looked_at(tmp_path: Path) -> None:
    faces = [row.image for row in read_raw_sample()][:3]
    layout = {f"Ana/{n}.jpg": data for n, data in enumerate(faces)}
    found = survey(str(written(tmp_path, {**layout, "Ana/grey.jpg": photo(1)})), NOWHERE, 1)
    assert (found.tried, found.with_face) == (4, 3)
    assert found.seconds_an_image > 0


@pytest.mark.usefixtures("untried")
def test_the_sample_is_a_source_too() -> None:
    found = survey("sample", SAMPLE / "faces.parquet", epochs=4)
    assert len(found.kept) == len(found.prospects) == 24
