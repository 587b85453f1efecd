"""A real S3 server for the session, a bucket a test, the sample, and a small finished release."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from botocore.client import BaseClient
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.local import embedded_s3
from twin_matcher_dagster.local.ports import HeldPorts
from twin_matcher_dagster.settings import PROJECT_ROOT
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.training.fine_tuning import fine_tune
from twin_matcher_dagster.training.learning_curve import Epoch
from twin_matcher_dagster_tests.faulty_store import FaultyStore
from twin_matcher_dagster_tests.graph import materialize, run_graph, upload_story
from twin_matcher_dagster_tests.people import (
    LABELS,
    PLAN,
    People,
    Trained,
    three_people,
    write_small_source,
)
from twin_matcher_dagster_tests.training.crowd import tiny_backbone

# No property is wrong because a machine is busy. Where CI is set, Hypothesis has another profile,
# which says the same.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])

SHARED_DATA = PROJECT_ROOT.parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: the other workers do everything else meanwhile."""
    items.sort(
        key=lambda item: ("end_to_end" not in item.nodeid, costly_fixture(item.path) is None)
    )


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """A file goes to one worker, and so do all files that ask for the same costly fixture."""

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return costly_fixture(config.rootpath / file) or file

    return Scheduling(config, log)


@cache
def costly_fixture(file: Path) -> str | None:
    """Which of the fixtures that each worker makes anew, if it is asked, a file asks for."""
    found = re.search(r"\b(released|trained): ", file.read_text())
    return found[1] if found else None


@pytest.fixture(scope="session", autouse=True)
def _untraced_requests() -> Iterator[None]:
    """Coverage does not look on while boto3 asks: that is a quarter of what tests on S3 take."""
    ask = BaseClient._make_api_call

    def ask_untraced(*args: Any) -> Any:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return ask(*args)
        finally:
            sys.settrace(tracer)

    with pytest.MonkeyPatch.context() as patch:
        if sys.gettrace():
            patch.setattr(BaseClient, "_make_api_call", ask_untraced)
        yield


@pytest.fixture(scope="session")
def s3_variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A SeaweedFS server of its own, and the environment that points at it."""
    folder = tmp_path_factory.mktemp("s3")
    ports, inner = HeldPorts(1), embedded_s3.inner_ports()
    variables = {
        "AWS_ACCESS_KEY_ID": "TEST" + secrets.token_hex(8).upper(),
        "AWS_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{ports.numbers[0]}",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "TWIN_MATCHER_BUCKET": "first",
        # Checkpoints and event files of trainings.
        "TWIN_MATCHER_HOME": str(folder / "home"),
    }
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [
                *embedded_s3.server_command(folder / "objects", ports.numbers[0], inner),
                "-s3.allowDeleteBucketNotEmpty=true",
            ],
            env={**os.environ, **variables},
            stdout=log,
            stderr=log,
        )
        try:
            (folder / "objects").mkdir()
            embedded_s3.wait_until_ready(variables)
            yield variables
        finally:
            server.kill()  # nobody needs its objects, and to stop in order can take long
            server.wait()
            ports.release()
            inner.release()


@pytest.fixture(scope="session")
def _aws(s3_variables: Mapping[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_variables.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def _faulty(s3_variables: Mapping[str, str], _aws: None) -> Iterator[FaultyStore]:
    with FaultyStore(s3_variables) as proxy:
        yield proxy


@pytest.fixture
def faulty(_faulty: FaultyStore) -> Iterator[FaultyStore]:
    """A proxy in front of the S3 server, which does not fail yet."""
    yield _faulty
    _faulty.heal()
    _faulty.passed.clear()


def new_bucket(patch: pytest.MonkeyPatch) -> ObjectStore:
    store = ObjectStore.from_environment(f"test-{secrets.token_hex(6)}")
    store.client.create_bucket(Bucket=store.bucket)
    patch.setenv("TWIN_MATCHER_BUCKET", store.bucket)
    return store


@pytest.fixture
def store(_aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """An empty bucket, which the environment names."""
    store = new_bucket(monkeypatch)
    yield store
    # The server has a volume for each bucket, and room for some two hundred of them.
    store.client.delete_bucket(Bucket=store.bucket)


@pytest.fixture(scope="session")
def story() -> Story:
    """The demo's person: name, clip, photo."""
    return Story.of_sample()


@pytest.fixture(scope="session")
def small_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some faces of four people of the sample, as a source of raw faces, with biographies."""
    return write_small_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session")
def balanced(_aws: None, small_source: Path) -> Mapping[str, bytes]:
    """All objects of a bucket with four celebrities, balanced, and nobody else."""
    with pytest.MonkeyPatch.context() as patch:
        store = new_bucket(patch)
        patch.setenv("RAW_FACES", str(small_source))
        instance = dg.DagsterInstance.ephemeral()
        assert materialize(instance, [keys.RAW_FACES, keys.BALANCED_FACES]).success
    return dict(store.everything())


@pytest.fixture
def celebrities(store: ObjectStore, balanced: Mapping[str, bytes]) -> ObjectStore:
    """A bucket with four celebrities, which the environment names."""
    for key, content in balanced.items():
        store.put_new(key, content)
    return store


@pytest.fixture(scope="session")
def history() -> dg.DagsterInstance:
    """What Dagster noted while ``released`` was made."""
    return dg.DagsterInstance.ephemeral()


@pytest.fixture(scope="session")
def released(
    _aws: None, small_source: Path, story: Story, history: dg.DagsterInstance
) -> ObjectStore:
    """A bucket with a release that knows four celebrities and the demo's person."""
    with pytest.MonkeyPatch.context() as patch:
        store = new_bucket(patch)
        patch.setenv("RAW_FACES", str(small_source))
        patch.setenv("EPOCHS", "4")
        upload_id = upload_story(store, story)
        assert run_graph([upload_id], history).success
    return store


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real faces, clips and photos, where they are at hand."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder of real faces, ../shared/data, is not here")
    return SHARED_DATA


@pytest.fixture(scope="session")
def people() -> People:
    """Faces of three people for training and for validation, the classes in turn."""
    return three_people()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network that trains within a second: the folder's name."""
    return tiny_backbone(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def trained(people: People, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model of three people."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    reported: list[Epoch] = []
    curve = fine_tune(*people, LABELS, PLAN, folder, reported.append)
    return Trained(folder, curve, reported)
