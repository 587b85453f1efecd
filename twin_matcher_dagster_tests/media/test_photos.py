"""Photos in their child process: what it is handed, what it may use, and how it ends."""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from twin_matcher_dagster.errors import MediaError
from twin_matcher_dagster.media import photo_process, photos
from twin_matcher_dagster.media.cancellation import Cancellation
from twin_matcher_dagster.media.child_nursery import ChildNursery
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.media.photos import PhotoReader, read_photo
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster_tests.media.children import children_of
from twin_matcher_dagster_tests.media.photo_files import (
    broken_photos,
    grey_photos,
    in_segments,
    turned_photos,
    whole_photos,
)

PHOTO = SAMPLE / "photos" / "mira.jpg"


def children() -> list[psutil.Process]:
    """The children of this process that read photos, or wait for some."""
    return children_of("media.photo_process", recursive=True)


@pytest.fixture(scope="module")
def reader() -> Iterator[PhotoReader]:
    with PhotoReader() as reader:
        yield reader


def test_a_child_sees_what_we_see(reader: PhotoReader, tmp_path: Path) -> None:
    """One child, one photo after another: whole ones, broken ones, and whole ones again."""
    whole = [*whole_photos().items(), *turned_photos().items(), *grey_photos().items()]
    for name, data in whole:
        assert np.array_equal(reader.read(data), read_image(data)), name
    (child,) = (one for one in children() if one.pid == pid_of(reader))
    for name, data, refusal in broken_photos(tmp_path):
        with pytest.raises(MediaError) as caught:
            reader.read(data)
        assert str(caught.value).endswith(refusal.way_out), name
    assert np.array_equal(reader.read(PHOTO), read_image(PHOTO))
    assert pid_of(reader) == child.pid


def pid_of(reader: PhotoReader) -> int:
    assert reader._child
    return reader._child.pid


def test_what_is_no_file_is_not_waited_for(reader: PhotoReader, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "gone")
    names = ("pipe.jpg", "folder.jpg", "nowhere.jpg", "gone.jpg", "x" * 300, "nul\0.jpg")
    for path in [*(tmp_path / name for name in names), Path("/dev/zero")]:
        with pytest.raises(MediaError, match="is not there any more, or is no file"):
            reader.read(path)
    (tmp_path / "link.jpg").symlink_to(PHOTO)
    assert reader.read(tmp_path / "link.jpg").shape == (640, 640, 3)


def test_a_file_that_is_too_large_is_not_read(reader: PhotoReader, tmp_path: Path) -> None:
    with (tmp_path / "photo.jpg").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(MediaError, match="953674 MB, more than 25 MB"):
        reader.read(tmp_path / "photo.jpg")


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS knows no limit of the address space")
def test_a_child_has_limits_and_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-for-strangers")
    # One that was started before would not know of it anyway.
    nursery = ChildNursery(photo_process.__name__)
    monkeypatch.setattr(photos, "_NURSERY", nursery)
    with PhotoReader() as reader:
        reader.read(PHOTO)
        (child,) = (one for one in children() if one.pid == pid_of(reader))
        assert "not-for-strangers" not in child.environ().values()
        assert child.rlimit(resource.RLIMIT_AS)[0] == 2**30
        assert child.rlimit(resource.RLIMIT_FSIZE)[0] == 0
        assert child.rlimit(resource.RLIMIT_CPU)[0] <= photo_process.CPU_S + 10
    nursery._close_line()


def test_segments_and_segments_cost_little(reader: PhotoReader) -> None:
    """8 MB of them: each is as long as it may be, and copied with all that came before."""
    reader.read(PHOTO)
    before = psutil.Process(pid_of(reader)).cpu_times()
    reader.read(in_segments(PHOTO.read_bytes(), b"Exif\0\0", 8))
    after = psutil.Process(pid_of(reader)).cpu_times()
    used = after.user + after.system - before.user - before.system
    assert used < photo_process.CPU_S / 4


def test_a_visitor_who_leaves_ends_the_work() -> None:
    cancellation = Cancellation()
    with PhotoReader(cancellation) as reader:
        reader.read(PHOTO)
        pid = pid_of(reader)
        psutil.Process(pid).suspend()  # at work, for ever
        threading.Timer(0.1, cancellation.cancel).start()
        with pytest.raises(MediaError, match="you left"):
            reader.read(PHOTO)
        assert not psutil.pid_exists(pid)
        with pytest.raises(MediaError, match="you left"):
            reader.read(PHOTO)


def test_a_child_that_dies_is_replaced() -> None:
    with PhotoReader() as reader:
        reader.read(PHOTO)
        psutil.Process(pid_of(reader)).kill()
        with pytest.raises(MediaError, match="too much time or memory"):
            reader.read(PHOTO)
        assert reader.read(PHOTO).shape == (640, 640, 3)


def test_a_child_that_takes_too_long_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    with PhotoReader() as reader:
        reader.read(PHOTO)
        psutil.Process(pid_of(reader)).suspend()
        monkeypatch.setattr(photos, "PHOTO_TIMEOUT_S", 0.1)
        with pytest.raises(MediaError, match="too much time or memory"):
            reader.read(PHOTO)


def test_no_child_stays() -> None:
    read_photo(PHOTO)
    before = {child.pid for child in children()}  # the one that forks them, and others' before
    for _ in range(3):
        read_photo(PHOTO)
    with pytest.raises(MediaError):
        read_photo(b"words")
    assert {child.pid for child in children()} <= before


def test_a_cancellation_is_heard_whenever_it_comes() -> None:
    told: list[str] = []
    cancellation = Cancellation()
    with cancellation.stopping(lambda: told.append("over before")):
        pass
    with cancellation.stopping(lambda: told.append("under way")):
        cancellation.cancel()
    with cancellation.stopping(lambda: told.append("begun after")):
        pass
    assert told == ["under way", "begun after"]
    assert cancellation
