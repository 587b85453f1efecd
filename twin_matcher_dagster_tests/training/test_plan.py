"""Plans, and batches of faces."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import torch

from twin_matcher_dagster.training.plan import LabelledFaces, Objective, TrainingPlan
from twin_matcher_dagster_tests.people import (
    People,
)


def test_a_batch_is_taken_at_once(people: People) -> None:
    batch = people[0].__getitems__([5, 0, 5])
    assert {name: (tuple(one.shape), one.dtype) for name, one in batch.items()} == {
        "images": ((3, 160, 160, 3), torch.uint8),
        "labels": ((3,), torch.int64),
        "teacher": ((3, 128), torch.float32),
    }
    assert np.array_equal(batch["images"].numpy(), people[0].images[[5, 0, 5]])
    assert batch["labels"].tolist() == [2, 0, 2]
    untaught = LabelledFaces(people[0].images, people[0].classes)
    assert set(untaught.__getitems__([1])) == {"images", "labels"}


def test_faces_without_any_are_none() -> None:
    none = LabelledFaces(np.zeros((0, 8, 8, 3), np.uint8), np.zeros(0, np.int64))
    assert len(none) == 0


def test_a_plan_is_kept_as_plain_values() -> None:
    """In the manifest of a model, by which the next training knows its ancestor."""
    plan = TrainingPlan(epochs=3, objective=Objective(margin=0.1))
    values = json.loads(json.dumps(asdict(plan)))
    assert values == asdict(plan)
    objective = Objective(**values.pop("objective"))
    assert TrainingPlan(**values, objective=objective) == plan
