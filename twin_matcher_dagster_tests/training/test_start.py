"""Where a training starts: from the backbone, from the last model, or where it was killed."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.settings import SMALL_BACKBONE, Settings
from twin_matcher_dagster.storage.logs import models
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.training.plan import TrainingPlan
from twin_matcher_dagster.training.start import (
    ancestor_of,
    checkpoints_of,
    epochs_of,
    refining,
    started_from,
)
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.records import example

PLAN = TrainingPlan()


@pytest.fixture
def kit(store: ObjectStore) -> Kit:
    """A data set with one upload, and a model of it."""
    made = Kit(store)
    made.celebrities()
    made.member()
    made.train()
    return made


def ancestor(kit: Kit, plan: TrainingPlan = PLAN, backbone: str = SMALL_BACKBONE) -> int | None:
    found = ancestor_of(kit.store, plan, backbone, read_version(kit.store))
    return found.number if found else None


def test_it_is_trained_on_from_the_last_model(kit: Kit) -> None:
    assert ancestor(kit) == 1
    kit.member()
    kit.train()
    assert ancestor(kit) == 2
    # Of new people it learns; what it learnt of others stays right.
    kit.member()
    assert ancestor(kit) == 2


def test_another_plan_or_backbone_begins_anew(kit: Kit) -> None:
    assert ancestor(kit, replace(PLAN, seed=1)) is None
    assert ancestor(kit, backbone="bundled 0123456789ab") is None


def test_other_celebrities_begin_anew(kit: Kit) -> None:
    """What is held out by now may be what the ancestor learnt."""
    kit.celebrities()
    kit.version()
    assert ancestor(kit) is None


def test_who_left_is_not_in_the_next_model(kit: Kit) -> None:
    (member,) = read_version(kit.store).members
    kit.judge(member.upload_id, state="rejected")
    kit.version()
    assert ancestor(kit) is None


def test_without_a_model_or_with_one_of_an_earlier_version_it_begins_anew(
    store: ObjectStore,
) -> None:
    kit = Kit(store)
    kit.celebrities()
    kit.version()
    assert ancestor(kit) is None
    store.put_new(models(store).key(1), example("Model-0.1.0"))
    assert ancestor(kit) is None


def test_who_knows_most_people_is_refined(kit: Kit, tmp_path: Path) -> None:
    refined = refining(PLAN)
    assert refined.epochs == PLAN.epochs // 5
    assert refined.learning_rate == pytest.approx(PLAN.learning_rate / 5)
    assert refining(replace(PLAN, epochs=1)).epochs == 1
    assert started_from(kit.store, PLAN, None, tmp_path / "none") == PLAN
    assert not (tmp_path / "none").exists()
    folder = tmp_path / "ancestor"
    model = models(kit.store).existing_head()
    assert started_from(kit.store, PLAN, model, folder) == replace(refined, backbone=str(folder))
    assert [path.name for path in folder.iterdir()] == [file.name for file in model.record.files]


@pytest.mark.parametrize(
    ("source", "asked", "epochs"),
    [("sample", None, 4), ("/my/faces", None, PLAN.epochs), ("sample", 9, 9), ("/my/faces", 1, 1)],
)
def test_how_long_is_asked_for_or_follows_from_the_source(
    source: str, asked: int | None, epochs: int
) -> None:
    assert epochs_of(Settings(raw_faces=source, epochs=asked)) == epochs


def test_a_killed_training_is_found_again_and_no_other_one_is_kept(
    kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be somebody in the others who was erased."""
    version = read_version(kit.store)

    def folder(plan: TrainingPlan = PLAN, start: str = "small") -> Path:
        return checkpoints_of(tmp_path, version, plan, start)

    first = folder()
    (first / "checkpoint-8").mkdir()
    # The backbone's name is a temporary folder's where an ancestor is trained on.
    assert folder(replace(PLAN, backbone="another-folder")) == first
    assert (first / "checkpoint-8").is_dir()
    others = [folder(replace(PLAN, epochs=3)), folder(start="model 1")]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    others.append(folder())
    assert len({first, *others}) == 4
    assert list(tmp_path.iterdir()) == [others[-1]]
    assert asdict(PLAN)["objective"]  # all that a plan says is part of the name
    kit.member()
    newer = checkpoints_of(tmp_path, read_version(kit.store), PLAN, "small")
    assert newer not in (first, *others)
