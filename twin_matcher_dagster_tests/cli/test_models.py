"""`twin-matcher models`, of a real release."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from twin_matcher_dagster.cli import models
from twin_matcher_dagster.cli.main import app
from twin_matcher_dagster.storage.object_store import ObjectStore


def printed(released: ObjectStore, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setenv("TWIN_MATCHER_BUCKET", released.bucket)
    monkeypatch.setattr(models.console, "_width", 300)
    done = CliRunner().invoke(app, ["models", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_every_training_is_listed(released: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    said = printed(released, monkeypatch)
    assert "released" in said
    assert "Figures compare where the celebrities are the same" in said


def test_programs_get_all_that_is_known(
    released: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = json.loads(printed(released, monkeypatch, "--json"))
    assert row["outcome"] == "released"
    assert row["plan"]["seed"] == 0
    assert row["data"]["identities"] == 5
    assert row["environment"]["python"]
    assert 0 < row["figures"]["rank-1"] <= 1
