"""What gets to the Hub, over HTTP, and what `datasets` and `transformers` read of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import ResNetForImageClassification

from twin_matcher_dagster.dataset.schema import SPLITS
from twin_matcher_dagster.dataset.versions import Version
from twin_matcher_dagster.errors import HubRefusedError
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.publication.publisher import Withheld
from twin_matcher_dagster.recognition.embedder import Embedder
from twin_matcher_dagster.storage.files import get_model
from twin_matcher_dagster.storage.logs import releases
from twin_matcher_dagster.storage.records.parts import ShardEntry
from twin_matcher_dagster.training.backbone import image_processor
from twin_matcher_dagster_tests.hub_server import HubServer
from twin_matcher_dagster_tests.kit import Kit
from twin_matcher_dagster_tests.publication import client
from twin_matcher_dagster_tests.publication.conftest import Client
from twin_matcher_dagster_tests.records import OTHER_CLIPS

LFS = r"^PUT /lfs/"
COMMIT = r"^POST .*/commit/"


def rows_of(version: Version, *uploads: str) -> dict[str, list[tuple]]:
    """The rows that the publication of a version with these uploads is to have."""
    found: dict[str, list[tuple]] = {}
    for face in version.faces():
        if not face.upload_id or face.upload_id in uploads:
            found.setdefault(face.split, []).append(tuple(vars(face).values()))
    return {split: sorted(rows) for split, rows in found.items()}


def plain(loaded: dict[str, list[dict]]) -> dict[str, list[tuple]]:
    """What `datasets` loaded, as :func:`rows_of` has it."""
    return {
        split: sorted((row.pop("image")["bytes"], *row.values()) for row in rows)
        for split, rows in loaded.items()
    }


def split_of(shard: ShardEntry) -> str:
    return next(iter(shard.identities[0].faces))


def test_a_data_set_goes_there_and_comes_back(
    hub: HubServer, run: Client, kit: Kit, repo: str
) -> None:
    mira = kit.user("Mira", publication=True)
    version = kit.version()
    done = run(client.publish_dataset, kit.store.bucket, repo, license="cc-by-4.0")
    assert (done.tag, done.files) == ("v1", 5)
    assert hub.repo("datasets", repo).private
    (commit,) = hub.sent(COMMIT)
    title = json.loads(commit.body.splitlines()[0])["value"]["summary"]
    assert title == f"Version 1 (run {client.RUN})"
    loaded = run(client.load_rows, repo, "v1")
    assert {split: len(some) for split, some in loaded.items()} == {
        "train": 43,
        "validation": 18,
        "test": 18,
    }
    assert plain(loaded) == rows_of(version, mira)
    assert run(client.image_sizes, repo, "v1") == {(160, 160)}
    assert run(client.check_dataset, kit.store.bucket, repo, "v1") == []


def test_the_card_says_the_real_figures(hub: HubServer, run: Client, kit: Kit, repo: str) -> None:
    kit.user("Mira", publication=True)
    kit.version()
    run(client.publish_dataset, kit.store.bucket, repo, license="cc-by-4.0")
    card = hub.content("datasets", repo, "README.md").decode()
    head = yaml.safe_load(card.split("---")[1])
    assert head["license"] == "cc-by-4.0"
    assert head["dataset_info"]["splits"] == [
        {"name": "train", "num_examples": 43},
        {"name": "validation", "num_examples": 18},
        {"name": "test", "num_examples": 18},
    ]
    features = {one["name"]: one["dtype"] for one in head["dataset_info"]["features"]}
    assert features["image"] == "image"
    assert features["label"] == "string"
    assert features["yaw"] == "float32"
    assert "3 celebrities and 1 users" in card
    for part in ("Provenance", "the bundled sample", "Consent", "Licence", "Intended use"):
        assert part in card


def test_a_new_person_is_all_that_is_sent(hub: HubServer, run: Client, kit: Kit, repo: str) -> None:
    before = kit.version()
    run(client.publish_dataset, kit.store.bucket, repo)
    first = sum(len(one.body) for one in hub.requests)
    hub.forget_requests()
    mira = kit.user("Mira", publication=True)
    after = kit.version()
    done = run(client.publish_dataset, kit.store.bucket, repo)
    (upload,) = hub.sent(LFS)
    assert upload.body == kit.store.get(kit.shard_of(mira).key)
    (commit,) = hub.sent(COMMIT)
    changed = [json.loads(line)["value"].get("path") for line in commit.body.splitlines()[1:]]
    assert sorted(changed) == ["README.md", f"data/train/{mira}.parquet"]
    sent = sum(len(one.body) for one in hub.requests)
    assert sent < len(upload.body) + 20_000
    assert done.files == 2
    assert len(upload.body) < done.bytes < sent
    assert len(hub.requests) <= 14
    assert first > 0
    # Both versions are there, by their tags.
    assert plain(run(client.load_rows, repo, "v1")) == rows_of(before)
    assert plain(run(client.load_rows, repo, "v2")) == rows_of(after, mira)


def test_the_same_again_makes_no_commit(hub: HubServer, run: Client, kit: Kit, repo: str) -> None:
    kit.version()
    first = run(client.publish_dataset, kit.store.bucket, repo)
    hub.forget_requests()
    again = run(client.publish_dataset, kit.store.bucket, repo)
    assert (again.commit, again.files, again.bytes) == (first.commit, 0, 0)
    assert not hub.sent("^(POST|PUT|DELETE)")


def test_what_an_earlier_version_had_is_deleted(
    hub: HubServer, run: Client, kit: Kit, repo: str
) -> None:
    mira = kit.user("Mira", publication=True)
    kit.version()
    run(client.publish_dataset, kit.store.bucket, repo)
    hub.put("datasets", repo, {"LICENSE": b"of the publisher's own"})
    kit.celebrities("Ana Luz", "Bob Stone", faces=6, splits=SPLITS)
    kit.judge(mira, state="rejected", publication=True)
    version = kit.version()
    run(client.publish_dataset, kit.store.bucket, repo)
    shards = [f"data/{split_of(one)}/{one.sha256}.parquet" for one in version.celebrities]
    assert sorted(hub.paths("datasets", repo)) == sorted(
        [".gitattributes", "LICENSE", "README.md", *shards]
    )
    assert plain(run(client.load_rows, repo, "v2")) == rows_of(version)


def test_who_did_not_agree_is_never_sent(hub: HubServer, run: Client, kit: Kit, repo: str) -> None:
    private = kit.user("Quillfeather", publication=False)
    mira = kit.user("Mira", publication=True)
    kit.version()
    run(client.publish_dataset, kit.store.bucket, repo)
    received = b"".join(one.body + one.path.encode() for one in hub.requests)
    for words in (b"Mira", mira.encode(), *kit.pieces(mira)):
        assert words in received
    for words in (b"Quillfeather", private.encode(), *kit.pieces(private)):
        assert words not in received


def test_other_clips_are_held_out_and_never_sent(
    hub: HubServer, run: Client, kit: Kit, repo: str
) -> None:
    """Whatever their person agreed to; without the first one they are that person, and are."""
    mira = kit.user("Mira", publication=True)
    kit.version()
    again = kit.another_clip(mira, publication=True)
    version = kit.version()
    run(client.publish_dataset, kit.store.bucket, repo)
    sent = hub.paths("datasets", repo)
    assert f"data/train/{mira}.parquet" in sent
    assert not [path for path in sent if again in path]
    card = yaml.safe_load(hub.content("datasets", repo, "README.md").split(b"---")[1])
    counted = card["twin_matcher"]
    assert counted["users"] == version.record.users == 1
    assert sum(counted["faces"].values()) == version.record.rows - 3
    kit.withdraw_consent(mira)
    kit.version()
    run(client.publish_dataset, kit.store.bucket, repo)
    assert not [path for path in hub.paths("datasets", repo) if mira in path or again in path]
    kit.judge(mira, state="rejected")
    kit.version()
    run(client.publish_dataset, kit.store.bucket, repo)
    assert f"data/train/{again}.parquet" in hub.paths("datasets", repo)


def test_consent_that_is_taken_back_takes_the_faces_out(
    hub: HubServer, run: Client, kit: Kit, repo: str
) -> None:
    mira = kit.user("Mira", publication=True)
    kit.version()
    run(client.publish_dataset, kit.store.bucket, repo)
    assert f"data/train/{mira}.parquet" in hub.paths("datasets", repo)
    kit.withdraw_consent(mira)
    kit.version()
    run(client.publish_dataset, kit.store.bucket, repo)
    assert f"data/train/{mira}.parquet" not in hub.paths("datasets", repo)


def test_nothing_private_goes_to_a_public_repository(
    hub: HubServer, run: Client, kit: Kit, repo: str
) -> None:
    kit.version()
    hub.put("datasets", repo, {"README.md": b"# mine"}, private=False)
    with pytest.raises(HubRefusedError, match=r"is public on the Hub.*nothing was sent"):
        run(client.publish_dataset, kit.store.bucket, repo)
    assert not hub.sent("^(POST|PUT|DELETE)")
    done = run(client.publish_dataset, kit.store.bucket, repo, private=False)
    assert done.files == 4


def test_a_shard_that_was_altered_is_not_sent(
    hub: HubServer, run: Client, kit: Kit, repo: str
) -> None:
    version = kit.version()
    key = version.celebrities[0].key
    kit.store.client.put_object(Bucket=kit.store.bucket, Key=key, Body=b"something else")
    with pytest.raises(HubRefusedError, match="was altered in the bucket"):
        run(client.publish_dataset, kit.store.bucket, repo)
    assert not hub.sent(COMMIT)


def test_a_tag_that_stands_for_something_else_is_kept(
    hub: HubServer, run: Client, kit: Kit, repo: str
) -> None:
    kit.version()
    hub.put("datasets", repo, {"data/train/a.parquet": b"of another bucket"}, private=True)
    there = hub.repo("datasets", repo)
    there.tags["v1"] = there.refs["main"]
    with pytest.raises(HubRefusedError, match="has a tag v1 already, on other content"):
        run(client.publish_dataset, kit.store.bucket, repo)
    assert hub.paths("datasets", repo, "v1") == hub.paths("datasets", repo)
    assert not hub.sent("^(PUT|DELETE)")


def test_reading_back_finds_what_was_changed(
    hub: HubServer, run: Client, kit: Kit, repo: str
) -> None:
    version = kit.version()
    run(client.publish_dataset, kit.store.bucket, repo)
    path = f"data/train/{version.celebrities[0].sha256}.parquet"
    card = hub.content("datasets", repo, "README.md").replace(b"train: 18", b"train: 17")
    hub.put("datasets", repo, {path: b"altered", "data/test/more.parquet": b"", "README.md": card})
    there = hub.repo("datasets", repo)
    there.tags["v1"] = there.refs["main"]
    found = run(client.check_dataset, kit.store.bucket, repo, "v1")
    assert found[:2] == ["data/test/more.parquet", path]
    assert "the card says" in found[2]


def test_a_model_names_people_and_gives_the_probabilities_of_ours(
    hub: HubServer, run: Client, kit: Kit, repo: str, tmp_path: Path
) -> None:
    kit.user("Bob Stone", publication=True)  # as a celebrity is called
    kit.version()
    release = kit.release(kit.train(real=True))
    done = run(client.publish_model, kit.store.bucket, repo, license="mit")
    assert done.tag == "v1"
    assert hub.repo("models", repo).private
    image = next(iter(kit.version().faces())).image
    answers = run(client.classify, repo, "v1", image)
    assert sorted(answers) == ["Ana Luz", "Bob Stone", "Bob Stone (2)", "Zoë Ñandú"]
    get_model(kit.store, release.record.files, tmp_path)
    embedder = Embedder(tmp_path)
    model = ResNetForImageClassification.from_pretrained(tmp_path).eval()
    pixels = image_processor(str(tmp_path))([read_image(image)])["pixel_values"]
    with torch.inference_mode():
        logits = model(pixel_values=torch.from_numpy(np.stack(pixels))).logits
    labels = json.loads(hub.content("models", repo, "config.json"))
    assert labels["identities"] == embedder.identities
    wanted = {
        labels["id2label"][str(number)]: value
        for number, value in enumerate(logits.softmax(1)[0].tolist())
    }
    assert answers == pytest.approx(wanted, abs=1e-3)
    assert run(client.check_model, kit.store.bucket, repo, "v1") == []


def test_a_models_card_and_files(hub: HubServer, run: Client, kit: Kit, repo: str) -> None:
    kit.version()
    kit.release(kit.train(real=True))
    run(client.publish_model, kit.store.bucket, repo, license="mit")
    paths = hub.paths("models", repo)
    assert "neck.safetensors" in paths  # the card says that it is needed
    assert {Path(path).suffix for path in paths} == {"", ".json", ".md", ".safetensors"}
    card = hub.content("models", repo, "README.md").decode()
    for part in (
        "98.9%",
        "99.5%",
        "97.9%",
        "5.3%",
        "189 held-out",
        "`mit`",
        "Limits",
        "Out of scope",
        "consent",
    ):
        assert part in card
    assert yaml.safe_load(card.split("---")[1])["pipeline_tag"] == "image-classification"


def test_a_models_card_says_how_users_are_found_in_other_clips(
    hub: HubServer, run: Client, kit: Kit, repo: str
) -> None:
    kit.version()
    release = kit.release(kit.train(real=True)).record
    measured = replace(release, other_clips=OTHER_CLIPS, fingerprint="measured")
    releases(kit.store).append(measured)
    run(client.publish_model, kit.store.bucket, repo)
    card = hub.content("models", repo, "README.md").decode()
    assert "42 of 48 faces of 6 people find them" in " ".join(card.split())
    assert yaml.safe_load(card.split("---")[1])["twin_matcher"]["other_clips"]["found"] == 42


def test_a_model_that_learned_from_somebody_who_did_not_agree_is_withheld(
    hub: HubServer, run: Client, kit: Kit, repo: str
) -> None:
    kit.user("Quillfeather", publication=False)
    kit.version()
    release = kit.release(kit.train(real=True))
    done = run(client.publish_model, kit.store.bucket, repo)
    assert isinstance(done, Withheld)
    assert f"release {release.number} learned from 1 uploads" in done.reason
    assert hub.requests == []


def test_a_model_of_somebody_who_is_gone_is_withheld(
    hub: HubServer, run: Client, kit: Kit, repo: str
) -> None:
    mira = kit.user("Mira", publication=True)
    kit.version()
    kit.release(kit.train(real=True))
    kit.judge(mira, state="rejected", publication=True)
    kit.version()
    assert isinstance(run(client.publish_model, kit.store.bucket, repo), Withheld)


def test_a_model_of_a_celebrity_who_is_gone_is_withheld(
    hub: HubServer, run: Client, kit: Kit, repo: str
) -> None:
    """Released again without them: its classes name somebody whom the release does not know."""
    kit.version()
    release = kit.release(kit.train(real=True))
    identities = release.record.identities[1:]
    without = replace(release.record, identities=identities, fingerprint="without")
    releases(kit.store).append(without)
    done = run(client.publish_model, kit.store.bucket, repo)
    assert isinstance(done, Withheld)
    assert "learned 1 people who are not in the data set any more" in done.reason
    assert hub.requests == []
