"""Faces to unit vectors with a trained model."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import ConvNextImageProcessorPil, ResNetForImageClassification

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.recognition.network import TwinNet
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.recognition.torch_embedder import BATCH
from twin_matcher_dagster.settings import SMALL_BACKBONE
from twin_matcher_dagster.training.backbone import image_processor, load_backbone
from twin_matcher_dagster.training.plan import LabelledFaces
from twin_matcher_dagster_tests.people import LABELS, Trained

People = tuple[LabelledFaces, LabelledFaces]


@pytest.fixture(scope="module")
def embedder(trained: Trained) -> Embedder:
    return Embedder(trained.folder)


def test_embeddings_are_unit_vectors(embedder: Embedder, people: People) -> None:
    embeddings = embedder(people[1].images)
    assert (embeddings.shape, embeddings.dtype) == ((24, 384), np.float32)
    assert (embedder.rows.shape, embedder.rows.dtype) == ((3, 384), np.float32)
    for vectors in (embeddings, embedder.rows):
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert embedder.identities == list(LABELS)


def test_no_faces_have_no_embeddings(embedder: Embedder, people: People) -> None:
    assert embedder(people[1].images[:0]).shape == (0, 384)


def test_a_mirrored_face_has_the_same_embedding(embedder: Embedder, people: People) -> None:
    faces = people[1].images
    assert not np.array_equal(faces, faces[:, :, ::-1])
    assert np.allclose(embedder(faces), embedder(faces[:, :, ::-1].copy()), atol=1e-4)


def test_a_face_does_not_depend_on_its_batch(embedder: Embedder, people: People) -> None:
    """More faces than one batch holds, and each by itself."""
    faces = people[0].images
    assert len(faces) > BATCH
    together = embedder(faces)
    for index in (0, BATCH - 1, BATCH, len(faces) - 1):
        assert np.allclose(embedder(faces[index : index + 1])[0], together[index], atol=1e-4)


def test_its_rows_are_what_a_plain_reader_of_the_folder_looks_for(
    embedder: Embedder, trained: Trained, people: People
) -> None:
    """The most similar row is the most likely class, but for close calls."""
    faces = people[1].images
    model = ResNetForImageClassification.from_pretrained(trained.folder).eval()
    processor = ConvNextImageProcessorPil.from_pretrained(trained.folder)

    def logits(images: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(np.stack(processor(list(images))["pixel_values"]))
        with torch.inference_mode():
            return model(pixels).logits.numpy()

    theirs = logits(faces) + logits(faces[:, :, ::-1].copy())
    mine = embedder(faces) @ embedder.rows.T
    first, second = np.sort(theirs, 1)[:, -1], np.sort(theirs, 1)[:, -2]
    clear = first - second > 0.5
    assert clear.sum() >= 12
    assert np.array_equal(mine.argmax(1)[clear], theirs.argmax(1)[clear])


def test_a_person_is_nearer_to_himself(embedder: Embedder, people: People) -> None:
    train, held_out = people
    similarities = embedder(held_out.images) @ embedder(train.images).T
    same = held_out.classes[:, None] == train.classes[None]
    assert similarities[same].mean() > similarities[~same].mean() + 0.05


def test_more_than_ten_classes_stay_in_order(tmp_path: Path) -> None:
    """As text, 10 would come before 2."""
    labels = {f"c-{number}": "Ana" for number in range(23)}
    processor = image_processor(SMALL_BACKBONE)
    net = TwinNet(load_backbone(SMALL_BACKBONE, labels)[0], Preprocessing.of(processor))
    net.export(tmp_path, 16.0, processor)
    assert Embedder(tmp_path).identities == list(labels)


@pytest.mark.parametrize(
    "missing",
    ["config.json", "model.safetensors", "preprocessor_config.json", "neck.safetensors"],
)
def test_half_a_model_is_refused(trained: Trained, tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(trained.folder, folder)
    (folder / missing).unlink()
    with pytest.raises(TrainingError, match=r"(?s)cannot be read: .*Materialize twin_model again"):
        Embedder(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "neck.safetensors"])
def test_damaged_weights_are_refused(trained: Trained, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(trained.folder, folder)
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(TrainingError, match="Materialize twin_model again"):
        Embedder(folder)
