"""published_dataset and published_model in Dagster: when they are there, and what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest

from twin_matcher_dagster.dataset.schema import SPLITS
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.settings import PROJECT_ROOT, Settings
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster_tests import hub_server
from twin_matcher_dagster_tests.defs.test_automation import Installation
from twin_matcher_dagster_tests.graph import definitions
from twin_matcher_dagster_tests.hub_server import Fault, HubServer
from twin_matcher_dagster_tests.kit import Kit

BOTH = {keys.PUBLISHED_DATASET, keys.PUBLISHED_MODEL}
# What runs do, in a process of their own: HF_ENDPOINT is read at import. It takes seconds.
RUNS = """
import json, os, sys
import dagster as dg
from twin_matcher_dagster_tests.graph import materialize
outside = dict(os.environ)
for line in sys.stdin:
    settings, assets = json.loads(line)
    os.environ.clear()
    os.environ.update(outside | settings)
    result = materialize(dg.DagsterInstance.ephemeral(), assets)
    said = {}
    for event in result.get_asset_materialization_events():
        made = event.step_materialization_data.materialization
        said[made.asset_key.to_user_string()] = {k: v.value for k, v in made.metadata.items()}
    checks = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    failures = [str(one.step_failure_data) for one in result.all_events if one.is_step_failure]
    print("RAN", json.dumps([said, checks, failures]), flush=True)
