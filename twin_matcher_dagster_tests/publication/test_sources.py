"""Reading from the Hub: repositories laid out as the real ones, read by our code over HTTP.

File names, columns and settings are those of the real repositories; images and weights are small.
"""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image, Value
from safetensors.torch import save
from transformers import ResNetConfig, ResNetForImageClassification

from twin_matcher_dagster.dataset.schema import RawFace
from twin_matcher_dagster.errors import RecogniserError, SourceError, TrainingError
from twin_matcher_dagster.faces.recogniser import BUNDLED_FILE, HUB_FILE, Recogniser
from twin_matcher_dagster_tests.celebrities.sources.odd import flat, photo
from twin_matcher_dagster_tests.hub_server import HubServer
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.publication import client
from twin_matcher_dagster_tests.publication.conftest import Client

# https://huggingface.co/datasets/lansinuote/simple_facenet/tree/main, 710 MB
SIMPLE_FACENET = "lansinuote/simple_facenet"
FACENET_FILES = {
    "data/train-00000-of-00002-a2087b9e4f6929fb.parquet": ("Ana Luz", "bob_stone"),
    "data/train-00001-of-00002-2736ad71d60a3fae.parquet": ("Ana Luz", "Cleo"),
    "data/test-00000-of-00001-7345aa418a6ebe27.parquet": ("Cleo",),
}
FACENET_CARD = """---
dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype: string
  splits:
  - name: train
    num_bytes: 702629475.6255275
    num_examples: {train}
  - name: test
    num_bytes: 8106951.374472453
    num_examples: {test}
  download_size: 710565269
  dataset_size: 710736427
---
# Dataset Card for "simple_facenet"
"""
# https://huggingface.co/microsoft/resnet-50/tree/main; the settings of the real network but for its
# size: 1,000 classes of ImageNet, labels as texts with commas, an old name of the image processor.
RESNET = "microsoft/resnet-50"
RESNET_PROCESSOR = {
    "crop_pct": 0.875,
    "do_normalize": True,
    "do_resize": True,
    "feature_extractor_type": "ConvNextFeatureExtractor",
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "resample": 3,
    "size": 224,
}


@pytest.fixture
def simple_facenet(hub: HubServer, kit: Kit) -> dict[str, list[RawFace]]:
    """The data set, small; its rows by split."""
    features = Features({"image": Image(), "label": Value("string")})
    files: dict[str, bytes] = {}
    rows: dict[str, list[RawFace]] = {"train": [], "test": []}
    for path, labels in FACENET_FILES.items():
        images = kit.encoded(len(labels))
        table = Dataset.from_dict(
            {"image": [{"bytes": one, "path": None} for one in images], "label": labels}, features
        )
        buffer = io.BytesIO()
        table.to_parquet(buffer)
        files[path] = buffer.getvalue()
        split = path.removeprefix("data/").split("-")[0]
        rows[split] += [RawFace(i, label, split) for i, label in zip(images, labels, strict=True)]
    card = FACENET_CARD.format(train=len(rows["train"]), test=len(rows["test"]))
    hub.put("datasets", SIMPLE_FACENET, {**files, "README.md": card.encode()})
    return rows


def test_simple_facenet(
    hub: HubServer, run: Client, simple_facenet: dict[str, list[RawFace]]
) -> None:
    found = run(client.read_source, SIMPLE_FACENET)
    assert found == [*simple_facenet["train"], *simple_facenet["test"]]
    assert len(found) == 5
    (path, *_) = FACENET_FILES
    stored = pq.read_schema(io.BytesIO(hub.content("datasets", SIMPLE_FACENET, path)))
    assert stored.names == ["image", "label"]


def test_an_address_is_an_id(
    hub: HubServer, run: Client, simple_facenet: dict[str, list[RawFace]]
) -> None:
    address = f"https://someone:hf_secret@huggingface.co/datasets/{SIMPLE_FACENET}/tree/main/data"
    people, splits, said, notes = run(client.read_counted, address)
    assert people == {"Ana Luz": 2, "Cleo": 2, "bob stone": 1}
    assert splits == {"train": 4, "test": 1}
    assert said.startswith("2 files, 5 images of 3 people read, 0 skipped")
    assert "Held out, as the source says: test." in notes


def test_other_columns_on_the_hub(hub: HubServer, run: Client, kit: Kit) -> None:
    images = [{"bytes": one, "path": None} for one in kit.encoded(3)]
    names = ClassLabel(names=["Ana", "Bob"])
    table = Dataset.from_dict(
        {"img": [*images, None], "labels": [0, 1, -1, 0]},
        Features({"img": Image(), "labels": names}),
    )
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    hub.put("datasets", "me/faces", {"data/valid-00000-of-00001.parquet": buffer.getvalue()})
    people, splits, said, notes = run(client.read_counted, "me/faces")
    assert people == {"Ana": 1, "Bob": 1}
    assert splits == {"train": 2}, "where nothing is left to learn from, nothing is held out"
    assert "a row without a name (1: " in said
    assert "a row without an image (1: " in said
    assert "'img', the people are in 'labels'" in notes


