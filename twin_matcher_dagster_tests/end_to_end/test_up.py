"""The real thing: `demo` and `up` as processes, with a real daemon, from a clip to a twin."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.erasure.verification import verify
from twin_matcher_dagster.local import embedded_s3
from twin_matcher_dagster.local.environment import environment
from twin_matcher_dagster.media.images import encode_png
from twin_matcher_dagster.settings import SAMPLE
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster_tests.end_to_end.conftest import Installation
from twin_matcher_dagster_tests.graph import another_frame, upload_story

# Each starts a whole installation and trains: too long for `make test` (`make test-up` runs the
# first one), and a busy machine is given its time.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
PATIENCE = 900

NEWCOMER = Story("Teodor Vlasinca", SAMPLE / "clips/teodor_1.mp4", SAMPLE / "photos/teodor.jpg")


def wait_until(up: subprocess.Popen[bytes], done: Callable[[], bool], otherwise: str) -> None:
    """Until something is so, while the installation runs."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert up.poll() is None
        assert time.monotonic() < deadline, otherwise
        time.sleep(2)


@dataclass(frozen=True)
class Newcomer:
    """Somebody whom a running installation took in.

    Attributes:
        up, page, store: the installation.
        upload_id: of the newcomer.
        release: that shows them first.
    """

    up: subprocess.Popen[bytes]
    page: str
    store: ObjectStore
    upload_id: str
    release: int

    @classmethod
    def of(cls, installation: Installation, story: Story) -> Newcomer:
        """Start everything, and upload a clip beside the demo's."""
        up = installation.start("up")
        # There is no release yet, so the demo goes first.
        printed = installation.wait_for(r"Stop with Ctrl-C", up, PATIENCE)
        assert "the demo runs first" in printed
        assert re.search(r"is taken for .+\n.*The twins of", printed)
        assert (installation.home / "demo.png").stat().st_size > 10_000
        for variable in ("DAGSTER_PORT", "UPLOAD_PORT", "PREDICT_PORT", "S3_PORT"):
            assert f"http://127.0.0.1:{installation.variables[variable]}" in printed

        page = f"http://127.0.0.1:{installation.variables['PREDICT_PORT']}"
        first = ask(page, story)
        assert identity_in(first) == story.name
        assert NEWCOMER.name not in first
        assert (installation.home / "s3-credentials.json").stat().st_mode & 0o777 == 0o600

        store = embedded_s3.wait_until_ready(environment(installation.settings()))
        upload_id = upload_story(store, NEWCOMER)
        wait_until(
            up,
            lambda: NEWCOMER.name in ask(page, NEWCOMER),
            "the release with the newcomer did not come",
        )
        answer = ask(page, NEWCOMER)
        assert identity_in(answer) == NEWCOMER.name
        assert release_of(answer) > release_of(first)
        return cls(up, page, store, upload_id, release_of(answer))


def test_up_offers_a_release_and_takes_a_newcomer_in_without_a_restart(
    installation: Installation, story: Story
) -> None:
    newcomer = Newcomer.of(installation, story)
    second = installation.start("demo", COLUMNS="300")
    assert second.wait(120) == 1
    assert "runs already" in installation.output.read_text()
    newcomer.up.send_signal(signal.SIGINT)
    assert newcomer.up.wait(120) == 130
    assert installation.left_running() == []


def test_a_newcomer_is_learnt_and_erased_without_a_restart(
    installation: Installation, story: Story
) -> None:
    newcomer = Newcomer.of(installation, story)
    up, page, upload_id = newcomer.up, newcomer.page, newcomer.upload_id

    def learnt() -> bool:
        """Whether a release has a model that learnt the upload, rather than an imprint of it."""
        head = releases(newcomer.store).existing_head().record
        return isinstance(head, Release) and not head.imprinted

    # Imprinted at first; one in six is more than the policy lets go by, so the model learns them.
    wait_until(up, learnt, "the model did not learn the newcomer")
    assert releases(newcomer.store).existing_head().record.names(upload_id)
    answer = ask(page, NEWCOMER)
    assert identity_in(answer) == NEWCOMER.name

    # Erased, nobody is shown the newcomer any more, and the next model never saw them.
    printed = installation.run("erase", upload_id, "--force")
    assert re.search(r"Dagster forgot [1-9]\d* runs", printed)
    assert "gave the bytes back" in printed
    assert NEWCOMER.name not in ask(page, NEWCOMER)
    printed = installation.run("erase", "--verify", upload_id)
    assert "until the next training" in printed
    assert "Nothing else of it is left." in printed

    def proven() -> bool:
        found = verify(newcomer.store, upload_id)
        return found.proven and not found.pending

    wait_until(up, proven, "the model was not trained again")
    assert "Nothing of it is left." in installation.run("erase", "--verify", upload_id)
    last = ask(page, NEWCOMER)
    assert NEWCOMER.name not in last
    assert release_of(last) > release_of(answer) + 1
    assert traces(installation.home, NEWCOMER.name) == []
    up.send_signal(signal.SIGINT)
    assert up.wait(120) == 130
    finds_everything_there(installation)


def finds_everything_there(installation: Installation) -> None:
    """A demo after the first one."""
    demo = installation.start("demo")
    assert demo.wait(240) == 0
    printed = installation.output.read_text()
    assert re.search(r"twin_model +done +there already", printed)
    assert "Dagster is at" not in printed
    assert installation.left_running() == []


def ask(page: str, story: Story) -> str:
    """What the prediction page says to another frame of a person's clip, as JSON."""
    photo = encode_png(another_frame(story))
    answer = httpx.post(f"{page}/v1/twins", content=photo, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.text


def traces(home: Path, name: str | bytes) -> list[str]:
    """Files of an installation that hold a name: objects, Dagster's history, logs."""
    wanted = name.encode() if isinstance(name, str) else name
    return [str(path) for path in home.rglob("*") if path.is_file() and wanted in path.read_bytes()]


def identity_in(answer: str) -> str:
    """Whom an answer takes the visitor for; empty for nobody."""
    identity = json.loads(answer)["identity"]
    return identity["name"] if identity else ""


def release_of(answer: str) -> int:
    """The release that answered."""
    return int(json.loads(answer)["release"])
