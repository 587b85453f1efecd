"""Real faces spoiled on purpose: what balanced_faces finds, keeps, lists, and takes a word on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import dagster as dg
import numpy as np
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from twin_matcher_dagster.celebrities.cleaning import find_errors
from twin_matcher_dagster.celebrities.findings import (
    LOOKS_LIKE,
    NEAR_DUPLICATE,
    NO_FACE,
    SAME_IMAGE,
    SECOND_NAMESAKE,
    UNREADABLE,
    Finding,
    InspectedImage,
)
from twin_matcher_dagster.celebrities.inspection import Inspection, inspect
from twin_matcher_dagster.celebrities.namesakes import NAMESAKES, waiting_in
from twin_matcher_dagster.celebrities.review_table import (
    read_reviews,
    read_table,
    write_reviews,
    write_table,
)
from twin_matcher_dagster.celebrities.reviews import reviews_of, with_decisions
from twin_matcher_dagster.celebrities.split_leakage import photos_in_two_splits
from twin_matcher_dagster.cli.main import app
from twin_matcher_dagster.dataset.identity import celebrity_id
from twin_matcher_dagster.dataset.schema import SPLITS, Face, RawFace, Split, write_raw_shard
from twin_matcher_dagster.dataset.shards import faces_in, put_faces
from twin_matcher_dagster.defs import keys
from twin_matcher_dagster.defs.celebrities.checks import (
    little_was_left_out,
    no_near_duplicate_crosses_the_split,
)
from twin_matcher_dagster.errors import ReviewError
from twin_matcher_dagster.media.images import encode_jpeg, encode_png, read_image
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.fingerprint import fingerprint
from twin_matcher_dagster.storage.logs import balanced_versions
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.celebrities import BalancedVersion, ReviewDecision
from twin_matcher_dagster_tests.conftest import new_bucket
from twin_matcher_dagster_tests.graph import materialize
from twin_matcher_dagster_tests.people import read_raw_sample

FACES = 24


def digest(row: RawFace) -> str:
    return hashlib.sha256(row.image).hexdigest()


@pytest.fixture(scope="module")
def people() -> list[list[RawFace]]:
    """Some faces of five people of the sample."""
    by_label: dict[str, list[RawFace]] = {}
    for row in read_raw_sample():
        by_label.setdefault(row.label, []).append(row)
    # Every fifth person: neighbours in the alphabet may resemble one another by chance.
    return [by_label[label][:FACES] for label in sorted(by_label)[::5]]


def copy_of(row: RawFace, side: int = 128) -> bytes:
    """Another file of the same photo: mirrored, and in another size."""
    turned = read_image(row.image)[:, ::-1]
    return encode_jpeg(cv2.resize(turned, (side, side), interpolation=cv2.INTER_AREA), 60)


@pytest.fixture(scope="module")
def spoiled(people: list[list[RawFace]]) -> tuple[list[RawFace], dict[str, str]]:
    """A source with an error of every kind, and what is to be said of each image."""
    ana, bob, cleo, *_ = people
    noise = np.random.default_rng(0).integers(0, 255, (160, 160, 3), np.uint8)
    wrong = {
        UNREADABLE: RawFace(ana[0].image[:900], ana[0].label, "train"),
        NO_FACE: RawFace(encode_png(noise), bob[0].label, "train"),
        NEAR_DUPLICATE: RawFace(copy_of(cleo[1]), cleo[0].label, "train"),
        LOOKS_LIKE: RawFace(copy_of(ana[5]), bob[0].label.upper(), "train"),
    }
    rows = [*ana, *bob, *cleo, ana[2], *wrong.values()]
    expected = {digest(row): reason for reason, row in wrong.items()}
    # The copy that is mislabelled; the photo itself is in Ana's own faces too.
    return rows, {**expected, digest(ana[2]): SAME_IMAGE}


@pytest.fixture(scope="module")
def source(
    spoiled: tuple[list[RawFace], dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("spoiled") / "faces.parquet"
    path.write_bytes(write_raw_shard(spoiled[0]).data)
    return path


@dataclass(frozen=True)
class Balanced:
    """A bucket in which the spoiled source was balanced; tests only read it."""

    store: ObjectStore
    passed: dict[str, bool]
    metadata: dict[str, str]


@pytest.fixture(scope="module")
def balanced(_aws: None, source: Path) -> Balanced:
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        store = new_bucket(patch)
        patch.setenv("RAW_FACES", str(source))
        passed = balance(instance)
        event = instance.get_latest_materialization_event(dg.AssetKey(keys.BALANCED_FACES))
        assert event is not None
        assert event.asset_materialization is not None
        metadata = event.asset_materialization.metadata
        return Balanced(store, passed, {name: str(one.value) for name, one in metadata.items()})


def balance(instance: dg.DagsterInstance) -> dict[str, bool]:
    """Run raw_faces and balanced_faces; the checks that ran, and whether they passed."""
    result = materialize(instance, [keys.RAW_FACES, keys.BALANCED_FACES])
    assert result.success
    return {one.check_name: one.passed for one in result.get_asset_check_evaluations()}


def head(store: ObjectStore) -> BalancedVersion:
    return balanced_versions(store).existing_head().record


def table(store: ObjectStore) -> list[Finding]:
    return read_table(store.get(head(store).table))


def decide(path: Path, *lines: str) -> str:
    path.write_text("\n".join(["image,decision,note", *lines]))
    result = CliRunner().invoke(app, ["review", "import", str(path)])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_errors_of_every_kind_are_found_and_nothing_else(
    spoiled: tuple[list[RawFace], dict[str, str]], balanced: Balanced
) -> None:
    rows, expected = spoiled
    assert all(balanced.passed.values())
    found = {one.image: one for one in table(balanced.store)}
    assert {image: one.reason for image, one in found.items()} == expected
    looks_like = next(one for one in found.values() if one.reason == LOOKS_LIKE)
    assert looks_like.other == celebrity_id(rows[0].label)
    for reason in (NO_FACE, NEAR_DUPLICATE, LOOKS_LIKE):
        assert balanced.metadata[f"pictures: {reason}"].startswith("![")


def test_a_shard_has_one_split_and_faces_their_measures(
    spoiled: tuple[list[RawFace], dict[str, str]], balanced: Balanced
) -> None:
    rows, expected = spoiled
    made = head(balanced.store)
    shards = [{split for one in shard.identities for split in one.faces} for shard in made.shards]
    assert sorted(split for one in shards for split in one) == sorted(SPLITS)
    faces = list(faces_in(balanced.store, made.shards))
    assert len(faces) == made.rows == len(rows) - len(expected)
    assert all(face.quality > 0 for face in faces)
    assert max(abs(face.yaw) for face in faces) > 10


def test_a_reviewed_table_overrides(
    spoiled: tuple[list[RawFace], dict[str, str]],
    source: Path,
    balanced: Balanced,
    store: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, expected = spoiled
    copy = next(image for image, reason in expected.items() if reason == NEAR_DUPLICATE)
    swapped = next(image for image, reason in expected.items() if reason == LOOKS_LIKE)
    dropped = digest(rows[30])
    said = decide(
        tmp_path / "mine.csv",
        f"{copy},keep,",
        f"{swapped},label={rows[0].label},",
        f"{dropped},drop,hat",
        f"{'0' * 64},drop,",
    )
    assert "2 drop, 1 keep, 1 label" in said
    assert "balanced_faces" in said
    monkeypatch.setenv("RAW_FACES", str(source))
    with dg.DagsterInstance.ephemeral() as instance:
        # The kept copy and its photo are in one split: the check that compares pictures passes.
        assert all(balance(instance).values())
    decided = {one.image: (one.reason, one.decision) for one in table(store) if one.decision}
    assert decided == {
        copy: (NEAR_DUPLICATE, "keep"),
        # Under its own name it is a copy of a photo that is there.
        swapped: (NEAR_DUPLICATE, f"label={rows[0].label}"),
        dropped: ("left out by review", "drop"),
        "0" * 64: ("not in the source", "drop"),
    }
    before, after = head(balanced.store), head(store)
    assert after.fingerprint != before.fingerprint
    assert after.rows == before.rows  # one more, one less


def test_the_table_is_exported_with_pictures_and_comes_back(
    balanced: Balanced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWIN_MATCHER_BUCKET", balanced.store.bucket)
    findings = table(balanced.store)
    path = tmp_path / "table.csv"
    runner = CliRunner()
    result = runner.invoke(app, ["review", "export", str(path)])
    assert result.exit_code == 0, result.output
    lines = path.read_text().splitlines()
    assert lines[0].startswith("image,decision,note,label,")
    assert len(lines) == 1 + len(findings)
    page = (tmp_path / "table.html").read_text()
    assert page.count("<figure>") == len(findings)
    assert page.count("<img ") >= page.count("<figure>")
    again = runner.invoke(app, ["review", "export", str(path)])
    assert isinstance(again.exception, ReviewError)
    assert read_reviews(path.read_bytes()) == []


def test_an_export_holds_every_decision_whenever_it_is_made(balanced: Balanced) -> None:
    """Decided, and not looked at again by balanced_faces yet: importing it again loses nothing."""
    findings = table(balanced.store)
    told = [
        ReviewDecision(findings[0].image, "keep", "she it is"),
        ReviewDecision("f" * 64, "drop", "not among the findings"),
    ]
    exported = write_reviews(with_decisions(findings, told), {one.image: one.note for one in told})
    assert sorted(read_reviews(exported), key=lambda one: one.image) == sorted(
        told, key=lambda one: one.image
    )


def test_a_table_that_is_wrong_changes_nothing(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"image,decision\n{'a' * 64},perhaps\n")
    result = CliRunner().invoke(app, ["review", "import", str(path)])
    assert isinstance(result.exception, ReviewError)
    assert "Line 2" in str(result.exception)
    assert reviews_of(store) == ([], "")
    missing = CliRunner().invoke(app, ["review", "export", str(tmp_path / "t.csv")])
    assert "materialize balanced_faces" in str(missing.exception)


def a_face(row: RawFace, split: Split) -> Face:
    return Face(row.image, row.label, celebrity_id(row.label), "celebrity", "", split)


def commit(
    store: ObjectStore,
    *shards: list[Face],
    table: str = "",
    images: Mapping[str, int] | None = None,
) -> None:
    """Write shards and a manifest as balanced_faces does."""
    entries = tuple(put_faces(store, layout.BALANCED, faces) for faces in shards)
    balanced_versions(store).append(
        BalancedVersion(
            fingerprint=fingerprint(table, *entries),
            raw=0,
            table=table,
            images=images or {},
            rows=sum(shard.rows for shard in entries),
            templates={},
            people={},
            shards=entries,
            uncleaned=(),
            min_faces=8,
            too_few={},
        )
    )


def passes(check: Callable[..., Any], store: ObjectStore) -> bool:
    class Resource:
        def open(self) -> ObjectStore:
            return store

    return bool(check(object_store=Resource()).passed)


def test_a_leak_is_found(people: list[list[RawFace]], store: ObjectStore) -> None:
    """Whatever cleaning thinks, and under whichever name."""
    train = [a_face(row, "train") for row in people[0][:9]]
    test = [a_face(row, "test") for row in people[1][:9]]
    commit(store, train, test)
    assert passes(no_near_duplicate_crosses_the_split, store)
    leak = replace(test[0], image=copy_of(people[0][4], 160))
    assert photos_in_two_splits([*train, *test, leak]) == [(train[4], leak)]
    commit(store, train, [*test, leak])
    assert not passes(no_near_duplicate_crosses_the_split, store)


def test_a_shard_of_two_splits_is_found(people: list[list[RawFace]], store: ObjectStore) -> None:
    rows = people[0][:4]
    commit(store, [a_face(row, split) for row, split in zip(rows, SPLITS, strict=False)])
    assert not passes(no_near_duplicate_crosses_the_split, store)


def test_much_that_was_left_out_is_a_warning(store: ObjectStore) -> None:
    """Copies are no loss, and neither is what a person decided."""

    def warned(findings: list[Finding]) -> bool:
        data = write_table(findings)
        key = layout.table(layout.BALANCED, hashlib.sha256(data).hexdigest())
        store.put_content(key, data)
        commit(store, table=key, images={"c-1": 10})
        return not passes(little_was_left_out, store)

    copies = [Finding(str(n), "Ana", "c-1", NEAR_DUPLICATE) for n in range(9)]
    lost = [Finding(f"lost {n}", "Ana", "c-1", LOOKS_LIKE) for n in range(3)]
    assert not warned([*copies, *lost[:2]])
    assert warned([*copies, *lost])
    assert not warned([*copies, *lost[:2], replace(lost[2], decision="drop")])


@pytest.fixture(scope="module")
def real(shared_data: Path) -> list[Inspection]:
    """168 crops of 18 well-known people."""
    rows = parquet.read_table(shared_data / "celebs" / "test.parquet").to_pylist()
    return inspect(RawFace(row["image"]["bytes"], row["label"], "train") for row in rows)


def test_little_of_real_faces_is_left_out(real: list[Inspection]) -> None:
    """Nobody may lose faces for nothing, and nobody wait but who is two women."""
    assert all(one.seen.vector is not None for one in real)
    found = find_errors([one.seen for one in real])
    assert list(waiting_in(found).values()) == ["Gwyneth Paltrow"]
    assert sum(one.reason not in (NEAR_DUPLICATE, *NAMESAKES) for one in found) <= 2


def test_a_second_person_under_one_name_is_listed(real: list[Inspection]) -> None:
    """Rendered people resemble one another too much for this; real ones do not."""
    by_identity: dict[str, list[InspectedImage]] = {}
    for one in real:
        by_identity.setdefault(one.seen.identity_id, []).append(one.seen)
    first, second, *_ = sorted(by_identity.values(), key=len, reverse=True)
    astray = [
        replace(one, label=first[0].label, identity_id=first[0].identity_id) for one in second[:6]
    ]
    findings = find_errors([*first, *astray])
    found = {one.image for one in findings if one.reason == SECOND_NAMESAKE}
    assert found == {one.image for one in astray}


@pytest.mark.slow
def test_the_sample_is_left_alone() -> None:
    """1,796 rendered faces, who resemble one another more than real people do."""
    looked = inspect(read_raw_sample())
    found = Counter(one.reason for one in find_errors([one.seen for one in looked]))
    assert set(found) <= {NEAR_DUPLICATE}
    assert found.total() <= 0.04 * len(looked)
