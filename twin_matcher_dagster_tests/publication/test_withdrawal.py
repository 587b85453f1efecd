"""A person who is erased is off the Hub: head, tags and history."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import pytest
import yaml

from twin_matcher_dagster.errors import HubError
from twin_matcher_dagster.publication.withdrawal import LEFT
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.parts import user_id
from twin_matcher_dagster_tests.conftest import new_bucket
from twin_matcher_dagster_tests.hub_server import OWNER, Fault, HubServer, Repo
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.memory import memory_bucket
from twin_matcher_dagster_tests.publication import client
from twin_matcher_dagster_tests.publication.conftest import Client


def anywhere(hub: HubServer, kind: str, repo: str, words: bytes) -> list[str]:
    """Every revision and path of a repository whose name or content has some bytes."""
    return [
        f"{commit[:7]}: {path}"
        for commit in hub.reachable(kind, repo)
        for path in hub.paths(kind, repo, commit)
        if words in path.encode() or words in hub.content(kind, repo, path, commit)
    ]


@dataclass(frozen=True)
class Published:
    """Three versions: nobody; Mira; Mira and Noor.

    Attributes:
        kit: with the bucket that they were published from, in memory.
        repo: the repository.
        files: all that the Hub has.
        mira: the id of Mira's upload.
    """

    kit: Kit
    repo: Repo
    files: Mapping[str, bytes]
    mira: str


@pytest.fixture(scope="module")
def _published(
    hub_process: HubServer, worker: ProcessPoolExecutor, three_celebrities: Kit
) -> Published:
    hub_process.forget()
    worker.submit(client.configure, 60, 60, OWNER).result(120)
    with pytest.MonkeyPatch.context() as patch:
        kit = three_celebrities.copied(new_bucket(patch))
    uploads = []
    for name in ("", "Mira", "Noor"):
        uploads += [kit.user(name, publication=True)] if name else []
        kit.version()
        worker.submit(client.publish_dataset, kit.store.bucket, "tests/saved").result(120)
    repos, files = hub_process.saved()
    made = Published(
        kit.copied(memory_bucket()), repos["datasets", "tests/saved"], files, uploads[0]
    )
    kit.store.client.delete_bucket(Bucket=kit.store.bucket)
    assert set(made.repo.tags) == {"v1", "v2", "v3"}
    return made


@pytest.fixture
def published(hub: HubServer, repo: str, _published: Published) -> str:
    """Three versions: nobody; Mira; Mira and Noor. The id of Mira's upload."""
    hub.put_back("datasets", repo, _published.repo, _published.files)
    return _published.mira


@pytest.fixture
def kit(_published: Published) -> Kit:
    """The bucket, in memory."""
    return _published.kit.copied(memory_bucket())


def test_nothing_of_an_upload_is_left(
    hub: HubServer, run: Client, kit: Kit, repo: str, published: str
) -> None:
    pixels = kit.pieces(published)[0]
    path = f"data/train/{published}.parquet"
    assert run(client.mentions, published, repo, None) == [
        f"{repo}@{revision}: {path}" for revision in ("main", "v2", "v3")
    ]
    assert len(anywhere(hub, "datasets", repo, pixels)) >= 2
    report = run(client.forget, published, repo, None)
    assert not [line for line in report if line.startswith(LEFT)]
    assert run(client.mentions, published, repo, None) == []
    assert anywhere(hub, "datasets", repo, published.encode()) == []
    assert anywhere(hub, "datasets", repo, pixels) == []
    assert not list(hub.find_blob(pixels))
    # Who was not erased stays, and so do versions that never had the upload.
    rows = run(client.load_rows, repo, "main")
    assert {row["label"] for row in rows["train"]} == {"Ana Luz", "Bob Stone", "Noor", "Zoë Ñandú"}
    assert set(hub.repo("datasets", repo).tags) == {"v1"}
    assert len(run(client.load_rows, repo, "v1")["train"]) == 18
    card = yaml.safe_load(hub.content("datasets", repo, "README.md").split(b"---")[1])
    assert card["twin_matcher"]["users"] == 1
    assert card["dataset_info"]["splits"][0] == {"name": "train", "num_examples": 43}


def test_again_does_no_harm(
    hub: HubServer, run: Client, kit: Kit, repo: str, published: str
) -> None:
    run(client.forget, published, repo, None)
    head = hub.repo("datasets", repo).refs["main"]
    assert run(client.forget, published, repo, None) == [f"{repo}: nothing there is of it"]
    assert hub.repo("datasets", repo).refs["main"] == head


