"""Pictures made of two people of the sample go the way of an upload, and are flagged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from pyarrow import parquet

from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.faces.recheck import Recheck, recheck
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.sameness import load_sameness
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.media.images import encode_png, read_image
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster.uploads.mixtures import mixed
from twin_matcher_dagster.uploads.resemblance import find_resemblance
from twin_matcher_dagster_tests.uploads.known import Known

KNOWN_PHOTOS, CROPS = 8, 24


@pytest.fixture(scope="module")
def crops() -> Mapping[str, list[np.ndarray]]:
    """Photos of two people."""
    table = parquet.read_table(SAMPLE / "faces.parquet", columns=["image", "label"]).to_pylist()
    names = sorted({row["label"] for row in table if "_" not in row["label"]})
    counts = {name: sum(row["label"] == name for row in table) for name in names}
    many = sorted(names, key=lambda name: -counts[name])[:2]
    return {
        name: [read_image(row["image"]["bytes"]) for row in table if row["label"] == name][
            : KNOWN_PHOTOS + CROPS
        ]
        for name in many
    }


@pytest.fixture(scope="module")
def known(crops: Mapping[str, list[np.ndarray]]) -> Known:
    embed = load_recogniser()
    return Known({f"c-{n}": template_of(embed(crops[n][:KNOWN_PHOTOS])) for n in crops})


def seen(shown: list[np.ndarray]) -> Recheck:
    found = recheck([encode_png(one) for one in shown], load_recogniser(), load_sameness())
    assert len(found.kept) >= MIN_FACES
    return found


# SAFETY, "the pixel average of two people, and 12 + 12 crops of two celebrities, are ACCEPTED".
def test_the_pixel_average_of_two_is_flagged(
    crops: Mapping[str, list[np.ndarray]], known: Known
) -> None:
    ones, others = (faces[KNOWN_PHOTOS:] for faces in crops.values())
    blends = [
        ((one.astype(np.uint16) + other) // 2).astype(np.uint8)
        for one, other in zip(ones, others, strict=True)
    ]
    flagged = find_resemblance(seen(blends), "Somebody", known, "bundled").flagged
    assert set(flagged) == set(known.looks)


def test_crops_of_two_in_turn_are_flagged(
    crops: Mapping[str, list[np.ndarray]], known: Known
) -> None:
    ones, others = (faces[KNOWN_PHOTOS:][:12] for faces in crops.values())
    found = seen([*ones, *others])
    assert "faces look like a second person's" in mixed(found.vectors, load_sameness())[0]
    assert set(find_resemblance(found, "Somebody", known, "bundled").flagged) == set(known.looks)
    # Nobody else is known: they are two people all the same.
    assert find_resemblance(found, "Somebody", Known({}), "bundled").flagged == {}


def test_photos_of_one_are_one_persons(crops: Mapping[str, list[np.ndarray]], known: Known) -> None:
    who, shown = next(iter(crops.items()))
    found = seen(shown[KNOWN_PHOTOS:])
    assert mixed(found.vectors, load_sameness()) == ()
    again = [find_resemblance(found, "Somebody", known, "bundled") for _ in range(2)]
    assert set(again[0].flagged) == {f"c-{who}"}
    assert again[0] == again[1]
