"""Three people of the sample, and a model that was trained on them for a few epochs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from twin_matcher_dagster.dataset.identity import celebrity_id, tidy
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.settings import SMALL_BACKBONE
from twin_matcher_dagster.training.fine_tuning import fine_tune
from twin_matcher_dagster.training.learning_curve import Epoch
from twin_matcher_dagster.training.plan import LabelledFaces, TrainingPlan
from twin_matcher_dagster_tests.conftest import read_raw_sample
from twin_matcher_dagster_tests.training.crowd import tiny_backbone

PLAN = TrainingPlan(backbone=SMALL_BACKBONE, epochs=12, batch_size=8)
NEWCOMER = "Emil Sandqvara"
NAMES = ("Mira Okonkwari", "Darshan Irukulla", "Sunhee Baekmun")
LABELS = {celebrity_id(name): name for name in NAMES}
TRAIN, VALIDATION = 24, 8


@dataclass(frozen=True)
class Trained:
    """A finished training: where the model is, its curve, and what was reported on the way."""

    folder: Path
    curve: list[Epoch]
    reported: list[Epoch]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """As HF_HUB_OFFLINE=1, which is read at import."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(scope="package")
def people() -> Iterator[tuple[LabelledFaces, LabelledFaces]]:
    """Faces for training and for validation, the classes in turn."""
    images = faces_of(*NAMES)
    yield labelled(images, 0, TRAIN), labelled(images, TRAIN, VALIDATION)


@pytest.fixture(scope="package")
def newcomer() -> np.ndarray:
    """Faces of somebody whom the trained model has not seen."""
    return np.stack(faces_of(NEWCOMER)[NEWCOMER])


def faces_of(*names: str) -> dict[str, list[np.ndarray]]:
    """Some faces of people of the sample."""
    images: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for row in read_raw_sample():
        if len(images.get(tidy(row.label), [()] * 99)) < TRAIN + VALIDATION:
            images[row.label].append(read_image(row.image))
    return images


def labelled(images: dict[str, list[np.ndarray]], start: int, count: int) -> LabelledFaces:
    """A slice of everybody's faces, and what the recogniser says of them."""
    pixels = [images[name][start + n] for n in range(count) for name in NAMES]
    classes = np.tile(np.arange(len(NAMES)), count)
    return LabelledFaces(np.stack(pixels), classes, load_recogniser("bundled")(pixels))


@pytest.fixture(scope="package")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network that trains within a second: the folder's name."""
    return tiny_backbone(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="package")
def trained(
    people: tuple[LabelledFaces, LabelledFaces], tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """A model of three people."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    reported: list[Epoch] = []
    curve = fine_tune(*people, LABELS, PLAN, folder, reported.append)
    return Trained(folder, curve, reported)
