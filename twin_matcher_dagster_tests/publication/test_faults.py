"""When the Hub fails, refuses, is slow, or others write at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import pytest

from twin_matcher_dagster.dataset.versions import read_version
from twin_matcher_dagster.errors import HubError, HubRefusedError
from twin_matcher_dagster_tests.hub_server import OWNER, READER, Fault, HubServer
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.publication import client
from twin_matcher_dagster_tests.publication.conftest import Client

CREATE = r"^POST /api/repos/create"
INFO = r"^GET /api/datasets/[^/]+/[^/]+$"
REFS = r"/refs$"
TREE = r"/tree/"
PREUPLOAD = r"/preupload/"
BATCH = r"/objects/batch"
LFS = r"^PUT /lfs/"
COMMIT = r"^POST .*/commit/"
TAG = r"^POST .*/tag/"
KINDS = (CREATE, INFO, REFS, TREE, PREUPLOAD, BATCH, LFS, COMMIT, TAG)


def publish(hub: HubServer, run: Client, kit: Kit, repo: str, *faults: Fault) -> None:
    hub.faults.extend(faults)
    run(client.publish_dataset, kit.store.bucket, repo)
    assert not any(fault.count for fault in faults), "a fault was never met"


def assert_is_there(hub: HubServer, kit: Kit, repo: str) -> None:
    """The version is there, whole, tagged, and by one commit."""
    version = read_version(kit.store)
    wanted = {f"{one.sha256}.parquet" for one in version.celebrities}
    wanted |= {f"{one.upload_id}.parquet" for one in version.members if one.publication}
    paths = hub.paths("datasets", repo, f"v{version.number}")
    assert {path.rpartition("/")[2] for path in paths if path.startswith("data/")} == wanted
    there = hub.repo("datasets", repo)
    assert there.tags == {f"v{version.number}": there.refs["main"]}
    assert len(there.commits) == 2


@pytest.mark.parametrize("fault", ["500", "cut"])
def test_a_moments_fault_is_got_over(
    hub: HubServer, run: Client, kit: Kit, repo: str, fault: str
) -> None:
    """Once at every kind of request. A cut answer is the hard one: what was asked for was done, and
    must not be done twice.
    """
    kit.version()
    made = [Fault(one, cut=True) if fault == "cut" else Fault(one, status=500) for one in KINDS]
    publish(hub, run, kit, repo, *made)
    assert_is_there(hub, kit, repo)


@pytest.mark.parametrize("status", [409, 412])
def test_a_lost_race_is_run_again(
    hub: HubServer, run: Client, kit: Kit, repo: str, status: int
) -> None:
    kit.version()
    publish(hub, run, kit, repo, Fault(COMMIT, status=status, count=3))
    assert_is_there(hub, kit, repo)


def test_somebody_elses_commit_is_kept(hub: HubServer, run: Client, kit: Kit, repo: str) -> None:
    kit.version()

    def interfere() -> None:
        hub.put("datasets", repo, {"NOTES.md": b"of somebody else"})

    publish(hub, run, kit, repo, Fault(COMMIT, meanwhile=interfere))
    assert [status for status, one in hub.answers if "/commit/" in one.path] == [412, 200]
    assert hub.content("datasets", repo, "NOTES.md", "v1") == b"of somebody else"
    # What the first try sent is not sent again.
    assert len(hub.sent(LFS)) == 3


def test_who_loses_publishes_what_is_newest_then(
    hub: HubServer, run: Client, kit: Kit, repo: str
) -> None:
    """Who is taken out between the look at the head and the commit is not brought back."""
    kit.version()
    run(client.publish_dataset, kit.store.bucket, repo)
    mira = kit.user("Mira", publication=True)
    kit.version()

    def taken_out() -> None:
        kit.judge(mira, state="rejected", publication=True)
        kit.version()
        hub.put("datasets", repo, {"NOTES.md": b"the head moves"})

    publish(hub, run, kit, repo, Fault(COMMIT, meanwhile=taken_out))
    assert f"data/train/{mira}.parquet" not in hub.paths("datasets", repo)
    assert set(hub.repo("datasets", repo).tags) == {"v1", "v3"}


def test_eight_runs_at_once_lose_nothing(
    hub: HubServer,
    kit: Kit,
    repo: str,
    _clients: Callable[[int], ProcessPoolExecutor],
) -> None:
    kit.version()
    uploads = [kit.user(f"User {n}", publication=True, noted=False) for n in range(8)]
    pool = _clients(8)
    # Two commits on the same head: one of them loses.
    hub.faults.append(Fault(COMMIT, together=2, count=2))
    futures = [
        pool.submit(client.take_in_and_publish, kit.store.bucket, repo, one) for one in uploads
    ]
    done = [future.result(120) for future in futures]
    newest = read_version(kit.store)
    assert {one.upload_id for one in newest.members} == set(uploads)
    assert any(status == 412 for status, _ in hub.answers), "there was no race"
    shards = {f"data/train/{one}.parquet" for one in uploads}
    assert shards < set(hub.paths("datasets", repo))
    assert len({number for number, _ in done}) > 1
    for _, published in done:
        version = read_version(kit.store, int(published.tag[1:]))
        in_it = {f"data/train/{one.upload_id}.parquet" for one in version.members}
        assert in_it == shards & set(hub.paths("datasets", repo, published.tag))
    assert f"v{newest.number}" in hub.repo("datasets", repo).tags
    bodies = [one.path for one in hub.sent(LFS)]
    assert len(set(bodies)) == 8 + 3


def test_others_that_never_stop_are_named(hub: HubServer, run: Client, kit: Kit, repo: str) -> None:
    kit.version()
    run(client.configure, 8, 60, OWNER)  # a busy machine takes its time for each
    hub.faults.append(Fault(COMMIT, status=412, count=1000))
    with pytest.raises(HubError, match=r"Others keep writing to .*Materialize again later"):
        run(client.publish_dataset, kit.store.bucket, repo)
    assert len(hub.sent(COMMIT)) > 1


@pytest.mark.parametrize("token", ["no-such-token", None])
def test_401(hub: HubServer, run: Client, kit: Kit, repo: str, token: str | None) -> None:
    kit.version()
    run(client.configure, 60, 60, token)
    with pytest.raises(HubRefusedError, match=r"refuses .*\(401.*Set HF_TOKEN to a valid token"):
        run(client.publish_dataset, kit.store.bucket, repo)
    assert len(hub.requests) <= 3  # it is not tried again
    assert ("datasets", repo) not in hub.repos


def test_403(hub: HubServer, run: Client, kit: Kit, repo: str) -> None:
    kit.version()
    run(client.configure, 60, 60, READER)
    with pytest.raises(HubRefusedError, match=r"\(403 .*permission to write"):
        run(client.publish_dataset, kit.store.bucket, repo)
    hub.put("datasets", repo, {}, private=True)
    with pytest.raises(HubRefusedError, match=r"\(403 .*permission to write"):
        run(client.publish_dataset, kit.store.bucket, repo)
    assert hub.paths("datasets", repo) == [".gitattributes"]


def test_404(hub: HubServer, run: Client, kit: Kit, repo: str) -> None:
    kit.version()
    hub.faults.append(Fault(CREATE, status=404))
    with pytest.raises(HubRefusedError, match=r"\(404 .*Check HUB_DATASET and HUB_MODEL"):
        run(client.publish_dataset, kit.store.bucket, repo)


def test_429_is_waited_for(hub: HubServer, run: Client, kit: Kit, repo: str) -> None:
    kit.version()
    started = time.monotonic()
    publish(hub, run, kit, repo, Fault(COMMIT, status=429, headers={"Retry-After": "2"}))
    assert time.monotonic() - started >= 2
    assert_is_there(hub, kit, repo)


@pytest.mark.parametrize("pattern", [LFS, COMMIT])
def test_429_for_too_long_is_not(
    hub: HubServer, run: Client, kit: Kit, repo: str, pattern: str
) -> None:
    """`huggingface_hub` alone would sleep for a day over the first of these."""
    kit.version()
    hub.faults.append(Fault(pattern, status=429, headers={"Retry-After": "86400"}, count=1000))
    started = time.monotonic()
    with pytest.raises(HubError, match="asks to wait for 86400 s"):
        run(client.publish_dataset, kit.store.bucket, repo)
    assert time.monotonic() - started < 20


def test_500_for_ever(hub: HubServer, run: Client, kit: Kit, repo: str) -> None:
    kit.version()
    run(client.configure, 1, 60, OWNER)
    hub.faults.append(Fault(COMMIT, status=500, count=1000))
    with pytest.raises(HubError, match=r"fails for .*\(500 .*Materialize again later"):
        run(client.publish_dataset, kit.store.bucket, repo)


def test_a_slow_answer_is_waited_for(hub: HubServer, run: Client, kit: Kit, repo: str) -> None:
    kit.version()
    publish(hub, run, kit, repo, Fault(COMMIT, delay_s=1.0))
    assert len(hub.sent(COMMIT)) == 1
    assert_is_there(hub, kit, repo)


def test_a_silent_one_is_given_up_and_tried_again(
    hub: HubServer, run: Client, kit: Kit, repo: str
) -> None:
    kit.version()
    run(client.configure, 60, 0.5, OWNER)
    publish(hub, run, kit, repo, Fault(COMMIT, delay_s=2.0))
    assert len(hub.sent(COMMIT)) > 1
    assert_is_there(hub, kit, repo)


def test_nobody_answers(hub: HubServer, run: Client, kit: Kit, repo: str) -> None:
    kit.version()
    run(client.configure, 1, 60, OWNER)
    hub.faults.append(Fault(".", cut=True, count=1000))
    with pytest.raises(HubError, match=r"does not answer for .*Check the network and HF_ENDPOINT"):
        run(client.publish_dataset, kit.store.bucket, repo)


def test_a_card_that_the_hub_refuses(hub: HubServer, run: Client, kit: Kit, repo: str) -> None:
    kit.version()
    hub.faults.append(Fault("/api/validate-yaml", status=400))
    with pytest.raises(HubRefusedError, match="Check HUB_LICENSE"):
        run(client.publish_dataset, kit.store.bucket, repo)
    assert not hub.sent(LFS)
