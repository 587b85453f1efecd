"""A visitor has so much, and then waits."""

from __future__ import annotations

from twin_matcher_dagster.doors.quotas import CAMERA, ERASURES, MEGABYTES, UPLOADS, Quotas
from twin_matcher_dagster.settings import Settings


def test_each_visitor_has_their_own() -> None:
    quotas = Quotas(Settings(visitor_uploads=2))
    assert [quotas.take(UPLOADS, "a") for _ in range(2)] == [None, None]
    spent = quotas.take(UPLOADS, "a")
    assert spent
    assert spent.what == UPLOADS
    assert 1 <= spent.again_s <= 2 * 86_400
    assert quotas.take(UPLOADS, "b") is None
    assert quotas.take(ERASURES, "a") is None


def test_parts_of_a_megabyte_and_of_a_second_count() -> None:
    quotas = Quotas(Settings(visitor_megabytes=1, visitor_camera_seconds=1))
    assert [quotas.take(CAMERA, "a", 0.2) is None for _ in range(6)] == [True] * 5 + [False]
    assert quotas.take(MEGABYTES, "a", 0.9) is None
    assert quotas.take(MEGABYTES, "a", 0.9)
    assert quotas.take(MEGABYTES, "a", 0.1) is None


def test_what_is_more_than_all_is_refused() -> None:
    assert Quotas(Settings(visitor_megabytes=1)).take(MEGABYTES, "a", 5.0)
