"""Nothing of a visitor is taken where there is no room for it."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from twin_matcher_dagster.faces.clip import MIN_FACES
from twin_matcher_dagster.pages.catalogue import words_in
from twin_matcher_dagster.pages.room import raise_if_store_full
from twin_matcher_dagster.pages.session import Session, send_faces
from twin_matcher_dagster.settings import Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.uploads.consent import Consent


def disk_with(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    usage = SimpleNamespace(total=1000, free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)


def test_an_upload_is_not_taken_on_a_full_disk(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TWIN_MATCHER_BUCKET")
    monkeypatch.setenv("TWIN_MATCHER_HOME", str(tmp_path))
    session = Session(tuple(np.zeros((160, 160, 3), np.uint8) for _ in range(MIN_FACES)))
    disk_with(monkeypatch, free=29)
    words = words_in("en")
    done = send_faces(store, session, "Ada", Consent.now(), words)
    assert done.session is session
    assert "The disk is full" in done.message
    assert list(store.list("")) == []


def test_a_bucket_of_ones_own_is_not_on_this_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    disk_with(monkeypatch, free=0)
    raise_if_store_full(Settings(twin_matcher_bucket="faces"))
