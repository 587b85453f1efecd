"""The likeness of a gallery, from a data set in a bucket."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin_matcher_dagster.dataset.identity import celebrity_id
from twin_matcher_dagster.faces.cohort import cohort_fingerprint
from twin_matcher_dagster.release import likeness_builder
from twin_matcher_dagster.release.likeness_builder import build_likeness
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket

NAMES = ("Ana", "Bo", "Cy", "Di", "Eve", "Flo", "Gus", "Hal")
CELEBRITIES = [celebrity_id(name) for name in NAMES]


@pytest.fixture(scope="module")
def _eight() -> Kit:  # read it only
    made = Kit(memory_bucket())
    made.celebrities(*NAMES)
    build_likeness(made.store, made.version(), CELEBRITIES)  # what the network says is kept
    return made


@pytest.fixture
def kit(_eight: Kit) -> Kit:
    """Eight celebrities in a bucket in memory."""
    return _eight.copied(memory_bucket())


def test_the_percentiles_of_renders_are_of_the_cohort_and_of_photos_of_the_gallery(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = build_likeness(kit.store, kit.version(), CELEBRITIES)
    assert rendered.measured_on == "cohort"
    assert np.array_equal(rendered.transform, np.eye(128))
    monkeypatch.setattr(likeness_builder, "SAMPLE_SOURCE", "another source than this one")
    photographed = build_likeness(kit.store, kit.version(), CELEBRITIES)
    assert photographed.measured_on == "gallery"
    assert not np.array_equal(photographed.transform, np.eye(128))
    assert not np.array_equal(photographed.centre, rendered.centre)


def test_whoever_joins_changes_nothing_about_the_others(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likeness_builder, "SAMPLE_SOURCE", "another source than this one")
    before = build_likeness(kit.store, kit.version(), CELEBRITIES)
    newcomer = user_id(kit.member())
    after = build_likeness(kit.store, kit.version(), [*CELEBRITIES, newcomer], before)
    assert after.identities == [*CELEBRITIES, newcomer]
    assert np.array_equal(after.templates[:-1], before.templates)
    for name in ("centre", "transform", "quantiles", "pairs"):
        assert np.array_equal(getattr(after, name), getattr(before, name)), name
    assert after.measured_on == "gallery"


def test_a_space_of_another_cohort_is_made_anew(kit: Kit) -> None:
    """Its places are those of another network, or seen from another middle."""
    ours = build_likeness(kit.store, kit.version(), CELEBRITIES)
    other = replace(ours, basis="another", centre=ours.centre + 1)
    again = build_likeness(kit.store, kit.version(), CELEBRITIES, other)
    assert again.basis == cohort_fingerprint()
    assert again.to_bytes() == ours.to_bytes()