def test_the_next_version_is_published_as_ever(
    store: ObjectStore, run: Client, kit: Kit, repo: str, published: str
) -> None:
    kit = kit.copied(store)
    run(client.forget, published, repo, None)
    kit.judge(published, state="rejected", publication=True)
    kit.version()
    done = run(client.publish_dataset, kit.store.bucket, repo)
    assert done.files == 0  # the head is what it should be already
    assert run(client.check_dataset, kit.store.bucket, repo, done.tag) == []


def test_what_the_hub_refuses_is_said(
    hub: HubServer, run: Client, kit: Kit, repo: str, published: str
) -> None:
    hub.faults += [
        Fault("/super-squash/", status=403),
        Fault("^POST .*/lfs-files/batch", status=403),
        Fault("^DELETE .*/tag/v2", status=403),
    ]
    report = run(client.forget, published, repo, None)
    left = [line for line in report if line.startswith(LEFT)]
    assert len(left) == 3
    for line, words in zip(left, ("history", "large files", "tag v2"), strict=True):
        assert words in line
        assert "403" in line
    assert f"{repo}: taken out of the head" in report
    assert run(client.mentions, published, repo, None) == [
        f"{repo}@v2: data/train/{published}.parquet"
    ]
    # Once the Hub lets us, the rest is done.
    assert not [x for x in run(client.forget, published, repo, None) if x.startswith(LEFT)]
    assert anywhere(hub, "datasets", repo, published.encode()) == []


@pytest.mark.parametrize("pattern", ["/super-squash/", "/lfs-files/batch", "DELETE .*/tag/"])
def test_a_cut_off_erasure_goes_on_where_it_was(
    hub: HubServer, run: Client, kit: Kit, repo: str, published: str, pattern: str
) -> None:
    run(client.configure, 0.1, 60, OWNER)
    hub.faults.append(Fault(pattern, status=500, count=1))
    assert any(line.startswith(LEFT) for line in run(client.forget, published, repo, None))
    run(client.forget, published, repo, None)
    assert anywhere(hub, "datasets", repo, published.encode()) == []


def test_a_head_that_cannot_be_changed_is_an_error(
    hub: HubServer, run: Client, kit: Kit, repo: str, published: str
) -> None:
    run(client.configure, 0.1, 60, OWNER)
    hub.faults.append(Fault("^POST .*/commit/", status=500, count=100))
    with pytest.raises(HubError, match="fails for"):
        run(client.forget, published, repo, None)


def test_who_was_never_published_costs_no_history(
    hub: HubServer, run: Client, kit: Kit, repo: str, published: str
) -> None:
    private = kit.user("Quillfeather", publication=False)
    before = dict(hub.repo("datasets", repo).commits)
    assert run(client.forget, private, repo, None) == [f"{repo}: nothing there is of it"]
    assert hub.repo("datasets", repo).commits == before


def test_a_card_of_somebody_elses_is_no_obstacle(
    hub: HubServer, run: Client, kit: Kit, repo: str, published: str
) -> None:
    hub.put("datasets", repo, {"README.md": b"# mine"})
    run(client.forget, published, repo, None)
    assert run(client.mentions, published, repo, None) == []
    assert len(run(client.load_rows, repo, "main")["train"]) == 43


def test_a_model_that_learned_from_it_is_withdrawn(
    hub: HubServer, run: Client, store: ObjectStore, three_celebrities: Kit, repo: str
) -> None:
    kit = three_celebrities.copied(store)
    kit.version()
    kit.release(kit.train(real=True))
    run(client.publish_model, kit.store.bucket, repo)
    weights = hub.content("models", repo, "model.safetensors")
    mira = kit.user("Mira", publication=True)
    kit.version()
    kit.release(kit.train(real=True))
    run(client.publish_model, kit.store.bucket, repo)
    learned = hub.content("models", repo, "model.safetensors")
    assert [line.split(": ")[0] for line in run(client.mentions, mira, None, repo)] == [
        f"{repo}@main",
        f"{repo}@v2",
    ]
    report = run(client.forget, mira, None, repo)
    assert not [line for line in report if line.startswith(LEFT)]
    assert hub.paths("models", repo) == [".gitattributes", "README.md"]
    assert b"Withdrawn" in hub.content("models", repo, "README.md")
    assert anywhere(hub, "models", repo, user_id(mira).encode()) == []
    assert not list(hub.find_blob(learned))
    # The release before is still there, under its tag.
    assert hub.content("models", repo, "model.safetensors", "v1") == weights


def test_no_repository_is_nothing_to_do(hub: HubServer, run: Client, repo: str) -> None:
    assert run(client.mentions, "01J", repo, repo) == []
    said = f"there is no {repo} on the Hub that the token may see"
    assert run(client.forget, "01J", repo, repo) == [said, said]
    assert run(client.forget, "01J", None, None) == []
