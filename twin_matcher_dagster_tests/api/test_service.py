"""What a program gets for what it sends, and that nothing of a photo comes to a disk."""

from __future__ import annotations

import asyncio
import base64
import tempfile
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from twin_matcher_dagster import refusals
from twin_matcher_dagster.api import body, service
from twin_matcher_dagster.api.service import api_app
from twin_matcher_dagster.api.turns import Turns
from twin_matcher_dagster.errors import (
    FaceError,
    MediaError,
    NoFaceError,
    NoReleaseError,
    RecogniserError,
    StoreAwayError,
    TwinMatcherError,
)
from twin_matcher_dagster_tests.api.finders import (
    ANSWER,
    CHOICE,
    PAIR,
    PORTRAIT,
    Finder,
)

PHOTO = PORTRAIT
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(autouse=True)
def _decoded_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No child process is started for each of these photos: they are not looked at."""

    def decode(data: bytes, cancellation: object) -> np.ndarray:
        if data == b"no photo":
            raise MediaError(refusals.PHOTO_OF_UNKNOWN_KIND())
        return np.zeros((4, 6, 3), np.uint8)

    monkeypatch.setattr(service, "read_photo", decode)


def client(finder: Finder) -> TestClient:
    return TestClient(api_app(finder), "http://twins", raise_server_exceptions=False)  # ty: ignore[invalid-argument-type]


def problem(response: Any) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    said = response.json()
    assert said["status"] == response.status_code
    assert said["type"] == f"urn:twin-matcher:{said['reason']}"
    assert said["detail"].endswith(".")
    return response.status_code, said["reason"]


@pytest.mark.parametrize(
    "sent",
    [
        {"files": {"photo": ("a name.jpg", PHOTO)}},
        {"content": PHOTO, "headers": JPEG},
        {"content": PHOTO, "headers": {"Content-Type": "application/octet-stream"}},
        {"content": PHOTO},
        {"content": iter([PHOTO[:9], PHOTO[9:]]), "headers": JPEG},
    ],
    ids=["form", "raw", "bytes", "of no type", "in parts"],
)
def test_a_photo_gets_its_twins(sent: dict[str, Any]) -> None:
    finder = Finder()
    response = client(finder).post("/twins", **sent)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    said = response.json()
    assert (said["release"], said["among"], said["sure"], said["face"]) == (7, 12, True, 0)
    assert said["identity"] is None
    assert said["hints"] == [{"reason": "too dark", "advice": ANSWER.hints[0].advice}]
    ada, ben = said["twins"]
    assert (ada["rank"], ada["name"], ada["kind"], ada["invented"]) == (
        1,
        "Ada <b>L",
        "celebrity",
        True,
    )
    assert ada["likeness"] == {"percentile": 97, "words": ANSWER.twins[0].words}
    assert ada["about"] == {"age": 36, "invented": True}
    assert (ben["kind"], ben["id"], ada["id"]) == ("visitor", None, "c-1")
    assert "u-01ARZ" not in response.text
    assert finder.asked == [((4, 6, 3), None, 3, None)]


def test_what_is_asked_is_handed_on() -> None:
    finder = Finder()
    asked = {"top": 5, "face": 1, "kind": "visitor"}
    assert client(finder).post("/twins", params=asked, content=PHOTO, headers=JPEG).is_success
    assert finder.asked == [((4, 6, 3), 1, 5, "user")]


def test_portraits_are_addresses_data_or_left_out() -> None:
    asking = client(Finder())

    def portraits(how: str) -> list[list[str]]:
        said = asking.post("/twins", params={"portraits": how}, content=PHOTO, headers=JPEG)
        return [twin["portraits"] for twin in said.json()["twins"]]

    ada, _ = portraits("url")
    shown = asking.get(ada[0])
    assert (shown.content, shown.headers["content-type"]) == (PORTRAIT, "image/png")
    assert base64.b64decode(portraits("inline")[0][0].partition(",")[2]) == PORTRAIT
    assert portraits("none") == [[], []]


def test_portraits_of_an_earlier_release_are_gone() -> None:
    finder = Finder()
    asking = client(finder)
    said = asking.post("/twins", content=PHOTO, headers=JPEG).json()
    address = said["twins"][0]["portraits"][0]
    assert asking.get(address).is_success
    finder.since(8)
    assert problem(asking.get(address)) == (404, "portrait-gone")


def test_several_faces_are_a_problem_with_the_choice_in_it() -> None:
    response = client(Finder(CHOICE)).post("/twins", content=PHOTO, headers=JPEG)
    assert problem(response) == (409, "photo-of-several")
    faces = response.json()["faces"]
    assert [face["face"] for face in faces] == [0, 1]
    assert faces[1]["box"] == {"left": 0.5, "top": 0.2, "width": 0.3, "height": 0.4}
    assert response.json()["release"] == 7


def test_two_photos_are_compared() -> None:
    finder = Finder(PAIR)
    response = client(finder).post("/compare", files={"one": PHOTO, "other": PHOTO})
    assert response.json() == {
        "release": 7,
        "same_person": False,
        "likeness": {"percentile": 99, "words": PAIR.words},
        "hints": [[{"reason": "too dark", "advice": ANSWER.hints[0].advice}], []],
    }
    assert finder.asked == [((4, 6, 3), (4, 6, 3))]


@pytest.mark.parametrize(
    ("error", "expected", "told"),
    [
        (NoFaceError(refusals.PHOTO_WITHOUT_FACE()), (422, "photo-without-face"), True),
        (
            FaceError(refusals.PHOTO_WITHOUT_CHOICE(face=9, count=2)),
            (422, "photo-without-choice"),
            True,
        ),
        (FaceError(refusals.PHOTO_OF_SEVERAL(count=2)), (409, "photo-of-several"), True),
        (MediaError(refusals.PHOTO_DAMAGED(kind="JPEG")), (422, "photo-damaged"), True),
        (MediaError(refusals.PHOTO_IS_VIDEO(kind="a film")), (415, "photo-is-video"), True),
        (
            MediaError(refusals.PHOTO_TOO_MANY_PIXELS(width=9, height=9, limit=1, kind="PNG")),
            (413, "photo-too-many-pixels"),
            True,
        ),
        (NoReleaseError("There is no model yet. Try again later."), (503, "no-release"), True),
        (StoreAwayError("s3.internal:8333 does not answer."), (503, "store-away"), False),
        (RecogniserError("/home/me/sface.onnx is damaged."), (500, "own-fault"), False),
        (TwinMatcherError("Something else."), (500, "other"), True),
    ],
)
def test_an_error_has_its_status_and_its_words(
    error: TwinMatcherError, expected: tuple[int, str], told: bool
) -> None:
    response = client(Finder(error)).post("/twins", content=PHOTO, headers=JPEG)
    assert problem(response) == expected
    assert (str(error) == response.json()["detail"]) is told
    assert ("retry-after" in response.headers) is (expected[0] == 503)


def test_what_nobody_expected_is_told_without_its_words() -> None:
    def fail() -> Any:
        raise ZeroDivisionError("of /home/me")

    response = client(Finder(fail)).post("/twins", content=PHOTO, headers=JPEG)
    assert problem(response) == (500, "other")
    assert "home" not in response.text


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"content": b"no photo", "headers": JPEG}, (415, "photo-of-unknown-kind")),
        ({"json": {"photo": 1}}, (415, "request-of-no-kind")),
        ({"data": {"photo": "1"}}, (415, "request-of-no-kind")),
        ({"files": {"picture": PHOTO}}, (400, "no-photo")),
        ({"files": {"photo": (None, "text")}}, (400, "form-damaged")),
        ({"files": [("photo", PHOTO), ("photo", PHOTO)]}, (400, "form-damaged")),
        (
            {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
            (400, "form-damaged"),
        ),
        ({"content": PHOTO, "headers": JPEG, "params": {"top": 51}}, (422, "parameter")),
        ({"content": PHOTO, "headers": JPEG, "params": {"kind": "cat"}}, (422, "parameter")),
    ],
)
def test_what_is_no_question_is_told_what_one_is(
    asked: dict[str, Any], expected: tuple[int, str]
) -> None:
    finder = Finder()
    assert problem(client(finder).post("/twins", **asked)) == expected
    assert finder.asked == []


def test_two_photos_are_a_form() -> None:
    asking = client(Finder(PAIR))
    assert problem(asking.post("/compare", content=PHOTO, headers=JPEG))[0] == 415
    assert problem(asking.post("/compare", files={"one": PHOTO})) == (400, "no-photo")


@pytest.mark.parametrize(("address", "status"), [("/nowhere", 404), ("/twins", 405)])
def test_what_is_not_there_is_a_problem_too(address: str, status: int) -> None:
    assert problem(client(Finder()).get(address)) == (status, "request")


def test_a_photo_that_says_that_it_is_too_large_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "MAX_PHOTO_BYTES", 1000)

    def parts() -> Iterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    headers = {**JPEG, "Content-Length": "200000"}
    asking = client(Finder())
    request = asking.build_request("POST", "/twins", content=b"", headers=headers)
    assert problem(asking.send(request)) == (413, "photo-too-large")


def test_a_photo_that_does_not_say_so_is_read_as_far_as_it_may_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "MAX_PHOTO_BYTES", 1000)
    asking = client(Finder())
    parts = (bytes(20_000) for _ in range(10))
    assert problem(asking.post("/twins", content=parts, headers=JPEG)) == (413, "photo-too-large")


def test_a_large_photo_in_a_form_is_in_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def roll_over(self: object) -> None:
        raise AssertionError("a photo came to the disk")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", roll_over)
    photo = bytes(6 * 2**20)
    response = client(Finder()).post("/twins", files={"photo": photo})
    assert response.status_code == 200


def test_a_slow_photo_does_not_keep_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_READING_S", 0.05)

    async def ask() -> httpx.Response:
        async def parts() -> Any:
            yield PHOTO[:9]
            await asyncio.sleep(60)

        transport = httpx.ASGITransport(api_app(Finder()))  # ty: ignore[invalid-argument-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://twins") as asking:
            return await asking.post("/twins", content=parts(), headers=JPEG)

    assert problem(asyncio.run(ask())) == (408, "photo-too-slow")


def test_whoever_would_wait_for_too_long_is_told_to_come_back() -> None:
    async def ask() -> list[str]:
        turns, done = Turns(reading=1, may_wait=1), asyncio.Event()

        async def one() -> str:
            try:
                async with turns.read():
                    await done.wait()
                return "answered"
            except service.ProblemError as error:
                return f"{error.status} {error.reason}"

        asked = [asyncio.create_task(one()) for _ in range(3)]
        await asyncio.sleep(0)
        done.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == ["answered", "answered", "503 busy"]


def test_nobody_else_is_allowed_to_ask_by_default() -> None:
    headers = {**JPEG, "Origin": "https://elsewhere.example"}
    response = client(Finder()).post("/twins", content=PHOTO, headers=headers)
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_the_service_describes_itself_without_another_host() -> None:
    asking = client(Finder())
    paths = asking.get("/openapi.json").json()["paths"]
    assert paths.keys() == {"/twins", "/compare", "/releases/current", "/portraits/{name}"}
    page = asking.get("/docs").text
    assert "POST" in page
    assert "TwinsOut" in page
    assert "http://" not in page
    assert "https://" not in page
