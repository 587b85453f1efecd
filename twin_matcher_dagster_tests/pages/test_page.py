"""A page that is started by hand says in a sentence what stands in its way."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from types import ModuleType

import pytest

from twin_matcher_dagster.pages import predict, upload
from twin_matcher_dagster.pages.links import FROM_PREDICT, FROM_UPLOAD
from twin_matcher_dagster.pages.predict import predict_page
from twin_matcher_dagster.pages.upload import upload_page
from twin_matcher_dagster.pages.visitor_photos import VisitorPhotos
from twin_matcher_dagster.pages.ways_in import WaysIn
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster.storage.object_store import ObjectStore


def started(name: str, **variables: str) -> str:
    """What a page prints that cannot start."""
    ours = ("AWS_", "TWIN_MATCHER_", "UPLOAD_PORT", "PREDICT_PORT")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [sys.executable, "-m", f"twin_matcher_dagster.pages.{name}"],
        cwd=PROJECT_ROOT,
        env={**outside, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("page", [upload, predict])
def test_without_a_bucket(page: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWIN_MATCHER_BUCKET", raising=False)
    with pytest.raises(SystemExit, match=r"BUCKET is not set\. Start the page with"):
        page.main()


def test_with_a_port_that_is_none() -> None:
    said = started("upload", UPLOAD_PORT="99999")
    assert said == "UPLOAD_PORT: Input should be less than or equal to 65535.\n"


def test_with_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = started("predict", PREDICT_PORT=port, TWIN_MATCHER_BUCKET="any")
    assert f"Port {port} is taken. Set PREDICT_PORT to another one." in said


def test_both_pages_have_a_header(store: ObjectStore) -> None:
    predict = predict_page(Production(store), VisitorPhotos(), FROM_PREDICT)
    for page in (upload_page(store, FROM_UPLOAD, WaysIn.new()), predict):
        marks = [part["props"].get("elem_id") for part in page.config["components"]]
        assert marks.count("header") == 1


@pytest.mark.parametrize("dataset", ["", "somebody/twins"])
def test_publication_is_asked_for_where_there_is_any(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, dataset: str
) -> None:
    monkeypatch.setenv("HUB_DATASET", dataset)
    shown = {
        part["props"].get("elem_id"): part["props"].get("visible")
        for part in upload_page(store, FROM_UPLOAD, WaysIn.new()).config["components"]
    }
    assert shown["publish"] is bool(dataset)
    assert shown["consent"] is True
