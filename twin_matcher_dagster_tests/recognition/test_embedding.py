"""Faces to unit vectors with a trained model."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import ConvNextImageProcessorPil, ResNetForImageClassification

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.backbone import SMALL, image_processor, load_backbone
from twin_matcher_dagster.recognition.embedding import BATCH, Embedder
from twin_matcher_dagster.recognition.training import LabelledFaces
from twin_matcher_dagster_tests.recognition.conftest import LABELS, Trained

People = tuple[LabelledFaces, LabelledFaces]


@pytest.fixture(scope="module")
def embedder(trained: Trained) -> Embedder:
    return Embedder(trained.folder)


def test_embeddings_are_unit_vectors(embedder: Embedder, people: People) -> None:
    embeddings, probabilities = embedder(people[1].images)
    assert (embeddings.shape, embeddings.dtype) == ((24, 256), np.float32)
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert (probabilities.shape, probabilities.dtype) == ((24, 3), np.float32)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    assert embedder.identities == list(LABELS)


def test_a_face_does_not_depend_on_its_batch(embedder: Embedder, people: People) -> None:
    """More faces than one batch holds, and each by itself."""
    faces = people[0].images
    assert len(faces) > BATCH
    together, shares = embedder(faces)
    for index in (0, BATCH - 1, BATCH, len(faces) - 1):
        alone, share = embedder(faces[index : index + 1])
        assert np.allclose(alone[0], together[index], atol=1e-4)
        assert np.allclose(share[0], shares[index], atol=1e-4)


def test_it_says_what_a_plain_reader_of_the_folder_says(
    embedder: Embedder, trained: Trained, people: People
) -> None:
    faces = people[1].images[:6]
    model = ResNetForImageClassification.from_pretrained(trained.folder).eval()
    processor = ConvNextImageProcessorPil.from_pretrained(trained.folder)
    pixels = torch.from_numpy(np.stack(processor(list(faces))["pixel_values"]))
    with torch.inference_mode():
        theirs = model(pixels).logits.softmax(1).numpy()
    _, mine = embedder(faces)
    assert np.allclose(mine, theirs, atol=0.02)


def test_a_person_is_nearer_to_himself(embedder: Embedder, people: People) -> None:
    train, held_out = people
    similarities = embedder(held_out.images)[0] @ embedder(train.images)[0].T
    same = held_out.classes[:, None] == train.classes[None]
    assert similarities[same].mean() > similarities[~same].mean() + 0.05


def test_more_than_ten_classes_stay_in_order(tmp_path: Path) -> None:
    """As text, 10 would come before 2."""
    labels = {f"c-{number}": "Ana" for number in range(23)}
    load_backbone(SMALL, labels).save_pretrained(tmp_path)
    image_processor(SMALL).save_pretrained(tmp_path)
    assert Embedder(tmp_path).identities == list(labels)


@pytest.mark.parametrize(
    "missing", ["config.json", "model.safetensors", "preprocessor_config.json"]
)
def test_half_a_model_is_refused(trained: Trained, tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(trained.folder, folder)
    (folder / missing).unlink()
    with pytest.raises(TrainingError, match=r"(?s)cannot be read: .*Materialize twin_model again"):
        Embedder(folder)


def test_damaged_weights_are_refused(trained: Trained, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(trained.folder, folder)
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(TrainingError, match="Materialize twin_model again"):
        Embedder(folder)
