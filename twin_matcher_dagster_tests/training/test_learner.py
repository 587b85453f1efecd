"""What is trained: the objective, the teacher's word, and the mean of recent weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.nn import functional

from twin_matcher_dagster.recognition.network import TwinNet
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.training.backbone import image_processor, load_backbone
from twin_matcher_dagster.training.learner import Learner, centred
from twin_matcher_dagster.training.plan import Objective
from twin_matcher_dagster_tests.people import part
from twin_matcher_dagster_tests.training.crowd import PEOPLE, crowd, net_of

SCALE = 16.0
FACES = crowd(4, 10)
IMAGES, CLASSES = torch.from_numpy(FACES.images), torch.from_numpy(FACES.classes)


def learner_of(tiny: str, process: int = 0, **aims: float) -> Learner:
    """A learner that begins as every other one does."""
    torch.manual_seed(0)
    model = load_backbone(tiny, PEOPLE)[0]
    net = TwinNet(model, Preprocessing.of(image_processor(tiny)))
    objective = Objective(**{"distillation": 0.0, **aims})
    return Learner(net, objective, 0.9, 1, torch.zeros(128), process)


def batch_of(count: int = 8) -> dict[str, torch.Tensor]:
    """Faces of the crowd, and words of a teacher that are noise."""
    words = torch.randn(count, 128, generator=torch.Generator().manual_seed(0))
    batch = part(FACES, count).__getitems__(list(range(count)))
    return {**batch, "teacher": words}


def test_every_step_and_process_varies_faces_otherwise_and_none_by_chance(tiny: str) -> None:
    batch = batch_of()
    first = learner_of(tiny)(**batch)
    assert first["logits"].shape == (8, len(PEOPLE))
    assert torch.equal(learner_of(tiny)(**batch)["logits"], first["logits"])
    assert not torch.equal(learner_of(tiny, process=1)(**batch)["logits"], first["logits"])
    later = learner_of(tiny)
    later.step()
    assert not torch.equal(later(**batch)["logits"], first["logits"])
    later.begin(1)  # an epoch draws the same, whatever was before
    again = learner_of(tiny)
    assert torch.equal(later(**batch)["loss"], again(**batch)["loss"])


def test_what_is_centred_has_unit_length_and_nothing_in_common() -> None:
    words = torch.randn(50, 128, generator=torch.Generator().manual_seed(0)) + 3
    done = centred(words, words.mean(0))
    assert torch.allclose(done.norm(dim=1), torch.ones(50), atol=1e-5)
    assert done.mean(0).norm() < 0.1
    assert torch.allclose(
        centred(words, torch.zeros(128)), torch.nn.functional.normalize(words, dim=1)
    )


@pytest.fixture
def net(tiny: str) -> TwinNet:
    return net_of(tiny)


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


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
