"""The result of a question, as the demo shows it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from twin_matcher_dagster.cli.picture import answer_lines, save_answer
from twin_matcher_dagster.faces.advice import hints_of
from twin_matcher_dagster.media.images import encode_png
from twin_matcher_dagster.release.answers import Answer, TwinCard
from twin_matcher_dagster.release.shared_features import SharedFeature, Why

FACE = np.zeros((160, 160, 3), np.uint8)
TWIN = TwinCard("c-1", "Ada $x$", "celebrity", 0.97, (encode_png(FACE),))
ANSWER = Answer(7, FACE, None, (TWIN,), True, ())
PARTS = (SharedFeature("nose", 0.75), SharedFeature("mouth", 0.25), SharedFeature("jaw", 0.0))
WHY = Why(PARTS, FACE, FACE)


def test_a_plain_answer_is_two_lines() -> None:
    head, twin = answer_lines(ANSWER, None, "me.jpg")
    assert head == "The twins of me.jpg, release 7:"
    assert twin.startswith("  1. Ada $x$ (celebrity): very alike")


def test_all_that_an_answer_has_is_said() -> None:
    full = replace(ANSWER, identity=TWIN, sure=False, hints=hints_of([["blurred"]]))
    lines = list(answer_lines(full, WHY, "me.jpg"))
    assert lines[0] == "me.jpg is taken for Ada $x$, who was uploaded."
    assert lines[3:] == [
        "What makes the first one alike: nose 75%, mouth 25%.",
        "Another photo may have another first twin.",
        "The photo is blurred. Hold still, and give the camera more light.",
    ]
    nothing = replace(WHY, features=(SharedFeature("nose", 0.0),))
    assert len(list(answer_lines(ANSWER, nothing, "me.jpg"))) == 2


def test_the_picture_has_the_probe_beside_its_twins(tmp_path: Path) -> None:
    save_answer(ANSWER, tmp_path / "one.png")
    size = Image.open(io.BytesIO((tmp_path / "one.png").read_bytes())).size
    assert size[0] > size[1]
