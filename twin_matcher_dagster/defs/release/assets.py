"""face_index and production_release: what the pages search, and the one manifest they read."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

import dagster as dg
from pydantic import Field

from twin_matcher_dagster.dataset.identity import user_id
from twin_matcher_dagster.dataset.schema import fingerprint, read_shard, write_shard
from twin_matcher_dagster.dataset.versions import Version, read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.automation import when_inputs_change
from twin_matcher_dagster.defs.release.metadata import (
    figures_of,
    pictures_of,
    portraits_of,
    weights_of,
)
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.defs.results import commit, head_of, materialized, progress_of, refuse
from twin_matcher_dagster.erasure.eraser import erased_among, refuse_erased_people, sweep
from twin_matcher_dagster.erasure.retention import purge_models
from twin_matcher_dagster.errors import ErasureError, TrainingError
from twin_matcher_dagster.recognition.fusion import Fusion
from twin_matcher_dagster.recognition.gallery import FaceIndex
from twin_matcher_dagster.release.index_builder import Indexer
from twin_matcher_dagster.release.promotion import (
    compared,
    give_way,
    in_production,
    make_newest,
    reason,
    refused_index,
)
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.files import put_file
from twin_matcher_dagster.storage.manifest_log import Manifest, ManifestLog
from twin_matcher_dagster.storage.object_store import ObjectStore


class ReleaseConfig(dg.Config):
    """Whether a person overrules the comparison with the model in production."""

    override: str = Field(
        "",
        description="Why the model that was refused last, as worse than the released one, is "
        "released all the same; kept with the release.",
    )


FROM_INDEX = (
    "basis",
    "index",
    "portraits",
    "answers",
    "recogniser",
    "uploads",
    "shards",
    "imprinted",
    "figures",
)


@dg.asset(
    deps=[keys.TWIN_DATASET, keys.TWIN_MODEL],
    group_name="release",
    kinds={"pytorch", "onnx", "s3"},
    owners=[keys.OWNER],
    code_version="3",
    output_required=False,  # it may have to wait for the next model
    automation_condition=when_inputs_change(busy={keys.TWIN_MODEL}),
    description="Two vectors of everybody in the newest data set, by the newest model and by the "
    "reference recogniser. Whoever the model did not learn is imprinted, so a new person is found "
    "within seconds. How good it is: each network alone and both together, on held-out faces.",
)
def face_index(
    context: dg.AssetExecutionContext,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> Iterator[dg.MaterializeResult]:
    """Put everybody in, measure where the model is new, choose portraits."""
    store = object_store.open()
    model = head_of(store, layout.MODELS, keys.TWIN_MODEL)
    dataset = read_version(store)
    recogniser = settings.read().recogniser
    made = _made(store, model, dataset, recogniser, progress_of(context))
    against = compared(store, made.body) if made else {}
    refused = ""
    if made and against.get("worse"):
        # Kept, should a person want it; what goes on is the index of the model in production.
        kept = _commit(store, made.body)
        champion = give_way(store, model, kept, dataset.fingerprint)
        refused = reason(against)
        context.log.warning(refused)
        made = (
            _made(store, champion, dataset, recogniser, progress_of(context)) if champion else None
        )
    if made is None:
        context.log.info("No index is made: it waits for the next model.")
        return
    yield materialized(
        _commit(store, {**made.body, "refused": refused}),
        made.body["rows"],
        {
            "identities": made.body["rows"],
            "imprinted, until the next training": len(made.body["imprinted"]),
            "their faces nearest to their own row": "-"
            if made.body["imprinted_found"] is None
            else made.body["imprinted_found"],
            **weights_of(made.fusion),
            **figures_of(made.body["figures"]),
            **made.pictures,
        },
    )


def _commit(store: ObjectStore, body: Mapping[str, Any]) -> Manifest:
    try:
        refuse_erased_people(store, body["uploads"])
    except ErasureError as error:
        raise refuse(error) from error
    return commit(store, layout.INDEXES, body)


@dataclass(frozen=True)
class Made:
    """An index that is stored, but for its manifest: ``body``; and what is shown of it."""

    body: dict[str, Any]
    fusion: Fusion
    pictures: Mapping[str, dg.MetadataValue]


def _made(
    store: ObjectStore,
    model: Manifest,
    dataset: Version,
    recogniser: str,
    progress: Callable[[float], None],
) -> Made | None:
    """The index of a model; None if the model is of other celebrities and has none to go on from:
    it may have learnt what is held out by now."""
    indexer = Indexer(store, model, dataset, recogniser, progress)
    basis = fingerprint(model.fingerprint, recogniser)
    shards = {member.upload_id: member.shard.sha256 for member in dataset.members}
    earlier = _earlier(store, basis)
    pictures: dict[str, dg.MetadataValue] = {}
    if earlier is not None:
        # What was measured of this model stands; only who is new, or has other faces, is looked at.
        index = FaceIndex.from_bytes(store.get(earlier["index"]))
        before = earlier.get("shards", {})
        others = {user_id(who) for who, shard in before.items() if shards.get(who) != shard}
        index = index.of([who for who in index.identities if who not in others])
        portraits = read_shard(store.get(earlier["portraits"]))
        known = [face for face in portraits if face.identity_id not in others]
        index = indexer.gallery(index)
        figures, answers = earlier["figures"], earlier["answers"]
        typical = portraits_of(store, dataset, index, recogniser, known)
    elif model.body["celebrities"] != dataset.body["balanced"]["fingerprint"]:
        return None
    else:
        index = indexer.calibrated(indexer.gallery(None))
        typical = portraits_of(store, dataset, index, recogniser)
        try:
            measured = indexer.measured(index)
        except TrainingError as error:
            raise refuse(error) from error
        figures, pictures = measured.figures, pictures_of(dataset, index, measured, typical)
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
        "uploads": list(shards),
        "shards": shards,
        "imprinted": indexer.imprinted,
        "imprinted_found": indexer.found,
        **files,
        "figures": figures,
        "fusion": index.fusion.as_dict(),
    }
    return Made(body, index.fusion, pictures)


def _earlier(store: ObjectStore, basis: str) -> Mapping[str, Any] | None:
    """The newest index of the same model and recogniser, or the one that is released."""
    index = ManifestLog(store, layout.log(layout.INDEXES)).head()
    for one in (index, in_production(store)):
        if one is not None and one.body.get("basis") == basis:
            return one.body
    return None


@dg.asset(
    deps=[keys.FACE_INDEX],
    group_name="release",
    kinds={"s3"},
    owners=[keys.OWNER],
    code_version="3",
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
    newest = head_of(store, layout.INDEXES, keys.FACE_INDEX)
    index = (refused_index(store) if config.override else None) or newest
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
        if config.override:
            make_newest(store, model)  # it gave way when it was refused
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
