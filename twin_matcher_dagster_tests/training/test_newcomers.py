"""Who is kept out of a training: celebrities with photos enough, by a lot of their own."""

from __future__ import annotations

import numpy as np
import pytest

from twin_matcher_dagster.training.newcomers import ASKED, ENROLLED, Lessons, without_newcomers
from twin_matcher_dagster.training.plan import LabelledFaces

PHOTOS = ENROLLED + ASKED


def faces_of(*photos: int) -> LabelledFaces:
    """So many faces of each class; a pixel says whose each is, and a vector which."""
    classes = np.repeat(np.arange(len(photos)), photos)
    images = np.broadcast_to(classes[:, None, None, None], (len(classes), 1, 1, 3))
    return LabelledFaces(images.astype(np.uint8), classes, np.arange(len(classes))[:, None])


def lessons_of(
    people: int, photos: int = PHOTOS, kind: str = "c", seed: int = 0, share: float = 0.2
) -> Lessons:
    labels = {f"{kind}-{number}": f"Name {number}" for number in range(people)}
    train, validation = faces_of(*people * [photos]), faces_of(*people * [3])
    return without_newcomers(train, validation, labels, seed, share)


def newcomers(lessons: Lessons) -> set[str]:
    people = list(lessons.labels)
    return {people[number] for number in lessons.newcomers.classes}


@pytest.mark.parametrize(("people", "out"), [(2, 0), (7, 0), (8, 1), (18, 3), (24, 4), (90, 5)])
def test_a_fifth_of_the_celebrities_is_kept_out_and_nobody_of_a_few(people: int, out: int) -> None:
    assert len(newcomers(lessons_of(people))) == out


def test_every_face_is_on_one_side_under_its_own_class() -> None:
    lessons = lessons_of(18)
    people = list(lessons.labels)
    assert sorted(people) == sorted(f"c-{number}" for number in range(18))
    assert all(lessons.labels[who] == f"Name {who[2:]}" for who in people)
    assert (len(lessons.learnt), len(lessons.newcomers)) == (15 * PHOTOS, 3 * PHOTOS)
    # The learnt are the first classes: a head of 15 rows is theirs.
    assert set(lessons.learnt.classes.tolist()) == set(range(15))
    assert set(lessons.newcomers.classes.tolist()) == {15, 16, 17}
    for faces in (lessons.learnt, lessons.newcomers, lessons.validation):
        whose = [people[number] for number in faces.classes]
        assert whose == [f"c-{pixel}" for pixel in faces.images[:, 0, 0, 0]]
    told = [one.teacher for one in (lessons.learnt, lessons.newcomers)]
    assert sorted(np.concatenate([one[:, 0] for one in told if one is not None])) == [
        *range(18 * PHOTOS)
    ]


def test_the_lot_is_each_ones_own_and_the_seeds() -> None:
    """More people change who is drawn no more than they have to."""
    before, after = newcomers(lessons_of(18)), newcomers(lessons_of(19))
    assert len(before & after) >= 2
    assert newcomers(lessons_of(18)) == before
    assert any(newcomers(lessons_of(18, seed=seed)) != before for seed in range(1, 5))


def test_uploads_and_people_with_few_photos_are_not_drawn() -> None:
    assert not newcomers(lessons_of(18, kind="u"))
    assert not newcomers(lessons_of(18, photos=PHOTOS - 1))
    assert not newcomers(lessons_of(18, share=0.0))
    labels = {f"c-{number}": "Name" for number in range(20)}
    train = faces_of(*10 * [PHOTOS, PHOTOS - 1])
    lessons = without_newcomers(train, faces_of(*20 * [2]), labels, 0)
    assert newcomers(lessons) <= {f"c-{number}" for number in range(0, 20, 2)}
    assert len(newcomers(lessons)) == 2


def test_without_faces_to_validate_on_nobody_can_be_asked() -> None:
    labels = {f"c-{number}": "Name" for number in range(18)}
    train = faces_of(*18 * [PHOTOS])
    lessons = without_newcomers(train, faces_of(), labels, 0)
    assert lessons.learnt.images is train.images  # and nothing is copied
    assert not len(lessons.newcomers)
    assert list(lessons.labels) == list(labels)
