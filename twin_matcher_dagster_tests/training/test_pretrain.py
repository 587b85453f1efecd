"""The bundled backbone, and how the faces were made that it learnt from: `tools/pretrain`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.faces.templates import template_of
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import BUNDLED_BACKBONE, PROJECT_ROOT
from twin_matcher_dagster.training.backbone import image_processor
from twin_matcher_dagster.training.loop import start
from twin_matcher_dagster.training.plan import LabelledFaces, TrainingPlan
from twin_matcher_dagster_tests.people import LABELS, NAMES, faces_of

SIDE = 112


@pytest.fixture(scope="module")
def tool() -> Any:
    file = PROJECT_ROOT / "tools" / "pretrain" / "faces.py"
    spec = importlib.util.spec_from_file_location("pretrain_faces", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    """Ten faces of two of the sample's people, one after the other."""
    people = faces_of(*NAMES[:2])
    faces = [face for name in NAMES[:2] for face in people[name][:10]]
    return np.stack([np.asarray(Image.fromarray(face).resize((SIDE, SIDE))) for face in faces])


def test_a_face_is_the_same_however_many_are_made(
    tool: Any, crops: np.ndarray, tmp_path: Path
) -> None:
    people = np.arange(20) // 10
    made = tool.compose(crops, people, 300, 0, tmp_path / "300.npy")
    assert made.shape == (300, SIDE, SIDE, 3)
    assert made.dtype == np.uint8
    assert np.array_equal(np.load(tmp_path / "300.npy"), made)
    assert np.array_equal(tool.compose(crops, people, 40, 0, tmp_path / "40.npy"), made[:40])
    assert not np.array_equal(tool.compose(crops, people, 40, 1, tmp_path / "other.npy"), made[:40])


def test_who_it_was_is_still_seen(tool: Any, crops: np.ndarray, tmp_path: Path) -> None:
    """Warped, lit otherwise and half hidden, most faces are nearest to whom they were made of."""
    recogniser = load_recogniser()
    templates = np.stack([template_of(recogniser(crops[n : n + 10])) for n in (0, 10)])
    for who in (0, 1):
        theirs = crops[10 * who :][:10]
        made = tool.compose(theirs, np.zeros(10, np.int64), 64, 0, tmp_path / f"{who}.npy")
        nearest = (recogniser(made) @ templates.T).argmax(1)
        assert (nearest == who).mean() > 0.7


def test_a_mask_leaves_something_of_both(tool: Any) -> None:
    mask = tool._mask(tool.Draw(256, torch.Generator().manual_seed(0)))
    assert mask.shape == (256, 1, SIDE, SIDE)
    both = (mask.amin((1, 2, 3)) < 0.8) & (mask.amax((1, 2, 3)) > 0.2)
    assert both.float().mean() > 0.9


def test_what_ships_knows_people_it_never_saw(
    people: tuple[LabelledFaces, LabelledFaces],
) -> None:
    """By the mean of their faces alone; before its training starts, nothing is learnt of them."""
    preprocessing = Preprocessing.of(image_processor(BUNDLED_BACKBONE))
    train, held_out = people
    net = start(train, LABELS, TrainingPlan(backbone=BUNDLED_BACKBONE), preprocessing).eval()
    with torch.no_grad():
        rows = torch.nn.functional.normalize(net.head.weight, dim=1)
        seen = net.embed(preprocessing(preprocessing.shrink(held_out.images)))
    assert ((seen @ rows.T).argmax(1).numpy() == held_out.classes).mean() > 0.9


def test_what_is_stopped_goes_on_where_it_was(tool: Any, tmp_path: Path) -> None:
    begun: list[int] = []

    def batch(first: int) -> np.ndarray:
        begun.append(first)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return np.arange(first, first + tool.BATCH, dtype=np.int64)

    def fill() -> np.ndarray:
        return tool.filled(tmp_path / "rows.npy", (700,), np.int64, batch, "counting")

    with pytest.raises(KeyboardInterrupt):
        fill()
    assert np.array_equal(fill(), np.arange(700))
    assert begun == [0, 256, 512, 512]
    (tmp_path / "rows.npy").write_bytes(b"half")
    with pytest.raises(SystemExit, match=r"rows\.npy is damaged"):
        fill()


def test_without_renders_it_says_so(tool: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="There are no renders in"):
        tool.crops_of(tmp_path)
