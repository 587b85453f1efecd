"""twin_pairs: visitors of the release who look alike, and agreed to be told of one another."""

from collections.abc import Iterator

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.automation import when_inputs_change
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.defs.results import materialized, refuse
from twin_matcher_dagster.erasure.eraser import erase_again
from twin_matcher_dagster.errors import ErasureError
from twin_matcher_dagster.storage.logs import pairings, releases
from twin_matcher_dagster.storage.manifest_log import Manifest
from twin_matcher_dagster.storage.records.release import Release, Withdrawn
from twin_matcher_dagster.storage.records.twins import TwinPairs
from twin_matcher_dagster.storage.tombstones import refuse_erased_people
from twin_matcher_dagster.twins.agreement import agreeing, withdrawn_uploads
from twin_matcher_dagster.twins.pairing import LEAST_LIKENESS, next_pairs
from twin_matcher_dagster.twins.places import first_releases, places_of
from twin_matcher_dagster.twins.told_apart import ToldApart


@dg.asset(
    deps=[keys.PRODUCTION_RELEASE],
    group_name="release",
    kinds={"s3"},
    code_version="1",
    pool="twins",
    output_required=False,  # there may be no release at the moment
    automation_condition=when_inputs_change(),
    description="Long-lost twins: of every visitor of the release who agreed to be told, the "
    f"nearest other one who did, from a likeness of {LEAST_LIKENESS:.1%} of all pairs on. Only who "
    "is new is compared. Ids alone are in it; whom it is shown to, and that both still agree, is "
    "seen when it is shown.",
)
def twin_pairs(
    context: dg.AssetExecutionContext, object_store: ObjectStoreResource
) -> Iterator[dg.MaterializeResult]:
    """Compare who is new with everybody who agreed."""
    store = object_store.open()
    newest = releases(store).existing_head()
    record = newest.record
    if isinstance(record, Withdrawn):
        context.log.info("There is no release at the moment: nobody is told of anybody.")
        return
    release = Manifest[Release](newest.number, newest.key, record)
    compared: list[int] = []

    def make(head: Manifest[TwinPairs] | None) -> TwinPairs:
        return next_pairs(
            head.record if head else None,
            release,
            places_of(store, record),
            lambda upload_id: agreeing(store, upload_id) is not None,
            withdrawn_uploads(store),
            {} if head else first_releases(store),
            ToldApart(store),
            compared.append,
        )

    try:
        pairs = pairings(store).update(make)
        refuse_erased_people(store, record.uploads)
    except ErasureError as error:
        erase_again(store, record.uploads)
        raise refuse(error) from error
    agreed = [one for one in pairs.record.visitors.values() if one.agreed]
    told = [one for one in agreed if one.twin]
    yield materialized(
        store,
        pairs,
        len(told),
        {
            "release": release.number,
            "visitors": len(pairs.record.visitors),
            "agreed to be told": len(agreed),
            "have a twin": len(told),
            "compared with all others now": sum(compared[-1:]),
        },
    )
