"""The neck, the folded head, imprinting, the mean of weights, the teacher: on a tiny network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import ResNetForImageClassification

from twin_matcher_dagster.recognition.network import METRIC_SHRINKAGE, TwinNet
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import BUNDLED_BACKBONE
from twin_matcher_dagster.training.backbone import folder_of, image_processor, load_backbone
from twin_matcher_dagster.training.learner import Learner
from twin_matcher_dagster.training.plan import LabelledFaces, Objective
from twin_matcher_dagster_tests.training.crowd import PEOPLE, crowd, net_of

SCALE = 16.0
FACES = crowd(4, 10)
IMAGES, CLASSES = torch.from_numpy(FACES.images), torch.from_numpy(FACES.classes)
People = tuple[LabelledFaces, LabelledFaces]


@pytest.fixture
def net(tiny: str) -> TwinNet:
    return net_of(tiny)


def exported(net: TwinNet, tiny: str, folder: Path) -> Path:
    net.export(folder, SCALE, image_processor(tiny))
    return folder


def reloaded(folder: Path) -> TwinNet:
    preprocessing = Preprocessing.of(image_processor(str(folder)))
    return TwinNet(load_backbone(str(folder), PEOPLE)[0], preprocessing, folder).eval()


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def test_the_neck_is_folded_into_the_head(net: TwinNet, tiny: str, tmp_path: Path) -> None:
    pixels = net.preprocessing(IMAGES)
    normal = net.neck(net.features(pixels))
    rows = functional.normalize(net.head.weight, dim=1)
    wanted = SCALE * normal @ rows.T / normal.shape[1] ** 0.5
    folder = exported(net, tiny, tmp_path / "model")
    plain = ResNetForImageClassification.from_pretrained(folder).eval()
    assert torch.allclose(plain(pixel_values=pixels).logits, wanted, atol=1e-4)
    assert wanted.std() > 0.1


def test_the_length_before_the_head_is_about_the_root_of_its_size(net: TwinNet) -> None:
    """So the plain model's probabilities are about those of training."""
    normal = net.neck(net.features(net.preprocessing(IMAGES)))
    variance = net.neck.running_var
    alive = float((variance / (variance + net.neck.eps)).sum())  # a feature may never fire
    assert 8 < alive <= normal.shape[1]
    assert normal.norm(dim=1).square().mean() == pytest.approx(alive, rel=0.1)


def test_what_is_read_back_embeds_the_same(net: TwinNet, tiny: str, tmp_path: Path) -> None:
    """However often: nothing drifts, even where features hardly vary."""
    net.neck.running_var[:4] = 1e-5
    pixels = net.preprocessing(IMAGES)
    before, told = net.embed(pixels), net.projection(net.neck(net.features(pixels)))
    rows = functional.normalize(net.head.weight, dim=1)
    for again in range(3):
        net = reloaded(exported(net, tiny, tmp_path / str(again)))
        assert torch.allclose(net.embed(pixels), before, atol=1e-4)
        assert torch.allclose(functional.normalize(net.head.weight, dim=1), rows, atol=1e-5)
    assert torch.allclose(net.projection(net.neck(net.features(pixels))), told, atol=1e-3)


def test_embeddings_are_unit_vectors_and_do_not_depend_on_the_batch(net: TwinNet) -> None:
    pixels = net.preprocessing(IMAGES)
    together = net.embed(pixels)
    assert torch.allclose(together.norm(dim=1), torch.ones(len(pixels)), atol=1e-5)
    assert torch.allclose(net.embed(pixels[3:4])[0], together[3], atol=1e-4)


def test_an_imprinted_row_is_the_mean_embedding_and_others_stay(net: TwinNet) -> None:
    before = net.head.weight.clone()
    pixels = net.preprocessing(IMAGES)
    halves = [(pixels[part], CLASSES[part]) for part in (slice(0, 17), slice(17, None))]
    net.train()
    net.imprint(halves, {1, 3})
    assert net.training
    embeddings = net.eval().embed(pixels)
    for row in (1, 3):
        mean = functional.normalize(embeddings[row == CLASSES].mean(0), dim=0)
        assert torch.allclose(functional.normalize(net.head.weight[row], dim=0), mean, atol=1e-5)
    assert torch.equal(net.head.weight[[0, 2]], before[[0, 2]])


