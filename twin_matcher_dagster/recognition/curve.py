"""The learning curve: what was measured after each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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
