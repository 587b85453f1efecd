"""The learning curve: what was measured after each epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twin_matcher_dagster.recognition.distributions import rise_by_luck
from twin_matcher_dagster.recognition.guessing import LUCKY


@dataclass(frozen=True)
class Epoch:
    """What was measured after one epoch."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float


def curve_of(history: Sequence[Mapping[str, Any]]) -> list[Epoch]:
    """The epochs that a trainer logged, those before an interruption too."""
    epochs: dict[int, dict[str, float]] = {}
    for logs in history:
        epochs.setdefault(round(logs["epoch"]), {}).update(logs)
    none = float("nan")
    return [
        Epoch(
            epoch=number,
            train_loss=float(logs.get("loss", none)),
            validation_loss=float(logs.get("eval_loss", none)),
            validation_accuracy=float(logs.get("eval_accuracy", none)),
        )
        for number, logs in sorted(epochs.items())
    ]


def kept_epoch(curve: Sequence[Epoch], patience: int | None) -> Epoch:
    """The epoch whose weights are saved: with patience the first of the best, or else the last."""
    known = [epoch for epoch in curve if not math.isnan(epoch.validation_accuracy)]
    return max(known, key=lambda one: one.validation_accuracy) if patience and known else curve[-1]


def fault_of(curve: Sequence[Epoch], kept: Epoch, needed: float | None, fresh: bool) -> str:
    """Why a training taught nothing, in words; empty if it taught something.

    Args:
        curve: all epochs.
        kept: whose weights are saved.
        needed: the least validation accuracy that guessing does not reach; None where there are
            no faces to validate on, or too few to tell.
        fresh: whether it started from the backbone. What goes on from a model starts low already.
    """
    first, accuracy = curve[0], kept.validation_accuracy
    if not math.isfinite(kept.train_loss):
        return "the training loss is no number"
    if needed is not None and not accuracy >= needed:  # so for NaN
        return f"the validation accuracy is {accuracy:.1%}, and no guess is from {needed:.1%} on"
    # More loss and better answers, or as good as can be: hard faces were drawn.
    knows_more = accuracy > first.validation_accuracy or accuracy == 1.0
    losses = [epoch.train_loss for epoch in curve if epoch.epoch <= kept.epoch]
    # Of few faces an epoch's loss goes up and down: of 6 people with two photos each, 2.6 to 3.5.
    if fresh and not knows_more and rise_by_luck(losses) <= 1 / LUCKY:
        return (
            f"the training loss rose from {first.train_loss:.3f} to {kept.train_loss:.3f}, over "
            f"{len(losses)} epochs"
        )
    return ""
