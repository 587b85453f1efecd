"""Every training side by side: what is measured joins it, and what is gone stays in it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from twin_matcher_dagster.erasure.eraser import erase
from twin_matcher_dagster.erasure.retention import purge_models
from twin_matcher_dagster.release.leaderboard import (
    NEWCOMERS,
    RANK1,
    SAME_TWIN,
    in_order_of_merit,
    newest_trainings,
    update_leaderboard,
)
from twin_matcher_dagster.storage.logs import leaderboards, models
from twin_matcher_dagster.storage.records.leaderboard import MeasuredTraining
from twin_matcher_dagster.storage.records.training import Newcomers, Refused, TriedShare
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket
from twin_matcher_dagster_tests.records import FIGURES, LEADERBOARD, STRANGERS


@pytest.fixture
def kit() -> Kit:
    """A bucket in memory with two celebrities."""
    made = Kit(memory_bucket())
    made.celebrities()
    made.version()
    return made


def test_a_training_is_on_it_at_once_and_its_figures_when_they_are_measured(kit: Kit) -> None:
    model = kit.train()
    (row,) = newest_trainings(kit.store)
    assert (row.model, row.outcome, row.figures) == (model.number, "waits", {})
    assert row.data
    assert row.data.faces == kit.version().record.rows
    assert row.environment == model.record.environment
    assert row.plan["seed"] == 0
    kit.release(model)
    (row,) = newest_trainings(kit.store)
    assert row.outcome == "released"
    assert (row.figures[RANK1], row.figures[SAME_TWIN]) == (FIGURES.rank1, STRANGERS.same_twin)


def test_what_is_gone_stays(kit: Kit) -> None:
    upload = kit.member()
    kit.release()
    board = update_leaderboard(kit.store)
    erase(kit.store, upload, timedelta())
    purge_models(kit.store)
    kit.version()
    kit.release()
    first, second = newest_trainings(kit.store)
    assert first == replace(board.record.trainings[0], outcome="released")
    assert first.fingerprint != second.fingerprint
    assert not list(models(kit.store).numbers())[1:]  # of the first nothing but its row is left
    assert upload not in json.dumps([entry.record.as_body() for entry in _boards(kit)])


def _boards(kit: Kit) -> list:
    return list(leaderboards(kit.store).entries())


def test_nothing_is_written_where_nothing_came(kit: Kit) -> None:
    kit.release()
    assert update_leaderboard(kit.store) == update_leaderboard(kit.store)
    assert len(_boards(kit)) == 1


def test_who_gave_way_is_refused_and_came_from_where_it_came(kit: Kit) -> None:
    champion, challenger = kit.train(), kit.train()
    kit.release(champion)
    tried = (TriedShare(0.5, 0.9, 0.8, 0.4), TriedShare(1.0, 0.9, 0.6, 0.5))
    again = replace(
        champion.record,
        refused=Refused(challenger.number, 1, "data"),
        newcomers=Newcomers((), 0.5, tried),
    )
    models(kit.store).append(again)
    one, other = newest_trainings(kit.store)
    assert (one.model, one.outcome) == (champion.number, "released")
    assert (other.model, other.outcome) == (challenger.number, "refused")
    assert one.figures[NEWCOMERS] == 0.8


def test_the_best_of_the_newest_celebrities_is_first() -> None:
    (row,) = LEADERBOARD.trainings
    assert row.data

    def of(model: int, celebrities: int, rank1: float | None) -> MeasuredTraining:
        assert row.data
        data = replace(row.data, celebrities=celebrities)
        return replace(row, model=model, data=data, figures={RANK1: rank1} if rank1 else {})

    older, better, worse, unmeasured = of(1, 1, 1.0), of(2, 2, 0.9), of(3, 2, 0.8), of(4, 2, None)
    gone = replace(row, model=5, data=None)
    ranked = in_order_of_merit([gone, unmeasured, older, worse, better])
    assert ranked == [better, worse, unmeasured, older, gone]
