"""The learning curve: which epoch is kept, and when a training taught nothing."""

from __future__ import annotations

import pytest

from twin_matcher_dagster.training.learning_curve import Epoch, fault_of, kept_epoch

NAN = float("nan")
RISING = [2.0, 2.1, 2.3, 2.4, 2.8, 3.0]


def curve(losses: list[float], accuracies: list[float]) -> list[Epoch]:
    return [
        Epoch(number, loss, loss, accuracy)
        for number, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True), 1)
    ]


def test_without_patience_the_last_epoch_is_kept_and_with_it_the_first_of_the_best() -> None:
    told = curve([3, 2, 1, 1], [0.2, 0.9, 0.9, 0.5])
    assert kept_epoch(told, None).epoch == 4
    assert kept_epoch(told, 2).epoch == 2
    unknown = curve([3, 2], [NAN, NAN])
    assert kept_epoch(unknown, 2).epoch == 2


@pytest.mark.parametrize(
    ("losses", "accuracies", "fresh", "fault"),
    [
        ([3.0, 2.0], [0.2, 0.9], True, ""),
        ([3.0, NAN], [0.2, 0.9], True, "no number"),
        (RISING, [0.9] * 6, True, "rose from 2.000 to 3.000, over 6 epochs"),
        (RISING[1:], [0.9] * 5, True, ""),  # five rise by luck once in 120 times
        ([7.0, 6.8, 5.0, 8.1, 2.2, 1.6, 6.8, 9.6], [0.9] * 8, True, ""),  # of two faces
        ([2.0, 3.0], [0.8, 0.9], True, ""),  # it knows more all the same
        ([2.0, 3.0], [0.8, 0.9], False, ""),  # it went on from a model that had learnt
        ([3.0, 2.0], [0.2, 0.4], True, "is 40.0%, and no guess is from 50.0% on"),
        ([3.0, 2.0], [0.2, 0.4], False, "no guess"),
        ([3.0, 2.0], [0.2, 0.5], True, ""),
        ([2.0, 3.0], [1.0, 1.0], True, ""),  # hard faces were drawn, and all are known
        ([3.0, 2.0], [NAN, NAN], True, "is nan%"),
        ([3.0], [0.9], True, ""),
    ],
)
def test_what_taught_nothing_has_a_reason(
    losses: list[float], accuracies: list[float], fresh: bool, fault: str
) -> None:
    told = curve(losses, accuracies)
    found = fault_of(told, told[-1], 0.5, fresh)
    assert fault in found
    assert bool(found) == bool(fault)


def test_without_faces_to_validate_on_the_loss_decides() -> None:
    learnt, lost = curve([3.0, 2.0], [NAN, NAN]), curve(RISING, [NAN] * 6)
    assert fault_of(learnt, learnt[-1], None, fresh=True) == ""
    assert "rose" in fault_of(lost, lost[-1], None, fresh=True)