"""
Outcome = tuple[dict, dict, list]


class Hub:
    """A Hub, and a process whose runs publish there."""

    def __init__(self, server: HubServer, process: subprocess.Popen[str]) -> None:
        self.server, self._process = server, process

    def run(self, store: ObjectStore, *assets: str, **settings: str) -> Outcome:
        """Materialize on a bucket: metadata by asset, checks by name, failures."""
        assert self._process.stdin
        assert self._process.stdout
        settings = {
            "TWIN_MATCHER_BUCKET": store.bucket,
            "HUB_DATASET": "tests/faces",
            "HUB_MODEL": "tests/model",
            **settings,
        }
        print(json.dumps([settings, assets]), file=self._process.stdin, flush=True)
        answer = next(line for line in self._process.stdout if line.startswith("RAN "))
        said, checks, failures = json.loads(answer.removeprefix("RAN "))
        return said, checks, failures


@pytest.fixture(scope="module")
def running(_aws: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Both are started once."""
    folder = tmp_path_factory.mktemp("hub")
    (folder / "blobs").mkdir()
    with (
        hub_server.running(folder / "blobs") as server,
        subprocess.Popen(
            [sys.executable, "-c", RUNS],
            cwd=PROJECT_ROOT,
            env={**os.environ, **server.variables(folder / "hf")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        yield Hub(server, process)


@pytest.fixture
def hub(running: Hub) -> Hub:
    """Nothing is there, and nothing was asked for."""
    running.server.forget()
    return running


def published() -> set[str]:
    specs = definitions().resolve_all_asset_specs()
    return {spec.key.to_user_string() for spec in specs} & BOTH


def test_they_are_there_where_they_are_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert published() == set()
    monkeypatch.setenv("HUB_DATASET", "tests/faces")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nowhere")
    assert published() == set()
    monkeypatch.setenv("HF_TOKEN", "a-token")
    assert published() == {keys.PUBLISHED_DATASET}
    monkeypatch.setenv("HUB_MODEL", "tests/model")
    assert published() == BOTH
    checks = definitions().resolve_asset_graph().asset_check_keys
    assert {"dataset_is_there", "model_is_there"} <= {check.name for check in checks}
    dg.Definitions.validate_loadable(definitions())


def test_they_follow_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DATASET", "tests/faces")
    monkeypatch.setenv("HUB_MODEL", "tests/model")
    monkeypatch.setenv("HF_TOKEN", "a-token")
    installation = Installation(dg.DagsterInstance.ephemeral())
    graph, cursor = definitions(), None

    def asked() -> set[str]:
        nonlocal cursor
        found = dg.evaluate_automation_conditions(graph, installation.instance, cursor=cursor)
        cursor = found.cursor
        return {one for one in BOTH if found.get_num_requested(dg.AssetKey(one))}

    assert asked() == set()  # nothing to publish yet
    installation.make(keys.BALANCED_FACES, "1")
    installation.make(keys.TWIN_DATASET, "1")
    assert asked() == {keys.PUBLISHED_DATASET}
    installation.make(keys.PUBLISHED_DATASET, "1")
    installation.make(keys.PRODUCTION_RELEASE, "1")
    assert asked() == {keys.PUBLISHED_MODEL}
    installation.make(keys.PUBLISHED_MODEL, "1")
    installation.make(keys.TWIN_DATASET, "1")
    assert asked() == set()


def test_what_is_there_already_is_published_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation that has a data set and a release is set up for the Hub."""
    instance = dg.DagsterInstance.ephemeral()
    made = Installation(instance)
    for asset in (keys.TWIN_DATASET, keys.PRODUCTION_RELEASE):
        made.make(asset, "1")
    before = dg.evaluate_automation_conditions(definitions(), instance)
    monkeypatch.setenv("HUB_DATASET", "tests/faces")
    monkeypatch.setenv("HUB_MODEL", "tests/model")
    monkeypatch.setenv("HF_TOKEN", "a-token")
    first = dg.evaluate_automation_conditions(definitions(), instance, cursor=before.cursor)
    assert {one for one in BOTH if first.get_num_requested(dg.AssetKey(one))} == BOTH
    for asset in BOTH:
        made.make(asset, "1")
    then = dg.evaluate_automation_conditions(definitions(), instance, cursor=first.cursor)
    assert then.total_requested == 0


def test_a_run_publishes_both_and_reads_them_back(hub: Hub, store: ObjectStore) -> None:
    kit = Kit(store, 1)
    kit.celebrities("Ana Luz", "Bob Stone", faces=6, splits=SPLITS)
    kit.user("Mira", publication=True)
    kit.version()
    kit.release(kit.train(real=True))
    said, checks, failures = hub.run(store, *sorted(BOTH), HUB_LICENSE="mit")
    assert not failures
    assert checks == {"dataset_is_there": True, "model_is_there": True}
    for kind, repo, asset in (
        ("datasets", "tests/faces", keys.PUBLISHED_DATASET),
        ("models", "tests/model", keys.PUBLISHED_MODEL),
    ):
        there = hub.server.repo(kind, repo)
        assert there.private
        assert said[asset]["state"] == "published"
        assert said[asset]["tag"] == "v1"
        assert said[asset]["commit"].endswith(there.tags["v1"])
        assert said[asset]["bytes sent"] > 1000
        assert b"license: mit" in hub.server.content(kind, repo, "README.md")
    again, _, _ = hub.run(store, *sorted(BOTH), HUB_LICENSE="mit")
    assert {one["state"] for one in again.values()} == {"was there already"}


def test_a_run_says_why_a_model_is_withheld(hub: Hub, store: ObjectStore) -> None:
    kit = Kit(store, 2)
    kit.celebrities("Ana Luz", "Bob Stone", faces=6, splits=SPLITS)
    kit.user("Quillfeather", publication=False)
    kit.version()
    kit.release(kit.train(real=True))
    said, checks, failures = hub.run(store, keys.PUBLISHED_MODEL)
    assert not failures
    assert checks == {"model_is_there": True}
    assert said[keys.PUBLISHED_MODEL]["state"] == "withheld"
    assert "did not agree to publication" in said[keys.PUBLISHED_MODEL]["reason"]
    assert hub.server.requests == []


def test_a_refusal_fails_at_once_and_says_what_to_do(hub: Hub, store: ObjectStore) -> None:
    kit = Kit(store, 3)
    kit.celebrities("Ana Luz", "Bob Stone", faces=6, splits=SPLITS)
    kit.version()
    hub.server.faults.append(Fault("/api/repos/create", status=403, count=100))
    _, _, (failure,) = hub.run(store, keys.PUBLISHED_DATASET)
    assert "permission to write" in failure
    assert len(hub.server.sent("/api/repos/create")) == 1


@pytest.mark.parametrize(
    "value", ["no-owner", "a/b/c", "https://hf.co/a/b", "a/..", "a b/c", "a/-"]
)
def test_an_id_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("HUB_DATASET", value)
    with pytest.raises(ValueError, match="is not the id of a repository on the Hub"):
        Settings()


def test_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    assert (settings.hub_dataset, settings.hub_model) == (None, None)
    assert (settings.hub_private, settings.hub_license) == (True, "other")
    monkeypatch.setenv("HUB_DATASET", "")
    monkeypatch.setenv("HUB_MODEL", "my-name/twin_faces.v2")
    settings = Settings()
    assert (settings.hub_dataset, settings.hub_model) == (None, "my-name/twin_faces.v2")
    monkeypatch.setenv("HUB_LICENSE", "not a licence")
    with pytest.raises(ValueError, match="hub_license"):
        Settings()
