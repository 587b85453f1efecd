"""Who is told what matters: the sensor. It launches nothing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import dagster as dg

from twin_matcher_dagster.alerts.delivery import receivers_of, tell
from twin_matcher_dagster.alerts.matters import Matter, Seen, matters_of
from twin_matcher_dagster.alerts.notebook import Notebook, keep_notebook, read_notebook
from twin_matcher_dagster.defs.failed_runs import failed_runs
from twin_matcher_dagster.defs.reconciliation.observation import Observation
from twin_matcher_dagster.defs.reconciliation.waiting import waiting_evaluation
from twin_matcher_dagster.defs.resources import ObjectStoreResource, SettingsResource
from twin_matcher_dagster.erasure.deadlines import deadline_of
from twin_matcher_dagster.errors import StorageError
from twin_matcher_dagster.reconciliation.ledger import Ledger
from twin_matcher_dagster.reconciliation.missing import what_is_missing
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.flagged import flagged_uploads

TOLD_EVERY_SECONDS = 60
"""How often it is looked. A person reads in minutes."""

COUNTED_EVERY = timedelta(hours=1)
"""How often the check is evaluated at least: the event log keeps every evaluation."""
LOOKED_WITHIN_S = 25.0
"""With the time for two receivers less than the 60 seconds that Dagster gives a tick."""

_NOBODY = "Nobody is to be told: neither ALERT_WEBHOOK nor ALERT_SMTP_URL."


@dg.sensor(
    name="alerts",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=TOLD_EVERY_SECONDS,
    description="Tells the receivers of ALERT_WEBHOOK and ALERT_SMTP_URL what a person has to know "
    "of: a run that failed, an upload that is flagged, a model that was refused, a gate that is "
    "closed, nothing released for days, an erasure near its deadline, a disk that is nearly full. "
    "One message a matter. A receiver that is away is tried again, and is told everything then. "
    "Evaluates the check nobody_waits_for_a_person when the number of flagged uploads changes.",
)
def alerts(
    context: dg.SensorEvaluationContext,
    object_store: ObjectStoreResource,
    settings: SettingsResource,
) -> dg.SensorResult | dg.SkipReason:
    """Count who waits for a person, look what matters, and tell. What was told is in the bucket."""
    ours, ledger = settings.read(), Ledger.read(context.cursor)
    store = object_store.open_for(LOOKED_WITHIN_S)
    said, events = [_NOBODY], []
    try:
        now, flagged = store.now(), flagged_uploads(store)
        mark = fingerprint(*sorted(flagged))
        counted = ledger.told_at
        if ledger.told != mark or counted is None or not counted <= now < counted + COUNTED_EVERY:
            events.append(waiting_evaluation(store, ours))
            ledger = replace(ledger, told=mark, told_at=now)
        if receivers := receivers_of(ours):
            notebook, etag = read_notebook(store)
            matters, ledger = what_matters(store, context.instance, ours, notebook, ledger, flagged)

            def keep(changed: Notebook) -> None:
                nonlocal etag
                store.renew()  # a receiver may have taken its time
                etag = keep_notebook(store, changed, etag)

            telling = tell(notebook, matters, receivers, ours.dagster_address, now, keep)
            for failure in telling.failed:
                context.log.warning(failure)
            nothing = f"{len(matters)} matters, and nothing new to tell."
            said = [*telling.told, *telling.failed] or [nothing]
    except StorageError as error:
        return dg.SkipReason(str(error))
    return dg.SensorResult(skip_reason=" ".join(said), cursor=ledger.text(), asset_events=events)


def what_matters(
    store: ObjectStore,
    instance: dg.DagsterInstance,
    settings: Settings,
    notebook: Notebook,
    ledger: Ledger,
    flagged: Mapping[str, datetime],
) -> tuple[tuple[Matter, ...], Ledger]:
    """All that matters now.

    Args:
        store: the bucket.
        instance: Dagster's.
        settings: of this installation.
        notebook: what mattered the last time.
        ledger: of the last look.
        flagged: uploads that wait for a person, and since when.

    Returns:
        The matters, and the ledger for the next look.
    """
    observation = Observation(store, instance, ledger)
    facts = observation.facts()
    seen = Seen(
        facts,
        what_is_missing(facts),
        observation.ledger.chain,
        flagged,
        failed_runs(instance),
        deadline_of(store, observation.erased),
        _free(settings),
        timedelta(days=settings.alert_release_days),
    )
    return matters_of(seen, notebook.matters), observation.ledger


def _free(settings: Settings) -> dict[str, float]:
    """The share that is free of the disk which holds the state of this installation."""
    home = settings.twin_matcher_home.expanduser()
    if not home.is_dir():
        return {}
    disk = shutil.disk_usage(home)
    return {"the state folder's": disk.free / disk.total}
