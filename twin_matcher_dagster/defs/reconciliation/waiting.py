"""What waits for a person, as an operator sees it in Dagster: how much, and where it is decided."""

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.reconciliation.report import evaluated
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.review.waiting import REVIEW_PATH, Waitlist
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore

NOBODY_WAITS = "nobody_waits_for_a_person"


# On an asset without partitions: one of an upload shows its verdict.
@dg.asset_check(
    asset=keys.PRODUCTION_RELEASE,
    name=NOBODY_WAITS,
    description="No upload is flagged, no celebrity may be two people, no model was refused, and "
    "no erasure has a deadline; yellow where a person has something to decide, with a link to the "
    "review page. The sensor `alerts` evaluates it when the number changes.",
)
def nobody_waits_for_a_person(
    object_store: ObjectStoreResource, settings: SettingsResource
) -> dg.AssetCheckResult:
    """Count now."""
    return waiting_result(object_store.open(), settings.read())


def waiting_result(store: ObjectStore, settings: Settings) -> dg.AssetCheckResult:
    """How much waits; nobody's name."""
    waiting = Waitlist(store).look(briefly=True)
    return dg.AssetCheckResult(
        passed=waiting.count == 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=waiting.in_a_sentence,
        metadata={
            "flagged uploads": waiting.flagged,
            "questions about celebrities": len(waiting.questions),
            "refused model": waiting.refused.number if waiting.refused else "none",
            "erasure deadline": f"{waiting.deadline.replace_by:%Y-%m-%d %H:%M} UTC"
            if waiting.deadline
            else "none",
            "review": dg.MetadataValue.url(settings.dagster_address + REVIEW_PATH),
        },
    )


def waiting_evaluation(store: ObjectStore, settings: Settings) -> dg.AssetCheckEvaluation:
    """The result of the check, as a sensor reports it: no run is needed to count."""
    return evaluated(NOBODY_WAITS, waiting_result(store, settings))
