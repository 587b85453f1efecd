"""What Gradio's clients and models get: JSON for base64."""

from __future__ import annotations

import base64

import gradio as gr
import pytest

from twin_matcher_dagster.api.tools import Tools
from twin_matcher_dagster.errors import StoreAwayError
from twin_matcher_dagster_tests.api.finders import CHOICE, PAIR, PORTRAIT, Finder

PHOTO = base64.b64encode(PORTRAIT).decode()


def tools(finder: Finder) -> Tools:
    return Tools(finder)  # ty: ignore[invalid-argument-type]


@pytest.mark.parametrize("photo", [PHOTO, f"data:image/png;base64,{PHOTO}"])
def test_a_photo_in_line_gets_its_twins(photo: str) -> None:
    finder = Finder()
    said = tools(finder).find_twins(photo, 99, 1)
    assert [twin["name"] for twin in said["twins"]] == ["Ada <b>L", "Ben"]
    assert said["twins"][0]["portraits"] == []
    assert finder.asked == [((160, 160, 3), 1, 50, None)]


def test_several_faces_are_offered() -> None:
    assert len(tools(Finder(CHOICE)).find_twins(PHOTO)["faces"]) == 2


def test_two_photos_are_compared() -> None:
    assert tools(Finder(PAIR)).compare_faces(PHOTO, PHOTO)["same_person"] is False


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        ("no base64!", "photo-of-unknown-kind"),
        ("", "photo-empty"),
        ("A" * 40_000_000, "photo-too-large"),
    ],
    ids=["no base64", "nothing", "too large"],
)
def test_what_is_no_photo_is_told_so(photo: str, reason: str) -> None:
    assert tools(Finder()).find_twins(photo)["reason"] == reason


def test_what_is_ours_to_mend_is_not_told() -> None:
    said = tools(Finder(StoreAwayError("s3.internal does not answer."))).find_twins(PHOTO)
    assert said["reason"] == "store-away"
    assert "internal" not in said["detail"]


def test_they_are_endpoints_of_gradio() -> None:
    with gr.Blocks(analytics_enabled=False) as page:
        for tool in (tools(Finder()).find_twins, tools(Finder(PAIR)).compare_faces):
            gr.api(tool)
    named = page.get_api_info()["named_endpoints"]
    assert list(named) == ["/find_twins", "/compare_faces"]
    parameters = named["/find_twins"]["parameters"]
    assert [one["parameter_name"] for one in parameters] == ["photo", "top", "face"]
