"""What must hold of the pairs, whoever is told of them."""

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.gates import looked_at
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.storage.logs import pairings, releases
from twin_matcher_dagster.storage.tombstones import erased_uploads
from twin_matcher_dagster.twins.rules import broken_rules


@dg.asset_check(
    asset=keys.TWIN_PAIRS,
    description="Of every pair both agreed, both are in the newest release, the likeness is above "
    "the limit, nobody is their own twin, and nobody was erased.",
)
def every_pair_may_be_told(object_store: ObjectStoreResource) -> dg.AssetCheckResult:
    """Nobody is told of somebody who does not want it."""
    store = object_store.open()
    head = pairings(store).existing_head()
    release = releases(store).existing_head()
    broken = broken_rules(head.record, release, erased_uploads(store))
    shown = " ".join(broken[:3]) or "All pairs may be told."
    return dg.AssetCheckResult(
        passed=not broken,
        description=shown,
        metadata={"broken rules": len(broken), **looked_at(head)},
    )
