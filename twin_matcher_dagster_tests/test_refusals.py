"""Every refusal has its sentence, once, and no door writes its own."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator

import pytest

from twin_matcher_dagster import clip_refusals, door_refusals, refusals
from twin_matcher_dagster.faces.quality import QualityLimits
from twin_matcher_dagster.refusals import CLIP_REFUSED, FAULTS, PHOTOS_REFUSED, Refusal
from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster_tests.test_architecture import MODULES, PACKAGE, package_of, parsed

ERRORS = {
    "MediaError",
    "FaceError",
    "NoFaceError",
    "SeveralFacesError",
    "StoredAlreadyError",
    "DiskFullError",
}
# Whatever a person hands in comes through these.
DOORS = {"media", "faces", "release", "pages"}
CATALOGUE = {
    name: value
    for name, value in {**vars(refusals), **vars(clip_refusals), **vars(door_refusals)}.items()
    if name.isupper() and name[0] != "_"
}
FIGURES = dict.fromkeys(("width", "height", "count", "limit", "value", "threshold"), 3)


def all_refusals() -> Iterator[tuple[str, Refusal]]:
    for name, value in CATALOGUE.items():
        if isinstance(value, Refusal):
            yield name, value
        else:
            for reason, one in value.items():
                if isinstance(one, Refusal):
                    yield f"{name} {reason}", one
                else:
                    yield from (
                        (f"{name} {reason} of {medium}", getattr(one, medium))
                        for medium in ("hint", "clip", "photos")
                    )


REFUSALS = dict(all_refusals())


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_a_cause_and_a_way_out(name: str) -> None:
    refusal = REFUSALS[name]
    assert refusal.cause.endswith((".", "stored:")), name
    assert refusal.way_out.endswith("."), name
    places = {place for _, place, _, _ in string.Formatter().parse(refusal.cause) if place}
    words = refusal(
        **{place: FIGURES.get(place, 1.0) for place in places | {"limit", "count", "minutes"}}
    )
    assert "{" not in words
    assert re.fullmatch(r"[A-Z{\d].*\.", words), words


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_about_what_the_person_did(name: str) -> None:
    """Who handed in photos is told of photos, and who recorded a clip is told of a clip."""
    words = " ".join((REFUSALS[name].cause, REFUSALS[name].way_out))
    if name.startswith(("PHOTO", "NO_PHOTO", "SEVERAL", "TOO_MANY")) or name.endswith(
        ("of hint", "of photos")
    ):
        assert "clip" not in words
        assert "Record" not in words
    if name.startswith("CLIP_REFUSED") or name.endswith("of clip"):
        assert "photo" not in words


def test_no_two_refusals_say_the_same() -> None:
    """But for faults that are worded alike for a clip and for a photo."""
    causes = [one.cause for name, one in REFUSALS.items() if not name.startswith("FAULTS")]
    assert len(causes) == len(set(causes))


def test_every_limit_on_a_face_has_its_words() -> None:
    named = {
        *("unsure", "too small", "cut off", "too dark", "too bright", "no contrast", "blurred"),
        *("turned away", "tilted", "leaning", "negative", "the same picture again"),
        *("somebody else beside", "no face"),
    }
    assert set(FAULTS) == named
    # Two beside the limits on one face: what is beside it, and that there is one at all.
    assert len(named) - 2 == len(vars(QualityLimits()))
    assert all(fault.camera.endswith(".") for fault in FAULTS.values())


def reasons_of(module: str) -> set[str]:
    """The reasons with which a module rejects."""
    return {
        str(node.args[0].value)
        for node in ast.walk(parsed(MODULES[module]))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Rejected"
        and isinstance(node.args[0], ast.Constant)
    }


def test_every_reason_to_refuse_a_clip_or_photos_has_its_words() -> None:
    reasons = reasons_of("faces.clip") | reasons_of("faces.bystanders")
    assert reasons <= set(CLIP_REFUSED) | set(PHOTOS_REFUSED) | set(FAULTS)
    assert {"no face", "a crowd", "two people", "too few faces"} <= set(CLIP_REFUSED)
    assert {"no face", "a crowd", "two people", "too few faces"} <= set(PHOTOS_REFUSED)


def lines_with_words(module: str, functions: set[str]) -> list[int]:
    """Where a module calls one of these with words of its own."""
    calls = [
        node
        for node in ast.walk(parsed(MODULES[module]))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in functions
    ]
    return [call.lineno for call in calls if any(map(is_words, ast.walk(ast.Tuple(call.args))))]


def is_words(node: ast.AST) -> bool:
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return isinstance(node, ast.JoinedStr) or (is_text and " " in node.value)


@pytest.mark.parametrize("module", sorted(m for m in MODULES if package_of(m) in DOORS))
def test_no_door_writes_its_own_words(module: str) -> None:
    assert lines_with_words(module, {*ERRORS, "UploadError", "problem"}) == []


def test_handing_in_writes_no_words_of_its_own() -> None:
    assert lines_with_words("uploads.submission", {*ERRORS, "UploadError"}) == []


def test_every_sentence_is_told_somewhere() -> None:
    code = "\n".join(
        path.read_text()
        for module, path in MODULES.items()
        if module not in ("refusals", "clip_refusals")
        and path.is_relative_to(PROJECT_ROOT / PACKAGE)
    )
    assert [name for name in CATALOGUE if not re.search(rf"\b{name}\b", code)] == []
