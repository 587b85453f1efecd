"""leaderboard: every training side by side, in Dagster as on the command line."""

import dagster as dg

from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.resources import ObjectStoreResource
from twin_matcher_dagster.defs.results import materialized, percent, retried
from twin_matcher_dagster.release.leaderboard import (
    AGREEMENT,
    NEWCOMERS,
    RANK1,
    RANK1_ALONE,
    SAME_TWIN,
    in_order_of_merit,
    update_leaderboard,
)
from twin_matcher_dagster.storage.records.leaderboard import MeasuredTraining

_SHOWN = 100
"""Rows with an event; the bucket has all."""


def _once_measured() -> dg.AutomationCondition:
    """Once the index of a new model is there; and daily, to see what became of a model."""
    condition = dg.AutomationCondition
    trained = condition.asset_matches(keys.TWIN_MODEL, condition.data_version_changed())
    indexed = condition.asset_matches(keys.FACE_INDEX, condition.newly_updated())
    asked = condition.newly_requested() | condition.initial_evaluation()
    # Not since an index came: every upload brings one.
    due = trained.since(asked) & indexed.since(trained)
    daily = condition.cron_tick_passed("41 3 * * *").since(asked)
    return (
        (due | daily)
        & ~condition.any_deps_missing()
        & ~condition.any_deps_in_progress()
        & ~condition.in_progress()
    ).with_label("when a model was measured")


@dg.asset(
    deps=[keys.TWIN_MODEL, keys.FACE_INDEX],
    group_name="release",
    kinds={"s3"},
    code_version="1",
    automation_condition=_once_measured(),
    description="Every training that was kept: data, plan, seed, environment, commit, figures and "
    "what became of it; the best first. It stays when the model is gone. Figures compare where the "
    "celebrities are the same: then the held-out faces are. Also: `twin-matcher models`.",
)
@retried()
def leaderboard(object_store: ObjectStoreResource) -> dg.MaterializeResult:
    """Take in what came."""
    store = object_store.open()
    board = update_leaderboard(store)
    rows = in_order_of_merit(board.record.trainings)
    best = percent(rows[0].figures.get(RANK1)) if rows else None
    return materialized(
        store,
        board,
        len(rows),
        {
            "trainings": dg.MetadataValue.table([_row(one) for one in rows[:_SHOWN]])
            if rows
            else "none",
            **({} if best is None else {"best rank-1 (%)": best}),
            "columns": "alone: rank-1 of the network without the recogniser; new: rank-1 of "
            "celebrities whom it did not learn; strangers: two photos, one twin; same: likeness of "
            "strangers as it truly is, a rank correlation",
        },
    )


def _row(one: MeasuredTraining) -> dg.TableRecord:
    data, figures = one.data, one.figures
    return dg.TableRecord(
        {
            "model": one.model,
            "trained": f"{one.trained_at:%Y-%m-%d %H:%M}" if one.trained_at else "",
            "outcome": one.outcome,
            "rank-1 %": percent(figures.get(RANK1)),
            "alone %": percent(figures.get(RANK1_ALONE)),
            "new %": percent(figures.get(NEWCOMERS)),
            "strangers %": percent(figures.get(SAME_TWIN)),
            "same": round(figures[AGREEMENT], 3) if AGREEMENT in figures else None,
            "celebrities": data.celebrities if data else None,
            "people": data.identities if data else None,
            "seed": str(one.plan.get("seed", "")),
            "commit": one.environment.get("commit", "")[:7],
        }
    )
