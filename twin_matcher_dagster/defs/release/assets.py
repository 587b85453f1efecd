"""face_index and production_release: what the pages search, and the one manifest they read."""

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
from pydantic import Field

from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.automation import NIGHTLY, when_inputs_change
from twin_matcher_dagster.defs.release.metadata import (
    main_figures,
    pictures_of,
    weights_of,
)
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.defs.results import materialized, percent, progress_of, refuse
from twin_matcher_dagster.erasure.eraser import erase_again
from twin_matcher_dagster.erasure.retention import purge_models
from twin_matcher_dagster.errors import ErasureError, TrainingError
from twin_matcher_dagster.release.exporting import with_embedder_file
from twin_matcher_dagster.release.index_builder import BuiltIndex, build_index
from twin_matcher_dagster.release.promotion import (
    compare_with_release,
    describe,
    make_newest,
    refused_index,
    restore_champion,
)
from twin_matcher_dagster.storage.logs import indexes, models, releases
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.index import Index
from twin_matcher_dagster.storage.records.release import Against, Release
from twin_matcher_dagster.storage.records.training import Model
from twin_matcher_dagster.storage.tombstones import erased_among, refuse_erased_people


class ReleaseConfig(dg.Config):
    """Whether a person overrules the comparison with the model in production."""

    override: str = Field(
        "",
        description="Why the model that was refused last, as worse than the released one, is "
        "released all the same; kept with the release.",
    )


@dg.asset(
    deps=[keys.TWIN_DATASET, keys.TWIN_MODEL],
    group_name="release",
    kinds={"onnx", "s3"},
    code_version="6",
    pool="index",
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
    model = models(store).existing_head()
    dataset = read_version(store)
    recogniser = settings.read().recogniser

    def build(of: Manifest[Model]) -> BuiltIndex | None:
        try:
            of = with_embedder_file(store, of)
            return build_index(store, of, dataset, recogniser, progress_of(context))
        except TrainingError as error:
            raise refuse(error) from error

    built = build(model)
    against = compare_with_release(store, built.record) if built else Against()
    refused = ""
    if built and against.worse:
        # Kept, should a person want it; what goes on is the index of the model in production.
        kept = _commit(store, built.record)
        champion = restore_champion(store, model, kept, dataset.training_fingerprint)
        refused = describe(against)
        context.log.warning(refused)
        built = build(champion) if champion else None
    if built is None:
        context.log.info("No index is made: it waits for the next model.")
        return
    index = built.record
    found = index.imprinted_found
    yield materialized(
        store,
        _commit(store, replace(index, refused=refused)),
        index.rows,
        {
            "identities": index.rows,
            "imprinted, until the next training": len(index.imprinted),
            "their faces nearest to their own row (%)": "-" if found is None else percent(found),
            **weights_of(built.gallery.fusion),
            **main_figures(index),
            **pictures_of(dataset, built),
        },
    )


def _commit(store: ObjectStore, index: Index) -> Manifest[Index]:
    try:
        refuse_erased_people(store, index.uploads)
    except ErasureError as error:
        raise refuse(error) from error
    return indexes(store).commit(index)


@dg.asset(
    deps=[keys.FACE_INDEX],
    group_name="release",
    kinds={"s3"},
    code_version="4",
    pool="release",
    output_required=False,  # it may have to wait for the next model
    automation_condition=when_inputs_change(nightly="17 4 * * *"),
    freshness_policy=NIGHTLY,
    description="One manifest that names data set, model and index together. The prediction page "
    "reads the newest and nothing else; every night it is confirmed. A model that is worse than "
    "the released one is refused; to release it all the same, materialize with the configuration "
    '`override: "why"`.',
)
def production_release(
    context: dg.AssetExecutionContext, config: ReleaseConfig, object_store: ObjectStoreResource
) -> Iterator[dg.MaterializeResult]:
    """Put what passed the checks into production."""
    store = object_store.open()
    newest = indexes(store).existing_head()
    index = (refused_index(store) if config.override else None) or newest
    model = models(store).read(index.record.model)
    dataset = read_version(store, index.record.dataset)
    if index.record.model_fingerprint != model.fingerprint:
        raise refuse(TrainingError("The index is of a model that is gone: make face_index again."))
    in_it = {*index.record.uploads, *model.record.uploads}
    if erased_among(store, in_it):
        # No failure: the training without them is on its way, and its index brings this step back.
        context.log.info("Nothing is released: the model learnt from somebody who was erased.")
        return
    against = compare_with_release(store, index.record)
    if against.worse and not config.override:
        raise refuse(TrainingError(f"{describe(against)} To release it all the same: override."))
    record = Release.of(
        dataset.manifest,
        model,
        index,
        dataset.identities,
        dataset.people,
        against,
        config.override,
    )
    try:
        refuse_erased_people(store, in_it)
        release = releases(store).commit(record)
        if config.override:
            make_newest(store, model.record)  # it gave way when it was refused
        refuse_erased_people(store, in_it)
    except ErasureError as error:
        erase_again(store, in_it)
        raise refuse(error) from error
    purge_models(store)  # now that another one is in production
    yield materialized(
        store,
        release,
        len(record.identities),
        {
            "release": release.number,
            "data set": dataset.number,
            "model": model.number,
            "index": index.number,
            "compared with the last": describe(against),
            "overruled": config.override or "no",
            **main_figures(index.record),
        },
    )
