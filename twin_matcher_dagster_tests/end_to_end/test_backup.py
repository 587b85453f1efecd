"""A backup of a running installation, restored into an empty one, which then goes on."""

from __future__ import annotations

import hashlib
import re
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.local import embedded_s3
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.release.answers import Answer
from twin_matcher_dagster.release.twin_finder import TwinFinder
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster_tests.end_to_end.conftest import Installation
from twin_matcher_dagster_tests.end_to_end.test_up import (
    NEWCOMER,
    PATIENCE,
    Newcomer,
    ask,
    identity_in,
    traces,
    wait_until,
)
from twin_matcher_dagster_tests.graph import upload_story

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ARRIVING = Story("Keiko", SAMPLE / "clips/keiko_1.mp4", SAMPLE / "photos/keiko.jpg")
LATE = Story("Rafael", SAMPLE / "clips/rafael_1.mp4", SAMPLE / "photos/rafael.jpg")
# Each is judged after the restore, before the last one.
MOST_ARRIVALS = 3


def answer_of(store: ObjectStore, number: int, photo: Path) -> Answer:
    """What a release says of a photo."""
    record = releases(store).read(number).record
    assert isinstance(record, Release)
    return TwinFinder(store, number, record).find(read_image(photo))


def page_of(installation: Installation) -> str:
    """Address of the prediction page."""
    return f"http://127.0.0.1:{installation.variables['PREDICT_PORT']}"


def answers_the_same(restored: ObjectStore, store: ObjectStore, story: Story) -> None:
    """The newest release of a restored bucket is one of the bucket's own, and says the same.

    Unless an erasure was completed in the backup itself: then it is its own.
    """
    head = releases(restored).existing_head()
    own = {entry.number: entry.fingerprint for entry in releases(store).entries()}
    if own.get(head.number) == head.fingerprint:
        there = answer_of(store, head.number, story.photo)
        here = answer_of(restored, head.number, story.photo)
        assert here.twins == there.twins
        assert np.array_equal(here.face, there.face)


def store_of(installation: Installation) -> ObjectStore:
    return embedded_s3.wait_until_ready(environment(installation.settings()))


def test_a_backup_of_a_running_installation_goes_on_in_an_empty_one(
    installation: Installation,
    another_installation: Installation,
    story: Story,
    tmp_path: Path,
) -> None:
    place = tmp_path / "backups"
    # Every erasure is noted there at once.
    installation.variables["BACKUP_TO"] = str(place)
    newcomer = Newcomer.of(installation, story)
    store, leaving = newcomer.store, newcomer.upload_id
    crop = store.get(layout.face(leaving, 0))
    pieces = [leaving.encode(), NEWCOMER.name.encode(), crop[len(crop) // 2 :][:40]]

    # Uploads arrive, and somebody is erased, while the backup is made.
    backup = installation.begin("backup")
    arrived: list[str] = []
    erasing = threading.Thread(target=installation.run, args=("erase", leaving, "--force"))
    erasing.start()
    while backup.poll() is None:
        if len(arrived) < MOST_ARRIVALS:
            arrived.append(upload_story(store, ARRIVING))
        time.sleep(2)
    erasing.join()
    printed = backup.communicate()[0]
    assert backup.returncode == 0, printed
    assert re.search(r"Backup \d{8}T\d{6}\.\d+Z: [\d,]+ objects", printed)
    assert arrived
    assert "is whole" in installation.run("backup", "--check")
    noted = place / "erased" / hashlib.sha256(leaving.encode()).hexdigest()
    wait_until(newcomer.up, noted.exists, "the erasure was not noted beside the backups")

    # The first machine is lost.
    assert "Restored" in another_installation.run("restore", str(place))
    assert "not empty" in another_installation.run("restore", str(place), status=1)
    server = another_installation.begin("s3")
    try:
        again = store_of(another_installation)
        answers_the_same(again, store, story)
        head = releases(again).existing_head().record
        assert isinstance(head, Release)
        assert not head.names(leaving)
        assert verify(again, leaving).left == []
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)
    newcomer.up.send_signal(signal.SIGINT)
    assert newcomer.up.wait(240) == 130

    # It goes on: the page answers, and who comes now is released.
    up = another_installation.start("up")
    another_installation.wait_for(r"Stop with Ctrl-C", up, PATIENCE)
    assert "the demo runs first" not in another_installation.output.read_text()
    page = page_of(another_installation)
    assert identity_in(ask(page, story)) == story.name
    late = upload_story(again, LATE)

    def released() -> bool:
        record = releases(again).existing_head().record
        return isinstance(record, Release) and record.names(late)

    wait_until(up, released, "an upload after the restore did not reach a release")
    up.send_signal(signal.SIGINT)
    assert up.wait(120) == 130
    for piece in pieces[1:]:
        assert traces(another_installation.home, piece) == []
