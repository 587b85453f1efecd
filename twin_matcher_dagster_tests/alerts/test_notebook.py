"""One message a matter and a receiver, whoever is away when."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest

from twin_matcher_dagster.alerts.delivery import Telling, tell
from twin_matcher_dagster.alerts.matters import Matter
from twin_matcher_dagster.alerts.notebook import (
    AWAY,
    Notebook,
    keep_notebook,
    read_notebook,
)
from twin_matcher_dagster.alerts.words import MOST_LINES, Message
from twin_matcher_dagster.errors import ObjectChangedError, ReceiverError
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster_tests.memory import memory_bucket

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
MINUTE = timedelta(minutes=1)
DESK = "https://desk.example"
UPLOAD = "01KB0000000000000000000000"
FLAGGED = Matter("flagged", UPLOAD, NOW)
DISK = Matter("disk", "home", NOW, "4%")
FAILED = Matter("failed", "twin_model", NOW, "OSError", "run-1")


class Phone:
    """A receiver that notes what it is told, unless it is away."""

    def __init__(self, name: str = "phone") -> None:
        self.name, self.away = name, False
        self.got: list[Message] = []

    def send(self, message: Message) -> None:
        if self.away:
            raise ReceiverError("It is away.")
        self.got.append(message)

    @property
    def titles(self) -> list[str]:
        return [line.title for message in self.got for line in message.lines]


class Desk:
    """Ticks, with what is kept from one to the next."""

    def __init__(self, *phones: Phone) -> None:
        self.phones = phones
        self.kept = Notebook()
        self.now = NOW
        self.writes = 0

    def tick(self, *matters: Matter, after: timedelta = MINUTE) -> Telling:
        def keep(notebook: Notebook) -> None:
            self.kept, self.writes = notebook, self.writes + 1

        said = tell(self.kept, matters, self.phones, DESK, self.now, keep)
        self.now += after
        return said


def test_one_message_a_matter_and_not_one_a_tick() -> None:
    phone = Phone()
    desk = Desk(phone)
    for _ in range(5):
        desk.tick(FLAGGED)
    (message,) = phone.got
    assert UPLOAD in message.text
    assert f"{DESK}/review/uploads/{UPLOAD}" in message.text
    assert desk.writes == 1  # at rest nothing is written
    desk.tick(FLAGGED, DISK)
    assert len(phone.got) == 2
    assert "nearly full" in phone.got[1].title
    assert "below 3%" in phone.got[1].text


def test_what_is_over_is_told_where_that_is_of_use() -> None:
    phone = Phone()
    desk = Desk(phone)
    desk.tick(FLAGGED, DISK)
    desk.tick()
    assert phone.titles[2:] == ["Over: A disk is nearly full: home"]
    assert not phone.got[1].urgent
    assert desk.kept == Notebook()  # and nothing of it is kept
    desk.tick(DISK)
    assert len(phone.got) == 3  # again, it is another matter


def test_what_heals_by_itself_is_told_to_nobody() -> None:
    phone = Phone()
    desk = Desk(phone)
    desk.tick(FAILED)
    desk.tick()
    assert phone.got == []
    for _ in range(4):
        desk.tick(FAILED)
    assert phone.titles == ["A run failed: twin_model"]
    assert f"{DESK}/runs/run-1" in phone.got[0].text


def test_a_release_is_missed_after_days_of_waiting_alone() -> None:
    phone = Phone()
    desk = Desk(phone)
    waits = Matter("unreleased", "3", NOW, pause=timedelta(days=7))
    for _ in range(7):
        desk.tick(waits, after=timedelta(days=1))
    assert phone.got == []
    desk.tick(waits)
    assert phone.titles == ["Nothing was released for long"]


def test_a_receiver_that_is_away_is_told_everything_later_and_the_other_at_once() -> None:
    away, here = Phone("away"), Phone("here")
    desk = Desk(away, here)
    away.away = True
    said = desk.tick(FLAGGED, DISK)
    assert said.failed == ("away: It is away.",)
    desk.tick(FLAGGED)
    away.away = False
    desk.tick(FLAGGED, after=timedelta(hours=2))
    desk.tick(FLAGGED)
    assert here.titles == [
        "An upload waits for a person",
        "A disk is nearly full: home",
        "Over: A disk is nearly full: home",
    ]
    # What came and went meanwhile is told as one.
    assert away.titles == ["An upload waits for a person", "Over: A disk is nearly full: home"]
    assert "It was over at" in away.got[0].text
    desk.tick()
    assert desk.kept == Notebook()


def test_an_absent_receiver_is_tried_ever_less_often() -> None:
    phone = Phone()
    phone.away = True
    desk = Desk(phone)
    tries = [bool(desk.tick(DISK).failed) for _ in range(240)]
    assert sum(tries) == 10  # in four hours
    assert tries[:4] == [True, True, True, False]
    # Set back, a clock does not silence anybody.
    desk.now = NOW - timedelta(days=30)
    phone.away = False
    desk.tick(DISK)
    assert len(phone.got) == 1


def test_back_before_all_heard_that_it_is_over() -> None:
    one, other = Phone("one"), Phone("other")
    desk = Desk(one, other)
    desk.tick(DISK)
    other.away = True
    desk.tick()
    desk.tick(DISK, after=timedelta(hours=2))
    other.away = False
    desk.tick(DISK)
    begins = "A disk is nearly full: home"
    assert one.titles == [begins, f"Over: {begins}", begins]
    assert other.titles == ["A disk is nearly full: home"]


def test_a_new_receiver_is_told_of_what_is_there() -> None:
    desk = Desk(Phone("old"))
    desk.tick(DISK)
    new = Phone("new")
    desk.phones = (*desk.phones, new)
    desk.tick(DISK)
    assert new.titles == ["A disk is nearly full: home"]


def test_a_crowd_is_one_message() -> None:
    phone = Phone()
    crowd = [Matter("flagged", f"{UPLOAD[:-3]}{n:03d}", NOW) for n in range(500)]
    Desk(phone).tick(*crowd)
    (message,) = phone.got
    assert message.title == "Twin Matcher: 500 matters"
    assert len(message.lines) == MOST_LINES + 1
    assert "and 480 more" in message.text


@pytest.mark.parametrize("seed", range(5))
def test_whatever_comes_and_goes_nothing_is_lost_and_nothing_told_twice(seed: int) -> None:
    """Cut off after a message was sent at worst: then it comes twice."""
    chance = random.Random(seed)  # noqa: S311
    phone = Phone()
    desk = Desk(phone)
    told_at_some_time: set[str] = set()
    there: set[Matter] = set()
    every = [Matter("disk", f"disk {n}", NOW) for n in range(6)]
    for _ in range(300):
        there ^= {chance.choice(every)} if chance.random() < 0.2 else set()
        phone.away = chance.random() < 0.5
        desk.tick(*there, after=MINUTE * chance.choice([1, 1, 90]))
        told_at_some_time |= {one.subject for one in there}
    phone.away = False
    desk.tick(*there, after=timedelta(hours=2))
    desk.tick(*there)
    for one in every:
        lines = [title for title in phone.titles if title.endswith(one.subject)]
        assert bool(lines) == (one.subject in told_at_some_time)
        # It begins, it is over, it begins; or it was over when the phone was there again.
        begins = [not title.startswith("Over") for title in lines]
        assert all(not (a and b) for a, b in pairwise(begins))
        assert not lines or begins[-1] == (one in there)


def test_it_is_kept_in_the_bucket_and_names_nobody() -> None:
    store = memory_bucket()
    desk = Desk(Phone())
    desk.tick(FLAGGED, FAILED, Matter("failed", f"user_faces of {UPLOAD}", NOW))
    assert read_notebook(store) == (Notebook(), "")
    etag = keep_notebook(store, desk.kept, "")
    assert read_notebook(store) == (desk.kept, etag)
    assert UPLOAD.encode() not in store.get(layout.ALERTS_TOLD)
    keep_notebook(store, Notebook(), etag)
    with pytest.raises(ObjectChangedError):
        keep_notebook(store, desk.kept, etag)


def test_a_notebook_that_cannot_be_read_is_begun_anew() -> None:
    store = memory_bucket()
    store.put_new(layout.ALERTS_TOLD, b'{"matters": 3}')
    notebook, etag = read_notebook(store)
    assert notebook == Notebook()
    keep_notebook(store, notebook, etag)
    assert AWAY.pause(1) == timedelta(seconds=30)
