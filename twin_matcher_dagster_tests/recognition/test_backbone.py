"""What training starts from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import ViTConfig, ViTForImageClassification

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.backbone import SMALL, image_processor, load_backbone
from twin_matcher_dagster_tests.recognition.conftest import LABELS, Trained


def test_the_small_network_knows_its_classes() -> None:
    model = load_backbone(SMALL, LABELS)
    assert model.config.num_labels == 3
    assert model.config.id2label == dict(enumerate(LABELS))
    assert model.config.label2id == {who: index for index, who in enumerate(LABELS)}
    assert 1e6 < sum(parameter.numel() for parameter in model.parameters()) < 1.5e6
    assert model(torch.zeros(2, 3, 112, 112)).logits.shape == (2, 3)


def test_two_people_of_one_name_are_two_classes() -> None:
    model = load_backbone(SMALL, {"c-1": "Ana", "u-2": "Ana"})
    assert model.config.id2label == {0: "c-1", 1: "u-2"}


def test_a_trained_folder_brings_its_body_and_gets_a_new_head(trained: Trained) -> None:
    before = load_backbone(str(trained.folder), LABELS)
    after = load_backbone(str(trained.folder), {f"c-{n}": "Ana" for n in range(5)})
    assert after(torch.zeros(1, 3, 112, 112)).logits.shape == (1, 5)
    assert torch.equal(
        before.resnet.embedder.embedder.convolution.weight,
        after.resnet.embedder.embedder.convolution.weight,
    )
    saved, fresh = image_processor(str(trained.folder)), image_processor(SMALL)
    assert (saved.size, saved.crop_pct) == (fresh.size, fresh.crop_pct)
    assert list(saved.image_mean) == list(fresh.image_mean)


@pytest.mark.parametrize("name", ["no-one/nothing", "/nowhere", "../x", "not an id"])
def test_an_unknown_backbone_says_what_to_set(name: str) -> None:
    for load in (lambda: load_backbone(name, LABELS), lambda: image_processor(name)):
        with pytest.raises(TrainingError, match=r"(?s)cannot be loaded: .*Set BACKBONE to 'small'"):
            load()


def test_a_folder_with_pickled_weights_is_refused(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((trained.folder / "config.json").read_bytes())
    torch.save(load_backbone(SMALL, LABELS).state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(TrainingError, match="safetensors"):
        load_backbone(str(tmp_path), LABELS)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    """transformers would fill a ResNet with random weights, and only warn."""
    ViTForImageClassification(
        ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    ).save_pretrained(tmp_path)
    with pytest.raises(TrainingError, match="it is a vit, not a resnet"):
        load_backbone(str(tmp_path), LABELS)
