"""The neck, the folded head, imprinting, the mean of weights, the teacher: on a tiny network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import ResNetForImageClassification

from twin_matcher_dagster.recognition.network import NECK_FILE, TwinNet
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import BUNDLED_BACKBONE
from twin_matcher_dagster.training.backbone import folder_of, image_processor, load_backbone
from twin_matcher_dagster.training.fine_tuning import fine_tune
from twin_matcher_dagster.training.learner import Learner
from twin_matcher_dagster.training.plan import LabelledFaces, Objective, TrainingPlan
from twin_matcher_dagster_tests.training.conftest import LABELS, PLAN, Trained
from twin_matcher_dagster_tests.training.crowd import PEOPLE, UNTAUGHT, crowd

SCALE = 16.0
FACES = crowd(4, 10)
IMAGES, CLASSES = torch.from_numpy(FACES.images), torch.from_numpy(FACES.classes)
People = tuple[LabelledFaces, LabelledFaces]


def net_of(tiny: str) -> TwinNet:
    """A network with a neck that does something: features have a mean and a spread."""
    torch.manual_seed(0)
    net = TwinNet(load_backbone(tiny, PEOPLE)[0], Preprocessing.of(image_processor(tiny)))
    features = net.eval().features(net.preprocessing(IMAGES)).detach()
    net.neck.running_mean.copy_(features.mean(0))
    net.neck.running_var.copy_(features.var(0))
    return net


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


def test_the_mean_of_weights_follows_quickly_at_first(net: TwinNet) -> None:
    learner = Learner(net, Objective(), decay=0.9, seed=0)
    average: Any = learner.average.module
    weight = learner.net.head.weight
    mean: torch.Tensor | None = None
    for count in range(60):
        weight.add_(torch.randn_like(weight))
        learner.step()
        slow = min((1 + count) / (10 + count), 0.9)
        mean = weight.clone() if mean is None else slow * mean + (1 - slow) * weight
        assert torch.allclose(average.head.weight, mean, atol=1e-4)
    assert not torch.allclose(average.head.weight, weight, atol=0.1)


def test_validation_asks_the_mean_of_weights(net: TwinNet) -> None:
    learner = Learner(net, Objective(), decay=0.9, seed=0).eval()
    learner.step()
    before = learner(IMAGES, CLASSES)["logits"]
    net.head.weight.normal_()
    assert torch.equal(learner(IMAGES, CLASSES)["logits"], before)
    learner.step()
    assert not torch.allclose(learner(IMAGES, CLASSES)["logits"], before, atol=0.1)


def test_logits_are_cosines_and_only_training_has_a_margin(net: TwinNet) -> None:
    told = {}
    for margin in (0.0, 0.3):
        learner = Learner(net, Objective(margin=margin, smoothing=0.0), decay=0.9, seed=0)
        asked = learner.eval()(IMAGES, CLASSES)
        cosines = asked["logits"] / SCALE
        assert cosines.abs().max() <= 1 + 1e-5
        wanted = functional.cross_entropy(asked["logits"], CLASSES)
        assert asked["loss"] == pytest.approx(float(wanted), abs=1e-5)
        told[margin] = float(learner.train()(IMAGES, CLASSES)["loss"])
    assert told[0.3] > told[0.0] + 1


def test_the_teacher_counts_as_its_weight_says(net: TwinNet) -> None:
    normal = net.neck(net.features(net.preprocessing(IMAGES)))
    teacher = functional.normalize(torch.randn(len(IMAGES), 128), dim=1)
    away = 1 - (functional.normalize(net.projection(normal), dim=1) * teacher).sum(1).mean()
    loss = {}
    for weight in (0.0, 4.0):
        learner = Learner(net, Objective(distillation=weight), decay=0.9, seed=0).eval()
        alone = float(learner(IMAGES, CLASSES)["loss"])
        loss[weight] = float(learner(IMAGES, CLASSES, teacher)["loss"]) - alone
    assert loss[0.0] == 0
    assert loss[4.0] == pytest.approx(4 * float(away), abs=1e-4)


def test_what_the_teacher_says_of_everybody_does_not_count(net: TwinNet) -> None:
    teacher = functional.normalize(torch.randn(len(IMAGES), 128), dim=1)
    of_all = torch.randn(128)
    told = []
    for vectors, centre in ((teacher, None), (teacher + of_all, of_all)):
        learner = Learner(net, Objective(), decay=0.9, seed=0, centre=centre).eval()
        told.append(float(learner(IMAGES, CLASSES, vectors)["loss"]))
    assert told[0] == pytest.approx(told[1], abs=1e-4)


def test_the_seed_of_an_epoch_fixes_what_is_drawn(net: TwinNet) -> None:
    learner = Learner(net, Objective(), decay=0.9, seed=0).train()

    def losses(seed: int) -> list[float]:
        learner.begin(seed)
        told = []
        for _ in range(2):
            told.append(float(learner(IMAGES, CLASSES)["loss"]))
            learner.step()
        return told

    first = losses(5)
    assert first[0] != first[1]
    assert losses(5) == first
    assert losses(6) != first


def test_the_mean_of_weights_is_what_is_saved(tiny: str, tmp_path: Path) -> None:
    """The steps are the same with any decay: what is saved differs, what is learnt does not."""
    saved, curves = [], []
    for number, decay in enumerate((0.0, 0.99)):
        plan = TrainingPlan(backbone=tiny, epochs=2, batch_size=8, objective=UNTAUGHT, ema=decay)
        with torch.enable_grad():
            curves.append(fine_tune(FACES, FACES, PEOPLE, plan, tmp_path / str(number)))
        saved.append(load_file(tmp_path / str(number) / "model.safetensors"))
    assert [one.train_loss for one in curves[0]] == [one.train_loss for one in curves[1]]
    body = "resnet.embedder.embedder.convolution.weight"
    assert not torch.allclose(saved[0][body], saved[1][body], atol=1e-5)
    # And it is what was validated: a plain reader is right as often, or more often, for its rows
    # are the means of the faces.
    for number, curve in enumerate(curves):
        plain = ResNetForImageClassification.from_pretrained(tmp_path / str(number)).eval()
        pixels = Preprocessing.of(image_processor(tiny))(IMAGES)
        right = (plain(pixel_values=pixels).logits.argmax(1) == CLASSES).float().mean()
        assert right >= curve[-1].validation_accuracy - 1e-6


def away_from_teacher(folder: Path, faces: LabelledFaces) -> float:
    """1 - cosine of what a model's neck says and what the recogniser says, on average."""
    model = load_backbone(str(folder), LABELS)[0]
    net = TwinNet(model, Preprocessing.of(image_processor(str(folder))), folder).eval()
    told = net.projection(net.neck(net.features(net.preprocessing(faces.images))))
    assert faces.teacher is not None
    return float(1 - (functional.normalize(told, dim=1).numpy() * faces.teacher).sum(1).mean())


def test_distillation_brings_unseen_faces_near_the_teacher(
    trained: Trained, people: People, tmp_path: Path
) -> None:
    """Nearer than by a training without it."""
    train, held_out = people
    without = replace(PLAN, epochs=2, objective=UNTAUGHT)
    with torch.enable_grad():
        fine_tune(train, held_out, LABELS, without, tmp_path / "model")
    taught, alone = (
        away_from_teacher(one, held_out) for one in (trained.folder, tmp_path / "model")
    )
    assert taught < alone - 0.2


def test_the_neck_is_kept_as_safetensors(trained: Trained) -> None:
    kept = load_file(trained.folder / NECK_FILE)
    assert {name: tuple(one.shape) for name, one in kept.items()} == {
        "mean": (384,),
        "deviation": (384,),
        "projection": (128, 384),
    }
    assert (kept["deviation"] > 0).all()
