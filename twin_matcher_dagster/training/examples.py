"""What a training learns from: the decoded faces of a version, and the teacher's word on them."""

from __future__ import annotations

import numpy as np

from twin_matcher_dagster.dataset.cached_vectors import read_with_vectors
from twin_matcher_dagster.dataset.schema import Face, Split
from twin_matcher_dagster.dataset.shards import pixels_of
from twin_matcher_dagster.dataset.versions import Version
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.training.plan import LabelledFaces


def examples_of(
    store: ObjectStore, dataset: Version, recogniser: str
) -> tuple[LabelledFaces, LabelledFaces]:
    """The faces to train and to validate on, with class numbers and the teacher's vectors.

    Args:
        store: the bucket.
        dataset: whose; the classes are its identities, in order.
        recogniser: name of the teacher.
    """
    number = {person.identity_id: index for index, person in enumerate(dataset.identities)}
    faces: list[Face] = []
    parts = [np.zeros((0, 128), np.float32)]
    for shard in dataset.shards:
        rows, vectors = read_with_vectors(store, shard, recogniser)
        faces += rows
        parts.append(vectors)
    teacher = np.concatenate(parts)

    def labelled(split: Split) -> LabelledFaces:
        own = [i for i, face in enumerate(faces) if face.split == split]
        classes = np.array([number[faces[i].identity_id] for i in own], np.int64)
        return LabelledFaces(pixels_of([faces[i] for i in own]), classes, teacher[own])

    return labelled("train"), labelled("validation")
