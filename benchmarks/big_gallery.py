"""A release with as many people as are asked for, in a bucket: made up, but shaped like real ones.

Vectors are drawn like those of the strangers of the cohort, so that the nearest of many are as near
as among people; a portrait of each is one of the cohort's faces. The network is the bundled one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from twin_matcher_dagster.dataset.portrait_file import PORTRAITS_SUFFIX, Portrait, write_portraits
from twin_matcher_dagster.dataset.schema import Face, write_shard
from twin_matcher_dagster.faces.cohort import COHORT_FILE, cohort_fingerprint, cohort_vectors
from twin_matcher_dagster.faces.fixed_networks import LIKENESS, recogniser_of
from twin_matcher_dagster.recognition.fusion import Fusion
from twin_matcher_dagster.recognition.gallery import COMPONENTS, Gallery
from twin_matcher_dagster.recognition.likeness import LikenessSpace, make_space
from twin_matcher_dagster.recognition.likeness_metric import fit_metric
from twin_matcher_dagster.recognition.network import TwinNet
from twin_matcher_dagster.recognition.onnx_export import export_embedder
from twin_matcher_dagster.recognition.preprocessing import Preprocessing
from twin_matcher_dagster.settings import BUNDLED_BACKBONE, BUNDLED_RECOGNISER
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.files import put_file, put_model
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import FileEntry
from twin_matcher_dagster.storage.records.release import Against, Release, ReleasedIdentity
from twin_matcher_dagster.training.backbone import folder_of, image_processor, load_backbone

# As the sample's release has them.
FUSION = Fusion((4.2, 8.7), -7.9, COMPONENTS)
IDENTITY_LIMIT = 1.6
# The offsets of likeness are found with so many people; whoever is beyond them is nobody's twin
# more often than others.
_OFFSET = 500


def put_big_release(
    store: ObjectStore, people: int, portraits: int = 1, seed: int = 0, *, earlier: bool = False
) -> None:
    """Put a release into a bucket.

    Args:
        store: the bucket.
        people: how many are in the gallery.
        portraits: of each, 0 to 3.
        seed: fixes it.
        earlier: whether portraits are a file as version 0.1 wrote it.
    """
    chance = np.random.default_rng(seed)
    identities = [f"c-{number:07d}" for number in range(people)]
    gallery = Gallery(
        identities,
        _unit(chance.normal(size=(people, 384)).astype(np.float32)),
        _like(cohort_vectors(recogniser_of(BUNDLED_RECOGNISER)), people, chance),
        FUSION,
    )
    space = _space(identities, chance)
    index = put_file(store, layout.INDEXES, gallery.to_bytes(), ".safetensors")
    likeness = put_file(store, layout.INDEXES, space.to_bytes(), ".safetensors")
    shown = _put_portraits(store, identities, portraits, earlier)
    releases(store).append(
        Release(
            fingerprint=f"{people} people",
            released_at=datetime.now(timezone.utc).replace(microsecond=0),
            dataset=1,
            model=1,
            model_fingerprint="bundled",
            face_index=1,
            files=_model(store),
            basis="bundled",
            index=index,
            portraits=shown,
            answers=index,
            likeness=likeness,
            identity_limit=IDENTITY_LIMIT,
            recogniser=BUNDLED_RECOGNISER,
            uploads=(),
            shards={},
            imprinted=(),
            strangers=None,
            figures=None,
            as_they_came=None,
            other_clips=None,
            unjudged=(),
            identities=tuple(
                ReleasedIdentity(who, f"Person {who[2:]}", "celebrity", {"train": 20}, {})
                for who in identities
            ),
            against=Against(nothing="it is the first"),
            override="",
        )
    )


def _space(identities: Sequence[str], chance: np.random.Generator) -> LikenessSpace:
    cohort = cohort_vectors(LIKENESS)
    metric = fit_metric(cohort)
    places = metric.place(_like(cohort, len(identities), chance)).astype(np.float32)
    few = dict(zip(identities[:_OFFSET], places[:_OFFSET], strict=True))
    space = make_space(metric, few, cohort, basis=cohort_fingerprint())
    offsets = np.zeros(len(identities), np.float32)
    offsets[: len(few)] = space.offsets
    return replace(space, identities=identities, templates=places, offsets=offsets)


def _like(vectors: np.ndarray, count: int, chance: np.random.Generator) -> np.ndarray:
    """Unit vectors that are spread as others are: float32 [count, dimensions]."""
    spread = np.linalg.cholesky(np.cov(vectors.T) + 1e-6 * np.eye(vectors.shape[1]))
    drawn = chance.normal(size=(count, vectors.shape[1])).astype(np.float32)
    return _unit(drawn @ spread.T.astype(np.float32) + vectors.mean(0).astype(np.float32))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _put_portraits(store: ObjectStore, people: Sequence[str], each: int, earlier: bool) -> str:
    """The cohort's faces in turn."""
    column = pq.read_table(COHORT_FILE, columns=["image"]).column("image").to_pylist()
    images = [image["bytes"] for image in column]
    shown = {
        who: [Portrait(images[(n + k) % len(images)]) for k in range(each)]
        for n, who in enumerate(people)
    }
    if not earlier:
        return put_file(store, layout.INDEXES, write_portraits(shown), PORTRAITS_SUFFIX)
    faces = [
        Face(portrait.image, f"Person {who[2:]}", who, "celebrity", "", "train")
        for who, own in shown.items()
        for portrait in own
    ]
    return put_file(store, layout.INDEXES, write_shard(faces).data, ".parquet")


def _model(store: ObjectStore) -> tuple[FileEntry, ...]:
    """The bundled network as a released model has it, for two people."""
    processor = image_processor(BUNDLED_BACKBONE)
    model = load_backbone(BUNDLED_BACKBONE, {"c-a": "Ana", "c-b": "Ben"})[0]
    net = TwinNet(model, Preprocessing.of(processor), folder_of(BUNDLED_BACKBONE))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        net.export(folder, 16.0, processor)
        export_embedder(folder)
        return put_model(store, folder)
