"""Every refusal has a code of its own, and what is ours to mend is not told to strangers."""

from __future__ import annotations

import string

import pytest

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import (
    FaceError,
    MediaError,
    NoReleaseError,
    RecogniserError,
    StorageError,
    StoreAwayError,
    StoreFullError,
    TwinMatcherError,
)
from twin_matcher_dagster.refusals import Refusal
from twin_matcher_dagster.release.reasons import SEVERAL_FACES, refusal_reason, sentence_of

NAMED = {name: one for name, one in vars(refusals).items() if isinstance(one, Refusal)}


@pytest.mark.parametrize("name", NAMED)
def test_a_refusal_is_known_by_its_words(name: str) -> None:
    text = f"{NAMED[name].cause} {NAMED[name].way_out}"
    places = [place for _, place, _, _ in string.Formatter().parse(text) if place]
    said = NAMED[name](**dict.fromkeys(places, 3))
    assert refusal_reason(MediaError(said)) == name.lower().replace("_", "-")


def test_several_faces_have_the_code_of_their_refusal() -> None:
    assert refusal_reason(FaceError(refusals.PHOTO_OF_SEVERAL(count=2))) == SEVERAL_FACES


@pytest.mark.parametrize(
    ("error", "reason", "is_told"),
    [
        (NoReleaseError("There is none."), "no-release", True),
        (StoreFullError("The bucket is full."), "store-away", False),
        (StoreAwayError("s3.internal does not answer."), "store-away", False),
        (StorageError("s3.internal refuses."), "store-fault", False),
        (RecogniserError("/models/sface.onnx is damaged."), "own-fault", False),
        (FaceError("Words of nobody."), "face", True),
        (MediaError("Words of nobody."), "photo", True),
        (TwinMatcherError("Words of nobody."), "other", True),
    ],
)
def test_any_other_error_is_known_by_its_kind(
    error: TwinMatcherError, reason: str, is_told: bool
) -> None:
    assert refusal_reason(error) == reason
    assert (sentence_of(error) == str(error)) is is_told
