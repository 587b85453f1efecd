"""What an operator asks: is anything lost?"""

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.reconciliation.observation import Observation
from twin_matcher_dagster.defs.reconciliation.report import CHECK, result_of
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.reconciliation.ledger import Ledger
from twin_matcher_dagster.reconciliation.missing import what_is_missing


@dg.asset_check(
    asset=keys.PRODUCTION_RELEASE,
    name=CHECK,
    description="Every upload has a verdict, every accepted one is in the release, every erasure "
    "is complete, and no gate is closed. What is not so yet is in the table, with since when and "
    "why; red where something waits for longer than its limit. The sensor `reconciliation` "
    "evaluates it.",
)
def everything_is_where_it_should_be(
    context: dg.AssetCheckExecutionContext, object_store: ObjectStoreResource
) -> dg.AssetCheckResult:
    """Look now."""
    seen = Observation(object_store.open(), context.instance, Ledger())
    return result_of(context.instance, what_is_missing(seen.facts()), seen.now)
