"""What training starts from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForImageClassification,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTModel,
)

from twin_matcher_dagster.errors import TrainingError
from twin_matcher_dagster.recognition.network import head_of
from twin_matcher_dagster.settings import BUNDLED_BACKBONE, SMALL_BACKBONE
from twin_matcher_dagster.training.backbone import (
    check_backbone,
    folder_of,
    identity_of,
    image_processor,
    load_backbone,
)
from twin_matcher_dagster.training.fine_tuning import fine_tune
from twin_matcher_dagster_tests.people import LABELS, Trained
from twin_matcher_dagster_tests.training.crowd import PEOPLE, crowd, plan_of


def test_the_small_network_knows_its_classes() -> None:
    model, fresh = load_backbone(SMALL_BACKBONE, LABELS)
    assert fresh == {0, 1, 2}
    assert model.config.num_labels == 3
    assert model.config.id2label == dict(enumerate(LABELS))
    assert model.config.label2id == {who: index for index, who in enumerate(LABELS)}
    assert 2.5e6 < sum(parameter.numel() for parameter in model.parameters()) < 3e6
    assert model(torch.zeros(2, 3, 112, 112)).logits.shape == (2, 3)


def test_two_people_of_one_name_are_two_classes() -> None:
    model, _ = load_backbone(SMALL_BACKBONE, {"c-1": "Ana", "u-2": "Ana"})
    assert model.config.id2label == {0: "c-1", 1: "u-2"}


def test_a_trained_folder_brings_its_body_and_known_people_keep_their_row(
    trained: Trained,
) -> None:
    """In whatever order they come, and whoever left or is new."""
    before, _ = load_backbone(str(trained.folder), LABELS)
    mira, darshan, sunhee = LABELS
    people = {"c-first": "Ana", sunhee: "Sunhee", "u-2": "Ana", mira: "Another name"}
    after, fresh = load_backbone(str(trained.folder), people)
    assert fresh == {0, 2}
    assert after(torch.zeros(1, 3, 112, 112)).logits.shape == (1, 4)
    old, new = head_of(before).weight, head_of(after).weight
    assert torch.equal(new[1], old[2])
    assert torch.equal(new[3], old[0])
    # Nobody else has anybody's row.
    assert not any(torch.equal(new[row], other) for row in fresh for other in old)
    assert darshan not in (after.config.label2id or {})
    bodies = [
        {name: value for name, value in one.state_dict().items() if "classifier" not in name}
        for one in (before, after)
    ]
    assert all(torch.equal(value, bodies[1][name]) for name, value in bodies[0].items())
    assert len(bodies[0]) > 20


def test_a_trained_folder_brings_how_it_looks_at_images(trained: Trained) -> None:
    saved, fresh = image_processor(str(trained.folder)), image_processor(SMALL_BACKBONE)
    assert (saved.size, saved.crop_pct) == (fresh.size, fresh.crop_pct)
    assert list(saved.image_mean) == list(fresh.image_mean)


@pytest.mark.parametrize("name", ["no-one/nothing", "/nowhere", "../x", "not an id"])
def test_an_unknown_backbone_says_what_to_set(name: str) -> None:
    for load in (lambda: load_backbone(name, LABELS), lambda: image_processor(name)):
        with pytest.raises(
            TrainingError, match=r"(?s)cannot be loaded: .*Set BACKBONE to 'bundled'"
        ):
            load()


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:1000])


def _without_projection(file: Path) -> None:
    save_file({k: v for k, v in load_file(file).items() if k != "projection"}, file)


def _narrower(file: Path) -> None:
    save_file({k: v[..., :8].contiguous() for k, v in load_file(file).items()}, file)


def _without_mean(file: Path) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), "image_mean": None}))


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("neck.safetensors", _cut),
        ("neck.safetensors", _without_projection),
        ("neck.safetensors", _narrower),
        ("model.safetensors", _cut),
        ("preprocessor_config.json", _without_mean),
    ],
)
def test_a_spoilt_folder_is_named(tmp_path: Path, name: str, spoil: Callable[[Path], None]) -> None:
    shutil.copytree(folder_of(BUNDLED_BACKBONE), tmp_path / "backbone")
    spoil(tmp_path / "backbone" / name)
    plan = replace(plan_of(str(tmp_path / "backbone")), epochs=1)
    with pytest.raises(TrainingError, match=r"(?s)backbone' cannot be loaded: .*Set BACKBONE"):
        fine_tune(crowd(4, 4), crowd(4, 1), PEOPLE, plan, tmp_path / "model")


def test_another_network_in_its_place_is_another_backbone(tmp_path: Path) -> None:
    folder = tmp_path / "backbone"
    shutil.copytree(folder_of(BUNDLED_BACKBONE), folder)
    before = identity_of(str(folder))
    assert before.startswith(f"{folder} ")
    assert before.split()[-1] == identity_of(BUNDLED_BACKBONE).split()[-1]
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert identity_of(str(folder)) != before
    assert identity_of("microsoft/resnet-50") == "microsoft/resnet-50"


def test_what_ships_runs_as_any_reader_loads_it() -> None:
    """In float32, though its weights are kept in half precision; its head says nothing."""
    loaded: Any = AutoModelForImageClassification.from_pretrained(folder_of(BUNDLED_BACKBONE))
    assert loaded.dtype == torch.float32
    logits = loaded(torch.zeros(1, 3, 112, 112)).logits
    assert torch.equal(logits, torch.zeros(1, 2))


def test_a_folder_with_pickled_weights_is_refused(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((trained.folder / "config.json").read_bytes())
    torch.save(
        load_backbone(SMALL_BACKBONE, LABELS)[0].state_dict(), tmp_path / "pytorch_model.bin"
    )
    with pytest.raises(TrainingError, match="safetensors"):
        load_backbone(str(tmp_path), LABELS)


def test_a_network_that_ends_with_features_is_refused(tmp_path: Path) -> None:
    """No layer gives logits, so there is nothing that classes could be put into."""
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1], id2label={})
    ResNetForImageClassification(config).save_pretrained(tmp_path)
    with pytest.raises(TrainingError, match=r"\(resnet\) has no linear .*Set BACKBONE to"):
        load_backbone(str(tmp_path), LABELS)


def test_a_body_without_a_head_gets_one(tmp_path: Path) -> None:
    config = ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    body = ViTModel(config, add_pooling_layer=False)
    body.save_pretrained(tmp_path)
    model, fresh = load_backbone(str(tmp_path), LABELS)
    assert fresh == {0, 1, 2}
    assert model(torch.zeros(1, 3, 224, 224)).logits.shape == (1, 3)
    loaded = model.state_dict()["vit.embeddings.patch_embeddings.projection.weight"]
    assert torch.equal(loaded, body.embeddings.patch_embeddings.projection.weight)


@pytest.mark.parametrize("name", [SMALL_BACKBONE, BUNDLED_BACKBONE, "microsoft/resnet-50"])
def test_a_name_that_can_be_one_is_let_through(name: str) -> None:
    check_backbone(name)


def test_a_check_needs_no_network(tmp_path: Path) -> None:
    check_backbone(str(tmp_path))
    with pytest.raises(TrainingError, match="no such folder, and it is no Hub id"):
        check_backbone(str(tmp_path / "gone"))