def test_a_data_set_of_files_is_read_as_a_folder_is(hub: HubServer, run: Client) -> None:
    """The library guesses a split from each word like "test" in a path."""
    files = {"README.md": b"# Faces", "dev_patel/train_station.jpg": photo(90)}
    hub.put("datasets", "me/folder", {**flat(place="faces/{name}/test_{i}.jpg"), **files})
    people, splits, said, notes = run(client.read_counted, "me/folder")
    assert people == {"faces": 12, "dev patel": 1}
    assert splits == {"train": 13}
    assert "README.md" in said
    assert "read as a folder is" in notes


def test_a_source_that_is_not_there(hub: HubServer, run: Client) -> None:
    with pytest.raises(SourceError, match=r"could not be opened on the Hub.*HF_TOKEN"):
        run(client.read_source, "nobody/nothing")
    assert any("nobody/nothing" in one.path for one in hub.requests)


@pytest.fixture
def resnet(hub: HubServer) -> ResNetForImageClassification:
    """The repository with a network of its architecture: bottlenecks, four stages."""
    names = {n: f"class {n}, also known as {n}" for n in range(1000)}
    config = ResNetConfig(
        embedding_size=8,
        hidden_sizes=[16, 32, 64, 128],
        depths=[3, 4, 6, 3],
        layer_type="bottleneck",
        id2label=names,
        label2id={name: n for n, name in names.items()},
    )
    model = ResNetForImageClassification(config)
    written = {**config.to_dict(), "architectures": ["ResNetForImageClassification"]}
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    hub.put(
        "models",
        RESNET,
        {
            "README.md": b"---\nlicense: apache-2.0\n---\n# ResNet\n",
            "config.json": json.dumps(written, default=str).encode(),
            "flax_model.msgpack": b"not to be read",
            "model.safetensors": save(weights, {"format": "pt"}),
            "preprocessor_config.json": json.dumps(RESNET_PROCESSOR).encode(),
            "pytorch_model.bin": b"not to be read: it would be unpickled",
            "tf_model.h5": b"not to be read",
        },
    )
    return model


def test_microsoft_resnet_50(
    hub: HubServer, run: Client, resnet: ResNetForImageClassification
) -> None:
    weight, config, processor = run(client.load_backbone, RESNET, {"c-1": "Ana", "u-2": "Ana"})
    wanted = resnet.resnet.embedder.embedder.convolution.weight.detach().numpy()
    assert np.array_equal(weight, wanted)
    assert config["id2label"] == {0: "c-1", 1: "u-2"}
    assert config["depths"] == [3, 4, 6, 3]
    assert processor == [{"shortest_edge": 224}, 0.875]
    assert [one for one in hub.requests if one.path.endswith("model.safetensors")]
    for path in ("pytorch_model.bin", "flax_model.msgpack", "tf_model.h5"):
        assert not [one for one in hub.requests if one.path.endswith(path)], path


def test_a_backbone_with_pickled_weights_alone_is_refused(
    hub: HubServer, run: Client, resnet: ResNetForImageClassification, repo: str
) -> None:
    there = ("config.json", "preprocessor_config.json")
    files = {path: hub.content("models", RESNET, path) for path in there}
    buffer = io.BytesIO()
    torch.save(resnet.state_dict(), buffer)
    hub.put("models", repo, {**files, "pytorch_model.bin": buffer.getvalue()})
    with pytest.raises(TrainingError, match="cannot be loaded"):
        run(client.load_backbone, repo, {"c-1": "Ana"})
    weights = r"^GET .*pytorch_model.bin"
    assert not [one for one in hub.sent(weights) if "/cdn/" in one.path]
    assert not hub.sent(weights)


def test_a_recogniser_from_the_hub(hub: HubServer, run: Client, repo: str) -> None:
    hub.put("models", repo, {HUB_FILE: BUNDLED_FILE.read_bytes(), "README.md": b"# SFace"})
    faces = np.random.default_rng(0).integers(0, 255, (2, 160, 160, 3), np.uint8)
    assert np.allclose(
        run(client.recognise, repo, faces), Recogniser(BUNDLED_FILE)(faces), atol=1e-5
    )
    with pytest.raises(RecogniserError, match=f"no {HUB_FILE} in a Hub repository"):
        run(client.recognise, "nobody/nothing", faces)
