"""``Twins``: what a program may hand in, and where it connects to."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import twin_matcher_dagster
from twin_matcher_dagster import Twins, aligned_face
from twin_matcher_dagster.api import twins as connecting
from twin_matcher_dagster.errors import MediaError, ServicesError, StoreAwayError
from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster_tests.api.finders import ANSWER, MORE, PAIR, Finder

PIXELS = np.zeros((40, 60, 3), np.uint8)


def twins(finder: Finder) -> Twins:
    return Twins(finder)  # ty: ignore[invalid-argument-type]


def encoded(**options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "me.png"
    path.write_bytes(encoded())
    return path


def test_a_photo_is_a_file_bytes_an_image_or_an_array(file: Path) -> None:
    finder = Finder()
    given = [str(file), file, encoded(), Image.open(file), PIXELS]
    assert [twins(finder).find(photo) for photo in given] == [ANSWER] * 5
    assert [asked[0] for asked in finder.asked] == [(40, 60, 3)] * 5


def test_an_image_is_seen_upright(file: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    finder = Finder()
    image = Image.open(io.BytesIO(encoded(exif=exif)))
    twins(finder).find(image)
    assert finder.asked[0][0] == (60, 40, 3)


def test_several_photos_are_of_one_person(monkeypatch: pytest.MonkeyPatch) -> None:
    finder = Finder()
    monkeypatch.setattr(finder, "ask", lambda photos, *more: ([one.shape for one in photos], *more))
    assert twins(finder).find([PIXELS, encoded()], top=5, face=1, kind="user") == (
        [(40, 60, 3)] * 2,
        1,
        5,
        "user",
    )


def test_two_photos_are_compared() -> None:
    assert twins(Finder(PAIR)).compare(PIXELS, encoded()) == PAIR


def test_somebody_is_asked_about_two() -> None:
    finder = Finder(MORE)
    assert twins(finder).choose(PIXELS, encoded(), PIXELS[:20]) == MORE
    assert finder.asked == [((40, 60, 3), (40, 60, 3), (20, 60, 3))]


@pytest.mark.parametrize(
    "array",
    [PIXELS.astype(np.float32), PIXELS[..., 0], PIXELS[:0], np.zeros((3, 40, 60), np.uint8)],
    ids=["floats", "grey", "empty", "channels first"],
)
def test_an_array_of_another_form_is_told_what_it_should_be(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"uint8 RGB \[height, width, 3\]; this one is"):
        twins(Finder()).find(array)


def test_a_file_that_is_not_there_is_told_so() -> None:
    with pytest.raises(MediaError, match="not there"):
        twins(Finder()).find("nowhere.jpg")


def test_a_face_of_the_sample_is_brought_into_position() -> None:
    photo = PROJECT_ROOT / "twin_matcher_dagster" / "sample" / "photos" / "two_people.jpg"
    first, second = aligned_face(photo, face=0), aligned_face(photo, face=1)
    assert (first.size, first.mode) == ((160, 160), "RGB")
    assert first.tobytes() != second.tobytes()


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation without a bucket of its own."""
    monkeypatch.delenv("TWIN_MATCHER_BUCKET", raising=False)
    monkeypatch.setenv("TWIN_MATCHER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_where_nothing_was_made_yet_it_says_what_to_run(own_home: Path) -> None:
    with pytest.raises(ServicesError, match=r"nothing in .*home yet\. Run `make demo` first"):
        Twins.open()
    assert not own_home.exists()


def test_services_that_do_not_run_are_said(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def get(self, key: str) -> bytes:
            raise StoreAwayError("S3 does not answer.")

    own_home.mkdir()
    monkeypatch.setattr(connecting.embedded_s3, "impatient_store", lambda variables: Away())
    with pytest.raises(ServicesError, match=r"do not answer\. Start them with `make up`"):
        Twins.open()


def test_a_bucket_of_ones_own_is_named_or_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("TWIN_MATCHER_BUCKET", "of-the-environment")
    for bucket, expected in ((None, "of-the-environment"), ("named", "named")):
        assert Twins.open(bucket)._production.store.bucket == expected


def test_the_package_is_light_until_somebody_asks() -> None:
    code = "import sys, twin_matcher_dagster; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_ROOT
    )
    assert not {"numpy", "pydantic", "boto3", "fastapi"} & set(done.stdout.split())
    assert set(twin_matcher_dagster.__all__) == {"Twins", "aligned_face"}
    with pytest.raises(AttributeError, match="no attribute 'Triplets'"):
        twin_matcher_dagster.Triplets  # noqa: B018
