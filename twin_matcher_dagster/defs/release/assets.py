"""face_index and production_release: what the pages search, and the one manifest they read."""

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import numpy as np

from twin_matcher_dagster import reporting
from twin_matcher_dagster.dataset import read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.automation import when_inputs_change
from twin_matcher_dagster.defs.faces_io import pixels_of
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.defs.results import commit, head_of, materialized, progress_of, refuse
from twin_matcher_dagster.erasure import refuse_erased_people, sweep
from twin_matcher_dagster.errors import ErasureError, TrainingError
from twin_matcher_dagster.identities.schema import Face, fingerprint, write_shard
from twin_matcher_dagster.recognition.embedding import Embedder
from twin_matcher_dagster.recognition.index import FaceIndex, evaluate
from twin_matcher_dagster.retention import purge_models
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifests import ManifestLog
from twin_matcher_dagster.storage.models import get_model, put_file

PORTRAITS = 3
"""Faces of each identity that a page shows."""


@dg.asset(
    deps=[keys.TWIN_MODEL],
    group_name="release",
    kinds={"pytorch", "numpy", "s3"},
    owners=[keys.OWNER],
    code_version="1",
    automation_condition=when_inputs_change(),
    description="Embeddings of the faces that are searched, from the data set that the model was "
    "trained on, and how well held-out faces find their own identity in it.",
)
def face_index(
    context: dg.AssetExecutionContext, object_store: ObjectStoreResource
) -> dg.MaterializeResult:
    """Embed the gallery, measure it on held-out faces, choose portraits."""
    store = object_store.open()
    model = head_of(store, layout.MODELS, keys.TWIN_MODEL)
    # The model's own data set: a newer one may be there already.
    dataset = read_version(store, model.body["dataset"])
    # Users are named in the release alone: what is shown in Dagster stays there.
    names = {
        person.identity_id: person.label if person.kind == "celebrity" else "a user"
        for person in dataset.identities
    }
    with tempfile.TemporaryDirectory() as folder:
        get_model(store, model.body["files"], Path(folder))
        embedder = Embedder(Path(folder))
    progress = progress_of(context)
    faces = list(dataset.faces())
    gallery = [face for face in faces if face.split == "train"]
    held_out = [face for face in faces if face.split == "test"]
    if not held_out:
        raise refuse(
            TrainingError(
                "No face is held out, so nothing can be measured. Materialize balanced_faces with "
                "more faces an identity, or with a larger held_out_faces."
            )
        )
    embeddings, _ = embedder(pixels_of(gallery))
    progress(0.7)
    identities = list(names)
    owners = np.array([identities.index(face.identity_id) for face in gallery], np.int64)
    index = FaceIndex(embeddings, owners, identities)
    test_embeddings, probabilities = embedder(pixels_of(held_out))
    truth = [face.identity_id for face in held_out]
    measured = evaluate(index, test_embeddings, probabilities, truth, embedder.identities)
    guessed = [embedder.identities[i] for i in probabilities.argmax(1)]
    progress(1.0)
    portraits = write_shard(_portraits(index, gallery)).data
    files = {
        "index": put_file(store, layout.INDEXES, index.to_bytes(), ".safetensors"),
        "portraits": put_file(store, layout.INDEXES, portraits, ".parquet"),
    }
    body = {
        "fingerprint": fingerprint(model.fingerprint, *files.values()),
        "model": model.number,
        "model_fingerprint": model.fingerprint,
        "dataset": dataset.number,
        "rows": len(gallery),
        "uploads": [member.upload_id for member in dataset.members],
        **files,
        "held_out": measured.as_dict(),
    }
    return materialized(
        commit(store, layout.INDEXES, body),
        len(gallery),
        {
            "identities": len(identities),
            "dimensions": embeddings.shape[1],
            **{f"held-out {name}": value for name, value in measured.as_dict().items()},
            "confusion matrix": dg.MetadataValue.md(
                reporting.confusion_matrix(truth, guessed, names)
            ),
        },
    )


def _portraits(index: FaceIndex, gallery: Sequence[Face]) -> list[Face]:
    """The faces of each identity that are nearest to the mean of all its faces."""
    chosen: list[Face] = []
    for owner in range(len(index.identities)):
        rows = np.flatnonzero(index.owners == owner)
        if len(rows):
            typical = index.embeddings[rows] @ index.embeddings[rows].mean(0)
            chosen += [
                gallery[row] for row in rows[np.argsort(-typical, kind="stable")][:PORTRAITS]
            ]
    return chosen


@dg.asset(
    deps=[keys.FACE_INDEX],
    group_name="release",
    kinds={"s3"},
    owners=[keys.OWNER],
    code_version="1",
    automation_condition=when_inputs_change(),
    description="One manifest that names data set, model and index together. The prediction page "
    "reads the newest and nothing else.",
)
def production_release(object_store: ObjectStoreResource) -> dg.MaterializeResult:
    """Put what passed the checks into production."""
    store = object_store.open()
    index = head_of(store, layout.INDEXES, keys.FACE_INDEX)
    model = ManifestLog(store, layout.log(layout.MODELS)).read(index.body["model"])
    dataset = read_version(store, index.body["dataset"])
    people = [
        {**asdict(person), "about": dataset.people.get(person.identity_id, {})}
        for person in dataset.identities
    ]
    body = {
        "fingerprint": fingerprint(dataset.fingerprint, model.fingerprint, index.fingerprint),
        "released_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "dataset": dataset.number,
        "model": model.number,
        "face_index": index.number,
        "files": model.body["files"],
        "index": index.body["index"],
        "portraits": index.body["portraits"],
        "identities": people,
        # Those of the index, which is what is released: the data set's version forgets.
        "uploads": index.body["uploads"],
        "held_out": index.body["held_out"],
    }
    if index.body["model_fingerprint"] != model.fingerprint:
        raise refuse(TrainingError("The index is of a model that is gone: make face_index again."))
    in_it = {*index.body["uploads"], *model.body["uploads"]}
    try:
        refuse_erased_people(store, in_it)
        release = commit(store, layout.RELEASES, body)
        refuse_erased_people(store, in_it)
    except ErasureError as error:
        sweep(store, in_it)
        raise refuse(error) from error
    purge_models(store)  # now that another one is in production
    return materialized(
        release,
        len(people),
        {
            "release": release.number,
            "data set": dataset.number,
            "model": model.number,
            "index": index.number,
            **{f"held-out {name}": value for name, value in index.body["held_out"].items()},
        },
    )
