"""What is counted of a question, and what is in no figure and no line of the log."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY, generate_latest

from twin_matcher_dagster import refusals
from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.release.tally import TwinFrequencies, count_refusal, counting, waiting
from twin_matcher_dagster_tests.api.finders import ADA, ANSWER, BEN, CHOICE, PAIR

BEN_FIRST = replace(ANSWER, twins=(BEN, ADA))


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"twin_matcher_{name}", labels) or 0.0


def test_an_answer_is_counted_with_how_alike_and_how_long() -> None:
    before = figure("answers_total", door="test", question="twins")
    alike = figure("best_likeness_bucket", le="0.98") - figure("best_likeness_bucket", le="0.95")
    hints = figure("hints_total", reason="too dark")
    with counting("test") as count:
        assert figure("in_flight", door="test") == 1
        count(ANSWER)
    assert figure("in_flight", door="test") == 0
    assert figure("answers_total", door="test", question="twins") == before + 1
    assert (
        figure("best_likeness_bucket", le="0.98") - figure("best_likeness_bucket", le="0.95")
        == alike + 1
    )
    assert figure("hints_total", reason="too dark") == hints + 1
    assert figure("release") == 7
    assert figure("answer_seconds_count", door="test") > 0


def test_a_comparison_is_counted_apart() -> None:
    before = figure("answers_total", door="test", question="compare")
    with counting("test", "compare") as count:
        count(PAIR)
    assert figure("answers_total", door="test", question="compare") == before + 1


@pytest.mark.parametrize("how", ["an error", "a choice", "at the door"])
def test_a_refusal_is_counted_by_its_reason(how: str) -> None:
    before = figure("refusals_total", door="test", reason="photo-of-several")
    sentence = refusals.PHOTO_OF_SEVERAL(count=2)
    if how == "at the door":
        count_refusal("test", "photo-of-several")
    elif how == "a choice":
        with counting("test") as count:
            count(CHOICE)
    else:
        with pytest.raises(MediaError), counting("test"):
            raise MediaError(sentence)
    assert figure("refusals_total", door="test", reason="photo-of-several") == before + 1


def test_a_fault_of_ours_is_counted_too() -> None:
    before = figure("refusals_total", door="test", reason="bug")
    with pytest.raises(ZeroDivisionError), counting("test"):
        raise ZeroDivisionError
    assert figure("refusals_total", door="test", reason="bug") == before + 1


def test_whoever_waits_is_counted_while_they_do() -> None:
    with waiting("test"):
        assert figure("waiting", door="test") == 1
    assert figure("waiting", door="test") == 0


def test_how_evenly_twins_are_given_is_told_without_who_they_are() -> None:
    frequencies = TwinFrequencies()
    for answer in (ANSWER, ANSWER, BEN_FIRST, ANSWER):
        frequencies.count(answer)
    ranks, different = frequencies.collect()
    assert [(one.labels, one.value) for one in ranks.samples] == [
        ({"rank": "1"}, 0.75),
        ({"rank": "2"}, 0.25),
    ]
    assert different.samples[0].value == 2


def test_another_release_has_other_frequencies() -> None:
    frequencies = TwinFrequencies()
    frequencies.count(ANSWER)
    frequencies.count(replace(BEN_FIRST, release=8))
    frequencies.count(ANSWER)  # was on its way
    ranks, different = frequencies.collect()
    assert [one.value for one in ranks.samples] == [1.0]
    assert different.samples[0].value == 1


def test_nobody_is_named_in_figures_or_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), counting("test") as count:
        count(replace(BEN_FIRST, identity=ADA))
    said = generate_latest().decode() + str([vars(record) for record in caplog.records])
    assert [record.message for record in caplog.records] == ["asked"]
    for private in (ADA.label, BEN.label, ADA.identity_id, BEN.identity_id):
        assert private not in said
