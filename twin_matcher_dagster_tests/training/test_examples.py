"""What a training learns from: each face under its class's number, with the teacher's word."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.dataset.schema import SPLITS, Split
from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.faces.recogniser import load_recogniser
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster.training.examples import examples_of
from twin_matcher_dagster_tests.kit import Kit


@pytest.fixture
def kit(store: ObjectStore) -> Kit:
    made = Kit(store)
    made.celebrities("Ana", "Bo", "Cy", splits=SPLITS)
    return made


def test_classes_are_the_identities_in_order(kit: Kit) -> None:
    upload_id = kit.member()
    version = read_version(kit.store)
    train, validation = examples_of(kit.store, version, "bundled")
    people = [person.identity_id for person in version.identities]
    assert len(people) == 4
    faces: dict[Split, list] = {split: [] for split in SPLITS}
    for face in version.faces():
        faces[face.split].append(face)
    for found, split in ((train, "train"), (validation, "validation")):
        wanted = faces["train"] if split == "train" else faces["validation"]
        assert found.classes.dtype == np.int64
        assert [people[number] for number in found.classes] == [one.identity_id for one in wanted]
        assert len(found) == len(wanted) == (12 if split == "train" else 9)
        pixels = np.stack([read_image(one.image) for one in wanted])
        assert np.array_equal(found.images, pixels)
        assert found.teacher is not None
        assert np.allclose(found.teacher, load_recogniser("bundled")(list(pixels)), atol=1e-5)
    # An upload is for training, whole; what is held out for the test is in neither.
    assert people.index(user_id(upload_id)) in train.classes
    assert people.index(user_id(upload_id)) not in validation.classes


def test_without_validation_faces_there_are_none(store: ObjectStore) -> None:
    kit = Kit(store)
    kit.celebrities(splits=["train"])
    train, validation = examples_of(store, kit.version(), "bundled")
    assert (len(train), len(validation)) == (6, 0)
    assert validation.images.shape == (0, 160, 160, 3)
    assert validation.teacher is not None
    assert validation.teacher.shape == (0, 128)
