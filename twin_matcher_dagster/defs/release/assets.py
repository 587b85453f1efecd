"""face_index and production_release: what the pages search, and the one manifest they read."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timezone

import dagster as dg
from pydantic import Field

from twin_matcher_dagster.champion import compared, reason
from twin_matcher_dagster.dataset import read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.automation import when_inputs_change
from twin_matcher_dagster.defs.release.showing import (
    figures_of,
    pictures_of,
    portraits_of,
    weights_of,
)
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.defs.results import commit, head_of, materialized, progress_of, refuse
from twin_matcher_dagster.erasure import erased_among, refuse_erased_people, sweep
from twin_matcher_dagster.errors import ErasureError, TrainingError
from twin_matcher_dagster.identities.schema import fingerprint, read_shard, write_shard
from twin_matcher_dagster.indexing import Indexer
from twin_matcher_dagster.recognition.index import FaceIndex
from twin_matcher_dagster.retention import purge_models
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.manifests import ManifestLog
from twin_matcher_dagster.storage.models import put_file


class ReleaseConfig(dg.Config):
    """Whether a person overrules the comparison with the model in production."""

    override: str = Field(
        "",
        description="Why a model that is worse than the released one is released all the same; "
        "kept with the release.",
    )


FROM_INDEX = ("index", "portraits", "answers", "recogniser", "uploads", "imprinted", "figures")


@dg.asset(
    deps=[keys.TWIN_DATASET, keys.TWIN_MODEL],
    group_name="release",
    kinds={"pytorch", "onnx", "s3"},
    owners=[keys.OWNER],
    code_version="2",
    automation_condition=when_inputs_change(busy={keys.TWIN_MODEL}),
    description="Two vectors of everybody in the newest data set, by the newest model and by the "
    "reference recogniser. Whoever the model did not learn is imprinted, so a new person is found "
    "within seconds. How good it is: each network alone and both together, on held-out faces.",
)
def face_index(
    context: dg.AssetExecutionContext,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.MaterializeResult:
    """Put everybody in, measure where the model is new, choose portraits."""
    store = object_store.open()
    model = head_of(store, layout.MODELS, keys.TWIN_MODEL)
    dataset = read_version(store)
    recogniser = settings.read().recogniser
    indexer = Indexer(store, model, dataset, recogniser, progress_of(context))
    before = ManifestLog(store, layout.log(layout.INDEXES)).head()
    basis = fingerprint(model.fingerprint, dataset.body["balanced"]["fingerprint"], recogniser)
    same = before is not None and before.body.get("basis") == basis
    metadata: dict[str, dg.MetadataValue] = {}
    if before is not None and same:
        # What was measured of this model stands; only who is new is looked at.
        index = indexer.gallery(FaceIndex.from_bytes(store.get(before.body["index"])))
        figures, answers = before.body["figures"], before.body["answers"]
        known = read_shard(store.get(before.body["portraits"]))
        typical = portraits_of(store, dataset, index, recogniser, list(known))
    else:
        index = indexer.calibrated(indexer.gallery(None))
        typical = portraits_of(store, dataset, index, recogniser)
        try:
            measured = indexer.measured(index)
        except TrainingError as error:
            raise refuse(error) from error
        figures, metadata = measured.figures, pictures_of(dataset, index, measured, typical)
        encoded = json.dumps(measured.answers, sort_keys=True).encode()
        answers = put_file(store, layout.INDEXES, encoded, ".json")
    files = {
        "index": put_file(store, layout.INDEXES, index.to_bytes(), ".safetensors"),
        "portraits": put_file(store, layout.INDEXES, write_shard(typical).data, ".parquet"),
        "answers": answers,
    }
    body = {
        "fingerprint": fingerprint(basis, *files.values()),
        "basis": basis,
        "model": model.number,
        "model_fingerprint": model.fingerprint,
        "recogniser": recogniser,
        "dataset": dataset.number,
        "rows": len(index.identities),
        "uploads": [member.upload_id for member in dataset.members],
        "imprinted": indexer.imprinted,
        "imprinted_found": indexer.found,
        **files,
        "figures": figures,
        "fusion": index.fusion.as_dict(),
    }
    try:
        refuse_erased_people(store, body["uploads"])
    except ErasureError as error:
        raise refuse(error) from error
    return materialized(
        commit(store, layout.INDEXES, body),
        len(index.identities),
        {
            "identities": len(index.identities),
            "imprinted, until the next training": len(indexer.imprinted),
            "their faces nearest to their own row": "-" if indexer.found is None else indexer.found,
            **weights_of(index.fusion),
            **figures_of(figures),
            **metadata,
        },
    )


@dg.asset(
    deps=[keys.FACE_INDEX],
    group_name="release",
    kinds={"s3"},
    owners=[keys.OWNER],
    code_version="2",
    output_required=False,  # it may have to wait for the next model
    automation_condition=when_inputs_change(),
    description="One manifest that names data set, model and index together. The prediction page "
    "reads the newest and nothing else. A model that is worse than the released one is refused; to "
    'release it all the same, materialize with the configuration `override: "why"`.',
)
def production_release(
    context: dg.AssetExecutionContext, config: ReleaseConfig, object_store: ObjectStoreResource
) -> Iterator[dg.MaterializeResult]:
    """Put what passed the checks into production."""
    store = object_store.open()
    index = head_of(store, layout.INDEXES, keys.FACE_INDEX)
    model = ManifestLog(store, layout.log(layout.MODELS)).read(index.body["model"])
    dataset = read_version(store, index.body["dataset"])
    if index.body["model_fingerprint"] != model.fingerprint:
        raise refuse(TrainingError("The index is of a model that is gone: make face_index again."))
    in_it = {*index.body["uploads"], *model.body["uploads"]}
    if erased_among(store, in_it):
        # No failure: the training without them is on its way, and its index brings this step back.
        context.log.info("Nothing is released: the model learnt from somebody who was erased.")
        return
    against = compared(store, index.body)
    if against.get("worse") and not config.override:
        raise refuse(TrainingError(f"{reason(against)} To release it all the same: override."))
    people = [
        {**asdict(person), "about": dataset.people.get(person.identity_id, {})}
        for person in dataset.identities
    ]
    body = {
        "fingerprint": fingerprint(dataset.fingerprint, model.fingerprint, index.fingerprint),
        "released_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "dataset": dataset.number,
        "model": model.number,
        "model_fingerprint": model.fingerprint,
        "face_index": index.number,
        "files": model.body["files"],
        # Those of the index, which is what is released: the data set's version forgets.
        **{name: index.body[name] for name in FROM_INDEX},
        "identities": people,
        "against": against,
        "override": config.override,
    }
    try:
        refuse_erased_people(store, in_it)
        release = commit(store, layout.RELEASES, body)
        refuse_erased_people(store, in_it)
    except ErasureError as error:
        sweep(store, in_it)
        raise refuse(error) from error
    purge_models(store)  # now that another one is in production
    yield materialized(
        release,
        len(people),
        {
            "release": release.number,
            "data set": dataset.number,
            "model": model.number,
            "index": index.number,
            "compared with the last": reason(against),
            "overruled": config.override or "no",
            **figures_of(index.body["figures"]),
        },
    )
