"""A model's network as ONNX: added where it is missing, and held against torch."""

from __future__ import annotations

from dataclasses import replace

import onnx
import pytest

from twin_matcher_dagster.cli.demo import Story
from twin_matcher_dagster.media.images import read_image
from twin_matcher_dagster.release.exporting import (
    embedder_file,
    judge_export,
    with_embedder_file,
)
from twin_matcher_dagster.release.serving import Production
from twin_matcher_dagster.storage import layout
from twin_matcher_dagster.storage.files import put_file
from twin_matcher_dagster.storage.logs import indexes, models, releases
from twin_matcher_dagster.storage.object_store import ObjectStore
from twin_matcher_dagster.storage.records.index import Index
from twin_matcher_dagster.storage.records.parts import FileEntry
from twin_matcher_dagster.storage.records.release import Release
from twin_matcher_dagster.storage.records.training import Model
from twin_matcher_dagster_tests.test_architecture import run_python

PARTS = (layout.MODELS, layout.INDEXES, layout.RELEASES)


@pytest.fixture
def copy(released: ObjectStore, store: ObjectStore) -> ObjectStore:
    """The model, the index and the release, in a bucket that a test may change."""
    for prefix in PARTS:
        for key in released.list(f"{prefix}/"):
            store.put_new(key, released.get(key))
    return store


def index_of(store: ObjectStore) -> Index:
    return indexes(store).existing_head().record


def with_other(store: ObjectStore, other: FileEntry | None) -> None:
    """Give the model another network as ONNX, or none, as if it had always had that."""

    def change(record: Model) -> Model:
        files = [file for file in record.files if not file.name.endswith(".onnx")]
        return replace(record, files=(*files, *([other] if other else [])))

    assert models(store).rewrite(models(store).head_number(), change)


def unreleased(store: ObjectStore) -> None:
    for number in releases(store).numbers():
        releases(store).delete(number)


def test_a_release_has_the_network_as_onnx(released: ObjectStore) -> None:
    release = releases(released).existing_head().record
    assert isinstance(release, Release)
    file = embedder_file(release.files)
    assert file
    assert file.key in release.content_keys()


def test_an_answer_loads_neither_torch_nor_transformers(
    released: ObjectStore, story: Story
) -> None:
    loaded = run_python(
        "import sys, pathlib\n"
        "from twin_matcher_dagster.media.photos import read_photo\n"
        "from twin_matcher_dagster.release.serving import Production\n"
        "from twin_matcher_dagster.storage.object_store import ObjectStore\n"
        f"production = Production(ObjectStore.from_environment({released.bucket!r}))\n"
        f"answer = production.finder().find(read_photo(pathlib.Path({str(story.photo)!r})))\n"
        "print(len(answer.twins), *sys.modules)"
    )
    assert "3" in loaded
    assert "onnxruntime" in loaded
    assert loaded.isdisjoint({"torch", "transformers", "datasets", "onnx"})


def test_a_model_of_an_earlier_version_gets_it_and_stays_the_same(
    copy: ObjectStore, story: Story
) -> None:
    before = models(copy).existing_head()
    with_other(copy, None)
    bare = models(copy).existing_head()
    assert embedder_file(bare.record.files) is None
    copy.delete(next(file.key for file in before.record.files if file.name.endswith(".onnx")))
    completed = with_embedder_file(copy, bare)
    # Written anew, from the same weights: the same bytes.
    assert completed.record == before.record
    assert (completed.number, completed.fingerprint) == (before.number, before.fingerprint)
    assert with_embedder_file(copy, completed) is completed


def test_a_release_of_an_earlier_version_answers_through_torch(
    copy: ObjectStore, story: Story
) -> None:
    photo = read_image(story.photo)
    answer = Production(copy).finder().find(photo)
    head = releases(copy).existing_head().record
    assert isinstance(head, Release)
    files = tuple(file for file in head.files if not file.name.endswith(".onnx"))
    releases(copy).append(replace(head, files=files))
    again = Production(copy).finder().find(photo)
    assert again.release == answer.release + 1
    assert again.identity == answer.identity
    assert again.twins == answer.twins


def test_what_is_released_is_not_asked_again(
    released: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twin_matcher_dagster.release.exporting.agreement_with_torch", None)
    found = judge_export(released, index_of(released))
    assert found.passed
    assert "that of release 1" in found.sentence


def test_a_network_that_says_something_else_is_refused(copy: ObjectStore) -> None:
    unreleased(copy)
    assert judge_export(copy, index_of(copy)).passed
    file = embedder_file(models(copy).existing_head().record.files)
    assert file
    graph = onnx.load_from_string(copy.get(file.key))
    weights = next(one for one in graph.graph.initializer if len(one.dims) == 4)
    values = onnx.numpy_helper.to_array(weights).copy()
    values[0] *= 1.5  # of the first of many filters
    weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
    data = graph.SerializeToString()
    key = put_file(copy, layout.MODELS, data, ".onnx")
    sha256 = key.split("/")[-1].removesuffix(".onnx")
    with_other(copy, FileEntry(file.name, key, sha256, len(data)))
    found = judge_export(copy, index_of(copy))
    assert not found.passed
    assert "is allowed. Materialize twin_model again" in found.sentence
    with_other(copy, None)
    assert judge_export(copy, index_of(copy)).sentence.startswith("The network is no ONNX")
