"""The embedding network as ONNX: what torch says, without what else a model knows."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.embedder import Embedder, load_embedding
from twin_matcher_dagster.recognition.onnx_embedder import EMBEDDER_FILE, OnnxEmbedder
from twin_matcher_dagster.recognition.onnx_export import export_embedder
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.recognition.torch_embedder import TorchEmbedder
from twin_matcher_dagster.training.plan import LabelledFaces
from twin_matcher_dagster_tests.people import LABELS, Trained

People = tuple[LabelledFaces, LabelledFaces]


@pytest.fixture(scope="module")
def exported(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with the network as ONNX."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    shutil.copytree(trained.folder, folder)
    export_embedder(folder)
    return folder


def test_it_says_what_torch_says(exported: Path, people: People) -> None:
    faces = people[1].images
    ours, theirs = OnnxEmbedder(exported / EMBEDDER_FILE), TorchEmbedder(exported)
    told = ours(faces)
    assert (told.shape, told.dtype) == ((24, 384), np.float32)
    assert np.abs(told - theirs(faces)).max() < 1e-5
    assert np.array_equal(ours(faces[3:4]), told[3:4])
    assert ours(faces[:0]).shape == (0, 384)
    mirrored = np.ascontiguousarray(faces[:, :, ::-1])
    assert np.allclose(ours(mirrored), told, atol=1e-4)


def test_a_folder_that_has_it_is_not_asked_through_torch(
    exported: Path, trained: Trained, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Embedder(trained.folder)
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "transformers", None)
    embedder = Embedder(exported)
    assert embedder.identities == before.identities == list(LABELS)
    assert np.allclose(embedder.rows, before.rows, atol=1e-6)
    assert embedder(people[1].images).shape == (24, 384)


def test_it_needs_nothing_else(exported: Path, tmp_path: Path, people: People) -> None:
    shutil.copy(exported / EMBEDDER_FILE, tmp_path)
    assert load_embedding(tmp_path)(people[1].images[:2]).shape == (2, 384)


def test_it_holds_weights_and_nobody(
    exported: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = (exported / EMBEDDER_FILE).read_bytes()
    assert not any(who.encode() in data for who in LABELS)
    assert not any(name.encode() in data for name in LABELS.values())
    assert str(tmp_path_factory.getbasetemp()).encode() not in data
    model = onnx.load_from_string(data)
    shapes = [tuple(weights.dims) for weights in model.graph.initializer]
    assert (len(LABELS), 384) not in shapes
    assert (384, len(LABELS)) not in shapes
    del model.graph.initializer[:]
    assert b".py" not in model.SerializeToString()  # no stack traces


def test_a_model_of_an_earlier_version_says_what_it_needs(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(TrainingError, match=r"Launch the job `release` .* or install torch"):
        load_embedding(trained.folder)


def test_a_damaged_file_is_refused(exported: Path, tmp_path: Path) -> None:
    data = (exported / EMBEDDER_FILE).read_bytes()
    (tmp_path / EMBEDDER_FILE).write_bytes(data[: len(data) // 2])
    with pytest.raises(TrainingError, match="Materialize twin_model again"):
        load_embedding(tmp_path)


def test_a_network_that_cannot_be_written_is_said(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("an operator that ONNX does not know")

    monkeypatch.setattr("torch.onnx.export", fail)
    with pytest.raises(TrainingError, match="asked through torch instead"):
        export_embedder(trained.folder)
    assert not (trained.folder / EMBEDDER_FILE).exists()


@pytest.mark.parametrize(
    "geometry",
    [
        (112, 1.0, False),
        (112, 0.875, False),
        (160, 1.0, True),
        (192, 0.875, True),
        (96, 0.95, True),
    ],
)
def test_resizing_is_one_matrix_for_both_axes(geometry: tuple[int, float, bool]) -> None:
    size, crop, bilinear = geometry
    prepare = Preprocessing(size, crop, (0.0,) * 3, (1.0,) * 3, bilinear)
    faces = np.random.default_rng(0).integers(0, 256, (2, 160, 160, 3), np.uint8)
    matrix = prepare.resizing(160)
    pixels = torch.from_numpy(faces).permute(0, 3, 1, 2).float() / 255
    assert torch.allclose((matrix @ pixels @ matrix.T).clamp(0, 1), prepare(faces), atol=1e-5)
