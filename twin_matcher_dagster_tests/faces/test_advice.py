"""What a person is told of a photo."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twin_matcher_dagster.faces.advice import hints_of
from twin_matcher_dagster.faces.pose import Pose
from twin_matcher_dagster.faces.quality import Measures, faults_of

BAD = Measures(
    score=0.91,
    height=20,
    sharpness=0,
    brightness=9,
    contrast=2,
    inside=0.3,
    eyes=1,
    pose=Pose(88, 77, 66),
)


def test_every_fault_of_a_photo_has_its_hint() -> None:
    faults = [*faults_of(BAD), *faults_of(replace(BAD, brightness=250))]
    reasons = {fault.reason for fault in faults}
    assert len(reasons) == 11
    hints = hints_of([sorted(reasons)])
    assert {hint.reason for hint in hints} == reasons
    assert all(hint.advice.count(".") == 2 for hint in hints)


@pytest.mark.parametrize(
    ("photos", "hinted"),
    [
        ([], []),
        ([[]], []),
        ([["blurred", "too dark"]], ["too dark", "blurred"]),
        ([["blurred"], []], ["blurred"]),
        ([["blurred"], [], []], []),
        ([["no face"], ["blurred"], ["blurred"]], ["blurred"]),
    ],
)
def test_of_several_photos_half_must_have_it(photos: list[list[str]], hinted: list[str]) -> None:
    assert [hint.reason for hint in hints_of(photos)] == hinted