def test_imprinting_does_not_move_the_neck(net: TwinNet) -> None:
    before = net.neck.running_mean.clone()
    net.imprint([(net.preprocessing(IMAGES), CLASSES)], {0})
    assert torch.equal(net.neck.running_mean, before)


@pytest.mark.parametrize(("stages", "frozen"), [(0, 0), (1, 1), (2, 2), (4, 2)])
def test_what_is_frozen_does_not_change(stages: int, frozen: int) -> None:
    """Neither by the optimizer nor by the statistics of batches; the last two stages always do."""
    model = load_backbone(BUNDLED_BACKBONE, PEOPLE)[0]
    net = TwinNet(
        model, Preprocessing.of(image_processor(BUNDLED_BACKBONE)), folder_of(BUNDLED_BACKBONE)
    )
    net.freeze(stages)
    learner = Learner(net, Objective(), decay=0.9, seed=0).train()
    base: Any = model.base_model
    parts = [base.embedder, *base.encoder.stages]
    before = [{k: v.clone() for k, v in part.state_dict().items()} for part in parts]
    with torch.enable_grad():
        learner(IMAGES, CLASSES)["loss"].backward()
    torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1).step()
    same = [
        all(torch.equal(value, was[name]) for name, value in part.state_dict().items())
        for part, was in zip(parts, before, strict=True)
    ]
    assert same == [bool(frozen) and n <= frozen for n in range(len(parts))]


def spread(normal: torch.Tensor) -> torch.Tensor:
    """The covariance within people."""
    apart = torch.cat([normal[n == CLASSES] - normal[n == CLASSES].mean(0) for n in range(4)])
    return apart.T @ apart / len(apart)


def test_the_metric_levels_what_differs_between_photos_of_one_person(net: TwinNet) -> None:
    """By the shrunk covariance it is the inverse; lengths are what they were."""
    normal = net.neck(net.features(net.preprocessing(IMAGES)))
    net.fit_metric(normal, CLASSES)
    within = spread(normal) + METRIC_SHRINKAGE * spread(normal).diagonal().mean() * torch.eye(16)
    levelled = net.metric @ within @ net.metric.T
    assert torch.allclose(levelled, levelled[0, 0] * torch.eye(16), atol=1e-3)
    placed = normal @ net.metric.T
    assert placed.square().sum() == pytest.approx(float(normal.square().sum()), rel=1e-4)
    assert torch.allclose(net.embed(net.preprocessing(IMAGES)), functional.normalize(placed, dim=1))


@pytest.mark.parametrize("classes", [torch.arange(40), torch.zeros(0, dtype=torch.int64)])
def test_without_two_photos_of_anybody_there_is_no_metric(
    net: TwinNet, classes: torch.Tensor
) -> None:
    net.fit_metric(torch.randn(len(classes), 16), classes)
    assert torch.equal(net.metric, torch.eye(16))
    net.fit_metric(torch.full((40, 16), float("nan")), CLASSES)
    assert torch.equal(net.metric, torch.eye(16))


def test_a_metric_is_read_back_and_can_be_forgotten(
    net: TwinNet, tiny: str, tmp_path: Path
) -> None:
    pixels = net.preprocessing(IMAGES)
    net.imprint([(pixels, CLASSES)], {0, 1, 2, 3})
    plain = functional.normalize(net.head.weight, dim=1)
    net.fit_metric(net.neck(net.features(pixels)), CLASSES)
    net.imprint([(pixels, CLASSES)], {0, 1, 2, 3})
    metric, rows, embedded = net.metric.clone(), net.head.weight.clone(), net.embed(pixels)
    again = reloaded(exported(net, tiny, tmp_path / "model"))
    assert torch.allclose(again.metric, metric)
    assert torch.allclose(functional.normalize(again.head.weight, dim=1), rows, atol=1e-4)
    assert torch.allclose(again.embed(pixels), embedded, atol=1e-4)
    logits = again.head(again.features(pixels))  # before they are folded back
    again.forget_metric()
    assert torch.equal(again.metric, torch.eye(16))
    nearest = functional.cosine_similarity(again.head.weight, plain)
    assert nearest.min() > 0.98  # not the same: a mean of unit vectors is not a unit vector
    assert logits.shape == (40, 4)
